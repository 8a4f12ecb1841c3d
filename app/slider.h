/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * slider.h - one editing direction: its name, value, scale with the safe range and the photo's neutral value marked, and
 * a button back to that one.
 */
#pragma once

#include "model.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define LK_TYPE_SLIDER (lk_slider_get_type())
G_DECLARE_FINAL_TYPE(LkSlider, lk_slider, LK, SLIDER, GtkBox)

/* Signal "changed" (double value, gboolean reset): the person moved it, or pressed its reset button; not emitted by the
 * functions below. Property "modified" (boolean, read-only, notify): the value is not the neutral one. */
GtkWidget *lk_slider_new(const LkDirection *direction);

/* A value may be out of the slider's range: the handle is at the end then, and the value stays until the person moves it. */
void lk_slider_set_value(LkSlider *slider, double value);
double lk_slider_get_value(LkSlider *slider);

/* Where the slider changes nothing; 0 at first. Does not change the value. */
void lk_slider_set_neutral(LkSlider *slider, double neutral);
gboolean lk_slider_get_modified(LkSlider *slider);

/* Whether all words are in the slider's name, as it is shown or as it is in English, or in its group's heading. Words:
 * folded (g_utf8_casefold). */
gboolean lk_slider_matches(LkSlider *slider, const char *const *words);

/* The scale itself, which takes pointer and keys; owned by the slider. */
GtkWidget *lk_slider_get_scale(LkSlider *slider);

G_END_DECLS
