/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ops.c - what is true of tensors and operations whatever engine runs them.
 */
#include "ops.h"

gsize lk_type_size(LkType type)
{
    static const gsize sizes[] = {[LK_F32] = 4, [LK_F16] = 2, [LK_U8] = 1};

    return sizes[type];
}

gsize lk_tensor_bytes(const LkTensor *tensor)
{
    return (gsize)tensor->c * tensor->h * tensor->w * lk_type_size(tensor->type);
}

const char *lk_op_name(LkOpKind kind)
{
    static const char *const names[LK_N_OPS] = {"conv",     "conv_up",  "linear",   "pool", "scale_add",
                                                "upsample", "to_rgb",   "gate",     "warp", "move",
                                                "blend",    "image_in", "image_out"};

    return kind < LK_N_OPS ? names[kind] : "unknown";
}

guint lk_op_stride(const LkOp *op)
{
    return MAX(op->stride, 1);
}

guint64 lk_op_flops(const LkOp *op)
{
    const guint64 pixels = (guint64)op->y.h * op->y.w, outputs = pixels * op->y.c;

    switch (op->kind) {
    case LK_OP_CONV:
        return 2 * outputs * op->x.c * op->kernel * op->kernel;
    case LK_OP_CONV_UP: /* nine per input pixel, then the filter's sixteen per output pixel */
        return 2 * op->y.c * ((guint64)op->x.h * op->x.w * op->x.c * 9 + pixels * 16);
    case LK_OP_LINEAR:
        return 2 * (guint64)op->weight.c * op->weight.h;
    case LK_OP_TO_RGB:
        return 2 * outputs * (op->x.c + (op->add.arena != NULL ? 4 : 0));
    case LK_OP_POOL:
        return 2 * (guint64)op->x.c * op->x.h * op->x.w;
    case LK_OP_UPSAMPLE:
    case LK_OP_WARP:
        return 2 * outputs * 4;
    case LK_OP_MOVE:
        return 2 * outputs * 20;
    default:
        return 2 * outputs;
    }
}

/* Whether two tensors share a byte. */
gboolean lk_tensors_overlap(const LkTensor *a, const LkTensor *b)
{
    return a->arena != NULL && a->arena == b->arena && a->offset < b->offset + lk_tensor_bytes(b) &&
           b->offset < a->offset + lk_tensor_bytes(a);
}

/* Whether two tensors are the same elements in the same places. */
gboolean lk_tensors_same(const LkTensor *a, const LkTensor *b)
{
    return a->arena == b->arena && a->offset == b->offset && a->type == b->type && a->c == b->c &&
           a->h == b->h && a->w == b->w;
}
