/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "torch_functions.h"

#include <string.h>

#define MAX_STORAGE_KEY 200
/* Elements of a tensor that meets some of its storage's more than once, as expand() makes it. */
#define MAX_EXPANDED (1 << 24)

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

struct _LkTorchFunction {
    const char *module, *name;
    LkTorchValue *(*call)(LkTorchTree *tree, const LkTorchValue *arguments, GError **error);
    LkTorchDtype dtype; /* where call is NULL: a storage's type */
};

static gboolean is(const LkTorchValue *value, guint type)
{
    return value->type == type;
}

/* ---- storages ---- */

static LkTorchStorage *storage_new(LkTorchTree *tree, const char *key, LkTorchDtype dtype, guint64 n_elements,
                                   GError **error)
{
    const gsize key_size = strlen(key) + 1;
    LkTorchStorage *storage;
    guint64 n_bytes;

    if (key_size > MAX_STORAGE_KEY || strchr(key, '/') != NULL) {
        refuse(error, "a storage in it has a name that PyTorch does not give");
        return NULL;
    }
    if (!g_uint64_checked_mul(&n_bytes, n_elements, lk_torch_dtype_size(dtype)) || n_bytes > G_MAXINT64) {
        refuse(error, "a storage in it is said to be larger than any file");
        return NULL;
    }
    if (!lk_torch_tree_charge(tree, sizeof *storage + key_size + 80, error))
        return NULL;
    storage = g_new0(LkTorchStorage, 1);
    storage->key = g_strdup(key);
    storage->dtype = dtype;
    storage->n_elements = n_elements;
    storage->n_bytes = n_bytes;
    g_tree_insert(tree->storages, storage->key, storage);
    return storage;
}

/* The older format's views: (key, first element, number of elements), or None. */
static gboolean set_view(LkTorchValue *value, const LkTorchValue *view, GError **error)
{
    guint64 first, n;

    value->first = 0;
    value->n_elements = value->storage->n_elements;
    if (view == NULL || is(view, LK_TORCH_NONE))
        return TRUE;
    if (!is(view, LK_TORCH_LIST) || view->n_items != 3 || !is(view->items[1], LK_TORCH_INT) ||
        !is(view->items[2], LK_TORCH_INT))
        return refuse(error, "a view of a storage in it is not described as PyTorch does");
    first = (guint64)view->items[1]->integer;
    n = (guint64)view->items[2]->integer;
    if (first > value->n_elements || n > value->n_elements - first)
        return refuse(error, "a view of a storage in it reaches beyond the storage");
    value->first = first;
    value->n_elements = n;
    return TRUE;
}

static gboolean check_id(const LkTorchValue *id, GError **error)
{
    const LkTorchFunction *function;

    if (!is(id, LK_TORCH_LIST) || id->n_items < 1 || !is(id->items[0], LK_TORCH_STRING))
        return refuse(error, "a storage in it is not described as PyTorch does");
    if (!g_str_equal(id->items[0]->text, "storage")) {
        g_autofree char *shown = lk_torch_shown(id->items[0]->text, strlen(id->items[0]->text));
        return lk_torch_refuse(error, LK_IMPORT_ERROR_REFUSED,
                               "it asks for a saved %s, which reading weights does not need", shown);
    }
    if (id->n_items < 5 || id->n_items > 6 || !is(id->items[1], LK_TORCH_GLOBAL) ||
        !is(id->items[2], LK_TORCH_STRING) || !is(id->items[3], LK_TORCH_STRING) ||
        !is(id->items[4], LK_TORCH_INT) || id->items[4]->integer < 0)
        return refuse(error, "a storage in it is not described as PyTorch does");
    function = id->items[1]->function;
    return function->call == NULL ||
           refuse(error, "a storage in it has the type %s.%s", function->module, function->name);
}

LkTorchValue *lk_torch_storage_value(LkTorchTree *tree, const LkTorchValue *id, GError **error)
{
    LkTorchStorage *storage;
    LkTorchValue *value;
    LkTorchDtype dtype;
    guint64 n_elements;

    if (!check_id(id, error))
        return NULL;
    dtype = id->items[1]->function->dtype;
    n_elements = (guint64)id->items[4]->integer;
    storage = g_tree_lookup(tree->storages, id->items[2]->text);
    if (storage == NULL)
        storage = storage_new(tree, id->items[2]->text, dtype, n_elements, error);
    if (storage == NULL)
        return NULL;
    if (storage->dtype != dtype || storage->n_elements != n_elements) {
        refuse(error, "the storage %s is described in two ways", storage->key);
        return NULL;
    }
    value = lk_torch_value_new(tree, LK_TORCH_STORAGE, error);
    if (value == NULL)
        return NULL;
    value->storage = storage;
    return set_view(value, id->n_items == 6 ? id->items[5] : NULL, error) ? value : NULL;
}

/* ---- tensors ---- */

