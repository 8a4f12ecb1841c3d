/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "half.h"
#include "reference.h"

float lk_reference_get(const LkTensor *tensor, const guint8 *memory, gsize i)
{
    const guint8 *at = memory + tensor->offset + i * lk_type_size(tensor->type);
    guint16 half;
    float value;

    if (tensor->type == LK_U8)
        return *at;
    if (tensor->type == LK_F16) {
        memcpy(&half, at, 2);
        return lk_half_to_float(half);
    }
    memcpy(&value, at, 4);
    return value;
}

void lk_reference_set(const LkTensor *tensor, guint8 *memory, gsize i, float value)
{
    guint8 *at = memory + tensor->offset + i * lk_type_size(tensor->type);
    guint16 half = lk_half_from_float(value);

    if (tensor->type == LK_U8)
        *at = (guint8)value;
    else if (tensor->type == LK_F16)
        memcpy(at, &half, 2);
    else
        memcpy(at, &value, 4);
}

typedef struct {
    const LkOp *op;
    const float *weights;
    guint8 *memory;
} Run;

static double vector(const Run *run, const LkTensor *tensor, gsize i, double absent)
{
    return tensor->arena != NULL ? lk_reference_get(tensor, run->memory, i) : absent;
}

/* An element of a map, 0 outside. */
static double map(const Run *run, const LkTensor *tensor, guint c, gint y, gint x)
{
    if (y < 0 || y >= (gint)tensor->h || x < 0 || x >= (gint)tensor->w)
        return 0;
    return lk_reference_get(tensor, run->memory, ((gsize)c * tensor->h + (guint)y) * tensor->w + (guint)x);
}

static void put(const Run *run, guint c, guint y, guint x, double value)
{
    const LkTensor *tensor = &run->op->y;

    lk_reference_set(tensor, run->memory, ((gsize)c * tensor->h + y) * tensor->w + x, (float)value);
}

static double activate(const Run *run, double v, guint o)
{
    switch (run->op->act) {
    case LK_ACT_LRELU:
        return v < 0 ? v * run->op->slope : v;
    case LK_ACT_PRELU:
        return v < 0 ? v * vector(run, &run->op->slopes, o, 0) : v;
    case LK_ACT_SIGMOID:
        return 1 / (1 + exp(-v));
    case LK_ACT_RSQRT:
        return 1 / sqrt(v + 1e-8);
    default:
        return v;
    }
}

static double gain(const LkOp *op)
{
    return op->gain == 0 ? 1 : op->gain;
}

static double limit(double v, double bound)
{
    return bound > 0 ? CLAMP(v, -bound, bound) : v;
}

static double finish(const Run *run, double sum, guint o, guint y, guint x)
{
    const LkOp *op = run->op;
    double v = sum * vector(run, &op->out_scale, o, 1);

    if (op->noise.arena != NULL)
        v += map(run, &op->noise, 0, (gint)y, (gint)x);
    v += vector(run, &op->bias, o, 0);
    if (op->add.arena != NULL)
        v += map(run, &op->add, o, (gint)y, (gint)x);
    return limit(activate(run, v, o) * gain(op), op->clamp);
}

/* The input of a convolution: zero outside, after scale and shift inside. */
static double scaled_input(const Run *run, guint i, gint y, gint x)
{
    const LkOp *op = run->op;

    if (y < 0 || y >= (gint)op->x.h || x < 0 || x >= (gint)op->x.w)
        return 0;
    return map(run, &op->x, i, y, x) * vector(run, &op->in_scale, i, 1) + vector(run, &op->in_shift, i, 0);
}

static void conv(const Run *run)
{
    const LkOp *op = run->op;
    gint kernel = (gint)op->kernel, stride = (gint)MAX(op->stride, 1);

    for (guint o = 0; o < op->y.c; o++)
        for (guint y = 0; y < op->y.h; y++)
            for (guint x = 0; x < op->y.w; x++) {
                double sum = 0;

                for (guint i = 0; i < op->x.c; i++)
                    for (gint k = 0; k < kernel * kernel; k++)
                        sum += run->weights[(o * op->x.c + i) * (guint)(kernel * kernel) + (guint)k] *
                               scaled_input(run, i, (gint)y * stride + k / kernel - kernel / 2,
                                            (gint)x * stride + k % kernel - kernel / 2);
                put(run, o, y, x, finish(run, sum, o, y, x));
            }
}

static void conv_up(const Run *run)
{
    static const double taps[4] = {0.25, 0.75, 0.75, 0.25};
    const LkOp *op = run->op;
    guint h = 2 * op->x.h + 1, w = 2 * op->x.w + 1;
    g_autofree double *plane = g_new(double, (gsize)h *w);

    for (guint o = 0; o < op->y.c; o++) {
        memset(plane, 0, sizeof *plane * h * w);
        for (guint i = 0; i < op->x.c; i++)
            for (guint y = 0; y < op->x.h; y++)
                for (guint x = 0; x < op->x.w; x++)
                    for (guint k = 0; k < 9; k++)
                        plane[(2 * y + k / 3) * w + 2 * x + k % 3] +=
                            run->weights[(o * op->x.c + i) * 9 + k] * scaled_input(run, i, (gint)y, (gint)x);
        for (guint y = 0; y < op->y.h; y++)
            for (guint x = 0; x < op->y.w; x++) {
                double sum = 0;

                for (guint v = 0; v < 4; v++)
                    for (guint u = 0; u < 4; u++)
                        if (y + v >= 1 && y + v - 1 < h && x + u >= 1 && x + u - 1 < w)
                            sum += taps[v] * taps[u] * plane[(y + v - 1) * w + x + u - 1];
                put(run, o, y, x, finish(run, sum, o, y, x));
            }
    }
}

