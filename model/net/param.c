/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "param.h"
#include "model.h"

#include <math.h>
#include <string.h>

#define BN_EPSILON 1e-5

/* Tensors that a parameter is made from, in the order that combine() expects. */
#define MAX_NEEDS 6
typedef struct {
    char *name;
    guint shape[5];
} Need;

typedef struct {
    Need needs[MAX_NEEDS];
    guint n;
} Needs;

static void needs_clear(Needs *needs)
{
    for (guint i = 0; i < needs->n; i++)
        g_free(needs->needs[i].name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Needs, needs_clear)

static void need(Needs *needs, char *name, guint a, guint b, guint c, guint d)
{
    g_assert(needs->n < MAX_NEEDS);
    needs->needs[needs->n++] = (Need){name, {a, b, c, d, 0}};
}

static void need_bn(Needs *needs, const char *prefix, guint n)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        need(needs, g_strconcat(prefix, ".", parts[i], NULL), n, 0, 0, 0);
}

static void find_needs(const LkParam *p, Needs *needs)
{
    guint o = p->also ? p->o / 2 : p->o;

    switch (p->kind) {
    case LK_PARAM_CONV:
    case LK_PARAM_CONV_UP:
    case LK_PARAM_ENERGY:
        need(needs, g_strdup(p->name), o, p->file_i ? p->file_i : p->i, p->k, p->k);
        if (p->also)
            need(needs, g_strdup(p->also), o, p->file_i ? p->file_i : p->i, p->k, p->k);
        if (p->bn)
            need_bn(needs, p->bn, p->o);
        break;
    case LK_PARAM_MATRIX:
        need(needs, g_strdup(p->name), p->o, p->i, p->k, p->k);
        break;
    case LK_PARAM_VECTOR:
        need(needs, g_strdup(p->name), o, 0, 0, 0);
        if (p->also)
            need(needs, g_strdup(p->also), o, 0, 0, 0);
        break;
    case LK_PARAM_BN_SCALE:
    case LK_PARAM_BN_SHIFT:
        need_bn(needs, p->name, p->o);
        break;
    case LK_PARAM_ROW_BIAS:
        need(needs, g_strdup(p->name), p->o, 0, 0, 0);
        break;
    case LK_PARAM_PLANES:
        need(needs, g_strdup(p->name), p->o, p->k, p->k, 0);
        break;
    case LK_PARAM_NOISE:
        need(needs, g_strconcat(p->name, ".noise_const", NULL), p->k, p->k, 0, 0);
        need(needs, g_strconcat(p->name, ".noise_strength", NULL), 0, 0, 0, 0);
        break;
    }
}

/* latent_avg is stored for every row or once for all. */
static void latent_avg_shape(const LkParam *p, const LkWeights *weights, guint shape[3])
{
    const LkWeight *weight = lk_weights_find(weights, "latent_avg");

    shape[0] = p->rows;
    shape[1] = p->o;
    shape[2] = 0;
    if (weight && weight->n_dims == 1) {
        shape[0] = p->o;
        shape[1] = 0;
    }
}

gboolean lk_param_check(const LkParam *param, const LkWeights *weights, GError **error)
{
    g_auto(Needs) needs = {.n = 0};
    guint shape[3];

    find_needs(param, &needs);
    for (guint i = 0; i < needs.n; i++)
        if (!lk_weights_check(weights, needs.needs[i].name, needs.needs[i].shape, error))
            return FALSE;
    if (param->kind != LK_PARAM_ROW_BIAS)
        return TRUE;
    latent_avg_shape(param, weights, shape);
    return lk_weights_check(weights, "latent_avg", shape, error);
}

/* ---- values ---- */

/* tensors: weight, bias, running_mean, running_var. Computed in double: it happens once. */
static void bn_scale_shift(float *const *tensors, guint i, double *scale, double *shift)
{
    *scale = tensors[0][i] / sqrt((double)tensors[3][i] + BN_EPSILON);
    *shift = tensors[1][i] - tensors[2][i] * *scale;
}

/* The input channels used, of one or two tensors. */
static void copy_conv(const LkParam *p, float *const *tensors, float *values)
{
    guint area = p->k * p->k, file_i = p->file_i ? p->file_i : p->i, per_tensor = p->also ? p->o / 2 : p->o;

    for (guint o = 0; o < p->o; o++) {
        const float *from = tensors[o / per_tensor] + (gsize)(o % per_tensor) * file_i * area;
        memcpy(values + (gsize)o * p->i * area, from + (gsize)p->first_i * area,
               (gsize)p->i * area * sizeof *values);
    }
}

static void fold_bn(const LkParam *p, float *const *bn, float *values)
{
    gsize row = (gsize)p->i * p->k * p->k;

    for (guint o = 0; o < p->o; o++) {
        double scale, shift;
        bn_scale_shift(bn, o, &scale, &shift);
        for (gsize j = 0; j < row; j++)
            values[o * row + j] = (float)(values[o * row + j] * scale);
    }
}

