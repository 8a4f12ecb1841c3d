/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * export-dialog.h - how a picture is exported: its format and what belongs to that, remembered in the settings. Its responses
 * are "export" and "cancel".
 */
#pragma once

#include "original.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define LK_TYPE_EXPORT_DIALOG (lk_export_dialog_get_type())
G_DECLARE_FINAL_TYPE(LkExportDialog, lk_export_dialog, LK, EXPORT_DIALOG, AdwMessageDialog)

/* settings: NULL: nothing is remembered. format: chosen at first. depth: of the photo, bits per channel. */
GtkWidget *lk_export_dialog_new(GtkWindow *parent, GSettings *settings, LkFileFormat format, guint depth);
LkFileFormat lk_export_dialog_get_format(LkExportDialog *dialog);

/* What was chosen last, for files of this format; NULL: the defaults. */
LkExportOptions lk_export_options(GSettings *settings, LkFileFormat format);

const char *lk_export_format_name(LkFileFormat format); /* such as "JPEG" */
const char *lk_export_ending(LkFileFormat format);      /* such as ".jpg" */

G_END_DECLS
