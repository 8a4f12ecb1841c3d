/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * tiff.c - TIFF files by libtiff: the first picture of a file.
 *
 * Grey, RGB and CMYK of 8 and 16 bits and of 32-bit floating point are read sample by sample. For the rest (palettes, bilevel,
 * Lab, subsampled YCbCr that is not in JPEG) libtiff's own converter to 8-bit RGBA is good enough.
 */
#include "photo-private.h"

#include <string.h>
#include <tiffio.h>
#include <unistd.h>

/* No allocation of libtiff's own may be larger: a strip or a tile in one piece. */
#define MAX_ALLOCATION (G_GINT64_CONSTANT(1) << 30)

/* Rows are compressed in strips of about so many bytes. */
#define STRIP_SIZE (1 << 18)

typedef struct {
    const guint8 *data;
    toff_t size, position;
    gboolean failed;
    const char *name;
    LkDecoded *decoded;
    GError **error;
} Decoder;

/* What of the file's samples is wanted. */
typedef struct {
    uint16_t depth, samples, photometric, planar;
    guint colours; /* 1, 3 or 4, followed by alpha where there is one */
    gboolean alpha, associated;
    gboolean floats;                                 /* as stored; depth is 16 */
    uint32_t width, height, tile_width, tile_height; /* tiles 0 x 0: none */
} Layout;

static tmsize_t read_data(thandle_t handle, void *to, tmsize_t size)
{
    Decoder *decoder = handle;
    const toff_t left = decoder->position < decoder->size ? decoder->size - decoder->position : 0;

    size = (tmsize_t)MIN((toff_t)size, left);
    if (size > 0)
        memcpy(to, decoder->data + decoder->position, (gsize)size);
    decoder->position += (toff_t)size;
    return size;
}

static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t size)
{
    return 0;
}

static toff_t seek_data(thandle_t handle, toff_t offset, int whence)
{
    Decoder *decoder = handle;

    decoder->position = offset + (whence == SEEK_CUR   ? decoder->position
                                  : whence == SEEK_END ? decoder->size
                                                       : 0);
    return decoder->position;
}

static int close_nothing(thandle_t handle)
{
    return 0;
}

static toff_t data_size(thandle_t handle)
{
    const Decoder *decoder = handle;

    return decoder->size;
}

static int on_error(TIFF *tiff, void *data, const char *module, const char *format, va_list arguments)
{
    gboolean *failed = data;

    *failed = TRUE;
    return 1;
}

static int on_warning(TIFF *tiff, void *data, const char *module, const char *format, va_list arguments)
{
    return 1;
}

static TIFFOpenOptions *new_options(gboolean *failed)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();

    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_ALLOCATION);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, failed);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, NULL);
    return options;
}

static void read_alpha(TIFF *tiff, Layout *layout)
{
    uint16_t n = 0, *kinds = NULL;

    if (layout->samples <= layout->colours || !TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &n, &kinds) || n == 0)
        return;
    layout->associated = kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    layout->alpha = layout->associated || kinds[0] == EXTRASAMPLE_UNASSALPHA;
}

/* How the samples lie; FALSE for kinds that are left to libtiff's converter. */
static gboolean read_layout(TIFF *tiff, Layout *layout)
{
    uint16_t format = SAMPLEFORMAT_UINT, compression = COMPRESSION_NONE, inks = INKSET_CMYK;

    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout->depth);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_INKSET, &inks);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout->photometric))
        layout->photometric = layout->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    if (layout->photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG &&
        layout->planar == PLANARCONFIG_CONTIG) {
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        layout->photometric = PHOTOMETRIC_RGB;
    }
    layout->colours = layout->photometric == PHOTOMETRIC_RGB          ? 3
                      : layout->photometric == PHOTOMETRIC_SEPARATED  ? 4
                      : layout->photometric <= PHOTOMETRIC_MINISBLACK ? 1
                                                                      : 0;
    if (TIFFIsTiled(tiff)) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &layout->tile_width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &layout->tile_height);
    }
    read_alpha(tiff, layout);
    layout->floats = format == SAMPLEFORMAT_IEEEFP && layout->depth == 32;
    if (layout->floats)
        layout->depth = 16;
    return (layout->depth == 8 || layout->depth == 16) && (layout->floats || format == SAMPLEFORMAT_UINT) &&
           layout->colours > 0 && layout->samples >= layout->colours && inks == INKSET_CMYK;
}