static void kernel_energy(const LkParam *p, const float *weights, float *values)
{
    guint area = p->k * p->k;

    for (gsize j = 0; j < (gsize)p->o * p->i; j++) {
        double sum = 0;
        for (guint t = 0; t < area; t++)
            sum += (double)weights[j * area + t] * weights[j * area + t];
        values[j] = (float)sum;
    }
}

static void combine(const LkParam *p, float *const *tensors, gsize n, float *values)
{
    guint per_tensor = p->also ? p->o / 2 : p->o;

    switch (p->kind) {
    case LK_PARAM_CONV:
    case LK_PARAM_CONV_UP:
        copy_conv(p, tensors, values);
        if (p->bn)
            fold_bn(p, tensors + (p->also ? 2 : 1), values);
        break;
    case LK_PARAM_ENERGY:
        kernel_energy(p, tensors[0], values);
        break;
    case LK_PARAM_BN_SCALE:
    case LK_PARAM_BN_SHIFT:
        for (guint j = 0; j < p->o; j++) {
            double scale, shift;
            bn_scale_shift(tensors, j, &scale, &shift);
            values[j] = (float)(p->kind == LK_PARAM_BN_SCALE ? scale : shift);
        }
        break;
    case LK_PARAM_VECTOR:
        for (guint j = 0; j < p->o; j++)
            values[j] = tensors[j / per_tensor][j % per_tensor] * (p->scale != 0 ? p->scale : 1);
        break;
    case LK_PARAM_NOISE:
        for (gsize j = 0; j < n; j++)
            values[j] = tensors[0][j] * tensors[1][0];
        break;
    case LK_PARAM_ROW_BIAS:
        memcpy(values, tensors[0], n * sizeof *values);
        break;
    case LK_PARAM_MATRIX:
    case LK_PARAM_PLANES:
        g_assert_not_reached(); /* is_tensor */
    }
}

static gboolean add_latent_avg(const LkParam *p, const LkWeights *weights, float *values, GError **error)
{
    g_autofree float *latent_avg = NULL;
    guint shape[3];
    gsize first;

    latent_avg_shape(p, weights, shape);
    latent_avg = lk_weights_read(weights, "latent_avg", shape, error);
    if (latent_avg == NULL)
        return FALSE;
    first = shape[1] ? (gsize)p->row * p->o : 0;
    for (guint j = 0; j < p->o; j++)
        values[j] += latent_avg[first + j];
    return TRUE;
}

static gsize n_values(const LkParam *p)
{
    gsize area = (gsize)p->k * p->k;

    switch (p->kind) {
    case LK_PARAM_CONV:
    case LK_PARAM_CONV_UP:
        return (gsize)p->o * p->i * area;
    case LK_PARAM_MATRIX:
    case LK_PARAM_ENERGY:
        return (gsize)p->o * p->i;
    case LK_PARAM_PLANES:
        return p->o * area;
    case LK_PARAM_NOISE:
        return area;
    case LK_PARAM_VECTOR:
    case LK_PARAM_BN_SCALE:
    case LK_PARAM_BN_SHIFT:
    case LK_PARAM_ROW_BIAS:
        break;
    }
    return p->o;
}

/* Whether the values are those of one tensor as it is. */
static gboolean is_tensor(const LkParam *p)
{
    if (p->kind == LK_PARAM_CONV || p->kind == LK_PARAM_CONV_UP)
        return p->also == NULL && p->bn == NULL && (p->file_i == 0 || p->file_i == p->i);
    return p->kind == LK_PARAM_MATRIX || p->kind == LK_PARAM_PLANES;
}

float *lk_param_read(const LkParam *param, const LkWeights *weights, gsize *n, GError **error)
{
    g_auto(Needs) needs = {.n = 0};
    float *tensors[MAX_NEEDS] = {NULL};
    g_autofree float *values = NULL;
    gboolean good = TRUE;

    *n = n_values(param);
    find_needs(param, &needs);
    for (guint i = 0; i < needs.n && good; i++) {
        tensors[i] = lk_weights_read(weights, needs.needs[i].name, needs.needs[i].shape, error);
        good = tensors[i] != NULL;
    }
    if (good && is_tensor(param)) {
        values = g_steal_pointer(&tensors[0]);
    } else if (good) {
        values = g_new(float, *n);
        combine(param, tensors, *n, values);
        if (param->kind == LK_PARAM_ROW_BIAS)
            good = add_latent_avg(param, weights, values, error);
        for (gsize j = 0; j < *n && good; j++) {
            if (!isfinite(values[j])) {
                g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR,
                            "the tensor %s gives values that are not finite", needs.needs[0].name);
                good = FALSE;
            }
        }
    }
    for (guint i = 0; i < needs.n; i++)
        g_free(tensors[i]);
    return good ? g_steal_pointer(&values) : NULL;
}

char *lk_param_key(const LkParam *p)
{
    return g_strdup_printf("%d|%s|%s|%s|%u,%u,%u|%u,%u|%u,%u|%.9g", (int)p->kind, p->name,
                           p->also ? p->also : "", p->bn ? p->bn : "", p->o, p->i, p->k, p->first_i,
                           p->file_i, p->row, p->rows, (double)p->scale);
}
