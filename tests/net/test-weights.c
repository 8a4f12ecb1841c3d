/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether the reader of .safetensors files takes what is right and refuses everything else in one clear sentence.
 */
#include "f16.h"
#include "model.h"
#include "tiny_model.h"
#include "weights.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char *folder, *file_path, *tiny_path;

/* ---- files ---- */

static void write_file(gconstpointer bytes, gsize size)
{
    g_autoptr(GError) error = NULL;

    /* Not synced to the disk: there are thousands of them. Without that, GLib writes over the old file's start. */
    g_unlink(file_path);
    g_file_set_contents_full(file_path, bytes, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

/* A header, the length before it, and data_size bytes: 0, 1, 2, ... */
static GByteArray *make_file(const char *header, gsize header_size, gsize data_size)
{
    GByteArray *file = g_byte_array_new();
    guint64 length = header_size;

    g_byte_array_append(file, (guint8 *)&length, sizeof length);
    g_byte_array_append(file, (const guint8 *)header, (guint)header_size);
    for (gsize i = 0; i < data_size; i++) {
        guint8 byte = (guint8)i;
        g_byte_array_append(file, &byte, 1);
    }
    return file;
}

static void write_header(const char *header, gsize data_size)
{
    g_autoptr(GByteArray) file = make_file(header, strlen(header), data_size);

    write_file(file->data, file->len);
}

/* One sentence that names the file and has no line break. */
static void assert_refused(const GError *error, const char *part)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == LK_MODEL_ERROR);
    g_assert_nonnull(strstr(error->message, file_path));
    g_assert_null(strchr(error->message, '\n'));
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_cmpuint(strlen(error->message), <, 400);
    if (part && strstr(error->message, part) == NULL)
        g_error("\"%s\" lacks \"%s\"", error->message, part);
}

static void expect_refusal(const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkWeights) weights = lk_weights_open(file_path, &error);

    g_assert_null(weights);
    assert_refused(error, part);
}

/* ---- what is right ---- */

