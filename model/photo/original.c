/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * original.c - a photo's file opened, and saved again with patches in place.
 *
 * On saving, the encoder asks for one row after the other. A row is the file's own, and of it only those pixels that some
 * patch changes are calculated.
 */
#include "original.h"

#include "photo-private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Longest side of an EXIF thumbnail (DCF 2.0), and a quality that keeps it to a few kilobytes. */
#define THUMBNAIL_SIDE    160
#define THUMBNAIL_QUALITY 80

struct _LkOriginal {
    gatomicrefcount refs;
    LkDecoded decoded; /* pixels of photo where shared */
    gboolean shared;
    LkPhoto *photo;
    LkMetadata *metadata;
};

typedef struct {
    const char *endings; /* separated by spaces */
    guint max_side, max_depth;
    LkEncode encode;
    LkIsWhole is_whole;
    const char *title;
    LkPlaceExif place_exif;
} Format;

static const Format formats[] = {
    [LK_FILE_PNG] = {"png", G_MAXINT32, 16, lk_png_encode, lk_png_is_whole, "PNG", lk_png_place_exif},
    [LK_FILE_JPEG] = {"jpg jpeg jpe", 65500, 8, lk_jpeg_encode, lk_jpeg_is_whole, "JPEG"},
    [LK_FILE_TIFF] = {"tif tiff", G_MAXINT32, 16, lk_tiff_encode, lk_tiff_is_whole, "TIFF"},
    [LK_FILE_WEBP] = {"webp", 16383, 8, lk_webp_encode, lk_webp_is_whole, "WebP"},
};

static gboolean starts_with(GBytes *file, const void *magic, gsize size)
{
    gsize have;
    const guint8 *data = g_bytes_get_data(file, &have);

    return have >= size && memcmp(data, magic, size) == 0;
}

static gboolean is_webp(GBytes *file)
{
    return g_bytes_get_size(file) >= 12 && starts_with(file, "RIFF", 4) &&
           memcmp((const guint8 *)g_bytes_get_data(file, NULL) + 8, "WEBP", 4) == 0;
}

/* By the first bytes: a name's ending proves nothing. NULL: none that we read. */
static LkDecode find_decoder(GBytes *file)
{
    if (starts_with(file, "\xff\xd8\xff", 3))
        return lk_jpeg_decode;
    if (starts_with(file, "\x89PNG\r\n\x1a\n", 8))
        return lk_png_decode;
    if (starts_with(file, "II*\0", 4) || starts_with(file, "MM\0*", 4) || starts_with(file, "II+\0", 4) ||
        starts_with(file, "MM\0+", 4))
        return lk_tiff_decode;
    if (is_webp(file))
        return lk_webp_decode;
    return lk_heif_is(file) ? lk_heif_decode : NULL;
}

static gboolean decode(LkOriginal *original, const char *name, GBytes *file, GError **error)
{
    LkDecoded *decoded = &original->decoded;
    const LkDecode decoder = find_decoder(file);
    LkSpace space;

    if (!decoder) {
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT,
                    "%s is not a JPEG, PNG, TIFF, WebP, HEIF or AVIF picture.", name);
        return FALSE;
    }
    original->metadata = lk_metadata_read(file);
    decoded->orientation = lk_metadata_orientation(original->metadata);
    if (!decoder(name, file, decoded, error))
        return FALSE;
    g_clear_pointer(&decoded->scratch, g_free);
    if (!decoded->tagged && decoded->space == LK_SPACE_RGB && lk_metadata_is_adobe_rgb(original->metadata))
        decoded->icc = lk_colour_adobe_rgb();
    space = decoded->space;
    lk_colour_settle(decoded);
    lk_metadata_set_upright(original->metadata, decoded->width, decoded->height, decoded->space != space);
    return TRUE;
}

LkOriginal *lk_original_open(const char *path, GError **error)
{
    g_autofree char *name = g_filename_display_basename(path);
    g_autoptr(GBytes) file = lk_file_read(path, name, error);
    g_autoptr(LkOriginal) original = NULL;

    if (!file)
        return NULL;
    original = g_new0(LkOriginal, 1);
    g_atomic_ref_count_init(&original->refs);
    if (!decode(original, name, file, error))
        return NULL;
    /* The file's bytes go before the view comes. */
    g_clear_pointer(&file, g_bytes_unref);
    original->photo = lk_colour_view(&original->decoded, name, &original->shared, error);
    return original->photo ? g_steal_pointer(&original) : NULL;
}

