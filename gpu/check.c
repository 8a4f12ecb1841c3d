/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * check.c - whether an operation's tensors fit together.
 */
#include "ops.h"

/* So that no product of sizes wraps; and layers of a dispatch that every device has. */
enum { MAX_SIDE = 1 << 24, MAX_CHANNELS = 65535 };

typedef struct {
    const LkOpLimits *limits;
    const LkOp *op;
    GError **error;
    gboolean ok; /* FALSE from the first problem on, which is the one reported */
} Check;

G_GNUC_PRINTF(2, 3) static void fail(Check *check, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    if (!check->ok)
        return;
    check->ok = FALSE;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(check->error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "%s: %s", lk_op_name(check->op->kind),
                text);
}

/* Where a tensor lies: its arena, its alignment, its size. bytes: what the engine stores for it. */
static void check_place(Check *check, const char *name, const LkTensor *tensor, gsize bytes)
{
    gsize align = tensor->h == 1 && tensor->w == 1 ? 4 : LK_ARENA_ALIGN;

    if (!check->ok)
        return;
    if (tensor->c == 0 || tensor->h == 0 || tensor->w == 0)
        fail(check, "%s is empty", name);
    else if (MAX(tensor->c, MAX(tensor->h, tensor->w)) > MAX_SIDE ||
             (guint64)tensor->c * tensor->h > G_MAXUINT32)
        fail(check, "%s is %u x %u x %u, which is too large", name, tensor->c, tensor->h, tensor->w);
    else if (lk_arena_gpu(tensor->arena) != check->limits->gpu)
        fail(check, "%s belongs to another device", name);
    else if (tensor->offset % align != 0)
        fail(check, "%s starts at %" G_GSIZE_FORMAT ", which is no multiple of %" G_GSIZE_FORMAT, name,
             tensor->offset, align);
    else if (bytes > check->limits->max_binding)
        fail(check, "%s is larger than the device can bind", name);
    else if (tensor->offset > lk_arena_size(tensor->arena) ||
             bytes > lk_arena_size(tensor->arena) - tensor->offset)
        fail(check, "%s ends outside of its arena", name);
}

static void check_type(Check *check, const char *name, const LkTensor *tensor, gboolean half_allowed)
{
    if (tensor->type != LK_F32 && (tensor->type != LK_F16 || !half_allowed))
        fail(check, "%s has a type that is not allowed there", name);
    else if (tensor->type == LK_F16 && !check->limits->half_storage)
        fail(check, "%s is LK_F16, which the device cannot store", name);
}

static gboolean check_present(Check *check, const char *name, const LkTensor *tensor)
{
    if (tensor->arena == NULL)
        fail(check, "%s is absent", name);
    return check->ok;
}

static void check_shape(Check *check, const char *name, const LkTensor *tensor, guint c, guint h, guint w)
{
    if (tensor->c != c || tensor->h != h || tensor->w != w)
        fail(check, "%s is %u x %u x %u instead of %u x %u x %u", name, tensor->c, tensor->h, tensor->w, c, h,
             w);
}

/* A picture or a feature map, F32 or F16. */
static void check_map(Check *check, const char *name, const LkTensor *tensor, guint c, guint h, guint w)
{
    if (!check_present(check, name, tensor))
        return;
    check_type(check, name, tensor, TRUE);
    check_shape(check, name, tensor, c, h, w);
    check_place(check, name, tensor, lk_tensor_bytes(tensor));
}

/* A vector of c floats, which may be absent. */
static void check_vector(Check *check, const char *name, const LkTensor *tensor, guint c)
{
    if (tensor->arena == NULL)
        return;
    check_type(check, name, tensor, FALSE);
    check_shape(check, name, tensor, c, 1, 1);
    check_place(check, name, tensor, lk_tensor_bytes(tensor));
}

static void check_required_vector(Check *check, const char *name, const LkTensor *tensor, guint c)
{
    if (check_present(check, name, tensor))
        check_vector(check, name, tensor, c);
}

