/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The landmark network against PyTorch's own result, and the way from a picture to faces.
 */
#include "align.h"
#include "detect.h"
#include "face.h"
#include "landmark_net.h"
#include "npy.h"
#include "pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static LkGpu *gpu;

static LkNpy *open_golden(const char *name, gsize n)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "landmarks", name, NULL);
    LkNpy *npy = lk_npy_read(path);

    g_assert_cmpuint(npy->n, ==, n);
    return npy;
}

static LkPhoto *golden_crop(void)
{
    const guint plane = LK_LANDMARK_CROP * LK_LANDMARK_CROP;
    g_autoptr(LkNpy) input = open_golden("input.npy", 3 * plane);
    g_autofree guint8 *pixels = g_malloc(4 * plane);

    for (guint i = 0; i < plane; i++) {
        for (guint c = 0; c < 3; c++)
            pixels[4 * i + c] = (guint8)lroundf(input->data[c * plane + i] * 127.5f + 127.5f);
        pixels[4 * i + 3] = 0xff;
    }
    return lk_photo_new(LK_LANDMARK_CROP, LK_LANDMARK_CROP, pixels);
}

static LkLandmarkNet *open_net(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path =
        g_build_filename(g_getenv("LIKENESS_DATA"), "landmarks", "landmarks.safetensors", NULL);
    LkLandmarkNet *net = lk_landmark_net_new(gpu, path, &error);

    g_assert_no_error(error);
    return net;
}

static void test_network(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkLandmarkNet) net = open_net();
    g_autoptr(LkPhoto) crop = golden_crop(), other = test_picture(LK_LANDMARK_CROP, LK_LANDMARK_CROP);
    LkPhoto *crops[] = {crop, other, crop, other, crop};
    g_autoptr(LkNpy) expected = open_golden("landmarks.npy", 2 * LK_N_LANDMARKS);
    float points[LK_LANDMARK_MAX_CROPS][LK_N_LANDMARKS][2];

    g_assert_true(lk_landmark_net_run(net, crops, LK_LANDMARK_MAX_CROPS, points, NULL, &error));
    g_assert_no_error(error);
    for (guint i = 0; i < 2 * LK_N_LANDMARKS; i++)
        g_assert_cmpfloat_with_epsilon(((float *)points[0])[i], expected->data[i], 2e-5f);
    g_assert_cmpmem(points[0], sizeof points[0], points[2], sizeof points[2]);
    g_assert_cmpmem(points[0], sizeof points[0], points[4], sizeof points[4]);
    g_assert_cmpmem(points[1], sizeof points[1], points[3], sizeof points[3]);
    g_assert_cmpfloat(fabsf(points[0][30][0] - points[1][30][0]), >, 1e-4f);
}

static void test_missing_network(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(lk_landmark_net_new(gpu, "/nowhere/landmarks.safetensors", &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "landmarks.safetensors"));
}

/* A model of another kind is refused, not run. */
static void test_wrong_network(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL, *folder = test_folder();
    const char header[] = "{\"__metadata__\":{\"strides\":\"[2, 1]\"}}";
    g_autoptr(GByteArray) file = g_byte_array_new();
    guint8 length[8] = {sizeof header - 1};

    g_byte_array_append(file, length, sizeof length);
    g_byte_array_append(file, (const guint8 *)header, sizeof header - 1);
    path = g_build_filename(folder, "odd.safetensors", NULL);
    g_assert_true(g_file_set_contents(path, (const char *)file->data, file->len, NULL));
    g_assert_null(lk_landmark_net_new(gpu, path, &error));
    g_assert_nonnull(strstr(error->message, "odd.safetensors"));
    test_folder_remove(g_steal_pointer(&folder));
}

/* A person's own predictor is never silently left out. */
static void test_wrong_predictor(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL, *folder = test_folder();

    path = g_build_filename(folder, "odd.dat", NULL);
    g_assert_true(g_file_set_contents(path, "no predictor", -1, NULL));
    g_setenv("LIKENESS_PREDICTOR", path, TRUE);
    g_assert_null(lk_face_finder_new(gpu, &error));
    g_assert_nonnull(strstr(error->message, "odd.dat"));
    g_unsetenv("LIKENESS_PREDICTOR");
    test_folder_remove(g_steal_pointer(&folder));
}

