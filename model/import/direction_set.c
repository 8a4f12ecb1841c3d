/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "direction_set.h"

#include "json_check.h"

#include <math.h>
#include <string.h>

#define MAX_TEXT  80 /* bytes of a name or label, as in a model file */
#define MAX_DEPTH 4
#define PIECE     65536 /* values looked at in one go */

/* A tensor of the model file: in memory, or to be read from the file that has it. */
typedef struct {
    char *name;
    guint n_dims;
    guint64 shape[2], n;
    float *values;     /* NULL: in the file */
    char *path, *key;  /* where it is */
    LkTorchFile *file; /* open from the first piece to the last */
} Tensor;

struct _LkDirectionSet {
    LkConfig config;
    GPtrArray *entries; /* JsonObject */
    GHashTable *added;  /* names of those that are not the base's */
    GPtrArray *tensors; /* Tensor; of two with the same name the last counts */
};

static void tensor_free(gpointer data)
{
    Tensor *tensor = data;

    g_free(tensor->name);
    g_free(tensor->values);
    g_free(tensor->path);
    g_free(tensor->key);
    lk_torch_free(tensor->file);
    g_free(tensor);
}

/* ---- texts ---------------------------------------------------------------------------------------------- */

char *lk_shape_text(guint n_dims, const guint64 *shape)
{
    GString *text = g_string_new(n_dims ? NULL : "1");

    for (guint i = 0; i < n_dims; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i ? " x " : "", shape[i]);
    return g_string_free(text, FALSE);
}

gboolean lk_direction_batch_refuse(const LkDirectionBatch *batch, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    lk_import_refuse(error, batch->path, format, arguments);
    va_end(arguments);
    return FALSE;
}

char *lk_direction_batch_stem(const LkDirectionBatch *batch)
{
    return batch->name ? g_strdup(batch->name) : lk_import_stem(batch->path);
}

char *lk_direction_batch_beside(const LkDirectionBatch *batch, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(batch->path);

    return g_build_filename(folder, name, NULL);
}

static char *make_name(const char *prefix, const char *text)
{
    GString *name = g_string_new(prefix);
    g_autofree char *start = prefix ? g_strconcat(prefix, "-", NULL) : NULL;

    if (start && g_str_has_prefix(text, start))
        text += strlen(start);
    else if (!prefix && !g_ascii_isalpha(*text))
        g_string_append(name, "direction");
    if (name->len > 0)
        g_string_append_c(name, '-');
    for (; *text && name->len < MAX_TEXT; text++) {
        const char c = g_ascii_tolower(*text);
        if (((guchar)c & 0xc0) != 0x80) /* one _ for a letter of several bytes */
            g_string_append_c(name, g_ascii_isalnum(c) || c == '-' ? c : '_');
    }
    return g_string_free(name, FALSE);
}

/* "curly_hair" as people write it: "Curly hair". */
static char *make_label(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *label = g_string_new(NULL);

    g_strdelimit(valid, "_-", ' ');
    for (const char *at = g_strstrip(valid); *at && label->len + 4 < MAX_TEXT; at = g_utf8_next_char(at))
        if (!g_unichar_iscntrl(g_utf8_get_char(at)))
            g_string_append_unichar(label, label->len ? g_utf8_get_char(at)
                                                      : g_unichar_toupper(g_utf8_get_char(at)));
    return g_string_free(label, FALSE);
}

/* ---- one file's ----------------------------------------------------------------------------------------- */

static void set_pair(JsonObject *object, const char *key, double first, double second)
{
    JsonArray *pair = json_array_new();

    json_array_add_double_element(pair, first);
    json_array_add_double_element(pair, second);
    json_object_set_array_member(object, key, pair);
}

JsonObject *lk_direction_batch_add(LkDirectionBatch *batch, const LkDirectionEntry *entry)
{
    g_autofree char *name = make_name(entry->prefix, entry->name);
    g_autofree char *label = make_label(entry->name);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", name);
    json_object_set_string_member(object, "label", *label ? label : name);
    json_object_set_string_member(object, "kind", lk_direction_kind_name(entry->kind));
    json_object_set_string_member(object, "group", entry->group);
    if (entry->end_row > 0) {
        JsonArray *rows = json_array_new();
        json_array_add_int_element(rows, entry->first_row);
        json_array_add_int_element(rows, entry->end_row);
        json_object_set_array_member(object, "rows", rows);
    }
    set_pair(object, "range", entry->minimum, entry->maximum);
    set_pair(object, "safe", entry->safe_minimum, entry->safe_maximum);
    json_object_set_double_member(object, "step", entry->step);
    g_ptr_array_add(batch->entries, object);
    return object;
}

