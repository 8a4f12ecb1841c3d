/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * align.c - the FFHQ square: from landmarks, out of a photo, and back into it.
 *
 * Coordinates are continuous: pixel i covers [i, i + 1). In the square they are (s, t), -1 to 1 along its axes.
 */
#include "align.h"

#include "photo-private.h"
#include "pixels.h"
#include "planes.h"
#include "resize.h"

#include <math.h>
#include <string.h>

/* A crop is looked up at so many times its side, then shrunk. */
#define OVERSAMPLING 4

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

static Point between(const double a[2], const double b[2])
{
    return (Point){(a[0] + b[0]) / 2, (a[1] + b[1]) / 2};
}

/* eyes: the middle between them; eye_to_eye: from the left to the right one as one sees them. */
static LkQuad quad_of(Point eyes, Point eye_to_eye, Point eye_to_mouth)
{
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

LkQuad lk_quad_from_landmarks(const double landmarks[LK_N_LANDMARKS][2])
{
    Point left = mean_of(landmarks, 36, 42), right = mean_of(landmarks, 42, 48);
    Point eyes = {(left.x + right.x) / 2, (left.y + right.y) / 2},
          mouth = between(landmarks[48], landmarks[54]);

    return quad_of(eyes, (Point){right.x - left.x, right.y - left.y},
                   (Point){mouth.x - eyes.x, mouth.y - eyes.y});
}

/* Faces seen from the side have their eyes close together, those seen from above or below their mouth close to the eyes; a
 * head on its shoulder turns all of it, but its eyes remain beside each other above the mouth. */
static gboolean is_face(Point eye_to_eye, Point eye_to_mouth)
{
    const double across = hypot(eye_to_eye.x, eye_to_eye.y), down = hypot(eye_to_mouth.x, eye_to_mouth.y);
    const double along = fabs(eye_to_eye.x * eye_to_mouth.x + eye_to_eye.y * eye_to_mouth.y);

    return across >= 2 && down >= 2 && across <= 4 * down && down <= 8 * across &&
           along <= 0.8 * across * down;
}

gboolean lk_quad_from_points(const double eyes[2][2], const double mouth[2][2], LkQuad *quad)
{
    Point middle = between(eyes[0], eyes[1]), lips = between(mouth[0], mouth[1]);
    Point eye_to_eye = {eyes[1][0] - eyes[0][0], eyes[1][1] - eyes[0][1]};
    Point eye_to_mouth = {lips.x - middle.x, lips.y - middle.y};

    if (!is_face(eye_to_eye, eye_to_mouth))
        return FALSE;
    /* Where the mouth is below, the left eye comes first. */
    if (eye_to_eye.x * eye_to_mouth.y < eye_to_eye.y * eye_to_mouth.x)
        eye_to_eye = (Point){-eye_to_eye.x, -eye_to_eye.y};
    *quad = quad_of(middle, eye_to_eye, eye_to_mouth);
    return TRUE;
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

/* Pixels of the photo that are taken along around the square. */
static int border_of(const LkQuad *quad)
{
    return MAX((int)lrint(2.0 * half_side(quad) * 0.1), 3);
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

/* ---- crop ---------------------------------------------------------------------------------------------- */

/* A rectangle of whole pixels, ends behind the last. */
typedef struct {
    int left, top, right, bottom;
} Box;

/* The pixels around the square's corners, widened by border. */
static Box box_around(const LkQuad *quad, int border)
{
    double x = fabs(quad->x[0]) + fabs(quad->y[0]), y = fabs(quad->x[1]) + fabs(quad->y[1]);

    return (Box){
        (int)floor(quad->centre[0] - 0.5 - x) - border, (int)floor(quad->centre[1] - 0.5 - y) - border,
        (int)ceil(quad->centre[0] - 0.5 + x) + border, (int)ceil(quad->centre[1] - 0.5 + y) + border};
}

static void shift(LkQuad *quad, int x, int y)
{
    quad->centre[0] -= x;
    quad->centre[1] -= y;
}

/* By what whole number the photo is shrunk before it is turned. */
static guint shrink_for(const LkQuad *quad, guint side)
{
    return (guint)MAX(1.0, floor(2.0 * half_side(quad) / side / 2.0));
}

static guint shrunk(guint size, guint shrink)
{
    return MAX(1, (guint)lrint((double)size / shrink));
}

/* The part of the photo on which the square lies, 1 / shrink as large; quad moves along. NULL where there is none. */
static LkPhoto *surroundings(const LkPhoto *photo, LkQuad *quad, guint shrink)
{
    guint width = shrunk(lk_photo_width(photo), shrink), height = shrunk(lk_photo_height(photo), shrink);
    Box box;

    /* FFHQ divides positions that count from the first pixel's centre. */
    for (int i = 0; i < 2; i++) {
        quad->centre[i] = (quad->centre[i] - 0.5) / shrink + 0.5;
        quad->x[i] /= shrink;
        quad->y[i] /= shrink;
    }
    box = box_around(quad, border_of(quad));
    box = (Box){MAX(box.left, 0), MAX(box.top, 0), MIN(box.right, (int)width), MIN(box.bottom, (int)height)};
    if (box.left >= box.right || box.top >= box.bottom)
        return NULL;
    shift(quad, box.left, box.top);
    if (shrink == 1)
        return lk_photo_extract(photo, box.left, box.top, (guint)(box.right - box.left),
                                (guint)(box.bottom - box.top));
    return lk_photo_resize_part(photo, LK_FILTER_LANCZOS, width, height, (guint)box.left, (guint)box.top,
                                (guint)(box.right - box.left), (guint)(box.bottom - box.top));
}

/* How much of a place's own picture is missing: 1 at the padded picture's edge, 0 where the photo begins, below inside. */
static float missing(guint at, guint size, int before, int after)
{
    return 1.0f - MIN((float)at / (float)before, (float)(size - 1 - at) / (float)after);
}

static void read_channel(const guint8 *pixels, guint n, float *plane)
{
    for (guint i = 0; i < n; i++)
        plane[i] = pixels[4 * i];
}

/* In sixteenths. */
static float median_of(const float *plane, guint n)
{
    guint counts[256 * 16] = {0}, before = 0, value = 0;

    for (guint i = 0; i < n; i++)
        counts[CLAMP((int)(plane[i] * 16.0f + 0.5f), 0, 256 * 16 - 1)]++;
    while ((before += counts[value]) <= n / 2)
        value++;
    return (float)value / 16.0f;
}

/* One channel of the padded picture: blurred more and more towards what is missing, then fading to its median. */
static void fade_channel(guint8 *pixels, guint width, guint height, const Box *pad, double sigma)
{
    const guint n = width * height;
    g_autofree float *plane = g_new(float, n), *smooth = g_new(float, n), *columns = g_new(float, width);
    float median;

    read_channel(pixels, n, plane);
    memcpy(smooth, plane, n * sizeof *plane);
    lk_plane_gaussian(smooth, width, height, sigma);
    for (guint x = 0; x < width; x++)
        columns[x] = missing(x, width, pad->left, pad->right);
    for (guint y = 0; y < height; y++) {
        float row = missing(y, height, pad->top, pad->bottom);

        for (guint x = 0; x < width; x++)
            plane[y * width + x] += (smooth[y * width + x] - plane[y * width + x]) *
                                    CLAMP(MAX(row, columns[x]) * 3.0f + 1.0f, 0.0f, 1.0f);
    }
    median = median_of(plane, n);
    for (guint y = 0; y < height; y++) {
        float row = missing(y, height, pad->top, pad->bottom);

        for (guint x = 0; x < width; x++) {
            float value = plane[y * width + x];

            value += (median - value) * CLAMP(MAX(row, columns[x]), 0.0f, 1.0f);
            pixels[4 * (y * width + x)] = to_byte(value);
        }
    }
}

/* part with room around it where the square leaves it, mirrored, blurred and faded as FFHQ's pictures are; quad moves along. */
static LkPhoto *pad(LkPhoto *part, LkQuad *quad)
{
    const int border = border_of(quad), width = (int)lk_photo_width(part),
              height = (int)lk_photo_height(part);
    const int least = (int)lrint(2.0 * half_side(quad) * 0.3);
    Box box = box_around(quad, border), room;
    g_autoptr(LkPhoto) padded = NULL;
    g_autofree guint8 *pixels = NULL;
    guint w, h;

    room = (Box){MAX(-box.left, 0), MAX(-box.top, 0), MAX(box.right - width, 0), MAX(box.bottom - height, 0)};
    if (MAX(MAX(room.left, room.top), MAX(room.right, room.bottom)) <= border - 4)
        return lk_photo_ref(part);
    room =
        (Box){MAX(room.left, least), MAX(room.top, least), MAX(room.right, least), MAX(room.bottom, least)};
    w = (guint)(width + room.left + room.right);
    h = (guint)(height + room.top + room.bottom);
    padded = lk_photo_extract(part, -room.left, -room.top, w, h);
    pixels = g_memdup2(lk_photo_pixels(padded), (gsize)w * h * 4);
    for (guint c = 0; c < 3; c++)
        fade_channel(pixels + c, w, h, &room, 2.0 * half_side(quad) * 0.02);
    shift(quad, -room.left, -room.top);
    return lk_photo_new_take(w, h, g_steal_pointer(&pixels));
}

/* Bilinear lookups, side x side of them. */
static LkPhoto *transform(const LkPhoto *photo, const LkQuad *quad, guint side)
{
    const LkPixels pixels = lk_pixels_of(photo);
    guint8 *result = g_malloc((gsize)side * side * 4), *to = result;

    for (guint v = 0; v < side; v++) {
        double t = (v + 0.5) / side * 2.0 - 1.0;
        double x = quad->centre[0] - 0.5 + t * quad->y[0], y = quad->centre[1] - 0.5 + t * quad->y[1];

        for (guint u = 0; u < side; u++, to += 4) {
            double s = (u + 0.5) / side * 2.0 - 1.0;
            LkVec4 value =
                lk_pixels_sample(&pixels, (float)(x + s * quad->x[0]), (float)(y + s * quad->x[1]));

            for (int c = 0; c < 4; c++)
                to[c] = (guint8)value[c]; /* Pillow drops the fraction, too */
        }
    }
    return lk_photo_new_take(side, side, result);
}

static gboolean is_whole(const LkPhoto *photo, const LkQuad *quad)
{
    LkQuad whole = lk_quad_whole(photo);

    return lk_photo_width(photo) == lk_photo_height(photo) && memcmp(quad, &whole, sizeof whole) == 0;
}

/* A square that has nothing of the photo. */
static LkPhoto *nothing(guint side)
{
    guint8 *pixels = g_malloc((gsize)side * side * 4);

    memset(pixels, 0x80, (gsize)side * side * 4);
    return lk_photo_new_take(side, side, pixels);
}

LkPhoto *lk_crop(const LkPhoto *photo, const LkQuad *quad, guint side)
{
    g_autoptr(LkPhoto) part = NULL, padded = NULL, large = NULL;
    LkQuad local = *quad;

    g_return_val_if_fail(side > 0 && half_side(quad) < 1e6, NULL);
    if (is_whole(photo, quad))
        return lk_photo_resize(photo, side, side);
    part = surroundings(photo, &local, shrink_for(quad, side));
    if (!part)
        return nothing(side);
    padded = pad(part, &local);
    large = transform(padded, &local, OVERSAMPLING * side);
    return lk_photo_resize_part(large, LK_FILTER_LANCZOS, side, side, 0, 0, side, side);
}

LkQuad lk_crop_place(const LkPhoto *photo, const LkQuad *quad, guint side)
{
    const guint shrink = shrink_for(quad, side), sizes[] = {lk_photo_width(photo), lk_photo_height(photo)};
    LkQuad place = *quad;

    if (shrink == 1 || is_whole(photo, quad))
        return place;
    for (int i = 0; i < 2; i++) {
        double scale = (double)sizes[i] / shrunk(sizes[i], shrink);

        place.centre[i] = ((quad->centre[i] - 0.5) / shrink + 0.5) * scale;
        place.x[i] = quad->x[i] / shrink * scale;
        place.y[i] = quad->y[i] / shrink * scale;
    }
    return place;
}

/* ---- paste --------------------------------------------------------------------------------------------- */

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
