/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * upload.h - from a graph's values to a device's bytes.
 */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

/* What every value takes on this device, by value - 1 (views: 0). Free with g_free. */
gsize *lk_value_sizes(const LkGpu *gpu, const LkGraph *graph);

/* Reads a parameter from the model file, packs it as the device wants it and writes it to the arena. */
gboolean lk_upload_param(LkGpu *gpu, const LkGraphValue *value, const LkWeights *weights, LkArena *arena,
                         gsize offset, GError **error);

G_END_DECLS
