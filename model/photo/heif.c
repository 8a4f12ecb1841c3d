/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * heif.c - HEIF and AVIF files by libheif, which also turns them upright: their EXIF orientation says nothing more.
 *
 * 10 and 12 bits are held as 16. Pictures in HDR10 (PQ) and HLG are refused: shown as if they were ordinary they would look
 * wrong, and what is written from them would, too.
 */
#include "photo-private.h"

#include <string.h>

gboolean lk_heif_is(GBytes *file)
{
    static const char brands[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx",
                                     "mif1", "mif2", "msf1", "avif", "avis"};
    gsize size;
    const char *data = g_bytes_get_data(file, &size);

    if (size < 12 || memcmp(data + 4, "ftyp", 4) != 0)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(brands); i++)
        if (memcmp(data + 8, brands[i], 4) == 0)
            return TRUE;
    return FALSE;
}

#ifdef LK_HAVE_HEIF
#include <libheif/heif.h>

/* More is no use: a picture is a few tiles, and photos are opened in parallel. */
#define MAX_THREADS 4

/* Longest side that is looked at: LK_PHOTO_MAX_PIXELS by 16. */
#define MAX_SIDE (LK_PHOTO_MAX_PIXELS / LK_PHOTO_MIN_SIDE)

typedef struct {
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
} Decoder;

static gboolean is_ok(struct heif_error error)
{
    return error.code == heif_error_Ok;
}

static gboolean is_hdr(const struct heif_color_profile_nclx *nclx)
{
    return nclx->transfer_characteristics == heif_transfer_characteristic_ITU_R_BT_2100_0_PQ ||
           nclx->transfer_characteristics == heif_transfer_characteristic_ITU_R_BT_2100_0_HLG;
}

/* Curves of video are meant to be seen through sRGB's, as every viewer does. */
static double gamma_of(const struct heif_color_profile_nclx *nclx)
{
    switch (nclx->transfer_characteristics) {
    case heif_transfer_characteristic_ITU_R_BT_470_6_System_M:
        return 2.2;
    case heif_transfer_characteristic_ITU_R_BT_470_6_System_B_G:
        return 2.8;
    case heif_transfer_characteristic_linear:
        return 1.0;
    default:
        return LK_GAMMA_SRGB;
    }
}

static gboolean has_primaries(const struct heif_color_profile_nclx *nclx)
{
    switch (nclx->color_primaries) {
    case heif_color_primaries_ITU_R_BT_2020_2_and_2100_0:
    case heif_color_primaries_SMPTE_RP_431_2:
    case heif_color_primaries_SMPTE_EG_432_1:
    case heif_color_primaries_ITU_R_BT_470_6_System_M:
        return nclx->color_primary_white_y > 0.0f;
    default: /* sRGB's, or those of old television, which nobody means */
        return FALSE;
    }
}

static GBytes *profile_of(const struct heif_color_profile_nclx *nclx)
{
    const double white[2] = {nclx->color_primary_white_x, nclx->color_primary_white_y};
    const double primaries[3][2] = {{nclx->color_primary_red_x, nclx->color_primary_red_y},
                                    {nclx->color_primary_green_x, nclx->color_primary_green_y},
                                    {nclx->color_primary_blue_x, nclx->color_primary_blue_y}};

    if (has_primaries(nclx))
        return lk_colour_profile(white, primaries, gamma_of(nclx));
    if (gamma_of(nclx) != LK_GAMMA_SRGB)
        return lk_colour_profile(lk_white_d65, lk_primaries_srgb, gamma_of(nclx));
    return NULL;
}

static gboolean read_profile(const Decoder *decoder, const char *name, LkDecoded *decoded, GError **error)
{
    const size_t size = heif_image_handle_get_raw_color_profile_size(decoder->handle);
    struct heif_color_profile_nclx *nclx = NULL;
    gboolean hdr = FALSE;

    if (size > 0 && size < G_MAXUINT32) {
        void *data = g_malloc(size);

        if (is_ok(heif_image_handle_get_raw_color_profile(decoder->handle, data)))
            decoded->icc = g_bytes_new_take(data, size);
        else
            g_free(data);
    }
    if (!decoded->icc && is_ok(heif_image_handle_get_nclx_color_profile(decoder->handle, &nclx)) && nclx) {
        hdr = is_hdr(nclx);
        decoded->icc = profile_of(nclx);
        decoded->tagged = TRUE;
        heif_nclx_color_profile_free(nclx);
    }
    decoded->tagged |= decoded->icc != NULL;
    if (hdr)
        lk_photo_set_unsupported(name, "a picture in high dynamic range (PQ or HLG)", error);
    return !hdr;
}

/* Samples of fewer bits to all 16: the top bits fill the bottom ones. */
static void widen(const guint8 *from, guint bits, gsize n, guint16 *to)
{
    for (gsize i = 0; i < n; i++, from += 2) {
        const guint32 value = MIN((guint32)from[0] | (guint32)from[1] << 8, (1u << bits) - 1);

        to[i] = (guint16)(value << (16 - bits) | value >> (2 * bits - 16));
    }
}