/* What only finish needs. */
static void check_finish(Check *check)
{
    const LkOp *op = check->op;

    check_vector(check, "bias", &op->bias, op->y.c);
    check_vector(check, "in_scale", &op->in_scale, op->x.c);
    check_vector(check, "in_shift", &op->in_shift, op->x.c);
    check_vector(check, "out_scale", &op->out_scale, op->y.c);
    if (op->noise.arena != NULL) {
        check_map(check, "noise", &op->noise, 1, op->y.h, op->y.w);
        check_type(check, "noise", &op->noise, FALSE);
    }
    if (op->add.arena != NULL)
        check_map(check, "add", &op->add, op->y.c, op->y.h, op->y.w);
    if (op->act == LK_ACT_PRELU)
        check_required_vector(check, "slopes", &op->slopes, op->y.c);
}

static void check_weight(Check *check, guint kernel)
{
    const LkOp *op = check->op;

    if (!check_present(check, "weight", &op->weight))
        return;
    check_type(check, "weight", &op->weight, TRUE);
    check_shape(check, "weight", &op->weight, op->y.c, op->x.c, kernel * kernel);
    check_place(check, "weight", &op->weight,
                lk_gpu_weights_size(check->limits->gpu, op->kind, op->y.c, op->x.c, kernel, op->weight.type));
}

static void check_conv(Check *check)
{
    const LkOp *op = check->op;
    guint stride = lk_op_stride(op);

    if ((op->kernel != 1 && op->kernel != 3) || stride > 2)
        fail(check, "kernel %u with stride %u", op->kernel, stride);
    if (!check->ok)
        return;
    check_map(check, "y", &op->y, op->y.c, (op->x.h - 1) / stride + 1, (op->x.w - 1) / stride + 1);
    check_weight(check, op->kernel);
    check_finish(check);
}

static void check_conv_up(Check *check)
{
    const LkOp *op = check->op;
    gsize scratch;

    check_map(check, "y", &op->y, op->y.c, 2 * op->x.h, 2 * op->x.w);
    check_weight(check, 3);
    check_finish(check);
    if (op->in_shift.arena != NULL)
        fail(check, "in_shift is not allowed");
    if (!check->ok || !check_present(check, "scratch", &op->scratch))
        return;
    check_type(check, "scratch", &op->scratch, TRUE);
    if (!check->ok)
        return;
    scratch = lk_gpu_scratch_size(check->limits->gpu, op->y.c, op->x.h, op->x.w, op->scratch.type);
    if (scratch > check->limits->max_binding)
        fail(check, "the device cannot bind the scratch of so large a map");
    if (op->scratch.offset % LK_ARENA_ALIGN != 0 || op->scratch.offset > lk_arena_size(op->scratch.arena) ||
        lk_arena_size(op->scratch.arena) - op->scratch.offset < scratch)
        fail(check, "scratch is too small or ends outside of its arena");
}

static void check_linear(Check *check)
{
    const LkOp *op = check->op;
    guint64 inputs = (guint64)op->x.c * op->x.h * op->x.w;

    if (inputs > G_MAXUINT32)
        fail(check, "x is too long");
    if (!check->ok)
        return;
    check_map(check, "y", &op->y, op->y.c, 1, 1);
    check_map(check, "weight", &op->weight, op->y.c, (guint)inputs, 1);
    check_vector(check, "bias", &op->bias, op->y.c);
    if (op->act == LK_ACT_PRELU)
        check_required_vector(check, "slopes", &op->slopes, op->y.c);
}

static void check_scale_add(Check *check)
{
    const LkOp *op = check->op;
    guint stride = lk_op_stride(op);

    check_map(check, "y", &op->y, op->x.c, op->x.h, op->x.w);
    check_vector(check, "in_scale", &op->in_scale, op->x.c);
    if (op->add.arena == NULL)
        return;
    /* x[::stride] of an odd size has one element more than half. */
    check_map(check, "add", &op->add, op->x.c, op->add.h, op->add.w);
    if (check->ok && ((op->add.h - 1) / stride + 1 != op->x.h || (op->add.w - 1) / stride + 1 != op->x.w))
        fail(check, "add is %u x %u, which is not x with stride %u", op->add.h, op->add.w, stride);
}

