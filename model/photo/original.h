/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * original.h - a person's photo as its file has it: pixels in their own colour space and depth, profile, metadata. What is
 * edited is only what changes: every pixel and every tag that no edit touches leaves as it came.
 *
 * Reads JPEG (grey, RGB, CMYK), PNG (8 and 16 bits), TIFF (8 and 16 bits), WebP, HEIF and AVIF. Pixels are held upright
 * (EXIF orientation applied), 8 or 16 bits per channel, grey or RGB with alpha; CMYK is converted to sRGB on opening.
 * Immutable after it was made; any thread.
 */
#pragma once

#include "patch.h"

G_BEGIN_DECLS

typedef struct _LkOriginal LkOriginal;

/* NULL with LK_PHOTO_ERROR or a G_FILE_ERROR; the message names the file. */
LkOriginal *lk_original_open(const char *path, GError **error);
LkOriginal *lk_original_ref(LkOriginal *original);
void lk_original_unref(LkOriginal *original); /* NULL is fine */

/* The same picture as 8-bit sRGB, for faces, networks and the screen; owned by the original. */
LkPhoto *lk_original_photo(const LkOriginal *original);

guint lk_original_depth(const LkOriginal *original); /* bits per channel: 8 or 16 */
gboolean lk_original_has_alpha(const LkOriginal *original);

typedef enum { LK_FILE_PNG, LK_FILE_JPEG, LK_FILE_TIFF, LK_FILE_WEBP } LkFileFormat;

typedef struct {
    LkFileFormat format;
    guint depth;             /* 8 or 16 (PNG and TIFF); 0: as the original, as far as the format can */
    guint quality;           /* JPEG and lossy WebP: 1 to 100; 0: 95 for JPEG, lossless for WebP */
    gboolean full_chroma;    /* JPEG: 4:4:4 instead of 4:2:0 */
    gboolean strip_location; /* leave GPS tags out */
} LkExportOptions;

/* By the name's ending; FALSE where it has none that we write. */
gboolean lk_file_format_from_path(const char *path, LkFileFormat *format);

/* Writes the photo with the patches in place: same size, same colour space and profile, same metadata (orientation reset to
 * upright, thumbnail renewed, dimensions right). The patches' changes are given in sRGB and are brought into the photo's own
 * space; pixels that no patch changes keep their values to the last bit (where the format is lossless). Whole or not at all. */
gboolean lk_original_save(const LkOriginal *original, const LkPatch *const *patches, guint n_patches,
                          const char *path, const LkExportOptions *options, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkOriginal, lk_original_unref)

G_END_DECLS
