/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * colour.c - profiles by Little CMS: a file's own colours to sRGB for looking at, and changes made in sRGB back into them.
 *
 * The view converts 8 bits, which Little CMS does fast and exactly; a 16-bit picture is rounded to 8 first, since its view
 * is for screens and networks only. What is saved never takes that way.
 */
#include "photo-private.h"

#include <lcms2.h>
#include <math.h>
#include <string.h>

const double lk_white_d65[2] = {0.3127, 0.3290};
const double lk_primaries_srgb[3][2] = {{0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}};

/* IEC 61966-2-1 as lcms's parametric curve 4: (a x + b)^g from d on, c x below. */
static const double srgb_curve[5] = {2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045};

static gboolean is_cmyk(LkSpace space)
{
    return space == LK_SPACE_CMYK || space == LK_SPACE_CMYK_INVERTED;
}

static cmsHPROFILE open_profile(GBytes *icc)
{
    gsize size;
    const void *data = g_bytes_get_data(icc, &size);

    return cmsOpenProfileFromMem(data, (cmsUInt32Number)size);
}

static GBytes *save_profile(cmsHPROFILE profile)
{
    cmsUInt32Number size = 0;
    g_autofree guint8 *data = NULL;

    if (!profile || !cmsSaveProfileToMem(profile, NULL, &size))
        return NULL;
    data = g_malloc(size);
    return cmsSaveProfileToMem(profile, data, &size) ? g_bytes_new_take(g_steal_pointer(&data), size) : NULL;
}

/* NULL where no colours can have such primaries. */
static cmsHPROFILE new_rgb_profile(const double white[2], const double primaries[3][2], cmsToneCurve *curve)
{
    const cmsCIExyY w = {white[0], white[1], 1.0};
    const cmsCIExyYTRIPLE p = {{primaries[0][0], primaries[0][1], 1.0},
                               {primaries[1][0], primaries[1][1], 1.0},
                               {primaries[2][0], primaries[2][1], 1.0}};
    cmsToneCurve *curves[3] = {curve, curve, curve};

    return cmsCreateRGBProfile(&w, &p, curves);
}

GBytes *lk_colour_profile(const double white[2], const double primaries[3][2], double gamma)
{
    cmsToneCurve *curve = gamma == LK_GAMMA_SRGB ? cmsBuildParametricToneCurve(NULL, 4, srgb_curve)
                                                 : cmsBuildGamma(NULL, gamma);
    cmsHPROFILE profile = curve ? new_rgb_profile(white, primaries, curve) : NULL;
    GBytes *icc = save_profile(profile);

    if (profile)
        cmsCloseProfile(profile);
    if (curve)
        cmsFreeToneCurve(curve);
    return icc;
}

GBytes *lk_colour_adobe_rgb(void)
{
    static const double primaries[3][2] = {{0.64, 0.33}, {0.21, 0.71}, {0.15, 0.06}};

    return lk_colour_profile(lk_white_d65, primaries, 2.19921875);
}

GBytes *lk_colour_grey_as_rgb(GBytes *icc)
{
    cmsHPROFILE grey = open_profile(icc), rgb = NULL;
    cmsToneCurve *curve = grey ? cmsReadTag(grey, cmsSigGrayTRCTag) : NULL;
    GBytes *bytes;

    if (curve)
        rgb = new_rgb_profile(lk_white_d65, lk_primaries_srgb, curve);
    bytes = save_profile(rgb);
    if (rgb)
        cmsCloseProfile(rgb);
    if (grey)
        cmsCloseProfile(grey);
    return bytes;
}

static cmsColorSpaceSignature lcms_space(LkSpace space)
{
    return space == LK_SPACE_GREY ? cmsSigGrayData : is_cmyk(space) ? cmsSigCmykData : cmsSigRgbData;
}

static cmsUInt32Number lcms_type(LkSpace space, guint depth, gboolean alpha)
{
    const cmsUInt32Number bytes = BYTES_SH(depth / 8);

    switch (space) {
    case LK_SPACE_GREY:
        return COLORSPACE_SH(PT_GRAY) | CHANNELS_SH(1) | EXTRA_SH(alpha ? 1 : 0) | bytes;
    case LK_SPACE_CMYK:
        return COLORSPACE_SH(PT_CMYK) | CHANNELS_SH(4) | bytes;
    case LK_SPACE_CMYK_INVERTED:
        return COLORSPACE_SH(PT_CMYK) | CHANNELS_SH(4) | FLAVOR_SH(1) | bytes;
    case LK_SPACE_RGB:
    default:
        return COLORSPACE_SH(PT_RGB) | CHANNELS_SH(3) | EXTRA_SH(1) | bytes;
    }
}

