/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * directions.h - reading a model file's directions (docs/model-file.md): directions.c reads what all kinds have,
 * direction_kinds.c what one kind needs, its tensors included.
 */
#pragma once

#include "config.h"

G_BEGIN_DECLS

/* What directions share is read and checked once, however many there are. */
typedef struct {
    const LkConfig *config;
    const LkWeights *weights;
    guint n_components; /* 0: not read yet */
    float *mean, *components, *std;
    guint checked[LK_MAX_DIRECTIONS]; /* 0, or 1 + the hidden units with which this classifier was checked */
} LkDirectionReader;

/* Gives kind the one that is called text; FALSE if none is. */
gboolean lk_direction_kind_parse(const char *text, LkDirectionKind *kind);

/* Reads the members and tensors of direction->kind; the rest of direction is complete. Errors do not name it. */
gboolean lk_direction_read_kind(LkDirectionReader *reader, JsonObject *object, LkDirection *direction,
                                GError **error);

/* A finite number of at most 1000. */
gboolean lk_direction_number(JsonNode *node, float *value);

G_END_DECLS
