/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"
#include "model_private.h"

#include <string.h>

#define MAX_DEPTH       6
#define MAX_CHANNELS    2048
#define MAX_UNITS       64
#define MAX_REFINEMENTS 8

#define refuse(error, ...) lk_model_refuse(error, LK_MODEL_ERROR_CONFIG, __VA_ARGS__)

/* ---- single values ---- */

static gboolean node_uint(JsonNode *node, const char *key, guint minimum, guint maximum, guint *value,
                          GError **error)
{
    gint64 number;

    if (node == NULL)
        return refuse(error, "config: %s is missing", key);
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
        return refuse(error, "config: %s is not a whole number", key);
    number = json_node_get_int(node);
    if (number < minimum || number > maximum)
        return refuse(error, "config: %s is %" G_GINT64_FORMAT ", not from %u to %u", key, number, minimum,
                      maximum);
    *value = (guint)number;
    return TRUE;
}

gboolean lk_json_uint(JsonObject *object, const char *key, guint minimum, guint maximum, guint *value,
                      GError **error)
{
    return node_uint(json_object_get_member(object, key), key, minimum, maximum, value, error);
}

gboolean lk_json_element_uint(JsonArray *array, guint index, const char *key, guint minimum, guint maximum,
                              guint *value, GError **error)
{
    return node_uint(json_array_get_element(array, index), key, minimum, maximum, value, error);
}

gboolean lk_json_array(JsonObject *object, const char *key, guint length, JsonArray **array, GError **error)
{
    JsonNode *node = json_object_get_member(object, key);

    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node) ||
        json_array_get_length(json_node_get_array(node)) != length)
        return refuse(error, "config: %s is not a list of %u", key, length);
    *array = json_node_get_array(node);
    return TRUE;
}

static gboolean read_object(JsonObject *object, const char *key, JsonObject **member, GError **error)
{
    JsonNode *node = json_object_get_member(object, key);

    if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
        return refuse(error, "config: %s is missing or not an object", key);
    *member = json_node_get_object(node);
    return TRUE;
}

static gboolean read_power_of_two(JsonObject *object, const char *key, guint minimum, guint maximum,
                                  guint *value, GError **error)
{
    if (!lk_json_uint(object, key, minimum, maximum, value, error))
        return FALSE;
    if (*value & (*value - 1))
        return refuse(error, "config: %s is %u, not a power of two", key, *value);
    return TRUE;
}

/* ---- the configuration ---- */

static gboolean read_sizes(JsonObject *root, LkConfig *config, GError **error)
{
    JsonNode *noise = json_object_get_member(root, "noise");

    if (!read_power_of_two(root, "resolution", 16, 4u << (LK_MAX_BLOCKS - 1), &config->resolution, error) ||
        !read_power_of_two(root, "embed_res", 8, config->resolution, &config->embed_res, error) ||
        !read_power_of_two(root, "input", 32, 4096, &config->input, error) ||
        !lk_json_uint(root, "w_dim", 1, MAX_CHANNELS, &config->w_dim, error) ||
        !lk_json_uint(root, "num_ws", 1, LK_MAX_WS, &config->num_ws, error) ||
        !lk_json_uint(root, "gate_channels", 1, MAX_CHANNELS, &config->gate_channels, error) ||
        (json_object_has_member(root, "motion_channels") &&
         !lk_json_uint(root, "motion_channels", 0, MAX_CHANNELS, &config->motion_channels, error)) ||
        (json_object_has_member(root, "carry_channels") &&
         !lk_json_uint(root, "carry_channels", 0, MAX_CHANNELS, &config->carry_channels, error)) ||
        (json_object_has_member(root, "refinements") &&
         !lk_json_uint(root, "refinements", 0, MAX_REFINEMENTS, &config->refinements, error)))
        return FALSE;
    if (config->carry_channels > 0 &&
        (config->motion_channels == 0 || config->embed_res >= config->resolution / 2))
        return refuse(error,
                      "config: with carry_channels, there must be motion_channels, and embed_res below "
                      "half the resolution");
    if (config->refinements > 0 && config->resolution < config->input)
        return refuse(error, "config: with refinements, resolution must be at least input");
    if (config->input != 4 * config->embed_res)
        return refuse(error, "config: input is %u, not four times embed_res, which is %u", config->input,
                      config->embed_res);
    config->n_blocks = (guint)g_bit_storage(config->resolution) - 2;
    if (config->num_ws != 2 * config->n_blocks)
        return refuse(error, "config: num_ws is %u, not %u as the resolution %u wants", config->num_ws,
                      2 * config->n_blocks, config->resolution);
    if (noise == NULL || !JSON_NODE_HOLDS_VALUE(noise) || json_node_get_value_type(noise) != G_TYPE_BOOLEAN)
        return refuse(error, "config: noise is not true or false");
    config->noise = json_node_get_boolean(noise);
    return TRUE;
}

