/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * original.h - a person's photo as its file has it: pixels in their own colour space and depth, profile, metadata. What is
 * edited is only what changes: every pixel and every tag that no edit touches leaves as it came.
 *
 * Reads JPEG (grey, RGB, CMYK), PNG, TIFF (its first picture), WebP (of a moving one the first picture), and HEIF and AVIF
 * where built with libheif. Pixels are held upright (EXIF orientation applied, in HEIF the file's own), 8 or 16 bits per
 * channel, grey or RGB, with alpha. Floating point (TIFF, 32 bits) becomes 16 bits: 0 is black, 1 is white, what is beyond is
 * lost. CMYK becomes sRGB on opening. A file without a profile is sRGB, unless PNG's gamma and primaries, HEIF's colour numbers
 * or EXIF's "Adobe RGB" (interoperability R03) say otherwise; then the profile that they mean goes into what is exported.
 *
 * Memory per pixel: 4 bytes for an 8-bit sRGB photo, 8 with another profile, 5 or 6 for grey, 12 for 16-bit colour (which is
 * 400 MB to 1.2 GB for 100 megapixels). Opening holds the file's own bytes besides until its pixels are there, and for a short
 * time the picture twice where its file's order of pixels asks for it: progressive JPEG, interlaced PNG, TIFF with its planes
 * in one strip each or of rare kinds, turned WebP, HEIF. Saving goes row by row and adds twice the size of the file that is
 * written; to WebP, libwebp adds 6 bytes per pixel, or 32 without loss.
 */
#pragma once

#include "patch.h"

G_BEGIN_DECLS

typedef struct _LkOriginal LkOriginal;

/* Immutable after it was made; any thread. NULL with LK_PHOTO_ERROR or a G_FILE_ERROR, one sentence that names the file. */
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
    gboolean strip_location; /* see lk_original_save */
} LkExportOptions;

/* By the name's ending; FALSE where it has none that we write. */
gboolean lk_file_format_from_path(const char *path, LkFileFormat *format);

/* Writes the photo with the patches in place: same size, same colour space and profile. The patches' changes are given in sRGB
 * and are brought into the photo's own space (a grey photo's takes their luma); pixels that no patch changes keep their values
 * to the last bit where format and depth can hold them. Grey stays grey (R = G = B in WebP). JPEG has no alpha: it shows the
 * photo on white.
 *
 * EXIF with the maker's notes (in PNG as its own chunk), XMP, IPTC (not in WebP) and comments go along as far as exiv2 can
 * write them; orientation and dimensions are made right, an EXIF thumbnail is renewed, other previews (in XMP or TIFF's further
 * directories) are left out; one inside a maker's notes stays. The resolution goes along, too, as EXIF or the format itself
 * gives it (not into WebP, but for EXIF's).
 * strip_location leaves out the GPS directory, XMP's GPS tags, and the names of city, state, country and place in IPTC, XMP
 * and Panasonic's notes.
 *
 * Whole or not at all: path is replaced by a finished file. Errors as of lk_original_open. */
gboolean lk_original_save(const LkOriginal *original, const LkPatch *const *patches, guint n_patches,
                          const char *path, const LkExportOptions *options, GError **error);

/* Writes a picture that has no file of its own: 8-bit sRGB without metadata (options: format, quality, full_chroma). */
gboolean lk_photo_save(LkPhoto *photo, const char *path, const LkExportOptions *options, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkOriginal, lk_original_unref)

G_END_DECLS
