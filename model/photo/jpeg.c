/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * jpeg.c - JPEG files by libjpeg-turbo.
 *
 * libjpeg mends what it can of a broken file and says so in warnings; a half grey face is of no use to anyone here,
 * so warnings that mean lost picture data count as damage.
 */
#include "photo-private.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

/* A few kilobytes of empty progressive scans can cost hours; real files have about ten scans. */
#define MAX_SCANS 200

typedef struct {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    gboolean unsupported;
    const char *name;
    LkDecoded *decoded;
    GError **error;
} Decoder;

static void give_up(j_common_ptr cinfo)
{
    Decoder *decoder = cinfo->client_data;

    switch (cinfo->err->msg_code) {
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_ARITH_NOTIMPL:
        decoder->unsupported = TRUE;
        break;
    default:
        break;
    }
    longjmp(decoder->escape, 1);
}

static void on_message(j_common_ptr cinfo, int level)
{
    if (level >= 0)
        return;
    switch (cinfo->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_MUST_RESYNC:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
        give_up(cinfo);
        break;
    default:
        break;
    }
}

static void on_output(j_common_ptr cinfo)
{
}

static void on_progress(j_common_ptr cinfo)
{
    if (((j_decompress_ptr)cinfo)->input_scan_number > MAX_SCANS)
        give_up(cinfo);
}

static void choose_output(struct jpeg_decompress_struct *cinfo, LkDecoded *decoded)
{
    decoded->depth = 8;
    switch (cinfo->jpeg_color_space) {
    case JCS_CMYK:
    case JCS_YCCK:
        cinfo->out_color_space = JCS_CMYK;
        /* Adobe's programs store the inks inverted, and everyone who writes their marker follows. */
        decoded->space = cinfo->saw_Adobe_marker ? LK_SPACE_CMYK_INVERTED : LK_SPACE_CMYK;
        break;
    case JCS_GRAYSCALE:
        cinfo->out_color_space = JCS_GRAYSCALE;
        decoded->space = LK_SPACE_GREY;
        break;
    default:
        cinfo->out_color_space = JCS_EXT_RGBA;
        decoded->space = LK_SPACE_RGB;
        break;
    }
}

/* JFIF's, whose units are EXIF's less one. */
static void read_resolution(const struct jpeg_decompress_struct *cinfo, LkDecoded *decoded)
{
    if (cinfo->saw_JFIF_marker && cinfo->density_unit <= 2 && cinfo->X_density > 0 && cinfo->Y_density > 0 &&
        (cinfo->density_unit > 0 || cinfo->X_density != cinfo->Y_density))
        decoded->resolution = (LkResolution){cinfo->X_density, cinfo->Y_density, cinfo->density_unit + 1u};
}

static void read_profile(struct jpeg_decompress_struct *cinfo, LkDecoded *decoded)
{
    JOCTET *data;
    unsigned int size;

    decoded->tagged = jpeg_read_icc_profile(cinfo, &data, &size);
    if (decoded->tagged)
        decoded->icc = g_bytes_new_with_free_func(data, size, free, data);
}

/* libjpeg leaves this function by longjmp; what must be freed hangs on the decoder. */
static gboolean read_picture(Decoder *decoder, GBytes *file)
{
    struct jpeg_decompress_struct *cinfo = &decoder->cinfo;
    LkDecoded *decoded = decoder->decoded;
    gsize size;
    const guint8 *data = g_bytes_get_data(file, &size);

    jpeg_mem_src(cinfo, data, size);
    jpeg_save_markers(cinfo, JPEG_APP0 + 2, 0xffff);
    jpeg_read_header(cinfo, TRUE);
    read_profile(cinfo, decoded);
    read_resolution(cinfo, decoded);
    choose_output(cinfo, decoded);
    if (!lk_decoded_start(decoded, decoder->name, cinfo->image_width, cinfo->image_height, decoder->error))
        return FALSE;
    jpeg_start_decompress(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        const guint y = cinfo->output_scanline;
        JSAMPROW row = lk_decoded_row(decoded, y);

        jpeg_read_scanlines(cinfo, &row, 1);
        lk_decoded_put(decoded, y);
    }
    jpeg_finish_decompress(cinfo);
    return TRUE;
}

static void set_error(const Decoder *decoder)
{
    if (decoder->unsupported)
        lk_photo_set_unsupported(decoder->name, "a JPEG picture of a rare kind", decoder->error);
    else
        lk_photo_set_damaged(decoder->name, decoder->error);
}

