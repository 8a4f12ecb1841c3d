/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * resize.c - Pillow's Image.resize(): a separable kernel stretched by the scale when shrinking, horizontal pass first,
 * each pass rounded to 8 bits, coefficients in fixed point. Same numbers, so that what the networks were trained on is
 * what they get.
 */
#include "resize.h"

#include "bands.h"
#include "photo-private.h"

#include <math.h>
#include <string.h>

#define PRECISION_BITS 22 /* 32 minus 8 of the pixel and 2 for the kernel's overshoot */

/* For each output position of a part, n[i] inputs from first[i] on, weighted by weights[i * stride ...]. */
typedef struct {
    guint stride;
    guint *first, *n;
    gint32 *weights;
} Kernel;

static double bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(G_PI * x) / (G_PI * x);
}

static double lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static const struct {
    double support;
    double (*weight)(double x);
} filters[] = {
    [LK_FILTER_BICUBIC] = {2.0, bicubic},
    [LK_FILTER_LANCZOS] = {3.0, lanczos},
};

static gint32 to_fixed(double v)
{
    return (gint32)(v * (1 << PRECISION_BITS) + (v < 0.0 ? -0.5 : 0.5));
}

/* For positions start to start + n of to. */
static Kernel kernel_new(LkFilter filter, guint from, guint to, guint start, guint n_positions)
{
    double scale = (double)from / to, stretch = MAX(scale, 1.0), support = filters[filter].support * stretch;
    Kernel kernel = {.stride = (guint)ceil(support) * 2 + 1};
    g_autofree double *weights = g_new(double, kernel.stride);

    kernel.first = g_new(guint, n_positions);
    kernel.n = g_new(guint, n_positions);
    kernel.weights = g_new0(gint32, (gsize)n_positions * kernel.stride);
    for (guint i = 0; i < n_positions; i++) {
        double centre = (start + i + 0.5) * scale, sum = 0.0;
        int first = MAX((int)(centre - support + 0.5), 0);
        int end = MIN((int)(centre + support + 0.5), (int)from);

        for (int j = first; j < end; j++) {
            weights[j - first] = filters[filter].weight((j - centre + 0.5) * (1.0 / stretch));
            sum += weights[j - first];
        }
        kernel.first[i] = (guint)first;
        kernel.n[i] = (guint)(end - first);
        for (int j = 0; j < end - first; j++)
            kernel.weights[(gsize)i * kernel.stride + j] = to_fixed(weights[j] * (1.0 / sum));
    }
    return kernel;
}

static void kernel_clear(Kernel *kernel)
{
    g_free(kernel->first);
    g_free(kernel->n);
    g_free(kernel->weights);
}

static guint8 to_byte(gint32 sum)
{
    return (guint8)CLAMP(sum >> PRECISION_BITS, 0, 255);
}

/* One output pixel from n pixels that lie step bytes apart. */
static void filter_pixel(const guint8 *from, gsize step, const gint32 *weights, guint n, guint8 *to)
{
    gint32 sum[4];

    for (int c = 0; c < 4; c++)
        sum[c] = 1 << (PRECISION_BITS - 1);
    for (guint i = 0; i < n; i++, from += step)
        for (int c = 0; c < 4; c++)
            sum[c] += from[c] * weights[i];
    for (int c = 0; c < 4; c++)
        to[c] = to_byte(sum[c]);
}

/* Rows that are worth a thread. */
#define BAND 64

/* One direction's pass over a picture. */
typedef struct {
    const guint8 *from;
    gsize from_stride; /* bytes from row to row */
    const Kernel *kernel;
    guint width; /* of what it makes */
    guint8 *to;
} Pass;

static void resize_some_rows(guint first, guint end, gpointer data)
{
    const Pass *pass = data;
    const Kernel *kernel = pass->kernel;
    guint8 *to = pass->to + (gsize)first * pass->width * 4;

    for (guint y = first; y < end; y++) {
        const guint8 *row = pass->from + y * pass->from_stride;

        for (guint x = 0; x < pass->width; x++, to += 4)
            filter_pixel(row + (gsize)kernel->first[x] * 4, 4, kernel->weights + (gsize)x * kernel->stride,
                         kernel->n[x], to);
    }
}

