/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * writer.h - writing model files (docs/model-file.md) tensor by tensor, so that the largest takes no more memory than the
 * smallest. One thread at a time.
 */
#pragma once

#include "weights.h"

G_BEGIN_DECLS

typedef struct _LkModelWriter LkModelWriter;

/* Gives elements first ... first + n - 1 of a tensor; called from front to back, each element once. */
typedef gboolean (*LkTensorSource)(gpointer data, guint64 first, gsize n, float *values, GError **error);

/* fraction: 0 ... 1 of the bytes written. */
typedef void (*LkWriteProgress)(double fraction, gpointer data);

LkModelWriter *lk_model_writer_new(void);
void lk_model_writer_free(LkModelWriter *writer); /* NULL is fine */

/* The last value given for a key counts. */
void lk_model_writer_set_metadata(LkModelWriter *writer, const char *key, const char *value);

/* dtype: F32 or F16 (values beyond its range, and those that are not finite, fail the write, naming the tensor). The
 * tensor's values are asked for only while writing; free_data is called with the writer's end. A name given twice: the last
 * one counts, in the first one's place. */
void lk_model_writer_add(LkModelWriter *writer, const char *name, LkDtype dtype, guint n_dims,
                         const guint64 *shape, LkTensorSource source, gpointer data,
                         GDestroyNotify free_data);

/* The same from memory; values are copied. */
void lk_model_writer_add_values(LkModelWriter *writer, const char *name, LkDtype dtype, guint n_dims,
                                const guint64 *shape, const float *values);

/* All tensors and metadata of a model file, bit for bit; it must stay open until the write. */
void lk_model_writer_add_file(LkModelWriter *writer, const LkWeights *weights);

/* Writes the file and has it read back by lk_model_open before it appears under path: whole or not at all, also when the
 * program is killed. An older file of that name is replaced. Errors: LK_MODEL_ERROR, G_FILE_ERROR, the sources' own,
 * G_IO_ERROR_CANCELLED. */
gboolean lk_model_writer_write(LkModelWriter *writer, const char *path, LkWriteProgress progress,
                               gpointer data, GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkModelWriter, lk_model_writer_free)

G_END_DECLS
