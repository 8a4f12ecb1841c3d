/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_lower.c - which programs with which constants an operation becomes.
 */
#include "vulkan.h"

/* The grid of a dispatch never has more groups in x than this; what is more goes to y. */
enum { MAX_GROUPS_X = 32768 };

static const LkTensor *op_tensor(const LkOp *op, LkBinding binding)
{
    const LkTensor *const tensors[LK_N_BINDINGS] = {
        [LK_BIND_X] = &op->x,
        [LK_BIND_Y] = &op->y,
        [LK_BIND_WEIGHT] = &op->weight,
        [LK_BIND_BIAS] = &op->bias,
        [LK_BIND_IN_SCALE] = &op->in_scale,
        [LK_BIND_IN_SHIFT] = &op->in_shift,
        [LK_BIND_OUT_SCALE] = &op->out_scale,
        [LK_BIND_NOISE] = &op->noise,
        [LK_BIND_ADD] = &op->add,
        [LK_BIND_SLOPES] = &op->slopes,
    };

    return tensors[binding];
}

static void bind(LkDispatch *dispatch, LkBinding binding, const LkTensor *tensor)
{
    gsize beyond;

    if (tensor->arena == NULL)
        return;
    beyond = tensor->offset % LK_ARENA_ALIGN;
    dispatch->tensors[binding] = *tensor;
    dispatch->push.present |= 1u << binding;
    dispatch->push.base[binding] = (guint32)(beyond / lk_type_size(tensor->type));
    if (tensor->type == LK_F16)
        dispatch->key.spec[LK_SPEC_HALVES] |= 1u << binding;
}

static LkDispatch dispatch_new(LkProgram program, const LkOp *op)
{
    LkDispatch dispatch = {.key.program = program, .flops = lk_op_flops(op), .groups = {1, 1, 1}};

    dispatch.key.spec[0] = dispatch.key.spec[1] = dispatch.key.spec[2] = 1;
    dispatch.push = (LkPush){.in_c = op->x.c,
                             .in_h = op->x.h,
                             .in_w = op->x.w,
                             .out_c = op->y.c,
                             .out_h = op->y.h,
                             .out_w = op->y.w,
                             .act = op->act,
                             .slope = op->slope,
                             .gain = op->gain == 0 ? 1 : op->gain,
                             .clamp = op->clamp,
                             .stride = lk_op_stride(op),
                             .add_h = op->add.h,
                             .add_w = op->add.w};
    bind(&dispatch, LK_BIND_X, &op->x);
    bind(&dispatch, LK_BIND_Y, &op->y);
    return dispatch;
}

static void bind_all(LkDispatch *dispatch, const LkOp *op, const LkBinding *bindings, guint n)
{
    for (guint i = 0; i < n; i++)
        bind(dispatch, bindings[i], op_tensor(op, bindings[i]));
}

/* Convolution weights, with the padding they are stored with. */
static void bind_weights(LkDispatch *dispatch, const LkOp *op)
{
    LkTensor weight = op->weight;

    weight.c = (weight.c + LK_WEIGHT_TILE - 1) / LK_WEIGHT_TILE * LK_WEIGHT_TILE;
    bind(dispatch, LK_BIND_WEIGHT, &weight);
}

/* n work groups of the size along x, folded to y where they are too many, and z layers. */
static void set_groups(LkDispatch *dispatch, guint32 size, guint64 n, guint32 z)
{
    dispatch->key.spec[0] = size;
    dispatch->groups[0] = (guint32)MIN(n, MAX_GROUPS_X);
    dispatch->groups[1] = (guint32)((n + dispatch->groups[0] - 1) / dispatch->groups[0]);
    dispatch->groups[2] = z;
}

static guint64 parts(guint64 n, guint64 size)
{
    return (n + size - 1) / size;
}

/* A grid of n invocations along x. */
static void set_grid(LkDispatch *dispatch, guint32 group, guint64 n, guint32 z)
{
    set_groups(dispatch, group, parts(n, group), z);
}

static void set_own(LkDispatch *dispatch, const guint32 *values, guint n)
{
    for (guint i = 0; i < n; i++)
        dispatch->key.spec[LK_SPEC_OWN + i] = values[i];
}

static const LkBinding finish_bindings[] = {LK_BIND_BIAS, LK_BIND_OUT_SCALE, LK_BIND_NOISE, LK_BIND_ADD,
                                            LK_BIND_SLOPES};

/* Whether the activation is none of those that are a slope. */
static guint32 has_curve(const LkOp *op)
{
    return op->act == LK_ACT_SIGMOID || op->act == LK_ACT_RSQRT;
}

static void lower_conv_lanes(const LkGpu *gpu, const LkOp *op, LkDispatch *dispatch)
{
    guint stride = lk_op_stride(op);
    gboolean aligned = op->y.w % 4 == 0 && op->x.w == op->y.w * stride;
    guint64 tiles = aligned ? parts(op->y.w, 4) * parts(op->y.h, 2) : (guint64)op->y.h * op->y.w;
    const guint32 own[] = {
        op->kernel, stride, aligned, op->in_shift.arena != NULL, has_curve(op), gpu->info.subgroup_size};

    set_own(dispatch, own, G_N_ELEMENTS(own));
    set_grid(dispatch, gpu->info.subgroup_size, tiles, (guint32)parts(op->y.c, LK_WEIGHT_TILE));
}

