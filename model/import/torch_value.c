/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "torch_value.h"

#include <string.h>

#define MAX_MEMORY (64 * 1024 * 1024)
#define MAX_HEIGHT 64
#define MAX_VALUES (1 << 20) /* met on a walk through the tree */
#define MAX_KEY    1000      /* bytes; keys are compared */
#define MAX_SHOWN  80

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

gboolean lk_torch_refuse(GError **error, LkImportError code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(LK_IMPORT_ERROR, (int)code, format, arguments);
    va_end(arguments);
    return FALSE;
}

char *lk_torch_shown(const char *bytes, gsize n)
{
    g_autofree char *valid = g_utf8_make_valid(bytes, (gssize)MIN(n, MAX_SHOWN));

    for (char *at = valid; *at; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    return n > MAX_SHOWN ? g_strconcat(valid, "…", NULL) : g_steal_pointer(&valid);
}

guint lk_torch_dtype_size(LkTorchDtype dtype)
{
    static const guint sizes[] = {
        [LK_TORCH_F16] = 2, [LK_TORCH_BF16] = 2,    [LK_TORCH_F32] = 4, [LK_TORCH_F64] = 8,
        [LK_TORCH_I64] = 8, [LK_TORCH_I32] = 4,     [LK_TORCH_I16] = 2, [LK_TORCH_I8] = 1,
        [LK_TORCH_U8] = 1,  [LK_TORCH_BOOLEAN] = 1,
    };

    return sizes[dtype];
}

/* ---- the tree's memory ---- */

static int compare_storage_keys(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

static void storage_free(gpointer data)
{
    LkTorchStorage *storage = data;

    g_free(storage->key);
    g_free(storage);
}

void lk_torch_tree_init(LkTorchTree *tree)
{
    tree->values = NULL;
    tree->memory = 0;
    /* Not a hash table: a file could choose keys that all have the same hash. */
    tree->storages = g_tree_new_full(compare_storage_keys, NULL, NULL, storage_free);
}

static void value_free(LkTorchValue *value)
{
    if (value->type == LK_TORCH_STRING) {
        g_free(value->text);
    } else if (value->type == LK_TORCH_TENSOR) {
        g_free(value->view);
    } else if (value->type == LK_TORCH_LIST || value->type == LK_TORCH_DICT) {
        g_free(value->items);
        g_free(value->keys);
        g_free(value->sorted);
    }
    g_free(value);
}

void lk_torch_tree_clear(LkTorchTree *tree)
{
    while (tree->values != NULL) {
        LkTorchValue *next = tree->values->next;
        value_free(tree->values);
        tree->values = next;
    }
    g_clear_pointer(&tree->storages, g_tree_unref);
}

gboolean lk_torch_tree_charge(LkTorchTree *tree, gsize bytes, GError **error)
{
    if (bytes > MAX_MEMORY - tree->memory)
        return refuse(error, "the description of its tensors takes too much memory");
    tree->memory += bytes;
    return TRUE;
}

/* ---- making values ---- */

LkTorchValue *lk_torch_value_new(LkTorchTree *tree, guint type, GError **error)
{
    LkTorchValue *value;

    if (!lk_torch_tree_charge(tree, sizeof *value + 16, error))
        return NULL;
    value = g_new0(LkTorchValue, 1);
    value->type = (guint8)type;
    value->next = tree->values;
    tree->values = value;
    return value;
}

LkTorchValue *lk_torch_value_text(LkTorchTree *tree, const void *bytes, gsize n, GError **error)
{
    LkTorchValue *value;

    if (!g_utf8_validate_len(bytes, n, NULL)) {
        refuse(error, "a text in it is not UTF-8 or has a zero in it");
        return NULL;
    }
    if (!lk_torch_tree_charge(tree, n + 16, error))
        return NULL;
    value = lk_torch_value_new(tree, LK_TORCH_STRING, error);
    if (value != NULL)
        value->text = g_strndup(bytes, n);
    return value;
}

static gboolean grow(LkTorchTree *tree, LkTorchValue *value, GError **error)
{
    const guint n = MAX(4, value->n_allocated * 2), dict = value->type == LK_TORCH_DICT;

    if (value->n_items < value->n_allocated)
        return TRUE;
    /* A dictionary's keys will be sorted, which takes as much again. */
    if (!lk_torch_tree_charge(tree, (n - value->n_allocated) * (dict ? 32 : 8), error))
        return FALSE;
    value->items = g_renew(LkTorchValue *, value->items, n);
    if (dict)
        value->keys = g_renew(LkTorchValue *, value->keys, n);
    value->n_allocated = n;
    return TRUE;
}

gboolean lk_torch_value_append(LkTorchTree *tree, LkTorchValue *list, LkTorchValue *item, GError **error)
{
    if (!grow(tree, list, error))
        return FALSE;
    list->items[list->n_items++] = item;
    return TRUE;
}

static LkTorchValue *key_text(LkTorchTree *tree, LkTorchValue *key, GError **error)
{
    char decimal[32];

    if (key->type == LK_TORCH_STRING) {
        if (strlen(key->text) <= MAX_KEY)
            return key;
        refuse(error, "a dictionary in it has a key of more than %d bytes", MAX_KEY);
        return NULL;
    }
    if (key->type == LK_TORCH_INT) {
        g_snprintf(decimal, sizeof decimal, "%" G_GINT64_FORMAT, key->integer);
        return lk_torch_value_text(tree, decimal, strlen(decimal), error);
    }
    refuse(error, "a dictionary in it has a key that is neither a text nor a whole number");
    return NULL;
}

gboolean lk_torch_value_set(LkTorchTree *tree, LkTorchValue *dict, LkTorchValue *key, LkTorchValue *item,
                            GError **error)
{
    LkTorchValue *text = key_text(tree, key, error);

    if (text == NULL || !grow(tree, dict, error))
        return FALSE;
    dict->keys[dict->n_items] = text;
    dict->items[dict->n_items++] = item;
    return TRUE;
}

/* ---- the check ---- */

enum { NEW, OPEN, DONE };

static int compare_keys(gconstpointer a, gconstpointer b, gpointer data)
{
    const LkTorchValue *dict = data, *first = dict->keys[*(const guint *)a],
                       *second = dict->keys[*(const guint *)b];

    return first == second ? 0 : strcmp(first->text, second->text);
}

static gboolean check_keys(LkTorchValue *dict, GError **error)
{
    dict->sorted = g_new(guint, dict->n_items);
    for (guint i = 0; i < dict->n_items; i++)
        dict->sorted[i] = i;
    if (dict->n_items > 1)
        g_qsort_with_data(dict->sorted, (gint)dict->n_items, sizeof *dict->sorted, compare_keys, dict);
    for (guint i = 1; i < dict->n_items; i++) {
        if (compare_keys(&dict->sorted[i - 1], &dict->sorted[i], dict) == 0) {
            const char *key = dict->keys[dict->sorted[i]]->text;
            g_autofree char *shown = lk_torch_shown(key, strlen(key));
            return refuse(error, "a dictionary in it has the key %s twice", shown);
        }
    }
    return TRUE;
}

static gboolean open_value(LkTorchValue *value, GError **error)
{
    value->state = OPEN;
    value->height = 1;
    value->n_below = 1;
    switch (value->type) {
    case LK_TORCH_STORAGE:
        return refuse(error, "it holds a storage that is not a tensor's");
    case LK_TORCH_GLOBAL:
        return refuse(error, "it holds the name of a class where a value should be");
    case LK_TORCH_LONG:
        return refuse(error, "it holds a whole number of more than 64 bits");
    case LK_TORCH_DICT:
        return check_keys(value, error);
    default:
        return TRUE;
    }
}

static gboolean has_items(const LkTorchValue *value)
{
    return value->type == LK_TORCH_LIST || value->type == LK_TORCH_DICT;
}

/* An item was looked at; what it has below counts for its parent. */
static gboolean close_value(LkTorchValue *value, LkTorchValue *parent, GError **error)
{
    value->state = DONE;
    if (parent == NULL)
        return TRUE;
    parent->height = MAX(parent->height, value->height + 1);
    parent->n_below += value->n_below;
    if (parent->height > MAX_HEIGHT)
        return refuse(error, "lists and dictionaries are nested too deep in it");
    /* The same list may be met any number of times. */
    if (parent->n_below > MAX_VALUES)
        return refuse(error, "it holds too many values");
    return TRUE;
}

gboolean lk_torch_tree_check(LkTorchTree *tree, LkTorchValue *root, GError **error)
{
    struct {
        LkTorchValue *value;
        guint next;
    } path[MAX_HEIGHT];
    guint depth = 1;

    path[0].value = root;
    path[0].next = 0;
    if (!open_value(root, error))
        return FALSE;
    while (depth > 0) {
        LkTorchValue *value = path[depth - 1].value, *item;
        if (!has_items(value) || path[depth - 1].next == value->n_items) {
            depth--;
            if (!close_value(value, depth ? path[depth - 1].value : NULL, error))
                return FALSE;
            continue;
        }
        item = value->items[path[depth - 1].next++];
        if (item->state == OPEN)
            return refuse(error, "a list or dictionary in it contains itself");
        if (item->state == DONE) {
            if (!close_value(item, value, error))
                return FALSE;
            continue;
        }
        if (depth == MAX_HEIGHT)
            return refuse(error, "lists and dictionaries are nested too deep in it");
        path[depth].value = item;
        path[depth++].next = 0;
        if (!open_value(item, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- reading it ---- */

LkTorchType lk_torch_type(const LkTorchValue *value)
{
    return (LkTorchType)value->type;
}

gint64 lk_torch_int(const LkTorchValue *value)
{
    return value->type == LK_TORCH_INT || value->type == LK_TORCH_BOOL ? value->integer : 0;
}

double lk_torch_float(const LkTorchValue *value)
{
    return value->type == LK_TORCH_FLOAT ? value->real
           : value->type == LK_TORCH_INT ? (double)value->integer
                                         : 0;
}

const char *lk_torch_string(const LkTorchValue *value)
{
    return value->type == LK_TORCH_STRING ? value->text : NULL;
}

guint lk_torch_n_items(const LkTorchValue *value)
{
    return has_items(value) ? value->n_items : 0;
}

const LkTorchValue *lk_torch_item(const LkTorchValue *value, guint index)
{
    g_return_val_if_fail(index < lk_torch_n_items(value), NULL);
    return value->items[index];
}

const char *lk_torch_key(const LkTorchValue *value, guint index)
{
    g_return_val_if_fail(value->type == LK_TORCH_DICT && index < value->n_items, NULL);
    return value->keys[index]->text;
}

const LkTorchValue *lk_torch_find(const LkTorchValue *value, const char *key)
{
    guint low = 0, high;

    if (value == NULL || value->type != LK_TORCH_DICT)
        return NULL;
    high = value->n_items;
    while (low < high) {
        const guint middle = low + (high - low) / 2, index = value->sorted[middle];
        const int order = strcmp(key, value->keys[index]->text);
        if (order == 0)
            return value->items[index];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const LkTorchTensor *lk_torch_tensor(const LkTorchValue *value)
{
    return value != NULL && value->type == LK_TORCH_TENSOR ? &value->view->shape : NULL;
}