static void check_to_rgb(Check *check)
{
    const LkOp *op = check->op;

    check_map(check, "y", &op->y, 3, op->x.h, op->x.w);
    check_map(check, "weight", &op->weight, 3, op->x.c, 1);
    check_required_vector(check, "in_scale", &op->in_scale, op->x.c);
    check_required_vector(check, "bias", &op->bias, 3);
    if (op->add.arena != NULL && (op->x.h % 2 != 0 || op->x.w % 2 != 0))
        fail(check, "add with a picture of odd size");
    if (op->add.arena != NULL)
        check_map(check, "add", &op->add, 3, op->x.h / 2, op->x.w / 2);
}

static void check_warp(Check *check)
{
    const LkOp *op = check->op;
    guint stride = lk_op_stride(op);

    check_map(check, "y", &op->y, op->x.c, op->x.h, op->x.w);
    check_map(check, "weight", &op->weight, 2, op->x.h, op->x.w);
    if (stride > 16 || op->x.c % (stride * stride) != 0)
        fail(check, "%u channels with stride %u", op->x.c, stride);
}

/* A map in weight with a cell for every stride x stride elements of x. */
static void check_cells(Check *check, guint channels)
{
    const LkOp *op = check->op;
    guint stride = lk_op_stride(op);

    check_map(check, "weight", &op->weight, channels, op->x.h / stride, op->x.w / stride);
    if (op->x.h % stride != 0 || op->x.w % stride != 0)
        fail(check, "%u x %u elements with stride %u", op->x.h, op->x.w, stride);
}

static void check_bytes(Check *check, const char *name, const LkTensor *tensor, guint h, guint w)
{
    if (!check_present(check, name, tensor))
        return;
    if (tensor->type != LK_U8)
        fail(check, "%s is not LK_U8", name);
    check_shape(check, name, tensor, 4, h, w);
    check_place(check, name, tensor, lk_tensor_bytes(tensor));
}

static void check_kind(Check *check)
{
    const LkOp *op = check->op;

    switch (op->kind) {
    case LK_OP_CONV:
        check_conv(check);
        break;
    case LK_OP_CONV_UP:
        check_conv_up(check);
        break;
    case LK_OP_LINEAR:
        check_linear(check);
        break;
    case LK_OP_POOL:
        check_map(check, "y", &op->y, op->x.c, 1, 1);
        break;
    case LK_OP_SCALE_ADD:
        check_scale_add(check);
        break;
    case LK_OP_UPSAMPLE:
        check_map(check, "y", &op->y, op->x.c, op->y.h, op->y.w);
        if (op->add.arena != NULL)
            check_map(check, "add", &op->add, op->y.c, op->y.h, op->y.w);
        break;
    case LK_OP_TO_RGB:
        check_to_rgb(check);
        break;
    case LK_OP_GATE:
        check_map(check, "y", &op->y, op->x.c, op->x.h, op->x.w);
        check_map(check, "add", &op->add, op->x.c, op->x.h, op->x.w);
        check_map(check, "weight", &op->weight, 1, op->x.h, op->x.w);
        break;
    case LK_OP_WARP:
        check_warp(check);
        break;
    case LK_OP_MOVE:
        check_map(check, "y", &op->y, op->x.c, op->x.h, op->x.w);
        check_cells(check, 2);
        break;
    case LK_OP_BLEND:
        check_map(check, "y", &op->y, op->x.c, op->x.h, op->x.w);
        check_map(check, "add", &op->add, op->x.c, op->x.h, op->x.w);
        check_cells(check, 1);
        break;
    case LK_OP_IMAGE_IN:
        check_bytes(check, "x", &op->x, op->y.h, op->y.w);
        check_map(check, "y", &op->y, 3, op->x.h, op->x.w);
        break;
    case LK_OP_IMAGE_OUT:
        check_map(check, "x", &op->x, 3, op->y.h, op->y.w);
        check_bytes(check, "y", &op->y, op->x.h, op->x.w);
        break;
    default:
        fail(check, "no such operation");
    }
}

