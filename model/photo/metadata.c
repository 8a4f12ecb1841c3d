/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * metadata.c - EXIF, XMP, IPTC and comments by gexiv2: read once, made right for the upright picture, written into each
 * exported file.
 */
#include "guard.h"
#include "photo-private.h"

#include <gexiv2/gexiv2.h>
#include <string.h>

/* exiv2's XMP toolkit is one for the whole program and knows no threads. */
static GMutex lock;

struct _LkMetadata {
    GExiv2Metadata *whole;
    GExiv2Metadata *placeless; /* without location */
    guint orientation;
    gboolean adobe_rgb, thumbnail;
    LkResolution resolution;
};

/* Where the pixels of the old file lay and how they were packed; its profile, which the encoders write; previews, which would
 * go on showing the old face. */
static const char *const structure[] = {
    "Exif.Image.NewSubfileType",
    "Exif.Image.SubfileType",
    "Exif.Image.ImageWidth",
    "Exif.Image.ImageLength",
    "Exif.Image.BitsPerSample",
    "Exif.Image.Compression",
    "Exif.Image.FillOrder",
    "Exif.Image.StripOffsets",
    "Exif.Image.PhotometricInterpretation",
    "Exif.Image.SamplesPerPixel",
    "Exif.Image.RowsPerStrip",
    "Exif.Image.StripByteCounts",
    "Exif.Image.MinSampleValue",
    "Exif.Image.MaxSampleValue",
    "Exif.Image.PlanarConfiguration",
    "Exif.Image.TransferFunction",
    "Exif.Image.Predictor",
    "Exif.Image.WhitePoint",
    "Exif.Image.ColorMap",
    "Exif.Image.TileWidth",
    "Exif.Image.PrimaryChromaticities",
    "Exif.Image.TileLength",
    "Exif.Image.TileOffsets",
    "Exif.Image.TileByteCounts",
    "Exif.Image.SubIFDs",
    "Exif.Image.InkSet",
    "Exif.Image.InkNames",
    "Exif.Image.NumberOfInks",
    "Exif.Image.DotRange",
    "Exif.Image.ExtraSamples",
    "Exif.Image.SampleFormat",
    "Exif.Image.JPEGTables",
    "Exif.Image.YCbCrCoefficients",
    "Exif.Image.YCbCrSubSampling",
    "Exif.Image.YCbCrPositioning",
    "Exif.Image.ReferenceBlackWhite",
    "Exif.Image.InterColorProfile",
    "Exif.Image.ImageResources",
    "Exif.Photo.ComponentsConfiguration",
    "Exif.Photo.CompressedBitsPerPixel",
};
static const char *const structure_groups[] = {"Exif.SubImage", "Exif.SubThumb",      "Exif.Image2.",
                                               "Exif.Image3.",  "Xmp.xmp.Thumbnails", "Exif.MpfInfo."};

static const char *const places[] = {
    "Exif.Image.GPSTag",
    "Xmp.photoshop.City",
    "Xmp.photoshop.State",
    "Xmp.photoshop.Country",
    "Iptc.Application2.LocationCode",
    "Iptc.Application2.LocationName",
    "Iptc.Application2.City",
    "Iptc.Application2.SubLocation",
    "Iptc.Application2.ProvinceState",
    "Iptc.Application2.CountryCode",
    "Iptc.Application2.CountryName",
    "Exif.Panasonic.Country",
    "Exif.Panasonic.State",
    "Exif.Panasonic.City",
    "Exif.Panasonic.Landmark",
};
static const char *const place_groups[] = {
    "Exif.GPSInfo.",        "Xmp.exif.GPS",         "Xmp.iptc.Location",
    "Xmp.iptc.CountryCode", "Xmp.iptcExt.Location", "Xmp.exif.DestGPS",
};

static void initialise_once(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        gexiv2_initialize();
        /* Broken metadata is no reason to talk to the terminal. */
        gexiv2_log_set_level(GEXIV2_LOG_LEVEL_MUTE);
        g_once_init_leave(&done, 1);
    }
}

static void clear_tags(GExiv2Metadata *metadata, const char *const *tags, gsize n)
{
    for (gsize i = 0; i < n; i++)
        gexiv2_metadata_try_clear_tag(metadata, tags[i], NULL);
}

static void clear_listed(GExiv2Metadata *metadata, char **tags, const char *const *groups, gsize n)
{
    for (char **tag = tags; *tag; tag++)
        for (gsize i = 0; i < n; i++)
            if (g_str_has_prefix(*tag, groups[i]))
                gexiv2_metadata_try_clear_tag(metadata, *tag, NULL);
}

