/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "edit.h"

#include "kinds.h"

#include <math.h>
#include <string.h>

struct _LkEdit {
    LkModel *model;
    float *code;                /* the photo's, num_ws x w_dim */
    double *coordinates;        /* one per direction: GANSPACE the photo's, else 0 */
    float **mapped;             /* one per direction: MAPPER m(code) once it was needed, else NULL */
    LkClassifiers *classifiers; /* NULL until they were needed */
    double *w_change, *style_change, *row_change;
};

static guint n_directions(const LkEdit *edit)
{
    return lk_model_n_directions(edit->model);
}

static gsize code_length(const LkEdit *edit)
{
    const LkConfig *config = lk_model_config(edit->model);

    return (gsize)config->num_ws * config->w_dim;
}

static void forget_mapped(LkEdit *edit)
{
    for (guint k = 0; k < n_directions(edit); k++)
        g_clear_pointer(&edit->mapped[k], g_free);
}

/* ---- the photo ---- */

/* ((w - mean) . component) / std; 0 where a nonsensical model leads beyond all numbers. */
static double ganspace_coordinate(const LkDirection *direction, const float *w, guint w_dim)
{
    double sum = 0, coordinate;

    for (guint i = 0; i < w_dim; i++)
        sum += (double)w[i] * (double)direction->vector[i];
    coordinate = (sum - direction->centre) / (double)direction->std;
    return isfinite((float)coordinate) ? coordinate : 0;
}

static void find_coordinates(LkEdit *edit)
{
    const guint w_dim = lk_model_config(edit->model)->w_dim;

    for (guint k = 0; k < n_directions(edit); k++) {
        const LkDirection *direction = lk_model_direction(edit->model, k);
        if (direction->kind == LK_DIRECTION_GANSPACE)
            edit->coordinates[k] = ganspace_coordinate(direction, edit->code, w_dim);
    }
}

LkEdit *lk_edit_new(LkModel *model)
{
    const LkConfig *config = lk_model_config(model);
    LkEdit *edit = g_new0(LkEdit, 1);

    edit->model = lk_model_ref(model);
    edit->code = g_new0(float, code_length(edit));
    edit->coordinates = g_new0(double, n_directions(edit) + 1);
    edit->mapped = g_new0(float *, n_directions(edit) + 1);
    edit->w_change = g_new(double, code_length(edit));
    edit->style_change = g_new(double, lk_config_n_styles(config));
    edit->row_change = g_new(double, config->w_dim);
    find_coordinates(edit);
    return edit;
}

void lk_edit_free(LkEdit *edit)
{
    if (edit == NULL)
        return;
    forget_mapped(edit);
    lk_model_unref(edit->model);
    lk_classifiers_free(edit->classifiers);
    g_free(edit->code);
    g_free(edit->coordinates);
    g_free(edit->mapped);
    g_free(edit->w_change);
    g_free(edit->style_change);
    g_free(edit->row_change);
    g_free(edit);
}

void lk_edit_set_code(LkEdit *edit, const float *w_plus)
{
    memcpy(edit->code, w_plus, code_length(edit) * sizeof(float));
    forget_mapped(edit);
    find_coordinates(edit);
}

float lk_edit_neutral(const LkEdit *edit, guint direction)
{
    return (float)edit->coordinates[direction];
}

/* ---- changes ---- */

/* Adds scale x change to rows of the code; change has one row for all of them, or (stride w_dim) all rows of the code. */
static void add_rows(LkEdit *edit, const LkDirection *direction, double scale, const float *change,
                     guint stride)
{
    const guint w_dim = lk_model_config(edit->model)->w_dim;

    for (guint row = direction->first_row; row < direction->end_row; row++)
        for (guint i = 0; i < w_dim; i++)
            edit->w_change[(gsize)row * w_dim + i] += scale * (double)change[(gsize)row * stride + i];
}