/* A tuple of whole numbers that are not negative. */
static gboolean read_sizes(const LkTorchValue *tuple, const char *what, guint64 *sizes, GError **error)
{
    if (!is(tuple, LK_TORCH_LIST))
        return refuse(error, "a tensor's %s in it is no tuple", what);
    if (tuple->n_items > LK_TORCH_MAX_DIMS)
        return refuse(error, "a tensor in it has %u dimensions, more than %d", tuple->n_items,
                      LK_TORCH_MAX_DIMS);
    for (guint i = 0; i < tuple->n_items; i++) {
        if (is(tuple->items[i], LK_TORCH_LONG))
            return refuse(error, "a tensor's %s in it is larger than any file", what);
        if (!is(tuple->items[i], LK_TORCH_INT) || tuple->items[i]->integer < 0)
            return refuse(error, "a tensor's %s in it is negative or no number", what);
        sizes[i] = (guint64)tuple->items[i]->integer;
    }
    return TRUE;
}

static gboolean count_elements(LkTorchTensor *shape, GError **error)
{
    shape->n_elements = 1;
    for (guint i = 0; i < shape->n_dims; i++)
        if (shape->shape[i] == 0)
            shape->n_elements = 0;
    for (guint i = 0; i < shape->n_dims && shape->n_elements > 0; i++)
        if (!g_uint64_checked_mul(&shape->n_elements, shape->n_elements, shape->shape[i]))
            return refuse(error, "a tensor's size in it is larger than any file");
    return TRUE;
}

/* Whether every element lies in the n_elements of the storage's part. */
static gboolean check_reach(const LkTorchView *view, guint64 n_elements, GError **error)
{
    guint64 last = view->offset, step;

    if (view->shape.n_elements == 0)
        return TRUE;
    for (guint i = 0; i < view->shape.n_dims; i++)
        if (!g_uint64_checked_mul(&step, view->shape.shape[i] - 1, view->strides[i]) ||
            !g_uint64_checked_add(&last, last, step))
            return refuse(error, "a tensor in it reaches beyond its storage");
    if (last >= n_elements)
        return refuse(error, "a tensor in it reaches beyond its storage");
    if (view->shape.n_elements > MAX(n_elements, MAX_EXPANDED))
        return refuse(error, "a tensor in it repeats a few numbers %" G_GUINT64_FORMAT " times",
                      view->shape.n_elements);
    return TRUE;
}

static gboolean fill_view(LkTorchView *view, LkTorchValue *const *arguments, GError **error)
{
    const LkTorchValue *storage = arguments[0], *offset = arguments[1], *size = arguments[2],
                       *strides = arguments[3];

    if (!is(storage, LK_TORCH_STORAGE))
        return refuse(error, "a tensor in it has no storage");
    if (!is(offset, LK_TORCH_INT) || offset->integer < 0)
        return refuse(error, "a tensor's offset in it is negative or no number");
    if (!read_sizes(size, "size", view->shape.shape, error) ||
        !read_sizes(strides, "stride", view->strides, error))
        return FALSE;
    if (size->n_items != strides->n_items)
        return refuse(error, "a tensor in it has %u sizes and %u strides", size->n_items, strides->n_items);
    view->shape.dtype = storage->storage->dtype;
    view->shape.n_dims = size->n_items;
    view->storage = storage->storage;
    view->offset = (guint64)offset->integer;
    if (!count_elements(&view->shape, error) || !check_reach(view, storage->n_elements, error))
        return FALSE;
    if (view->shape.n_elements > 0)
        view->offset += storage->first;
    return TRUE;
}

static LkTorchValue *make_tensor(LkTorchTree *tree, LkTorchValue *const *arguments, GError **error)
{
    g_autofree LkTorchView *view = NULL;
    LkTorchValue *value;

    if (!lk_torch_tree_charge(tree, sizeof *view + 16, error))
        return NULL;
    view = g_new0(LkTorchView, 1);
    if (!fill_view(view, arguments, error))
        return NULL;
    value = lk_torch_value_new(tree, LK_TORCH_TENSOR, error);
    if (value != NULL)
        value->view = g_steal_pointer(&view);
    return value;
}

/* ---- the functions ---- */

static LkTorchValue *wrong_arguments(const char *name, GError **error)
{
    refuse(error, "%s in it is not called as PyTorch does", name);
    return NULL;
}

/* Backward hooks: nothing, or a dictionary of nothing. */
static gboolean has_no_hooks(const LkTorchValue *value)
{
    return is(value, LK_TORCH_NONE) || (is(value, LK_TORCH_DICT) && value->n_items == 0);
}

/* (storage, offset, size, strides) */
static LkTorchValue *rebuild_tensor(LkTorchTree *tree, const LkTorchValue *arguments, GError **error)
{
    if (arguments->n_items != 4)
        return wrong_arguments("_rebuild_tensor", error);
    return make_tensor(tree, arguments->items, error);
}

