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

/* ---- styles ---- */

typedef enum { CONV0, CONV1, TO_RGB, N_LAYERS } Layer;

static const char *layer_name(LkBuilder *builder, guint block, Layer layer)
{
    static const char *const names[N_LAYERS] = {"conv0", "conv1", "torgb"};

    return lk_graph_text(builder->graph, "generator.synthesis.b%u.%s", resolution_of(block), names[layer]);
}

/* b4.conv1 is the first affine layer: b4 has no conv0. */
static guint affine_index(guint block, Layer layer)
{
    return N_LAYERS * block + layer - CONV1;
}

static guint affine_row(guint block, Layer layer)
{
    return 2 * block + layer - CONV1;
}

static guint n_styles(const LkConfig *config, guint block, Layer layer)
{
    return config->channels[layer == CONV0 ? block - 1 : block];
}

static double style_gain(const LkConfig *config, guint block, Layer layer)
{
    return layer == TO_RGB ? 1 / sqrt(config->channels[block]) : 1;
}

guint lk_n_affines(const LkConfig *config)
{
    return affine_index(config->n_blocks - 1, TO_RGB) + 1;
}

static LkParam affine_bias(LkBuilder *builder, guint block, Layer layer)
{
    const char *name = layer_name(builder, block, layer);

    return (LkParam){.kind = LK_PARAM_VECTOR,
                     .name = lk_graph_text(builder->graph, "%s.affine.bias", name),
                     .o = n_styles(builder->config, block, layer),
                     .scale = (float)style_gain(builder->config, block, layer)};
}

LkParam lk_affine_bias(LkBuilder *builder, guint index)
{
    return affine_bias(builder, (index + CONV1) / N_LAYERS, (index + CONV1) % N_LAYERS);
}

/* styles = ((A / sqrt(w_dim)) w + bias) * gain, plus the offset that is part of a bias of the code's own */
static LkValue styles(LkBuilder *builder, guint block, Layer layer, const LkCode *code)
{
    LkGraph *graph = builder->graph;
    guint w_dim = builder->config->w_dim, n = n_styles(builder->config, block, layer);
    const char *name = layer_name(builder, block, layer);
    LkParam bias = affine_bias(builder, block, layer);
    LkGraphOp op = {.kind = LK_OP_LINEAR,
                    .x = code->rows[affine_row(block, layer)],
                    .gain = (float)(style_gain(builder->config, block, layer) / sqrt(w_dim))};

    op.weight = lk_build_matrix(builder, lk_graph_text(graph, "%s.affine.weight", name), n, w_dim, FALSE);
    op.bias = code->biases[affine_index(block, layer)];
    if (op.bias == 0)
        op.bias = lk_graph_param(graph, &bias);
    return lk_graph_add(graph, &op);
}

/* ---- layers ---- */

static LkValue demodulation(LkBuilder *builder, const char *weight, LkValue style, guint out, guint in)
{
    LkParam energy = {.kind = LK_PARAM_ENERGY, .name = weight, .o = out, .i = in, .k = 3};
    LkGraphOp op = {.kind = LK_OP_LINEAR, .x = style, .square = TRUE, .act = LK_ACT_RSQRT};

    op.weight = lk_graph_param(builder->graph, &energy);
    return lk_graph_add(builder->graph, &op);
}

static LkValue synthesis_conv(LkBuilder *builder, guint block, Layer layer, LkValue x, const LkCode *code,
                              LkValue y)
{
    LkGraph *graph = builder->graph;
    const LkConfig *config = builder->config;
    const char *name = layer_name(builder, block, layer);
    const char *weight = lk_graph_text(graph, "%s.weight", name);
    gboolean up = layer == CONV0;
    guint out = config->channels[block], in = n_styles(config, block, layer);
    LkParam kernels = {
        .kind = up ? LK_PARAM_CONV_UP : LK_PARAM_CONV, .name = weight, .o = out, .i = in, .k = 3};
    LkParam noise = {.kind = LK_PARAM_NOISE, .name = name, .o = 1, .k = resolution_of(block)};
    LkGraphOp op = {.kind = up ? LK_OP_CONV_UP : LK_OP_CONV,
                    .x = x,
                    .y = y,
                    .kernel = 3,
                    .act = LK_ACT_LRELU,
                    .slope = 0.2f,
                    .gain = G_SQRT2,
                    .clamp = ACTIVATION_CLAMP};

    op.weight = lk_graph_param(graph, &kernels);
    op.bias = lk_build_vector(builder, lk_graph_text(graph, "%s.bias", name), out, 1);
    op.in_scale = styles(builder, block, layer, code);
    op.out_scale = demodulation(builder, weight, op.in_scale, out, in);
    op.noise = config->noise ? lk_graph_param(graph, &noise) : 0;
    return lk_graph_add(graph, &op);
}

LkValue lk_build_const(LkBuilder *builder)
{
    LkParam param = {.kind = LK_PARAM_PLANES,
                     .name = "generator.synthesis.b4.const",
                     .o = builder->config->channels[0],
                     .k = 4};

    return lk_graph_param(builder->graph, &param);
}

LkValue lk_build_conv0(LkBuilder *builder, guint block, LkValue x, const LkCode *code)
{
    return synthesis_conv(builder, block, CONV0, x, code, 0);
}

LkValue lk_build_conv1(LkBuilder *builder, guint block, LkValue x, const LkCode *code, LkValue y)
{
    return synthesis_conv(builder, block, CONV1, x, code, y);
}

LkValue lk_build_to_rgb(LkBuilder *builder, guint block, LkValue x, LkValue smaller, const LkCode *code,
                        LkValue y)
{
    LkGraph *graph = builder->graph;
    const char *name = layer_name(builder, block, TO_RGB);
    guint n = builder->config->channels[block];
    LkGraphOp op = {.kind = LK_OP_TO_RGB, .x = x, .y = y, .add = smaller, .clamp = ACTIVATION_CLAMP};

    op.weight = lk_build_matrix(builder, lk_graph_text(graph, "%s.weight", name), 3, n, TRUE);
    op.bias = lk_build_vector(builder, lk_graph_text(graph, "%s.bias", name), 3, 1);
    op.in_scale = styles(builder, block, TO_RGB, code);
    return lk_graph_add(graph, &op);
}