/* Samples [from, from + n) of each of the row's pixels, whose samples number stride, to channels at on. */
#define PLACE(type)                                                                                          \
    do {                                                                                                     \
        const type *in = row;                                                                                \
        type *out = (type *)to + at;                                                                         \
        for (guint x = 0; x < width; x++, in += stride, out += channels)                                     \
            for (guint c = 0; c < n; c++)                                                                    \
                out[c] = in[c];                                                                              \
    } while (0)

static void place_samples(const void *row, guint depth, guint stride, guint n, guint width, guint8 *to,
                          guint channels, guint at)
{
    if (depth == 8)
        PLACE(guint8);
    else
        PLACE(guint16);
}

static guint n_wanted(const Layout *layout)
{
    return layout->colours == 4 ? 4 : layout->colours + layout->alpha;
}

typedef struct {
    TIFF *tiff;
    Layout layout;
    guint channels;
    void *buffer; /* a scanline, a tile or a plane's strip */
    guint8
        *band; /* rows of the strip or row of tiles at hand, as wide as the picture, channels interleaved */
    guint band_height;
} Reader;

static gsize stored_sample(const Layout *layout)
{
    return layout->floats ? sizeof(float) : layout->depth / 8;
}

/* The buffer's samples as they came from libtiff: floats become 16 bits in place. */
static void settle_samples(const Reader *reader, gsize n)
{
    const float *from = reader->buffer;
    guint16 *to = reader->buffer;

    for (gsize i = 0; reader->layout.floats && i < n; i++) {
        const double value = from[i];

        to[i] = value > 0.0 ? (guint16)(MIN(value, 1.0) * 65535.0 + 0.5) : 0; /* no number: black */
    }
}

static gboolean read_strips(Reader *reader, guint y, guint n_rows)
{
    const Layout *layout = &reader->layout;
    const gsize sample = layout->depth / 8, row_size = (gsize)layout->width * sample;

    for (guint c = 0; c < n_wanted(layout); c++) {
        const uint32_t strip = TIFFComputeStrip(reader->tiff, y, (uint16_t)c);
        const tmsize_t size = (tmsize_t)(n_rows * layout->width * stored_sample(layout));

        if (TIFFReadEncodedStrip(reader->tiff, strip, reader->buffer, size) != size)
            return FALSE;
        settle_samples(reader, (gsize)n_rows * layout->width);
        for (guint i = 0; i < n_rows; i++)
            place_samples((guint8 *)reader->buffer + i * row_size, layout->depth, 1, 1, layout->width,
                          reader->band + i * row_size * reader->channels, reader->channels, c);
    }
    return TRUE;
}

static gboolean read_tile(Reader *reader, guint x, guint y, guint n_rows, guint plane)
{
    const Layout *layout = &reader->layout;
    const gboolean planar = layout->planar == PLANARCONFIG_SEPARATE;
    const guint stride = planar ? 1 : layout->samples, n = planar ? 1 : n_wanted(layout);
    const gsize sample = layout->depth / 8, tile_row = (gsize)layout->tile_width * stride * sample;
    const gsize pixel = reader->channels * sample;
    const guint width = MIN(layout->tile_width, layout->width - x);

    if (TIFFReadTile(reader->tiff, reader->buffer, x, y, 0, (uint16_t)plane) < 0)
        return FALSE;
    settle_samples(reader, (gsize)n_rows * layout->tile_width * stride);
    for (guint i = 0; i < n_rows; i++)
        place_samples((guint8 *)reader->buffer + i * tile_row, layout->depth, stride, n, width,
                      reader->band + ((gsize)i * layout->width + x) * pixel, reader->channels, plane);
    return TRUE;
}

