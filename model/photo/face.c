/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * face.c - the detector, tried at several sizes, then the landmarks of what it found.
 */
#include "face.h"

#include "detect.h"
#include "landmarks.h"
#include "likeness-config.h"
#include "predictor.h"

#include <math.h>

#define WEIGHTS_FILE   "landmarks" G_DIR_SEPARATOR_S "landmarks.safetensors"
#define PREDICTOR_FILE "shape_predictor_68_face_landmarks.dat" /* as dlib's authors publish it */

struct _LkFaceFinder {
    LkDetector *detector;
    LkLandmarkNet *net;
    LkPredictor *predictor; /* in the network's place, or NULL */
};

/* The detector wants faces of 80 pixels. The first two attempts are always made: large faces, then small ones. The others,
 * upside down and lying on a side, only where those found nothing certain: an upside-down face looks a little like a face. What
 * is tried beside the first must score more: the more looks, the more chances to see a face in a texture. */
#define CERTAIN 0.6
static const struct {
    double long_side, most_enlarged;
    guint turn;
    double threshold;
} attempts[] = {
    {1000.0, 1.0, 0, 0.0},  {2000.0, 2.0, 0, 0.15}, {1000.0, 2.0, 2, 0.15},
    {1000.0, 2.0, 1, 0.15}, {1000.0, 2.0, 3, 0.15},
};
enum { N_ALWAYS = 2 };

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

/* NULL: the person has none. */
static char *predictor_path(void)
{
    const char *chosen = g_getenv("LIKENESS_PREDICTOR");
    char *own;

    if (chosen && *chosen)
        return g_strdup(chosen);
    own = g_build_filename(g_get_user_data_dir(), "likeness", PREDICTOR_FILE, NULL);
    if (!g_file_test(own, G_FILE_TEST_EXISTS))
        g_clear_pointer(&own, g_free);
    return own;
}

LkFaceFinder *lk_face_finder_new(LkGpu *gpu, GError **error)
{
    g_autoptr(LkFaceFinder) finder = g_new0(LkFaceFinder, 1);
    g_autofree char *path = weights_path(), *predictor = predictor_path();

    finder->net = lk_landmark_net_new(gpu, path, error);
    if (!finder->net)
        return NULL;
    if (predictor) {
        finder->predictor = lk_predictor_open(predictor, error);
        if (!finder->predictor)
            return NULL;
    }
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
    lk_predictor_free(finder->predictor);
    g_free(finder);
}

static int compare_sizes(gconstpointer a, gconstpointer b)
{
    double difference = ((const LkBox *)b)->width - ((const LkBox *)a)->width;

    return (difference > 0.0) - (difference < 0.0);
}

/* Whether one box's centre lies in the other's inner half. */
static gboolean is_same(const LkBox *a, const LkBox *b)
{
    double dx = a->x + a->width / 2 - b->x - b->width / 2, dy = a->y + a->height / 2 - b->y - b->height / 2;

    return hypot(dx, dy) < 0.5 * MAX(a->width, b->width);
}

static int compare_scores(gconstpointer a, gconstpointer b)
{
    double difference = ((const LkBox *)b)->score - ((const LkBox *)a)->score;

    return (difference > 0.0) - (difference < 0.0);
}

/* Of boxes in the same place only the best stays. */
static GArray *best_of(GArray *boxes)
{
    GArray *best = g_array_new(FALSE, FALSE, sizeof(LkBox));

    g_array_sort(boxes, compare_scores);
    for (guint i = 0; i < boxes->len; i++) {
        const LkBox *box = &g_array_index(boxes, LkBox, i);
        guint k = 0;

        while (k < best->len && !is_same(box, &g_array_index(best, LkBox, k)))
            k++;
        if (k == best->len)
            g_array_append_val(best, *box);
    }
    return best;
}

static gboolean is_certain(const GArray *boxes)
{
    for (guint i = 0; i < boxes->len; i++)
        if (g_array_index(boxes, LkBox, i).score > CERTAIN)
            return TRUE;
    return FALSE;
}

/* All boxes, largest first; empty where there is no face. NULL on failure. */
static GArray *detect(LkFaceFinder *finder, const LkPhoto *photo, GCancellable *cancellable, GError **error)
{
    double long_side = MAX(lk_photo_width(photo), lk_photo_height(photo));
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(LkBox));
    GArray *boxes;

    for (guint i = 0; i < G_N_ELEMENTS(attempts) && (i < N_ALWAYS || !is_certain(found)); i++) {
        double scale = MIN(attempts[i].long_side / long_side, attempts[i].most_enlarged);

        if (g_cancellable_set_error_if_cancelled(cancellable, error))
            return NULL;
        if (!lk_detector_run(finder->detector, photo, scale, attempts[i].turn, attempts[i].threshold,
                             found)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "The face detector failed.");
            return NULL;
        }
    }
    boxes = best_of(found);
    g_array_sort(boxes, compare_sizes);
    return boxes;
}

static gboolean find_landmarks(LkFaceFinder *finder, const LkPhoto *photo, const LkBox *box, LkFace *face,
                               GCancellable *cancellable, GError **error)
{
    if (!finder->predictor)
        return lk_landmarks_find(finder->net, photo, box, face->landmarks, cancellable, error);
    if (lk_predictor_find(finder->predictor, photo, box, face->landmarks))
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "The landmark predictor failed.");
    return FALSE;
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

        if (!find_landmarks(finder, photo, box, &face, cancellable, error))
            return NULL;
        g_array_append_val(faces, face);
    }
    return g_steal_pointer(&faces);
}