/* More channels per group mean fewer reads of the input, fewer mean more groups: what small maps need. */
static guint32 tile_channels(const LkTiles *tiles, guint o, guint64 pixels)
{
    return o <= tiles->channels[0] || pixels <= 32 * 32 ? tiles->channels[0] : tiles->channels[1];
}

static void lower_conv_shared(const LkGpu *gpu, const LkOp *op, LkDispatch *dispatch)
{
    guint32 channels = tile_channels(gpu->tiles, op->y.c, (guint64)op->y.h * op->y.w);
    guint32 tile_h = gpu->tiles->conv_group / (channels / 8) / 2;
    const guint32 own[] = {op->kernel, lk_op_stride(op), op->y.w % 4 == 0, has_curve(op), channels};

    set_own(dispatch, own, G_N_ELEMENTS(own));
    set_groups(dispatch, gpu->tiles->conv_group, parts(op->y.w, 16) * parts(op->y.h, tile_h),
               (guint32)parts(op->y.c, channels));
}

static void lower_conv(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    static const LkBinding bindings[] = {LK_BIND_IN_SCALE, LK_BIND_IN_SHIFT};
    LkDispatch dispatch =
        dispatch_new(gpu->tiles->lanes ? LK_PROGRAM_CONV_LANES : LK_PROGRAM_CONV_SHARED, op);

    bind_weights(&dispatch, op);
    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    bind_all(&dispatch, op, finish_bindings, G_N_ELEMENTS(finish_bindings));
    if (gpu->tiles->lanes)
        lower_conv_lanes(gpu, op, &dispatch);
    else
        lower_conv_shared(gpu, op, &dispatch);
    g_array_append_val(dispatches, dispatch);
}

/* CONV_UP's scratch has 2h+1 rows of 2w+1 elements per channel, a row being padded to a multiple of four. */
static gsize scratch_row(guint w)
{
    return (2 * (gsize)w + 4) / 4 * 4;
}

static gsize scratch_plane(guint h, guint w, LkType type)
{
    return (2 * (gsize)h + 1) * scratch_row(w) * lk_type_size(type);
}

/* Channels whose transposed convolution fits into one scratch: all, or whole tiles of weights. */
static guint scratch_channels(const LkGpu *gpu, guint o, guint h, guint w, LkType type)
{
    guint64 most = MIN(gpu->info.max_binding, (guint64)128 << 20) / scratch_plane(h, w, type);

    return most >= o ? o : MAX((guint)most / LK_WEIGHT_TILE, 1) * LK_WEIGHT_TILE;
}

gsize lk_gpu_scratch_size(const LkGpu *gpu, guint o, guint h, guint w, LkType type)
{
    return scratch_channels(gpu, o, h, w, type) * scratch_plane(h, w, type);
}

static void lower_transpose(const LkGpu *gpu, const LkOp *op, const LkTensor *scratch, guint first,
                            GArray *dispatches)
{
    LkOp part = *op;
    LkDispatch dispatch;

    part.y = *scratch;
    dispatch =
        dispatch_new(gpu->tiles->lanes ? LK_PROGRAM_TRANSPOSE_LANES : LK_PROGRAM_TRANSPOSE_SHARED, &part);
    bind_weights(&dispatch, op);
    bind(&dispatch, LK_BIND_IN_SCALE, &op->in_scale);
    dispatch.push.first_channel = first;
    dispatch.flops = 2 * (guint64)scratch->c * op->x.c * op->x.h * op->x.w * 9;
    if (gpu->tiles->lanes) {
        const guint32 own[] = {op->x.w % 4 == 0, gpu->info.subgroup_size};

        set_own(&dispatch, own, G_N_ELEMENTS(own));
        set_grid(&dispatch, gpu->info.subgroup_size, parts(op->x.w + 1, 4) * (op->x.h + 1),
                 (guint32)parts(scratch->c, LK_WEIGHT_TILE));
    } else {
        guint32 channels = tile_channels(gpu->tiles, scratch->c, (guint64)op->x.h * op->x.w);
        guint32 tile_h = gpu->tiles->conv_group / (channels / 8) / 8;

        set_own(&dispatch, &channels, 1);
        set_groups(&dispatch, gpu->tiles->conv_group, parts(op->x.w + 1, 16) * parts(op->x.h + 1, tile_h),
                   (guint32)parts(scratch->c, channels));
    }
    g_array_append_val(dispatches, dispatch);
}

