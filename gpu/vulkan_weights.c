/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_weights.c - how convolution weights lie in memory: [o / 8][i][k][o % 8], output channels that do not exist
 * being zero. The eight are what an invocation of a convolution makes.
 */
#include <string.h>

#include "half.h"
#include "vulkan.h"

gsize lk_gpu_weights_size(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type)
{
    gsize padded = ((gsize)o + LK_WEIGHT_TILE - 1) / LK_WEIGHT_TILE * LK_WEIGHT_TILE;

    return padded * i * k * k * lk_type_size(type);
}

/* Up to eight rows of taps turned into taps of eight. */
static void pack_tile(const float *rows, guint n_rows, gsize taps, float *tile)
{
    if (n_rows < LK_WEIGHT_TILE)
        memset(tile, 0, taps * LK_WEIGHT_TILE * sizeof *tile);
    for (gsize tap = 0; tap < taps; tap++)
        for (guint o = 0; o < n_rows; o++)
            tile[tap * LK_WEIGHT_TILE + o] = rows[o * taps + tap];
}

void lk_gpu_weights_pack(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type,
                         const float *weights, gpointer dst)
{
    gsize taps = (gsize)i * k * k, n = taps * LK_WEIGHT_TILE;
    g_autofree float *tile = g_new(float, n);

    for (guint first = 0; first < o; first += LK_WEIGHT_TILE) {
        const float *rows = weights + first * taps;
        float *floats = type == LK_F16 ? tile : (float *)dst + first * taps;

        pack_tile(rows, MIN(o - first, LK_WEIGHT_TILE), taps, floats);
        for (gsize at = 0; at < n && type == LK_F16; at++)
            ((guint16 *)dst)[first * taps + at] = lk_half_from_float(floats[at]);
    }
}
