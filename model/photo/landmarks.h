/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * landmarks.h - from a detector's box to 68 landmarks in a photo.
 */
#pragma once

#include "align.h"
#include "detect.h"
#include "landmark_net.h"

G_BEGIN_DECLS

/* A square that stands as the face in box does; centre and half side in the box's widths and heights, as the face sees them. */
LkQuad lk_box_quad(const LkBox *box, double centre_x, double centre_y, double half_side);

/* landmarks: in photo pixels. */
gboolean lk_landmarks_find(LkLandmarkNet *net, const LkPhoto *photo, const LkBox *box,
                           double landmarks[LK_N_LANDMARKS][2], GCancellable *cancellable, GError **error);

G_END_DECLS