static Tensor *add_tensor(LkDirectionBatch *batch, char *name, guint n_dims, guint64 n_rows,
                          guint64 n_columns)
{
    Tensor *tensor = g_new0(Tensor, 1);

    tensor->name = name;
    tensor->n_dims = n_dims;
    tensor->shape[0] = n_dims == 2 ? n_rows : n_columns;
    tensor->shape[1] = n_columns;
    tensor->n = n_dims == 2 ? n_rows * n_columns : n_columns;
    g_ptr_array_add(batch->tensors, tensor);
    return tensor;
}

void lk_direction_batch_add_tensor(LkDirectionBatch *batch, char *name, guint n_dims, guint64 n_rows,
                                   guint64 n_columns, float *values)
{
    add_tensor(batch, name, n_dims, n_rows, n_columns)->values = values;
}

gboolean lk_all_finite(const float *values, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return FALSE;
    return TRUE;
}

float *lk_direction_batch_read(const LkDirectionBatch *batch, LkTorchFile *file, const LkTorchValue *tensor,
                               const char *what, GError **error)
{
    const gsize n = (gsize)lk_torch_tensor(tensor)->n_elements;
    g_autofree float *values = g_new(float, n);

    if (!lk_torch_read(file, tensor, 0, n, values, error))
        return NULL;
    if (!lk_all_finite(values, n)) {
        lk_direction_batch_refuse(batch, error, "%s has values that are not finite", what);
        return NULL;
    }
    return g_steal_pointer(&values);
}

gboolean lk_direction_batch_add_stored(LkDirectionBatch *batch, LkTorchFile *file, const char *key,
                                       char *name, GError **error)
{
    const LkTorchValue *value = lk_torch_find(lk_torch_root(file), key);
    const LkTorchTensor *shape = lk_torch_tensor(value);
    Tensor *tensor = add_tensor(batch, name, shape->n_dims, shape->shape[0], shape->shape[shape->n_dims - 1]);
    g_autofree float *values = g_new(float, PIECE);

    tensor->path = g_strdup(batch->path);
    tensor->key = g_strdup(key);
    for (guint64 first = 0; first < tensor->n; first += PIECE) {
        const gsize n = (gsize)MIN(tensor->n - first, PIECE);
        if (!lk_torch_read(file, value, first, n, values, error))
            return FALSE;
        if (!lk_all_finite(values, n))
            return lk_direction_batch_refuse(batch, error, "%s has values that are not finite", key);
    }
    return TRUE;
}

/* ---- the set -------------------------------------------------------------------------------------------- */

static const char *entry_name(JsonObject *entry)
{
    return json_object_get_string_member(entry, "name");
}

LkDirectionSet *lk_direction_set_new(const LkConfig *config, const char *base, GError **error)
{
    g_autoptr(LkDirectionSet) set = g_new0(LkDirectionSet, 1);
    g_autofree char *reason = NULL;
    g_autoptr(JsonNode) root = base ? lk_json_parse(base, strlen(base), MAX_DEPTH, &reason) : NULL;
    JsonArray *array = root && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;

    set->config = *config;
    set->entries = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    set->added = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    set->tensors = g_ptr_array_new_with_free_func(tensor_free);
    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++)
        g_ptr_array_add(set->entries, json_object_ref(json_array_get_object_element(array, i)));
    if (base == NULL || array != NULL)
        return g_steal_pointer(&set);
    g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_CONFIG, "directions: %s",
                reason ? reason : "it is not a list");
    return NULL;
}

void lk_direction_set_free(LkDirectionSet *set)
{
    if (set == NULL)
        return;
    g_ptr_array_unref(set->entries);
    g_hash_table_unref(set->added);
    g_ptr_array_unref(set->tensors);
    g_free(set);
}

guint lk_direction_set_n_added(const LkDirectionSet *set)
{
    return g_hash_table_size(set->added);
}

static gboolean is_of_kind(JsonObject *entry, LkDirectionKind kind)
{
    const char *text = json_object_get_string_member_with_default(entry, "kind", "interfacegan");

    return g_str_equal(text, lk_direction_kind_name(kind));
}

/* G_MAXUINT if there is none. */
static guint find_entry(const GPtrArray *entries, const char *name)
{
    for (guint i = 0; i < entries->len; i++)
        if (g_str_equal(entry_name(g_ptr_array_index(entries, i)), name))
            return i;
    return G_MAXUINT;
}

