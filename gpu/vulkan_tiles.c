/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_tiles.c - the tile sizes that suit each kind of device.
 *
 * A submit should last about 20 ms at most: long enough to hide its cost, short enough for a smooth desktop, for no
 * driver's watchdog to fire, and for a cancel to be felt as immediate.
 */
#include "vulkan.h"

static const LkTiles tables[] = {
    {.name = "discrete",
     .conv_group = 128,
     .channels = {32, 64},
     .flat_group = 128,
     .reduce_group = 64,
     .submit_flops = 40000000000},
    {.name = "integrated",
     .conv_group = 64,
     .channels = {16, 32},
     .flat_group = 64,
     .reduce_group = 64,
     .submit_flops = 6000000000},
    {.name = "software",
     .lanes = TRUE,
     .conv_group = 64,
     .channels = {16, 32},
     .flat_group = 32,
     .reduce_group = 8,
     .submit_flops = 300000000},
    {.name = "software without shuffle",
     .conv_group = 64,
     .channels = {16, 32},
     .flat_group = 32,
     .reduce_group = 8,
     .submit_flops = 300000000},
};

/* The parts of a subgroup that the lanes programs can share weights among; see MAX_PARTS there. */
enum { MIN_LANES = 4 };

static const LkTiles *table_called(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
        if (g_strcmp0(tables[i].name, name) == 0)
            return &tables[i];
    return NULL;
}

const LkTiles *lk_tiles_for(const LkGpuInfo *info, gboolean has_shuffle)
{
    const LkTiles *asked = table_called(g_getenv("LIKENESS_TILES"));
    gboolean can_share = has_shuffle && info->subgroup_size >= MIN_LANES;

    if (asked != NULL && (can_share || !asked->lanes))
        return asked;
    if (info->kind == LK_GPU_SOFTWARE)
        return table_called(can_share ? "software" : "software without shuffle");
    return table_called(info->kind == LK_GPU_DISCRETE ? "discrete" : "integrated");
}
