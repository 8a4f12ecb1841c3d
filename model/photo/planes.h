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
float lk_plane_sample(const float *plane, guint side, float x, float y);

/* from, from_side squared, resampled to side squared; bilinear. */
void lk_plane_stretch(const float *from, guint from_side, float *to, guint side);

G_END_DECLS
