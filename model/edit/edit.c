/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "edit.h"

#include <string.h>

struct _LkEdit {
    LkModel *model;
    float *code; /* the photo's, num_ws x w_dim */
};

static gsize code_length(const LkEdit *edit)
{
    const LkConfig *config = lk_model_config(edit->model);

    return (gsize)config->num_ws * config->w_dim;
}

LkEdit *lk_edit_new(LkModel *model)
{
    LkEdit *edit = g_new0(LkEdit, 1);

    edit->model = lk_model_ref(model);
    edit->code = g_new0(float, code_length(edit));
    return edit;
}

void lk_edit_free(LkEdit *edit)
{
    if (edit == NULL)
        return;
    lk_model_unref(edit->model);
    g_free(edit->code);
    g_free(edit);
}

void lk_edit_set_code(LkEdit *edit, const float *w_plus)
{
    memcpy(edit->code, w_plus, code_length(edit) * sizeof(float));
}

float lk_edit_neutral(const LkEdit *edit, guint direction)
{
    return 0;
}

static void add_direction(const LkDirection *direction, guint w_dim, float value, float *w_plus)
{
    const gsize end = (gsize)direction->end_row * w_dim;

    for (gsize i = (gsize)direction->first_row * w_dim; i < end; i++)
        w_plus[i] += value * direction->vector[i];
}

gboolean lk_edit_apply(LkEdit *edit, const float *values, float *w_plus, float *styles, GError **error)
{
    const LkConfig *config = lk_model_config(edit->model);

    memcpy(w_plus, edit->code, code_length(edit) * sizeof(float));
    memset(styles, 0, lk_config_n_styles(config) * sizeof(float));
    for (guint k = 0; k < lk_model_n_directions(edit->model); k++) {
        /* Adding 0 x direction would turn -0 into +0. */
        if (values[k] != lk_edit_neutral(edit, k))
            add_direction(lk_model_direction(edit->model, k), config->w_dim, values[k], w_plus);
    }
    return TRUE;
}
