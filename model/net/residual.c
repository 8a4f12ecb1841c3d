/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * residual.c - E1 (feature alignment and extraction) and E2 (the gate network) of StyleRes, arXiv 2212.14359, and beyond it
 * the motion of R and of the inversion's picture.
 */
#include "network.h"

#include <math.h>

static const char *module_name(LkBuilder *builder, const char *module)
{
    return lk_graph_text(builder->graph, "generator.synthesis.b%u.modify_feature_%s",
                         builder->config->embed_res, module);
}

static guint width_of(const LkBuilder *builder)
{
    guint block = 0;

    while (4u << block < builder->config->embed_res)
        block++;
    return builder->config->channels[block];
}

/* Convolution `name` on x; the bias only where there is one. */
static LkGraphOp conv_op(LkBuilder *builder, const char *name, LkValue x, guint out, guint kernel,
                         gboolean bias)
{
    LkGraph *graph = builder->graph;
    guint in = lk_graph_value(graph, x)->c;
    LkGraphOp op = {.kind = LK_OP_CONV, .x = x, .kernel = kernel};

    op.weight = lk_build_conv_weight(builder, lk_graph_text(graph, "%s.weight", name), out, in, kernel);
    op.bias = bias ? lk_build_vector(builder, lk_graph_text(graph, "%s.bias", name), out, 1) : 0;
    return op;
}

static LkValue conv(LkBuilder *builder, const char *name, LkValue x, guint out, guint kernel)
{
    LkGraphOp op = conv_op(builder, name, x, out, kernel, TRUE);

    return lk_graph_add(builder->graph, &op);
}

/* The second convolution of a residual unit, to which the shortcut is added. */
static LkValue res_second(LkBuilder *builder, const char *unit, LkValue x, LkValue shortcut, guint stride,
                          LkActivation act)
{
    guint n = lk_graph_value(builder->graph, x)->c;
    LkGraphOp op = conv_op(builder, lk_graph_text(builder->graph, "%s.res_layer.2", unit), x, n, 3, TRUE);

    op.stride = stride;
    op.add = shortcut;
    op.act = act;
    return lk_graph_add(builder->graph, &op);
}

static LkValue res_layers_act(LkBuilder *builder, const char *unit, LkValue x, guint out, guint stride,
                              LkActivation act)
{
    LkGraph *graph = builder->graph;
    guint in = lk_graph_value(graph, x)->c;
    LkGraphOp first = conv_op(builder, lk_graph_text(graph, "%s.res_layer.0", unit), x, out, 3, TRUE);
    LkValue shortcut = x;

    if (in != out || stride != 1) {
        LkGraphOp projection =
            conv_op(builder, lk_graph_text(graph, "%s.shortcut_layer.0", unit), x, out, 1, FALSE);
        projection.stride = stride;
        shortcut = lk_graph_add(graph, &projection);
    }
    first.act = LK_ACT_LRELU;
    first.slope = 0.2f;
    return res_second(builder, unit, lk_graph_add(graph, &first), shortcut, stride, act);
}

static LkValue res_layers(LkBuilder *builder, const char *unit, LkValue x, guint stride)
{
    return res_layers_act(builder, unit, x, lk_graph_value(builder->graph, x)->c, stride, LK_ACT_NONE);
}

/* n residual units module.0, module.1, ...; the first has the stride. */
static LkValue res_chain(LkBuilder *builder, const char *module, LkValue x, guint n, guint stride)
{
    for (guint i = 0; i < n; i++)
        x = res_layers(builder, lk_graph_text(builder->graph, "%s.%u", module, i), x, i ? 1 : stride);
    return x;
}

/* ---- E1 ---- */

static LkValue up_and_add(LkBuilder *builder, LkValue x, LkValue finer)
{
    LkGraphValue size = *lk_graph_value(builder->graph, finer);
    LkGraphOp op = {.kind = LK_OP_UPSAMPLE, .x = x, .add = finer};

    op.y = lk_graph_planes(builder->graph, size.c, size.h, size.w);
    return lk_graph_add(builder->graph, &op);
}

