/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * patch.h - what an edit changes in a photo: the difference between the edited and the unedited picture of the network,
 * brought back to where the face is.
 *
 *     photo'(x) = photo(x) + change(x)
 *     change(x) = m (edited(x) + L(x - v) + k d (photo - inversion - L)(x - v) - photo(x))
 *
 * m, 0 to 1, is where the edit changes anything (from |edited - inversion|, softened, none at the square's border). v is where
 * the edit moved what is at x (flow.h); where it moved nothing, as in skin that only changes its tone, v is exactly 0. L is
 * photo - inversion with all detail smoothed away: the edited picture gets the photo's colours. k is the strength of kept
 * original detail, and d, 0 to 1, where that detail still fits, because the inversion moved by v looks like the edited
 * picture but for its tone. With k d = 1 every pore of the photo stays, and moves with the face. edited = inversion gives
 * m = 0: a slider at zero changes no pixel.
 */
#pragma once

#include "align.h"

G_BEGIN_DECLS

/* Immutable; any thread. */
typedef struct {
    guint x, y, width, height; /* rectangle of the photo, upright, pixels; 0 x 0: nothing changes */
    float *change;             /* height x width x 3: added to the sRGB-encoded values, whose white is 1 */
} LkPatch;

/* What the patches of one face have in common: worked out once, so that a slider's step costs little. Immutable; any
 * thread. */
typedef struct _LkPatcher LkPatcher;

/* inversion: the network's picture (square) of the face in quad with no edit. Keeps a reference to photo and inversion. For a
 * live view of a photo larger than the screen, give it the shrunk photo and its quad. */
LkPatcher *lk_patcher_new(LkPhoto *photo, const LkQuad *quad, LkPhoto *inversion);
void lk_patcher_free(LkPatcher *patcher); /* NULL is fine */

/* edited: the network's picture with the edit, as large as the inversion. detail: k, 0 to 1. */
LkPatch *lk_patcher_patch(const LkPatcher *patcher, const LkPhoto *edited, double detail);

/* Both in one. */
LkPatch *lk_patch_new(LkPhoto *photo, const LkQuad *quad, LkPhoto *inversion, const LkPhoto *edited,
                      double detail);
void lk_patch_free(LkPatch *patch); /* NULL is fine */

/* The 8-bit picture with the patches in place; where they overlap their changes add up. */
LkPhoto *lk_patch_apply(LkPhoto *photo, const LkPatch *const *patches, guint n_patches);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkPatch, lk_patch_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkPatcher, lk_patcher_free)

G_END_DECLS
