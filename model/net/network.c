/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "network.h"

/* ---- parameters ---- */

LkValue lk_build_conv_weight(LkBuilder *builder, const char *name, guint o, guint i, guint k)
{
    LkParam param = {
        .kind = LK_PARAM_CONV, .name = name, .o = o, .i = i, .k = k, .encoder = builder->encoder};

    return lk_graph_param(builder->graph, &param);
}

LkValue lk_build_vector(LkBuilder *builder, const char *name, guint n, float scale)
{
    LkParam param = {
        .kind = LK_PARAM_VECTOR, .name = name, .o = n, .scale = scale, .encoder = builder->encoder};

    return lk_graph_param(builder->graph, &param);
}

LkValue lk_build_matrix(LkBuilder *builder, const char *name, guint o, guint i, gboolean has_kernel)
{
    LkParam param = {
        .kind = LK_PARAM_MATRIX, .name = name, .o = o, .i = i, .k = has_kernel, .encoder = builder->encoder};

    return lk_graph_param(builder->graph, &param);
}

/* ---- the whole ---- */

typedef struct {
    LkBuilder builder;
    LkNetwork *network;
    gboolean keep;
    guint embed_block;
    LkCode photo;   /* the encoder's code, on the device */
    LkValue motion; /* of an edit; absent: the model moves nothing */
} Assembly;

static void name_value(Assembly *a, LkValue value, const char *name)
{
    lk_graph_name(a->builder.graph, value, name, a->keep);
}

/* Stages of G are called after their block's resolution. */
static void begin_stage(Assembly *a, guint modes, const char *prefix, guint block, const char *suffix)
{
    LkGraph *graph = a->builder.graph;

    lk_graph_begin_stage(graph, lk_graph_text(graph, "%s%u%s", prefix, 4u << block, suffix), modes);
}

/* Floats from one part of a buffer to the next, each part being bound on its own. */
static guint part_stride(guint n)
{
    const guint align = LK_ARENA_ALIGN / sizeof(float);

    return (n + align - 1) / align * align;
}

static void add_rows(Assembly *a)
{
    LkGraph *graph = a->builder.graph;
    LkNetwork *network = a->network;
    const LkConfig *config = a->builder.config;
    LkValue codes;

    network->row_stride = part_stride(config->w_dim);
    codes = lk_graph_input(graph, "codes", config->num_ws, 1, network->row_stride, LK_F32);
    network->w_plus = lk_graph_result(graph, config->num_ws, 1, network->row_stride, LK_F32);
    lk_graph_in_host_memory(graph, network->w_plus);
    name_value(a, network->w_plus, "w_plus");
    for (guint i = 0; i < config->num_ws; i++) {
        gsize offset = (gsize)i * network->row_stride;
        LkValue row = lk_graph_view(graph, codes, offset, config->w_dim, 1, 1);
        lk_graph_name(graph, row, lk_graph_text(graph, "row %u of w+", i), FALSE);
        network->edited.rows[i] = row;
        a->photo.rows[i] = lk_graph_view(graph, network->w_plus, offset, config->w_dim, 1, 1);
    }
}

/* An affine layer's output with an offset is the layer with another bias: edits of styles cost nothing. */
static void add_biases(Assembly *a)
{
    LkGraph *graph = a->builder.graph;
    LkNetwork *network = a->network;
    LkValue biases;
    guint n = 0;

    network->n_affines = lk_n_affines(a->builder.config);
    for (guint i = 0; i < network->n_affines; i++) {
        network->affine_biases[i] = lk_affine_bias(&a->builder, i);
        n += part_stride(network->affine_biases[i].o);
    }
    biases = lk_graph_input(graph, "styles", n, 1, 1, LK_F32);
    n = 0;
    for (guint i = 0; i < network->n_affines; i++) {
        const LkParam *bias = &network->affine_biases[i];
        network->edited.biases[i] = lk_graph_view(graph, biases, n, bias->o, 1, 1);
        lk_graph_name(graph, network->edited.biases[i], bias->name, FALSE);
        n += part_stride(bias->o);
    }
}

static LkValue add_encoder(Assembly *a)
{
    LkBuilder *builder = &a->builder;
    LkNetwork *network = a->network;
    guint side = builder->config->input;
    LkValue picture;
    LkTaps taps;

    network->crop = lk_graph_input(builder->graph, "photo", 4, side, side, LK_U8);
    lk_graph_begin_stage(builder->graph, "image_in", LK_MODE_ALL);
    picture = lk_graph_add(builder->graph, &(LkGraphOp){.kind = LK_OP_IMAGE_IN, .x = network->crop});
    builder->encoder = TRUE;
    lk_graph_begin_stage(builder->graph, "e0", LK_MODE_ALL);
    taps = lk_build_encoder(builder, picture);
    name_value(a, taps.c1, "enc_feat");
    network->enc_feat = taps.c1;
    lk_graph_begin_stage(builder->graph, "heads", LK_MODE_ALL);
    lk_build_heads(builder, &taps, a->photo.rows);
    builder->encoder = FALSE;
    return taps.c1;
}

