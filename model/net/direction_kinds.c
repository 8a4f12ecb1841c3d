/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "directions.h"
#include "model_private.h"

#include <string.h>

#define MAX_HIDDEN 1024 /* units of a classifier; the published one has 16 */
#define MAX_STEPS  100  /* each costs a gradient of up to nine classifiers */

#define refuse(error, ...) lk_model_refuse(error, LK_MODEL_ERROR_CONFIG, __VA_ARGS__)

static const char *const kind_names[] = {
    [LK_DIRECTION_INTERFACEGAN] = "interfacegan",
    [LK_DIRECTION_GANSPACE] = "ganspace",
    [LK_DIRECTION_MAPPER] = "mapper",
    [LK_DIRECTION_GRADCTRL] = "gradctrl",
    [LK_DIRECTION_STYLESPACE] = "stylespace",
};

const char *lk_direction_kind_name(LkDirectionKind kind)
{
    return kind_names[kind];
}

gboolean lk_direction_kind_parse(const char *text, LkDirectionKind *kind)
{
    for (guint i = 0; i < G_N_ELEMENTS(kind_names); i++) {
        if (strcmp(text, kind_names[i]) == 0) {
            *kind = (LkDirectionKind)i;
            return TRUE;
        }
    }
    return FALSE;
}

/* ---- InterfaceGAN ---- */

/* The vector for every row; the file has it for every row or once for all. */
static gboolean read_interfacegan(LkDirectionReader *reader, LkDirection *direction, GError **error)
{
    const LkConfig *config = reader->config;
    g_autofree char *name = g_strconcat("direction.", direction->name, NULL);
    const LkWeight *weight = lk_weights_find(reader->weights, name);
    guint stored_rows = weight && weight->n_dims > 0 && weight->shape[0] == 1 ? 1 : config->num_ws;
    const guint shape[] = {stored_rows, config->w_dim, 0};
    g_autofree float *values = lk_weights_read(reader->weights, name, shape, error);

    if (values == NULL)
        return FALSE;
    direction->vector = g_new0(float, (gsize)config->num_ws * config->w_dim);
    for (guint row = direction->first_row; row < direction->end_row; row++)
        memcpy(direction->vector + (gsize)row * config->w_dim,
               values + (stored_rows == 1 ? 0 : (gsize)row * config->w_dim), config->w_dim * sizeof(float));
    return TRUE;
}

/* ---- GANSpace ---- */

static gboolean read_components(LkDirectionReader *reader, GError **error)
{
    const LkWeight *components = lk_weights_find(reader->weights, "ganspace.comp");
    const guint n = components && components->n_dims == 2 ? (guint)MIN(components->shape[0], G_MAXUINT) : 1;
    const guint w_dim = reader->config->w_dim;

    if (reader->n_components > 0)
        return TRUE;
    reader->components = lk_weights_read(reader->weights, "ganspace.comp", (guint[]){n, w_dim, 0}, error);
    if (reader->components == NULL)
        return FALSE;
    reader->mean = lk_weights_read(reader->weights, "ganspace.mean", (guint[]){w_dim, 0}, error);
    if (reader->mean == NULL)
        return FALSE;
    reader->std = lk_weights_read(reader->weights, "ganspace.std", (guint[]){n, 0}, error);
    if (reader->std == NULL)
        return FALSE;
    reader->n_components = n;
    return TRUE;
}

static gboolean read_ganspace(LkDirectionReader *reader, JsonObject *object, LkDirection *direction,
                              GError **error)
{
    const guint w_dim = reader->config->w_dim;
    const float *component;

    if (!read_components(reader, error) ||
        !lk_json_uint(object, "component", 0, reader->n_components - 1, &direction->component, error))
        return FALSE;
    direction->std = reader->std[direction->component];
    if (direction->std <= 0)
        return lk_model_refuse(error, LK_MODEL_ERROR_TENSOR, "ganspace.std of component %u is not above 0",
                               direction->component);
    component = reader->components + (gsize)direction->component * w_dim;
    direction->vector = g_memdup2(component, w_dim * sizeof(float));
    for (guint i = 0; i < w_dim; i++)
        direction->centre += (double)reader->mean[i] * (double)component[i];
    return TRUE;
}

/* ---- StyleCLIP's mapper ---- */

static const char *const level_names[LK_N_LEVELS] = {"coarse", "medium", "fine"};

static gboolean check_level(const LkDirectionReader *reader, const char *direction, guint level,
                            GError **error)
{
    const guint w_dim = reader->config->w_dim;

    for (guint layer = 0; layer < LK_MAPPER_LAYERS; layer++) {
        g_autofree char *weight = lk_mapper_tensor(direction, level, layer, "weight");
        g_autofree char *bias = lk_mapper_tensor(direction, level, layer, "bias");
        if (!lk_weights_check(reader->weights, weight, (guint[]){w_dim, w_dim, 0}, error) ||
            !lk_weights_check(reader->weights, bias, (guint[]){w_dim, 0}, error))
            return FALSE;
    }
    return TRUE;
}

char *lk_mapper_tensor(const char *direction, LkMapperLevel level, guint layer, const char *what)
{
    return g_strdup_printf("direction.%s.%s.%u.%s", direction, level_names[level], layer, what);
}

