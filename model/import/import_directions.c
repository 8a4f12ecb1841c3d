/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "direction_set.h"

#include "npy_file.h"

#include <stdio.h>
#include <string.h>

enum {
    INTERFACEGAN_RANGE = 5, /* of the published demonstration */
    STYLESPACE_RANGE = 10,
    STYLESPACE_SAFE = 5,
    MAX_LAYERS = 3 * LK_MAX_BLOCKS,
};

/* ---- style space ---------------------------------------------------------------------------------------- */

typedef struct {
    guint n_layers;
    struct {
        guint channels;
        gboolean rgb;
    } layers[MAX_LAYERS];
    guint n_styles, n_convs; /* channels of all layers, and of those that are not toRGB */
} StyleLayers;

static void add_layer(StyleLayers *styles, guint channels, gboolean rgb)
{
    styles->layers[styles->n_layers].channels = channels;
    styles->layers[styles->n_layers++].rgb = rgb;
    styles->n_styles += channels;
    styles->n_convs += rgb ? 0 : channels;
}

/* In the order of lk_config_n_styles. */
static StyleLayers find_layers(const LkConfig *config)
{
    StyleLayers styles = {0};

    for (guint block = 0; block < config->n_blocks; block++) {
        if (block > 0)
            add_layer(&styles, config->channels[block - 1], FALSE);
        add_layer(&styles, config->channels[block], FALSE);
        add_layer(&styles, config->channels[block], TRUE);
    }
    return styles;
}

/* values: n_styles, or the n_convs of StyleCLIP's files, which leave toRGB out. */
static void add_stylespace(LkDirectionBatch *batch, const StyleLayers *styles, const float *values, guint64 n)
{
    g_autofree char *stem = lk_direction_batch_stem(batch);
    const LkDirectionEntry entry = {
        .kind = LK_DIRECTION_STYLESPACE,
        .name = stem,
        .group = "stylespace",
        .minimum = -STYLESPACE_RANGE,
        .maximum = STYLESPACE_RANGE,
        .safe_minimum = -STYLESPACE_SAFE,
        .safe_maximum = STYLESPACE_SAFE,
        .step = 0.1,
    };
    JsonObject *object = lk_direction_batch_add(batch, &entry);
    float *all = g_new0(float, styles->n_styles), *at = all;

    for (guint i = 0; i < styles->n_layers; i++) {
        if (n == styles->n_styles || !styles->layers[i].rgb) {
            memcpy(at, values, styles->layers[i].channels * sizeof(float));
            values += styles->layers[i].channels;
        }
        at += styles->layers[i].channels;
    }
    lk_direction_batch_add_tensor(
        batch, g_strconcat("direction.", json_object_get_string_member(object, "name"), NULL), 1, 1,
        styles->n_styles, all);
}

/* ---- InterfaceGAN --------------------------------------------------------------------------------------- */

/* Takes values. */
static void add_interfacegan(LkDirectionBatch *batch, guint64 n_rows, float *values)
{
    g_autofree char *stem = lk_direction_batch_stem(batch);
    const LkDirectionEntry entry = {
        .kind = LK_DIRECTION_INTERFACEGAN,
        .name = stem,
        .group = "interfacegan",
        .end_row = batch->config->num_ws,
        .minimum = -INTERFACEGAN_RANGE,
        .maximum = INTERFACEGAN_RANGE,
        .safe_minimum = -INTERFACEGAN_RANGE,
        .safe_maximum = INTERFACEGAN_RANGE,
        .step = 0.1,
    };
    JsonObject *object = lk_direction_batch_add(batch, &entry);

    lk_direction_batch_add_tensor(
        batch, g_strconcat("direction.", json_object_get_string_member(object, "name"), NULL), 2, n_rows,
        batch->config->w_dim, values);
}

/* ---- arrays --------------------------------------------------------------------------------------------- */

typedef enum { VECTOR_NONE, VECTOR_ROW, VECTOR_ROWS, VECTOR_STYLES } VectorKind;