static void lower_fir(const LkGpu *gpu, const LkOp *op, const LkTensor *scratch, guint first,
                      GArray *dispatches)
{
    const guint32 own[] = {op->y.w % 4 == 0, has_curve(op)};
    LkOp part = *op;
    LkDispatch dispatch;

    part.x = *scratch;
    dispatch = dispatch_new(LK_PROGRAM_FIR_UP, &part);
    bind_all(&dispatch, op, finish_bindings, G_N_ELEMENTS(finish_bindings));
    dispatch.push.first_channel = first;
    dispatch.flops = 2 * (guint64)scratch->c * op->y.h * op->y.w * 16;
    set_own(&dispatch, own, G_N_ELEMENTS(own));
    set_grid(&dispatch, gpu->tiles->flat_group, parts(op->y.w, 4) * parts(op->y.h, 4), scratch->c);
    g_array_append_val(dispatches, dispatch);
}

static void lower_conv_up(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    guint part = scratch_channels(gpu, op->y.c, op->x.h, op->x.w, op->scratch.type);

    for (guint first = 0; first < op->y.c; first += part) {
        const LkTensor scratch = {op->scratch.arena, op->scratch.offset,          MIN(part, op->y.c - first),
                                  2 * op->x.h + 1,   (guint)scratch_row(op->x.w), op->scratch.type};

        lower_transpose(gpu, op, &scratch, first, dispatches);
        lower_fir(gpu, op, &scratch, first, dispatches);
    }
}

static void lower_linear(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    static const LkBinding bindings[] = {LK_BIND_WEIGHT, LK_BIND_BIAS, LK_BIND_SLOPES};
    LkDispatch dispatch = dispatch_new(LK_PROGRAM_LINEAR, op);

    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    dispatch.key.spec[LK_SPEC_OWN] = op->square;
    dispatch.key.spec[LK_SPEC_OWN + 1] = op->weight.h % 4 == 0 && dispatch.push.base[LK_BIND_X] % 4 == 0 &&
                                         dispatch.push.base[LK_BIND_WEIGHT] == 0;
    dispatch.push.in_c = op->weight.h;
    set_groups(&dispatch, gpu->tiles->reduce_group, parts(op->y.c, 8), 1);
    g_array_append_val(dispatches, dispatch);
}

static void lower_pool(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    LkDispatch dispatch = dispatch_new(LK_PROGRAM_POOL, op);

    dispatch.key.spec[0] = gpu->tiles->reduce_group;
    dispatch.groups[2] = op->x.c;
    g_array_append_val(dispatches, dispatch);
}

/* Pixels an invocation makes: four where rows (TO_RGB) or planes are made of fours. */
static guint32 flat_pixels(const LkOp *op)
{
    switch (op->kind) {
    case LK_OP_TO_RGB: /* without a smaller picture to add, a width may be odd */
        return op->y.w % 4 == 0 ? 4 : 2;
    case LK_OP_SCALE_ADD:
    case LK_OP_GATE:
        return (guint64)op->y.h * op->y.w % 4 == 0 && lk_op_stride(op) == 1 ? 4 : 1;
    default:
        return 1;
    }
}

/* Ops whose invocations each make some pixels of one channel, or of all. */
static void lower_flat(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    static const struct {
        LkProgram program;
        gboolean together; /* all channels of a pixel by one invocation */
    } flat[LK_N_OPS] = {
        [LK_OP_SCALE_ADD] = {LK_PROGRAM_SCALE_ADD, FALSE}, [LK_OP_UPSAMPLE] = {LK_PROGRAM_UPSAMPLE, FALSE},
        [LK_OP_TO_RGB] = {LK_PROGRAM_TO_RGB, TRUE},        [LK_OP_GATE] = {LK_PROGRAM_GATE, FALSE},
        [LK_OP_WARP] = {LK_PROGRAM_WARP, FALSE},           [LK_OP_MOVE] = {LK_PROGRAM_MOVE, FALSE},
        [LK_OP_BLEND] = {LK_PROGRAM_BLEND, FALSE},         [LK_OP_IMAGE_IN] = {LK_PROGRAM_IMAGE_IN, TRUE},
        [LK_OP_IMAGE_OUT] = {LK_PROGRAM_IMAGE_OUT, TRUE}};
    static const LkBinding bindings[] = {LK_BIND_WEIGHT, LK_BIND_BIAS, LK_BIND_IN_SCALE, LK_BIND_ADD};
    LkDispatch dispatch = dispatch_new(flat[op->kind].program, op);
    guint32 pixels = flat_pixels(op), quads = pixels == 4;

    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    set_own(&dispatch, &quads, 1);
    set_grid(&dispatch, gpu->tiles->flat_group, parts((guint64)op->y.h * op->y.w, pixels),
             flat[op->kind].together ? 1 : op->y.c);
    g_array_append_val(dispatches, dispatch);
}

void lk_op_lower(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    switch (op->kind) {
    case LK_OP_CONV:
        lower_conv(gpu, op, dispatches);
        break;
    case LK_OP_CONV_UP:
        lower_conv_up(gpu, op, dispatches);
        break;
    case LK_OP_LINEAR:
        lower_linear(gpu, op, dispatches);
        break;
    case LK_OP_POOL:
        lower_pool(gpu, op, dispatches);
        break;
    default:
        lower_flat(gpu, op, dispatches);
        break;
    }
}
