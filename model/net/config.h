/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * config.h - the two JSON texts in a model file's metadata (docs/model-file.md), with bounds for everything in them.
 */
#pragma once

#include "model.h"
#include "json_check.h"
#include "weights.h"

G_BEGIN_DECLS

/* FALSE with LK_MODEL_ERROR_CONFIG naming the key. */
gboolean lk_config_parse(const char *json, LkConfig *config, GError **error);

/* A GPtrArray of LkDirection. NULL with LK_MODEL_ERROR_CONFIG, or _TENSOR where a direction's vector is not as it should. */
GPtrArray *lk_directions_parse(const char *json, const LkConfig *config, const LkWeights *weights,
                               GError **error);
void lk_direction_free(LkDirection *direction);

/* ---- reading checked JSON ---- */

/* FALSE with an error that names the key where it is missing or not what is asked for. */
gboolean lk_json_uint(JsonObject *object, const char *key, guint minimum, guint maximum, guint *value,
                      GError **error);
gboolean lk_json_array(JsonObject *object, const char *key, guint length, JsonArray **array, GError **error);
gboolean lk_json_element_uint(JsonArray *array, guint index, const char *key, guint minimum, guint maximum,
                              guint *value, GError **error);

G_END_DECLS