static const char *const good_header = "{\"__metadata__\":{\"format\":\"x\",\"text\":\"a\\\"b\"},\"first\":{"
                                       "\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":"
                                       "[0,24]},\"scalar\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":["
                                       "24,26]},\"count\":{\"dtype\":\"I64\",\"shape\":[1],"
                                       "\"data_offsets\":[26,34]}}  ";

static void test_good(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkWeights) weights = NULL;
    const LkWeight *first;
    const guint shape[] = {2, 3, 0}, other[] = {3, 2, 0}, scalar[] = {0}, one[] = {1, 0};
    g_autofree float *values = NULL, *value = NULL;

    write_header(good_header, 34);
    weights = lk_weights_open(file_path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(lk_weights_n_tensors(weights), ==, 3);
    g_assert_cmpstr(lk_weights_metadata(weights, "text"), ==, "a\"b");
    g_assert_null(lk_weights_metadata(weights, "first"));
    first = lk_weights_find(weights, "first");
    g_assert_cmpuint(first->n_elements, ==, 6);
    g_assert_cmpuint(first->shape[1], ==, 3);
    values = lk_weights_read(weights, "first", shape, &error);
    g_assert_no_error(error);
    g_assert_true(memcmp(values, first->data, 24) == 0);
    value = lk_weights_read(weights, "scalar", scalar, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(value[0], ==, lk_f16_to_float(0x1918));
    g_assert_null(lk_weights_read(weights, "first", other, &error));
    g_assert_nonnull(strstr(error->message, "first"));
    g_assert_nonnull(strstr(error->message, "(2, 3) instead of (3, 2)"));
    g_clear_error(&error);
    g_assert_null(lk_weights_read(weights, "count", one, &error));
    g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
    g_clear_error(&error);
    g_assert_null(lk_weights_read(weights, "second", one, &error));
    g_assert_nonnull(strstr(error->message, "second is missing"));
}

static void test_hash(void)
{
    g_autoptr(GError) error = NULL;
    guint64 hashes[3];

    for (guint i = 0; i < 3; i++) {
        g_autofree char *header = g_strdup(good_header);
        g_autoptr(LkWeights) weights = NULL;
        if (i == 2)
            strstr(header, "count")[0] = 'k';
        write_header(header, 34);
        weights = lk_weights_open(file_path, &error);
        g_assert_no_error(error);
        hashes[i] = lk_weights_hash(weights);
    }
    g_assert_cmpuint(hashes[0], ==, hashes[1]);
    g_assert_cmpuint(hashes[0], !=, hashes[2]);
}

/* Every half-precision number, and rounding to it, against arithmetic. */
static void test_half(void)
{
    for (guint half = 0; half < 65536; half++) {
        guint exponent = (half >> 10) & 31, mantissa = half & 1023;
        double expected = exponent ? ldexp(1024 + mantissa, (int)exponent - 25) : ldexp(mantissa, -24);
        float value = lk_f16_to_float((guint16)half);
        if (exponent == 31)
            g_assert_true(mantissa ? isnan(value) : isinf(value));
        else
            g_assert_cmpfloat(value, ==, (float)(half & 0x8000 ? -expected : expected));
        if (!isnan(value))
            g_assert_cmpuint(lk_f16_from_float(value), ==, half);
    }
    g_assert_cmpuint(lk_f16_from_float(1.0f + 0x1p-11f), ==, 0x3c00); /* ties go to even */
    g_assert_cmpuint(lk_f16_from_float(1.0f + 3 * 0x1p-11f), ==, 0x3c02);
    g_assert_cmpuint(lk_f16_from_float(65519.0f), ==, 0x7bff);
    g_assert_cmpuint(lk_f16_from_float(65520.0f), ==, 0x7c00);
    g_assert_cmpuint(lk_f16_from_float(0x1p-25f), ==, 0);
    g_assert_cmpuint(lk_f16_from_float(0x1.8p-25f), ==, 1);
}

/* ---- what is wrong ---- */

#define ENTRY(dtype, shape, offsets)                                                                         \
    "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_bad_headers(void)
{
    static const struct {
        const char *header, *part;
    } cases[] = {
        {"[]", "not a safetensors file"},
        {"{", "bracket is not closed"},
        {"{}}", "bracket closes nothing"},
        {"{\"a\":1}", "not an object"},
        {"{\"__metadata__\":3}", "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"format\":3}}", "\"format\" is not a string"},
        {"{\"a\":{}}", "has no dtype"},
        {"{} /* hm */", "unexpected byte 0x2f"},
        {"{\"a\" \"b\"}", "not valid"},
        {"{\"a\":tru}", "not valid"},
        {"{\"a\":'b'}", "unexpected byte"},
        {"{\"a", "does not end"},
        {"{\"a\nb\":1}", "control character"},
        {"{\"a\\\nb\":1}", "control character"},
        {"{\"x\":{\"dtype\":\"a\\nb\"}}", "\"a b\""}, /* in a sentence of one line */
        {"{\"\xff\":1}", "not UTF-8"},
        {"{\"\\u0061\":1}", "has an escape"},
        {ENTRY("3", "[1]", "[0,4]"), "has no dtype"},
        {ENTRY("\"BF16\"", "[1]", "[0,2]"), "\"BF16\", which is not supported"},
        {ENTRY("\"F32\"", "[2]", "[0,4]"), "does not fit its 4 bytes"},
        {ENTRY("\"F32\"", "[1,1,1,1,1]", "[0,4]"), "bad shape"},
        {ENTRY("\"F32\"", "[-1]", "[0,4]"), "bad shape"},
        {ENTRY("\"F32\"", "[1.0]", "[0,4]"), "bad shape"},
        {ENTRY("\"F32\"", "[[1]]", "[0,4]"), "bad shape"},
        {ENTRY("\"F32\"", "1", "[0,4]"), "bad shape"},
        {ENTRY("\"F32\"", "[0]", "[0,0]"), "is empty"},
        {ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,4]"), "shape of the tensor t is too large"},
        {ENTRY("\"F32\"", "[4611686018427387,1024]", "[0,4]"), "does not fit"},
        {ENTRY("\"F32\"", "[9223372036854775807,2]", "[0,4]"), "a number is too large"},
        {ENTRY("\"F32\"", "[2305843009213693952,8]", "[0,4]"), "a number is too large"},
        {ENTRY("\"F32\"", "[1]", "[4,0]"), "bad offsets"},
        {ENTRY("\"F32\"", "[1]", "[0]"), "bad offsets"},
        {ENTRY("\"F32\"", "[1]", "[0,4,8]"), "bad offsets"},
        {ENTRY("\"F32\"", "[4]", "[0,16]"), "beyond the end of the file"},
        {ENTRY("\"F32\"", "[1]", "[4,8]"), "gap"},
        {ENTRY("\"F32\"", "[1]", "[0,4]"), "bytes behind the last tensor"},
        {"{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}", "the key \"dtype\" appears twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         "the key \"a\" appears twice"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_header(cases[i].header, 8);
        expect_refusal(cases[i].part);
    }
}

static void test_nesting(void)
{
    for (guint depth = 4; depth <= 1000000; depth *= 5) {
        g_autoptr(GString) header = g_string_new("{\"a\":");
        for (guint i = 0; i < depth; i++)
            g_string_append_c(header, '[');
        for (guint i = 0; i < depth; i++)
            g_string_append_c(header, ']');
        g_string_append_c(header, '}');
        write_header(header->str, 0);
        expect_refusal("nested more than");
    }
}

static void test_lengths(void)
{
    static const guint64 lengths[] = {0,           1,          7,          1000, 1u << 22, (1u << 22) + 1,
                                      G_MAXUINT32, G_MAXINT64, G_MAXUINT64};
    g_autoptr(GByteArray) file = make_file(good_header, strlen(good_header), 34);

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        memcpy(file->data, &lengths[i], 8);
        write_file(file->data, file->len);
        expect_refusal(NULL);
    }
}

static void test_truncated(void)
{
    g_autofree char *contents = NULL;
    gsize size, header;
    guint n = 0;

    g_assert_true(g_file_get_contents(tiny_path, &contents, &size, NULL));
    header = 8 + *(guint32 *)(gpointer)contents;
    for (gsize length = 0; length < size; length += length < 64 ? 1 : length < header ? 211 : 1013, n++) {
        write_file(contents, length);
        expect_refusal(NULL);
    }
    write_file(contents, size - 1);
    expect_refusal("beyond the end");
    g_assert_cmpuint(n, >, 200);
}

/* Any flipped bit of a small file: it is refused, or what it says still fits the file. */
static void test_flipped_bits(void)
{
    g_autoptr(GByteArray) file = make_file(good_header, strlen(good_header), 34);
    guint refused = 0;

    for (gsize bit = 0; bit < 8 * (gsize)file->len; bit++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkWeights) weights = NULL;
        file->data[bit / 8] ^= (guint8)(1 << bit % 8);
        write_file(file->data, file->len);
        weights = lk_weights_open(file_path, &error);
        if (weights == NULL) {
            assert_refused(error, NULL);
            refused++;
        }
        file->data[bit / 8] ^= (guint8)(1 << bit % 8);
    }
    g_assert_cmpuint(refused, >, 8 * strlen(good_header) / 2);
}

/* Flips in a whole model: the model is refused or complete. */
static void test_flipped_model(void)
{
    g_autofree char *contents = NULL;
    gsize size, header;
    guint refused = 0;

    g_assert_true(g_file_get_contents(tiny_path, &contents, &size, NULL));
    header = 8 + *(guint32 *)(gpointer)contents;
    for (guint i = 0; i < 150; i++) {
        gsize at = 8 + (gsize)i * 7919 % (header - 8);
        g_autoptr(GError) error = NULL;
        g_autoptr(LkModel) model = NULL;
        contents[at] ^= (char)(1 << i % 7);
        write_file(contents, size);
        model = lk_model_open(file_path, &error);
        contents[at] ^= (char)(1 << i % 7);
        if (model == NULL) {
            assert_refused(error, NULL);
            refused++;
        }
    }
    g_assert_cmpuint(refused, >, 100);
}

static void test_not_finite(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    const guint shape[] = {2, 3, 0}, scalar[] = {0};
    g_autoptr(GByteArray) file = make_file(good_header, strlen(good_header), 34);
    guint8 *data = file->data + 8 + strlen(good_header);

    for (guint i = 0; i < 4; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkWeights) weights = NULL;
        g_autofree float *values = NULL;
        if (i < 3)
            memcpy(data + 20, &bad[i], 4);
        else
            memcpy(data + 24, &(guint16){0x7c00}, 2);
        write_file(file->data, file->len);
        weights = lk_weights_open(file_path, &error);
        g_assert_no_error(error);
        values = lk_weights_read(weights, i < 3 ? "first" : "scalar", i < 3 ? shape : scalar, &error);
        g_assert_null(values);
        g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
        g_assert_nonnull(strstr(error->message, i < 3 ? "first is not finite" : "scalar is not finite"));
    }
}