gboolean lk_jpeg_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    Decoder decoder = {.name = name, .decoded = decoded, .error = error};
    volatile gboolean done = FALSE;

    decoder.cinfo.err = jpeg_std_error(&decoder.errors);
    decoder.cinfo.client_data = &decoder;
    decoder.errors.error_exit = give_up;
    decoder.errors.emit_message = on_message;
    decoder.errors.output_message = on_output;
    if (setjmp(decoder.escape) == 0) {
        jpeg_create_decompress(&decoder.cinfo);
        decoder.progress.progress_monitor = on_progress;
        decoder.cinfo.progress = &decoder.progress;
        done = read_picture(&decoder, file);
    } else {
        set_error(&decoder);
    }
    jpeg_destroy_decompress(&decoder.cinfo);
    return done;
}

typedef struct {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    guint8 *row;
} Encoder;

static void stop_writing(j_common_ptr cinfo)
{
    Encoder *encoder = cinfo->client_data;

    longjmp(encoder->escape, 1);
}

/* JPEG has no alpha: what shows through is white. */
static void put_on_white(const guint8 *from, guint colours, guint width, guint8 *to)
{
    for (guint x = 0; x < width; x++, from += colours + 1) {
        const guint alpha = from[colours];

        for (guint c = 0; c < colours; c++)
            *to++ = (guint8)((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* Whole numbers that fit, else none. */
static void set_resolution(struct jpeg_compress_struct *cinfo, const LkResolution *resolution)
{
    const double x = rint(resolution->x), y = rint(resolution->y);

    if (!(x >= 1 && x <= 0xffff && y >= 1 && y <= 0xffff))
        return;
    cinfo->density_unit = (UINT8)(resolution->unit - 1);
    cinfo->X_density = (UINT16)x;
    cinfo->Y_density = (UINT16)y;
}

static void set_up(struct jpeg_compress_struct *cinfo, const LkRows *rows, const LkExportOptions *options)
{
    const gboolean grey = rows->space == LK_SPACE_GREY;

    cinfo->image_width = rows->width;
    cinfo->image_height = rows->height;
    cinfo->in_color_space = grey ? JCS_GRAYSCALE : rows->alpha ? JCS_RGB : JCS_EXT_RGBX;
    cinfo->input_components = grey ? 1 : rows->alpha ? 3 : 4;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, options->quality ? (int)options->quality : 95, TRUE);
    set_resolution(cinfo, &rows->resolution);
    if (options->full_chroma)
        cinfo->comp_info[0].h_samp_factor = cinfo->comp_info[0].v_samp_factor = 1;
}

static void write_picture(struct jpeg_compress_struct *cinfo, const LkRows *rows, guint8 *row)
{
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW from = (JSAMPROW)rows->row(rows->data, cinfo->next_scanline);

        if (rows->alpha) {
            put_on_white(from, rows->space == LK_SPACE_GREY ? 1 : 3, rows->width, row);
            from = row;
        }
        jpeg_write_scanlines(cinfo, &from, 1);
    }
}

gboolean lk_jpeg_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream)
{
    Encoder encoder = {.row = g_malloc((gsize)rows->width * 3)};
    struct jpeg_compress_struct *cinfo = &encoder.cinfo;
    volatile gboolean done = FALSE;

    cinfo->err = jpeg_std_error(&encoder.errors);
    cinfo->client_data = &encoder;
    encoder.errors.error_exit = stop_writing;
    encoder.errors.output_message = on_output;
    if (setjmp(encoder.escape) == 0) {
        jpeg_create_compress(cinfo);
        jpeg_stdio_dest(cinfo, stream);
        set_up(cinfo, rows, options);
        jpeg_start_compress(cinfo, TRUE);
        if (rows->icc)
            jpeg_write_icc_profile(cinfo, g_bytes_get_data(rows->icc, NULL),
                                   (unsigned int)g_bytes_get_size(rows->icc));
        write_picture(cinfo, rows, encoder.row);
        jpeg_finish_compress(cinfo);
        done = TRUE;
    }
    jpeg_destroy_compress(cinfo);
    g_free(encoder.row);
    return done;
}

gboolean lk_jpeg_is_whole(GBytes *file)
{
    return lk_file_ends_with(file, "\xff\xd9", 2);
}