#define UNASSOCIATE(type, white)                                                                             \
    do {                                                                                                     \
        type *pixel = (type *)row;                                                                           \
        for (guint x = 0; x < width; x++, pixel += 4)                                                        \
            for (guint c = 0; pixel[3] && c < 3; c++)                                                        \
                pixel[c] = (type)MIN(((guint64)pixel[c] * white + pixel[3] / 2) / pixel[3], white);          \
    } while (0)

static void unassociate(guint8 *row, guint depth, guint width)
{
    if (depth == 8)
        UNASSOCIATE(guint8, 0xffu);
    else
        UNASSOCIATE(guint16, 0xffffu);
}

static gboolean copy_rows(const Decoder *decoder, LkDecoded *decoded)
{
    int stride;
    const guint8 *plane = heif_image_get_plane_readonly(decoder->image, heif_channel_interleaved, &stride);
    const int bits = heif_image_get_bits_per_pixel_range(decoder->image, heif_channel_interleaved);
    const gboolean associated = heif_image_handle_is_premultiplied_alpha(decoder->handle);

    if (!plane || (decoded->depth == 16 && (bits < 9 || bits > 16)))
        return FALSE;
    for (guint y = 0; y < decoded->height; y++, plane += stride) {
        guint8 *row = lk_decoded_row(decoded, y);

        if (decoded->depth == 8)
            memcpy(row, plane, (gsize)decoded->width * 4);
        else
            widen(plane, (guint)bits, (gsize)decoded->width * 4, (guint16 *)row);
        if (associated)
            unassociate(row, decoded->depth, decoded->width);
        lk_decoded_put(decoded, y);
    }
    return TRUE;
}

static struct heif_error open_file(Decoder *decoder, GBytes *file)
{
    struct heif_error error = heif_context_read_from_memory_without_copy(
        decoder->context, g_bytes_get_data(file, NULL), g_bytes_get_size(file), NULL);

    heif_context_set_maximum_image_size_limit(decoder->context, MAX_SIDE);
    heif_context_set_max_decoding_threads(decoder->context, MAX_THREADS);
    return is_ok(error) ? heif_context_get_primary_image_handle(decoder->context, &decoder->handle) : error;
}

static gboolean read_picture(Decoder *decoder, const char *name, LkDecoded *decoded, GError **error)
{
    const int bits = heif_image_handle_get_luma_bits_per_pixel(decoder->handle);
    const enum heif_chroma chroma =
        bits > 8 ? heif_chroma_interleaved_RRGGBBAA_LE : heif_chroma_interleaved_RGBA;
    struct heif_error failure;

    decoded->orientation = 1;
    decoded->depth = bits > 8 ? 16 : 8;
    decoded->space = LK_SPACE_RGB;
    decoded->alpha = heif_image_handle_has_alpha_channel(decoder->handle);
    if (!lk_photo_check_size(name, (guint64)heif_image_handle_get_width(decoder->handle),
                             (guint64)heif_image_handle_get_height(decoder->handle), error) ||
        !read_profile(decoder, name, decoded, error))
        return FALSE;
    failure = heif_decode_image(decoder->handle, &decoder->image, heif_colorspace_RGB, chroma, NULL);
    if (failure.code == heif_error_Unsupported_feature || failure.code == heif_error_Unsupported_filetype)
        lk_photo_set_unsupported(name, "compressed in a way for which no decoder is installed", error);
    return is_ok(failure) &&
           lk_decoded_start(decoded, name,
                            (guint)heif_image_get_width(decoder->image, heif_channel_interleaved),
                            (guint)heif_image_get_height(decoder->image, heif_channel_interleaved), error) &&
           copy_rows(decoder, decoded);
}

gboolean lk_heif_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    Decoder decoder = {.context = heif_context_alloc()};
    g_autoptr(GError) reason = NULL;
    struct heif_error failure = open_file(&decoder, file);
    const gboolean done = is_ok(failure) && read_picture(&decoder, name, decoded, &reason);

    if (!done && !reason) {
        if (failure.code == heif_error_Unsupported_feature || failure.code == heif_error_Unsupported_filetype)
            lk_photo_set_unsupported(name, "a HEIF file of a rare kind", &reason);
        else
            lk_photo_set_damaged(name, &reason);
    }
    heif_image_release(decoder.image);
    heif_image_handle_release(decoder.handle);
    heif_context_free(decoder.context);
    if (reason)
        g_propagate_error(error, g_steal_pointer(&reason));
    return done;
}
#else
gboolean lk_heif_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    lk_photo_set_unsupported(name, "a HEIF or AVIF picture, for which this program was built without libheif",
                             error);
    return FALSE;
}
#endif