static void linear(const Run *run)
{
    const LkOp *op = run->op;

    for (guint o = 0; o < op->y.c; o++) {
        double sum = 0;

        for (guint i = 0; i < op->weight.h; i++) {
            double v = vector(run, &op->x, i, 0);

            sum += vector(run, &op->weight, (gsize)o * op->weight.h + i, 0) * (op->square ? v * v : v);
        }
        put(run, o, 0, 0, activate(run, gain(op) * sum + vector(run, &op->bias, o, 0), o));
    }
}

static void pool(const Run *run)
{
    const LkOp *op = run->op;

    for (guint c = 0; c < op->x.c; c++) {
        double sum = 0;

        for (guint y = 0; y < op->x.h; y++)
            for (guint x = 0; x < op->x.w; x++)
                sum += map(run, &op->x, c, (gint)y, (gint)x);
        put(run, c, 0, 0, sum / (op->x.h * op->x.w));
    }
}

static double upsample_bilinear(const Run *run, guint c, guint y, guint x)
{
    const LkOp *op = run->op;
    double at_y = op->y.h > 1 ? y * (op->x.h - 1.0) / (op->y.h - 1.0) : 0;
    double at_x = op->y.w > 1 ? x * (op->x.w - 1.0) / (op->y.w - 1.0) : 0;
    gint y0 = (gint)at_y, x0 = (gint)at_x;
    gint y1 = MIN(y0 + 1, (gint)op->x.h - 1), x1 = MIN(x0 + 1, (gint)op->x.w - 1);
    double fy = at_y - y0, fx = at_x - x0;

    return (1 - fy) * ((1 - fx) * map(run, &op->x, c, y0, x0) + fx * map(run, &op->x, c, y0, x1)) +
           fy * ((1 - fx) * map(run, &op->x, c, y1, x0) + fx * map(run, &op->x, c, y1, x1));
}

/* Where a place lies among n samples: between two of them, or at the nearest. */
static gint neighbours(double at, guint n, gint *second, double *share)
{
    gint first = (gint)CLAMP(at, 0, n - 1.0);

    *second = MIN(first + 1, (gint)n - 1);
    *share = CLAMP(at, 0, n - 1.0) - first;
    return first;
}

static double motion(const Run *run, guint axis, double y, double x)
{
    const LkTensor *weight = &run->op->weight;
    double fy, fx;
    gint y1, x1, y0 = neighbours(y, weight->h, &y1, &fy), x0 = neighbours(x, weight->w, &x1, &fx);

    return (1 - fy) * ((1 - fx) * map(run, weight, axis, y0, x0) + fx * map(run, weight, axis, y0, x1)) +
           fy * ((1 - fx) * map(run, weight, axis, y1, x0) + fx * map(run, weight, axis, y1, x1));
}

/* A point of the picture that x's phases make. */
static double picture(const Run *run, guint c, gint y, gint x)
{
    gint stride = (gint)MAX(run->op->stride, 1);

    return map(run, &run->op->x,
               (c * (guint)stride + (guint)(y % stride)) * (guint)stride + (guint)(x % stride), y / stride,
               x / stride);
}

static double warp(const Run *run, guint c, guint y, guint x)
{
    const LkOp *op = run->op;
    guint stride = MAX(op->stride, 1), channel = c / (stride * stride);
    double at_y = y * stride + c / stride % stride, at_x = x * stride + c % stride, fy, fx;
    double cell_y = (at_y + 0.5) / stride - 0.5, cell_x = (at_x + 0.5) / stride - 0.5;
    gint y0, y1, x0, x1;

    at_x += stride * motion(run, 0, cell_y, cell_x);
    at_y += stride * motion(run, 1, cell_y, cell_x);
    y0 = neighbours(at_y, stride * op->x.h, &y1, &fy);
    x0 = neighbours(at_x, stride * op->x.w, &x1, &fx);
    return (1 - fy) * ((1 - fx) * picture(run, channel, y0, x0) + fx * picture(run, channel, y0, x1)) +
           fy * ((1 - fx) * picture(run, channel, y1, x0) + fx * picture(run, channel, y1, x1));
}

/* Keys' cubic convolution, of a sample so far away. */
static double cubic(double distance)
{
    const double a = -0.75, d = fabs(distance);

    if (d >= 2)
        return 0;
    return d <= 1 ? (a + 2) * d * d * d - (a + 3) * d * d + 1 : a * (d * d * d - 5 * d * d + 8 * d - 4);
}

