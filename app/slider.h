/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * slider.h - one editing direction: its name, value, scale with the safe range marked, and a button back to
 * 0.
 */
#pragma once

#include "model.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define LK_TYPE_SLIDER (lk_slider_get_type())
G_DECLARE_FINAL_TYPE(LkSlider, lk_slider, LK, SLIDER, GtkBox)

/* Signal "changed" (double value, gboolean reset): the person moved it, or pressed its reset button; not emitted by
 * lk_slider_set_value. */
GtkWidget *lk_slider_new(const LkDirection *direction);

void lk_slider_set_value(LkSlider *slider, double value);
double lk_slider_get_value(LkSlider *slider);

/* The scale itself, which takes pointer and keys; owned by the slider. */
GtkWidget *lk_slider_get_scale(LkSlider *slider);

G_END_DECLS