static gboolean read_levels(JsonObject *object, LkDirection *direction, GError **error)
{
    JsonNode *node = json_object_get_member(object, "levels");
    JsonArray *levels = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    const guint n = levels ? json_array_get_length(levels) : 0;

    if (n < 1 || n > LK_N_LEVELS)
        return refuse(error, "levels is not a list of 1 to %d", LK_N_LEVELS);
    for (guint i = 0; i < n; i++) {
        JsonNode *element = json_array_get_element(levels, i);
        const char *name = JSON_NODE_HOLDS_VALUE(element) ? json_node_get_string(element) : NULL;
        guint level = 0;
        while (level < LK_N_LEVELS && g_strcmp0(name, level_names[level]) != 0)
            level++;
        if (level == LK_N_LEVELS || direction->levels[level])
            return refuse(error, "levels has an entry that is not \"coarse\", \"medium\" or \"fine\", once");
        direction->levels[level] = TRUE;
    }
    return TRUE;
}

/* The tensors are too large to look at every value now; lk_edit_apply does when it uses them. */
static gboolean read_mapper(LkDirectionReader *reader, JsonObject *object, LkDirection *direction,
                            GError **error)
{
    if (!read_levels(object, direction, error))
        return FALSE;
    for (guint level = 0; level < LK_N_LEVELS; level++)
        if (direction->levels[level] && !check_level(reader, direction->name, level, error))
            return FALSE;
    return TRUE;
}

/* ---- GradCtrl ---- */

static gboolean check_tensor(const LkDirectionReader *reader, guint classifier, const char *what, guint n_out,
                             guint n_in, GError **error)
{
    g_autofree char *name = lk_classifier_tensor(classifier, what);
    g_autofree float *values = lk_weights_read(reader->weights, name, (guint[]){n_out, n_in, 0}, error);

    return values != NULL;
}

static gboolean check_classifier(LkDirectionReader *reader, guint classifier, guint hidden, GError **error)
{
    const guint w_dim = reader->config->w_dim;

    if (reader->checked[classifier] == hidden + 1)
        return TRUE;
    if (!check_tensor(reader, classifier, "0.weight", MAX(hidden, 1), w_dim, error) ||
        !check_tensor(reader, classifier, "0.bias", MAX(hidden, 1), 0, error))
        return FALSE;
    if (hidden > 0 && (!check_tensor(reader, classifier, "2.weight", 1, hidden, error) ||
                       !check_tensor(reader, classifier, "2.bias", 1, 0, error)))
        return FALSE;
    reader->checked[classifier] = hidden + 1;
    return TRUE;
}

char *lk_classifier_tensor(guint classifier, const char *what)
{
    return g_strdup_printf("gradctrl.%u.%s", classifier, what);
}

static gboolean read_excluded(LkDirectionReader *reader, JsonObject *object, LkDirection *direction,
                              GError **error)
{
    JsonNode *node = json_object_get_member(object, "exclude");
    JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (node == NULL)
        return TRUE;
    if (list == NULL || json_array_get_length(list) > LK_MAX_EXCLUDED)
        return refuse(error, "exclude is not a list of at most %d", LK_MAX_EXCLUDED);
    direction->n_excluded = json_array_get_length(list);
    for (guint i = 0; i < direction->n_excluded; i++) {
        JsonNode *element = json_array_get_element(list, i);
        JsonArray *pair = JSON_NODE_HOLDS_ARRAY(element) ? json_node_get_array(element) : NULL;
        if (pair == NULL || json_array_get_length(pair) != 2)
            return refuse(error, "exclude has an entry that is not [classifier, channels]");
        if (!lk_json_element_uint(pair, 0, "exclude", 0, LK_MAX_DIRECTIONS - 1,
                                  &direction->excluded[i].classifier, error) ||
            !lk_json_element_uint(pair, 1, "exclude", 0, reader->config->w_dim,
                                  &direction->excluded[i].channels, error) ||
            !check_classifier(reader, direction->excluded[i].classifier, direction->hidden, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_gradctrl(LkDirectionReader *reader, JsonObject *object, LkDirection *direction,
                              GError **error)
{
    if (!lk_json_uint(object, "hidden", 0, MAX_HIDDEN, &direction->hidden, error) ||
        !lk_json_uint(object, "classifier", 0, LK_MAX_DIRECTIONS - 1, &direction->classifier, error))
        return FALSE;
    if (!lk_direction_number(json_object_get_member(object, "rate"), &direction->rate) ||
        direction->rate <= 0)
        return refuse(error, "rate is not a number above 0");
    if (direction->minimum < -MAX_STEPS || direction->maximum > MAX_STEPS)
        return refuse(error, "range has more than %d steps", MAX_STEPS);
    return check_classifier(reader, direction->classifier, direction->hidden, error) &&
           read_excluded(reader, object, direction, error);
}

/* ---- StyleSpace ---- */

static gboolean read_stylespace(LkDirectionReader *reader, LkDirection *direction, GError **error)
{
    g_autofree char *name = g_strconcat("direction.", direction->name, NULL);

    direction->vector =
        lk_weights_read(reader->weights, name, (guint[]){lk_config_n_styles(reader->config), 0}, error);
    return direction->vector != NULL;
}

gboolean lk_direction_read_kind(LkDirectionReader *reader, JsonObject *object, LkDirection *direction,
                                GError **error)
{
    switch (direction->kind) {
    case LK_DIRECTION_INTERFACEGAN:
        return read_interfacegan(reader, direction, error);
    case LK_DIRECTION_GANSPACE:
        return read_ganspace(reader, object, direction, error);
    case LK_DIRECTION_MAPPER:
        return read_mapper(reader, object, direction, error);
    case LK_DIRECTION_GRADCTRL:
        return read_gradctrl(reader, object, direction, error);
    case LK_DIRECTION_STYLESPACE:
        return read_stylespace(reader, direction, error);
    }
    g_assert_not_reached();
}