/* weight's value in the cell of an element of x. */
static double cell(const Run *run, guint c, guint y, guint x)
{
    double stride = MAX(run->op->stride, 1);

    return motion(run, c, (y + 0.5) / stride - 0.5, (x + 0.5) / stride - 0.5);
}

static double move(const Run *run, guint c, guint y, guint x)
{
    const LkOp *op = run->op;
    double stride = MAX(op->stride, 1), at_x = x + stride * cell(run, 0, y, x),
           at_y = y + stride * cell(run, 1, y, x), sum = 0;
    gint left = (gint)floor(at_x), top = (gint)floor(at_y);

    for (gint v = top - 1; v <= top + 2; v++)
        for (gint u = left - 1; u <= left + 2; u++)
            sum += cubic(at_y - v) * cubic(at_x - u) *
                   map(run, &op->x, c, CLAMP(v, 0, (gint)op->x.h - 1), CLAMP(u, 0, (gint)op->x.w - 1));
    return sum;
}

/* Zero-insertion (samples at even places), padding (2, 1), filter. */
static double upsample_fir(const Run *run, guint c, guint y, guint x)
{
    static const double taps[4] = {0.25, 0.75, 0.75, 0.25};
    double sum = 0;

    for (gint v = 0; v < 4; v++)
        for (gint u = 0; u < 4; u++) {
            gint row = (gint)y + v - 2, column = (gint)x + u - 2;

            if (row % 2 == 0 && column % 2 == 0)
                sum += taps[v] * taps[u] * map(run, &run->op->add, c, row / 2, column / 2);
        }
    return sum;
}

static double to_rgb(const Run *run, guint o, guint y, guint x)
{
    const LkOp *op = run->op;
    double sum = vector(run, &op->bias, o, 0);

    for (guint i = 0; i < op->x.c; i++)
        sum += vector(run, &op->weight, o * op->x.c + i, 0) * vector(run, &op->in_scale, i, 1) *
               map(run, &op->x, i, (gint)y, (gint)x);
    sum = limit(sum, op->clamp);
    return op->add.arena != NULL ? sum + upsample_fir(run, o, y, x) : sum;
}

static double one_element(const Run *run, guint c, guint y, guint x)
{
    const LkOp *op = run->op;
    guint stride = MAX(op->stride, 1);
    double v = op->kind == LK_OP_IMAGE_IN || op->kind == LK_OP_UPSAMPLE
                   ? 0
                   : map(run, &op->x, c % op->x.c, (gint)y, (gint)x);

    switch (op->kind) {
    case LK_OP_SCALE_ADD:
        v *= vector(run, &op->in_scale, c, 1);
        return op->add.arena != NULL ? v + map(run, &op->add, c, (gint)(y * stride), (gint)(x * stride)) : v;
    case LK_OP_UPSAMPLE:
        v = upsample_bilinear(run, c, y, x);
        return op->add.arena != NULL ? v + map(run, &op->add, c, (gint)y, (gint)x) : v;
    case LK_OP_TO_RGB:
        return to_rgb(run, c, y, x);
    case LK_OP_GATE:
        return v + map(run, &op->weight, 0, (gint)y, (gint)x) * map(run, &op->add, c, (gint)y, (gint)x);
    case LK_OP_WARP:
        return warp(run, c, y, x);
    case LK_OP_MOVE:
        return move(run, c, y, x);
    case LK_OP_BLEND:
        return v + cell(run, 0, y, x) * (map(run, &op->add, c, (gint)y, (gint)x) - v);
    default:
        return (lk_reference_get(&op->x, run->memory, 4 * ((gsize)y * op->x.w + x) + c) - 127.5) / 127.5;
    }
}

static void element_wise(const Run *run)
{
    const LkOp *op = run->op;

    for (guint c = 0; c < op->y.c; c++)
        for (guint y = 0; y < op->y.h; y++)
            for (guint x = 0; x < op->y.w; x++)
                put(run, c, y, x, one_element(run, c, y, x));
}

static void image_out(const Run *run)
{
    const LkOp *op = run->op;

    for (guint y = 0; y < op->y.h; y++)
        for (guint x = 0; x < op->y.w; x++)
            for (guint c = 0; c < 4; c++) {
                float v = c < 3 ? ((float)map(run, &op->x, c, (gint)y, (gint)x) + 1) * 127.5f + 0.5f : 255;

                lk_reference_set(&op->y, run->memory, 4 * ((gsize)y * op->y.w + x) + c,
                                 CLAMP(floorf(v), 0, 255));
            }
}

void lk_reference_run(const LkOp *op, const float *weights, guint8 *memory)
{
    const Run run = {op, weights, memory};

    switch (op->kind) {
    case LK_OP_CONV:
        conv(&run);
        break;
    case LK_OP_CONV_UP:
        conv_up(&run);
        break;
    case LK_OP_LINEAR:
        linear(&run);
        break;
    case LK_OP_POOL:
        pool(&run);
        break;
    case LK_OP_IMAGE_OUT:
        image_out(&run);
        break;
    default:
        element_wise(&run);
        break;
    }
}
