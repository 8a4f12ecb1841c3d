/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"
#include "hash.h"
#include "model_private.h"
#include "network.h"

#include "likeness-config.h"

#define FORMAT       "likeness-model"
#define VERSION      "1"
#define BUILTIN_FILE "model" G_DIR_SEPARATOR_S "likeness-small.safetensors"

struct _LkModel {
    gatomicrefcount references;
    char *path;
    LkWeights *weights;
    LkConfig config;
    GPtrArray *directions; /* LkDirection */
};

static const char *get_metadata(const LkWeights *weights, const char *key, GError **error)
{
    const char *value = lk_weights_metadata(weights, key);

    if (value == NULL)
        g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_CONFIG, "the metadata \"%s\" is missing", key);
    return value;
}

static gboolean expect_metadata(const LkWeights *weights, const char *key, const char *expected,
                                GError **error)
{
    const char *value = get_metadata(weights, key, error);

    if (value == NULL)
        return FALSE;
    if (g_str_equal(value, expected))
        return TRUE;
    return lk_model_refuse(error, LK_MODEL_ERROR_CONFIG, "the %s is \"%.40s\", but \"%s\" is needed", key,
                           value, expected);
}

static gboolean check_tensors(const LkModel *model, GError **error)
{
    LkNetwork *network = lk_network_new(&model->config, model->weights, LK_F32, FALSE);
    gboolean good = lk_network_check(network, model->weights, error);

    lk_network_free(network);
    return good;
}

static gboolean read_model(LkModel *model, GError **error)
{
    const char *config, *directions;

    if (!expect_metadata(model->weights, "format", FORMAT, error) ||
        !expect_metadata(model->weights, "version", VERSION, error) ||
        get_metadata(model->weights, "name", error) == NULL)
        return FALSE;
    config = get_metadata(model->weights, "config", error);
    if (config == NULL || !lk_config_parse(config, &model->config, error) || !check_tensors(model, error))
        return FALSE;
    directions = get_metadata(model->weights, "directions", error);
    if (directions == NULL)
        return FALSE;
    model->directions = lk_directions_parse(directions, &model->config, model->weights, error);
    return model->directions != NULL;
}

LkModel *lk_model_open(const char *path, GError **error)
{
    g_autoptr(LkModel) model = g_new0(LkModel, 1);

    g_atomic_ref_count_init(&model->references);
    model->path = g_strdup(path);
    model->weights = lk_weights_open(path, error);
    if (model->weights == NULL)
        return NULL;
    if (!read_model(model, error)) {
        g_autofree char *shown = g_filename_display_name(path);
        g_prefix_error(error, "%s: ", shown);
        return NULL;
    }
    return g_steal_pointer(&model);
}

LkModel *lk_model_ref(LkModel *model)
{
    g_atomic_ref_count_inc(&model->references);
    return model;
}

void lk_model_unref(LkModel *model)
{
    if (model == NULL || !g_atomic_ref_count_dec(&model->references))
        return;
    lk_weights_free(model->weights);
    g_clear_pointer(&model->directions, g_ptr_array_unref);
    g_free(model->path);
    g_free(model);
}

char *lk_model_builtin_path(void)
{
    const char *chosen = g_getenv("LIKENESS_DATA");
    g_autofree char *installed = g_build_filename(LK_PKGDATADIR, BUILTIN_FILE, NULL);

    if (chosen && *chosen)
        return g_build_filename(chosen, BUILTIN_FILE, NULL);
    if (g_file_test(installed, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&installed);
    return g_build_filename(LK_SOURCE_DATADIR, BUILTIN_FILE, NULL);
}

char *lk_model_own_folder(void)
{
    return g_build_filename(g_get_user_data_dir(), "likeness", "models", NULL);
}

static int compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_folder(const char *folder, GPtrArray *paths)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (g_str_has_suffix(name, LK_MODEL_SUFFIX))
            g_ptr_array_add(found, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(found, compare_paths);
    g_ptr_array_extend_and_steal(paths, g_steal_pointer(&found));
}

GPtrArray *lk_model_list(void)
{
    g_autofree char *builtin = lk_model_builtin_path();
    g_autofree char *builtin_folder = g_path_get_dirname(builtin);
    g_autofree char *own_folder = lk_model_own_folder();
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

    list_folder(builtin_folder, paths);
    list_folder(own_folder, paths);
    return paths;
}

const LkConfig *lk_model_config(const LkModel *model)
{
    return &model->config;
}

const char *lk_model_path(const LkModel *model)
{
    return model->path;
}

const char *lk_model_name(const LkModel *model)
{
    return lk_weights_metadata(model->weights, "name");
}

const char *lk_model_metadata(const LkModel *model, const char *key)
{
    return lk_weights_metadata(model->weights, key);
}

guint lk_model_n_directions(const LkModel *model)
{
    return model->directions->len;
}

const LkDirection *lk_model_direction(const LkModel *model, guint index)
{
    g_return_val_if_fail(index < model->directions->len, NULL);
    return g_ptr_array_index(model->directions, index);
}

const LkDirection *lk_model_find_direction(const LkModel *model, const char *name)
{
    for (guint i = 0; i < model->directions->len; i++) {
        const LkDirection *direction = g_ptr_array_index(model->directions, i);
        if (g_str_equal(direction->name, name))
            return direction;
    }
    return NULL;
}

float *lk_model_read(const LkModel *model, const char *tensor, guint64 shape[4], guint *n_dims,
                     GError **error)
{
    const LkWeight *weight = lk_weights_find(model->weights, tensor);
    guint checked[5] = {0};

    *n_dims = weight ? weight->n_dims : 0;
    for (guint i = 0; i < *n_dims; i++) {
        shape[i] = weight->shape[i];
        checked[i] = (guint)MIN(shape[i], G_MAXUINT);
    }
    return lk_weights_read(model->weights, tensor, checked, error);
}

guint64 lk_model_hash(const LkModel *model)
{
    return lk_weights_hash(model->weights);
}

static gboolean is_of_networks(const char *tensor)
{
    return !g_str_has_prefix(tensor, "direction.") && !g_str_has_prefix(tensor, "ganspace.") &&
           !g_str_has_prefix(tensor, "gradctrl.");
}

/* The values at the beginning: whoever trains or rounds a tensor changes them. */
static guint64 hash_tensor(const char *name, const LkWeight *weight)
{
    enum { SAMPLE = 16 };
    const gsize size = weight->dtype == LK_DTYPE_F16 ? 2 : weight->dtype == LK_DTYPE_F32 ? 4 : 8;
    guint64 hash = lk_hash_bytes(LK_HASH_START, name, strlen(name));

    hash = lk_hash_u64(hash, weight->dtype);
    for (guint i = 0; i < weight->n_dims; i++)
        hash = lk_hash_u64(hash, weight->shape[i]);
    return lk_hash_bytes(hash, weight->data, MIN(weight->n_elements, SAMPLE) * size);
}

guint64 lk_model_network_hash(const LkModel *model)
{
    g_autoptr(GPtrArray) names = lk_weights_list_tensors(model->weights);
    guint64 hash = 0;

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (is_of_networks(name))
            hash += hash_tensor(name, lk_weights_find(model->weights, name)); /* in any order */
    }
    return hash;
}

const LkWeights *lk_model_weights(const LkModel *model)
{
    return model->weights;
}