LkOriginal *lk_original_ref(LkOriginal *original)
{
    g_atomic_ref_count_inc(&original->refs);
    return original;
}

void lk_original_unref(LkOriginal *original)
{
    if (!original || !g_atomic_ref_count_dec(&original->refs))
        return;
    if (original->shared)
        original->decoded.pixels = NULL;
    lk_decoded_clear(&original->decoded);
    lk_photo_unref(original->photo);
    lk_metadata_free(original->metadata);
    g_free(original);
}

LkPhoto *lk_original_photo(const LkOriginal *original)
{
    return original->photo;
}

guint lk_original_depth(const LkOriginal *original)
{
    return original->decoded.depth;
}

gboolean lk_original_has_alpha(const LkOriginal *original)
{
    return original->decoded.alpha;
}

gboolean lk_file_format_from_path(const char *path, LkFileFormat *format)
{
    g_autofree char *name = g_path_get_basename(path);
    const char *dot = strrchr(name, '.');

    for (guint i = 0; dot && i < G_N_ELEMENTS(formats); i++) {
        g_auto(GStrv) endings = g_strsplit(formats[i].endings, " ", 0);

        for (char **ending = endings; *ending; ending++) {
            if (g_ascii_strcasecmp(*ending, dot + 1) == 0) {
                *format = (LkFileFormat)i;
                return TRUE;
            }
        }
    }
    return FALSE;
}

guint lk_rows_channels(const LkRows *rows)
{
    return rows->space == LK_SPACE_RGB ? 4 : rows->alpha ? 2 : 1;
}

/* The photo with patches in place, row by row. */
typedef struct {
    const LkOriginal *original;
    const LkPatch *const *patches;
    guint n_patches;
    guint depth; /* of what comes out */
    LkChanger *changer;
    float *sum;     /* a row's changes by all patches */
    float *native;  /* the pixels of it that change, without gaps */
    float *change;  /* their changes */
    guint *columns; /* where they are */
    guint8 *row, *converted;
} Output;

static Output *output_new(const LkOriginal *original, const LkPatch *const *patches, guint n_patches,
                          guint depth)
{
    const LkDecoded *decoded = &original->decoded;
    const gsize width = decoded->width;
    Output *output = g_new0(Output, 1);

    output->original = original;
    output->patches = patches;
    output->n_patches = n_patches;
    output->depth = depth;
    output->row = g_malloc(width * lk_decoded_pixel_size(decoded));
    output->converted = g_malloc(width * lk_decoded_channels(decoded) * depth / 8);
    if (n_patches > 0) {
        output->changer = lk_changer_new(decoded->space, decoded->icc);
        output->sum = g_new(float, 3 * width);
        output->native = g_new(float, 3 * width);
        output->change = g_new(float, 3 * width);
        output->columns = g_new(guint, width);
    }
    return output;
}

static void output_free(Output *output)
{
    lk_changer_free(output->changer);
    g_free(output->sum);
    g_free(output->native);
    g_free(output->change);
    g_free(output->columns);
    g_free(output->row);
    g_free(output->converted);
    g_free(output);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Output, output_free)

/* Whether any patch reaches row y; then sum holds its changes. */
static gboolean sum_changes(const Output *output, guint y)
{
    const guint width = output->original->decoded.width;
    gboolean any = FALSE;

    for (guint i = 0; i < output->n_patches; i++) {
        const LkPatch *patch = output->patches[i];
        const float *change;

        if (y < patch->y || y - patch->y >= patch->height || patch->x >= width)
            continue;
        if (!any)
            memset(output->sum, 0, 3 * (gsize)width * sizeof(float));
        any = TRUE;
        change = patch->change + 3 * (gsize)(y - patch->y) * patch->width;
        for (gsize k = 0; k < 3 * (gsize)MIN(patch->width, width - patch->x); k++)
            output->sum[3 * (gsize)patch->x + k] += change[k];
    }
    return any;
}

static guint collect_changed(const Output *output)
{
    guint n = 0;

    for (guint x = 0; x < output->original->decoded.width; x++) {
        const float *change = output->sum + 3 * (gsize)x;

        if (change[0] == 0.0f && change[1] == 0.0f && change[2] == 0.0f)
            continue;
        memcpy(output->change + 3 * (gsize)n, change, 3 * sizeof(float));
        output->columns[n++] = x;
    }
    return n;
}

