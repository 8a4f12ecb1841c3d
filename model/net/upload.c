/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "upload.h"
#include "f16.h"

static gboolean is_convolution(const LkParam *param)
{
    return param->kind == LK_PARAM_CONV || param->kind == LK_PARAM_CONV_UP;
}

static LkOpKind convolution_op(const LkParam *param)
{
    return param->kind == LK_PARAM_CONV_UP ? LK_OP_CONV_UP : LK_OP_CONV;
}

static gsize value_size(const LkGpu *gpu, const LkGraphValue *value)
{
    const LkParam *p = &value->param;

    if (value->kind == LK_VALUE_PARAM && is_convolution(p))
        return lk_gpu_weights_size(gpu, convolution_op(p), p->o, p->i, p->k, value->type);
    if (value->kind == LK_VALUE_SCRATCH) /* its shape is the output's, the engine asks for the input's */
        return MAX(lk_gpu_scratch_size(gpu, value->c, value->h / 2, value->w / 2, value->type),
                   LK_ARENA_ALIGN);
    return (gsize)value->c * value->h * value->w * lk_type_size(value->type);
}

gsize *lk_value_sizes(const LkGpu *gpu, const LkGraph *graph)
{
    guint n = lk_graph_n_values(graph);
    gsize *sizes = g_new0(gsize, n);

    for (LkValue value = 1; value <= n; value++) {
        const LkGraphValue *v = lk_graph_value(graph, value);
        if (v->root == value)
            sizes[value - 1] = value_size(gpu, v);
    }
    return sizes;
}

static void pack_halves(const float *values, gsize n, guint16 *halves)
{
    for (gsize i = 0; i < n; i++)
        halves[i] = lk_f16_from_float(values[i]);
}

gboolean lk_upload_param(LkGpu *gpu, const LkGraphValue *value, const LkWeights *weights, LkArena *arena,
                         gsize offset, GError **error)
{
    const LkParam *p = &value->param;
    gsize n, size = value_size(gpu, value);
    g_autofree float *values = lk_param_read(p, weights, &n, error);
    g_autofree guint8 *bytes = NULL;
    gsize written = (size + 3) / 4 * 4; /* arenas are written in words */

    if (values == NULL)
        return FALSE;
    if (value->type == LK_F32 && !is_convolution(p))
        return lk_arena_write(arena, offset, values, size, error);
    bytes = g_malloc(written);
    memset(bytes + size, 0, written - size);
    if (is_convolution(p))
        lk_gpu_weights_pack(gpu, convolution_op(p), p->o, p->i, p->k, value->type, values, bytes);
    else
        pack_halves(values, n, (guint16 *)(gpointer)bytes);
    return lk_arena_write(arena, offset, bytes, written, error);
}