static gboolean read_tiles(Reader *reader, guint y, guint n_rows)
{
    const Layout *layout = &reader->layout;
    const guint planes = layout->planar == PLANARCONFIG_SEPARATE ? n_wanted(layout) : 1;

    for (guint plane = 0; plane < planes; plane++)
        for (guint x = 0; x < layout->width; x += layout->tile_width)
            if (!read_tile(reader, x, y, n_rows, plane))
                return FALSE;
    return TRUE;
}

#define FINISH(type, white)                                                                                  \
    do {                                                                                                     \
        type *pixel = (type *)row;                                                                           \
        for (guint x = 0; x < layout->width; x++, pixel += channels) {                                       \
            guint32 a = layout->alpha ? pixel[channels - 1] : white;                                         \
            for (guint c = 0; invert && c < layout->colours; c++)                                            \
                pixel[c] = (type)(white - pixel[c]);                                                         \
            for (guint c = 0; layout->associated && a && c < layout->colours; c++)                           \
                pixel[c] = (type)MIN(((guint64)pixel[c] * white + a / 2) / a, white);                        \
            if (opaque)                                                                                      \
                pixel[3] = white;                                                                            \
        }                                                                                                    \
    } while (0)

/* Unassociated alpha, black below white, and opaque RGB: from samples in place to LkDecoded's conventions. */
static void finish_row(const Layout *layout, guint8 *row, guint channels)
{
    const gboolean invert = layout->photometric == PHOTOMETRIC_MINISWHITE;
    const gboolean opaque = layout->colours == 3 && !layout->alpha;

    if (!invert && !opaque && !layout->associated)
        return;
    if (layout->depth == 8)
        FINISH(guint8, 0xffu);
    else
        FINISH(guint16, 0xffffu);
}

/* Tiles, and separate planes: of those libtiff would start a strip anew for every row of every plane. */
static gboolean read_by_bands(Reader *reader, LkDecoded *decoded)
{
    const Layout *layout = &reader->layout;
    const gsize row_size = (gsize)layout->width * reader->channels * layout->depth / 8;

    for (guint y = 0; y < layout->height; y += reader->band_height) {
        const guint n_rows = MIN(reader->band_height, layout->height - y);

        if (!(layout->tile_width ? read_tiles(reader, y, n_rows) : read_strips(reader, y, n_rows)))
            return FALSE;
        for (guint i = 0; i < n_rows; i++) {
            guint8 *row = lk_decoded_row(decoded, y + i);

            memcpy(row, reader->band + i * row_size, row_size);
            finish_row(layout, row, reader->channels);
            lk_decoded_put(decoded, y + i);
        }
    }
    return TRUE;
}

static gboolean read_by_rows(Reader *reader, LkDecoded *decoded)
{
    const Layout *layout = &reader->layout;

    for (guint y = 0; y < layout->height; y++) {
        guint8 *row = lk_decoded_row(decoded, y);

        if (TIFFReadScanline(reader->tiff, reader->buffer, y, 0) < 0)
            return FALSE;
        settle_samples(reader, (gsize)layout->width * layout->samples);
        place_samples(reader->buffer, layout->depth, layout->samples, n_wanted(layout), layout->width, row,
                      reader->channels, 0);
        finish_row(layout, row, reader->channels);
        lk_decoded_put(decoded, y);
    }
    return TRUE;
}

/* Buffers of the sizes that the layout asks for; FALSE where the file contradicts itself. */
static gboolean prepare(Reader *reader, const Decoder *decoder)
{
    const Layout *layout = &reader->layout;
    const gsize row_size = (gsize)layout->width * layout->depth / 8;
    const gsize stored_row = layout->width * stored_sample(layout);
    gsize buffer_size;

    if (layout->tile_width) {
        reader->band_height = MIN(layout->tile_height, layout->height);
        buffer_size = (gsize)MAX(TIFFTileSize(reader->tiff), 0);
    } else if (layout->planar == PLANARCONFIG_SEPARATE) {
        uint32_t rows_per_strip = 0;

        TIFFGetFieldDefaulted(reader->tiff, TIFFTAG_ROWSPERSTRIP, &rows_per_strip);
        reader->band_height = MIN(rows_per_strip, layout->height);
        buffer_size = stored_row * reader->band_height;
    } else {
        buffer_size = (gsize)MAX(TIFFScanlineSize(reader->tiff), 0);
        if (buffer_size != stored_row * layout->samples)
            return FALSE;
    }
    if (buffer_size == 0 || buffer_size > MAX_ALLOCATION)
        return FALSE;
    reader->buffer = lk_photo_alloc(decoder->name, buffer_size, decoder->error);
    if (reader->band_height)
        reader->band =
            lk_photo_alloc(decoder->name, row_size * reader->channels * reader->band_height, decoder->error);
    return reader->buffer && (reader->band || !reader->band_height);
}

