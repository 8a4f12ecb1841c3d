/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * photo.c - the picture in memory.
 */
#include "photo-private.h"

#include <string.h>

struct _LkPhoto {
    gatomicrefcount refs;
    guint width, height;
    GBytes *pixels;
};

GQuark lk_photo_error_quark(void)
{
    return g_quark_from_static_string("lk-photo-error-quark");
}

LkPhoto *lk_photo_new_take(guint width, guint height, guint8 *rgba)
{
    LkPhoto *photo = g_new0(LkPhoto, 1);

    g_atomic_ref_count_init(&photo->refs);
    photo->width = width;
    photo->height = height;
    photo->pixels = g_bytes_new_take(rgba, (gsize)width * height * 4);
    return photo;
}

LkPhoto *lk_photo_new(guint width, guint height, const guint8 *rgba)
{
    g_return_val_if_fail(width > 0 && height > 0 && rgba, NULL);

    return lk_photo_new_take(width, height, g_memdup2(rgba, (gsize)width * height * 4));
}

LkPhoto *lk_photo_ref(LkPhoto *photo)
{
    g_atomic_ref_count_inc(&photo->refs);
    return photo;
}

void lk_photo_unref(LkPhoto *photo)
{
    if (!photo || !g_atomic_ref_count_dec(&photo->refs))
        return;
    g_bytes_unref(photo->pixels);
    g_free(photo);
}

guint lk_photo_width(const LkPhoto *photo)
{
    return photo->width;
}

guint lk_photo_height(const LkPhoto *photo)
{
    return photo->height;
}

const guint8 *lk_photo_pixels(const LkPhoto *photo)
{
    return g_bytes_get_data(photo->pixels, NULL);
}

LkPhoto *lk_photo_cut(LkPhoto *photo, guint x, guint y, guint width, guint height)
{
    const gsize stride = (gsize)photo->width * 4, row = (gsize)width * 4;
    const guint8 *from = lk_photo_pixels(photo) + y * stride + (gsize)x * 4;
    guint8 *pixels;

    g_return_val_if_fail(x + width <= photo->width && y + height <= photo->height, NULL);
    if (width == photo->width && height == photo->height)
        return lk_photo_ref(photo);
    pixels = g_malloc(row * height);
    for (guint i = 0; i < height; i++)
        memcpy(pixels + i * row, from + i * stride, row);
    return lk_photo_new_take(width, height, pixels);
}

GBytes *lk_photo_bytes(LkPhoto *photo)
{
    return g_bytes_ref(photo->pixels);
}

gboolean lk_photo_check_size(const char *name, guint64 width, guint64 height, GError **error)
{
    if (width < LK_PHOTO_MIN_SIDE || height < LK_PHOTO_MIN_SIDE) {
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE,
                    "%s is only %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT " pixels.", name, width, height);
        return FALSE;
    }
    if (width > LK_PHOTO_MAX_PIXELS / height) {
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE,
                    "%s has %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT
                    " pixels; more than %d million are too many.",
                    name, width, height, LK_PHOTO_MAX_PIXELS / 1000000);
        return FALSE;
    }
    return TRUE;
}

void *lk_photo_alloc(const char *name, gsize n_bytes, GError **error)
{
    void *memory = g_try_malloc(n_bytes);

    if (!memory)
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE, "%s needs more memory than there is.", name);
    return memory;
}

void lk_photo_set_damaged(const char *name, GError **error)
{
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_DAMAGED, "%s is truncated or damaged.", name);
}

void lk_photo_set_unsupported(const char *name, const char *what, GError **error)
{
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT, "%s is %s and cannot be read.", name, what);
}

LkPhoto *lk_photo_open(const char *path, GError **error)
{
    g_autoptr(LkOriginal) original = lk_original_open(path, error);

    return original ? lk_photo_ref(lk_original_photo(original)) : NULL;
}

static gboolean is_opaque(const LkPhoto *photo)
{
    const guint8 *pixels = lk_photo_pixels(photo);
    gsize size = (gsize)photo->width * photo->height * 4;

    for (gsize i = 3; i < size; i += 4)
        if (pixels[i] != 0xff)
            return FALSE;
    return TRUE;
}

static const void *row_of(gpointer data, guint y)
{
    const LkPhoto *photo = data;

    return lk_photo_pixels(photo) + (gsize)y * photo->width * 4;
}

LkRows lk_photo_rows(LkPhoto *photo)
{
    return (LkRows){
        .width = photo->width,
        .height = photo->height,
        .depth = 8,
        .alpha = !is_opaque(photo),
        .row = row_of,
        .data = photo,
    };
}

gboolean lk_photo_save_png(const LkPhoto *photo, const char *path, GError **error)
{
    const LkRows rows = lk_photo_rows((LkPhoto *)photo);
    const LkExportOptions options = {.format = LK_FILE_PNG};

    return lk_file_write(path, lk_png_encode, &rows, &options, NULL, NULL, error);
}

/* Index i of a row of n pixels continued by its mirror image, whose axis is the outermost pixel's centre. */
static guint mirror(gint64 i, guint n)
{
    gint64 period = 2 * (gint64)(n - 1);

    if (period == 0)
        return 0;
    i = ABS(i) % period;
    return (guint)MIN(i, period - i);
}

LkPhoto *lk_photo_extract(const LkPhoto *photo, int x, int y, guint width, guint height)
{
    const guint32 *source = (const guint32 *)lk_photo_pixels(photo);
    guint32 *pixels = g_new(guint32, (gsize)width * height);
    g_autofree guint *columns = g_new(guint, width);

    for (guint i = 0; i < width; i++)
        columns[i] = mirror((gint64)x + i, photo->width);
    for (guint j = 0; j < height; j++) {
        const guint32 *from = source + (gsize)mirror((gint64)y + j, photo->height) * photo->width;
        guint32 *to = pixels + (gsize)j * width;

        for (guint i = 0; i < width; i++)
            to[i] = from[columns[i]];
    }
    return lk_photo_new_take(width, height, (guint8 *)pixels);
}
