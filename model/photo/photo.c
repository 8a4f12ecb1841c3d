/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * photo.c - the picture in memory, and the way from a file to it and back.
 */
#include "photo-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Far more than any picture of LK_PHOTO_MAX_PIXELS needs; keeps a wrong choice of file from filling the memory. */
#define MAX_FILE_SIZE (G_GINT64_CONSTANT(1) << 30)

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

guint8 *lk_photo_alloc(const char *name, guint width, guint height, GError **error)
{
    guint8 *pixels;

    if (!lk_photo_check_size(name, width, height, error))
        return NULL;
    pixels = g_try_malloc((gsize)width * height * 4);
    if (!pixels)
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE, "%s needs more memory than there is.", name);
    return pixels;
}

void lk_photo_set_damaged(const char *name, GError **error)
{
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_DAMAGED, "%s is truncated or damaged.", name);
}

void lk_decoded_clear(LkDecoded *decoded)
{
    g_clear_pointer(&decoded->pixels, g_free);
    g_clear_pointer(&decoded->icc, g_bytes_unref);
}

static void set_errno(GError **error, int code, const char *name, const char *what)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "%s cannot be %s: %s.", name, what,
                g_strerror(code));
}

static GBytes *read_file(const char *path, const char *name, GError **error)
{
    GStatBuf info;
    char *data;
    gsize size;

    if (g_stat(path, &info) != 0) {
        set_errno(error, errno, name, "read");
        return NULL;
    }
    if (!S_ISREG(info.st_mode) || info.st_size > MAX_FILE_SIZE) {
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT, "%s is not a JPEG or PNG picture.", name);
        return NULL;
    }
    if (!g_file_get_contents(path, &data, &size, NULL)) {
        set_errno(error, errno, name, "read");
        return NULL;
    }
    return g_bytes_new_take(data, size);
}

static gboolean starts_with(GBytes *file, const void *magic, gsize size)
{
    gsize have;
    const guint8 *data = g_bytes_get_data(file, &have);

    return have >= size && memcmp(data, magic, size) == 0;
}

static gboolean decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    if (starts_with(file, "\xff\xd8\xff", 3))
        return lk_jpeg_decode(name, file, decoded, error);
    if (starts_with(file, "\x89PNG\r\n\x1a\n", 8))
        return lk_png_decode(name, file, decoded, error);
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT, "%s is not a JPEG or PNG picture.", name);
    return FALSE;
}

LkPhoto *lk_photo_open(const char *path, GError **error)
{
    g_autofree char *name = g_filename_display_basename(path);
    g_autoptr(GBytes) file = read_file(path, name, error);
    g_auto(LkDecoded) decoded = {0};

    if (!file || !decode(name, file, &decoded, error))
        return NULL;
    lk_colour_to_srgb(&decoded);
    if (!lk_orientation_apply(name, &decoded, lk_orientation_read(file), error))
        return NULL;
    return lk_photo_new_take(decoded.width, decoded.height, g_steal_pointer(&decoded.pixels));
}

/* Writes to temporary, whose descriptor is given, then moves it to path. */
static gboolean write_and_rename(const LkPhoto *photo, int fd, const char *temporary, const char *path)
{
    FILE *stream = fdopen(fd, "wb");
    gboolean written;

    if (!stream) {
        close(fd);
        return FALSE;
    }
    errno = 0;
    written = lk_png_encode(photo, stream);
    if (fclose(stream) != 0)
        written = FALSE;
    return written && g_rename(temporary, path) == 0;
}

gboolean lk_photo_save_png(const LkPhoto *photo, const char *path, GError **error)
{
    g_autofree char *name = g_filename_display_basename(path);
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    int fd = g_mkstemp_full(temporary, O_RDWR, 0666), code;

    if (fd < 0) {
        set_errno(error, errno, name, "written");
        return FALSE;
    }
    if (write_and_rename(photo, fd, temporary, path))
        return TRUE;
    code = errno ? errno : EIO;
    g_unlink(temporary);
    set_errno(error, code, name, "written");
    return FALSE;
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
