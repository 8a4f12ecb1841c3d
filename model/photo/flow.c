/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * flow.c - see the header. Gradients are those of the picture that stays, so that each level's matrices are made once.
 */
#include "flow.h"

#include "planes.h"

#include <math.h>
#include <string.h>

#define LEVELS     3
#define ITERATIONS 3
/* Pixels of a level: neighbourhood that moves as one. */
#define WINDOW 4
/* Contrast below which a neighbourhood is taken as flat, white 1; and over how far it is measured, pixels. */
#define FLAT             0.03f
#define CONTRAST_RADIUS  8
#define DAMPING          0.02f /* keeps what has no structure where the coarser level put it */
#define MOST_IN_ONE_STEP 1.5f  /* pixels: a gradient knows no more than its neighbourhood */

/* plane's deviations from its surroundings, in units of their usual size. */
static float *new_contrast(const float *plane, guint side)
{
    const guint n = side * side;
    float *contrast = g_memdup2(plane, n * sizeof *plane);
    g_autofree float *energy = g_new(float, n);

    lk_plane_blur(contrast, side, side, CONTRAST_RADIUS);
    for (guint i = 0; i < n; i++) {
        contrast[i] = plane[i] - contrast[i];
        energy[i] = contrast[i] * contrast[i];
    }
    lk_plane_blur(energy, side, side, CONTRAST_RADIUS);
    for (guint i = 0; i < n; i++)
        contrast[i] /= sqrtf(MAX(energy[i], 0.0f)) + FLAT;
    return contrast;
}

/* One level's pictures and what its steps need: the means of the products of to's gradients, and the equation's right. */
typedef struct {
    guint side;
    const float *from, *to;
    float *gx, *gy, *xx, *xy, *yy, *bx, *by;
} Level;

static void measure_gradients(Level *level)
{
    const int side = (int)level->side;

    for (int y = 0; y < side; y++) {
        const float *row = level->to + y * side;
        const float *above = level->to + MAX(y - 1, 0) * side;
        const float *below = level->to + MIN(y + 1, side - 1) * side;

        for (int x = 0; x < side; x++) {
            int i = y * side + x;
            float gx = (row[MIN(x + 1, side - 1)] - row[MAX(x - 1, 0)]) / 2.0f;
            float gy = (below[x] - above[x]) / 2.0f;

            level->gx[i] = gx;
            level->gy[i] = gy;
            level->xx[i] = gx * gx;
            level->xy[i] = gx * gy;
            level->yy[i] = gy * gy;
        }
    }
    lk_plane_blur(level->xx, level->side, level->side, WINDOW);
    lk_plane_blur(level->xy, level->side, level->side, WINDOW);
    lk_plane_blur(level->yy, level->side, level->side, WINDOW);
}

static void step(Level *level, float *across, float *down)
{
    const guint side = level->side;

    for (guint i = 0; i < side * side; i++) {
        float x = (float)(i % side) - across[i], y = (float)(i / side) - down[i];
        float error = level->to[i] - lk_plane_sample(level->from, side, x, y);

        level->bx[i] = level->gx[i] * error;
        level->by[i] = level->gy[i] * error;
    }
    lk_plane_blur(level->bx, side, side, WINDOW);
    lk_plane_blur(level->by, side, side, WINDOW);
    for (guint i = 0; i < side * side; i++) {
        float xx = level->xx[i] + DAMPING, yy = level->yy[i] + DAMPING, xy = level->xy[i];
        float determinant = xx * yy - xy * xy;
        float x = (xy * level->by[i] - yy * level->bx[i]) / determinant;
        float y = (xy * level->bx[i] - xx * level->by[i]) / determinant;

        across[i] += CLAMP(x, -MOST_IN_ONE_STEP, MOST_IN_ONE_STEP);
        down[i] += CLAMP(y, -MOST_IN_ONE_STEP, MOST_IN_ONE_STEP);
    }
    lk_plane_blur(across, side, side, 1);
    lk_plane_blur(down, side, side, 1);
}

static void match(guint side, const float *from, const float *to, float *across, float *down)
{
    const gsize n = (gsize)side * side;
    g_autofree float *room = g_new(float, 7 * n);
    Level level = {side,         from,         to,           room,         room + n,
                   room + 2 * n, room + 3 * n, room + 4 * n, room + 5 * n, room + 6 * n};

    measure_gradients(&level);
    for (int i = 0; i < ITERATIONS; i++)
        step(&level, across, down);
}

/* Means of the cells of a picture divided into side x side. */
static void shrink(const float *from, float *to, guint side)
{
    const guint cell = LK_FLOW_SIDE / side;

    memset(to, 0, sizeof *to * side * side);
    for (guint y = 0; y < LK_FLOW_SIDE; y++)
        for (guint x = 0; x < LK_FLOW_SIDE; x++)
            to[y / cell * side + x / cell] += *from++ / (float)(cell * cell);
}

void lk_flow_find(const float *from, const float *to, float *across, float *down)
{
    enum { N = LK_FLOW_SIDE * LK_FLOW_SIDE };
    g_autofree float *a = new_contrast(from, LK_FLOW_SIDE), *b = new_contrast(to, LK_FLOW_SIDE);
    g_autofree float *small_a = g_new(float, N), *small_b = g_new(float, N), *coarse = g_new(float, N);

    memset(across, 0, N * sizeof *across);
    memset(down, 0, N * sizeof *down);
    for (guint side = LK_FLOW_SIDE >> (LEVELS - 1); side <= LK_FLOW_SIDE; side *= 2) {
        shrink(a, small_a, side);
        shrink(b, small_b, side);
        match(side, small_a, small_b, across, down);
        for (int axis = 0; axis < 2 && side < LK_FLOW_SIDE; axis++) {
            float *plane = axis == 0 ? across : down;

            memcpy(coarse, plane, sizeof *plane * side * side);
            lk_plane_stretch(coarse, side, plane, 2 * side);
            for (guint i = 0; i < 4 * side * side; i++)
                plane[i] *= 2.0f;
        }
    }
}