static float sample_get(const guint8 *row, gsize i, guint depth)
{
    return depth == 8 ? row[i] / 255.0f : ((const guint16 *)row)[i] / 65535.0f;
}

static void sample_set(guint8 *row, gsize i, guint depth, float value)
{
    value = CLAMP(value, 0.0f, 1.0f);
    if (depth == 8)
        row[i] = (guint8)lrintf(value * 255.0f);
    else
        ((guint16 *)row)[i] = (guint16)lrintf(value * 65535.0f);
}

static void change_row(const Output *output, guint8 *row)
{
    const LkDecoded *decoded = &output->original->decoded;
    const guint channels = lk_decoded_channels(decoded), samples = channels == 4 ? 3 : 1;
    const guint n = collect_changed(output);

    for (guint i = 0; i < n; i++)
        for (guint c = 0; c < samples; c++)
            output->native[i * samples + c] =
                sample_get(row, (gsize)output->columns[i] * channels + c, decoded->depth);
    lk_changer_apply(output->changer, output->native, output->change, n);
    for (guint i = 0; i < n; i++)
        for (guint c = 0; c < samples; c++)
            sample_set(row, (gsize)output->columns[i] * channels + c, decoded->depth,
                       output->native[i * samples + c]);
}

static void convert_depth(const guint8 *from, guint depth, gsize n, guint8 *to)
{
    for (gsize i = 0; i < n; i++) {
        if (depth == 8)
            ((guint16 *)to)[i] = (guint16)(from[i] * 257u);
        else
            to[i] = (guint8)((((const guint16 *)from)[i] * 255u + 32767u) / 65535u);
    }
}

static const void *output_row(gpointer data, guint y)
{
    const Output *output = data;
    const LkDecoded *decoded = &output->original->decoded;
    const gsize size = decoded->width * lk_decoded_pixel_size(decoded);
    const guint8 *row = decoded->pixels + y * size;

    if (sum_changes(output, y)) {
        memcpy(output->row, row, size);
        change_row(output, output->row);
        row = output->row;
    }
    if (output->depth == decoded->depth)
        return row;
    convert_depth(row, decoded->depth, (gsize)decoded->width * lk_decoded_channels(decoded),
                  output->converted);
    return output->converted;
}

/* Adds a row to the sums of the thumbnail's row that it belongs to; the fifth counts. */
static void add_row(const guint8 *row, guint width, guint channels, guint small_width, guint32 (*sums)[5])
{
    for (guint x = 0; x < width; x++, row += channels) {
        guint32 *sum = sums[(guint64)x * small_width / width];

        for (guint c = 0; c < channels; c++)
            sum[c] += row[c];
        sum[4]++;
    }
}

static void take_means(guint32 (*sums)[5], guint width, guint channels, guint8 *to)
{
    for (guint x = 0; x < width; x++) {
        for (guint c = 0; c < channels; c++)
            *to++ = (guint8)((sums[x][c] + sums[x][4] / 2) / sums[x][4]);
        memset(sums[x], 0, sizeof sums[x]);
    }
}

/* The output, its pixels averaged, in its own colours with 8 bits. */
static void shrink(Output *output, LkDecoded *small)
{
    const LkDecoded *decoded = &output->original->decoded;
    const guint channels = lk_decoded_channels(decoded);
    const double scale = MIN(1.0, (double)THUMBNAIL_SIDE / MAX(decoded->width, decoded->height));
    g_autofree guint32(*sums)[5] = NULL;
    guint y = 0;

    small->width = MAX(1, (guint)lround(decoded->width * scale));
    small->height = MAX(1, (guint)lround(decoded->height * scale));
    small->depth = 8;
    small->space = decoded->space;
    small->alpha = decoded->alpha;
    small->icc = decoded->icc ? g_bytes_ref(decoded->icc) : NULL;
    small->pixels = g_malloc((gsize)small->width * small->height * channels);
    sums = g_malloc0_n(small->width, sizeof *sums);
    for (guint row = 0; row < small->height; row++) {
        for (; (guint64)y * small->height / decoded->height == row; y++)
            add_row(output_row(output, y), decoded->width, channels, small->width, sums);
        take_means(sums, small->width, channels, small->pixels + (gsize)row * small->width * channels);
    }
}