static gboolean add_mapper(LkEdit *edit, guint k, double value, GError **error)
{
    const LkDirection *direction = lk_model_direction(edit->model, k);

    if (edit->mapped[k] == NULL) {
        g_autofree float *mapped = g_new(float, code_length(edit));
        if (!lk_mapper_run(edit->model, direction, edit->code, mapped, error))
            return FALSE;
        edit->mapped[k] = g_steal_pointer(&mapped);
    }
    add_rows(edit, direction, value, edit->mapped[k], lk_model_config(edit->model)->w_dim);
    return TRUE;
}

static gboolean add_gradctrl(LkEdit *edit, const LkDirection *direction, double value, GError **error)
{
    const guint w_dim = lk_model_config(edit->model)->w_dim;

    if (edit->classifiers == NULL)
        edit->classifiers = lk_classifiers_new(edit->model, error);
    if (edit->classifiers == NULL)
        return FALSE;
    lk_classifiers_follow(edit->classifiers, direction, value, edit->code, edit->row_change);
    for (guint row = direction->first_row; row < direction->end_row; row++)
        for (guint i = 0; i < w_dim; i++)
            edit->w_change[(gsize)row * w_dim + i] += edit->row_change[i];
    return TRUE;
}

static void add_stylespace(LkEdit *edit, const LkDirection *direction, double value)
{
    const guint n = lk_config_n_styles(lk_model_config(edit->model));

    for (guint i = 0; i < n; i++)
        edit->style_change[i] += value * (double)direction->vector[i];
}

static gboolean add_direction(LkEdit *edit, guint k, double value, GError **error)
{
    const LkDirection *direction = lk_model_direction(edit->model, k);

    switch (direction->kind) {
    case LK_DIRECTION_INTERFACEGAN:
        add_rows(edit, direction, value, direction->vector, lk_model_config(edit->model)->w_dim);
        return TRUE;
    case LK_DIRECTION_GANSPACE:
        add_rows(edit, direction, (value - edit->coordinates[k]) * (double)direction->std, direction->vector,
                 0);
        return TRUE;
    case LK_DIRECTION_MAPPER:
        return add_mapper(edit, k, value, error);
    case LK_DIRECTION_GRADCTRL:
        return add_gradctrl(edit, direction, value, error);
    case LK_DIRECTION_STYLESPACE:
        add_stylespace(edit, direction, value);
        return TRUE;
    }
    g_assert_not_reached();
}

/* ---- the edited code ---- */

/* Gives the change to numbers that are to be finite. Adding a change of 0 would turn -0 into +0. */
static gboolean finish(const double *change, const float *before, gsize n, float *after)
{
    gboolean finite = TRUE;

    for (gsize i = 0; i < n; i++) {
        after[i] = change[i] == 0 ? before[i] : (float)((double)before[i] + change[i]);
        finite &= isfinite(after[i]) != 0;
    }
    return finite;
}

static gboolean add_all(LkEdit *edit, const float *values, GError **error)
{
    for (guint k = 0; k < n_directions(edit); k++) {
        if (values[k] == lk_edit_neutral(edit, k))
            continue;
        if (!add_direction(edit, k, (double)values[k], error)) {
            g_prefix_error(error, "%s: directions: %s: ", lk_model_path(edit->model),
                           lk_model_direction(edit->model, k)->name);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean lk_edit_apply(LkEdit *edit, const float *values, float *w_plus, float *styles, GError **error)
{
    const gsize n = code_length(edit), n_styles = lk_config_n_styles(lk_model_config(edit->model));

    memset(edit->w_change, 0, n * sizeof(double));
    memset(edit->style_change, 0, n_styles * sizeof(double));
    if (!add_all(edit, values, error))
        return FALSE;
    memset(styles, 0, n_styles * sizeof(float));
    if (finish(edit->w_change, edit->code, n, w_plus) && finish(edit->style_change, styles, n_styles, styles))
        return TRUE;
    g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR,
                "%s: the sliders' directions lead to numbers that are not finite",
                lk_model_path(edit->model));
    return FALSE;
}
