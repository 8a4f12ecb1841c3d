/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "f16.h"
#include "hash.h"
#include "json_check.h"
#include "model_private.h"
#include "weights.h"

#include <math.h>
#include <string.h>

/* A header holds about 100 bytes per tensor; the released checkpoint's has 130 KB. */
#define MAX_HEADER (4 * 1024 * 1024)
#define MAX_DEPTH  4 /* root, tensor, array: one to spare */

struct _LkWeights {
    GMappedFile *file;
    GHashTable *tensors;  /* name -> LkWeight */
    GHashTable *metadata; /* key -> value */
    const guint8 *data;   /* behind the header */
    guint64 data_size;
    guint64 hash;
};

static const struct {
    const char *name;
    guint size;
} dtypes[] = {[LK_DTYPE_F16] = {"F16", 2}, [LK_DTYPE_F32] = {"F32", 4}, [LK_DTYPE_I64] = {"I64", 8}};

GQuark lk_model_error_quark(void)
{
    return g_quark_from_static_string("lk-model-error-quark");
}

char *lk_one_line(const char *text)
{
    char *line = g_utf8_make_valid(text, -1); /* a name may have been cut within a character */

    for (char *at = line; *at; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    return line;
}

gboolean lk_model_refuse(GError **error, LkModelError code, const char *format, ...)
{
    g_autofree char *text = NULL, *sentence = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    sentence = lk_one_line(text);
    g_set_error_literal(error, LK_MODEL_ERROR, code, sentence);
    return FALSE;
}

#define refuse(error, ...) lk_model_refuse(error, LK_MODEL_ERROR_FORMAT, __VA_ARGS__)

/* ---- one tensor's entry ---- */

static gboolean read_dtype(const char *name, JsonObject *entry, LkWeight *weight, GError **error)
{
    JsonNode *node = json_object_get_member(entry, "dtype");
    const char *dtype = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

    if (dtype == NULL)
        return refuse(error, "the tensor %.100s has no dtype", name);
    for (guint i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        if (g_str_equal(dtype, dtypes[i].name)) {
            weight->dtype = (LkDtype)i;
            return TRUE;
        }
    }
    return refuse(error, "the tensor %.100s is of the type \"%.20s\", which is not supported", name, dtype);
}

/* An array of non-negative integers. Returns its length, or -1. */
static int read_integers(JsonObject *entry, const char *key, guint64 *values, guint max)
{
    JsonNode *node = json_object_get_member(entry, key);
    JsonArray *array;
    guint length;

    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node))
        return -1;
    array = json_node_get_array(node);
    length = json_array_get_length(array);
    if (length > max)
        return -1;
    for (guint i = 0; i < length; i++) {
        JsonNode *element = json_array_get_element(array, i);
        if (!JSON_NODE_HOLDS_VALUE(element) || json_node_get_value_type(element) != G_TYPE_INT64 ||
            json_node_get_int(element) < 0)
            return -1;
        values[i] = (guint64)json_node_get_int(element);
    }
    return (int)length;
}

static gboolean read_shape(const char *name, JsonObject *entry, LkWeight *weight, GError **error)
{
    int n_dims = read_integers(entry, "shape", weight->shape, G_N_ELEMENTS(weight->shape));

    if (n_dims < 0)
        return refuse(error, "the tensor %.100s has a bad shape", name);
    weight->n_dims = (guint)n_dims;
    weight->n_elements = 1;
    for (guint i = 0; i < weight->n_dims; i++) {
        if (weight->shape[i] == 0)
            return refuse(error, "the tensor %.100s is empty", name);
        if (!g_uint64_checked_mul(&weight->n_elements, weight->n_elements, weight->shape[i]))
            return refuse(error, "the shape of the tensor %.100s is too large", name);
    }
    return TRUE;
}

static gboolean read_offsets(const LkWeights *weights, const char *name, JsonObject *entry, LkWeight *weight,
                             GError **error)
{
    guint64 offsets[2], bytes;

    if (read_integers(entry, "data_offsets", offsets, 2) != 2 || offsets[0] > offsets[1])
        return refuse(error, "the tensor %.100s has bad offsets", name);
    if (offsets[1] > weights->data_size)
        return refuse(error, "the tensor %.100s reaches beyond the end of the file (is it truncated?)", name);
    if (!g_uint64_checked_mul(&bytes, weight->n_elements, dtypes[weight->dtype].size) ||
        bytes != offsets[1] - offsets[0])
        return refuse(error, "the shape of the tensor %.100s does not fit its %" G_GUINT64_FORMAT " bytes",
                      name, offsets[1] - offsets[0]);
    weight->data = weights->data + offsets[0];
    return TRUE;
}