static gboolean read_samples(TIFF *tiff, const Layout *layout, Decoder *decoder)
{
    LkDecoded *decoded = decoder->decoded;
    Reader reader = {.tiff = tiff, .layout = *layout};
    gboolean done;

    decoded->depth = layout->depth;
    decoded->space = layout->colours == 4   ? LK_SPACE_CMYK
                     : layout->colours == 1 ? LK_SPACE_GREY
                                            : LK_SPACE_RGB;
    decoded->alpha = layout->alpha && layout->colours != 4;
    reader.channels = lk_decoded_channels(decoded);
    if (!lk_decoded_start(decoded, decoder->name, layout->width, layout->height, decoder->error))
        return FALSE;
    done = prepare(&reader, decoder) &&
           (reader.band ? read_by_bands(&reader, decoded) : read_by_rows(&reader, decoded));
    g_free(reader.buffer);
    g_free(reader.band);
    return done;
}

/* The whole picture as 8-bit RGBA by libtiff's converter, rows as stored. Its alpha is associated. */
static gboolean read_converted(TIFF *tiff, Layout *layout, Decoder *decoder)
{
    LkDecoded *decoded = decoder->decoded;
    g_autofree uint32_t *raster = NULL;
    char message[1024];
    TIFFRGBAImage image;
    gboolean done;

    decoded->depth = 8;
    decoded->space = LK_SPACE_RGB;
    decoded->alpha = layout->alpha;
    if (!TIFFRGBAImageOK(tiff, message)) {
        lk_photo_set_unsupported(decoder->name, "a TIFF picture of a rare kind", decoder->error);
        return FALSE;
    }
    if (!lk_decoded_start(decoded, decoder->name, layout->width, layout->height, decoder->error) ||
        !(raster =
              lk_photo_alloc(decoder->name, (gsize)layout->width * layout->height * 4, decoder->error)) ||
        !TIFFRGBAImageBegin(&image, tiff, 1, message))
        return FALSE;
    image.orientation = image.req_orientation = ORIENTATION_TOPLEFT;
    done = TIFFRGBAImageGet(&image, raster, layout->width, layout->height);
    TIFFRGBAImageEnd(&image);
    *layout = (Layout){.depth = 8,
                       .colours = 3,
                       .alpha = layout->alpha,
                       .associated = layout->alpha,
                       .photometric = PHOTOMETRIC_RGB,
                       .width = layout->width,
                       .height = layout->height};
    for (guint y = 0; done && y < layout->height; y++) {
        guint8 *row = lk_decoded_row(decoded, y);

        for (guint x = 0; x < layout->width; x++)
            ((guint32 *)row)[x] = GUINT32_TO_LE(raster[(gsize)y * layout->width + x]);
        finish_row(layout, row, 4);
        lk_decoded_put(decoded, y);
    }
    return done;
}

static void read_profile(TIFF *tiff, LkDecoded *decoded)
{
    uint32_t size = 0;
    void *data = NULL;

    decoded->tagged = TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &size, &data) && size > 0;
    if (decoded->tagged)
        decoded->icc = g_bytes_new(data, size);
}

static gboolean read_picture(TIFF *tiff, Decoder *decoder)
{
    Layout layout = {0};
    gboolean done;

    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height) ||
        !lk_photo_check_size(decoder->name, layout.width, layout.height, decoder->error))
        return FALSE;
    read_profile(tiff, decoder->decoded);
    decoder->failed = FALSE;
    done = read_layout(tiff, &layout) ? read_samples(tiff, &layout, decoder)
                                      : read_converted(tiff, &layout, decoder);
    return done && !decoder->failed;
}