/* G on the unedited code up to F. */
static LkValue add_unedited(Assembly *a)
{
    LkBuilder *builder = &a->builder;
    LkValue x = lk_build_const(builder);

    for (guint block = 0; block <= a->embed_block; block++) {
        begin_stage(a, LK_MODE_ALL, "f.b", block, "");
        if (block > 0)
            x = lk_build_conv0(builder, block, x, &a->photo);
        if (block < a->embed_block)
            x = lk_build_conv1(builder, block, x, &a->photo, 0);
    }
    name_value(a, x, "f_feats");
    return x;
}

/* What an edit needs of the photo. */
typedef struct {
    LkValue residual; /* R */
    LkValue motion;   /* of lk_build_motion_photo; absent: R does not move, and */
    LkGatePhoto gate; /* E2's first half is made once */
} Residual;

static Residual add_residual(Assembly *a, LkValue enc_feat, LkValue f_feats)
{
    LkBuilder *builder = &a->builder;
    Residual photo = {0};
    LkValue aligned;

    lk_graph_begin_stage(builder->graph, "e1.align", LK_MODE_ALL);
    aligned = lk_build_alignment(builder, enc_feat, f_feats);
    name_value(a, aligned, "aligned");
    lk_graph_begin_stage(builder->graph, "e1.extract", LK_MODE_ALL);
    photo.residual = lk_build_extraction(builder, aligned);
    name_value(a, photo.residual, "extracted");
    if (builder->config->motion_channels > 0) {
        lk_graph_begin_stage(builder->graph, "motion.photo", LK_MODE_ALL);
        photo.motion = lk_build_motion_photo(builder, f_feats);
    } else {
        lk_graph_begin_stage(builder->graph, "e2.photo", LK_MODE_ALL);
        photo.gate = lk_build_gate_photo(builder, photo.residual);
    }
    return photo;
}

/* R, moved where the model moves it, and E2. */
static LkValue add_fusion(Assembly *a, Residual photo, LkValue f_edit)
{
    LkBuilder *builder = &a->builder;
    LkValue delta_f, gate, fused;

    if (photo.motion) {
        lk_graph_begin_stage(builder->graph, "motion", LK_MODE_RESIDUAL);
        a->motion = lk_build_motion(builder, photo.motion, f_edit);
        name_value(a, a->motion, "motion");
        photo.residual = lk_build_moved(builder, photo.residual, a->motion);
    }
    lk_graph_begin_stage(builder->graph, "e2", LK_MODE_RESIDUAL);
    if (photo.motion)
        photo.gate = lk_build_gate_photo(builder, photo.residual);
    fused = lk_build_gate(builder, &photo.gate, f_edit, &delta_f, &gate);
    name_value(a, delta_f, "delta_f");
    name_value(a, gate, "gate");
    name_value(a, fused, "fused");
    return fused;
}

/* The rest of the block that E2 works in, once reading F'' and once (w+ alone) F'. Both write the same values. */
static void add_embed_tail(Assembly *a, LkValue fused, LkValue f_edit, LkValue *x, LkValue *rgb)
{
    LkBuilder *builder = &a->builder;
    guint block = a->embed_block;
    LkValue smaller = *rgb;

    begin_stage(a, LK_MODE_RESIDUAL, "b", block, ".conv1");
    *x = lk_build_conv1(builder, block, fused, &a->network->edited, 0);
    *rgb = lk_build_to_rgb(builder, block, *x, smaller, &a->network->edited, 0);
    begin_stage(a, LK_MODE_WPLUS, "b", block, ".conv1");
    lk_build_conv1(builder, block, f_edit, &a->network->edited, *x);
    lk_build_to_rgb(builder, block, *x, smaller, &a->network->edited, *rgb);
}

static LkValue add_edit_head(Assembly *a, LkValue *rgb)
{
    LkBuilder *builder = &a->builder;
    const LkCode *code = &a->network->edited;
    LkValue x = lk_build_const(builder);

    for (guint block = 0; block < a->embed_block; block++) {
        begin_stage(a, LK_MODE_ALL, "b", block, "");
        if (block > 0)
            x = lk_build_conv0(builder, block, x, code);
        x = lk_build_conv1(builder, block, x, code, 0);
        *rgb = lk_build_to_rgb(builder, block, x, *rgb, code, 0);
    }
    begin_stage(a, LK_MODE_ALL, "b", a->embed_block, ".conv0");
    x = lk_build_conv0(builder, a->embed_block, x, code);
    name_value(a, x, "f_edit");
    return x;
}

