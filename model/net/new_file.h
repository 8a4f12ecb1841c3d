/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * new_file.h - a file that appears under its name whole or not at all, also when the program is killed.
 *
 * The file has no name until it is published (O_TMPFILE, open(2)), so that nothing is left of one that is not. Where the
 * file system cannot do that, it has the name .NAME.XXXXXX.part meanwhile; what a killed program left of those is removed
 * when the same file is written the next time.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _LkNewFile LkNewFile;

typedef enum {
    LK_NEW_FILE_DEFAULT = 0,
    LK_NEW_FILE_NAMED = 1 << 0, /* as where there is no O_TMPFILE; for tests */
} LkNewFileFlags;

/* NULL with a G_FILE_ERROR that names path: no such folder, one that cannot be written, or path is no ordinary file. */
LkNewFile *lk_new_file_open(const char *path, LkNewFileFlags flags, GError **error);
/* Drops the file unless it was published. NULL is fine. */
void lk_new_file_free(LkNewFile *file);

/* For writing; the file's own, closed with it. */
int lk_new_file_fd(const LkNewFile *file);
/* By what name this process can open the file until it is published. */
const char *lk_new_file_interim_path(const LkNewFile *file);

/* Brings all bytes to the disk, then gives the file its name, in place of an older file. FALSE with a G_FILE_ERROR that names
 * path; the older file is still there then. */
gboolean lk_new_file_publish(LkNewFile *file, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkNewFile, lk_new_file_free)

G_END_DECLS
