/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * canvas.h - the widget that shows the picture: fitted or zoomed, at the screen's own pixels, and in its
 * place the original for as long as one compares.
 *
 * Drag pans, the wheel and pinching zoom at the pointer, a double click goes between fitted and 1:1, arrow
 * keys pan. Where a photo has several faces their places are marked while the pointer is over it, and until one was chosen or
 * edited; a click on one asks for it.
 */
#pragma once

#include "align.h"
#include "pieces.h"
#include "points.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define LK_TYPE_CANVAS (lk_canvas_get_type())
G_DECLARE_FINAL_TYPE(LkCanvas, lk_canvas, LK, CANVAS, GtkWidget)

/* Signal "face-clicked" (guint face): on one that is not the chosen one. */
GtkWidget *lk_canvas_new(void);

/* Keep a reference; NULL: nothing. A photo of another size than the one before is shown fitted. Pieces, which
 * lie apart from each other, are shown in the photo's place; another photo takes them away. */
void lk_canvas_set_photo(LkCanvas *canvas, LkPhoto *photo);
void lk_canvas_set_piece(LkCanvas *canvas, guint index, const LkPiece *piece);

/* Where the photo's faces are (copied), and which of them is chosen; another photo has none. */
void lk_canvas_set_faces(LkCanvas *canvas, const LkQuad *quads, guint n, guint chosen);

/* Has a face placed by hand: a click places the next point, and marks of faces are out of the way. The points are the canvas's,
 * until placing stops. */
LkPoints *lk_canvas_start_placing(LkCanvas *canvas);
void lk_canvas_stop_placing(LkCanvas *canvas);

/* Whether the photo is shown without the pieces. */
void lk_canvas_set_comparing(LkCanvas *canvas, gboolean comparing);
gboolean lk_canvas_get_comparing(LkCanvas *canvas);

void lk_canvas_zoom_to_fit(LkCanvas *canvas);
void lk_canvas_zoom_to_pixels(LkCanvas *canvas);         /* 1:1 */
void lk_canvas_zoom_by(LkCanvas *canvas, double factor); /* around the middle */

/* Where the photo is, in the widget's coordinates; FALSE if there is none. */
gboolean lk_canvas_get_picture_bounds(LkCanvas *canvas, graphene_rect_t *bounds);

/* The middle of a face, in the widget's coordinates; FALSE if there is none of this index. */
gboolean lk_canvas_get_face_place(LkCanvas *canvas, guint face, graphene_point_t *place);

G_END_DECLS