static gboolean read_tensor(LkWeights *weights, const char *name, JsonNode *node, GError **error)
{
    g_autofree LkWeight *weight = g_new0(LkWeight, 1);
    JsonObject *entry;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return refuse(error, "the entry of the tensor %.100s is not an object", name);
    entry = json_node_get_object(node);
    if (!read_dtype(name, entry, weight, error) || !read_shape(name, entry, weight, error) ||
        !read_offsets(weights, name, entry, weight, error))
        return FALSE;
    g_hash_table_insert(weights->tensors, g_strdup(name), g_steal_pointer(&weight));
    return TRUE;
}

/* ---- the header ---- */

static gboolean read_metadata(LkWeights *weights, JsonNode *node, GError **error)
{
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return refuse(error, "__metadata__ is not an object");
    json_object_iter_init(&iter, json_node_get_object(node));
    while (json_object_iter_next(&iter, &key, &value)) {
        if (!JSON_NODE_HOLDS_VALUE(value) || json_node_get_value_type(value) != G_TYPE_STRING)
            return refuse(error, "the metadata \"%.60s\" is not a string", key);
        g_hash_table_insert(weights->metadata, g_strdup(key), json_node_dup_string(value));
    }
    return TRUE;
}

static int compare_places(gconstpointer a, gconstpointer b)
{
    const LkWeight *first = *(LkWeight *const *)a, *second = *(LkWeight *const *)b;

    return first->data < second->data ? -1 : first->data > second->data;
}

/* The format wants the data to be covered without holes; overlap would let a small file pretend to be a large one. */
static gboolean check_places(const LkWeights *weights, GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new();
    const guint8 *at = weights->data;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, weights->tensors);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(places, value);
    g_ptr_array_sort(places, compare_places);
    for (guint i = 0; i < places->len; i++) {
        const LkWeight *weight = g_ptr_array_index(places, i);
        if ((const guint8 *)weight->data != at)
            return refuse(error, (const guint8 *)weight->data < at ? "two tensors overlap"
                                                                   : "there is a gap between two tensors");
        at += weight->n_elements * dtypes[weight->dtype].size;
    }
    if (at != weights->data + weights->data_size)
        return refuse(error, "there are bytes behind the last tensor");
    return TRUE;
}

static gboolean read_header(LkWeights *weights, const char *header, gsize length, GError **error)
{
    g_autofree char *reason = NULL;
    g_autoptr(JsonNode) root = lk_json_parse(header, length, MAX_DEPTH, &reason);
    JsonObjectIter iter;
    const char *name;
    JsonNode *node;

    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
        return refuse(error, "the header is not valid: %s", reason ? reason : "it is not an object");
    json_object_iter_init(&iter, json_node_get_object(root));
    while (json_object_iter_next(&iter, &name, &node)) {
        if (g_str_equal(name, "__metadata__") ? !read_metadata(weights, node, error)
                                              : !read_tensor(weights, name, node, error))
            return FALSE;
    }
    return check_places(weights, error);
}

static gboolean read_file(LkWeights *weights, GError **error)
{
    const guint8 *bytes = (const guint8 *)g_mapped_file_get_contents(weights->file);
    gsize size = g_mapped_file_get_length(weights->file);
    guint64 length = 0;

    if (size < 8)
        return refuse(error, "the file is too short");
    for (guint i = 0; i < 8; i++)
        length |= (guint64)bytes[i] << (8 * i);
    if (length > MAX_HEADER)
        return refuse(error, "this is not a safetensors file");
    if (length > size - 8)
        return refuse(error, "the header reaches beyond the end of the file (is it truncated?)");
    if (length == 0 || bytes[8] != '{')
        return refuse(error, "this is not a safetensors file");
    weights->data = bytes + 8 + length;
    weights->data_size = size - 8 - length;
    weights->hash = lk_hash_bytes(lk_hash_bytes(LK_HASH_START, &size, sizeof size), bytes, 8 + (gsize)length);
    return read_header(weights, (const char *)bytes + 8, (gsize)length, error);
}

