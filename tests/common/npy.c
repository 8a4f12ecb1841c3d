/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "npy.h"

static float half_to_float(guint16 half)
{
    guint exponent = half >> 10 & 31, mantissa = half & 1023;
    float value = exponent == 0    ? ldexpf((float)mantissa, -24)
                  : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                   : ldexpf((float)(mantissa + 1024), (int)exponent - 25);

    return half & 0x8000 ? -value : value;
}

static const char *field(const char *header, const char *name, const char *path)
{
    const char *at = strstr(header, name);

    if (at == NULL)
        g_error("%s: no %s in its header", path, name);
    return at + strlen(name);
}

static void parse_shape(LkNpy *npy, const char *header, const char *path)
{
    const char *at = strchr(field(header, "'shape':", path), '(') + 1;

    npy->n = 1;
    while (*at != ')') {
        char *end;
        guint64 size = g_ascii_strtoull(at, &end, 10);

        g_assert_cmpuint(npy->n_dims, <, G_N_ELEMENTS(npy->dims));
        npy->dims[npy->n_dims++] = size;
        npy->n *= size;
        at = end + strspn(end, ", ");
    }
}

static void parse_data(LkNpy *npy, const char *type, const guint8 *data, gsize size, const char *path)
{
    gsize each = strstr(type, "f4") ? 4 : strstr(type, "f2") ? 2 : strstr(type, "u1") ? 1 : 0;

    if (each == 0 || size < npy->n * each)
        g_error("%s: a type that is not read, or too short", path);
    npy->half = each == 2;
    npy->data = g_new(float, npy->n);
    for (gsize i = 0; i < npy->n; i++) {
        guint16 half;

        if (each == 4) {
            memcpy(&npy->data[i], data + 4 * i, 4);
        } else if (each == 2) {
            memcpy(&half, data + 2 * i, 2);
            npy->data[i] = half_to_float(half);
        } else {
            npy->data[i] = data[i];
        }
    }
}

LkNpy *lk_npy_read(const char *path)
{
    LkNpy *npy = g_new0(LkNpy, 1);
    g_autofree char *file = NULL, *header = NULL, *type = NULL;
    g_autoptr(GError) error = NULL;
    gsize size, length;

    if (!g_file_get_contents(path, &file, &size, &error))
        g_error("%s", error->message);
    if (size < 10 || memcmp(file, "\x93NUMPY\x01", 7) != 0)
        g_error("%s: not a .npy file of version 1.0", path);
    length = (guint8)file[8] | (gsize)(guint8)file[9] << 8;
    g_assert_cmpuint(10 + length, <=, size);
    header = g_strndup(file + 10, length);
    type = g_strndup(field(header, "'descr':", path), 8);
    parse_shape(npy, header, path);
    parse_data(npy, type, (const guint8 *)file + 10 + length, size - 10 - length, path);
    return npy;
}

static char *golden_path(const char *op, const char *name)
{
    const char *folder = g_getenv("LIKENESS_TEST_DATA");
    g_autofree char *file = g_strconcat(name, ".npy", NULL);

    return g_build_filename(folder != NULL ? folder : "tests", "golden", "ops", op, file, NULL);
}

LkNpy *lk_npy_golden(const char *op, const char *name)
{
    g_autofree char *path = golden_path(op, name);

    return lk_npy_read(path);
}

gboolean lk_npy_golden_exists(const char *op, const char *name)
{
    g_autofree char *path = golden_path(op, name);

    return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

void lk_npy_free(LkNpy *npy)
{
    if (npy != NULL)
        g_free(npy->data);
    g_free(npy);
}