/* Rows of from_width pixels become rows of width pixels. */
static guint8 *resize_rows(const guint8 *from, guint from_width, const Kernel *kernel, guint width,
                           guint height)
{
    Pass pass = {from, (gsize)from_width * 4, kernel, width, g_malloc((gsize)width * height * 4)};

    lk_bands(height, BAND, resize_some_rows, &pass);
    return pass.to;
}

static void resize_some_columns(guint first, guint end, gpointer data)
{
    const Pass *pass = data;
    const Kernel *kernel = pass->kernel;
    guint8 *to = pass->to + (gsize)first * pass->width * 4;

    for (guint y = first; y < end; y++) {
        const guint8 *row = pass->from + (kernel->first[y] - kernel->first[0]) * pass->from_stride;

        for (guint x = 0; x < pass->width; x++, to += 4)
            filter_pixel(row + (gsize)x * 4, pass->from_stride, kernel->weights + (gsize)y * kernel->stride,
                         kernel->n[y], to);
    }
}

/* from begins with the first row that the kernel looks at. */
static guint8 *resize_columns(const guint8 *from, const Kernel *kernel, guint width, guint height)
{
    const gsize stride = (gsize)width * 4;
    Pass pass = {from, stride, kernel, width, g_malloc(stride * height)};

    lk_bands(height, BAND, resize_some_columns, &pass);
    return pass.to;
}

/* The inputs that a kernel's positions look at. */
static void kernel_reach(const Kernel *kernel, guint n_positions, guint *first, guint *end)
{
    *first = kernel->first[0];
    *end = kernel->first[n_positions - 1] + kernel->n[n_positions - 1];
}

/* Now first is counted from there on. */
static void kernel_shift(Kernel *kernel, guint n_positions, guint by)
{
    for (guint i = 0; i < n_positions; i++)
        kernel->first[i] -= by;
}

LkPhoto *lk_photo_resize_cut(const LkPhoto *cut, guint left, guint top, const LkResize *resize)
{
    const guint cut_width = lk_photo_width(cut), part_width = resize->part_width,
                part_height = resize->part_height;
    Kernel across = kernel_new(resize->filter, resize->from_width, resize->width, resize->x, part_width);
    Kernel down = kernel_new(resize->filter, resize->from_height, resize->height, resize->y, part_height);
    g_autofree guint8 *wide = NULL;
    guint8 *pixels;
    guint first, end;

    kernel_shift(&across, part_width, left);
    kernel_reach(&down, part_height, &first, &end);
    wide = resize_rows(lk_photo_pixels(cut) + (gsize)(first - top) * cut_width * 4, cut_width, &across,
                       part_width, end - first);
    pixels = resize_columns(wide, &down, part_width, part_height);
    kernel_clear(&across);
    kernel_clear(&down);
    return lk_photo_new_take(part_width, part_height, pixels);
}

void lk_resize_reach(const LkResize *resize, guint *left, guint *top, guint *right, guint *bottom)
{
    Kernel across =
        kernel_new(resize->filter, resize->from_width, resize->width, resize->x, resize->part_width);
    Kernel down =
        kernel_new(resize->filter, resize->from_height, resize->height, resize->y, resize->part_height);

    kernel_reach(&across, resize->part_width, left, right);
    kernel_reach(&down, resize->part_height, top, bottom);
    kernel_clear(&across);
    kernel_clear(&down);
}

LkPhoto *lk_photo_resize_part(const LkPhoto *photo, LkFilter filter, guint width, guint height, guint x,
                              guint y, guint part_width, guint part_height)
{
    const LkResize resize = {
        filter, lk_photo_width(photo), lk_photo_height(photo), width, height, x, y, part_width, part_height};

    return lk_photo_resize_cut(photo, 0, 0, &resize);
}

LkPhoto *lk_photo_resize(const LkPhoto *photo, guint width, guint height)
{
    g_return_val_if_fail(width > 0 && height > 0, NULL);
    if (width == lk_photo_width(photo) && height == lk_photo_height(photo))
        return lk_photo_new(width, height, lk_photo_pixels(photo));
    return lk_photo_resize_part(photo, LK_FILTER_BICUBIC, width, height, 0, 0, width, height);
}
