/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * direction_set.h - how published edits get into an LkDirectionSet: direction_set.c keeps it, import_directions.c looks into
 * files and reads vectors, import_ganspace.c, import_mapper.c and import_gradctrl.c read the rest. What a file has is gathered
 * in an LkDirectionBatch, which goes into the set as a whole or not at all.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "import_private.h"

G_BEGIN_DECLS

typedef struct {
    const LkConfig *config;
    const char *path;     /* of the file: for its stem, the files beside it, and sentences */
    const char *name;     /* that was asked for, or NULL */
    GPtrArray *entries;   /* JsonObject: members of "directions" */
    GPtrArray *tensors;   /* Tensor of direction_set.c */
    gboolean shares;      /* the entries share tensors: older directions of their kind must go */
    LkDirectionKind kind; /* that kind */
} LkDirectionBatch;

/* "path: sentence", LK_IMPORT_ERROR_CONTENT; FALSE, so that a check can end with it. */
gboolean lk_direction_batch_refuse(const LkDirectionBatch *batch, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

typedef struct {
    LkDirectionKind kind;
    const char *prefix; /* of the name: "mapper"; NULL: none */
    const char *name;   /* any text: "Curly_hair" becomes mapper-curly_hair and, as label, "Curly hair" */
    const char *group;  /* heading in the window */
    guint first_row, end_row; /* both 0: left out */
    double minimum, maximum, safe_minimum, safe_maximum, step;
} LkDirectionEntry;

/* A new entry, owned by the batch; members that only its kind has are added by the caller. */
JsonObject *lk_direction_batch_add(LkDirectionBatch *batch, const LkDirectionEntry *entry);

/* Adds a tensor of the model file; takes values. */
void lk_direction_batch_add_tensor(LkDirectionBatch *batch, char *name, guint n_dims, guint64 n_rows,
                                   guint64 n_columns, float *values);
/* The same, to be read again from the file while writing; its values are looked at now. Takes name. */
gboolean lk_direction_batch_add_stored(LkDirectionBatch *batch, LkTorchFile *file, const char *key,
                                       char *name, GError **error);

/* All values of a tensor, which must be finite; what: for the sentence. NULL on error; else free with g_free. */
float *lk_direction_batch_read(const LkDirectionBatch *batch, LkTorchFile *file, const LkTorchValue *tensor,
                               const char *what, GError **error);

gboolean lk_all_finite(const float *values, gsize n);

/* "18 x 512"; a scalar's is "1". Free with g_free. */
char *lk_shape_text(guint n_dims, const guint64 *shape);

/* What the file's stem or the name that was asked for says. Free with g_free. */
char *lk_direction_batch_stem(const LkDirectionBatch *batch);
/* Path of a file beside the batch's. Free with g_free. */
char *lk_direction_batch_beside(const LkDirectionBatch *batch, const char *name);

/* Fills a batch from data. */
typedef gboolean (*LkDirectionRead)(LkDirectionBatch *batch, gpointer data, GError **error);

/* Adds what read makes of a file. Nothing changes on error. */
gboolean lk_direction_set_add(LkDirectionSet *set, const char *path, const char *name, LkDirectionRead read,
                              gpointer data, GError **error);

/* ---- import_ganspace.c, import_mapper.c, import_gradctrl.c ---- */

/* Whether the file looks like one; the rest is checked by adding it. */
gboolean lk_is_ganspace(const LkTorchValue *root);
gboolean lk_is_mapper(const LkTorchValue *root);
gboolean lk_is_gradctrl(const LkTorchValue *root);

gboolean lk_add_ganspace(LkDirectionBatch *batch, LkTorchFile *file, GError **error);
gboolean lk_add_mapper(LkDirectionBatch *batch, LkTorchFile *file, GError **error);
gboolean lk_add_gradctrl(LkDirectionBatch *batch, LkTorchFile *file, GError **error);

G_END_DECLS