/* The part of a convolution of a concatenation that reads x: its channels from first_i on of file_i. No bias. */
static LkGraphOp part_conv(LkBuilder *builder, const char *name, LkValue x, guint first_i, guint file_i,
                           guint out, guint kernel)
{
    LkGraph *graph = builder->graph;
    LkParam weight = {.kind = LK_PARAM_CONV,
                      .name = lk_graph_text(graph, "%s.weight", name),
                      .o = out,
                      .i = lk_graph_value(graph, x)->c,
                      .k = kernel,
                      .first_i = first_i,
                      .file_i = file_i};

    return (LkGraphOp){
        .kind = LK_OP_CONV, .x = x, .kernel = kernel, .weight = lk_graph_param(graph, &weight)};
}

static LkValue bias_of(LkBuilder *builder, const char *name, guint n)
{
    return lk_build_vector(builder, lk_graph_text(builder->graph, "%s.bias", name), n, 1);
}

/* 1 x 1 convolution of concat(enc_feat, f_feats), without making the concatenation. */
static LkValue align_first(LkBuilder *builder, const char *module, LkValue enc_feat, LkValue f_feats)
{
    LkGraph *graph = builder->graph;
    const char *name = lk_graph_text(graph, "%s.first_layer", module);
    guint n = width_of(builder), from_encoder = lk_graph_value(graph, enc_feat)->c;
    LkGraphOp first = part_conv(builder, name, enc_feat, 0, from_encoder + n, n, 1);
    LkGraphOp second = part_conv(builder, name, f_feats, from_encoder, from_encoder + n, n, 1);

    first.bias = bias_of(builder, name, n);
    second.add = lk_graph_add(graph, &first);
    return lk_graph_add(graph, &second);
}

LkValue lk_build_alignment(LkBuilder *builder, LkValue enc_feat, LkValue f_feats)
{
    LkGraph *graph = builder->graph;
    const char *module = module_name(builder, "alignment");
    LkValue x = align_first(builder, module, enc_feat, f_feats);
    LkValue f1 = res_chain(builder, lk_graph_text(graph, "%s.conv1", module), x, 1, 1);
    LkValue f2 = res_chain(builder, lk_graph_text(graph, "%s.conv2", module), f1, 2, 2);
    LkValue f3 = res_chain(builder, lk_graph_text(graph, "%s.conv3", module), f2, 2, 2);

    x = res_chain(builder, lk_graph_text(graph, "%s.dconv1", module), up_and_add(builder, f3, f2), 2, 1);
    x = res_chain(builder, lk_graph_text(graph, "%s.dconv2", module), up_and_add(builder, x, f1), 2, 1);
    return conv(builder, lk_graph_text(graph, "%s.out_layer", module), x, width_of(builder), 1);
}

LkValue lk_build_extraction(LkBuilder *builder, LkValue aligned)
{
    LkGraph *graph = builder->graph;
    const char *module = module_name(builder, "extraction");
    LkValue x = conv(builder, lk_graph_text(graph, "%s.first_layer", module), aligned, width_of(builder), 1);

    return res_chain(builder, lk_graph_text(graph, "%s.convs", module), x, 3, 1);
}

/* ---- the motion of R ---- */

static const char *motion_layer(LkBuilder *builder, const char *layer)
{
    return lk_graph_text(builder->graph, "%s.%s", module_name(builder, "motion"), layer);
}

LkValue lk_build_motion_photo(LkBuilder *builder, LkValue f_feats)
{
    const guint n = width_of(builder), hidden = builder->config->motion_channels;
    const char *name = motion_layer(builder, "first_layer");
    LkGraphOp first = part_conv(builder, name, f_feats, 0, 2 * n, hidden, 3);

    first.bias = bias_of(builder, name, hidden);
    return lk_graph_add(builder->graph, &first);
}

LkValue lk_build_motion(LkBuilder *builder, LkValue photo, LkValue f_edit)
{
    const guint n = width_of(builder), hidden = builder->config->motion_channels;
    LkGraphOp first = part_conv(builder, motion_layer(builder, "first_layer"), f_edit, n, 2 * n, hidden, 3);
    LkValue x;

    first.add = photo;
    first.act = LK_ACT_LRELU;
    first.slope = 0.2f;
    x = res_chain(builder, motion_layer(builder, "convs"), lk_graph_add(builder->graph, &first), 2, 1);
    return conv(builder, motion_layer(builder, "out_layer"), x, 2, 3);
}