static void test_no_face(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_autoptr(LkPhoto) picture = test_picture(300, 200), tiny = test_picture(16, 16);

    g_assert_no_error(error);
    g_assert_null(lk_face_finder_find(finder, picture, NULL, &error));
    g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE);
    g_clear_error(&error);
    g_assert_null(lk_face_finder_find(finder, tiny, NULL, &error));
    g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE);
}

static void test_cancelled(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_autoptr(LkPhoto) picture = test_picture(300, 200);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    g_cancellable_cancel(cancellable);
    g_assert_null(lk_face_finder_find(finder, picture, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Copies from into pixels (a picture width wide) at (x, y). */
static void place(guint8 *pixels, guint width, const LkPhoto *from, guint x, guint y)
{
    for (guint j = 0; j < lk_photo_height(from); j++)
        memcpy(pixels + ((gsize)(y + j) * width + x) * 4, test_pixel(from, 0, j),
               (gsize)lk_photo_width(from) * 4);
}

static LkPhoto *open_sample(void)
{
    g_autofree char *folder = g_build_filename(g_getenv("LIKENESS_DATA"), "samples", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name, *best = NULL;
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    LkPhoto *photo;

    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".jpg") && (!best || strcmp(name, best) < 0))
            best = g_intern_string(name);
    if (!best) {
        g_test_skip("no data/samples/*.jpg");
        return NULL;
    }
    path = g_build_filename(folder, best, NULL);
    photo = lk_photo_open(path, &error);
    g_assert_no_error(error);
    return photo;
}

/* Eyes above mouth, the person's right eye on the left, everything in the box's neighbourhood. */
static void check_face(const LkFace *face)
{
    LkQuad quad = lk_quad_from_landmarks(face->landmarks);
    double half = hypot(quad.x[0], quad.x[1]);

    g_assert_cmpfloat(face->landmarks[36][0], <, face->landmarks[45][0]);
    g_assert_cmpfloat(face->landmarks[40][1], <, face->landmarks[57][1]);
    g_assert_cmpfloat(half, >, 0.6 * face->width);
    g_assert_cmpfloat(half, <, 1.2 * face->width);
    g_assert_cmpfloat(fabs(quad.centre[0] - face->x - face->width / 2), <, 0.3 * face->width);
    g_assert_cmpfloat(fabs(quad.centre[1] - face->y - 0.32 * face->height), <, 0.3 * face->height);
    g_assert_cmpfloat(fabs(quad.x[1]), <, 0.4 * half);
}

/* One sample in two sizes in one picture: both are found, the larger first, at the same places of the face. */
static void test_sample(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_autoptr(LkPhoto) sample = open_sample(), large = NULL, small = NULL, photo = NULL;
    g_autofree guint8 *pixels = g_malloc(900 * 720 * 4);
    g_autoptr(GArray) faces = NULL;

    g_assert_no_error(error);
    if (!sample)
        return;
    memset(pixels, 0x80, 900 * 720 * 4);
    large = lk_photo_resize(sample, 560, 560 * lk_photo_height(sample) / lk_photo_width(sample));
    small = lk_photo_resize(sample, 300, 300 * lk_photo_height(sample) / lk_photo_width(sample));
    g_assert_cmpuint(lk_photo_height(large), <=, 720);
    place(pixels, 900, small, 10, 20);
    place(pixels, 900, large, 330, 0);
    photo = lk_photo_new(900, 720, pixels);
    faces = lk_face_finder_find(finder, photo, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(faces->len, ==, 2);
    for (guint i = 0; i < 2; i++) {
        const LkFace *face = &g_array_index(faces, LkFace, i);

        check_face(face);
        g_assert_cmpfloat(face->score, >, 0.0);
        g_assert_true((face->landmarks[30][0] > 330.0) == (i == 0));
    }
}

/* The face in a photo of camera size, found in a shrunken copy, has its landmarks in the photo's own pixels. */
static void test_large_photo(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_autoptr(LkPhoto) sample = open_sample(), large = NULL;
    g_autoptr(GArray) faces = NULL, large_faces = NULL;
    guint width = sample ? lk_photo_width(sample) : 0, scale = sample ? 3000 / width : 0;

    g_assert_no_error(error);
    if (!sample)
        return;
    large = lk_photo_resize(sample, width * scale, lk_photo_height(sample) * scale);
    faces = lk_face_finder_find(finder, sample, NULL, &error);
    large_faces = lk_face_finder_find(finder, large, NULL, &error);
    g_assert_no_error(error);
    for (guint k = 0; k < LK_N_LANDMARKS; k++)
        for (int axis = 0; axis < 2; axis++)
            g_assert_cmpfloat_with_epsilon(g_array_index(large_faces, LkFace, 0).landmarks[k][axis] / scale,
                                           g_array_index(faces, LkFace, 0).landmarks[k][axis], 0.02 * width);
}

static LkPhoto *turn_clockwise(const LkPhoto *photo)
{
    const guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    g_autofree guint32 *pixels = g_new(guint32, (gsize)width * height);
    const guint32 *from = (const guint32 *)lk_photo_pixels(photo);

    for (guint y = 0; y < height; y++)
        for (guint x = 0; x < width; x++)
            pixels[(gsize)x * height + height - 1 - y] = from[(gsize)y * width + x];
    return lk_photo_new(height, width, (const guint8 *)pixels);
}

/* Lying and upside-down pictures: the landmarks turn along. */
static void test_turned(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_autoptr(LkPhoto) sample = open_sample(), photo = NULL;
    g_autoptr(GArray) upright = NULL;
    double sizes[2];

    g_assert_no_error(error);
    if (!sample)
        return;
    photo = lk_photo_resize(sample, 400, 400 * lk_photo_height(sample) / lk_photo_width(sample));
    sizes[0] = lk_photo_height(photo);
    sizes[1] = lk_photo_width(photo);
    upright = lk_face_finder_find(finder, photo, NULL, &error);
    for (guint turn = 1; turn < 4; turn++) {
        g_autoptr(LkPhoto) before = g_steal_pointer(&photo);
        g_autoptr(GArray) faces = NULL;
        double expected[2] = {g_array_index(upright, LkFace, 0).landmarks[36][0],
                              g_array_index(upright, LkFace, 0).landmarks[36][1]};

        photo = turn_clockwise(before);
        faces = lk_face_finder_find(finder, photo, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(faces->len, ==, 1);
        for (guint i = 0; i < turn; i++) {
            double x = expected[0];

            expected[0] = sizes[i % 2] - expected[1];
            expected[1] = x;
        }
        for (int axis = 0; axis < 2; axis++)
            g_assert_cmpfloat_with_epsilon(g_array_index(faces, LkFace, 0).landmarks[36][axis],
                                           expected[axis], 8.0);
    }
}

/* What has no face: noise, stripes, blobs and blocks. */
static LkPhoto *make_texture(GRand *random, guint kind)
{
    enum { SIDE = 320 };
    g_autofree guint8 *pixels = g_malloc(SIDE * SIDE * 4);
    double period = g_rand_double_range(random, 4.0, 40.0), angle = g_rand_double_range(random, 0.0, G_PI);
    guint32 seed = g_rand_int(random);

    for (guint y = 0; y < SIDE; y++) {
        for (guint x = 0; x < SIDE; x++) {
            double wave = sin((x * cos(angle) + y * sin(angle)) / period * 2.0);
            double cross = sin(x / period) * sin(y / period + sin(x / (2.0 * period)));
            guint block = (guint)(x / period) * 31u + (guint)(y / period) * 17u + seed;
            guint value = kind == 0   ? g_rand_int(random) >> 24
                          : kind == 1 ? (guint)(127.0 + 120.0 * wave)
                          : kind == 2 ? (guint)(127.0 + 120.0 * cross)
                                      : block * 2654435761u >> 24;

            memset(pixels + 4 * (y * SIDE + x), (int)value, 3);
            pixels[4 * (y * SIDE + x) + 3] = 0xff;
        }
    }
    return lk_photo_new(SIDE, SIDE, pixels);
}

static void test_textures(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_autoptr(GRand) random = g_rand_new_with_seed(11);

    g_assert_no_error(error);
    for (guint i = 0; i < 12; i++) {
        g_autoptr(LkPhoto) texture = make_texture(random, i % 4);

        g_assert_null(lk_face_finder_find(finder, texture, NULL, &error));
        g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE);
        g_clear_error(&error);
    }
}

static LkPhoto *open_portrait(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_str_has_suffix(name, ".jpg") ? lk_photo_open(path, NULL) : NULL;
}

/* The portraits lie beside a developer's checkout; they are never part of it. */
static void test_portraits(void)
{
    g_autofree char *folder = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", "portraits", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    LkDetector *detector = lk_detector_new();
    guint n = 0, n_found = 0;
    const char *name;

    if (!dir)
        g_test_skip("../shared/portraits is not here");
    while (dir && n < 60 && (name = g_dir_read_name(dir))) {
        g_autoptr(LkPhoto) photo = open_portrait(folder, name);
        g_autoptr(GArray) boxes = g_array_new(FALSE, FALSE, sizeof(LkBox)), faces = NULL;

        if (!photo)
            continue;
        g_assert_true(lk_detector_run(detector, photo, 1.0, 0, 0.0, boxes));
        n_found += boxes->len > 0;
        if (n++ >= 5)
            continue;
        faces = lk_face_finder_find(finder, photo, NULL, &error);
        g_assert_no_error(error);
        check_face(&g_array_index(faces, LkFace, 0));
    }
    lk_detector_free(detector);
    g_test_message("%u of %u portraits", n_found, n);
    g_assert_cmpuint(n_found * 100, >=, n * 95);
}

static void mean_landmark(const LkFace *face, guint first, guint end, double mean[2])
{
    mean[0] = mean[1] = 0.0;
    for (guint i = first; i < end; i++) {
        mean[0] += face->landmarks[i][0] / (end - first);
        mean[1] += face->landmarks[i][1] / (end - first);
    }
}

/* Mean distance of a face's five points to those placed by hand, in parts of the distance between the eyes. */
static double error_of(const LkFace *face, const double points[5][2])
{
    static const guint ranges[5][2] = {{36, 42}, {42, 48}, {30, 31}, {48, 49}, {54, 55}};
    double sum = 0.0;

    for (guint i = 0; i < 5; i++) {
        double mean[2];

        mean_landmark(face, ranges[i][0], ranges[i][1], mean);
        sum += hypot(mean[0] - points[i][0], mean[1] - points[i][1]);
    }
    return sum / 5.0 / hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]);
}

static void test_points(void)
{
    g_autofree char *folder = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", "portraits", NULL);
    g_autofree char *table = g_test_build_filename(G_TEST_DIST, "photo", "portrait_points.csv", NULL),
                    *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);
    g_auto(GStrv) lines = NULL;
    double sum = 0.0;
    guint n = 0;

    g_assert_true(g_file_get_contents(table, &text, NULL, &error));
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        g_test_skip("../shared/portraits is not here");
        return;
    }
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) cells = g_strsplit(lines[i], ",", -1);
        double points[5][2];
        g_autofree char *name = NULL;
        g_autoptr(LkPhoto) photo = NULL;
        g_autoptr(GArray) faces = NULL;

        if (g_strv_length(cells) != 11 || strcmp(cells[0], "id") == 0)
            continue;
        for (guint k = 0; k < 10; k++)
            points[k / 2][k % 2] = g_ascii_strtod(cells[k + 1], NULL);
        name = g_strconcat(cells[0], ".jpg", NULL);
        photo = open_portrait(folder, name);
        faces = lk_face_finder_find(finder, photo, NULL, &error);
        g_assert_no_error(error);
        sum += error_of(&g_array_index(faces, LkFace, 0), points);
        n++;
    }
    g_test_message("%u portraits, mean error %.2f %% of the distance between the eyes", n, 100.0 * sum / n);
    g_assert_cmpuint(n, >=, 40);
    g_assert_cmpfloat(sum / n, <=, 0.06);
}