static void clear_groups(GExiv2Metadata *metadata, const char *const *groups, gsize n)
{
    g_auto(GStrv) exif = gexiv2_metadata_get_exif_tags(metadata),
                  xmp = gexiv2_metadata_get_xmp_tags(metadata);

    clear_listed(metadata, exif, groups, n);
    clear_listed(metadata, xmp, groups, n);
}

static GExiv2Metadata *open_metadata(GBytes *file)
{
    g_autoptr(GExiv2Metadata) metadata = gexiv2_metadata_new();
    gsize size;
    const guint8 *data = g_bytes_get_data(file, &size);

    if (!gexiv2_metadata_open_buf(metadata, data, (glong)size, NULL))
        return NULL;
    clear_tags(metadata, structure, G_N_ELEMENTS(structure));
    clear_groups(metadata, structure_groups, G_N_ELEMENTS(structure_groups));
    return g_steal_pointer(&metadata);
}

static gboolean has_tag(GExiv2Metadata *metadata, const char *tag)
{
    return gexiv2_metadata_try_has_tag(metadata, tag, NULL);
}

/* DCF's way to say so: the colour space is none of EXIF's, and the interoperability rule is that of its optional file. */
static gboolean says_adobe_rgb(GExiv2Metadata *metadata)
{
    const glong space = gexiv2_metadata_try_get_tag_long(metadata, "Exif.Photo.ColorSpace", NULL);
    g_autofree char *rule =
        gexiv2_metadata_try_get_tag_string(metadata, "Exif.Iop.InteroperabilityIndex", NULL);

    return space == 2 || (space == 0xffff && g_strcmp0(rule, "R03") == 0);
}

static gboolean find_thumbnail(GExiv2Metadata *metadata)
{
    g_auto(GStrv) tags = gexiv2_metadata_get_exif_tags(metadata);

    for (char **tag = tags; *tag; tag++)
        if (g_str_has_prefix(*tag, "Exif.Thumbnail."))
            return TRUE;
    return FALSE;
}

static double get_ratio(GExiv2Metadata *metadata, const char *tag)
{
    gint above = 0, below = 0;

    return gexiv2_metadata_try_get_exif_tag_rational(metadata, tag, &above, &below, NULL) && above > 0 &&
                   below > 0
               ? (double)above / below
               : 0.0;
}

static LkResolution read_resolution(GExiv2Metadata *metadata)
{
    const glong unit = gexiv2_metadata_try_get_tag_long(metadata, "Exif.Image.ResolutionUnit", NULL);

    return (LkResolution){
        .x = get_ratio(metadata, "Exif.Image.XResolution"),
        .y = get_ratio(metadata, "Exif.Image.YResolution"),
        .unit = unit >= 1 && unit <= 3 ? (guint)unit : 2,
    };
}

/* Without any, as far as exiv2 is concerned. */
static void forget(LkMetadata *metadata)
{
    g_clear_object(&metadata->whole);
    g_clear_object(&metadata->placeless);
    *metadata = (LkMetadata){.orientation = 1};
}

typedef struct {
    LkMetadata *metadata;
    GBytes *file;
} Reading;

static gboolean read_all(gpointer data)
{
    LkMetadata *metadata = ((Reading *)data)->metadata;
    GBytes *file = ((Reading *)data)->file;
    GExiv2Orientation orientation;

    metadata->whole = open_metadata(file);
    if (!metadata->whole)
        return TRUE;
    orientation = gexiv2_metadata_try_get_orientation(metadata->whole, NULL);
    if (orientation >= 1 && orientation <= 8)
        metadata->orientation = orientation;
    metadata->adobe_rgb = says_adobe_rgb(metadata->whole);
    metadata->thumbnail = find_thumbnail(metadata->whole);
    metadata->resolution = read_resolution(metadata->whole);
    metadata->placeless = open_metadata(file);
    if (!metadata->placeless)
        return FALSE;
    clear_tags(metadata->placeless, places, G_N_ELEMENTS(places));
    clear_groups(metadata->placeless, place_groups, G_N_ELEMENTS(place_groups));
    return TRUE;
}

LkMetadata *lk_metadata_read(GBytes *file)
{
    LkMetadata *metadata = g_new0(LkMetadata, 1);
    g_autoptr(GBytes) clear = lk_png_with_one_exif(file);

    metadata->orientation = 1;
    initialise_once();
    g_mutex_lock(&lock);
    if (!lk_guard(read_all, &(Reading){metadata, clear}))
        forget(metadata);
    g_mutex_unlock(&lock);
    return metadata;
}

void lk_metadata_free(LkMetadata *metadata)
{
    if (!metadata)
        return;
    g_mutex_lock(&lock);
    forget(metadata);
    g_mutex_unlock(&lock);
    g_free(metadata);
}

