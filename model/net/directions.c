/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "directions.h"
#include "model_private.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 4
#define MAX_TEXT  80
#define MAX_RANGE 1000.0

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

gboolean lk_direction_is_name(const char *text)
{
    if (text == NULL || !g_ascii_islower(*text))
        return FALSE;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text);
}

gboolean lk_direction_number(JsonNode *node, float *value)
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
           lk_direction_number(json_array_get_element(array, 0), first) &&
           lk_direction_number(json_array_get_element(array, 1), second);
}

static gboolean read_rows(JsonObject *object, const LkConfig *config, LkDirection *direction, GError **error)
{
    JsonArray *rows = NULL;

    if (direction->kind == LK_DIRECTION_MAPPER)
        direction->end_row = config->num_ws;
    if (direction->kind == LK_DIRECTION_MAPPER || direction->kind == LK_DIRECTION_STYLESPACE)
        return TRUE;
    return lk_json_array(object, "rows", 2, &rows, error) &&
           lk_json_element_uint(rows, 0, "rows", 0, config->num_ws - 1, &direction->first_row, error) &&
           lk_json_element_uint(rows, 1, "rows", direction->first_row + 1, config->num_ws,
                                &direction->end_row, error);
}

static gboolean read_range(JsonObject *object, LkDirection *direction, GError **error)
{
    if (!read_pair(object, "range", &direction->minimum, &direction->maximum) ||
        direction->minimum >= direction->maximum || direction->minimum > 0 || direction->maximum < 0)
        return refuse(error, "range is not two numbers around 0");
    direction->safe_minimum = direction->minimum;
    direction->safe_maximum = direction->maximum;
    if (json_object_has_member(object, "safe") &&
        (!read_pair(object, "safe", &direction->safe_minimum, &direction->safe_maximum) ||
         direction->safe_minimum < direction->minimum || direction->safe_maximum > direction->maximum ||
         direction->safe_minimum > direction->safe_maximum))
        return refuse(error, "safe is not two numbers within the range");
    direction->step = 0.1f;
    if (json_object_has_member(object, "step") &&
        (!lk_direction_number(json_object_get_member(object, "step"), &direction->step) ||
         direction->step <= 0))
        return refuse(error, "step is not a number above 0");
    return TRUE;
}

static gboolean read_texts(JsonObject *object, LkDirection *direction, GError **error)
{
    const char *label = get_text(object, "label", direction->name), *group = get_text(object, "group", "");
    const char *kind = get_text(object, "kind", "interfacegan");

    if (label == NULL || group == NULL)
        return refuse(error, "label or group is not a short text");
    if (kind == NULL || !lk_direction_kind_parse(kind, &direction->kind))
        return refuse(error, "this kind of direction is not known");
    direction->label = g_strdup(label);
    direction->group = g_strdup(group);
    return TRUE;
}

static LkDirection *read_direction(LkDirectionReader *reader, JsonNode *node, GError **error)
{
    g_autoptr(LkDirection) direction = g_new0(LkDirection, 1);
    JsonObject *object;
    const char *name;

    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        refuse(error, "directions: an entry is not an object");
        return NULL;
    }
    object = json_node_get_object(node);
    name = get_text(object, "name", NULL);
    if (!lk_direction_is_name(name)) {
        refuse(error, "directions: a name is missing or not made of small letters and digits");
        return NULL;
    }
    direction->name = g_strdup(name);
    if (!read_texts(object, direction, error) || !read_rows(object, reader->config, direction, error) ||
        !read_range(object, direction, error) || !lk_direction_read_kind(reader, object, direction, error)) {
        g_prefix_error(error, "directions: %s: ", name);
        return NULL;
    }
    return g_steal_pointer(&direction);
}

static gboolean is_known(const GPtrArray *directions, const char *name)
{
    for (guint i = 0; i < directions->len; i++)
        if (g_str_equal(((LkDirection *)g_ptr_array_index(directions, i))->name, name))
            return TRUE;
    return FALSE;
}

static gboolean add_direction(LkDirectionReader *reader, JsonNode *node, GPtrArray *directions,
                              GError **error)
{
    g_autoptr(LkDirection) direction = read_direction(reader, node, error);

    if (direction == NULL)
        return FALSE;
    if (is_known(directions, direction->name))
        return refuse(error, "directions: %s appears twice", direction->name);
    g_ptr_array_add(directions, g_steal_pointer(&direction));
    return TRUE;
}

static gboolean read_directions(LkDirectionReader *reader, const char *json, GPtrArray *directions,
                                GError **error)
{
    g_autofree char *reason = NULL;
    g_autoptr(JsonNode) root = lk_json_parse(json, strlen(json), MAX_DEPTH, &reason);
    JsonArray *array;

    if (root == NULL || !JSON_NODE_HOLDS_ARRAY(root))
        return refuse(error, "directions: %s", reason ? reason : "it is not a list");
    array = json_node_get_array(root);
    if (json_array_get_length(array) > LK_MAX_DIRECTIONS)
        return refuse(error, "directions: there are more than %d", LK_MAX_DIRECTIONS);
    for (guint i = 0; i < json_array_get_length(array); i++)
        if (!add_direction(reader, json_array_get_element(array, i), directions, error))
            return FALSE;
    return TRUE;
}

GPtrArray *lk_directions_parse(const char *json, const LkConfig *config, const LkWeights *weights,
                               GError **error)
{
    g_autoptr(GPtrArray) directions = g_ptr_array_new_with_free_func((GDestroyNotify)lk_direction_free);
    LkDirectionReader reader = {.config = config, .weights = weights};
    const gboolean good = read_directions(&reader, json, directions, error);

    g_free(reader.mean);
    g_free(reader.components);
    g_free(reader.std);
    return good ? g_steal_pointer(&directions) : NULL;
}
