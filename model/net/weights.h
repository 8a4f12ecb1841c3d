/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * weights.h - reading .safetensors files (https://huggingface.co/docs/safetensors): an 8-byte length, a JSON header,
 * then the tensors' bytes. The file is mapped; the header is checked against the file's size, tensors may not overlap
 * nor leave the file. Immutable, any thread.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _LkWeights LkWeights;

typedef enum { LK_DTYPE_F16, LK_DTYPE_F32, LK_DTYPE_I64 } LkDtype;

typedef struct {
    LkDtype dtype;
    guint n_dims; /* 0 (a scalar) to 4 */
    guint64 shape[4];
    guint64 n_elements;
    const void *data; /* in the mapping, not aligned */
} LkWeight;

LkWeights *lk_weights_open(const char *path, GError **error); /* LK_MODEL_ERROR_FORMAT or a G_FILE_ERROR */
void lk_weights_free(LkWeights *weights);

const char *lk_weights_metadata(const LkWeights *weights, const char *key);  /* NULL if absent */
const LkWeight *lk_weights_find(const LkWeights *weights, const char *name); /* NULL if absent */
gsize lk_weights_n_tensors(const LkWeights *weights);
/* The tensors' names in the order of their bytes, and the keys of the metadata in that of the alphabet: GPtrArrays of
 * const char *, to be freed before the file is closed. */
GPtrArray *lk_weights_list_tensors(const LkWeights *weights);
GPtrArray *lk_weights_list_metadata(const LkWeights *weights);
guint64 lk_weights_hash(const LkWeights *weights);

/* Whether the tensor is there, of floats, and of this shape (as in lk_weights_read); its values are not looked at. */
gboolean lk_weights_check(const LkWeights *weights, const char *name, const guint *shape, GError **error);

/* The tensor's values as float32, in the file's order; shape: its dimensions, ended by 0 (a scalar: just 0); each must
 * match. Every value must be finite. NULL with LK_MODEL_ERROR_TENSOR naming the tensor; else free with g_free. */
float *lk_weights_read(const LkWeights *weights, const char *name, const guint *shape, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkWeights, lk_weights_free)

G_END_DECLS
