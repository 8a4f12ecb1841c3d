/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * face.c - the detector, tried at several sizes, then the landmarks of what it found.
 */
#include "face.h"

#include "detect.h"
#include "landmarks.h"
#include "likeness-config.h"

#include <math.h>

#define WEIGHTS_FILE "landmarks" G_DIR_SEPARATOR_S "landmarks.safetensors"

struct _LkFaceFinder {
    LkDetector *detector;
    LkLandmarkNet *net;
};

/* The detector wants faces of 80 pixels. Attempts, until one finds anything: the photo at an ordinary size, small and
 * large photos larger, and last with less certainty asked for. */
static const struct {
    double long_side, most_enlarged, threshold;
} attempts[] = {
    {1000.0, 1.0, 0.0},
    {2000.0, 2.0, 0.0},
    {1000.0, 1.0, -0.4},
};

static char *weights_path(void)
{
    const char *roots[] = {g_getenv("LIKENESS_DATA"), LK_PKGDATADIR, LK_SOURCE_DATADIR};
    char *path = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
        if (!roots[i])
            continue;
        g_free(path);
        path = g_build_filename(roots[i], WEIGHTS_FILE, NULL);
        if (i == 0 || g_file_test(path, G_FILE_TEST_EXISTS))
            break;
    }
    return path;
}

LkFaceFinder *lk_face_finder_new(LkGpu *gpu, GError **error)
{
    g_autoptr(LkFaceFinder) finder = g_new0(LkFaceFinder, 1);
    g_autofree char *path = weights_path();

    finder->net = lk_landmark_net_new(gpu, path, error);
    if (!finder->net)
        return NULL;
    finder->detector = lk_detector_new();
    if (!finder->detector) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "The face detector cannot be started.");
        return NULL;
    }
    return g_steal_pointer(&finder);
}

void lk_face_finder_free(LkFaceFinder *finder)
{
    if (!finder)
        return;
    lk_detector_free(finder->detector);
    lk_landmark_net_free(finder->net);
    g_free(finder);
}

static int compare_sizes(gconstpointer a, gconstpointer b)
{
    double difference = ((const LkBox *)b)->width - ((const LkBox *)a)->width;

    return (difference > 0.0) - (difference < 0.0);
}

/* All boxes, largest first; empty where there is no face. NULL on failure. */
static GArray *detect(LkFaceFinder *finder, const LkPhoto *photo, GCancellable *cancellable, GError **error)
{
    double long_side = MAX(lk_photo_width(photo), lk_photo_height(photo));
    g_autoptr(GArray) boxes = g_array_new(FALSE, FALSE, sizeof(LkBox));

    for (guint i = 0; i < G_N_ELEMENTS(attempts) && boxes->len == 0; i++) {
        double scale = MIN(attempts[i].long_side / long_side, attempts[i].most_enlarged);

        if (g_cancellable_set_error_if_cancelled(cancellable, error))
            return NULL;
        if (!lk_detector_run(finder->detector, photo, scale, attempts[i].threshold, boxes)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "The face detector failed.");
            return NULL;
        }
    }
    g_array_sort(boxes, compare_sizes);
    return g_steal_pointer(&boxes);
}

GArray *lk_face_finder_find(LkFaceFinder *finder, const LkPhoto *photo, GCancellable *cancellable,
                            GError **error)
{
    g_autoptr(GArray) boxes = detect(finder, photo, cancellable, error);
    g_autoptr(GArray) faces = NULL;

    if (!boxes)
        return NULL;
    if (boxes->len == 0) {
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE, "No face was found in the picture.");
        return NULL;
    }
    faces = g_array_sized_new(FALSE, TRUE, sizeof(LkFace), boxes->len);
    for (guint i = 0; i < boxes->len; i++) {
        const LkBox *box = &g_array_index(boxes, LkBox, i);
        LkFace face = {box->x, box->y, box->width, box->height, box->score, {{0}}};

        if (!lk_landmarks_find(finder->net, photo, box, face.landmarks, cancellable, error))
            return NULL;
        g_array_append_val(faces, face);
    }
    return g_steal_pointer(&faces);
}
