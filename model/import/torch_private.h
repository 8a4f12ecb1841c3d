/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * torch_private.h - an open file of PyTorch: torch_file.c opens it, torch_zip.c and torch_stream.c know the two formats,
 * torch_read.c reads the tensors.
 */
#pragma once

#include "torch_value.h"

G_BEGIN_DECLS

typedef struct _LkTorchZip LkTorchZip;
typedef struct _LkTorchPages LkTorchPages;

struct _LkTorchFile {
    char *path;
    int fd;
    guint64 size;
    LkTorchTree tree;
    LkTorchValue *root;
    LkTorchZip *zip;     /* NULL: the storages lie in the file itself */
    LkTorchPages *pages; /* of tensors that are not read from front to back; NULL before the first */
};

/* Exactly n bytes of the file. */
gboolean lk_torch_read_file(LkTorchFile *file, guint64 offset, void *bytes, gsize n, GError **error);

/* n bytes of a storage's numbers, which must be within it. */
gboolean lk_torch_read_storage(LkTorchFile *file, const LkTorchStorage *storage, guint64 offset, void *bytes,
                               gsize n, GError **error);

/* ---- torch_zip.c, torch_stream.c: set the file's root and place its storages ---- */

gboolean lk_torch_open_zip(LkTorchFile *file, GError **error);
void lk_torch_zip_free(LkTorchZip *zip); /* NULL is fine */
gboolean lk_torch_zip_read(LkTorchZip *zip, const LkTorchStorage *storage, guint64 offset, void *bytes,
                           gsize n, GError **error);

/* The older format, and plain pickles. */
gboolean lk_torch_open_stream(LkTorchFile *file, GError **error);

/* ---- torch_read.c ---- */

void lk_torch_pages_free(LkTorchPages *pages); /* NULL is fine */

G_END_DECLS
