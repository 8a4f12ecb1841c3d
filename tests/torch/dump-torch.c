/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dump-torch [--lengths] FILE: what the reader finds in a file, one line per value: the path of keys and indices, the
 * type, and the value or, of a tensor, its type, its shape and the SHA-256 of its elements as float32. --lengths: opens the
 * file cut to each of its lengths instead, and prints how many of those were taken. The last line, of standard error, is
 * the most memory that was in use.
 */
#include "npy_file.h"
#include "torch_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dtype_names[] = {"float16", "bfloat16", "float32", "float64", "int64",
                                          "int32",   "int16",    "int8",    "uint8",   "bool"};

static void fail(const GError *error)
{
    g_printerr("%s\n", error->message);
    exit(1);
}

static void print_hex(const char *text)
{
    for (; *text; text++)
        g_print("%02x", (guint8)*text);
}

static char *digest(LkTorchFile *file, const LkTorchValue *value, gsize piece)
{
    const LkTorchTensor *tensor = lk_torch_tensor(value);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree float *values = g_new(float, piece);
    g_autoptr(GError) error = NULL;

    for (guint64 at = 0; at < tensor->n_elements; at += piece) {
        const gsize n = (gsize)MIN(tensor->n_elements - at, piece);
        if (!lk_torch_read(file, value, at, n, values, &error))
            fail(error);
        g_checksum_update(sum, (const guint8 *)values, (gssize)(n * sizeof *values));
    }
    return g_strdup(g_checksum_get_string(sum));
}

/* Elements from the end to the start, as nobody should read them, are the same. */
static void check_backwards(LkTorchFile *file, const LkTorchValue *value)
{
    const guint64 n = lk_torch_tensor(value)->n_elements;
    g_autofree float *all = g_new(float, MAX(n, 1));
    g_autoptr(GError) error = NULL;
    float one[3];

    if (!lk_torch_read(file, value, 0, (gsize)n, all, &error))
        fail(error);
    for (guint64 i = n; i >= 3; i -= 3)
        if (!lk_torch_read(file, value, i - 3, 3, one, &error) || memcmp(one, all + i - 3, sizeof one) != 0)
            g_error("elements %" G_GUINT64_FORMAT " and before differ", i);
}

static void print_tensor(LkTorchFile *file, const LkTorchValue *value)
{
    const LkTorchTensor *tensor = lk_torch_tensor(value);
    g_autofree char *sum = digest(file, value, 65536), *again = NULL;

    if (tensor->n_elements <= 100000) {
        again = digest(file, value, 77);
        g_assert_cmpstr(sum, ==, again);
        check_backwards(file, value);
    }
    g_print("%s (", dtype_names[tensor->dtype]);
    for (guint i = 0; i < tensor->n_dims; i++)
        g_print("%" G_GUINT64_FORMAT ",", tensor->shape[i]);
    g_print(") %s", sum);
}

static void print_value(LkTorchFile *file, const LkTorchValue *value, const char *path)
{
    static const char *const names[] = {"none", "bool", "int", "float", "string", "list", "dict", "tensor"};
    const LkTorchType type = lk_torch_type(value);
    const double real = lk_torch_float(value);

    g_print("%s %s ", path, names[type]);
    if (type == LK_TORCH_BOOL || type == LK_TORCH_INT)
        g_print("%" G_GINT64_FORMAT, lk_torch_int(value));
    else if (type == LK_TORCH_FLOAT)
        g_print(isnan(real) ? "nan" : "%a", real);
    else if (type == LK_TORCH_STRING)
        print_hex(lk_torch_string(value));
    else if (type == LK_TORCH_TENSOR)
        print_tensor(file, value);
    else if (type != LK_TORCH_NONE)
        g_print("%u", lk_torch_n_items(value));
    g_print("\n");
    for (guint i = 0; i < lk_torch_n_items(value); i++) {
        const char *key = type == LK_TORCH_DICT ? lk_torch_key(value, i) : NULL;
        g_autofree char *below =
            key ? g_strdup_printf("%s/%s", path, key) : g_strdup_printf("%s/%u", path, i);
        g_assert_true(key == NULL || lk_torch_find(value, key) == lk_torch_item(value, i));
        print_value(file, lk_torch_item(value, i), below);
    }
}

static void dump_torch(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkTorchFile) file = lk_torch_open(path, &error);

    if (file == NULL)
        fail(error);
    print_value(file, lk_torch_root(file), "");
}

static void dump_npy(const char *path)
{
    guint64 shape[LK_TORCH_MAX_DIMS], n = 1;
    guint n_dims;
    g_autoptr(GError) error = NULL;
    g_autofree float *values = lk_npy_load(path, shape, &n_dims, &error);
    g_autofree char *sum = NULL;

    if (values == NULL)
        fail(error);
    g_print("(");
    for (guint i = 0; i < n_dims; i++) {
        g_print("%" G_GUINT64_FORMAT ",", shape[i]);
        n *= shape[i];
    }
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guint8 *)values, (gsize)n * sizeof *values);
    g_print(") %s\n", sum);
}

static gboolean opens(const char *path, gboolean npy)
{
    guint64 shape[LK_TORCH_MAX_DIMS];
    guint n_dims;
    g_autoptr(GError) error = NULL;
    g_autoptr(LkTorchFile) file = npy ? NULL : lk_torch_open(path, &error);
    g_autofree float *values = npy ? lk_npy_load(path, shape, &n_dims, &error) : NULL;

    g_assert_true((file != NULL || values != NULL) == (error == NULL));
    return error == NULL;
}

static void try_lengths(const char *path, gboolean npy)
{
    g_autofree char *bytes = NULL, *folder = g_dir_make_tmp("dump-torch-XXXXXX", NULL);
    g_autofree char *cut = g_build_filename(folder, "cut", NULL);
    g_autoptr(GError) error = NULL;
    guint n_taken = 0;
    gsize size;

    if (!g_file_get_contents(path, &bytes, &size, &error))
        fail(error);
    for (gsize n = 0; n < size; n++) {
        if (!g_file_set_contents_full(cut, bytes, (gssize)n, G_FILE_SET_CONTENTS_NONE, 0600, &error))
            fail(error);
        n_taken += opens(cut, npy);
        remove(cut);
    }
    remove(folder);
    g_print("%u\n", n_taken);
}

static void print_peak(void)
{
    g_autofree char *status = NULL;
    const char *peak;

    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
        return;
    peak = strstr(status, "VmHWM:");
    if (peak != NULL)
        g_printerr("%d\n", atoi(peak + strlen("VmHWM:")));
}

int main(int argc, char **argv)
{
    const char *path = argv[argc - 1];
    const gboolean npy = g_str_has_suffix(path, ".npy");

    if (argc < 2)
        return 2;
    atexit(print_peak);
    if (argc > 2 && g_str_equal(argv[1], "--lengths"))
        try_lengths(path, npy);
    else if (npy)
        dump_npy(path);
    else
        dump_torch(path);
    return 0;
}
