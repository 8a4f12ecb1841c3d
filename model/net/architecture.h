/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * architecture.h - which tensors a StyleRes checkpoint of a given configuration has: every name and shape, those that
 * inference never reads included. Source: networks of arXiv 2212.14359; the names are the released checkpoint's.
 */
#pragma once

#include "model.h"

G_BEGIN_DECLS

typedef struct {
    char *name; /* as in a model file: e4e., generator., latent_avg */
    guint n_dims;
    guint64 shape[4];
    /* FALSE: part of the checkpoint (the mapping network, counters, filters ...), not of a model file. */
    gboolean used;
} LkExpectedTensor;

/* All tensors of the configuration, in the order of the networks: a GPtrArray of LkExpectedTensor. se_hidden: divisor of a
 * unit's width that gives the hidden width of its squeeze-excitation (16 in the released model). */
GPtrArray *lk_architecture_tensors(const LkConfig *config, guint se_divisor);

/* The "config" text of a model file (docs/model-file.md). Free with g_free. */
char *lk_config_to_json(const LkConfig *config);

G_END_DECLS