/* From a profile to sRGB; NULL where the profile is broken or made for another kind of picture. */
static cmsHTRANSFORM new_transform(GBytes *icc, LkSpace space, cmsUInt32Number from_type,
                                   cmsUInt32Number to_type)
{
    cmsHPROFILE from = open_profile(icc), to = cmsCreate_sRGBProfile();
    cmsHTRANSFORM transform = NULL;

    if (from && to && cmsGetColorSpace(from) == lcms_space(space))
        transform = cmsCreateTransform(from, from_type, to, to_type, INTENT_PERCEPTUAL, 0);
    if (from)
        cmsCloseProfile(from);
    if (to)
        cmsCloseProfile(to);
    return transform;
}

/* Inks without a profile: each lets through what it does not cover. */
#define CMYK_TO_RGB(type, white)                                                                             \
    do {                                                                                                     \
        type *pixel = (type *)row;                                                                           \
        const type invert = space == LK_SPACE_CMYK ? white : 0;                                              \
        for (guint x = 0; x < width; x++, pixel += 4) {                                                      \
            const guint64 black = pixel[3] ^ invert;                                                         \
            for (int c = 0; c < 3; c++)                                                                      \
                pixel[c] = (type)(((pixel[c] ^ invert) * black + white / 2) / white);                        \
        }                                                                                                    \
    } while (0)

static void cmyk_to_rgb(guint8 *row, guint depth, guint width, LkSpace space)
{
    if (depth == 8)
        CMYK_TO_RGB(guint8, 0xff);
    else
        CMYK_TO_RGB(guint16, 0xffff);
}

static void set_opaque(guint8 *row, guint depth, guint width)
{
    for (guint x = 0; x < width; x++) {
        if (depth == 8)
            row[4 * (gsize)x + 3] = 0xff;
        else
            ((guint16 *)row)[4 * (gsize)x + 3] = 0xffff;
    }
}

/* In place: a pixel has four samples before and after. */
static void cmyk_to_srgb(LkDecoded *decoded)
{
    const guint width = decoded->width, depth = decoded->depth;
    const cmsUInt32Number from = lcms_type(decoded->space, depth, FALSE),
                          to = lcms_type(LK_SPACE_RGB, depth, TRUE);
    cmsHTRANSFORM transform = decoded->icc ? new_transform(decoded->icc, decoded->space, from, to) : NULL;

    for (guint y = 0; y < decoded->height; y++) {
        guint8 *row = decoded->pixels + (gsize)y * width * lk_decoded_pixel_size(decoded);

        if (transform)
            cmsDoTransform(transform, row, row, width);
        else
            cmyk_to_rgb(row, depth, width, decoded->space);
        set_opaque(row, depth, width);
    }
    if (transform)
        cmsDeleteTransform(transform);
    decoded->space = LK_SPACE_RGB;
    g_clear_pointer(&decoded->icc, g_bytes_unref);
}

