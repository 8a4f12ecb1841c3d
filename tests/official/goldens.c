/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "goldens.h"
#include "npy.h"
#include "photo.h"

/* ---- the folder ---- */

static gboolean read_stats(Goldens *goldens, GError **error)
{
    g_autofree char *path = g_build_filename(goldens->folder, "stats.json", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    if (!json_parser_load_from_file(parser, path, error))
        return FALSE;
    goldens->stats = json_parser_steal_root(parser);
    root = json_node_get_object(goldens->stats);
    goldens->seed = (guint64)json_object_get_int_member_with_default(root, "seed", 1);
    return TRUE;
}

Goldens *goldens_open(const char *folder, GError **error)
{
    g_autoptr(Goldens) goldens = g_new0(Goldens, 1);

    goldens->folder = g_strdup(folder);
    goldens->seed = 1;
    return read_stats(goldens, error) ? g_steal_pointer(&goldens) : NULL;
}

void goldens_free(Goldens *goldens)
{
    if (goldens == NULL)
        return;
    g_clear_pointer(&goldens->stats, json_node_unref);
    g_free(goldens->folder);
    g_free(goldens);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Folders in path that have any of two files. */
static GPtrArray *folders_with(const char *path, const char *file, const char *other)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *first = g_build_filename(path, name, file, NULL);
        g_autofree char *second = g_build_filename(path, name, other, NULL);
        if (g_file_test(first, G_FILE_TEST_EXISTS) || g_file_test(second, G_FILE_TEST_EXISTS))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    return names;
}

GPtrArray *goldens_inputs(const Goldens *goldens)
{
    return folders_with(goldens->folder, "w_plus.npy", "input.png");
}

GPtrArray *goldens_strengths(const Goldens *goldens, const char *input)
{
    g_autofree char *path = g_build_filename(goldens->folder, input, NULL);

    return folders_with(path, "image.stride16.npy", "image.png");
}

gboolean goldens_strength_value(const char *strength, float *value)
{
    gboolean negative = g_str_has_prefix(strength, "sm");
    const char *digits = strength + (negative || g_str_has_prefix(strength, "sp") ? 2 : 1);
    char *end;

    *value = (float)g_ascii_strtod(digits, &end) * (negative ? -1 : 1);
    return strength[0] == 's' && end != digits && *end == 0;
}

static char *golden_path(const Goldens *goldens, const char *input, const char *strength, const char *file,
                         const char *suffix)
{
    g_autofree char *name = g_strconcat(file, suffix, NULL);

    return g_build_filename(goldens->folder, input, strength ? strength : ".", name, NULL);
}

/* ---- samples ---- */

/* First element and step along a dimension of size elements, of which the golden has count: every n-th, or the middle. */
static void sampling(guint size, gsize count, gboolean middle, guint *first, guint *step)
{
    g_assert_cmpuint(count, >, 0);
    g_assert_cmpuint(size % count, ==, 0);
    *step = middle ? 1 : size / (guint)count;
    *first = middle ? (size - (guint)count) / 2 : 0;
}

/* The most that rounding to float16 changed in what is now value. */
static double half_rounding(float value)
{
    int exponent;

    frexp(value, &exponent);
    return ldexp(0.5, MAX(exponent - 11, -24));
}

static double relative_error(const LkNpy *golden, gboolean middle, const Computed *computed)
{
    gsize counts[3] = {1, 1, 1};
    guint first[3], step[3];
    double difference = 0, size = 0;

    g_assert_cmpuint(golden->n_dims, <=, 3);
    for (guint i = 0; i < golden->n_dims; i++)
        counts[3 - golden->n_dims + i] = golden->dims[i];
    for (guint i = 0; i < 3; i++)
        sampling(computed->shape[i], counts[i], middle && i > 0, &first[i], &step[i]);
    for (gsize i = 0; i < golden->n; i++) {
        gsize c = i / (counts[1] * counts[2]), y = i / counts[2] % counts[1], x = i % counts[2];
        gsize at =
            ((first[0] + c * step[0]) * computed->shape[1] + first[1] + y * step[1]) * computed->shape[2] +
            first[2] + x * step[2];
        double error = fabs((double)computed->values[at] - golden->data[i]);
        if (golden->half)
            error = fmax(0, error - half_rounding(golden->data[i]));
        difference += error * error;
        size += (double)golden->data[i] * golden->data[i];
    }
    return sqrt(difference / size);
}

/* ---- figures of the complete stage ---- */

typedef struct {
    double mean, std, minimum, maximum, mean_abs;
} Statistics;

static Statistics statistics_of(const Computed *computed)
{
    gsize n = (gsize)computed->shape[0] * computed->shape[1] * computed->shape[2];
    Statistics s = {.minimum = INFINITY, .maximum = -INFINITY};
    double variance = 0;

    for (gsize i = 0; i < n; i++) {
        double value = computed->values[i];
        s.mean += value / (double)n;
        s.mean_abs += fabs(value) / (double)n;
        s.minimum = fmin(s.minimum, value);
        s.maximum = fmax(s.maximum, value);
    }
    for (gsize i = 0; i < n; i++)
        variance += (computed->values[i] - s.mean) * (computed->values[i] - s.mean);
    s.std = sqrt(variance / (double)n);
    return s;
}

static JsonObject *find_statistic(const Goldens *goldens, const char *input, const char *strength,
                                  const char *statistic)
{
    g_autofree char *name = strength ? g_strconcat(strength, "/", statistic, NULL) : g_strdup(statistic);
    JsonObject *object = goldens->stats ? json_node_get_object(goldens->stats) : NULL;
    const char *const path[] = {"inputs", input, name};

    for (guint i = 0; object != NULL && i < G_N_ELEMENTS(path); i++)
        object =
            json_object_has_member(object, path[i]) ? json_object_get_object_member(object, path[i]) : NULL;
    return object;
}

static double statistics_error(JsonObject *golden, const Computed *computed)
{
    const Statistics s = statistics_of(computed);
    double n = (double)computed->shape[0] * computed->shape[1] * computed->shape[2];
    double mean = json_object_get_double_member(golden, "mean");
    double std = json_object_get_double_member(golden, "std");
    double minimum = json_object_get_double_member(golden, "min");
    double maximum = json_object_get_double_member(golden, "max");
    double mean_abs = json_object_get_double_member(golden, "sum_abs") / n;
    double size = sqrt(mean * mean + std * std), range = fmax(fabs(minimum), fabs(maximum));
    const double errors[] = {(s.mean - mean) / size, (s.std - std) / size, (s.mean_abs - mean_abs) / size,
                             (s.minimum - minimum) / range, (s.maximum - maximum) / range};
    double largest = 0;

    for (guint i = 0; i < G_N_ELEMENTS(errors); i++)
        largest = fmax(largest, fabs(errors[i]));
    return largest;
}

/* ---- stages ---- */

Errors goldens_compare(const Goldens *goldens, const char *input, const char *strength, const char *file,
                       const char *statistic, const Computed *computed)
{
    static const char *const suffixes[] = {".npy",          ".sub.npy",     ".planes.npy",
                                           ".stride16.npy", ".stride4.npy", ".crop128.npy"};
    JsonObject *figures = find_statistic(goldens, input, strength, statistic);
    Errors errors = {NAN, NAN, NAN};

    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = golden_path(goldens, input, strength, file, suffixes[i]);
        g_autoptr(LkNpy) golden = g_file_test(path, G_FILE_TEST_EXISTS) ? lk_npy_read(path) : NULL;
        double error = golden ? relative_error(golden, strstr(suffixes[i], "crop") != NULL, computed) : NAN;
        if (golden != NULL && golden->half)
            errors.half = fmax(errors.half, error); /* fmax prefers a number to NAN ... */
        else
            errors.exact = fmax(errors.exact, error);
        if (golden != NULL && isnan(error)) /* ... but here there must be none */
            g_error("%s or what is compared with it is not a number", path);
    }
    if (figures != NULL)
        errors.statistics = statistics_error(figures, computed);
    return errors;
}

