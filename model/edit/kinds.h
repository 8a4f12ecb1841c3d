/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * kinds.h - what the kinds of directions that take more than a line compute; edit.c uses them. Values are stored in
 * float32 and summed in double. One thread.
 */
#pragma once

#include "model.h"

G_BEGIN_DECLS

/* m(w+) of a StyleCLIP mapper (arXiv 2103.17249): change receives num_ws x w_dim floats. The model's weights are read for
 * it and let go; a model of the released size takes milliseconds. */
gboolean lk_mapper_run(const LkModel *model, const LkDirection *direction, const float *w_plus, float *change,
                       GError **error);

/* The classifiers of a model's GRADCTRL directions (arXiv 2207.10309). */
typedef struct _LkClassifiers LkClassifiers;

LkClassifiers *lk_classifiers_new(const LkModel *model, GError **error);
void lk_classifiers_free(LkClassifiers *classifiers); /* NULL is fine */

/* What |n_steps| steps add to a row w (w_dim floats) of the code: change receives w_dim numbers. */
void lk_classifiers_follow(const LkClassifiers *classifiers, const LkDirection *direction, double n_steps,
                           const float *w, double *change);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkClassifiers, lk_classifiers_free)

G_END_DECLS