/* The inversion's image, which edits carry over, once per photo from the host's memory to the device's. */
static void add_own(Assembly *a, LkValue own[2])
{
    LkGraph *graph = a->builder.graph;

    lk_graph_begin_stage(graph, "carry.photo", LK_MODE_STYLERES);
    for (guint i = 0; i < 2; i++) {
        const guint side = a->builder.config->resolution >> i;
        a->network->own[i] = lk_graph_input(graph, "image of the inversion", 3, side, side, LK_F32);
        own[i] = lk_graph_add(graph, &(LkGraphOp){.kind = LK_OP_SCALE_ADD, .x = a->network->own[i]});
    }
}

/* What follows the block of half the resolution: the share of the inversion's picture, from that block's x and rgb. */
static LkValue add_carry(Assembly *a, LkValue x, LkValue rgb, LkValue own)
{
    LkBuilder *builder = &a->builder;

    lk_graph_begin_stage(builder->graph, "carry", LK_MODE_STYLERES);
    return lk_build_carry(builder, x, rgb, lk_build_moved_picture(builder, own, a->motion), a->motion);
}

/* The picture of an edit; in the other modes, which carry nothing over, it is G's. */
static LkValue add_carried(Assembly *a, LkValue rgb, LkValue own, LkValue share)
{
    LkBuilder *builder = &a->builder;
    LkValue picture;

    lk_graph_begin_stage(builder->graph, "carried", LK_MODE_STYLERES);
    picture = lk_build_blend(builder, rgb, lk_build_moved_picture(builder, own, a->motion), share);
    lk_graph_begin_stage(builder->graph, "uncarried", LK_MODE_ALL & ~LK_MODE_STYLERES);
    lk_graph_add(builder->graph, &(LkGraphOp){.kind = LK_OP_SCALE_ADD, .x = rgb, .y = picture});
    return picture;
}

static void add_edit(Assembly *a, const Residual *photo)
{
    LkBuilder *builder = &a->builder;
    const LkCode *code = &a->network->edited;
    const gboolean carries = builder->config->carry_channels > 0;
    LkValue rgb = 0, x, f_edit = add_edit_head(a, &rgb), fused = add_fusion(a, *photo, f_edit);
    LkValue own[2], share = 0;
    LkGraphOp out = {.kind = LK_OP_IMAGE_OUT};

    if (carries)
        add_own(a, own);
    add_embed_tail(a, fused, f_edit, &x, &rgb);
    for (guint block = a->embed_block + 1; block < builder->config->n_blocks; block++) {
        begin_stage(a, LK_MODE_ALL, "b", block, "");
        x = lk_build_conv0(builder, block, x, code);
        x = lk_build_conv1(builder, block, x, code, 0);
        rgb = lk_build_to_rgb(builder, block, x, rgb, code, 0);
        if (carries && block + 2 == builder->config->n_blocks)
            share = add_carry(a, x, rgb, own[1]);
    }
    if (carries)
        rgb = add_carried(a, rgb, own[0], share);
    name_value(a, rgb, "image");
    a->network->image = rgb;
    lk_graph_begin_stage(builder->graph, "image_out", LK_MODE_ALL);
    out.x = rgb;
    a->network->picture = lk_graph_add(builder->graph, &out);
    lk_graph_in_host_memory(builder->graph, a->network->picture);
}

LkNetwork *lk_network_new(const LkConfig *config, const LkWeights *weights, LkType storage, gboolean keep)
{
    LkNetwork *network = g_new0(LkNetwork, 1);
    Assembly a = {.network = network, .keep = keep};
    LkValue enc_feat, f_feats;
    Residual photo;

    network->graph = lk_graph_new(storage);
    a.builder = (LkBuilder){.graph = network->graph, .config = config, .weights = weights};
    while (4u << a.embed_block < config->embed_res)
        a.embed_block++;
    add_rows(&a);
    add_biases(&a);
    enc_feat = add_encoder(&a);
    f_feats = add_unedited(&a);
    photo = add_residual(&a, enc_feat, f_feats);
    add_edit(&a, &photo);
    return network;
}

void lk_network_free(LkNetwork *network)
{
    if (network == NULL)
        return;
    lk_graph_free(network->graph);
    g_free(network);
}

gboolean lk_network_check(const LkNetwork *network, const LkWeights *weights, GError **error)
{
    for (LkValue value = 1; value <= lk_graph_n_values(network->graph); value++) {
        const LkGraphValue *v = lk_graph_value(network->graph, value);
        if (v->kind == LK_VALUE_PARAM && !lk_param_check(&v->param, weights, error))
            return FALSE;
    }
    for (guint i = 0; i < network->n_affines; i++)
        if (!lk_param_check(&network->affine_biases[i], weights, error))
            return FALSE;
    return TRUE;
}
