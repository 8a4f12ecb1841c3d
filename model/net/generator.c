/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * generator.c - G: StyleGAN2's synthesis network (arXiv 1912.04958), skip architecture.
 *
 * A modulated convolution is computed as (styles * x) convolved with the fixed weights, times the demodulation per output
 * channel: d[o] = 1 / sqrt(sum_i styles[i]^2 * energy[o,i] + 1e-8), energy being the kernels' sums of squares.
 */
#include "network.h"

#include <math.h>

#define ACTIVATION_CLAMP 256.0f

static guint resolution_of(guint block)
{
    return 4u << block;
}

static const char *layer_name(LkBuilder *builder, guint block, const char *layer)
{
    return lk_graph_text(builder->graph, "generator.synthesis.b%u.%s", resolution_of(block), layer);
}

/* styles = ((A / sqrt(w_dim)) w + bias) * scale */
static LkValue styles(LkBuilder *builder, const char *layer, LkValue row, guint n, double scale)
{
    LkGraph *graph = builder->graph;
    guint w_dim = builder->config->w_dim;
    LkGraphOp op = {.kind = LK_OP_LINEAR, .x = row, .gain = (float)(scale / sqrt(w_dim))};

    op.weight = lk_build_matrix(builder, lk_graph_text(graph, "%s.affine.weight", layer), n, w_dim, FALSE);
    op.bias = lk_build_vector(builder, lk_graph_text(graph, "%s.affine.bias", layer), n, (float)scale);
    return lk_graph_add(graph, &op);
}

static LkValue demodulation(LkBuilder *builder, const char *weight, LkValue style, guint out, guint in)
{
    LkParam energy = {.kind = LK_PARAM_ENERGY, .name = weight, .o = out, .i = in, .k = 3};
    LkGraphOp op = {.kind = LK_OP_LINEAR, .x = style, .square = TRUE, .act = LK_ACT_RSQRT};

    op.weight = lk_graph_param(builder->graph, &energy);
    return lk_graph_add(builder->graph, &op);
}

static LkValue synthesis_conv(LkBuilder *builder, guint block, gboolean up, LkValue x, LkValue row, LkValue y)
{
    LkGraph *graph = builder->graph;
    const LkConfig *config = builder->config;
    const char *layer = layer_name(builder, block, up ? "conv0" : "conv1");
    const char *weight = lk_graph_text(graph, "%s.weight", layer);
    guint out = config->channels[block], in = up ? config->channels[block - 1] : out;
    LkParam kernels = {
        .kind = up ? LK_PARAM_CONV_UP : LK_PARAM_CONV, .name = weight, .o = out, .i = in, .k = 3};
    LkParam noise = {.kind = LK_PARAM_NOISE, .name = layer, .o = 1, .k = resolution_of(block)};
    LkGraphOp op = {.kind = up ? LK_OP_CONV_UP : LK_OP_CONV,
                    .x = x,
                    .y = y,
                    .kernel = 3,
                    .act = LK_ACT_LRELU,
                    .slope = 0.2f,
                    .gain = G_SQRT2,
                    .clamp = ACTIVATION_CLAMP};

    op.weight = lk_graph_param(graph, &kernels);
    op.bias = lk_build_vector(builder, lk_graph_text(graph, "%s.bias", layer), out, 1);
    op.in_scale = styles(builder, layer, row, in, 1);
    op.out_scale = demodulation(builder, weight, op.in_scale, out, in);
    op.noise = config->noise ? lk_graph_param(graph, &noise) : 0;
    return lk_graph_add(graph, &op);
}

LkValue lk_build_const(LkBuilder *builder)
{
    LkParam param = {.kind = LK_PARAM_PLANES,
                     .name = layer_name(builder, 0, "const"),
                     .o = builder->config->channels[0],
                     .k = 4};

    return lk_graph_param(builder->graph, &param);
}

LkValue lk_build_conv0(LkBuilder *builder, guint block, LkValue x, const LkValue *rows)
{
    return synthesis_conv(builder, block, TRUE, x, rows[2 * block - 1], 0);
}

LkValue lk_build_conv1(LkBuilder *builder, guint block, LkValue x, const LkValue *rows, LkValue y)
{
    return synthesis_conv(builder, block, FALSE, x, rows[2 * block], y);
}

LkValue lk_build_to_rgb(LkBuilder *builder, guint block, LkValue x, LkValue smaller, const LkValue *rows,
                        LkValue y)
{
    LkGraph *graph = builder->graph;
    const char *layer = layer_name(builder, block, "torgb");
    guint n = builder->config->channels[block];
    LkGraphOp op = {.kind = LK_OP_TO_RGB, .x = x, .y = y, .add = smaller, .clamp = ACTIVATION_CLAMP};

    op.weight = lk_build_matrix(builder, lk_graph_text(graph, "%s.weight", layer), 3, n, TRUE);
    op.bias = lk_build_vector(builder, lk_graph_text(graph, "%s.bias", layer), 3, 1);
    op.in_scale = styles(builder, layer, rows[2 * block + 1], n, 1 / sqrt(n));
    return lk_graph_add(graph, &op);
}
