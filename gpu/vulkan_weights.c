/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_weights.c - how convolution weights lie in memory: [o / 8][i][k][o % 8], output channels that do not exist
 * being zero. The eight are what an invocation of a convolution makes.
 */
#include "half.h"
#include "vulkan.h"

gsize lk_gpu_weights_size(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type)
{
    gsize padded = ((gsize)o + LK_WEIGHT_TILE - 1) / LK_WEIGHT_TILE * LK_WEIGHT_TILE;

    return padded * i * k * k * lk_type_size(type);
}

void lk_gpu_weights_pack(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type,
                         const float *weights, gpointer dst)
{
    gsize n = lk_gpu_weights_size(gpu, op, o, i, k, type) / lk_type_size(type), taps = (gsize)i * k * k;

    for (gsize at = 0; at < n; at++) {
        gsize tile = at / (taps * LK_WEIGHT_TILE), tap = at / LK_WEIGHT_TILE % taps;
        gsize output = tile * LK_WEIGHT_TILE + at % LK_WEIGHT_TILE;
        float value = output < o ? weights[output * taps + tap] : 0;

        if (type == LK_F16)
            ((guint16 *)dst)[at] = lk_half_from_float(value);
        else
            ((float *)dst)[at] = value;
    }
}