/* What an array of this shape can be; leading dimensions of 1 do not count. */
static VectorKind find_vector_kind(const LkConfig *config, guint n_dims, const guint64 *shape)
{
    const StyleLayers styles = find_layers(config);

    while (n_dims > 1 && shape[0] == 1) {
        shape++;
        n_dims--;
    }
    if (n_dims == 1 && shape[0] == config->w_dim)
        return VECTOR_ROW;
    if (n_dims == 1 && (shape[0] == styles.n_styles || shape[0] == styles.n_convs))
        return VECTOR_STYLES;
    if (n_dims == 2 && shape[0] == config->num_ws && shape[1] == config->w_dim)
        return VECTOR_ROWS;
    return VECTOR_NONE;
}

static VectorKind check_vector(const LkDirectionBatch *batch, guint n_dims, const guint64 *shape,
                               GError **error)
{
    const LkConfig *config = batch->config;
    const StyleLayers styles = find_layers(config);
    const VectorKind kind = find_vector_kind(config, n_dims, shape);
    g_autofree char *text = lk_shape_text(n_dims, shape);

    if (kind == VECTOR_NONE)
        lk_direction_batch_refuse(
            batch, error,
            "its array of %s is no direction of this model, which has %u, %u x %u, %u or %u values", text,
            config->w_dim, config->num_ws, config->w_dim, styles.n_styles, styles.n_convs);
    return kind;
}

/* Takes values. */
static void add_vector(LkDirectionBatch *batch, VectorKind kind, guint64 n, float *values)
{
    const StyleLayers styles = find_layers(batch->config);

    if (kind == VECTOR_STYLES) {
        add_stylespace(batch, &styles, values, n);
        g_free(values);
    } else {
        add_interfacegan(batch, kind == VECTOR_ROW ? 1 : batch->config->num_ws, values);
    }
}

static gboolean read_tensor(LkDirectionBatch *batch, LkTorchFile *file, const LkTorchValue *value,
                            GError **error)
{
    const LkTorchTensor *tensor = lk_torch_tensor(value);
    const VectorKind kind = check_vector(batch, tensor->n_dims, tensor->shape, error);
    float *values =
        kind != VECTOR_NONE ? lk_direction_batch_read(batch, file, value, "the tensor", error) : NULL;

    if (values == NULL)
        return FALSE;
    add_vector(batch, kind, tensor->n_elements, values);
    return TRUE;
}

/* An LkDirectionRead; data: the path. */
static gboolean read_npy(LkDirectionBatch *batch, gpointer data, GError **error)
{
    guint64 shape[LK_TORCH_MAX_DIMS], n = 1;
    guint n_dims;
    g_autofree float *values = lk_npy_load(data, shape, &n_dims, error);
    VectorKind kind;

    if (values == NULL)
        return FALSE;
    kind = check_vector(batch, n_dims, shape, error);
    if (kind == VECTOR_NONE)
        return FALSE;
    for (guint i = 0; i < n_dims; i++)
        n *= shape[i];
    if (!lk_all_finite(values, (gsize)n))
        return lk_direction_batch_refuse(batch, error, "the array has values that are not finite");
    add_vector(batch, kind, n, g_steal_pointer(&values));
    return TRUE;
}

/* ---- a list of the layers' tensors ---------------------------------------------------------------------- */

/* Whether the list has one tensor of the right length for each layer, or for each but toRGB. */
static gboolean fits_layers(const LkTorchValue *list, const StyleLayers *styles, gboolean with_rgb)
{
    guint item = 0;

    for (guint i = 0; i < styles->n_layers; i++) {
        const LkTorchTensor *tensor;
        if (styles->layers[i].rgb && !with_rgb)
            continue;
        if (item == lk_torch_n_items(list))
            return FALSE;
        tensor = lk_torch_tensor(lk_torch_item(list, item++));
        if (tensor == NULL || tensor->n_elements != styles->layers[i].channels)
            return FALSE;
    }
    return item == lk_torch_n_items(list);
}

