/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * import.h - from published files to one model file: the official StyleRes checkpoint, and directions of InterfaceGAN,
 * GANSpace, StyleCLIP (mappers and style space) and GradCtrl. Only data is read; nothing in a file is executed. Any thread.
 */
#pragma once

#include "model.h"
#include "torch_file.h"

G_BEGIN_DECLS

typedef struct {
    /* NULL-terminated: checkpoints (.pth), directions (.pt, .npy), tables, or folders in which everything that is known is
     * taken, such as a copy of the official repository. */
    const char *const *files;
    /* Model file that directions are added to; NULL: the built-in one. Not used with a checkpoint. */
    const char *base;
    /* The model's name with a checkpoint, else the direction's where there is one; NULL: from the file's name. */
    const char *name;
    gboolean f32;       /* a checkpoint's matrices and kernels in F32 instead of F16 */
    const char *output; /* may be base, whose place it then takes; none of files */
} LkImport;

typedef struct {
    guint n_directions;  /* added or replaced */
    GPtrArray *warnings; /* sentences (char *) about files in folders that could not be used */
} LkImportResult;
void lk_import_result_free(LkImportResult *result); /* NULL is fine */

/* fraction: 0 ... 1; what: a short text for people, such as "Writing the model". */
typedef void (*LkImportProgress)(double fraction, const char *what, gpointer data);

/* Writes import->output, whole or not at all. NULL on error: LK_IMPORT_ERROR, LK_MODEL_ERROR, G_FILE_ERROR,
 * G_IO_ERROR_CANCELLED; one sentence that names the file. progress: NULL, or called in this thread. */
LkImportResult *lk_import_run(const LkImport *import, LkImportProgress progress, gpointer data,
                              GCancellable *cancellable, GError **error);

/* Whether a file's first bytes are of a kind that lk_import_run reads (a PyTorch file or an .npy), so that a window can tell
 * a dropped photo from a dropped checkpoint. Folders: whether anything known is in them. */
gboolean lk_import_knows(const char *path);

/* Whether lk_import_run makes a new model of the files (one is a checkpoint, or in a folder), and does not use base. Reads the
 * files' tables of contents. */
gboolean lk_import_has_checkpoint(const char *const *files);

/* Where imported models of a person live: XDG_DATA_HOME/likeness/models/NAME.safetensors. lk_import_run makes the folder.
 * Free with g_free. */
char *lk_import_default_output(const char *name);

/* What to call a model made from a file or folder: its name without the suffix. Free with g_free. */
char *lk_import_stem(const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkImportResult, lk_import_result_free)

G_END_DECLS