/* The EXIF thumbnail: a small sRGB JPEG. NULL where it cannot be had. */
static GBytes *make_thumbnail(const LkOriginal *original, const LkPatch *const *patches, guint n_patches)
{
    g_autoptr(Output) output = output_new(original, patches, n_patches, 8);
    const LkExportOptions options = {.format = LK_FILE_JPEG, .quality = THUMBNAIL_QUALITY};
    g_auto(LkDecoded) small = {0};
    g_autoptr(LkPhoto) photo = NULL;
    gboolean shared, done;
    LkRows rows;
    char *data = NULL;
    size_t size = 0;
    FILE *stream;

    shrink(output, &small);
    photo = lk_colour_view(&small, "thumbnail", &shared, NULL);
    if (shared)
        small.pixels = NULL;
    stream = photo ? open_memstream(&data, &size) : NULL;
    if (!stream)
        return NULL;
    rows = lk_photo_rows(photo);
    done = lk_jpeg_encode(&rows, &options, stream);
    if (fclose(stream) == 0 && done)
        return g_bytes_new_with_free_func(data, size, free, data);
    free(data);
    return NULL;
}

typedef struct {
    const LkOriginal *original;
    const LkExportOptions *options;
    GBytes *thumbnail;
} Finish;

static gboolean is_whole(const char *path, const Format *format)
{
    g_autoptr(GMappedFile) mapped = g_mapped_file_new(path, FALSE, NULL);
    g_autoptr(GBytes) file = mapped ? g_mapped_file_get_bytes(mapped) : NULL;

    return file && format->is_whole(file);
}

static gboolean write_metadata(const char *temporary, const char *name, gpointer data, GError **error)
{
    const Finish *finish = data;
    const Format *format = &formats[finish->options->format];
    const gboolean written = lk_metadata_write(finish->original->metadata, temporary, finish->thumbnail,
                                               finish->options->strip_location, format->place_exif);

    if (!is_whole(temporary, format)) {
        errno = ENOSPC;
        return FALSE;
    }
    if (!written)
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT,
                    "%s cannot be written: the photo's metadata do not fit into a %s file.", name,
                    format->title);
    return written;
}

static gboolean check_side(const LkRows *rows, const Format *format, const char *path, GError **error)
{
    g_autofree char *name = NULL;

    if (MAX(rows->width, rows->height) <= format->max_side)
        return TRUE;
    name = g_filename_display_basename(path);
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE,
                "%s cannot be written: %s pictures are at most %u pixels wide and high.", name, format->title,
                format->max_side);
    return FALSE;
}

/* EXIF's, else the format's own. */
static LkResolution resolution_of(const LkOriginal *original)
{
    const LkResolution exif = lk_metadata_resolution(original->metadata);

    return exif.x > 0 && exif.y > 0 ? exif : original->decoded.resolution;
}

gboolean lk_original_save(const LkOriginal *original, const LkPatch *const *patches, guint n_patches,
                          const char *path, const LkExportOptions *options, GError **error)
{
    const LkDecoded *decoded = &original->decoded;
    const Format *format = &formats[options->format];
    const guint depth = MIN(options->depth ? options->depth : decoded->depth, format->max_depth);
    g_autoptr(Output) output = NULL;
    g_autoptr(GBytes) thumbnail = NULL;
    LkRows rows = {.width = decoded->width,
                   .height = decoded->height,
                   .depth = depth,
                   .space = decoded->space,
                   .alpha = decoded->alpha,
                   .icc = decoded->icc,
                   .resolution = resolution_of(original),
                   .row = output_row};

    if (!check_side(&rows, format, path, error))
        return FALSE;
    if (lk_metadata_has_thumbnail(original->metadata))
        thumbnail = make_thumbnail(original, patches, n_patches);
    rows.data = output = output_new(original, patches, n_patches, depth);
    return lk_file_write(path, format->encode, &rows, options, write_metadata,
                         &(Finish){original, options, thumbnail}, error);
}

gboolean lk_photo_save(LkPhoto *photo, const char *path, const LkExportOptions *options, GError **error)
{
    const Format *format = &formats[options->format];
    const LkRows rows = lk_photo_rows(photo);

    return check_side(&rows, format, path, error) &&
           lk_file_write(path, format->encode, &rows, options, NULL, NULL, error);
}
