/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * labels.h - names of sliders, of their groups and of models in the person's language. Model files carry identifiers and
 * English labels; what is not known here is shown as it is written there.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Valid as long as the arguments. */
const char *lk_label_of_direction(const char *label);
const char *lk_label_of_group(const char *group);

/* By a model's path: the file's name without its ending, or that it is the built-in one. Free with g_free. */
char *lk_label_of_model(const char *path);

G_END_DECLS