/* Which tensors an op reads: bits in the order of check_overlaps. */
static guint lk_op_reads(LkOpKind kind)
{
    enum {
        X = 1,
        WEIGHT = 2,
        BIAS = 4,
        IN_SCALE = 8,
        IN_SHIFT = 16,
        OUT_SCALE = 32,
        NOISE = 64,
        ADD = 128,
        SLOPES = 256
    };
    static const guint reads[LK_N_OPS] = {[LK_OP_CONV] = 511,
                                          [LK_OP_CONV_UP] = 511 & ~IN_SHIFT,
                                          [LK_OP_LINEAR] = X | WEIGHT | BIAS | SLOPES,
                                          [LK_OP_POOL] = X,
                                          [LK_OP_SCALE_ADD] = X | IN_SCALE | ADD,
                                          [LK_OP_UPSAMPLE] = X | ADD,
                                          [LK_OP_TO_RGB] = X | WEIGHT | BIAS | IN_SCALE | ADD,
                                          [LK_OP_GATE] = X | WEIGHT | ADD,
                                          [LK_OP_WARP] = X | WEIGHT,
                                          [LK_OP_MOVE] = X | WEIGHT,
                                          [LK_OP_BLEND] = X | WEIGHT | ADD,
                                          [LK_OP_IMAGE_IN] = X,
                                          [LK_OP_IMAGE_OUT] = X};

    return reads[kind];
}

/* y may be the very same tensor as one that is read once per element, at the element that is written. */
static gboolean may_be_in_place(const LkOp *op, const LkTensor *tensor)
{
    if (!lk_tensors_same(tensor, &op->y))
        return FALSE;
    if (tensor == &op->add)
        return op->kind == LK_OP_CONV || op->kind == LK_OP_CONV_UP || op->kind == LK_OP_GATE ||
               op->kind == LK_OP_BLEND || op->kind == LK_OP_UPSAMPLE ||
               (op->kind == LK_OP_SCALE_ADD && lk_op_stride(op) == 1);
    return tensor == &op->x &&
           (op->kind == LK_OP_GATE || op->kind == LK_OP_BLEND || op->kind == LK_OP_SCALE_ADD);
}

static void check_overlaps(Check *check)
{
    const LkOp *op = check->op;
    const LkTensor *tensors[] = {&op->x,         &op->weight, &op->bias, &op->in_scale, &op->in_shift,
                                 &op->out_scale, &op->noise,  &op->add,  &op->slopes};
    LkTensor scratch = {0};

    if (op->kind == LK_OP_CONV_UP) {
        guint64 bytes = lk_gpu_scratch_size(check->limits->gpu, op->y.c, op->x.h, op->x.w, op->scratch.type);

        scratch = (LkTensor){op->scratch.arena, op->scratch.offset, (guint)(bytes / 4), 1, 1, LK_F32};
    }
    for (guint i = 0; i < G_N_ELEMENTS(tensors) && check->ok; i++) {
        if ((lk_op_reads(op->kind) & (1u << i)) == 0)
            continue;
        if (lk_tensors_overlap(tensors[i], &op->y) && !may_be_in_place(op, tensors[i]))
            fail(check, "y overlaps a tensor that is read");
        if (lk_tensors_overlap(tensors[i], &scratch))
            fail(check, "scratch overlaps a tensor that is read");
    }
    if (lk_tensors_overlap(&scratch, &op->y))
        fail(check, "scratch overlaps y");
}

gboolean lk_op_check(const LkOpLimits *limits, const LkOp *op, GError **error)
{
    Check check = {limits, op, error, TRUE};

    if ((guint)op->kind >= LK_N_OPS || (guint)op->act > LK_ACT_RSQRT)
        fail(&check, "no such operation or activation");
    if (check.ok && op->kind != LK_OP_IMAGE_IN)
        check_map(&check, "x", &op->x, op->x.c, op->x.h, op->x.w);
    if (check.ok && op->kind != LK_OP_LINEAR && MAX(op->x.c, op->y.c) > MAX_CHANNELS)
        fail(&check, "more than %d channels", MAX_CHANNELS);
    if (check.ok)
        check_kind(&check);
    if (check.ok)
        check_overlaps(&check);
    return check.ok;
}
