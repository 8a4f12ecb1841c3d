/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * tile.h - a rectangle of a photo as a texture of exactly as many pixels as the screen shows it with, or the part of such a
 * texture that is another one where a piece of the photo is exchanged.
 * Resampled outside the main thread, so that neither a large photo's scaling nor its upload ever holds a
 * frame.
 */
#pragma once

#include "pieces.h"
#include "view.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define LK_TYPE_TILE (lk_tile_get_type())
G_DECLARE_FINAL_TYPE(LkTile, lk_tile, LK, TILE, GObject)

/* Signal "changed": another texture is shown. */
LkTile *lk_tile_new(void);

/* Asks for the photo's area (photo pixels) as width x height texture pixels. The texture shown before stays
 * until the new one is there; of several requests only the newest is made next. Main thread; the same request
 * again is free. */
void lk_tile_request(LkTile *tile, LkPhoto *photo, LkRect area, int width, int height);

/* The same where piece, which is none of no photo, is in the photo: only the pixels that differ by it are made. Over a tile of
 * the photo alone they show what a tile of the whole picture would, to the last bit, unless the piece is coarse; the photo
 * itself may be of any size. */
void lk_tile_request_piece(LkTile *tile, LkPhoto *photo, const LkPiece *piece, LkRect area, int width,
                           int height);

/* Shows nothing, and drops what is still under way. */
void lk_tile_clear(LkTile *tile);

/* Draws the tile at its place in a photo that covers bounds. */
void lk_tile_snapshot(LkTile *tile, GtkSnapshot *snapshot, const graphene_rect_t *bounds);

G_END_DECLS
