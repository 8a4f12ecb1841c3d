/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * png.c - PNG files by libpng. Every kind becomes 8-bit RGBA: palettes and greys are expanded, 16 bits rounded to 8.
 */
#include "photo-private.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

/* Photos hardly compress better at the slower levels. */
#define COMPRESSION 4

typedef struct {
    const guint8 *data;
    gsize size, position;
    png_structp png;
    png_infop info;
    png_bytep *rows;
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

static void expand_to_rgba(const Decoder *decoder)
{
    png_set_expand(decoder->png);
    png_set_scale_16(decoder->png);
    png_set_gray_to_rgb(decoder->png);
    png_set_add_alpha(decoder->png, 0xff, PNG_FILLER_AFTER);
    png_set_interlace_handling(decoder->png);
    png_read_update_info(decoder->png, decoder->info);
}

static void read_profile(const Decoder *decoder)
{
    png_charp name;
    png_bytep data;
    png_uint_32 size;
    int compression;

    if (png_get_valid(decoder->png, decoder->info, PNG_INFO_sRGB) ||
        !png_get_iCCP(decoder->png, decoder->info, &name, &compression, &data, &size))
        return;
    decoder->decoded->icc = g_bytes_new(data, size);
}

/* libpng leaves this function by longjmp; what must be freed hangs on the decoder. */
static gboolean read_picture(Decoder *decoder)
{
    png_structp png = decoder->png;
    LkDecoded *decoded = decoder->decoded;

    png_read_info(png, decoder->info);
    decoded->width = png_get_image_width(png, decoder->info);
    decoded->height = png_get_image_height(png, decoder->info);
    decoded->space =
        png_get_color_type(png, decoder->info) & PNG_COLOR_MASK_COLOR ? LK_SPACE_RGB : LK_SPACE_GREY;
    decoded->pixels = lk_photo_alloc(decoder->name, decoded->width, decoded->height, decoder->error);
    if (!decoded->pixels)
        return FALSE;
    read_profile(decoder);
    expand_to_rgba(decoder);
    if (png_get_rowbytes(png, decoder->info) != (gsize)decoded->width * 4)
        png_error(png, "unexpected row size");
    decoder->rows = g_new(png_bytep, decoded->height);
    for (guint y = 0; y < decoded->height; y++)
        decoder->rows[y] = decoded->pixels + (gsize)y * decoded->width * 4;
    png_read_image(png, decoder->rows);
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
    if (!done)
        lk_decoded_clear(decoded);
    return done;
}

static gboolean is_opaque(const LkPhoto *photo)
{
    const guint8 *pixels = lk_photo_pixels(photo);
    gsize size = (gsize)lk_photo_width(photo) * lk_photo_height(photo) * 4;

    for (gsize i = 3; i < size; i += 4)
        if (pixels[i] != 0xff)
            return FALSE;
    return TRUE;
}

static void write_picture(png_structp png, png_infop info, const LkPhoto *photo)
{
    guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    gboolean opaque = is_opaque(photo);

    png_set_IHDR(png, info, width, height, 8, opaque ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGBA,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    png_set_compression_level(png, COMPRESSION);
    png_write_info(png, info);
    if (opaque)
        png_set_filler(png, 0, PNG_FILLER_AFTER);
    for (guint y = 0; y < height; y++)
        png_write_row(png, lk_photo_pixels(photo) + (gsize)y * width * 4);
    png_write_end(png, info);
}

static gboolean encode(png_structp png, png_infop info, const LkPhoto *photo, FILE *stream)
{
    if (setjmp(png_jmpbuf(png)))
        return FALSE;
    png_init_io(png, stream);
    write_picture(png, info, photo);
    return TRUE;
}

gboolean lk_png_encode(const LkPhoto *photo, FILE *stream)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    gboolean done = info && encode(png, info, photo, stream);

    png_destroy_write_struct(&png, &info);
    return done;
}
