/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * png.c - PNG files by libpng.
 */
#include "photo-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* Photos hardly compress better at the slower levels. */
#define COMPRESSION 4

typedef struct {
    const guint8 *data;
    gsize size, position;
    png_structp png;
    png_infop info;
    png_bytep *rows; /* of whole */
    guint8 *whole;
    const char *name;
    LkDecoded *decoded;
    GError **error;
} Decoder;

static void on_error(png_structp png, png_const_charp message)
{
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
}

static void read_data(png_structp png, png_bytep to, gsize size)
{
    Decoder *decoder = png_get_io_ptr(png);

    if (size > decoder->size - decoder->position)
        png_error(png, "end of file");
    memcpy(to, decoder->data + decoder->position, size);
    decoder->position += size;
}

/* Less than 8 bits become 8, a palette its colours, a transparent colour alpha; RGB gets alpha, grey only if it has some. */
static void choose_output(const Decoder *decoder, LkDecoded *decoded)
{
    png_structp png = decoder->png;
    const png_byte type = png_get_color_type(png, decoder->info);

    decoded->depth = png_get_bit_depth(png, decoder->info) == 16 ? 16 : 8;
    decoded->space = type & PNG_COLOR_MASK_COLOR ? LK_SPACE_RGB : LK_SPACE_GREY;
    decoded->alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, decoder->info, PNG_INFO_tRNS);
    png_set_expand(png);
    if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
        png_set_swap(png);
    if (decoded->space == LK_SPACE_RGB && !decoded->alpha)
        png_set_add_alpha(png, 0xffff, PNG_FILLER_AFTER);
}

static gboolean near_srgb(double value, double srgb)
{
    return fabs(value - srgb) < 0.005;
}

/* Colours by chromaticities and gamma, older than profiles. */
static void read_chromaticities(const Decoder *decoder, LkDecoded *decoded)
{
    double white[2] = {lk_white_d65[0], lk_white_d65[1]}, rgb[3][2], gamma;
    gboolean srgb = TRUE;

    memcpy(rgb, lk_primaries_srgb, sizeof rgb);
    if (!png_get_gAMA(decoder->png, decoder->info, &gamma) || !(gamma > 0.1 && gamma < 10.0))
        return;
    png_get_cHRM(decoder->png, decoder->info, &white[0], &white[1], &rgb[0][0], &rgb[0][1], &rgb[1][0],
                 &rgb[1][1], &rgb[2][0], &rgb[2][1]);
    for (int i = 0; i < 6; i++)
        srgb = srgb && near_srgb(rgb[i / 2][i % 2], lk_primaries_srgb[i / 2][i % 2]);
    srgb = srgb && near_srgb(white[0], lk_white_d65[0]) && near_srgb(white[1], lk_white_d65[1]);
    decoded->tagged = TRUE;
    if (!srgb || !near_srgb(gamma, 1.0 / 2.2))
        decoded->icc = lk_colour_profile(white, rgb, 1.0 / gamma);
}

static void read_colour(const Decoder *decoder, LkDecoded *decoded)
{
    png_charp name;
    png_bytep data;
    png_uint_32 size;
    int compression;

    if (png_get_valid(decoder->png, decoder->info, PNG_INFO_sRGB)) {
        decoded->tagged = TRUE;
    } else if (png_get_iCCP(decoder->png, decoder->info, &name, &compression, &data, &size)) {
        decoded->tagged = TRUE;
        decoded->icc = g_bytes_new(data, size);
    } else if (decoded->space == LK_SPACE_RGB) {
        read_chromaticities(decoder, decoded);
    }
}

/* Per metre, which came from inches, or of unknown unit. */
static void read_resolution(const Decoder *decoder, LkDecoded *decoded)
{
    png_uint_32 x, y;
    int unit;

    if (!png_get_pHYs(decoder->png, decoder->info, &x, &y, &unit) || x == 0 || y == 0)
        return;
    if (unit == PNG_RESOLUTION_METER)
        decoded->resolution = (LkResolution){x * 0.0254, y * 0.0254, 2};
    else if (x != y)
        decoded->resolution = (LkResolution){x, y, 1};
}

/* An interlaced picture comes in seven passes over all of its rows. */
static gboolean read_interlaced(Decoder *decoder, guint height, gsize stride)
{
    decoder->whole = lk_photo_alloc(decoder->name, stride * height, decoder->error);
    if (!decoder->whole)
        return FALSE;
    decoder->rows = g_new(png_bytep, height);
    for (guint y = 0; y < height; y++)
        decoder->rows[y] = decoder->whole + y * stride;
    png_read_image(decoder->png, decoder->rows);
    for (guint y = 0; y < height; y++) {
        memcpy(lk_decoded_row(decoder->decoded, y), decoder->rows[y], stride);
        lk_decoded_put(decoder->decoded, y);
    }
    return TRUE;
}