LkWeights *lk_weights_open(const char *path, GError **error)
{
    g_autoptr(LkWeights) weights = g_new0(LkWeights, 1);

    weights->tensors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    weights->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    /* Opening a pipe would block. */
    if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        refuse(error, "%s: this is not a file", path);
        return NULL;
    }
    weights->file = g_mapped_file_new(path, FALSE, error);
    if (weights->file == NULL)
        return NULL;
    if (!read_file(weights, error)) {
        g_autofree char *shown = g_filename_display_name(path);
        g_prefix_error(error, "%s: ", shown);
        return NULL;
    }
    return g_steal_pointer(&weights);
}

void lk_weights_free(LkWeights *weights)
{
    if (weights == NULL)
        return;
    g_clear_pointer(&weights->file, g_mapped_file_unref);
    g_hash_table_unref(weights->tensors);
    g_hash_table_unref(weights->metadata);
    g_free(weights);
}

/* ---- reading ---- */

const char *lk_weights_metadata(const LkWeights *weights, const char *key)
{
    return g_hash_table_lookup(weights->metadata, key);
}

const LkWeight *lk_weights_find(const LkWeights *weights, const char *name)
{
    return g_hash_table_lookup(weights->tensors, name);
}

gsize lk_weights_n_tensors(const LkWeights *weights)
{
    return g_hash_table_size(weights->tensors);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_tensors(gconstpointer a, gconstpointer b, gpointer weights)
{
    const LkWeight *first = lk_weights_find(weights, *(char *const *)a);
    const LkWeight *second = lk_weights_find(weights, *(char *const *)b);

    return first->data < second->data ? -1 : first->data > second->data;
}

static GPtrArray *list_keys(GHashTable *table)
{
    GPtrArray *keys = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(keys, key);
    return keys;
}

GPtrArray *lk_weights_list_tensors(const LkWeights *weights)
{
    GPtrArray *names = list_keys(weights->tensors);

    g_ptr_array_sort_with_data(names, compare_tensors, (gpointer)weights);
    return names;
}

GPtrArray *lk_weights_list_metadata(const LkWeights *weights)
{
    GPtrArray *keys = list_keys(weights->metadata);

    g_ptr_array_sort(keys, compare_names);
    return keys;
}

guint64 lk_weights_hash(const LkWeights *weights)
{
    return weights->hash;
}

static void append_shape(GString *text, const LkWeight *weight, const guint *shape)
{
    g_string_append(text, ": its shape is (");
    for (guint i = 0; i < weight->n_dims; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i ? ", " : "", weight->shape[i]);
    g_string_append(text, ") instead of (");
    for (guint i = 0; shape[i]; i++)
        g_string_append_printf(text, "%s%u", i ? ", " : "", shape[i]);
    g_string_append_c(text, ')');
}

gboolean lk_weights_check(const LkWeights *weights, const char *name, const guint *shape, GError **error)
{
    const LkWeight *weight = lk_weights_find(weights, name);
    g_autoptr(GString) text = g_string_new(NULL);
    guint n_dims = 0;
    gboolean fits = TRUE;

    g_string_printf(text, "the tensor %s", name);
    if (weight == NULL) {
        g_string_append(text, " is missing");
    } else {
        for (; shape[n_dims]; n_dims++)
            fits = fits && n_dims < weight->n_dims && weight->shape[n_dims] == shape[n_dims];
        if (fits && n_dims == weight->n_dims && weight->dtype != LK_DTYPE_I64)
            return TRUE;
        if (fits && n_dims == weight->n_dims)
            g_string_append(text, " holds integers");
        else
            append_shape(text, weight, shape);
    }
    g_set_error_literal(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR, text->str);
    return FALSE;
}

float *lk_weights_read(const LkWeights *weights, const char *name, const guint *shape, GError **error)
{
    const LkWeight *weight;
    g_autofree float *values = NULL;
    gsize n;

    if (!lk_weights_check(weights, name, shape, error))
        return NULL;
    weight = lk_weights_find(weights, name);
    n = (gsize)weight->n_elements;
    values = g_try_new(float, n);
    if (values == NULL) {
        g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR, "there is no memory for the tensor %s",
                    name);
        return NULL;
    }
    if (weight->dtype == LK_DTYPE_F32) {
        memcpy(values, weight->data, n * sizeof *values);
    } else {
        for (gsize i = 0; i < n; i++) {
            guint16 half;
            memcpy(&half, (const guint8 *)weight->data + 2 * i, sizeof half);
            values[i] = lk_f16_to_float(half);
        }
    }
    for (gsize i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR, "the tensor %s is not finite", name);
            return NULL;
        }
    }
    return g_steal_pointer(&values);
}
