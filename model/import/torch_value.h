/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * torch_value.h - the tree that a file's pickles build (torch_file.h has the part for others).
 *
 * Whatever a pickle does, its values live in one list that is freed with the tree: values may refer to each other in
 * circles while the pickle runs. What they take is counted, and a pickle that wants too much is refused.
 */
#pragma once

#include "torch_file.h"

G_BEGIN_DECLS

/* Types that a pickle works with and no finished tree has, behind those of LkTorchType. */
enum {
    LK_TORCH_STORAGE = LK_TORCH_TENSOR + 1, /* the numbers of tensors, as such */
    LK_TORCH_GLOBAL,                        /* the name of a class or function */
    LK_TORCH_LONG,                          /* a whole number of more than 64 bits */
};

enum { LK_TORCH_MAX_LONG = 16 }; /* bytes; PyTorch's magic number has 10 */

/* A row of numbers in the file, which tensors are views of. */
typedef struct {
    char *key;
    LkTorchDtype dtype;
    guint64 n_elements;
    guint64 n_bytes; /* never overflows */
    gboolean placed; /* whether the file has it, in full */
    guint64 place;   /* index of its entry in the archive; older format: where it begins in the file */
} LkTorchStorage;

typedef struct {
    LkTorchTensor shape;
    guint64 strides[LK_TORCH_MAX_DIMS]; /* in elements */
    guint64 offset;                     /* of the first element in the storage, in elements */
    LkTorchStorage *storage;            /* every element lies within */
} LkTorchView;

typedef struct _LkTorchFunction LkTorchFunction;

struct _LkTorchValue {
    LkTorchValue *next; /* in the tree's list of all */
    guint8 type;
    guint8 height;    /* of the tree below, once checked */
    guint8 state;     /* of the check */
    gboolean tuple;   /* LIST that does not grow */
    gboolean ordered; /* DICT that is an OrderedDict */
    guint32 n_below;  /* values in the tree below, counted as often as they are met */
    union {
        gint64 integer; /* INT and BOOL */
        double real;
        char *text;
        struct { /* LIST and DICT */
            LkTorchValue **items;
            LkTorchValue **keys; /* STRING; DICT only */
            guint *sorted;       /* DICT, once checked: indices by key */
            guint n_items, n_allocated;
        };
        LkTorchView *view;
        struct {
            LkTorchStorage *storage;
            guint64 first, n_elements; /* the part that this value stands for */
        };
        const LkTorchFunction *function;
        struct {
            guint8 bytes[LK_TORCH_MAX_LONG]; /* two's complement, lowest byte first */
            guint n_bytes;
        };
    };
};

typedef struct {
    LkTorchValue *values; /* all of them */
    GTree *storages;      /* key -> LkTorchStorage */
    gsize memory;         /* what all of this takes, roughly */
} LkTorchTree;

void lk_torch_tree_init(LkTorchTree *tree);
void lk_torch_tree_clear(LkTorchTree *tree);
/* FALSE if the tree has grown too large with so many bytes more. */
gboolean lk_torch_tree_charge(LkTorchTree *tree, gsize bytes, GError **error);

/* NULL or FALSE with an error if the tree has grown too large, a text is not UTF-8, or the key cannot be one. Keys are not
 * compared with others before lk_torch_tree_check. */
LkTorchValue *lk_torch_value_new(LkTorchTree *tree, guint type, GError **error);
LkTorchValue *lk_torch_value_text(LkTorchTree *tree, const void *bytes, gsize n, GError **error);
gboolean lk_torch_value_append(LkTorchTree *tree, LkTorchValue *list, LkTorchValue *item, GError **error);
gboolean lk_torch_value_set(LkTorchTree *tree, LkTorchValue *dict, LkTorchValue *key, LkTorchValue *item,
                            GError **error);

/* Whether a finished tree is one that can be walked: not too deep, nothing within itself, no value or key of a kind that
 * torch_file.h does not have, no key twice. */
gboolean lk_torch_tree_check(LkTorchTree *tree, LkTorchValue *root, GError **error);

/* Bytes of an element. */
guint lk_torch_dtype_size(LkTorchDtype dtype);

/* Sets the error and gives FALSE, so that a check can end with it. */
gboolean lk_torch_refuse(GError **error, LkImportError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* A name from a file as it can be shown: short, and without control characters. Free with g_free. */
char *lk_torch_shown(const char *bytes, gsize n);

G_END_DECLS
