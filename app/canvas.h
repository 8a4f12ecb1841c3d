/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * canvas.h - the widget that shows the picture: fitted or zoomed, at the screen's own pixels, and in its
 * place the original for as long as one compares.
 *
 * Drag pans, the wheel and pinching zoom at the pointer, a double click goes between fitted and 1:1, arrow
 * keys pan.
 */
#pragma once

#include "photo.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define LK_TYPE_CANVAS (lk_canvas_get_type())
G_DECLARE_FINAL_TYPE(LkCanvas, lk_canvas, LK, CANVAS, GtkWidget)

GtkWidget *lk_canvas_new(void);

/* Keep a reference; NULL: nothing. A photo of another size than the one before is shown fitted. A piece is what takes the
 * photo's place at (x, y); another photo takes it away. */
void lk_canvas_set_photo(LkCanvas *canvas, LkPhoto *photo);
void lk_canvas_set_piece(LkCanvas *canvas, LkPhoto *piece, guint x, guint y);

/* Whether the photo is shown without the piece. */
void lk_canvas_set_comparing(LkCanvas *canvas, gboolean comparing);
gboolean lk_canvas_get_comparing(LkCanvas *canvas);

void lk_canvas_zoom_to_fit(LkCanvas *canvas);
void lk_canvas_zoom_to_pixels(LkCanvas *canvas);         /* 1:1 */
void lk_canvas_zoom_by(LkCanvas *canvas, double factor); /* around the middle */

/* Where the photo is, in the widget's coordinates; FALSE if there is none. */
gboolean lk_canvas_get_picture_bounds(LkCanvas *canvas, graphene_rect_t *bounds);

G_END_DECLS
