/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * planes.h - filters and lookups on planes of floats.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Means of the 2 radius + 1 neighbours in both directions, twice; the outermost values continue outside. */
void lk_plane_blur(float *plane, guint width, guint height, guint radius);

/* Nearly a Gaussian: four means of neighbours, of the same variance. */
void lk_plane_gaussian(float *plane, guint width, guint height, double sigma);

/* plane, side x side, at (x, y), 0 being the first value's place; bilinear, the outermost continue outside. */
static inline float lk_plane_sample(const float *plane, guint side, float x, float y)
{
    float limit = (float)(side - 1);
    guint left, top, right, next;
    float upper, lower;

    x = CLAMP(x, 0.0f, limit);
    y = CLAMP(y, 0.0f, limit);
    left = (guint)x;
    top = (guint)y;
    right = MIN(left + 1, side - 1);
    next = MIN(top + 1, side - 1) * side;
    upper =
        plane[top * side + left] + (plane[top * side + right] - plane[top * side + left]) * (x - (float)left);
    lower = plane[next + left] + (plane[next + right] - plane[next + left]) * (x - (float)left);
    return upper + (lower - upper) * (y - (float)top);
}

/* from, from_side squared, resampled to side squared; bilinear. */
void lk_plane_stretch(const float *from, guint from_side, float *to, guint side);

G_END_DECLS
