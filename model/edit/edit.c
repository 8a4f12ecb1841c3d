/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "editor.h"

#include <string.h>

static void add_direction(const LkDirection *direction, guint w_dim, float value, float *w_plus)
{
    const gsize end = (gsize)direction->end_row * w_dim;

    for (gsize i = (gsize)direction->first_row * w_dim; i < end; i++)
        w_plus[i] += value * direction->vector[i];
}

void lk_edit_apply(const LkModel *model, const float *w_plus, const float *values, float *edited)
{
    const LkConfig *config = lk_model_config(model);

    memmove(edited, w_plus, sizeof(float) * config->num_ws * config->w_dim);
    for (guint k = 0; k < lk_model_n_directions(model); k++) {
        /* Adding 0 x direction would turn -0 into +0. */
        if (values[k] != 0)
            add_direction(lk_model_direction(model, k), config->w_dim, values[k], edited);
    }
}
