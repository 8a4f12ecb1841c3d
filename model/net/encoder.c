/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * encoder.c - E0: e4e's encoder (arXiv 2102.02766) on IR-SE-50, feature pyramid and style heads.
 */
#include "network.h"

#include <math.h>

#define MAX_SE_HIDDEN 4096

/* Squeeze-excitation's hidden width, from fc1's shape. 1 where that makes no sense: the check of all shapes will tell. */
static guint se_hidden(const LkBuilder *builder, const char *unit)
{
    g_autofree char *name = g_strconcat(unit, ".res_layer.5.fc1.weight", NULL);
    const LkWeight *weight = lk_weights_find(builder->weights, name);

    return weight && weight->n_dims == 4 && weight->shape[0] <= MAX_SE_HIDDEN ? (guint)weight->shape[0] : 1;
}

static LkValue bn_param(LkBuilder *builder, LkParamKind kind, const char *prefix, guint n)
{
    return lk_graph_param(builder->graph, &(LkParam){.kind = kind, .name = prefix, .o = n, .encoder = TRUE});
}

/* A convolution without bias and the BatchNorm behind it, as one. */
static LkGraphOp conv_bn(LkBuilder *builder, LkValue x, const char *conv, const char *bn, guint o, guint i,
                         guint k)
{
    LkParam weight = {.kind = LK_PARAM_CONV, .name = conv, .bn = bn, .o = o, .i = i, .k = k, .encoder = TRUE};

    return (LkGraphOp){.kind = LK_OP_CONV,
                       .x = x,
                       .weight = lk_graph_param(builder->graph, &weight),
                       .bias = bn_param(builder, LK_PARAM_BN_SHIFT, bn, o),
                       .kernel = k};
}

static LkValue stem(LkBuilder *builder, LkValue picture)
{
    guint n = builder->config->stem;
    LkGraphOp op = conv_bn(builder, picture, "e4e.input_layer.0.weight", "e4e.input_layer.1", n, 3, 3);

    op.slopes = lk_build_vector(builder, "e4e.input_layer.2.weight", n, 1);
    op.act = LK_ACT_PRELU;
    return lk_graph_add(builder->graph, &op);
}

/* sigmoid(fc2(relu(fc1(mean(x))))) */
static LkValue squeeze_excitation(LkBuilder *builder, const char *unit, LkValue x, guint n)
{
    LkGraph *graph = builder->graph;
    guint hidden = se_hidden(builder, unit);
    LkValue pooled = lk_graph_add(graph, &(LkGraphOp){.kind = LK_OP_POOL, .x = x});
    LkGraphOp fc1 = {.kind = LK_OP_LINEAR, .x = pooled, .act = LK_ACT_LRELU};
    LkGraphOp fc2 = {.kind = LK_OP_LINEAR, .act = LK_ACT_SIGMOID};

    fc1.weight =
        lk_build_matrix(builder, lk_graph_text(graph, "%s.res_layer.5.fc1.weight", unit), hidden, n, TRUE);
    fc2.weight =
        lk_build_matrix(builder, lk_graph_text(graph, "%s.res_layer.5.fc2.weight", unit), n, hidden, TRUE);
    fc2.x = lk_graph_add(graph, &fc1);
    return lk_graph_add(graph, &fc2);
}

static LkValue shortcut(LkBuilder *builder, const char *unit, LkValue x, guint in, guint out, guint stride)
{
    LkGraph *graph = builder->graph;
    LkGraphOp op;

    if (in == out)
        return x; /* every stride-th row and column, which SCALE_ADD takes by itself */
    op = conv_bn(builder, x, lk_graph_text(graph, "%s.shortcut_layer.0.weight", unit),
                 lk_graph_text(graph, "%s.shortcut_layer.1", unit), out, in, 1);
    op.stride = stride;
    return lk_graph_add(graph, &op);
}

/* bottleneck_IR_SE. The leading BatchNorm cannot be folded into the convolution, whose zero padding comes after it. */
static LkValue bottleneck(LkBuilder *builder, guint index, LkValue x, guint in, guint out, guint stride)
{
    LkGraph *graph = builder->graph;
    const char *unit = lk_graph_text(graph, "e4e.body.%u", index);
    const char *leading = lk_graph_text(graph, "%s.res_layer.0", unit);
    LkGraphOp first = {.kind = LK_OP_CONV, .x = x, .kernel = 3, .act = LK_ACT_PRELU}, second;
    LkGraphOp sum = {.kind = LK_OP_SCALE_ADD};

    first.weight =
        lk_build_conv_weight(builder, lk_graph_text(graph, "%s.res_layer.1.weight", unit), out, in, 3);
    first.in_scale = bn_param(builder, LK_PARAM_BN_SCALE, leading, in);
    first.in_shift = bn_param(builder, LK_PARAM_BN_SHIFT, leading, in);
    first.slopes = lk_build_vector(builder, lk_graph_text(graph, "%s.res_layer.2.weight", unit), out, 1);
    second =
        conv_bn(builder, lk_graph_add(graph, &first), lk_graph_text(graph, "%s.res_layer.3.weight", unit),
                lk_graph_text(graph, "%s.res_layer.4", unit), out, out, 3);
    second.stride = stride;
    sum.x = lk_graph_add(graph, &second);
    sum.in_scale = squeeze_excitation(builder, unit, sum.x, out);
    sum.add = shortcut(builder, unit, x, in, out, stride);
    sum.stride = in == out ? stride : 1;
    return lk_graph_add(graph, &sum);
}

