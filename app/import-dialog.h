/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * import-dialog.h - the question before an import: what it makes, under which name, how exact. Its responses are "import"
 * and "cancel".
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define LK_TYPE_IMPORT_DIALOG (lk_import_dialog_get_type())
G_DECLARE_FINAL_TYPE(LkImportDialog, lk_import_dialog, LK, IMPORT_DIALOG, AdwMessageDialog)

/* files: paths, NULL-terminated, at least one. checkpoint: they make a model; else model, a path, gets new sliders: itself
 * where it is one of the person's own, otherwise a copy. */
GtkWidget *lk_import_dialog_new(GtkWindow *parent, const char *const *files, gboolean checkpoint,
                                const char *model);

/* What the person chose; name: free with g_free. */
char *lk_import_dialog_get_name(LkImportDialog *dialog);
gboolean lk_import_dialog_get_f32(LkImportDialog *dialog);

G_END_DECLS
