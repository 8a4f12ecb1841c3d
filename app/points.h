/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * points.h - eyes and mouth placed by hand: a layer over the photo with a handle for each point. Handles are dragged, or moved
 * by the arrow keys when they have the focus (a pixel of the screen, with Shift ten); what is not on a handle is left to the
 * widget below.
 */
#pragma once

#include "align.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

enum { LK_N_POINTS = 4 }; /* two eyes, two corners of the mouth, in this order */

#define LK_TYPE_POINTS (lk_points_get_type())
G_DECLARE_FINAL_TYPE(LkPoints, lk_points, LK, POINTS, GtkWidget)

/* Signals: "changed" (): a point was placed or moved; "confirmed" (): Enter. */
GtkWidget *lk_points_new(void);

/* Where the photo is, in the widget's logical pixels, and its size in its own. */
void lk_points_set_view(LkPoints *points, const graphene_rect_t *bounds, guint photo_width,
                        guint photo_height);

guint lk_points_get_n_placed(LkPoints *points);
/* The next one that is not placed yet, at the widget's (x, y), brought into the photo. Its handle gets the focus. */
void lk_points_place(LkPoints *points, double x, double y);
/* All of them, like a face in the middle of what is in sight of the photo. The first handle gets the focus. */
void lk_points_place_all(LkPoints *points);

/* Their places, photo pixels: read, once all are placed; and put back, after which all are. */
void lk_points_get_places(LkPoints *points, double places[LK_N_POINTS][2]);
void lk_points_set_places(LkPoints *points, const double places[LK_N_POINTS][2]);

/* The face's square; FALSE where points are missing or are no face's (lk_quad_from_points). */
gboolean lk_points_get_quad(LkPoints *points, LkQuad *quad);

G_END_DECLS
