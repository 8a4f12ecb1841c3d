/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pieces.h"

#include <string.h>

void lk_piece_clear(LkPiece *piece)
{
    g_clear_pointer(&piece->photo, lk_photo_unref);
    *piece = (LkPiece){0};
}

gboolean lk_piece_is_coarse(const LkPiece *piece)
{
    return piece->photo != NULL && lk_photo_width(piece->photo) != piece->width;
}

GArray *lk_pieces_new(guint n_faces)
{
    GArray *pieces = g_array_new(FALSE, TRUE, sizeof(LkPiece));

    g_array_set_clear_func(pieces, (GDestroyNotify)lk_piece_clear);
    return g_array_set_size(pieces, n_faces);
}

GArray *lk_pieces_copy(GArray *pieces)
{
    GArray *copy = lk_pieces_new(pieces->len);

    for (guint i = 0; i < pieces->len; i++) {
        LkPiece *piece = &g_array_index(copy, LkPiece, i);
        *piece = g_array_index(pieces, LkPiece, i);
        if (piece->photo != NULL)
            lk_photo_ref(piece->photo);
    }
    return copy;
}

/* ---- boxes ----------------------------------------------------------------------------------------------- */

/* Of no size: nothing. */
typedef struct {
    guint left, top, right, bottom;
} Box;

/* Photo pixels, more than resampling for the screen reaches: what lies nearer is one piece. */
enum { APART = 128 };

static Box box_of(const LkPatch *patch)
{
    if (patch == NULL)
        return (Box){0};
    return (Box){patch->x, patch->y, patch->x + patch->width, patch->y + patch->height};
}

static Box box_of_piece(const LkPiece *piece)
{
    if (piece->photo == NULL)
        return (Box){0};
    return (Box){piece->x, piece->y, piece->x + piece->width, piece->y + piece->height};
}

static gboolean is_empty(Box box)
{
    return box.left == box.right || box.top == box.bottom;
}

static gboolean are_near(Box a, Box b)
{
    return !is_empty(a) && !is_empty(b) && a.left < b.right + APART && b.left < a.right + APART &&
           a.top < b.bottom + APART && b.top < a.bottom + APART;
}

static gboolean join_two(Box *boxes, guint n)
{
    for (guint i = 0; i < n; i++)
        for (guint j = i + 1; j < n; j++)
            if (are_near(boxes[i], boxes[j])) {
                boxes[i] = (Box){MIN(boxes[i].left, boxes[j].left), MIN(boxes[i].top, boxes[j].top),
                                 MAX(boxes[i].right, boxes[j].right), MAX(boxes[i].bottom, boxes[j].bottom)};
                boxes[j] = (Box){0};
                return TRUE;
            }
    return FALSE;
}

/* One for each face, where those of faces near to each other are joined at the first one's place. */
static Box *arrange_boxes(GPtrArray *patches)
{
    Box *boxes = g_new(Box, patches->len);

    for (guint i = 0; i < patches->len; i++)
        boxes[i] = box_of(g_ptr_array_index(patches, i));
    while (join_two(boxes, patches->len))
        ;
    return boxes;
}

/* ---- pictures -------------------------------------------------------------------------------------------- */

static void add_change(float *sum, Box box, const LkPatch *patch)
{
    for (guint y = 0; y < patch->height; y++) {
        const float *from = patch->change + (gsize)3 * y * patch->width;
        float *to =
            sum + 3 * ((gsize)(patch->y + y - box.top) * (box.right - box.left) + patch->x - box.left);

        for (gsize k = 0; k < (gsize)3 * patch->width; k++)
            to[k] += from[k];
    }
}

/* What the patches in the box change there together, as lk_original_save adds them up. */
static LkPatch *join_patches(GPtrArray *patches, Box box)
{
    LkPatch *joined = g_new(LkPatch, 1);

    *joined = (LkPatch){box.left, box.top, box.right - box.left, box.bottom - box.top, NULL};
    joined->change = g_new0(float, (gsize)3 * joined->width * joined->height);
    for (guint i = 0; i < patches->len; i++) {
        const LkPatch *patch = g_ptr_array_index(patches, i);
        if (are_near(box, box_of(patch)))
            add_change(joined->change, box, patch);
    }
    return joined;
}

/* Of the patch's rectangle alone: a photo is far larger than a step of a slider may take time for. */
LkPiece lk_piece_of(LkPhoto *photo, const LkPatch *patch)
{
    if (is_empty(box_of(patch)))
        return (LkPiece){0};

    g_autoptr(LkPhoto) before = lk_photo_cut(photo, patch->x, patch->y, patch->width, patch->height);
    const LkPatch here = {0, 0, patch->width, patch->height, patch->change};

    return (LkPiece){lk_patch_apply(before, &(const LkPatch *){&here}, 1), patch->x, patch->y, patch->width,
                     patch->height};
}

static void remake_piece(LkPiece *piece, LkPhoto *photo, GPtrArray *patches, Box box)
{
    g_autoptr(LkPatch) joined = NULL;
    const LkPatch *alone = NULL;
    guint n = 0;

    lk_piece_clear(piece);
    for (guint i = 0; i < patches->len; i++) {
        const LkPatch *patch = g_ptr_array_index(patches, i);
        if (are_near(box, box_of(patch))) {
            alone = patch;
            n++;
        }
    }
    if (n > 1)
        alone = joined = join_patches(patches, box);
    if (n > 0)
        *piece = lk_piece_of(photo, alone);
}

void lk_pieces_update(GArray *pieces, LkPhoto *photo, GPtrArray *patches, const LkPatch *before,
                      const LkPatch *after)
{
    g_autofree Box *boxes = arrange_boxes(patches);

    for (guint i = 0; i < pieces->len; i++) {
        LkPiece *piece = &g_array_index(pieces, LkPiece, i);
        const Box old = box_of_piece(piece);

        if (memcmp(&old, &boxes[i], sizeof old) != 0 || are_near(boxes[i], box_of(before)) ||
            are_near(boxes[i], box_of(after)))
            remake_piece(piece, photo, patches, boxes[i]);
    }
}

gboolean lk_pieces_replace(GArray *pieces, GPtrArray *patches, guint face, const LkPiece *piece)
{
    LkPiece *before = &g_array_index(pieces, LkPiece, face);
    const Box box = box_of_piece(piece), own = box_of(g_ptr_array_index(patches, face));

    for (guint i = 0; i < patches->len; i++) {
        const Box other = box_of(g_ptr_array_index(patches, i));
        if (i != face && (are_near(box, other) || are_near(own, other)))
            return FALSE;
    }
    lk_piece_clear(before);
    *before = *piece;
    if (piece->photo != NULL)
        lk_photo_ref(piece->photo);
    return TRUE;
}
