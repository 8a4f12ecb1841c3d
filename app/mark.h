/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mark.h - the frame around a face, from brow to chin.
 */
#pragma once

#include "align.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Half of the frame's side. scale: of the widget's logical pixels to the photo's. */
double lk_mark_size(const LkQuad *quad, double scale);

/* Light within dark, to be seen on any photo. place: of the quad's centre, logical pixels; strong: the chosen one. */
void lk_mark_draw(GtkSnapshot *snapshot, const LkQuad *quad, const graphene_point_t *place, double scale,
                  gboolean strong);

G_END_DECLS
