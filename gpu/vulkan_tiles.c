/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_tiles.c - the tile sizes that suit each kind of device.
 */
#include "vulkan.h"

/* A submit should last about 20 ms at most: long enough to hide its cost, short enough for a smooth desktop, for no
 * driver's watchdog to fire, and for a cancel to be felt as immediate. */
static const LkTiles tiles_discrete = {
    .name = "discrete", .flat_group = 128, .reduce_group = 64, .submit_flops = 40000000000};
static const LkTiles tiles_integrated = {
    .name = "integrated", .flat_group = 64, .reduce_group = 64, .submit_flops = 6000000000};
static const LkTiles tiles_software = {
    .name = "software", .flat_group = 64, .reduce_group = 8, .submit_flops = 300000000};

const LkTiles *lk_tiles_for(const LkGpuInfo *info)
{
    switch (info->kind) {
    case LK_GPU_DISCRETE:
        return &tiles_discrete;
    case LK_GPU_SOFTWARE:
        return &tiles_software;
    default:
        return &tiles_integrated;
    }
}