static TIFF *open_tiff(GBytes *file, Decoder *decoder)
{
    TIFFOpenOptions *options = new_options(&decoder->failed);
    TIFF *tiff;
    gsize size;

    decoder->data = g_bytes_get_data(file, &size);
    decoder->size = size;
    tiff = TIFFClientOpenExt("", "rm", decoder, read_data, write_nothing, seek_data, close_nothing, data_size,
                             NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

gboolean lk_tiff_decode(const char *name, GBytes *file, LkDecoded *decoded, GError **error)
{
    g_autoptr(GError) reason = NULL;
    Decoder decoder = {.name = name, .decoded = decoded, .error = &reason};
    TIFF *tiff = open_tiff(file, &decoder);
    const gboolean done = tiff && read_picture(tiff, &decoder);

    if (tiff)
        TIFFClose(tiff);
    if (!done && !reason)
        lk_photo_set_damaged(name, &reason);
    if (!done)
        g_propagate_error(error, g_steal_pointer(&reason));
    return done;
}

static void describe(TIFF *tiff, const LkRows *rows, guint samples)
{
    const gsize row_size = (gsize)rows->width * samples * rows->depth / 8;
    const uint16_t alpha = EXTRASAMPLE_UNASSALPHA;

    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)rows->width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)rows->height);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, (int)rows->depth);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, (int)samples);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
                 rows->space == LK_SPACE_GREY ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
    TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, (uint32_t)CLAMP(STRIP_SIZE / row_size, 1, rows->height));
    /* exiv2 counts these among what belongs to the pixels, and would not write them. */
    if (rows->resolution.x > 0.0 && rows->resolution.y > 0.0) {
        TIFFSetField(tiff, TIFFTAG_XRESOLUTION, rows->resolution.x);
        TIFFSetField(tiff, TIFFTAG_YRESOLUTION, rows->resolution.y);
        TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, (int)rows->resolution.unit);
    }
    if (rows->alpha)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &alpha);
    if (rows->icc)
        TIFFSetField(tiff, TIFFTAG_ICCPROFILE, (uint32_t)g_bytes_get_size(rows->icc),
                     g_bytes_get_data(rows->icc, NULL));
}

gboolean lk_tiff_encode(const LkRows *rows, const LkExportOptions *export_options, FILE *stream)
{
    const guint channels = lk_rows_channels(rows),
                samples = rows->space == LK_SPACE_RGB && !rows->alpha ? 3 : channels;
    g_autofree guint8 *row = g_malloc((gsize)rows->width * samples * rows->depth / 8);
    gboolean failed = FALSE;
    TIFFOpenOptions *options = new_options(&failed);
    TIFF *tiff = TIFFFdOpenExt(dup(fileno(stream)), "", "w", options);

    TIFFOpenOptionsFree(options);
    if (!tiff)
        return FALSE;
    describe(tiff, rows, samples);
    for (guint y = 0; y < rows->height && !failed; y++) {
        /* The predictor works in the row it is given: never the original's. */
        place_samples(rows->row(rows->data, y), rows->depth, channels, samples, rows->width, row, samples, 0);
        failed |= TIFFWriteScanline(tiff, row, y, 0) < 0;
    }
    failed |= !TIFFFlush(tiff);
    TIFFClose(tiff);
    return !failed;
}

/* The strips lie behind all else. */
gboolean lk_tiff_is_whole(GBytes *file)
{
    Decoder decoder = {0};
    TIFF *tiff = open_tiff(file, &decoder);
    gboolean whole = tiff && !decoder.failed;

    for (uint32_t i = 0; whole && i < TIFFNumberOfStrips(tiff); i++)
        whole = TIFFGetStrileOffset(tiff, i) > 0 &&
                TIFFGetStrileOffset(tiff, i) + TIFFGetStrileByteCount(tiff, i) <= decoder.size;
    if (tiff)
        TIFFClose(tiff);
    return whole;
}
