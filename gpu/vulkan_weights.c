/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_weights.c - how convolution weights lie in memory.
 */
#include "half.h"
#include "vulkan.h"

gsize lk_gpu_weights_size(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type)
{
    return (gsize)o * i * k * k * lk_type_size(type);
}

void lk_gpu_weights_pack(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type, const float *weights,
                         gpointer dst)
{
    gsize n = (gsize)o * i * k * k;

    for (gsize at = 0; at < n; at++) {
        if (type == LK_F16)
            ((guint16 *)dst)[at] = lk_half_from_float(weights[at]);
        else
            ((float *)dst)[at] = weights[at];
    }
}
