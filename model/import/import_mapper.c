/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "direction_set.h"

/* "course" is how the released files spell it. */
static const struct {
    const char *spelling, *level;
    LkMapperLevel index;
} mapper_levels[] = {
    {"course", "coarse", LK_LEVEL_COARSE},
    {"coarse", "coarse", LK_LEVEL_COARSE},
    {"medium", "medium", LK_LEVEL_MEDIUM},
    {"fine", "fine", LK_LEVEL_FINE},
};

typedef struct {
    guint level; /* index in mapper_levels */
    guint layer; /* from 0 */
    gboolean bias;
} MapperKey;

/* "course_mapping.mapping.1.weight" */
static gboolean parse_mapper_key(const char *text, MapperKey *key)
{
    for (key->level = 0; key->level < G_N_ELEMENTS(mapper_levels); key->level++)
        for (key->layer = 0; key->layer < LK_MAPPER_LAYERS; key->layer++)
            for (key->bias = FALSE; key->bias <= TRUE; key->bias++) {
                g_autofree char *name =
                    g_strdup_printf("%s_mapping.mapping.%u.%s", mapper_levels[key->level].spelling,
                                    key->layer + 1, key->bias ? "bias" : "weight");
                if (g_str_equal(text, name))
                    return TRUE;
            }
    return FALSE;
}

gboolean lk_is_mapper(const LkTorchValue *root)
{
    MapperKey key;

    for (guint i = 0; lk_torch_type(root) == LK_TORCH_DICT && i < lk_torch_n_items(root); i++)
        if (parse_mapper_key(lk_torch_key(root, i), &key))
            return TRUE;
    return FALSE;
}

static gboolean add_mapper_tensor(LkDirectionBatch *batch, LkTorchFile *file, const char *direction,
                                  guint index, guint *n_of_level, GError **error)
{
    const char *text = lk_torch_key(lk_torch_root(file), index);
    const LkTorchTensor *tensor = lk_torch_tensor(lk_torch_item(lk_torch_root(file), index));
    const guint64 w_dim = batch->config->w_dim;
    MapperKey key;
    LkMapperLevel level;

    if (!parse_mapper_key(text, &key) || tensor == NULL)
        return lk_direction_batch_refuse(batch, error, "%.100s is no tensor of a mapper", text);
    if (tensor->n_dims != (key.bias ? 1 : 2) || tensor->shape[0] != w_dim ||
        tensor->shape[tensor->n_dims - 1] != w_dim) {
        g_autofree char *shape = lk_shape_text(tensor->n_dims, tensor->shape);
        g_autofree char *rows = key.bias ? g_strdup("") : g_strdup_printf("%" G_GUINT64_FORMAT " x ", w_dim);
        return lk_direction_batch_refuse(batch, error, "%s is %s, but this model wants %s%" G_GUINT64_FORMAT,
                                         text, shape, rows, w_dim);
    }
    level = mapper_levels[key.level].index;
    n_of_level[level]++;
    return lk_direction_batch_add_stored(
        batch, file, text, lk_mapper_tensor(direction, level, key.layer, key.bias ? "bias" : "weight"),
        error);
}

static gboolean add_mapper_levels(LkDirectionBatch *batch, JsonObject *object, const guint *n_of_level,
                                  GError **error)
{
    JsonArray *levels = json_array_new();

    json_object_set_array_member(object, "levels", levels);
    for (guint i = 1; i < G_N_ELEMENTS(mapper_levels); i++) {
        const guint n = n_of_level[mapper_levels[i].index];
        if (n != 0 && n != 2 * LK_MAPPER_LAYERS)
            return lk_direction_batch_refuse(batch, error,
                                             "its %s level has %u tensors instead of a weight and a bias in "
                                             "each of %d layers",
                                             mapper_levels[i].level, n, LK_MAPPER_LAYERS);
        if (n != 0)
            json_array_add_string_element(levels, mapper_levels[i].level);
    }
    return TRUE;
}

gboolean lk_add_mapper(LkDirectionBatch *batch, LkTorchFile *file, GError **error)
{
    g_autofree char *stem = lk_direction_batch_stem(batch);
    const LkDirectionEntry entry = {
        .kind = LK_DIRECTION_MAPPER,
        .prefix = "mapper",
        .name = stem,
        .group = "styleclip",
        .maximum = 0.2,
        .safe_maximum = 0.2,
        .step = 0.01,
    };
    JsonObject *object = lk_direction_batch_add(batch, &entry);
    guint n_of_level[LK_N_LEVELS] = {0};

    for (guint i = 0; i < lk_torch_n_items(lk_torch_root(file)); i++)
        if (!add_mapper_tensor(batch, file, json_object_get_string_member(object, "name"), i, n_of_level,
                               error))
            return FALSE;
    return add_mapper_levels(batch, object, n_of_level, error);
}
