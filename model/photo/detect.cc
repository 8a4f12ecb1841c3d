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

using Grey = dlib::array2d<unsigned char>;

static Grey to_grey(const LkPhoto *photo)
{
    const guint8 *pixel = lk_photo_pixels(photo);
    Grey grey(lk_photo_height(photo), lk_photo_width(photo));

    for (long y = 0; y < grey.nr(); y++)
        for (long x = 0; x < grey.nc(); x++, pixel += 4)
            grey[y][x] = (unsigned char)((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000);
    return grey;
}

static Grey turn_clockwise(const Grey &from)
{
    Grey to(from.nc(), from.nr());

    for (long y = 0; y < to.nr(); y++)
        for (long x = 0; x < to.nc(); x++)
            to[y][x] = from[from.nr() - 1 - x][y];
    return to;
}

/* A box of a picture of this size, turned back by a quarter: width is that of the picture before. */
static LkBox turn_back(const LkBox &box, double width)
{
    return {box.y, width - box.x - box.width, box.height, box.width, box.score, box.turn};
}

static std::vector<dlib::rect_detection> detect(LkDetector *detector, const Grey &grey, double threshold)
{
    std::vector<dlib::rect_detection> found;

    if (detector->loading.valid())
        detector->ready = detector->loading.get();
    detector->ready(grey, found, threshold);
    return found;
}

gboolean lk_detector_run(LkDetector *detector, const LkPhoto *photo, double scale, guint turn,
                         double threshold, GArray *boxes)
{
    guint width = MAX(1, (guint)std::lround(lk_photo_width(photo) * scale));
    guint height = MAX(1, (guint)std::lround(lk_photo_height(photo) * scale));
    g_autoptr(LkPhoto) scaled = lk_photo_resize(photo, width, height);

    try {
        Grey grey = to_grey(scaled);

        for (guint i = 0; i < turn; i++)
            grey = turn_clockwise(grey);
        for (const auto &face : detect(detector, grey, threshold)) {
            LkBox box = {(double)face.rect.left(),   (double)face.rect.top(),   (double)face.rect.width(),
                         (double)face.rect.height(), face.detection_confidence, turn};

            for (guint i = turn; i > 0; i--)
                box = turn_back(box, i % 2 ? height : width);
            box.x /= scale;
            box.y /= scale;
            box.width /= scale;
            box.height /= scale;
            g_array_append_val(boxes, box);
        }
        return TRUE;
    } catch (const std::exception &) {
        return FALSE;
    }
}
