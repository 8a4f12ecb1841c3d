/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * flow.h - where everything went between two pictures (Lucas and Kanade 1981, coarse to fine).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Side of the pictures and of the answer. */
enum { LK_FLOW_SIDE = 128 };

/* to(x, y) is from(x - across, y - down), as far as such a smooth motion exists. Brightness and contrast may differ between
 * the two: only what stands out from its surroundings is compared. Planes of LK_FLOW_SIDE squared values, pixels. */
void lk_flow_find(const float *from, const float *to, float *across, float *down);

/* Means of the 2 radius + 1 neighbours in both directions, twice; side x side values, the outermost continue outside. */
void lk_blur(float *plane, guint side, guint radius);

/* plane at (x, y), 0 being the first value's place; bilinear, the outermost continue outside. */
float lk_plane_sample(const float *plane, guint side, float x, float y);

/* from, from_side squared, resampled to side squared; bilinear. */
void lk_plane_stretch(const float *from, guint from_side, float *to, guint side);

G_END_DECLS
