/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * photo-private.h - what the files of model/photo share.
 */
#pragma once

#include <stdio.h>

#include "photo.h"

G_BEGIN_DECLS

/* Sides below this hold no face; more pixels than this we do not take into memory. */
#define LK_PHOTO_MIN_SIDE   16
#define LK_PHOTO_MAX_PIXELS 200000000

/* A picture around pixels from g_malloc, which it takes over. */
LkPhoto *lk_photo_new_take(guint width, guint height, guint8 *rgba);

/* Room for width x height RGBA pixels, or NULL with LK_PHOTO_ERROR_SIZE. Free with g_free. */
guint8 *lk_photo_alloc(const char *name, guint width, guint height, GError **error);

/* Whether width x height is a size we open; else LK_PHOTO_ERROR_SIZE with name in the message. */
gboolean lk_photo_check_size(const char *name, guint64 width, guint64 height, GError **error);

/* The one sentence for every kind of damage. */
void lk_photo_set_damaged(const char *name, GError **error);

/* A decoder's result: RGBA bytes from g_malloc as the file has them, neither turned nor converted to sRGB. */
typedef enum { LK_SPACE_RGB, LK_SPACE_GREY, LK_SPACE_CMYK, LK_SPACE_CMYK_INVERTED } LkSpace;

typedef struct {
    guint width, height;
    guint8 *pixels; /* RGBA; of a CMYK file its four inks; of a grey one R = G = B */
    LkSpace space;
    GBytes *icc; /* embedded profile or NULL */
} LkDecoded;

void lk_decoded_clear(LkDecoded *decoded);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LkDecoded, lk_decoded_clear)

/* name is what messages call the file. On failure decoded is empty. */
gboolean lk_jpeg_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);
gboolean lk_png_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);

/* Makes decoded's pixels sRGB with alpha, by its profile where it has a usable one. */
void lk_colour_to_srgb(LkDecoded *decoded);

/* The EXIF orientation (1 to 8) of a file's bytes; 1 where it says none. */
guint lk_orientation_read(GBytes *file);

/* Turns decoded upright: orientation as EXIF 2.3 defines it. */
gboolean lk_orientation_apply(const char *name, LkDecoded *decoded, guint orientation, GError **error);

/* The PNG into an open stream. FALSE where libpng or the stream failed. */
gboolean lk_png_encode(const LkPhoto *photo, FILE *stream);

/* The rectangle from (x, y), which may lie outside: there the picture is mirrored about its outermost pixels. */
LkPhoto *lk_photo_extract(const LkPhoto *photo, int x, int y, guint width, guint height);

G_END_DECLS
