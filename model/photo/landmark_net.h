/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * landmark_net.h - the landmark network on the device: 64 x 64 crops to 68 points. Same thread as gpu.
 */
#pragma once

#include "face.h"

G_BEGIN_DECLS

enum {
    LK_LANDMARK_CROP = 64,    /* side of the network's input */
    LK_LANDMARK_MAX_CROPS = 5 /* most crops in one run */
};

typedef struct _LkLandmarkNet LkLandmarkNet;

/* Loads the network from a .safetensors file: conv0 ... with ReLU (strides in the metadata), fc with ReLU, landmarks. */
LkLandmarkNet *lk_landmark_net_new(LkGpu *gpu, const char *path, GError **error);
void lk_landmark_net_free(LkLandmarkNet *net); /* NULL is fine */

/* points[i]: the landmarks of crops[i], -1 to 1 from its left to its right and from its top to its bottom edge. */
gboolean lk_landmark_net_run(LkLandmarkNet *net, LkPhoto *const *crops, guint n_crops,
                             float points[][LK_N_LANDMARKS][2], GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkLandmarkNet, lk_landmark_net_free)

G_END_DECLS
