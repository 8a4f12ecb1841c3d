/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "kinds.h"

#include <math.h>
#include <string.h>

enum { MAX_ROWS = LK_MAX_WS };

static const double LEARNING_RATE = 0.01, SLOPE = 0.2;

/* The rows of w+ that a level changes. */
static const struct {
    guint first, end;
} level_rows[LK_N_LEVELS] = {{0, 4}, {4, 8}, {8, LK_MAX_WS}};

/* Each channel is divided by its root mean square over the *rows*: the released mappers were trained so. */
static void normalize(double *x, guint w_dim, guint n_rows)
{
    for (guint i = 0; i < w_dim; i++) {
        double *channel = x + (gsize)i * n_rows, squares = 0;
        for (guint row = 0; row < n_rows; row++)
            squares += channel[row] * channel[row];
        for (guint row = 0; row < n_rows; row++)
            channel[row] /= sqrt(squares / n_rows + 1e-8);
    }
}

/* y = sqrt 2 lrelu(W gain x + learning rate b). x and y: w_dim x n_rows, so that one weight meets all rows at once. */
static void run_layer(const float *weight, const float *bias, guint w_dim, guint n_rows, const double *x,
                      double *y)
{
    const double gain = LEARNING_RATE / sqrt(w_dim);

    for (guint o = 0; o < w_dim; o++) {
        double sums[MAX_ROWS] = {0};
        for (guint i = 0; i < w_dim; i++) {
            const double w = weight[(gsize)o * w_dim + i];
            for (guint row = 0; row < n_rows; row++)
                sums[row] += w * x[(gsize)i * n_rows + row];
        }
        for (guint row = 0; row < n_rows; row++) {
            const double value = sums[row] * gain + (double)bias[o] * LEARNING_RATE;
            y[(gsize)o * n_rows + row] = (value < 0 ? SLOPE * value : value) * G_SQRT2;
        }
    }
}

static float *read_tensor(const LkModel *model, const LkDirection *direction, guint level, guint layer,
                          const char *what, GError **error)
{
    g_autofree char *name = lk_mapper_tensor(direction->name, level, layer, what);
    guint64 shape[4];
    guint n_dims;

    return lk_model_read(model, name, shape, &n_dims, error);
}

/* x: w_dim x n_rows, in and out. */
static gboolean run_level(const LkModel *model, const LkDirection *direction, guint level, guint n_rows,
                          double *x, GError **error)
{
    const guint w_dim = lk_model_config(model)->w_dim;
    g_autofree double *y = g_new(double, (gsize)w_dim *n_rows);

    normalize(x, w_dim, n_rows);
    for (guint layer = 0; layer < LK_MAPPER_LAYERS; layer++) {
        g_autofree float *weight = read_tensor(model, direction, level, layer, "weight", error);
        g_autofree float *bias = weight ? read_tensor(model, direction, level, layer, "bias", error) : NULL;
        if (bias == NULL)
            return FALSE;
        run_layer(weight, bias, w_dim, n_rows, x, y);
        memcpy(x, y, (gsize)w_dim * n_rows * sizeof *x);
    }
    return TRUE;
}

gboolean lk_mapper_run(const LkModel *model, const LkDirection *direction, const float *w_plus, float *change,
                       GError **error)
{
    const LkConfig *config = lk_model_config(model);
    const guint w_dim = config->w_dim;

    memset(change, 0, (gsize)config->num_ws * w_dim * sizeof *change);
    for (guint level = 0; level < LK_N_LEVELS; level++) {
        const guint first = level_rows[level].first, end = MIN(level_rows[level].end, config->num_ws);
        if (!direction->levels[level] || first >= end)
            continue;
        const guint n_rows = end - first;
        g_autofree double *x = g_new(double, (gsize)w_dim *n_rows);
        for (gsize i = 0; i < (gsize)n_rows * w_dim; i++)
            x[i % w_dim * n_rows + i / w_dim] = w_plus[(gsize)first * w_dim + i];
        if (!run_level(model, direction, level, n_rows, x, error))
            return FALSE;
        for (gsize i = 0; i < (gsize)n_rows * w_dim; i++)
            change[(gsize)first * w_dim + i] = (float)x[i % w_dim * n_rows + i / w_dim];
    }
    return TRUE;
}