static void read_rows(Decoder *decoder, guint height)
{
    for (guint y = 0; y < height; y++) {
        png_read_row(decoder->png, lk_decoded_row(decoder->decoded, y), NULL);
        lk_decoded_put(decoder->decoded, y);
    }
}

/* libpng leaves this function by longjmp; what must be freed hangs on the decoder. */
static gboolean read_picture(Decoder *decoder)
{
    png_structp png = decoder->png;
    LkDecoded *decoded = decoder->decoded;
    guint width, height;
    int passes;

    png_read_info(png, decoder->info);
    width = png_get_image_width(png, decoder->info);
    height = png_get_image_height(png, decoder->info);
    choose_output(decoder, decoded);
    read_colour(decoder, decoded);
    read_resolution(decoder, decoded);
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
    if (!lk_decoded_start(decoded, decoder->name, width, height, decoder->error))
        return FALSE;
    if (png_get_rowbytes(png, decoder->info) != width * lk_decoded_pixel_size(decoded))
        png_error(png, "unexpected row size");
    if (passes == 1)
        read_rows(decoder, height);
    else if (!read_interlaced(decoder, height, width * lk_decoded_pixel_size(decoded)))
        return FALSE;
    png_read_end(png, NULL);
    return TRUE;
}

static gboolean decode(Decoder *decoder)
{
    decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    if (decoder->png)
        decoder->info = png_create_info_struct(decoder->png);
    if (!decoder->info || setjmp(png_jmpbuf(decoder->png))) {
        lk_photo_set_damaged(decoder->name, decoder->error);
        return FALSE;
    }
    png_set_read_fn(decoder->png, decoder, read_data);
    return read_picture(decoder);
}

gboolean lk_png_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    Decoder decoder = {.name = name, .decoded = decoded, .error = error};
    gboolean done;

    decoder.data = g_bytes_get_data(file, &decoder.size);
    done = decode(&decoder);
    png_destroy_read_struct(&decoder.png, &decoder.info, NULL);
    g_free(decoder.rows);
    g_free(decoder.whole);
    return done;
}

static int colour_type(const LkRows *rows)
{
    if (rows->space == LK_SPACE_GREY)
        return rows->alpha ? PNG_COLOR_TYPE_GRAY_ALPHA : PNG_COLOR_TYPE_GRAY;
    return rows->alpha ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB;
}

static void write_resolution(png_structp png, png_infop info, const LkResolution *resolution)
{
    const double per_unit = resolution->unit == 2 ? 100 / 2.54 : resolution->unit == 3 ? 100 : 1;
    const double x = rint(resolution->x * per_unit), y = rint(resolution->y * per_unit);

    if (x >= 1 && x <= G_MAXINT32 && y >= 1 && y <= G_MAXINT32)
        png_set_pHYs(png, info, (png_uint_32)x, (png_uint_32)y,
                     resolution->unit == 1 ? PNG_RESOLUTION_UNKNOWN : PNG_RESOLUTION_METER);
}

static void write_picture(png_structp png, png_infop info, const LkRows *rows)
{
    png_set_IHDR(png, info, rows->width, rows->height, (int)rows->depth, colour_type(rows),
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (rows->icc)
        png_set_iCCP(png, info, "ICC profile", PNG_COMPRESSION_TYPE_BASE, g_bytes_get_data(rows->icc, NULL),
                     (png_uint_32)g_bytes_get_size(rows->icc));
    else
        png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    write_resolution(png, info, &rows->resolution);
    png_set_compression_level(png, COMPRESSION);
    png_write_info(png, info);
    if (rows->depth == 16 && G_BYTE_ORDER == G_LITTLE_ENDIAN)
        png_set_swap(png);
    if (rows->space == LK_SPACE_RGB && !rows->alpha)
        png_set_filler(png, 0, PNG_FILLER_AFTER);
    for (guint y = 0; y < rows->height; y++)
        png_write_row(png, rows->row(rows->data, y));
    png_write_end(png, info);
}

static gboolean encode(png_structp png, png_infop info, const LkRows *rows, FILE *stream)
{
    if (setjmp(png_jmpbuf(png)))
        return FALSE;
    png_init_io(png, stream);
    write_picture(png, info, rows);
    return TRUE;
}

gboolean lk_png_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    gboolean done = info && encode(png, info, rows, stream);

    png_destroy_write_struct(&png, &info);
    return done;
}

/* ---- EXIF ------------------------------------------------------------------------------------------------ */

