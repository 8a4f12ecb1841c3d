/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "npy_file.h"

#include "f16.h"
#include "torch_value.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HEADER 65536 /* NumPy's have about 100 bytes */

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

typedef struct {
    char kind; /* f2, f4, f8: the digit */
    gboolean fortran;
    guint64 shape[LK_TORCH_MAX_DIMS];
    guint n_dims;
    gsize n;
    gboolean has_type, has_order, has_shape;
} Array;

/* ---- the header, a dictionary as Python writes it ---- */

static void skip_space(const char **at)
{
    *at += strspn(*at, " \n");
}

static gboolean take(const char **at, const char *text)
{
    skip_space(at);
    if (!g_str_has_prefix(*at, text))
        return FALSE;
    *at += strlen(text);
    return TRUE;
}

static gboolean read_type(const char **at, Array *array, GError **error)
{
    const char *end;
    g_autofree char *type = NULL;

    array->has_type = TRUE;
    if (!take(at, "'") || (end = strchr(*at, '\'')) == NULL)
        return refuse(error, "it holds no array of plain numbers");
    type = lk_torch_shown(*at, (gsize)(end - *at));
    *at = end + 1;
    if (strlen(type) != 3 || type[0] != '<' || type[1] != 'f' || strchr("248", type[2]) == NULL)
        return refuse(error, "its numbers are of the type %s, not <f2, <f4 or <f8", type);
    array->kind = type[2];
    return TRUE;
}

static gboolean read_order(const char **at, Array *array, GError **error)
{
    array->has_order = TRUE;
    array->fortran = take(at, "True");
    return array->fortran || take(at, "False") || refuse(error, "its header is damaged");
}

static gboolean read_size(const char **at, Array *array, GError **error)
{
    char *end;
    const guint64 size = g_ascii_strtoull(*at, &end, 10);

    if (!g_ascii_isdigit(**at))
        return refuse(error, "its header is damaged");
    *at = end;
    if (array->n_dims == LK_TORCH_MAX_DIMS)
        return refuse(error, "it has more than %d dimensions", LK_TORCH_MAX_DIMS);
    if (size > LK_NPY_MAX_ELEMENTS)
        return refuse(error, "it is larger than %d numbers", LK_NPY_MAX_ELEMENTS);
    array->shape[array->n_dims++] = size;
    array->n *= (gsize)size; /* at most 2^48, and then refused or 0 */
    return array->n <= LK_NPY_MAX_ELEMENTS ||
           refuse(error, "it is larger than %d numbers", LK_NPY_MAX_ELEMENTS);
}

static gboolean read_shape(const char **at, Array *array, GError **error)
{
    array->has_shape = TRUE;
    array->n = 1;
    if (!take(at, "("))
        return refuse(error, "its header is damaged");
    while (!take(at, ")")) {
        if (!read_size(at, array, error))
            return FALSE;
        if (!take(at, ",") && **at != ')')
            return refuse(error, "its header is damaged");
    }
    return TRUE;
}

/* FALSE with an error also where the entry is there already. */
static gboolean read_entry(const char **at, Array *array, GError **error)
{
    if (!array->has_type && take(at, "'descr':"))
        return read_type(at, array, error);
    if (!array->has_order && take(at, "'fortran_order':"))
        return read_order(at, array, error);
    if (!array->has_shape && take(at, "'shape':"))
        return read_shape(at, array, error);
    return refuse(error, "its header is damaged");
}

static gboolean read_header(const char *at, Array *array, GError **error)
{
    if (!take(&at, "{"))
        return refuse(error, "its header is damaged");
    while (!take(&at, "}")) {
        if (!read_entry(&at, array, error))
            return FALSE;
        if (!take(&at, ",") && *at != '}')
            return refuse(error, "its header is damaged");
    }
    skip_space(&at);
    return (*at == '\0' && array->has_type && array->has_order && array->has_shape) ||
           refuse(error, "its header is damaged");
}

/* ---- the file ---- */

static gboolean read_bytes(FILE *stream, void *bytes, gsize n, GError **error)
{
    return fread(bytes, 1, n, stream) == n || refuse(error, "it ends too early (is it truncated?)");
}