/* Largest distance of a corner of one square from the other's, in parts of the half side. */
static double distance_of(const LkQuad *a, const LkQuad *b)
{
    double largest = 0.0;

    for (int s = -1; s <= 1; s += 2)
        for (int t = -1; t <= 1; t += 2)
            largest =
                MAX(largest,
                    hypot(a->centre[0] - b->centre[0] + s * (a->x[0] - b->x[0]) + t * (a->y[0] - b->y[0]),
                          a->centre[1] - b->centre[1] + s * (a->x[1] - b->x[1]) + t * (a->y[1] - b->y[1])));
    return largest / hypot(a->x[0], a->x[1]);
}

/* To whole pixels, as a click is. */
static void click_between(const LkFace *face, guint first, guint last, double point[2])
{
    for (guint i = 0; i < 2; i++)
        point[i] = floor((face->landmarks[first][i] + face->landmarks[last][i]) / 2) + 0.5;
}

/* A face that is placed by hand is cut out as one that is found: exactly so with the landmarks' own means, and nearly with the
 * eyes where a person points at them, in the middle between their corners. */
static void test_by_hand(void)
{
    static const char *const names[] = {"portrait-1.jpg", "portrait-2.jpg", "portrait-3.jpg"};
    g_autoptr(GError) error = NULL;
    g_autoptr(LkFaceFinder) finder = lk_face_finder_new(gpu, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(g_getenv("LIKENESS_DATA"), "samples", names[i], NULL);
        g_autoptr(LkPhoto) photo = lk_photo_open(path, &error);
        g_assert_no_error(error);
        g_autoptr(GArray) faces = lk_face_finder_find(finder, photo, NULL, &error);
        g_assert_no_error(error);
        const LkFace *face = &g_array_index(faces, LkFace, 0);
        const LkQuad found = lk_quad_from_landmarks(face->landmarks);
        LkQuad placed;
        double eyes[2][2], mouth[2][2];

        mean_landmark(face, 36, 42, eyes[0]);
        mean_landmark(face, 42, 48, eyes[1]);
        mean_landmark(face, 48, 49, mouth[0]);
        mean_landmark(face, 54, 55, mouth[1]);
        g_assert_true(lk_quad_from_points(eyes, mouth, &placed));
        g_assert_cmpfloat(distance_of(&found, &placed), <, 1e-9);
        click_between(face, 36, 39, eyes[0]);
        click_between(face, 42, 45, eyes[1]);
        click_between(face, 48, 48, mouth[0]);
        click_between(face, 54, 54, mouth[1]);
        g_assert_true(lk_quad_from_points(eyes, mouth, &placed));
        g_test_message("%s: a corner is off by %.2f %% of the half side", names[i],
                       100.0 * distance_of(&found, &placed));
        g_assert_cmpfloat(distance_of(&found, &placed), <, 0.03);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const char *device = g_getenv("LIKENESS_TEST_DEVICE");
    int status;

    g_test_init(&argc, &argv, NULL);
    gpu = lk_gpu_open(device ? device : "cpu", LK_GPU_VALIDATE, &error);
    if (!gpu)
        g_error("%s", error->message);
    g_test_add_func("/faces/network", test_network);
    g_test_add_func("/faces/missing-network", test_missing_network);
    g_test_add_func("/faces/wrong-network", test_wrong_network);
    g_test_add_func("/faces/wrong-predictor", test_wrong_predictor);
    g_test_add_func("/faces/no-face", test_no_face);
    g_test_add_func("/faces/cancelled", test_cancelled);
    g_test_add_func("/faces/sample", test_sample);
    g_test_add_func("/faces/large-photo", test_large_photo);
    g_test_add_func("/faces/turned", test_turned);
    g_test_add_func("/faces/textures", test_textures);
    g_test_add_func("/faces/portraits", test_portraits);
    g_test_add_func("/faces/points", test_points);
    g_test_add_func("/faces/by-hand", test_by_hand);
    status = g_test_run();
    g_assert_cmpuint(lk_gpu_n_messages(gpu), ==, 0);
    lk_gpu_free(gpu);
    return status;
}