static gboolean read_channels(JsonObject *root, LkConfig *config, GError **error)
{
    JsonObject *channels = NULL;

    if (!read_object(root, "channels", &channels, error))
        return FALSE;
    for (guint block = 0; block < config->n_blocks; block++) {
        g_autofree char *key = g_strdup_printf("%u", 4u << block);
        GError *inner = NULL;
        if (!lk_json_uint(channels, key, 1, MAX_CHANNELS, &config->channels[block], &inner)) {
            g_propagate_prefixed_error(error, inner, "channels, ");
            return FALSE;
        }
        /* Both halves of a plane pair must start where a tensor may start, also in half precision at embed_res 8. */
        if (4u << block == config->embed_res && (config->channels[block] % 2 || config->gate_channels % 2))
            return refuse(error, "config: channels at embed_res and gate_channels must be even");
        if (4u << block == config->embed_res && config->motion_channels > 0 &&
            config->channels[block] % (LK_MOTION_PHASES * LK_MOTION_PHASES))
            return refuse(error,
                          "config: with motion_channels, channels at embed_res must be a multiple of %d",
                          LK_MOTION_PHASES * LK_MOTION_PHASES);
    }
    return TRUE;
}

static gboolean read_groups(JsonObject *encoder, LkConfig *config, GError **error)
{
    JsonArray *groups = NULL;
    guint previous = config->stem;

    if (!lk_json_array(encoder, "groups", LK_N_GROUPS, &groups, error))
        return FALSE;
    for (guint g = 0; g < LK_N_GROUPS; g++) {
        JsonNode *node = json_array_get_element(groups, g);
        JsonArray *group = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        if (group == NULL || json_array_get_length(group) != 3)
            return refuse(error, "config: groups has an entry that is not [in, out, units]");
        if (!lk_json_element_uint(group, 0, "groups", 1, MAX_CHANNELS, &config->groups[g].in, error) ||
            !lk_json_element_uint(group, 1, "groups", 1, MAX_CHANNELS, &config->groups[g].out, error) ||
            !lk_json_element_uint(group, 2, "groups", 1, MAX_UNITS, &config->groups[g].units, error))
            return FALSE;
        if (config->groups[g].in != previous)
            return refuse(error, "config: groups: group %u takes %u channels, but gets %u", g + 1,
                          config->groups[g].in, previous);
        previous = config->groups[g].out;
    }
    return TRUE;
}

static gboolean read_heads(JsonObject *encoder, LkConfig *config, GError **error)
{
    static const char *const names[] = {[LK_HEAD_C3] = "c3", [LK_HEAD_P2] = "p2", [LK_HEAD_P1] = "p1"};
    JsonArray *heads = NULL;

    if (!lk_json_array(encoder, "heads", config->num_ws, &heads, error))
        return FALSE;
    for (guint i = 0; i < config->num_ws; i++) {
        JsonNode *node = json_array_get_element(heads, i);
        const char *name = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
        guint source = 0;
        while (source < G_N_ELEMENTS(names) && g_strcmp0(name, names[source]) != 0)
            source++;
        if (source == G_N_ELEMENTS(names))
            return refuse(error, "config: heads has an entry that is not \"c3\", \"p2\" or \"p1\"");
        config->heads[i] = (LkHeadSource)source;
    }
    return TRUE;
}

gboolean lk_config_parse(const char *json, LkConfig *config, GError **error)
{
    g_autofree char *reason = NULL;
    g_autoptr(JsonNode) root = lk_json_parse(json, strlen(json), MAX_DEPTH, &reason);
    JsonObject *object, *encoder = NULL;

    memset(config, 0, sizeof *config);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
        return refuse(error, "config: %s", reason ? reason : "it is not an object");
    object = json_node_get_object(root);
    return read_sizes(object, config, error) && read_channels(object, config, error) &&
           read_object(object, "encoder", &encoder, error) &&
           lk_json_uint(encoder, "stem", 1, MAX_CHANNELS, &config->stem, error) &&
           read_groups(encoder, config, error) && read_heads(encoder, config, error);
}

guint lk_config_n_styles(const LkConfig *config)
{
    guint n = 2 * config->channels[0]; /* b4 has no conv0 */

    for (guint block = 1; block < config->n_blocks; block++)
        n += config->channels[block - 1] + 2 * config->channels[block];
    return n;
}