LkValue lk_build_moved(LkBuilder *builder, LkValue residual, LkValue motion)
{
    LkGraphOp warp = {.kind = LK_OP_WARP, .x = residual, .weight = motion, .stride = LK_MOTION_PHASES};

    return lk_graph_add(builder->graph, &warp);
}

/* ---- what edits carry over ---- */

LkValue lk_build_moved_picture(LkBuilder *builder, LkValue picture, LkValue motion)
{
    LkGraph *graph = builder->graph;
    LkGraphOp move = {.kind = LK_OP_MOVE, .x = picture, .weight = motion};

    move.stride = lk_graph_value(graph, picture)->w / lk_graph_value(graph, motion)->w;
    return lk_graph_add(graph, &move);
}

/* The first convolution reads x, rgb and carried as one, without making the concatenation; moves is added. */
static LkValue carry_first(LkBuilder *builder, const char *name, const LkValue parts[3], LkValue moves)
{
    LkGraph *graph = builder->graph;
    guint read = 0, all = lk_graph_value(graph, parts[0])->c + 6, hidden = builder->config->carry_channels;
    LkValue sum = moves;

    for (guint i = 0; i < 3; i++) {
        LkGraphOp op = part_conv(builder, name, parts[i], read, all, hidden, 3);
        op.bias = i == 0 ? bias_of(builder, name, hidden) : 0;
        op.add = sum;
        op.act = i == 2 ? LK_ACT_LRELU : LK_ACT_NONE;
        op.slope = 0.2f;
        sum = lk_graph_add(graph, &op);
        read += lk_graph_value(graph, parts[i])->c;
    }
    return sum;
}

LkValue lk_build_carry(LkBuilder *builder, LkValue x, LkValue rgb, LkValue carried, LkValue motion)
{
    LkGraph *graph = builder->graph;
    const char *module =
        lk_graph_text(graph, "generator.synthesis.b%u.modify_feature_carry", builder->config->resolution / 2);
    const char *layer = lk_graph_text(graph, "%s.motion_layer", module);
    guint hidden = builder->config->carry_channels;
    LkGraphValue size = *lk_graph_value(graph, x);
    LkGraphOp coarse = conv_op(builder, layer, motion, hidden, 3, FALSE), up = {.kind = LK_OP_UPSAMPLE}, out;
    LkValue first;

    up.x = lk_graph_add(graph, &coarse);
    up.y = lk_graph_planes(graph, hidden, size.h, size.w);
    first = carry_first(builder, lk_graph_text(graph, "%s.first_layer", module),
                        (const LkValue[]){x, rgb, carried}, lk_graph_add(graph, &up));
    out = conv_op(builder, lk_graph_text(graph, "%s.out_layer", module), first, 1, 3, TRUE);
    out.act = LK_ACT_SIGMOID;
    return lk_graph_add(graph, &out);
}

LkValue lk_build_blend(LkBuilder *builder, LkValue rgb, LkValue carried, LkValue share)
{
    LkGraphOp blend = {.kind = LK_OP_BLEND, .x = rgb, .add = carried, .weight = share, .stride = 2};

    return lk_graph_add(builder->graph, &blend);
}

/* ---- E2 ---- */

/* A convolution of half of x (channels from first_i on) for convs[0] and convs2[0] together. */
static LkGraphOp paired_conv(LkBuilder *builder, const char *layer, LkValue half, guint first_i, guint kernel)
{
    LkGraph *graph = builder->graph;
    const char *module = module_name(builder, "gates");
    guint n = width_of(builder), hidden = builder->config->gate_channels;
    LkParam weight = {.kind = LK_PARAM_CONV,
                      .name = lk_graph_text(graph, "%s.convs.0.%s.weight", module, layer),
                      .also = lk_graph_text(graph, "%s.convs2.0.%s.weight", module, layer),
                      .o = 2 * n,
                      .i = hidden,
                      .k = kernel,
                      .first_i = first_i,
                      .file_i = 2 * hidden};

    return (LkGraphOp){
        .kind = LK_OP_CONV, .x = half, .kernel = kernel, .weight = lk_graph_param(graph, &weight)};
}