static void test_no_file(void)
{
    g_autofree char *missing = g_build_filename(folder, "missing", NULL);
    g_autofree char *pipe_path = g_build_filename(folder, "pipe", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(lk_weights_open(missing, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, missing));
    g_clear_error(&error);
    g_assert_null(lk_weights_open(folder, &error));
    g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_FORMAT);
    g_clear_error(&error);
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    g_assert_null(lk_weights_open(pipe_path, &error));
    g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_FORMAT);
    g_unlink(pipe_path);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-weights-XXXXXX", &error);
    g_assert_no_error(error);
    file_path = g_build_filename(folder, "a.safetensors", NULL);
    tiny_path = g_build_filename(folder, "tiny.safetensors", NULL);
    lk_tiny_model_write(tiny_path, NULL, &error);
    g_assert_no_error(error);

    g_test_add_func("/weights/good", test_good);
    g_test_add_func("/weights/hash", test_hash);
    g_test_add_func("/weights/half", test_half);
    g_test_add_func("/weights/bad-headers", test_bad_headers);
    g_test_add_func("/weights/nesting", test_nesting);
    g_test_add_func("/weights/lengths", test_lengths);
    g_test_add_func("/weights/truncated", test_truncated);
    g_test_add_func("/weights/flipped-bits", test_flipped_bits);
    g_test_add_func("/weights/flipped-model", test_flipped_model);
    g_test_add_func("/weights/not-finite", test_not_finite);
    g_test_add_func("/weights/no-file", test_no_file);
    result = g_test_run();

    g_unlink(file_path);
    g_unlink(tiny_path);
    g_rmdir(folder);
    g_free(file_path);
    g_free(tiny_path);
    g_free(folder);
    return result;
}