/* The set's entries with the batch's: in place of those of the same name, else behind. */
static GPtrArray *merge(const LkDirectionSet *set, const LkDirectionBatch *batch)
{
    GPtrArray *merged = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);

    for (guint i = 0; i < set->entries->len; i++) {
        JsonObject *entry = g_ptr_array_index(set->entries, i);
        const gboolean stale = batch->shares && is_of_kind(entry, batch->kind);
        if (!stale || find_entry(batch->entries, entry_name(entry)) != G_MAXUINT)
            g_ptr_array_add(merged, json_object_ref(entry));
    }
    for (guint i = 0; i < batch->entries->len; i++) {
        JsonObject *entry = g_ptr_array_index(batch->entries, i);
        const guint place = find_entry(merged, entry_name(entry));
        if (place == G_MAXUINT) {
            g_ptr_array_add(merged, json_object_ref(entry));
        } else {
            json_object_unref(g_ptr_array_index(merged, place));
            g_ptr_array_index(merged, place) = json_object_ref(entry);
        }
    }
    return merged;
}

static gboolean is_gone(gpointer name, gpointer value, gpointer entries)
{
    return find_entry(entries, name) == G_MAXUINT;
}

static gboolean take_batch(LkDirectionSet *set, LkDirectionBatch *batch, GError **error)
{
    g_autoptr(GPtrArray) merged = merge(set, batch);

    if (merged->len > LK_MAX_DIRECTIONS)
        return lk_direction_batch_refuse(batch, error, "the model would have more than %d directions",
                                         LK_MAX_DIRECTIONS);
    for (guint i = 0; i < batch->entries->len; i++)
        g_hash_table_add(set->added, g_strdup(entry_name(g_ptr_array_index(batch->entries, i))));
    g_hash_table_foreach_remove(set->added, is_gone, merged);
    g_ptr_array_unref(set->entries);
    set->entries = g_steal_pointer(&merged);
    g_ptr_array_extend_and_steal(set->tensors, g_steal_pointer(&batch->tensors));
    return TRUE;
}

gboolean lk_direction_set_add(LkDirectionSet *set, const char *path, const char *name, LkDirectionRead read,
                              gpointer data, GError **error)
{
    LkDirectionBatch batch = {
        .config = &set->config,
        .path = path,
        .name = name,
        .entries = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref),
        .tensors = g_ptr_array_new_with_free_func(tensor_free),
    };
    const gboolean good = read(&batch, data, error) && take_batch(set, &batch, error);

    g_ptr_array_unref(batch.entries);
    g_clear_pointer(&batch.tensors, g_ptr_array_unref);
    return good;
}

/* ---- writing -------------------------------------------------------------------------------------------- */

/* An LkTensorSource. */
static gboolean read_stored(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    Tensor *tensor = data;
    const LkTorchValue *value;

    if (tensor->file == NULL)
        tensor->file = lk_torch_open(tensor->path, error);
    if (tensor->file == NULL)
        return FALSE;
    value = lk_torch_find(lk_torch_root(tensor->file), tensor->key);
    if (lk_torch_tensor(value) == NULL || lk_torch_tensor(value)->n_elements != tensor->n) {
        g_autofree char *shown = g_filename_display_name(tensor->path);
        g_set_error(error, LK_IMPORT_ERROR, LK_IMPORT_ERROR_CONTENT, "%s changed while it was read", shown);
        return FALSE;
    }
    if (!lk_torch_read(tensor->file, value, first, n, values, error))
        return FALSE;
    if (first + n == tensor->n)
        g_clear_pointer(&tensor->file, lk_torch_free);
    return TRUE;
}

void lk_direction_set_write(const LkDirectionSet *set, LkModelWriter *writer)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
    g_autoptr(JsonArray) array = json_array_new();
    g_autofree char *text = NULL;

    for (guint i = 0; i < set->entries->len; i++)
        json_array_add_object_element(array, json_object_ref(g_ptr_array_index(set->entries, i)));
    json_node_set_array(root, array);
    text = json_to_string(root, FALSE);
    lk_model_writer_set_metadata(writer, "directions", text);
    for (guint i = 0; i < set->tensors->len; i++) {
        Tensor *tensor = g_ptr_array_index(set->tensors, i);
        if (tensor->values != NULL)
            lk_model_writer_add_values(writer, tensor->name, LK_DTYPE_F32, tensor->n_dims, tensor->shape,
                                       tensor->values);
        else
            lk_model_writer_add(writer, tensor->name, LK_DTYPE_F32, tensor->n_dims, tensor->shape,
                                read_stored, tensor, NULL);
    }
}