/* The magic number, the version, and the header's length, 2 bytes in version 1 and 4 since. */
static gboolean read_start(FILE *stream, gsize *offset, gsize *length, GError **error)
{
    guint8 start[12] = {0};

    if (!read_bytes(stream, start, 10, error))
        return FALSE;
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return refuse(error, "it is not a file of NumPy");
    if (start[6] < 1 || start[6] > 3)
        return refuse(error, "it is of version %u of NumPy's format, which is not known", start[6]);
    if (start[6] > 1 && !read_bytes(stream, start + 10, 2, error))
        return FALSE;
    *offset = start[6] > 1 ? 12 : 10;
    *length = start[8] | (gsize)start[9] << 8 | (gsize)start[10] << 16 | (gsize)start[11] << 24;
    return *length <= MAX_HEADER || refuse(error, "its header is too large");
}

static float number_at(const guint8 *bytes, char kind)
{
    guint16 half;
    float single;
    double wide;

    switch (kind) {
    case '2':
        memcpy(&half, bytes, sizeof half);
        return lk_f16_to_float(half);
    case '4':
        memcpy(&single, bytes, sizeof single);
        return single;
    default:
        memcpy(&wide, bytes, sizeof wide);
        return (float)wide;
    }
}

/* Where the number that is stored in this place belongs in C order: the first dimension runs fastest in Fortran's. */
static gsize c_place(const Array *array, gsize stored)
{
    gsize place = 0, step = array->n;

    if (!array->fortran)
        return stored;
    for (guint i = 0; i < array->n_dims; i++) {
        step /= (gsize)array->shape[i];
        place += stored % (gsize)array->shape[i] * step;
        stored /= (gsize)array->shape[i];
    }
    return place;
}

static float *read_values(FILE *stream, const Array *array, GError **error)
{
    const guint size = (guint)(array->kind - '0');
    g_autofree float *values = g_new(float, MAX(array->n, 1));
    guint8 bytes[4096];

    for (gsize at = 0; at < array->n;) {
        const gsize piece = MIN(array->n - at, sizeof bytes / size);
        if (!read_bytes(stream, bytes, piece * size, error))
            return NULL;
        for (gsize i = 0; i < piece; i++, at++)
            values[c_place(array, at)] = number_at(bytes + i * size, array->kind);
    }
    return g_steal_pointer(&values);
}

static float *read_array(FILE *stream, guint64 file_size, Array *array, GError **error)
{
    g_autofree char *header = NULL;
    gsize offset = 0, length = 0;

    if (!read_start(stream, &offset, &length, error))
        return NULL;
    header = g_malloc0(length + 1);
    if (!read_bytes(stream, header, length, error))
        return NULL;
    if (strlen(header) != length) {
        refuse(error, "its header is damaged");
        return NULL;
    }
    if (!read_header(header, array, error))
        return NULL;
    if (file_size != offset + length + array->n * (gsize)(array->kind - '0')) {
        refuse(error, "its size does not fit its shape (is it truncated?)");
        return NULL;
    }
    return read_values(stream, array, error);
}

static FILE *open_stream(const char *path, guint64 *size, GError **error)
{
    /* Opening a pipe would block. */
    const int fd = g_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    struct stat status;
    FILE *stream = fd < 0 || fstat(fd, &status) != 0 ? NULL : fdopen(fd, "rb");

    if (stream == NULL) {
        const int number = errno;
        if (fd >= 0)
            close(fd);
        g_set_error_literal(error, G_FILE_ERROR, (int)g_file_error_from_errno(number), g_strerror(number));
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        refuse(error, "it is not a file");
        fclose(stream);
        return NULL;
    }
    *size = (guint64)status.st_size;
    return stream;
}

float *lk_npy_load(const char *path, guint64 shape[LK_TORCH_MAX_DIMS], guint *n_dims, GError **error)
{
    guint64 size = 0;
    FILE *stream = open_stream(path, &size, error);
    Array array = {0};
    float *values = stream ? read_array(stream, size, &array, error) : NULL;

    if (stream != NULL)
        fclose(stream);
    if (values == NULL) {
        g_autofree char *shown = g_filename_display_name(path);
        g_prefix_error(error, "%s: ", shown);
        return NULL;
    }
    memcpy(shape, array.shape, sizeof array.shape);
    *n_dims = array.n_dims;
    return values;
}
