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

/* A grid of n invocations along x, folded to y where it is too wide, and z layers. */
static void set_grid(LkDispatch *dispatch, guint32 group, guint64 n, guint32 z)
{
    guint32 groups = (guint32)((n + group - 1) / group);

    dispatch->key.spec[0] = group;
    dispatch->groups[0] = MIN(groups, MAX_GROUPS_X);
    dispatch->groups[1] = (groups + dispatch->groups[0] - 1) / dispatch->groups[0];
    dispatch->groups[2] = z;
}

static const LkBinding finish_bindings[] = {LK_BIND_BIAS, LK_BIND_OUT_SCALE, LK_BIND_NOISE, LK_BIND_ADD,
                                            LK_BIND_SLOPES};

static void lower_conv(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    static const LkBinding bindings[] = {LK_BIND_WEIGHT, LK_BIND_IN_SCALE, LK_BIND_IN_SHIFT};
    LkDispatch dispatch = dispatch_new(LK_PROGRAM_CONV, op);

    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    bind_all(&dispatch, op, finish_bindings, G_N_ELEMENTS(finish_bindings));
    dispatch.key.spec[LK_SPEC_OWN] = op->kernel;
    dispatch.key.spec[LK_SPEC_OWN + 1] = lk_op_stride(op);
    set_grid(&dispatch, gpu->tiles->flat_group, (guint64)op->y.h * op->y.w, op->y.c);
    g_array_append_val(dispatches, dispatch);
}

/* Channels whose transposed convolution fits into one scratch. */
static guint scratch_channels(const LkGpu *gpu, guint o, guint h, guint w, LkType type)
{
    guint64 plane = (2 * (guint64)h + 1) * (2 * (guint64)w + 1) * lk_type_size(type);
    guint64 most = MIN(gpu->info.max_binding, (guint64)128 << 20) / plane;

    return (guint)CLAMP(most, 1, o);
}

gsize lk_gpu_scratch_size(const LkGpu *gpu, guint o, guint h, guint w, LkType type)
{
    gsize plane = (2 * (gsize)h + 1) * (2 * (gsize)w + 1) * lk_type_size(type);

    return (scratch_channels(gpu, o, h, w, type) * plane + 3) / 4 * 4;
}

static void lower_conv_up_part(const LkGpu *gpu, const LkOp *op, guint first, guint channels, GArray *dispatches)
{
    static const LkBinding bindings[] = {LK_BIND_WEIGHT, LK_BIND_IN_SCALE};
    LkDispatch dispatch = dispatch_new(LK_PROGRAM_CONV_TRANSPOSE, op);
    LkTensor scratch = {op->scratch.arena, op->scratch.offset, channels, 2 * op->x.h + 1, 2 * op->x.w + 1,
                        op->scratch.type};

    bind(&dispatch, LK_BIND_Y, &scratch);
    if (scratch.type == LK_F32)
        dispatch.key.spec[LK_SPEC_HALVES] &= ~(1u << LK_BIND_Y);
    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    dispatch.push.first_channel = first;
    dispatch.push.out_h = scratch.h;
    dispatch.push.out_w = scratch.w;
    dispatch.flops = 2 * (guint64)channels * op->x.c * op->x.h * op->x.w * 9;
    set_grid(&dispatch, gpu->tiles->flat_group, (guint64)scratch.h * scratch.w, channels);
    g_array_append_val(dispatches, dispatch);

    dispatch = dispatch_new(LK_PROGRAM_FIR_UP, op);
    dispatch.key.spec[LK_SPEC_HALVES] &= ~(1u << LK_BIND_X);
    bind(&dispatch, LK_BIND_X, &scratch);
    bind_all(&dispatch, op, finish_bindings, G_N_ELEMENTS(finish_bindings));
    dispatch.push.first_channel = first;
    dispatch.push.in_h = scratch.h;
    dispatch.push.in_w = scratch.w;
    dispatch.flops = 2 * (guint64)channels * op->y.h * op->y.w * 16;
    set_grid(&dispatch, gpu->tiles->flat_group, (guint64)op->y.h * op->y.w, channels);
    g_array_append_val(dispatches, dispatch);
}

static void lower_conv_up(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    guint part = scratch_channels(gpu, op->y.c, op->x.h, op->x.w, op->scratch.type);

    for (guint first = 0; first < op->y.c; first += part)
        lower_conv_up_part(gpu, op, first, MIN(part, op->y.c - first), dispatches);
}

static void lower_linear(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    static const LkBinding bindings[] = {LK_BIND_WEIGHT, LK_BIND_BIAS, LK_BIND_SLOPES};
    LkDispatch dispatch = dispatch_new(LK_PROGRAM_LINEAR, op);

    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    dispatch.key.spec[0] = gpu->tiles->reduce_group;
    dispatch.key.spec[LK_SPEC_OWN] = op->square;
    dispatch.push.in_c = op->weight.h;
    dispatch.groups[0] = MIN(op->y.c, MAX_GROUPS_X);
    dispatch.groups[1] = (op->y.c + dispatch.groups[0] - 1) / dispatch.groups[0];
    g_array_append_val(dispatches, dispatch);
}

static void lower_pool(const LkGpu *gpu, const LkOp *op, GArray *dispatches)
{
    LkDispatch dispatch = dispatch_new(LK_PROGRAM_POOL, op);

    dispatch.key.spec[0] = gpu->tiles->reduce_group;
    dispatch.groups[2] = op->x.c;
    g_array_append_val(dispatches, dispatch);
}

/* Ops whose invocations each make one pixel of one channel, or of all. */
static void lower_flat(const LkGpu *gpu, const LkOp *op, LkProgram program, guint32 channels, GArray *dispatches)
{
    static const LkBinding bindings[] = {LK_BIND_WEIGHT, LK_BIND_BIAS, LK_BIND_IN_SCALE, LK_BIND_ADD};
    LkDispatch dispatch = dispatch_new(program, op);

    bind_all(&dispatch, op, bindings, G_N_ELEMENTS(bindings));
    set_grid(&dispatch, gpu->tiles->flat_group, (guint64)op->y.h * op->y.w, channels);
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
    case LK_OP_SCALE_ADD:
        lower_flat(gpu, op, LK_PROGRAM_SCALE_ADD, op->y.c, dispatches);
        break;
    case LK_OP_UPSAMPLE:
        lower_flat(gpu, op, LK_PROGRAM_UPSAMPLE, op->y.c, dispatches);
        break;
    case LK_OP_TO_RGB:
        lower_flat(gpu, op, LK_PROGRAM_TO_RGB, 1, dispatches);
        break;
    case LK_OP_GATE:
        lower_flat(gpu, op, LK_PROGRAM_GATE, op->y.c, dispatches);
        break;
    case LK_OP_IMAGE_IN:
        lower_flat(gpu, op, LK_PROGRAM_IMAGE_IN, 1, dispatches);
        break;
    default:
        lower_flat(gpu, op, LK_PROGRAM_IMAGE_OUT, 1, dispatches);
        break;
    }
}
