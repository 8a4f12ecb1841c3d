/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * align.c - the FFHQ square: from landmarks, out of a photo, and back into it.
 *
 * Coordinates are continuous: pixel i covers [i, i + 1). In the square they are (s, t), -1 to 1 along its axes.
 */
#include "align.h"

#include "photo-private.h"

#include <math.h>
#include <string.h>

/* Part of the half side over which a pasted crop fades into the photo. */
#define FEATHER 0.2

typedef struct {
    double x, y;
} Point;

static Point mean_of(const double landmarks[LK_N_LANDMARKS][2], guint first, guint end)
{
    Point sum = {0};

    for (guint i = first; i < end; i++) {
        sum.x += landmarks[i][0];
        sum.y += landmarks[i][1];
    }
    return (Point){sum.x / (end - first), sum.y / (end - first)};
}

LkQuad lk_quad_from_landmarks(const double landmarks[LK_N_LANDMARKS][2])
{
    Point left = mean_of(landmarks, 36, 42), right = mean_of(landmarks, 42, 48);
    Point eyes = {(left.x + right.x) / 2, (left.y + right.y) / 2};
    Point mouth = {(landmarks[48][0] + landmarks[54][0]) / 2, (landmarks[48][1] + landmarks[54][1]) / 2};
    Point eye_to_eye = {right.x - left.x, right.y - left.y};
    Point eye_to_mouth = {mouth.x - eyes.x, mouth.y - eyes.y};
    /* Upright in the face: the mean of "along the eyes" and "across the line from eyes to mouth". */
    Point axis = {eye_to_eye.x + eye_to_mouth.y, eye_to_eye.y - eye_to_mouth.x};
    double length = hypot(axis.x, axis.y);
    double half = MAX(2.0 * hypot(eye_to_eye.x, eye_to_eye.y), 1.8 * hypot(eye_to_mouth.x, eye_to_mouth.y));

    axis = length > 0.0 ? (Point){axis.x / length * half, axis.y / length * half} : (Point){half, 0.0};
    return (LkQuad){
        .centre = {eyes.x + 0.1 * eye_to_mouth.x, eyes.y + 0.1 * eye_to_mouth.y},
        .x = {axis.x, axis.y},
        .y = {-axis.y, axis.x},
    };
}

LkQuad lk_quad_whole(const LkPhoto *photo)
{
    double width = lk_photo_width(photo), height = lk_photo_height(photo), half = MIN(width, height) / 2;

    return (LkQuad){.centre = {width / 2, height / 2}, .x = {half, 0.0}, .y = {0.0, half}};
}

static double half_side(const LkQuad *quad)
{
    return hypot(quad->x[0], quad->x[1]);
}

/* The four weights of the bicubic kernel (a = -0.5) for a point at fraction f behind the second sample. */
static void bicubic_weights(float f, float weights[4])
{
    weights[0] = ((-0.5f * f + 1.0f) * f - 0.5f) * f;
    weights[1] = (1.5f * f - 2.5f) * f * f + 1.0f;
    weights[2] = ((-1.5f * f + 2.0f) * f + 0.5f) * f;
    weights[3] = (0.5f * f - 0.5f) * f * f;
}

/* photo at (x, y), unrounded; the outermost pixels continue outside. */
static void sample(const LkPhoto *photo, double x, double y, float value[4])
{
    int width = (int)lk_photo_width(photo), height = (int)lk_photo_height(photo);
    int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    const guint8 *pixels = lk_photo_pixels(photo);
    float across[4], down[4];

    bicubic_weights((float)(x - 0.5 - left), across);
    bicubic_weights((float)(y - 0.5 - top), down);
    memset(value, 0, 4 * sizeof *value);
    for (int j = 0; j < 4; j++) {
        const guint8 *row = pixels + (gsize)CLAMP(top - 1 + j, 0, height - 1) * width * 4;

        for (int i = 0; i < 4; i++) {
            const guint8 *pixel = row + (gsize)CLAMP(left - 1 + i, 0, width - 1) * 4;
            float weight = across[i] * down[j];

            for (int c = 0; c < 4; c++)
                value[c] += weight * pixel[c];
        }
    }
}

static guint8 to_byte(float v)
{
    return (guint8)CLAMP((int)(v + 0.5f), 0, 255);
}

static LkPhoto *sample_square(const LkPhoto *photo, const LkQuad *quad, guint side)
{
    guint8 *pixels = g_malloc((gsize)side * side * 4), *to = pixels;

    for (guint v = 0; v < side; v++) {
        double t = (v + 0.5) / side * 2.0 - 1.0;

        for (guint u = 0; u < side; u++, to += 4) {
            double s = (u + 0.5) / side * 2.0 - 1.0;
            float value[4];

            sample(photo, quad->centre[0] + s * quad->x[0] + t * quad->y[0],
                   quad->centre[1] + s * quad->x[1] + t * quad->y[1], value);
            for (int c = 0; c < 4; c++)
                to[c] = to_byte(value[c]);
        }
    }
    return lk_photo_new_take(side, side, pixels);
}

