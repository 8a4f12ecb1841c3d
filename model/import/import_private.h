/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * import_private.h - the parts of an import: what is in the files (import.c), a checkpoint's networks (checkpoint.c), and
 * the directions (import_directions.c).
 */
#pragma once

#include "import.h"
#include "writer.h"

G_BEGIN_DECLS

/* Sets LK_IMPORT_ERROR_CONTENT: "PATH: " and the sentence, in one line whatever names of the file are in it. */
void lk_import_refuse(GError **error, const char *path, const char *format, va_list arguments)
    G_GNUC_PRINTF(3, 0);

/* ---- checkpoint.c ---- */

/* Whether the tree is meant as a StyleRes checkpoint: a dict with e4e or generator_smooth. */
gboolean lk_checkpoint_is(const LkTorchFile *file);

/* Works out the configuration from the shapes, compares every key and shape with the architecture (the error says what is
 * missing, extra or wrong, and of how many), and adds tensors and metadata to the writer, except "directions". The file must
 * stay open until the write. */
gboolean lk_checkpoint_add(LkTorchFile *file, const char *name, gboolean f32, LkModelWriter *writer,
                           LkConfig *config, GError **error);

/* ---- import_directions.c ---- */

/* Directions on their way into a model: those that the base has, and those read from files. */
typedef struct _LkDirectionSet LkDirectionSet;

/* base: the "directions" text that the model has already, or NULL. */
LkDirectionSet *lk_direction_set_new(const LkConfig *config, const char *base, GError **error);
void lk_direction_set_free(LkDirectionSet *set);

/* Takes what a file has: a tensor or array (InterfaceGAN, style space), a PCA with its table beside it (GANSpace), a mapper,
 * a classifier with its parameters beside it (GradCtrl). name: for a single direction, or NULL for the file's stem. Files of
 * no known kind: LK_IMPORT_ERROR_CONTENT. A direction of the same name is replaced. */
gboolean lk_direction_set_add_file(LkDirectionSet *set, const char *path, const char *name, GError **error);
gboolean lk_direction_set_add_torch(LkDirectionSet *set, LkTorchFile *file, const char *name, GError **error);

guint lk_direction_set_n_added(const LkDirectionSet *set);

/* Adds the tensors and the "directions" text to the writer. The set must live until the write. */
void lk_direction_set_write(const LkDirectionSet *set, LkModelWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkDirectionSet, lk_direction_set_free)

G_END_DECLS
