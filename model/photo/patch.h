/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * patch.h - what an edit changes in a photo: the difference between the edited and the unedited picture of the network,
 * brought back to where the face is.
 *
 *     photo' = photo + change,   change = m (edited + k d (photo - inversion) - photo)
 *
 * m, 0 to 1, is where the edit changes anything (from |edited - inversion|, softened, none at the square's border); k is the
 * strength of kept original detail and d where the edit leaves the face in place. edited = inversion gives m = 0: a slider at
 * zero changes no pixel. Immutable; any thread.
 */
#pragma once

#include "align.h"

G_BEGIN_DECLS

typedef struct {
    guint x, y, width, height; /* rectangle of the photo, upright, pixels; 0 x 0: nothing changes */
    float *change;             /* height x width x 3: added to the sRGB-encoded values, whose white is 1 */
} LkPatch;

/* inversion, edited: the network's pictures (same size) of the face in quad. detail: k, 0 to 1. */
LkPatch *lk_patch_new(const LkPhoto *photo, const LkQuad *quad, const LkPhoto *inversion,
                      const LkPhoto *edited, double detail);
void lk_patch_free(LkPatch *patch); /* NULL is fine */

/* The 8-bit picture with the patches in place. */
LkPhoto *lk_patch_apply(LkPhoto *photo, const LkPatch *const *patches, guint n_patches);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkPatch, lk_patch_free)

G_END_DECLS