/* (storage, offset, size, strides, requires_grad, hooks[, metadata]); metadata would conjugate or negate. */
static LkTorchValue *rebuild_tensor_v2(LkTorchTree *tree, const LkTorchValue *arguments, GError **error)
{
    if (arguments->n_items < 6 || arguments->n_items > 7 || !is(arguments->items[4], LK_TORCH_BOOL) ||
        !has_no_hooks(arguments->items[5]) || (arguments->n_items == 7 && !has_no_hooks(arguments->items[6])))
        return wrong_arguments("_rebuild_tensor_v2", error);
    return make_tensor(tree, arguments->items, error);
}

/* (tensor, requires_grad, hooks) */
static LkTorchValue *rebuild_parameter(LkTorchTree *tree, const LkTorchValue *arguments, GError **error)
{
    if (arguments->n_items != 3 || !is(arguments->items[0], LK_TORCH_TENSOR) ||
        !is(arguments->items[1], LK_TORCH_BOOL) || !has_no_hooks(arguments->items[2]))
        return wrong_arguments("_rebuild_parameter", error);
    return arguments->items[0];
}

/* (), or in files of Python 2 ([[key, value], …],) */
static LkTorchValue *make_ordered_dict(LkTorchTree *tree, const LkTorchValue *arguments, GError **error)
{
    LkTorchValue *dict = lk_torch_value_new(tree, LK_TORCH_DICT, error);
    const LkTorchValue *pairs;

    if (dict == NULL)
        return NULL;
    dict->ordered = TRUE;
    if (arguments->n_items == 0)
        return dict;
    pairs = arguments->items[0];
    if (arguments->n_items > 1 || !is(pairs, LK_TORCH_LIST))
        return wrong_arguments("OrderedDict", error);
    for (guint i = 0; i < pairs->n_items; i++) {
        const LkTorchValue *pair = pairs->items[i];
        if (!is(pair, LK_TORCH_LIST) || pair->n_items != 2)
            return wrong_arguments("OrderedDict", error);
        if (!lk_torch_value_set(tree, dict, pair->items[0], pair->items[1], error))
            return NULL;
    }
    return dict;
}

/* (tuple,) */
static LkTorchValue *make_size(LkTorchTree *tree, const LkTorchValue *arguments, GError **error)
{
    if (arguments->n_items != 1 || !is(arguments->items[0], LK_TORCH_LIST) || !arguments->items[0]->tuple)
        return wrong_arguments("torch.Size", error);
    return arguments->items[0];
}

static const LkTorchFunction functions[] = {
    {"torch._utils", "_rebuild_tensor_v2", rebuild_tensor_v2},
    {"torch._utils", "_rebuild_tensor", rebuild_tensor},
    {"torch._utils", "_rebuild_parameter", rebuild_parameter},
    {"collections", "OrderedDict", make_ordered_dict},
    {"torch", "Size", make_size},
    {"torch", "HalfStorage", NULL, LK_TORCH_F16},
    {"torch", "BFloat16Storage", NULL, LK_TORCH_BF16},
    {"torch", "FloatStorage", NULL, LK_TORCH_F32},
    {"torch", "DoubleStorage", NULL, LK_TORCH_F64},
    {"torch", "LongStorage", NULL, LK_TORCH_I64},
    {"torch", "IntStorage", NULL, LK_TORCH_I32},
    {"torch", "ShortStorage", NULL, LK_TORCH_I16},
    {"torch", "CharStorage", NULL, LK_TORCH_I8},
    {"torch", "ByteStorage", NULL, LK_TORCH_U8},
    {"torch", "BoolStorage", NULL, LK_TORCH_BOOLEAN},
};

static gboolean equals(const char *known, const char *text, gsize n)
{
    return strlen(known) == n && memcmp(known, text, n) == 0;
}

const LkTorchFunction *lk_torch_function(const char *module, gsize module_n, const char *name, gsize name_n,
                                         GError **error)
{
    g_autofree char *shown_module = NULL, *shown_name = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(functions); i++)
        if (equals(functions[i].module, module, module_n) && equals(functions[i].name, name, name_n))
            return &functions[i];
    shown_module = lk_torch_shown(module, module_n);
    shown_name = lk_torch_shown(name, name_n);
    lk_torch_refuse(error, LK_IMPORT_ERROR_REFUSED, "it asks for %s.%s, which reading weights does not need",
                    shown_module, shown_name);
    return NULL;
}

LkTorchValue *lk_torch_function_call(LkTorchTree *tree, const LkTorchFunction *function,
                                     const LkTorchValue *arguments, GError **error)
{
    if (function->call == NULL) {
        lk_torch_refuse(error, LK_IMPORT_ERROR_REFUSED, "it calls %s.%s, which reading weights does not need",
                        function->module, function->name);
        return NULL;
    }
    return function->call(tree, arguments, error);
}
