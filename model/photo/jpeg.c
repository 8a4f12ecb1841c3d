/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * jpeg.c - JPEG files by libjpeg-turbo.
 *
 * libjpeg mends what it can of a broken file and says so in warnings; a half grey face is of no use to anyone here,
 * so warnings that mean lost picture data count as damage.
 */
#include "photo-private.h"

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
    switch (cinfo->jpeg_color_space) {
    case JCS_CMYK:
    case JCS_YCCK:
        cinfo->out_color_space = JCS_CMYK;
        /* Adobe's programs store the inks inverted, and everyone who writes their marker follows. */
        decoded->space = cinfo->saw_Adobe_marker ? LK_SPACE_CMYK_INVERTED : LK_SPACE_CMYK;
        break;
    case JCS_GRAYSCALE:
        cinfo->out_color_space = JCS_EXT_RGBA;
        decoded->space = LK_SPACE_GREY;
        break;
    default:
        cinfo->out_color_space = JCS_EXT_RGBA;
        decoded->space = LK_SPACE_RGB;
        break;
    }
}

static void read_profile(struct jpeg_decompress_struct *cinfo, LkDecoded *decoded)
{
    JOCTET *data;
    unsigned int size;

    if (jpeg_read_icc_profile(cinfo, &data, &size))
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
    decoded->width = cinfo->image_width;
    decoded->height = cinfo->image_height;
    decoded->pixels = lk_photo_alloc(decoder->name, decoded->width, decoded->height, decoder->error);
    if (!decoded->pixels)
        return FALSE;
    read_profile(cinfo, decoded);
    choose_output(cinfo, decoded);
    jpeg_start_decompress(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        JSAMPROW row = decoded->pixels + (gsize)cinfo->output_scanline * decoded->width * 4;

        jpeg_read_scanlines(cinfo, &row, 1);
    }
    jpeg_finish_decompress(cinfo);
    return TRUE;
}

static void set_error(const Decoder *decoder)
{
    if (decoder->unsupported)
        g_set_error(decoder->error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT,
                    "%s is a JPEG picture of a rare kind that cannot be read.", decoder->name);
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
    if (!done)
        lk_decoded_clear(decoded);
    return done;
}
