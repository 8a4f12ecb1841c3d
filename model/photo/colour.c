/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * colour.c - embedded profiles to sRGB by Little CMS.
 *
 * Pixels have four bytes before and after, so every conversion is in place. Little CMS leaves bytes it does not know
 * as colour alone, which keeps alpha.
 */
#include "photo-private.h"

#include <lcms2.h>
#include <string.h>

/* One byte of grey, the three others skipped. */
#define TYPE_GREY_IN_RGBA (COLORSPACE_SH(PT_GRAY) | EXTRA_SH(3) | CHANNELS_SH(1) | BYTES_SH(1))

static gsize n_pixels(const LkDecoded *decoded)
{
    return (gsize)decoded->width * decoded->height;
}

static gboolean is_cmyk(LkSpace space)
{
    return space == LK_SPACE_CMYK || space == LK_SPACE_CMYK_INVERTED;
}

static void set_opaque(LkDecoded *decoded)
{
    for (gsize i = 0; i < n_pixels(decoded); i++)
        decoded->pixels[4 * i + 3] = 0xff;
}

/* Inks without a profile: each lets through what it does not cover. */
static void cmyk_to_rgb(LkDecoded *decoded)
{
    guint8 invert = decoded->space == LK_SPACE_CMYK ? 0xff : 0;

    for (gsize i = 0; i < n_pixels(decoded); i++) {
        guint8 *pixel = decoded->pixels + 4 * i;
        guint black = pixel[3] ^ invert;

        for (int c = 0; c < 3; c++)
            pixel[c] = (guint8)(((pixel[c] ^ invert) * black + 127) / 255);
    }
}

static cmsUInt32Number lcms_type(LkSpace space)
{
    switch (space) {
    case LK_SPACE_GREY:
        return TYPE_GREY_IN_RGBA;
    case LK_SPACE_CMYK:
        return TYPE_CMYK_8;
    case LK_SPACE_CMYK_INVERTED:
        return TYPE_CMYK_8_REV;
    case LK_SPACE_RGB:
    default:
        return TYPE_RGBA_8;
    }
}

static cmsColorSpaceSignature lcms_space(LkSpace space)
{
    return space == LK_SPACE_GREY ? cmsSigGrayData : is_cmyk(space) ? cmsSigCmykData : cmsSigRgbData;
}

/* A profile that is sRGB under whatever name must not cost a rounding: it changes no probe by more than one. */
static gboolean changes_nothing(cmsHTRANSFORM transform)
{
    guint8 before[6 * 6 * 6][4], after[6 * 6 * 6][4];

    for (int i = 0; i < 6 * 6 * 6; i++) {
        const guint8 probe[4] = {i % 6 * 51, i / 6 % 6 * 51, i / 36 * 51, 0xff};

        memcpy(before[i], probe, 4);
    }
    memcpy(after, before, sizeof after);
    cmsDoTransform(transform, after, after, G_N_ELEMENTS(after));
    for (int i = 0; i < 6 * 6 * 6; i++)
        for (int c = 0; c < 3; c++)
            if (ABS(before[i][c] - after[i][c]) > 1)
                return FALSE;
    return TRUE;
}

static cmsHTRANSFORM new_transform(const LkDecoded *decoded)
{
    gsize size;
    const void *data = g_bytes_get_data(decoded->icc, &size);
    cmsHPROFILE from = cmsOpenProfileFromMem(data, (cmsUInt32Number)size);
    cmsHPROFILE to = cmsCreate_sRGBProfile();
    cmsHTRANSFORM transform = NULL;

    if (from && to && cmsGetColorSpace(from) == lcms_space(decoded->space))
        transform =
            cmsCreateTransform(from, lcms_type(decoded->space), to, TYPE_RGBA_8, INTENT_PERCEPTUAL, 0);
    if (from)
        cmsCloseProfile(from);
    if (to)
        cmsCloseProfile(to);
    return transform;
}

static gboolean convert_by_profile(LkDecoded *decoded)
{
    cmsHTRANSFORM transform = new_transform(decoded);

    if (!transform)
        return FALSE;
    if (decoded->space != LK_SPACE_RGB || !changes_nothing(transform)) {
        /* Row by row: Little CMS counts pixels in 32 bits. */
        for (guint y = 0; y < decoded->height; y++) {
            guint8 *row = decoded->pixels + (gsize)y * decoded->width * 4;

            cmsDoTransform(transform, row, row, decoded->width);
        }
    }
    cmsDeleteTransform(transform);
    return TRUE;
}

void lk_colour_to_srgb(LkDecoded *decoded)
{
    gboolean converted = decoded->icc && convert_by_profile(decoded);

    if (is_cmyk(decoded->space)) {
        if (!converted)
            cmyk_to_rgb(decoded);
        set_opaque(decoded);
    }
    decoded->space = LK_SPACE_RGB;
}
