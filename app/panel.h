/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * panel.h - the side panel: a slider for each of a model's directions, in groups that fold, with a search where there are
 * many; the choice of the inversion, how much of the photo's detail is kept, and a button that resets all sliders.
 */
#pragma once

#include "slider.h"

G_BEGIN_DECLS

#define LK_TYPE_PANEL (lk_panel_get_type())
G_DECLARE_FINAL_TYPE(LkPanel, lk_panel, LK, PANEL, GtkBox)

/* Signals "changed" (guint direction, double value, gboolean reset): the person moved or reset a slider; "detail-changed"
 * (double detail, 0 to 1): the person moved that one. */
GtkWidget *lk_panel_new(void);

/* Sliders of this model instead of those before, all at 0. Groups are folded as the person left them; at first only the
 * first one is unfolded. */
void lk_panel_set_model(LkPanel *panel, LkModel *model);

/* By index of the model's directions. */
void lk_panel_set_value(LkPanel *panel, guint direction, double value);
void lk_panel_set_neutral(LkPanel *panel, guint direction, double neutral);
LkSlider *lk_panel_get_slider(LkPanel *panel,
                              guint direction); /* owned by the panel; NULL if there is none */

/* How much of the photo's own detail stays, 0 to 1, and the widget that takes pointer and keys for it, owned by the panel. */
void lk_panel_set_detail(LkPanel *panel, double detail);
GtkWidget *lk_panel_get_detail_scale(LkPanel *panel);

/* Whether there are enough sliders for a search, and beginning one. */
gboolean lk_panel_can_search(LkPanel *panel);
void lk_panel_search(LkPanel *panel);

G_END_DECLS
