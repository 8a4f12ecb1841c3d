/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * labels.h - names of sliders and of their groups in the person's language. Model files carry identifiers and English
 * labels; what is not known here is shown as it is written there.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Valid as long as the arguments. */
const char *lk_label_of_direction(const char *label);
const char *lk_label_of_group(const char *group);

G_END_DECLS