static gboolean read_list(LkDirectionBatch *batch, LkTorchFile *file, const LkTorchValue *list,
                          GError **error)
{
    const StyleLayers styles = find_layers(batch->config);
    const gboolean with_rgb = fits_layers(list, &styles, TRUE);
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(float));

    if (lk_torch_n_items(list) == 1 && lk_torch_tensor(lk_torch_item(list, 0)) != NULL)
        return read_tensor(batch, file, lk_torch_item(list, 0), error);
    if (!with_rgb && !fits_layers(list, &styles, FALSE))
        return lk_direction_batch_refuse(batch, error,
                                         "its list of %u is not one of the model's %u style layers with %u "
                                         "values in all, nor of those without toRGB with %u",
                                         lk_torch_n_items(list), styles.n_layers, styles.n_styles,
                                         styles.n_convs);
    for (guint i = 0; i < lk_torch_n_items(list); i++) {
        const LkTorchValue *item = lk_torch_item(list, i);
        g_autofree float *layer = lk_direction_batch_read(batch, file, item, "a tensor of the list", error);
        if (layer == NULL)
            return FALSE;
        g_array_append_vals(values, layer, (guint)lk_torch_tensor(item)->n_elements);
    }
    add_stylespace(batch, &styles, (const float *)(gpointer)values->data, values->len);
    return TRUE;
}

/* ---- files ---------------------------------------------------------------------------------------------- */

/* An LkDirectionRead; data: the LkTorchFile. */
static gboolean read_torch(LkDirectionBatch *batch, gpointer data, GError **error)
{
    LkTorchFile *file = data;
    const LkTorchValue *root = lk_torch_root(file);

    if (lk_torch_tensor(root) != NULL)
        return read_tensor(batch, file, root, error);
    if (lk_torch_type(root) == LK_TORCH_LIST)
        return read_list(batch, file, root, error);
    if (lk_is_ganspace(root))
        return lk_add_ganspace(batch, file, error);
    if (lk_is_mapper(root))
        return lk_add_mapper(batch, file, error);
    if (lk_is_gradctrl(root))
        return lk_add_gradctrl(batch, file, error);
    return lk_direction_batch_refuse(batch, error, "it holds no direction of a known kind");
}

gboolean lk_direction_set_add_torch(LkDirectionSet *set, LkTorchFile *file, const char *name, GError **error)
{
    return lk_direction_set_add(set, lk_torch_path(file), name, read_torch, file, error);
}

/* Whether a file begins so. FALSE where it cannot be read; who opens it then says why. */
static gboolean begins_with(const char *path, const char *start)
{
    char bytes[32] = {0};
    FILE *file = g_file_test(path, G_FILE_TEST_IS_REGULAR) ? fopen(path, "rbe") : NULL;
    const gsize n = file ? fread(bytes, 1, sizeof bytes, file) : 0;

    if (file)
        fclose(file);
    return n >= strlen(start) && memcmp(bytes, start, strlen(start)) == 0;
}

/* An LkDirectionRead. */
static gboolean refuse_pointer(LkDirectionBatch *batch, gpointer data, GError **error)
{
    return lk_direction_batch_refuse(batch, error,
                                     "this is Git LFS's note of the file, not the file itself; git lfs pull "
                                     "fetches it");
}

/* An LkDirectionRead. */
static gboolean refuse_table(LkDirectionBatch *batch, gpointer data, GError **error)
{
    return lk_direction_batch_refuse(batch, error,
                                     "a table is read with the file that it is about; give that one, or the "
                                     "folder");
}

gboolean lk_direction_set_add_file(LkDirectionSet *set, const char *path, const char *name, GError **error)
{
    g_autoptr(LkTorchFile) file = NULL;

    if (begins_with(path, "\x93NUMPY"))
        return lk_direction_set_add(set, path, name, read_npy, (gpointer)path, error);
    if (begins_with(path, "version https://git-lfs"))
        return lk_direction_set_add(set, path, name, refuse_pointer, NULL, error);
    if (g_str_has_suffix(path, ".csv") && g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return lk_direction_set_add(set, path, name, refuse_table, NULL, error);
    file = lk_torch_open(path, error);
    return file != NULL && lk_direction_set_add_torch(set, file, name, error);
}