guint lk_metadata_orientation(const LkMetadata *metadata)
{
    return metadata->orientation;
}

gboolean lk_metadata_is_adobe_rgb(const LkMetadata *metadata)
{
    return metadata->adobe_rgb;
}

gboolean lk_metadata_has_thumbnail(const LkMetadata *metadata)
{
    return metadata->thumbnail;
}

LkResolution lk_metadata_resolution(const LkMetadata *metadata)
{
    return metadata->resolution;
}

static void set_if_there(GExiv2Metadata *metadata, const char *tag, glong value)
{
    g_autofree char *text = g_strdup_printf("%ld", value);

    if (has_tag(metadata, tag))
        gexiv2_metadata_try_set_tag_string(metadata, tag, text, NULL);
}

static void set_upright(GExiv2Metadata *metadata, guint width, guint height, gboolean now_srgb)
{
    set_if_there(metadata, "Exif.Image.Orientation", 1);
    set_if_there(metadata, "Xmp.tiff.Orientation", 1);
    set_if_there(metadata, "Exif.Photo.PixelXDimension", width);
    set_if_there(metadata, "Exif.Photo.PixelYDimension", height);
    set_if_there(metadata, "Xmp.exif.PixelXDimension", width);
    set_if_there(metadata, "Xmp.exif.PixelYDimension", height);
    set_if_there(metadata, "Xmp.tiff.ImageWidth", width);
    set_if_there(metadata, "Xmp.tiff.ImageLength", height);
    if (now_srgb) {
        set_if_there(metadata, "Exif.Photo.ColorSpace", 1);
        set_if_there(metadata, "Xmp.exif.ColorSpace", 1);
    }
}

typedef struct {
    LkMetadata *metadata;
    guint width, height;
    gboolean now_srgb;
} Upright;

static gboolean set_both_upright(gpointer data)
{
    const Upright *upright = data;

    set_upright(upright->metadata->whole, upright->width, upright->height, upright->now_srgb);
    set_upright(upright->metadata->placeless, upright->width, upright->height, upright->now_srgb);
    return TRUE;
}

void lk_metadata_set_upright(LkMetadata *metadata, guint width, guint height, gboolean now_srgb)
{
    if (!metadata->whole)
        return;
    g_mutex_lock(&lock);
    if (!lk_guard(set_both_upright, &(Upright){metadata, width, height, now_srgb}))
        forget(metadata);
    g_mutex_unlock(&lock);
}

static gboolean holds_anything(GExiv2Metadata *metadata)
{
    g_autofree char *comment = gexiv2_metadata_try_get_comment(metadata, NULL);

    return gexiv2_metadata_has_exif(metadata) || gexiv2_metadata_has_xmp(metadata) ||
           gexiv2_metadata_has_iptc(metadata) || (comment && *comment);
}

typedef struct {
    GExiv2Metadata *metadata;
    const char *path;
    GBytes *thumbnail;
    LkPlaceExif place_exif;
} Writing;

static gboolean place_exif(const Writing *writing)
{
    g_autoptr(GBytes) exif = NULL;

    if (!writing->place_exif || !gexiv2_metadata_has_exif(writing->metadata))
        return TRUE;
    exif = gexiv2_metadata_get_exif_data(writing->metadata, GEXIV2_BYTE_ORDER_LITTLE, NULL);
    return exif && (g_bytes_get_size(exif) == 0 || writing->place_exif(writing->path, exif));
}

static gboolean write_all(gpointer data)
{
    const Writing *writing = data;
    gsize size;

    if (!holds_anything(writing->metadata))
        return TRUE;
    gexiv2_metadata_try_erase_exif_thumbnail(writing->metadata, NULL);
    if (writing->thumbnail) {
        const guint8 *jpeg = g_bytes_get_data(writing->thumbnail, &size);

        gexiv2_metadata_try_set_exif_thumbnail_from_buffer(writing->metadata, jpeg, (gint)size, NULL);
    }
    return gexiv2_metadata_save_file(writing->metadata, writing->path, NULL) && place_exif(writing);
}

gboolean lk_metadata_write(LkMetadata *metadata, const char *path, GBytes *thumbnail, gboolean strip_location,
                           LkPlaceExif place_exif_there)
{
    Writing writing = {strip_location ? metadata->placeless : metadata->whole, path, thumbnail,
                       place_exif_there};
    gboolean written;

    if (!writing.metadata)
        return TRUE;
    g_mutex_lock(&lock);
    written = lk_guard(write_all, &writing);
    g_mutex_unlock(&lock);
    return written;
}
