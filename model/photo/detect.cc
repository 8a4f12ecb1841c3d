/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * detect.cc - the one file that knows dlib. No exception leaves it.
 */
#include "detect.h"

#include <cmath>
#include <exception>
#include <future>
#include <vector>

#include <dlib/image_processing/frontal_face_detector.h>

struct _LkDetector {
    std::future<dlib::frontal_face_detector> loading; /* unpacking takes most of a second */
    dlib::frontal_face_detector ready;
};

LkDetector *lk_detector_new(void)
{
    try {
        auto *detector = new LkDetector;
        detector->loading = std::async(std::launch::async, dlib::get_frontal_face_detector);
        return detector;
    } catch (const std::exception &) {
        return nullptr;
    }
}

void lk_detector_free(LkDetector *detector)
{
    delete detector;
}

static dlib::array2d<unsigned char> to_grey(const LkPhoto *photo)
{
    const guint8 *pixel = lk_photo_pixels(photo);
    dlib::array2d<unsigned char> grey(lk_photo_height(photo), lk_photo_width(photo));

    for (long y = 0; y < grey.nr(); y++)
        for (long x = 0; x < grey.nc(); x++, pixel += 4)
            grey[y][x] = (unsigned char)((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000);
    return grey;
}

static std::vector<dlib::rect_detection> detect(LkDetector *detector, const LkPhoto *photo, double threshold)
{
    std::vector<dlib::rect_detection> found;

    if (detector->loading.valid())
        detector->ready = detector->loading.get();
    detector->ready(to_grey(photo), found, threshold);
    return found;
}

gboolean lk_detector_run(LkDetector *detector, const LkPhoto *photo, double scale, double threshold,
                         GArray *boxes)
{
    guint width = MAX(1, (guint)std::lround(lk_photo_width(photo) * scale));
    guint height = MAX(1, (guint)std::lround(lk_photo_height(photo) * scale));
    g_autoptr(LkPhoto) scaled = lk_photo_resize(photo, width, height);

    try {
        for (const auto &face : detect(detector, scaled, threshold)) {
            LkBox box = {face.rect.left() / scale, face.rect.top() / scale, face.rect.width() / scale,
                         face.rect.height() / scale, face.detection_confidence};
            g_array_append_val(boxes, box);
        }
        return TRUE;
    } catch (const std::exception &) {
        return FALSE;
    }
}