/* The part of the photo the square lies on, mirrored where it leaves the photo, 1 / shrink as large; quad moves along. */
static LkPhoto *surroundings(const LkPhoto *photo, LkQuad *quad, guint shrink)
{
    double reach = fabs(quad->x[0]) + fabs(quad->y[0]), margin = 4.0 * shrink;
    int x = (int)floor(quad->centre[0] - reach - margin), y = (int)floor(quad->centre[1] - reach - margin);
    guint side = (guint)ceil((2.0 * (reach + margin) + 1.0) / shrink);
    g_autoptr(LkPhoto) part = lk_photo_extract(photo, x, y, side * shrink, side * shrink);

    quad->centre[0] = (quad->centre[0] - x) / shrink;
    quad->centre[1] = (quad->centre[1] - y) / shrink;
    for (int i = 0; i < 2; i++) {
        quad->x[i] /= shrink;
        quad->y[i] /= shrink;
    }
    return lk_photo_resize(part, side, side);
}

static gboolean is_whole(const LkPhoto *photo, const LkQuad *quad)
{
    LkQuad whole = lk_quad_whole(photo);

    return lk_photo_width(photo) == lk_photo_height(photo) && memcmp(quad, &whole, sizeof whole) == 0;
}

LkPhoto *lk_crop(const LkPhoto *photo, const LkQuad *quad, guint side)
{
    double scale = 2.0 * half_side(quad) / side; /* photo pixels per pixel of the crop */
    guint shrink = (guint)MAX(1.0, floor(scale / 2.0)), oversample;
    g_autoptr(LkPhoto) part = NULL, large = NULL;
    LkQuad local = *quad;

    g_return_val_if_fail(side > 0 && half_side(quad) < 1e6, NULL);
    if (is_whole(photo, quad))
        return lk_photo_resize(photo, side, side);
    /* First by a whole number with the filter that may not skip a pixel, then turned at not less than the scale that
     * is left, then down to size. */
    part = surroundings(photo, &local, shrink);
    oversample = (guint)CLAMP(ceil(scale / shrink - 1e-6), 1.0, 4.0);
    large = sample_square(part, &local, side * oversample);
    return lk_photo_resize(large, side, side);
}

static float smoothstep(double v)
{
    v = CLAMP(v, 0.0, 1.0);
    return (float)(v * v * (3.0 - 2.0 * v));
}

/* How much of the crop shows at (s, t): all of it inside, none on the border. */
static float coverage(double s, double t)
{
    return smoothstep((1.0 - fabs(s)) / FEATHER) * smoothstep((1.0 - fabs(t)) / FEATHER);
}

static void paste_row(guint8 *row, guint y, guint first, guint end, const LkQuad *quad, const LkPhoto *crop)
{
    double square = quad->x[0] * quad->x[0] + quad->x[1] * quad->x[1], side = lk_photo_width(crop);
    double dy = y + 0.5 - quad->centre[1];

    for (guint x = first; x < end; x++) {
        double dx = x + 0.5 - quad->centre[0];
        double s = (dx * quad->x[0] + dy * quad->x[1]) / square,
               t = (dx * quad->y[0] + dy * quad->y[1]) / square;
        float amount = coverage(s, t), value[4];
        guint8 *pixel = row + (gsize)x * 4;

        if (amount <= 0.0f)
            continue;
        sample(crop, (s + 1.0) / 2.0 * side, (t + 1.0) / 2.0 * side, value);
        for (int c = 0; c < 3; c++)
            pixel[c] = to_byte(pixel[c] + amount * (value[c] - pixel[c]));
    }
}

LkPhoto *lk_paste(const LkPhoto *photo, const LkQuad *quad, const LkPhoto *crop)
{
    guint width = lk_photo_width(photo), height = lk_photo_height(photo), side = lk_photo_width(crop);
    double reach = fabs(quad->x[0]) + fabs(quad->y[0]), fitting = ceil(2.0 * half_side(quad));
    guint left = (guint)CLAMP(floor(quad->centre[0] - reach), 0.0, width);
    guint right = (guint)CLAMP(ceil(quad->centre[0] + reach), 0.0, width);
    guint top = (guint)CLAMP(floor(quad->centre[1] - reach), 0.0, height);
    guint bottom = (guint)CLAMP(ceil(quad->centre[1] + reach), 0.0, height);
    guint8 *pixels = g_memdup2(lk_photo_pixels(photo), (gsize)width * height * 4);
    g_autoptr(LkPhoto) shrunk = NULL;

    /* A crop finer than the photo must lose its detail by a filter, not by skipping pixels. */
    if (fitting >= 1.0 && side > fitting)
        crop = shrunk = lk_photo_resize(crop, (guint)fitting, (guint)fitting);
    for (guint y = top; y < bottom; y++)
        paste_row(pixels + (gsize)y * width * 4, y, left, right, quad, crop);
    return lk_photo_new_take(width, height, pixels);
}
