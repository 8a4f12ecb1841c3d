/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * photo-private.h - what the files of model/photo share.
 */
#pragma once

#include <stdio.h>

#include "original.h"
#include "photo.h"

G_BEGIN_DECLS

/* Sides below this hold no face; more pixels than this we do not take into memory. */
#define LK_PHOTO_MIN_SIDE   16
#define LK_PHOTO_MAX_PIXELS 200000000

/* A picture around pixels from g_malloc, which it takes over. */
LkPhoto *lk_photo_new_take(guint width, guint height, guint8 *rgba);

/* Whether width x height is a size we open; else LK_PHOTO_ERROR_SIZE with name in the message. */
gboolean lk_photo_check_size(const char *name, guint64 width, guint64 height, GError **error);

/* Memory for n_bytes of the picture, or NULL with LK_PHOTO_ERROR_SIZE. Free with g_free. */
void *lk_photo_alloc(const char *name, gsize n_bytes, GError **error);

/* The one sentence for every kind of damage, and the one for what our libraries do not read. */
void lk_photo_set_damaged(const char *name, GError **error);
void lk_photo_set_unsupported(const char *name, const char *what, GError **error);

/* What a file's samples are. */
typedef enum { LK_SPACE_RGB, LK_SPACE_GREY, LK_SPACE_CMYK, LK_SPACE_CMYK_INVERTED } LkSpace;

/* Pixels per unit: EXIF's ResolutionUnit, 1 (none), 2 (inch) or 3 (cm). 0 x 0: the file says nothing. */
typedef struct {
    double x, y;
    guint unit;
} LkResolution;

/* A file's own pixels, upright. Rows have no gaps; samples are 8 bits or 16 in the machine's byte order. RGB always has four
 * channels (alpha opaque where the file has none), grey has one, or two with alpha, CMYK four. Alpha is unassociated. */
typedef struct {
    guint orientation; /* EXIF, 1 to 8: how the stored rows lie; set before decoding */
    guint width, height;
    guint depth; /* 8 or 16 */
    LkSpace space;
    gboolean alpha; /* whether the file has one */
    guint8 *pixels;
    GBytes *icc;             /* profile; NULL: sRGB */
    LkResolution resolution; /* of the format itself: EXIF may say another */
    gboolean tagged;         /* the file itself says which colours it has: by icc, or that they are sRGB */
    guint8 *scratch;         /* a stored row on its way to where it belongs */
} LkDecoded;

void lk_decoded_clear(LkDecoded *decoded);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LkDecoded, lk_decoded_clear)

guint lk_decoded_channels(const LkDecoded *decoded);
gsize lk_decoded_pixel_size(const LkDecoded *decoded); /* bytes: 1, 2, 4 or 8 */

/* A decoder sets depth, space and alpha, starts with the size as stored, and for each stored row fills what
 * lk_decoded_row returns (room for one row) and says so by lk_decoded_put. */
gboolean lk_decoded_start(LkDecoded *decoded, const char *name, guint width, guint height, GError **error);
guint8 *lk_decoded_row(LkDecoded *decoded, guint y);
void lk_decoded_put(LkDecoded *decoded, guint y);

/* name is what messages call the file. On failure decoded holds nothing to rely on; clear it. */
typedef gboolean (*LkDecode)(const char *name, GBytes *file, LkDecoded *decoded, GError **error);
gboolean lk_jpeg_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);
gboolean lk_png_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);
gboolean lk_tiff_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);
gboolean lk_webp_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);
gboolean lk_heif_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error);

/* Whether the bytes are an ISO base media file of the HEIF family. */
gboolean lk_heif_is(GBytes *file);

/* Where an encoder gets a picture from: row by row, from the top, in LkDecoded's layout. */
typedef struct {
    guint width, height, depth;
    LkSpace space; /* RGB or grey */
    gboolean alpha;
    GBytes *icc; /* NULL: sRGB */
    LkResolution resolution;
    const void *(*row)(gpointer data, guint y);
    gpointer data;
} LkRows;

guint lk_rows_channels(const LkRows *rows);
LkRows lk_photo_rows(LkPhoto *photo); /* photo must outlive them */

/* The whole file into an open, seekable stream. FALSE where the library or the stream failed. depth is 8 for JPEG and
 * WebP. */
typedef gboolean (*LkEncode)(const LkRows *rows, const LkExportOptions *options, FILE *stream);
gboolean lk_jpeg_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream);
gboolean lk_png_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream);
gboolean lk_tiff_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream);
gboolean lk_webp_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream);

