/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pieces.h - the rectangles of a photo as the edits of its faces make them.
 *
 * There are as many pieces as faces, some of them none. They are apart from each other: faces that are near to each other
 * share one, at the first one's index.
 */
#pragma once

#include "patch.h"

G_BEGIN_DECLS

typedef struct {
    LkPhoto *photo; /* NULL: none */
    guint x, y;     /* where in the whole photo */
    guint width,
        height; /* how much of it: as large as photo, or a whole multiple of that where it is coarse */
} LkPiece;

void lk_piece_clear(LkPiece *piece);
gboolean lk_piece_is_coarse(const LkPiece *piece);

/* ---- private to model/edit ---- */

/* The photo's part that the patch changes, with the change; none where it changes nothing. */
LkPiece lk_piece_of(LkPhoto *photo, const LkPatch *patch);

/* A GArray of LkPiece, none of them there; g_array_unref. */
GArray *lk_pieces_new(guint n_faces);
/* The same pictures in an array of its own. */
GArray *lk_pieces_copy(GArray *pieces);

/* Brings pieces, as many as patches, up to date after the patch of one face was replaced. patches: as they are now, NULL where
 * a face is not changed; before, after: the one that went (or NULL) and the one that came. A piece that does not change is the
 * same LkPhoto as before. */
void lk_pieces_update(GArray *pieces, LkPhoto *photo, GPtrArray *patches, const LkPatch *before,
                      const LkPatch *after);

/* Shows the face's piece in this one's place, unless it shares one with other faces, or would. */
gboolean lk_pieces_replace(GArray *pieces, GPtrArray *patches, guint face, const LkPiece *piece);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LkPiece, lk_piece_clear)

G_END_DECLS
