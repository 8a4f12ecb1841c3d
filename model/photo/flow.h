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

G_END_DECLS
