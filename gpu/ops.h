/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ops.h - checks of operations, the same for every engine. Private to gpu/.
 */
#pragma once

#include "gpu.h"

LkGpu *lk_arena_gpu(const LkArena *arena);
guint lk_op_stride(const LkOp *op);
gboolean lk_tensors_overlap(const LkTensor *a, const LkTensor *b);
gboolean lk_tensors_same(const LkTensor *a, const LkTensor *b);

/* What the device allows. */
typedef struct {
    const LkGpu *gpu;
    gboolean half_storage;
    guint64 max_binding;
} LkOpLimits;

/* TRUE where the op is one gpu.h allows; otherwise LK_GPU_ERROR_INVALID with a sentence naming op and tensor. */
gboolean lk_op_check(const LkOpLimits *limits, const LkOp *op, GError **error);
