/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * webp.c - WebP files by libwebp. Rows come and go at once: libwebp keeps the whole picture in memory either way.
 */
#include "photo-private.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux.h>

static void read_profile(GBytes *file, LkDecoded *decoded)
{
    WebPData data = {.bytes = g_bytes_get_data(file, NULL), .size = g_bytes_get_size(file)}, icc;
    WebPMux *mux = WebPMuxCreate(&data, 0);

    decoded->tagged = mux && WebPMuxGetChunk(mux, "ICCP", &icc) == WEBP_MUX_OK && icc.size > 0;
    if (decoded->tagged)
        decoded->icc = g_bytes_new(icc.bytes, icc.size);
    WebPMuxDelete(mux);
}

/* A picture without movement, or a moving one's first. Its place on the canvas. */
typedef struct {
    WebPData file;
    gboolean owned;
    guint x, y, width, height;
    gboolean alpha;
} Still;

static void still_clear(Still *still)
{
    if (still->owned)
        WebPDataClear(&still->file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Still, still_clear)

static gboolean find_first(const WebPData *file, Still *still)
{
    WebPMux *mux = WebPMuxCreate(file, 0);
    WebPMuxFrameInfo frame = {0};

    still->owned = mux && WebPMuxGetFrame(mux, 1, &frame) == WEBP_MUX_OK;
    if (still->owned) {
        still->file = frame.bitstream;
        still->x = (guint)frame.x_offset;
        still->y = (guint)frame.y_offset;
    }
    WebPMuxDelete(mux);
    return still->owned;
}

/* width, height: of the canvas. */
static gboolean find_still(GBytes *file, Still *still, guint *width, guint *height)
{
    WebPBitstreamFeatures features;

    still->file.bytes = g_bytes_get_data(file, &still->file.size);
    if (WebPGetFeatures(still->file.bytes, still->file.size, &features) != VP8_STATUS_OK)
        return FALSE;
    *width = (guint)features.width;
    *height = (guint)features.height;
    if (features.has_animation &&
        (!find_first(&(const WebPData){still->file.bytes, still->file.size}, still) ||
         WebPGetFeatures(still->file.bytes, still->file.size, &features) != VP8_STATUS_OK ||
         features.has_animation))
        return FALSE;
    still->width = (guint)features.width;
    still->height = (guint)features.height;
    still->alpha = features.has_alpha || still->width < *width || still->height < *height;
    return still->x <= *width && still->width <= *width - still->x && still->y <= *height &&
           still->height <= *height - still->y;
}

/* The canvas, transparent where the picture does not reach. */
static gboolean decode_into(const Still *still, guint8 *pixels, guint width, guint height)
{
    const gsize stride = (gsize)width * 4, first = still->y * stride + (gsize)still->x * 4;

    if (still->width < width || still->height < height)
        memset(pixels, 0, stride * height);
    return WebPDecodeRGBAInto(still->file.bytes, still->file.size, pixels + first, stride * height - first,
                              (int)stride) != NULL;
}

/* An upright picture is decoded in place, another by way of a copy. */
static gboolean read_picture(const char *name, const Still *still, LkDecoded *decoded, guint width,
                             guint height, GError **error)
{
    g_autofree guint8 *stored = NULL;

    if (decoded->orientation == 1)
        return decode_into(still, decoded->pixels, width, height);
    stored = lk_photo_alloc(name, (gsize)width * height * 4, error);
    if (!stored || !decode_into(still, stored, width, height))
        return FALSE;
    for (guint y = 0; y < height; y++) {
        memcpy(lk_decoded_row(decoded, y), stored + (gsize)y * width * 4, (gsize)width * 4);
        lk_decoded_put(decoded, y);
    }
    return TRUE;
}

gboolean lk_webp_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_auto(Still) still = {0};
    guint width, height;

    decoded->depth = 8;
    decoded->space = LK_SPACE_RGB;
    if (!find_still(file, &still, &width, &height)) {
        lk_photo_set_damaged(name, error);
        return FALSE;
    }
    decoded->alpha = still.alpha;
    if (!lk_decoded_start(decoded, name, width, height, error))
        return FALSE;
    read_profile(file, decoded);
    if (read_picture(name, &still, decoded, width, height, &reason))
        return TRUE;
    if (!reason)
        lk_photo_set_damaged(name, &reason);
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

static void fill(WebPPicture *picture, const LkRows *rows)
{
    const guint channels = lk_rows_channels(rows);

    for (guint y = 0; y < rows->height; y++) {
        const guint8 *from = rows->row(rows->data, y);
        uint32_t *to = picture->argb + (gsize)y * (gsize)picture->argb_stride;

        for (guint x = 0; x < rows->width; x++, from += channels) {
            const guint8 *green = channels < 3 ? from : from + 1, *blue = channels < 3 ? from : from + 2;
            const guint alpha = rows->alpha ? from[channels - 1] : 0xff;

            to[x] = alpha << 24 | (guint)*from << 16 | (guint)*green << 8 | *blue;
        }
    }
}

/* Lossy WebP has 512 KiB for how its blocks are predicted, which a large photo exceeds unless the encoder is told to save. */
static gboolean encode(WebPConfig *config, WebPPicture *picture, WebPMemoryWriter *writer)
{
    if (WebPEncode(config, picture))
        return TRUE;
    if (picture->error_code != VP8_ENC_ERROR_PARTITION0_OVERFLOW)
        return FALSE;
    WebPMemoryWriterClear(writer);
    WebPMemoryWriterInit(writer);
    config->partition_limit = 100;
    return WebPEncode(config, picture);
}

static gboolean compress(const LkRows *rows, const LkExportOptions *options, WebPMemoryWriter *writer)
{
    WebPPicture picture;
    WebPConfig config;
    gboolean done;

    if (!WebPConfigInit(&config) || !WebPPictureInit(&picture))
        return FALSE;
    config.lossless = options->quality == 0;
    config.quality = config.lossless ? 50.0f : (float)options->quality; /* lossless: how hard to try */
    config.method = config.lossless ? 2 : 4;
    config.exact = 1; /* the colours behind full transparency, too */
    config.low_memory = 1;
    picture.use_argb = 1;
    picture.width = (int)rows->width;
    picture.height = (int)rows->height;
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = writer;
    done = WebPPictureAlloc(&picture);
    if (done) {
        fill(&picture, rows);
        done = encode(&config, &picture, writer);
    }
    WebPPictureFree(&picture);
    return done;
}

/* A grey profile would be wrong: WebP is always RGB. */
static GBytes *profile_for_rgb(const LkRows *rows)
{
    if (!rows->icc)
        return NULL;
    return rows->space == LK_SPACE_GREY ? lk_colour_grey_as_rgb(rows->icc) : g_bytes_ref(rows->icc);
}

static gboolean assemble(const LkRows *rows, const WebPMemoryWriter *writer, FILE *stream)
{
    g_autoptr(GBytes) icc = profile_for_rgb(rows);
    WebPData image = {.bytes = writer->mem, .size = writer->size}, file = image, profile;
    WebPMux *mux = NULL;
    gboolean done = TRUE;

    if (icc) {
        profile = (WebPData){.bytes = g_bytes_get_data(icc, NULL), .size = g_bytes_get_size(icc)};
        mux = WebPMuxNew();
        WebPDataInit(&file);
        done = WebPMuxSetImage(mux, &image, 0) == WEBP_MUX_OK &&
               WebPMuxSetChunk(mux, "ICCP", &profile, 0) == WEBP_MUX_OK &&
               WebPMuxAssemble(mux, &file) == WEBP_MUX_OK;
    }
    done = done && fwrite(file.bytes, 1, file.size, stream) == file.size;
    if (mux) {
        WebPDataClear(&file);
        WebPMuxDelete(mux);
    }
    return done;
}

gboolean lk_webp_encode(const LkRows *rows, const LkExportOptions *options, FILE *stream)
{
    WebPMemoryWriter writer;
    gboolean done;

    WebPMemoryWriterInit(&writer);
    done = compress(rows, options, &writer) && assemble(rows, &writer, stream);
    WebPMemoryWriterClear(&writer);
    return done;
}

/* As long as its first chunk says. */
gboolean lk_webp_is_whole(GBytes *file)
{
    const gsize size = g_bytes_get_size(file);
    guint32 inside;

    if (size < 12)
        return FALSE;
    memcpy(&inside, (const guint8 *)g_bytes_get_data(file, NULL) + 4, sizeof inside);
    return size >= 8 + (gsize)GUINT32_FROM_LE(inside);
}
