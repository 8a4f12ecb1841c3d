/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * edit.h - from slider values to an edited code.
 *
 * Every direction gives a change of its own, computed from the photo's unedited code, and the changes are added:
 *
 *     w+' = w+ + sum over k of delta_k(w+, value_k)         s' = s(w+') + sum over k of value_k x delta s_k
 *
 * so that the order of sliders does not matter and each one's work is done once per photo where it can be. One thread.
 *
 * delta_k, by kind of direction (sources in model.h):
 *   INTERFACEGAN  value x vector, on its rows
 *   GANSPACE      (value - c) x component x std on its rows, c = ((w+[0] - mean) . component) / std: value is a target
 *                 coordinate, not an increment; the slider changes nothing at value = c
 *   MAPPER        value x m(w+), m being three small networks for the rows 0-3, 4-7 and the rest
 *   GRADCTRL      value = number of gradient steps (a fraction is a shorter last step; below 0: away from the attribute)
 *   STYLESPACE    value x delta s, added to the outputs of the affine layers
 */
#pragma once

#include "model.h"

G_BEGIN_DECLS

typedef struct _LkEdit LkEdit;

LkEdit *lk_edit_new(LkModel *model); /* keeps a reference */
void lk_edit_free(LkEdit *edit);     /* NULL is fine */

/* The photo's code, num_ws x w_dim; copied. Before the first: all zero. */
void lk_edit_set_code(LkEdit *edit, const float *w_plus);

/* The value at which a direction changes nothing: 0, but for GANSPACE the photo's own coordinate. */
float lk_edit_neutral(const LkEdit *edit, guint direction);

/* The edited code: w_plus receives num_ws x w_dim floats, styles lk_config_n_styles() (what is added to the affine layers'
 * outputs; mostly zeros). values: one per direction; where it is the neutral one, every bit stays. An error (the model file
 * has a damaged direction): LK_MODEL_ERROR. */
gboolean lk_edit_apply(LkEdit *edit, const float *values, float *w_plus, float *styles, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkEdit, lk_edit_free)

G_END_DECLS