static LkValue paired_bias(LkBuilder *builder)
{
    LkGraph *graph = builder->graph;
    const char *module = module_name(builder, "gates");
    LkParam bias = {.kind = LK_PARAM_VECTOR,
                    .name = lk_graph_text(graph, "%s.convs.0.res_layer.0.bias", module),
                    .also = lk_graph_text(graph, "%s.convs2.0.res_layer.0.bias", module),
                    .o = 2 * width_of(builder)};

    return lk_graph_param(graph, &bias);
}

LkGatePhoto lk_build_gate_photo(LkBuilder *builder, LkValue residual)
{
    LkGraph *graph = builder->graph;
    guint hidden = builder->config->gate_channels, side = builder->config->embed_res;
    LkGraphOp down = conv_op(builder, lk_graph_text(graph, "%s.down2", module_name(builder, "gates")),
                             residual, hidden, 3, TRUE);
    LkGatePhoto photo = {0};
    LkGraphOp first, shortcut;
    LkValue y;

    if (2 * hidden == width_of(builder)) {
        photo.x = lk_graph_planes(graph, 2 * hidden, side, side);
        down.y = lk_graph_channels(graph, photo.x, hidden, hidden);
    }
    y = lk_graph_add(graph, &down);
    first = paired_conv(builder, "res_layer.0", y, hidden, 3);
    first.bias = paired_bias(builder);
    photo.first = lk_graph_add(graph, &first);
    if (photo.x == 0) {
        shortcut = paired_conv(builder, "shortcut_layer.0", y, hidden, 1);
        photo.shortcut = lk_graph_add(graph, &shortcut);
    }
    return photo;
}

LkValue lk_build_gate(LkBuilder *builder, const LkGatePhoto *photo, LkValue f_edit, LkValue *delta_f,
                      LkValue *gate)
{
    LkGraph *graph = builder->graph;
    const char *module = module_name(builder, "gates");
    guint n = width_of(builder), hidden = builder->config->gate_channels;
    LkGraphOp down = conv_op(builder, lk_graph_text(graph, "%s.down1", module), f_edit, hidden, 3, TRUE);
    LkGraphOp first, projection, blend = {.kind = LK_OP_GATE, .x = f_edit};
    LkValue g, both, shortcut[2] = {photo->x, photo->x}, x[2];

    down.y = photo->x ? lk_graph_channels(graph, photo->x, 0, hidden) : 0;
    g = lk_graph_add(graph, &down);
    first = paired_conv(builder, "res_layer.0", g, 0, 3);
    first.add = photo->first;
    first.act = LK_ACT_LRELU;
    first.slope = 0.2f;
    both = lk_graph_add(graph, &first);
    if (photo->shortcut) {
        projection = paired_conv(builder, "shortcut_layer.0", g, 0, 1);
        projection.add = photo->shortcut;
        shortcut[0] = lk_graph_add(graph, &projection);
        shortcut[1] = lk_graph_channels(graph, shortcut[0], n, n);
        shortcut[0] = lk_graph_channels(graph, shortcut[0], 0, n);
    }
    for (guint i = 0; i < 2; i++)
        x[i] = res_second(builder, lk_graph_text(graph, "%s.%s.0", module, i ? "convs2" : "convs"),
                          lk_graph_channels(graph, both, i * n, n), shortcut[i], 1, LK_ACT_NONE);
    x[0] = res_layers(builder, lk_graph_text(graph, "%s.convs.1", module), x[0], 1);
    *delta_f = blend.add = res_layers(builder, lk_graph_text(graph, "%s.convs.2", module), x[0], 1);
    x[1] = res_layers(builder, lk_graph_text(graph, "%s.convs2.1", module), x[1], 1);
    *gate = blend.weight =
        res_layers_act(builder, lk_graph_text(graph, "%s.convs2.2", module), x[1], 1, 1, LK_ACT_SIGMOID);
    return lk_graph_add(graph, &blend);
}
