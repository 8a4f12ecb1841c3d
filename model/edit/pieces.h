/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pieces.h - the rectangles of a photo as the edits of its faces make them. Private to model/edit.
 *
 * There are as many pieces as faces, some of them none. They are apart from each other: faces that are near to each other
 * share one, at the first one's index.
 */
#pragma once

#include "patch.h"

G_BEGIN_DECLS

typedef struct {
    LkPhoto *photo; /* NULL: none */
    guint x, y;     /* where in the photo */
} LkPiece;

/* A GArray of LkPiece, none of them there; g_array_unref. */
GArray *lk_pieces_new(guint n_faces);
/* The same pictures in an array of its own. */
GArray *lk_pieces_copy(GArray *pieces);

/* Brings pieces, as many as patches, up to date after the patch of one face was replaced. patches: as they are now, NULL where
 * a face is not changed; before, after: the one that went (or NULL) and the one that came. A piece that does not change is the
 * same LkPhoto as before. */
void lk_pieces_update(GArray *pieces, const LkPhoto *photo, GPtrArray *patches, const LkPatch *before,
                      const LkPatch *after);

G_END_DECLS
