/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * landmarks.h - from a detector's box to 68 landmarks in a photo.
 */
#pragma once

#include "detect.h"
#include "landmark_net.h"

G_BEGIN_DECLS

/* landmarks: in photo pixels. */
gboolean lk_landmarks_find(LkLandmarkNet *net, const LkPhoto *photo, const LkBox *box,
                           double landmarks[LK_N_LANDMARKS][2], GCancellable *cancellable, GError **error);

G_END_DECLS