/* Feature pyramid: the coarser features enlarged, plus the finer ones through a 1 x 1 convolution. */
static LkValue lateral(LkBuilder *builder, const char *name, LkValue coarse, LkValue fine, guint in,
                       guint side)
{
    LkGraph *graph = builder->graph;
    guint width = builder->config->groups[3].out;
    LkGraphOp conv = {.kind = LK_OP_CONV, .x = fine, .kernel = 1}, up = {.kind = LK_OP_UPSAMPLE, .x = coarse};

    conv.weight = lk_build_conv_weight(builder, lk_graph_text(graph, "e4e.%s.weight", name), width, in, 1);
    conv.bias = lk_build_vector(builder, lk_graph_text(graph, "e4e.%s.bias", name), width, 1);
    up.add = lk_graph_add(graph, &conv);
    up.y = lk_graph_planes(graph, width, side, side);
    return lk_graph_add(graph, &up);
}

static gboolean is_read(const LkConfig *config, LkHeadSource source)
{
    for (guint i = 0; i < config->num_ws; i++)
        if (config->heads[i] == source)
            return TRUE;
    return FALSE;
}

LkTaps lk_build_encoder(LkBuilder *builder, LkValue picture)
{
    const LkConfig *config = builder->config;
    LkValue x = stem(builder, picture), ends[LK_N_GROUPS];
    LkTaps taps = {0};
    guint index = 0;

    for (guint g = 0; g < LK_N_GROUPS; g++) {
        for (guint u = 0; u < config->groups[g].units; u++, index++)
            x = bottleneck(builder, index, x, u ? config->groups[g].out : config->groups[g].in,
                           config->groups[g].out, u ? 1 : 2);
        ends[g] = x;
    }
    taps.c1 = ends[1];
    taps.c3 = ends[3];
    if (is_read(config, LK_HEAD_P2) || is_read(config, LK_HEAD_P1))
        taps.p2 = lateral(builder, "latlayer1", taps.c3, ends[2], config->groups[2].out, config->input / 8);
    if (is_read(config, LK_HEAD_P1))
        taps.p1 = lateral(builder, "latlayer2", taps.p2, taps.c1, config->groups[1].out, config->input / 4);
    return taps;
}

/* GradualStyleBlock: 3 x 3 convolutions with stride 2 down to one pixel. */
static LkValue head_features(LkBuilder *builder, guint head, LkValue x, guint side)
{
    LkGraph *graph = builder->graph;
    guint n = builder->config->groups[3].out;

    for (guint i = 0; side > 1; i += 2, side /= 2) {
        const char *name = lk_graph_text(graph, "e4e.styles.%u.convs.%u", head, i);
        LkGraphOp conv = {
            .kind = LK_OP_CONV, .x = x, .kernel = 3, .stride = 2, .act = LK_ACT_LRELU, .slope = 0.01f};

        conv.weight = lk_build_conv_weight(builder, lk_graph_text(graph, "%s.weight", name), n, n, 3);
        conv.bias = lk_build_vector(builder, lk_graph_text(graph, "%s.bias", name), n, 1);
        x = lk_graph_add(graph, &conv);
    }
    return x;
}

/* The equalised linear layer at the head's end, its bias plus the row of latent_avg (or without: row = G_MAXUINT). */
static LkGraphOp head_linear(LkBuilder *builder, guint head, LkValue features, guint row)
{
    const LkConfig *config = builder->config;
    LkGraph *graph = builder->graph;
    guint n = config->groups[3].out;
    const char *bias = lk_graph_text(graph, "e4e.styles.%u.linear.bias", head);
    LkParam with_average = {.kind = LK_PARAM_ROW_BIAS,
                            .name = bias,
                            .o = config->w_dim,
                            .row = row,
                            .rows = config->num_ws,
                            .encoder = TRUE};
    LkGraphOp op = {.kind = LK_OP_LINEAR, .x = features, .gain = (float)(1 / sqrt(n))};

    op.weight = lk_build_matrix(builder, lk_graph_text(graph, "e4e.styles.%u.linear.weight", head),
                                config->w_dim, n, FALSE);
    op.bias = row == G_MAXUINT ? lk_build_vector(builder, bias, config->w_dim, 1)
                               : lk_graph_param(graph, &with_average);
    return op;
}

void lk_build_heads(LkBuilder *builder, const LkTaps *taps, const LkValue rows[LK_MAX_WS])
{
    const LkConfig *config = builder->config;
    const LkValue sources[] = {[LK_HEAD_C3] = taps->c3, [LK_HEAD_P2] = taps->p2, [LK_HEAD_P1] = taps->p1};
    const guint sides[] = {[LK_HEAD_C3] = config->input / 16,
                           [LK_HEAD_P2] = config->input / 8,
                           [LK_HEAD_P1] = config->input / 4};
    LkValue common = 0;

    for (guint i = 0; i < config->num_ws; i++) {
        LkHeadSource source = config->heads[i];
        LkValue features = head_features(builder, i, sources[source], sides[source]);
        LkGraphOp linear = head_linear(builder, i, features, i),
                  sum = {.kind = LK_OP_SCALE_ADD, .y = rows[i]};

        if (i == 0) { /* row 0 is the first head; the other heads say how their rows differ from it */
            LkGraphOp raw = head_linear(builder, i, features, G_MAXUINT);
            common = lk_graph_add(builder->graph, &raw);
            linear.y = rows[0];
            lk_graph_add(builder->graph, &linear);
            continue;
        }
        sum.x = lk_graph_add(builder->graph, &linear);
        sum.add = common;
        lk_graph_add(builder->graph, &sum);
    }
}
