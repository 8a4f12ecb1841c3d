/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * section.h - a group of sliders under a heading that folds them away and says how many of them are changed.
 */
#pragma once

#include "slider.h"

G_BEGIN_DECLS

#define LK_TYPE_SECTION (lk_section_get_type())
G_DECLARE_FINAL_TYPE(LkSection, lk_section, LK, SECTION, GtkBox)

/* Signal "toggled" (gboolean expanded): the person unfolded or folded it. */
GtkWidget *lk_section_new(const char *heading);

void lk_section_add(LkSection *section, LkSlider *slider);
void lk_section_set_expanded(LkSection *section, gboolean expanded);

/* Shows only the sliders with all the words (lk_slider_matches), unfolded, or no section where there are none; NULL ends the
 * search. Returns the first slider that is shown, or NULL. */
LkSlider *lk_section_search(LkSection *section, const char *const *words);

G_END_DECLS
