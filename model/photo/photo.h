/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * photo.h - a picture in memory, and files to and from it. Immutable after it was made; any thread.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define LK_PHOTO_ERROR (lk_photo_error_quark())
typedef enum {
    LK_PHOTO_ERROR_FORMAT,  /* not a picture of a kind we read */
    LK_PHOTO_ERROR_DAMAGED, /* truncated or corrupt */
    LK_PHOTO_ERROR_SIZE,    /* too small to hold a face, or larger than we accept */
    LK_PHOTO_ERROR_NO_FACE,
} LkPhotoError;
GQuark lk_photo_error_quark(void);

typedef struct _LkPhoto LkPhoto;

/* Reads any file that lk_original_open reads, upright, as 8-bit sRGB. The message names the file. */
LkPhoto *lk_photo_open(const char *path, GError **error);

/* A picture of width x height pixels from interleaved RGBA bytes, rows without gaps (copied). */
LkPhoto *lk_photo_new(guint width, guint height, const guint8 *rgba);
LkPhoto *lk_photo_ref(LkPhoto *photo);
void lk_photo_unref(LkPhoto *photo); /* NULL is fine */

guint lk_photo_width(const LkPhoto *photo);
guint lk_photo_height(const LkPhoto *photo);
const guint8 *lk_photo_pixels(const LkPhoto *photo); /* RGBA, rows without gaps, owned by photo */
GBytes *lk_photo_bytes(LkPhoto *photo); /* the same pixels, sharing them; for textures; g_bytes_unref */

/* A rectangle of it, which must lie inside. The whole is the same photo. */
LkPhoto *lk_photo_cut(LkPhoto *photo, guint x, guint y, guint width, guint height);

/* Writes an 8-bit sRGB PNG. The file appears whole or not at all (written beside it and renamed). */
gboolean lk_photo_save_png(const LkPhoto *photo, const char *path, GError **error);

/* Resampling with Pillow's bicubic kernel (a = -0.5) and antialiasing, as the networks' preprocessing is defined. */
LkPhoto *lk_photo_resize(const LkPhoto *photo, guint width, guint height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkPhoto, lk_photo_unref)

G_END_DECLS
