/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * planes.c - see the header. Means are running sums, so that their radius costs nothing.
 */
#include "planes.h"

#include <math.h>

/* Rows summed at a time: a sum waits for the one before it, but not for another row's. */
#define ROWS 8

/* n is known where this is called, so that all sums stay in registers. */
static inline __attribute__((always_inline)) void box_some_rows(const float *from, float *to, int width,
                                                                int n, int radius)
{
    const float weight = 1.0f / (float)(2 * radius + 1);
    float sum[ROWS] = {0.0f};

    for (int x = -radius; x <= radius; x++)
        for (int k = 0; k < n; k++)
            sum[k] += from[k * width + CLAMP(x, 0, width - 1)];
    for (int x = 0; x < width; x++) {
        const float *in = from + MIN(x + radius + 1, width - 1), *out = from + MAX(x - radius, 0);

#pragma GCC unroll 8
        for (int k = 0; k < n; k++) {
            to[k * width + x] = sum[k] * weight;
            sum[k] += in[k * width] - out[k * width];
        }
    }
}

static void box_rows(const float *from, float *to, int width, int height, int radius)
{
    int y = 0;

    for (; y + ROWS <= height; y += ROWS)
        box_some_rows(from + (gsize)y * width, to + (gsize)y * width, width, ROWS, radius);
    for (; y < height; y++)
        box_some_rows(from + (gsize)y * width, to + (gsize)y * width, width, 1, radius);
}

static void box_columns(const float *from, float *to, int width, int height, int radius)
{
    const float weight = 1.0f / (float)(2 * radius + 1);
    g_autofree float *sum = g_new0(float, width);

    for (int y = -radius; y <= radius; y++)
        for (int x = 0; x < width; x++)
            sum[x] += from[(gsize)CLAMP(y, 0, height - 1) * width + x];
    for (int y = 0; y < height; y++) {
        const float *in = from + (gsize)MIN(y + radius + 1, height - 1) * width;
        const float *out = from + (gsize)MAX(y - radius, 0) * width;

        for (int x = 0; x < width; x++) {
            to[(gsize)y * width + x] = sum[x] * weight;
            sum[x] += in[x] - out[x];
        }
    }
}

void lk_plane_blur(float *plane, guint width, guint height, guint radius)
{
    g_autofree float *other = g_new(float, (gsize)width *height);

    for (int i = 0; i < 2; i++) {
        box_rows(plane, other, (int)width, (int)height, (int)radius);
        box_columns(other, plane, (int)width, (int)height, (int)radius);
    }
}

void lk_plane_gaussian(float *plane, guint width, guint height, double sigma)
{
    enum { PASSES = 4 };
    g_autofree float *other = g_new(float, (gsize)width *height);
    /* A mean of n neighbours has the variance (n^2 - 1) / 12: some passes of one odd n, the rest of the next. */
    int small = ((int)floor(sqrt(12.0 * sigma * sigma / PASSES + 1.0)) - 1) / 2, n = 2 * small + 1;
    int n_small = (int)lrint((PASSES * ((n + 2) * (n + 2) - 1) - 12.0 * sigma * sigma) / (4.0 * n + 4.0));

    for (int i = 0; i < PASSES; i++) {
        int radius = i < n_small ? small : small + 1;

        box_rows(plane, other, (int)width, (int)height, radius);
        box_columns(other, plane, (int)width, (int)height, radius);
    }
}

void lk_plane_stretch(const float *from, guint from_side, float *to, guint side)
{
    const float scale = (float)from_side / (float)side;

    for (guint y = 0; y < side; y++)
        for (guint x = 0; x < side; x++)
            *to++ = lk_plane_sample(from, from_side, ((float)x + 0.5f) * scale - 0.5f,
                                    ((float)y + 0.5f) * scale - 0.5f);
}
