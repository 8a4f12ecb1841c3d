/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"
#include "model_private.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH      4
#define MAX_DIRECTIONS 64
#define MAX_TEXT       80
#define MAX_RANGE      1000.0

#define refuse(error, ...) lk_model_refuse(error, LK_MODEL_ERROR_CONFIG, __VA_ARGS__)

void lk_direction_free(LkDirection *direction)
{
    if (direction == NULL)
        return;
    g_free(direction->name);
    g_free(direction->label);
    g_free(direction->group);
    g_free(direction->vector);
    g_free(direction);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkDirection, lk_direction_free)

/* NULL if the member is not a short text. */
static const char *get_text(JsonObject *object, const char *key, const char *otherwise)
{
    JsonNode *node = json_object_get_member(object, key);
    const char *text = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

    if (node == NULL)
        return otherwise;
    return text && strlen(text) <= MAX_TEXT ? text : NULL;
}

static gboolean is_identifier(const char *text)
{
    if (text == NULL || !g_ascii_islower(*text))
        return FALSE;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text);
}

static gboolean read_number(JsonNode *node, float *value)
{
    GType type = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;
    double number;

    if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
        return FALSE;
    number = type == G_TYPE_INT64 ? (double)json_node_get_int(node) : json_node_get_double(node);
    *value = (float)number;
    return isfinite(number) && fabs(number) <= MAX_RANGE;
}

static gboolean read_pair(JsonObject *object, const char *key, float *first, float *second)
{
    JsonNode *node = json_object_get_member(object, key);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    return array && json_array_get_length(array) == 2 &&
           read_number(json_array_get_element(array, 0), first) &&
           read_number(json_array_get_element(array, 1), second);
}

static gboolean read_rows(JsonObject *object, const LkConfig *config, LkDirection *direction, GError **error)
{
    JsonArray *rows = NULL;

    if (!lk_json_array(object, "rows", 2, &rows, error) ||
        !lk_json_element_uint(rows, 0, "rows", 0, config->num_ws - 1, &direction->first_row, error) ||
        !lk_json_element_uint(rows, 1, "rows", direction->first_row + 1, config->num_ws, &direction->end_row,
                              error)) {
        g_prefix_error(error, "directions: %s: ", direction->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_range(JsonObject *object, LkDirection *direction, GError **error)
{
    if (!read_pair(object, "range", &direction->minimum, &direction->maximum) ||
        direction->minimum >= direction->maximum || direction->minimum > 0 || direction->maximum < 0)
        return refuse(error, "directions: %s: range is not two numbers around 0", direction->name);
    direction->safe_minimum = direction->minimum;
    direction->safe_maximum = direction->maximum;
    if (json_object_has_member(object, "safe") &&
        (!read_pair(object, "safe", &direction->safe_minimum, &direction->safe_maximum) ||
         direction->safe_minimum < direction->minimum || direction->safe_maximum > direction->maximum ||
         direction->safe_minimum > direction->safe_maximum))
        return refuse(error, "directions: %s: safe is not two numbers within the range", direction->name);
    direction->step = 0.1f;
    if (json_object_has_member(object, "step") &&
        (!read_number(json_object_get_member(object, "step"), &direction->step) || direction->step <= 0))
        return refuse(error, "directions: %s: step is not a number above 0", direction->name);
    return TRUE;
}

static gboolean read_names(JsonObject *object, LkDirection *direction, GError **error)
{
    const char *name = get_text(object, "name", NULL);
    const char *label = get_text(object, "label", name), *group = get_text(object, "group", "");
    const char *kind = get_text(object, "kind", "interfacegan");

    if (!is_identifier(name))
        return refuse(error, "directions: a name is missing or not made of small letters and digits");
    if (label == NULL || group == NULL)
        return refuse(error, "directions: %s: label or group is not a short text", name);
    if (g_strcmp0(kind, "interfacegan") != 0)
        return refuse(error, "directions: %s: this kind of direction is not known", name);
    direction->name = g_strdup(name);
    direction->label = g_strdup(label);
    direction->group = g_strdup(group);
    return TRUE;
}

/* The vector for every row; the file has it for every row or once for all. */
static gboolean read_vector(const LkConfig *config, const LkWeights *weights, LkDirection *direction,
                            GError **error)
{
    g_autofree char *name = g_strconcat("direction.", direction->name, NULL);
    const LkWeight *weight = lk_weights_find(weights, name);
    guint stored_rows = weight && weight->n_dims > 0 && weight->shape[0] == 1 ? 1 : config->num_ws;
    const guint shape[] = {stored_rows, config->w_dim, 0};
    g_autofree float *values = lk_weights_read(weights, name, shape, error);

    if (values == NULL)
        return FALSE;
    direction->vector = g_new0(float, (gsize)config->num_ws * config->w_dim);
    for (guint row = direction->first_row; row < direction->end_row; row++)
        memcpy(direction->vector + (gsize)row * config->w_dim,
               values + (stored_rows == 1 ? 0 : (gsize)row * config->w_dim), config->w_dim * sizeof(float));
    return TRUE;
}

static LkDirection *read_direction(JsonNode *node, const LkConfig *config, const LkWeights *weights,
                                   GError **error)
{
    g_autoptr(LkDirection) direction = g_new0(LkDirection, 1);
    JsonObject *object;

    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        refuse(error, "directions: an entry is not an object");
        return NULL;
    }
    object = json_node_get_object(node);
    if (!read_names(object, direction, error) || !read_rows(object, config, direction, error) ||
        !read_range(object, direction, error) || !read_vector(config, weights, direction, error))
        return NULL;
    return g_steal_pointer(&direction);
}

static gboolean is_known(const GPtrArray *directions, const char *name)
{
    for (guint i = 0; i < directions->len; i++)
        if (g_str_equal(((LkDirection *)g_ptr_array_index(directions, i))->name, name))
            return TRUE;
    return FALSE;
}

GPtrArray *lk_directions_parse(const char *json, const LkConfig *config, const LkWeights *weights,
                               GError **error)
{
    g_autoptr(GPtrArray) directions = g_ptr_array_new_with_free_func((GDestroyNotify)lk_direction_free);
    g_autofree char *reason = NULL;
    g_autoptr(JsonNode) root = lk_json_parse(json, strlen(json), MAX_DEPTH, &reason);
    JsonArray *array;

    if (root == NULL || !JSON_NODE_HOLDS_ARRAY(root)) {
        refuse(error, "directions: %s", reason ? reason : "it is not a list");
        return NULL;
    }
    array = json_node_get_array(root);
    if (json_array_get_length(array) > MAX_DIRECTIONS) {
        refuse(error, "directions: there are more than %d", MAX_DIRECTIONS);
        return NULL;
    }
    for (guint i = 0; i < json_array_get_length(array); i++) {
        LkDirection *direction = read_direction(json_array_get_element(array, i), config, weights, error);
        if (direction == NULL)
            return NULL;
        if (is_known(directions, direction->name)) {
            refuse(error, "directions: %s appears twice", direction->name);
            lk_direction_free(direction);
            return NULL;
        }
        g_ptr_array_add(directions, direction);
    }
    return g_steal_pointer(&directions);
}