/* Length and kind before a chunk's data, and the checksum behind. */
enum { SIGNATURE = 8, CHUNK_HEAD = 8, CHUNK_EXTRA = 12 };

static guint32 get_be32(const guint8 *at)
{
    return (guint32)at[0] << 24 | (guint32)at[1] << 16 | (guint32)at[2] << 8 | at[3];
}

static void append_be32(GByteArray *bytes, guint32 value)
{
    value = GUINT32_TO_BE(value);
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
}

typedef gboolean (*IsChunk)(const guint8 *chunk, gsize length);

/* From before there was a chunk for EXIF; exiv2 still writes it. */
static gboolean is_text_exif(const guint8 *chunk, gsize length)
{
    static const char keyword[] = "Raw profile type exif";

    return length >= sizeof keyword &&
           (memcmp(chunk + 4, "zTXt", 4) == 0 || memcmp(chunk + 4, "tEXt", 4) == 0) &&
           memcmp(chunk + CHUNK_HEAD, keyword, sizeof keyword) == 0;
}

static gboolean is_exif(const guint8 *chunk, gsize length)
{
    return memcmp(chunk + 4, "eXIf", 4) == 0;
}

/* The place and whole size of the first such chunk from there on; FALSE: none. */
static gboolean find_chunk(const guint8 *png, gsize size, IsChunk is_it, gsize *at, gsize *n)
{
    while (size >= CHUNK_EXTRA && *at <= size - CHUNK_EXTRA) {
        const gsize length = get_be32(png + *at);

        if (length > size - *at - CHUNK_EXTRA)
            return FALSE;
        *n = CHUNK_EXTRA + length;
        if (is_it(png + *at, length))
            return TRUE;
        *at += *n;
    }
    return FALSE;
}

GBytes *lk_png_with_one_exif(GBytes *file)
{
    GByteArray *less;
    gsize size, at = SIGNATURE, n, from = 0;
    const guint8 *png = g_bytes_get_data(file, &size);

    if (size < SIGNATURE || png_sig_cmp(png, 0, SIGNATURE) != 0 || !find_chunk(png, size, is_exif, &at, &n))
        return g_bytes_ref(file);
    at = SIGNATURE;
    if (!find_chunk(png, size, is_text_exif, &at, &n))
        return g_bytes_ref(file);
    less = g_byte_array_new();
    do {
        g_byte_array_append(less, png + from, (guint)(at - from));
        from = at += n;
    } while (find_chunk(png, size, is_text_exif, &at, &n));
    g_byte_array_append(less, png + from, (guint)(size - from));
    return g_byte_array_free_to_bytes(less);
}

static GByteArray *exif_chunk(GBytes *exif)
{
    GByteArray *chunk = g_byte_array_new();
    gsize size;
    const guint8 *data = g_bytes_get_data(exif, &size);

    append_be32(chunk, (guint32)size);
    g_byte_array_append(chunk, (const guint8 *)"eXIf", 4);
    g_byte_array_append(chunk, data, (guint)size);
    append_be32(chunk, (guint32)crc32(0, chunk->data + 4, (uInt)size + 4));
    return chunk;
}

static gboolean write_all(int fd, const guint8 *data, gsize size)
{
    for (gsize done = 0; done < size;) {
        const gssize n = write(fd, data + done, size - done);

        if (n < 0 && errno != EINTR)
            return FALSE;
        done += n > 0 ? (gsize)n : 0;
    }
    return TRUE;
}

/* What lies behind is kept in memory. */
static gboolean replace_from(const char *path, gsize at, const GByteArray *chunk, const guint8 *rest,
                             gsize n_rest)
{
    const int fd = g_open(path, O_WRONLY | O_CLOEXEC, 0);
    gboolean done;

    if (fd < 0)
        return FALSE;
    done = lseek(fd, (off_t)at, SEEK_SET) >= 0 && write_all(fd, chunk->data, chunk->len) &&
           write_all(fd, rest, n_rest);
    if (ftruncate(fd, done ? (off_t)(at + chunk->len + n_rest) : 0) != 0)
        done = FALSE;
    return close(fd) == 0 && done;
}

gboolean lk_png_place_exif(const char *path, GBytes *exif)
{
    g_autoptr(GByteArray) chunk = exif_chunk(exif);
    g_autofree char *png = NULL;
    gsize size, at = SIGNATURE, n;

    return g_file_get_contents(path, &png, &size, NULL) &&
           find_chunk((const guint8 *)png, size, is_text_exif, &at, &n) &&
           replace_from(path, at, chunk, (const guint8 *)png + at + n, size - at - n);
}

gboolean lk_png_is_whole(GBytes *file)
{
    return lk_file_ends_with(file, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
}