/* ---- pictures ---- */

typedef struct {
    double squares;
    guint n, n_different, largest;
} Difference;

static void add_difference(Difference *difference, guint8 golden, guint8 ours)
{
    guint distance = (guint)ABS((int)golden - (int)ours);

    difference->squares += (double)distance * distance;
    difference->n++;
    difference->n_different += distance > 0;
    difference->largest = MAX(difference->largest, distance);
}

static void compare_png(Difference *difference, const char *path, const guint8 *rgba, guint side)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) golden = lk_photo_open(path, &error);
    const guint8 *pixels;

    if (golden == NULL || lk_photo_width(golden) != side || lk_photo_height(golden) != side)
        g_error("%s: %s", path, error ? error->message : "not of the picture's size");
    pixels = lk_photo_pixels(golden);
    for (gsize i = 0; i < (gsize)side * side * 4; i++)
        if (i % 4 < 3)
            add_difference(difference, pixels[i], rgba[i]);
}

static void compare_samples(Difference *difference, const char *path, const guint8 *rgba, guint side)
{
    g_autoptr(LkNpy) golden = lk_npy_read(path);

    g_assert_cmpuint(golden->n_dims, ==, 3);
    for (gsize i = 0; i < golden->n; i++) {
        gsize count = golden->dims[2], step = side / count;
        gsize c = i / (count * count), y = i / count % count * step, x = i % count * step;
        double value = CLAMP(floor(((double)golden->data[i] + 1) * 127.5 + 0.5), 0, 255);
        add_difference(difference, (guint8)value, rgba[(y * side + x) * 4 + c]);
    }
}

double goldens_compare_picture(const Goldens *goldens, const char *input, const char *strength,
                               const guint8 *rgba, guint side, guint *n_different, guint *largest)
{
    g_autofree char *png = golden_path(goldens, input, strength, "image", ".png");
    g_autofree char *samples = golden_path(goldens, input, strength, "image", ".stride16.npy");
    Difference difference = {0};

    if (g_file_test(png, G_FILE_TEST_EXISTS))
        compare_png(&difference, png, rgba, side);
    else if (g_file_test(samples, G_FILE_TEST_EXISTS))
        compare_samples(&difference, samples, rgba, side);
    *n_different = difference.n_different;
    *largest = difference.largest;
    if (difference.n == 0)
        return NAN;
    return 10 * log10(255.0 * 255.0 * difference.n / difference.squares);
}