void lk_colour_settle(LkDecoded *decoded)
{
    cmsHTRANSFORM transform;

    if (is_cmyk(decoded->space)) {
        cmyk_to_srgb(decoded);
    } else if (decoded->icc) {
        transform =
            new_transform(decoded->icc, decoded->space, lcms_type(decoded->space, 8, FALSE), TYPE_RGBA_8);
        if (transform)
            cmsDeleteTransform(transform);
        else
            g_clear_pointer(&decoded->icc, g_bytes_unref);
    }
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

/* NULL where the samples are sRGB already. */
static cmsHTRANSFORM new_view_transform(const LkDecoded *decoded)
{
    cmsHTRANSFORM transform;

    if (!decoded->icc)
        return NULL;
    transform = new_transform(decoded->icc, decoded->space, lcms_type(decoded->space, 8, decoded->alpha),
                              TYPE_RGBA_8);
    if (transform && decoded->space == LK_SPACE_RGB && changes_nothing(transform)) {
        cmsDeleteTransform(transform);
        transform = NULL;
    }
    return transform;
}

/* A row as 8 bits, in samples of LkDecoded's layout. */
static const guint8 *to_bytes(const LkDecoded *decoded, guint y, guint8 *buffer)
{
    const gsize n = (gsize)decoded->width * lk_decoded_channels(decoded);
    const guint8 *row = decoded->pixels + (gsize)y * decoded->width * lk_decoded_pixel_size(decoded);

    if (decoded->depth == 8)
        return row;
    for (gsize i = 0; i < n; i++)
        buffer[i] = (guint8)((((const guint16 *)row)[i] * 255u + 32767u) / 65535u);
    return buffer;
}

/* Colours by the transform, where there is one; alpha as it is. */
static void view_row(const LkDecoded *decoded, cmsHTRANSFORM transform, const guint8 *from, guint8 *to)
{
    const guint channels = lk_decoded_channels(decoded);

    if (transform)
        cmsDoTransform(transform, from, to, decoded->width);
    for (guint x = 0; x < decoded->width; x++, from += channels, to += 4) {
        for (guint c = 0; !transform && c < 3; c++)
            to[c] = from[channels == 4 ? c : 0];
        to[3] = channels == 1 ? 0xff : from[channels - 1];
    }
}

LkPhoto *lk_colour_view(LkDecoded *decoded, const char *name, gboolean *shared, GError **error)
{
    cmsHTRANSFORM transform = new_view_transform(decoded);
    g_autofree guint8 *bytes = NULL;
    guint8 *view;

    *shared = !transform && decoded->depth == 8 && decoded->space == LK_SPACE_RGB;
    if (*shared)
        return lk_photo_new_take(decoded->width, decoded->height, decoded->pixels);
    view = lk_photo_alloc(name, (gsize)decoded->width * decoded->height * 4, error);
    bytes = g_malloc((gsize)decoded->width * 4);
    for (guint y = 0; view && y < decoded->height; y++)
        view_row(decoded, transform, to_bytes(decoded, y, bytes), view + (gsize)y * decoded->width * 4);
    if (transform)
        cmsDeleteTransform(transform);
    return view ? lk_photo_new_take(decoded->width, decoded->height, view) : NULL;
}

/* A change is added in sRGB, beyond whose gamut values simply go on below 0 and above 1: the curve continues mirrored about
 * black. What the change did there goes back into the picture's own space as a difference, so that a profile whose tables do
 * not invert exactly adds no error of its own. */
struct _LkChanger {
    gboolean grey;
    cmsHTRANSFORM to_linear, from_linear; /* linear light of sRGB's primaries; NULL: the picture is sRGB */
};

static cmsHPROFILE new_linear_profile(void)
{
    cmsToneCurve *curve = cmsBuildGamma(NULL, 1.0);
    cmsHPROFILE profile = new_rgb_profile(lk_white_d65, lk_primaries_srgb, curve);

    cmsFreeToneCurve(curve);
    return profile;
}

LkChanger *lk_changer_new(LkSpace space, GBytes *icc)
{
    LkChanger *changer = g_new0(LkChanger, 1);
    cmsHPROFILE own, linear;
    cmsUInt32Number type;

    changer->grey = space == LK_SPACE_GREY;
    if (!icc)
        return changer;
    type = changer->grey ? TYPE_GRAY_FLT : TYPE_RGB_FLT;
    own = open_profile(icc);
    linear = new_linear_profile();
    changer->to_linear = cmsCreateTransform(own, type, linear, TYPE_RGB_FLT, INTENT_PERCEPTUAL, 0);
    changer->from_linear = cmsCreateTransform(linear, TYPE_RGB_FLT, own, type, INTENT_PERCEPTUAL, 0);
    cmsCloseProfile(own);
    cmsCloseProfile(linear);
    return changer;
}

void lk_changer_free(LkChanger *changer)
{
    if (!changer)
        return;
    if (changer->to_linear)
        cmsDeleteTransform(changer->to_linear);
    if (changer->from_linear)
        cmsDeleteTransform(changer->from_linear);
    g_free(changer);
}

static float encode_srgb(float v)
{
    const float a = fabsf(v);

    return copysignf(a <= 0.0031308f ? 12.92f * a : 1.055f * powf(a, 1.0f / 2.4f) - 0.055f, v);
}

static float decode_srgb(float v)
{
    const float a = fabsf(v);

    return copysignf(a <= 0.04045f ? a / 12.92f : powf((a + 0.055f) / 1.055f, 2.4f), v);
}

/* A grey picture takes of a change what of it is seen as light and dark (BT.709's luma). */
static float luma(const float *change)
{
    return 0.2126f * change[0] + 0.7152f * change[1] + 0.0722f * change[2];
}

void lk_changer_apply(LkChanger *changer, float *native, const float *change, gsize n)
{
    const guint samples = changer->grey ? 1 : 3;
    g_autofree float *linear = NULL, *before = NULL, *after = NULL;

    if (!changer->to_linear || !changer->from_linear) {
        for (gsize i = 0; i < n * samples; i++)
            native[i] += changer->grey ? luma(change + 3 * i) : change[i];
        return;
    }
    linear = g_new(float, 3 * n);
    before = g_new(float, samples *n);
    after = g_new(float, samples *n);
    cmsDoTransform(changer->to_linear, native, linear, (cmsUInt32Number)n);
    cmsDoTransform(changer->from_linear, linear, before, (cmsUInt32Number)n);
    for (gsize i = 0; i < 3 * n; i++)
        linear[i] =
            decode_srgb(encode_srgb(linear[i]) + (changer->grey ? luma(change + i / 3 * 3) : change[i]));
    cmsDoTransform(changer->from_linear, linear, after, (cmsUInt32Number)n);
    for (gsize i = 0; i < samples * n; i++)
        native[i] += after[i] - before[i];
}