/* Whether a finished file has its end: exiv2, which writes it last, does not notice a disk that fills up. */
typedef gboolean (*LkIsWhole)(GBytes *file);
gboolean lk_jpeg_is_whole(GBytes *file);
gboolean lk_png_is_whole(GBytes *file);
gboolean lk_tiff_is_whole(GBytes *file);
gboolean lk_webp_is_whole(GBytes *file);

/* Whether the file's last bytes are these. */
gboolean lk_file_ends_with(GBytes *file, const void *end, gsize size);

/* ICC profiles made from what other tags say. */
GBytes *lk_colour_profile(const double white[2], const double primaries[3][2], double gamma);
GBytes *lk_colour_adobe_rgb(void);
#define LK_GAMMA_SRGB 0.0                    /* for gamma: sRGB's curve */
extern const double lk_white_d65[2];         /* x, y */
extern const double lk_primaries_srgb[3][2]; /* red, green, blue */

/* A profile for R = G = B pictures with the grey profile's curve; NULL where it has none. */
GBytes *lk_colour_grey_as_rgb(GBytes *icc);

/* Leaves decoded grey or RGB with a profile that can be used, or none: CMYK becomes sRGB, a broken profile goes. */
void lk_colour_settle(LkDecoded *decoded);

/* decoded in 8-bit sRGB. Takes the pixels over where they are just that; then decoded->pixels stays valid as long as the
 * photo. */
LkPhoto *lk_colour_view(LkDecoded *decoded, const char *name, gboolean *shared, GError **error);

/* Brings changes given in sRGB into a picture's own space. One thread at a time. */
typedef struct _LkChanger LkChanger;
LkChanger *lk_changer_new(LkSpace space, GBytes *icc);
void lk_changer_free(LkChanger *changer);

/* native: n pixels of 3 (grey: 1) samples, white is 1; change: n x 3, in sRGB encoding. The result may leave 0 to 1. */
void lk_changer_apply(LkChanger *changer, float *native, const float *change, gsize n);

/* A file's EXIF, XMP, IPTC and comment. Any thread. */
typedef struct _LkMetadata LkMetadata;
LkMetadata *lk_metadata_read(GBytes *file); /* never NULL */
void lk_metadata_free(LkMetadata *metadata);
guint lk_metadata_orientation(const LkMetadata *metadata); /* 1 to 8; 1 where it says none */
gboolean lk_metadata_is_adobe_rgb(const LkMetadata *metadata);
gboolean lk_metadata_has_thumbnail(const LkMetadata *metadata);
LkResolution lk_metadata_resolution(const LkMetadata *metadata);

/* The metadata become those of an upright sRGB or own-space picture of width x height. */
void lk_metadata_set_upright(LkMetadata *metadata, guint width, guint height, gboolean now_srgb);

/* Puts EXIF, a TIFF structure, where a finished file is to have it, in place of exiv2's. FALSE where that failed; then the file
 * is not whole. */
typedef gboolean (*LkPlaceExif)(const char *path, GBytes *exif);
gboolean lk_png_place_exif(const char *path, GBytes *exif);

/* A PNG that has EXIF as a chunk and, older, as text, without the text: exiv2 would take all tags twice. Any other file as it
 * is. */
GBytes *lk_png_with_one_exif(GBytes *file);

/* Into a finished file. thumbnail: a JPEG, or NULL for none. place_exif: NULL: exiv2 does. FALSE where exiv2 failed, perhaps
 * with errno. */
gboolean lk_metadata_write(LkMetadata *metadata, const char *path, GBytes *thumbnail, gboolean strip_location,
                           LkPlaceExif place_exif);

/* A file's bytes, if it may be a picture. */
GBytes *lk_file_read(const char *path, const char *name, GError **error);

/* Encodes into a temporary file beside path, lets finish (or NULL) work on it, and moves it to path. finish may leave the
 * error to what errno says. */
typedef gboolean (*LkFinish)(const char *temporary, const char *name, gpointer data, GError **error);
gboolean lk_file_write(const char *path, LkEncode encode, const LkRows *rows, const LkExportOptions *options,
                       LkFinish finish, gpointer data, GError **error);

/* The rectangle from (x, y), which may lie outside: there the picture is mirrored about its outermost pixels. */
LkPhoto *lk_photo_extract(const LkPhoto *photo, int x, int y, guint width, guint height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkChanger, lk_changer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkMetadata, lk_metadata_free)

G_END_DECLS
