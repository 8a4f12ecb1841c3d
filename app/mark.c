/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mark.h"

#include <math.h>

#define FACE 0.6 /* of the square */

double lk_mark_size(const LkQuad *quad, double scale)
{
    return FACE * hypot(quad->x[0], quad->x[1]) * scale;
}

void lk_mark_draw(GtkSnapshot *snapshot, const LkQuad *quad, const graphene_point_t *place, double scale,
                  gboolean strong)
{
    const float width = strong ? 3 : 1.5f, strength = strong ? 1 : 0.75f;
    const GdkRGBA light = {1, 1, 1, strength}, dark = {0, 0, 0, 0.35f * strength};
    const float size = (float)lk_mark_size(quad, scale);
    GskRoundedRect outer, inner;

    gsk_rounded_rect_init_from_rect(&outer, &GRAPHENE_RECT_INIT(-size, -size, 2 * size, 2 * size), size / 4);
    inner = outer;
    gsk_rounded_rect_shrink(&inner, 1, 1, 1, 1);
    gtk_snapshot_save(snapshot);
    gtk_snapshot_translate(snapshot, place);
    gtk_snapshot_rotate(snapshot, (float)(atan2(quad->x[1], quad->x[0]) * 180 / G_PI));
    gtk_snapshot_append_border(snapshot, &outer, (float[]){width + 2, width + 2, width + 2, width + 2},
                               (GdkRGBA[]){dark, dark, dark, dark});
    gtk_snapshot_append_border(snapshot, &inner, (float[]){width, width, width, width},
                               (GdkRGBA[]){light, light, light, light});
    gtk_snapshot_restore(snapshot);
}
