/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * application.h - the editor as a program: command line, files to open, shortcuts, and its one window.
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define LK_TYPE_APPLICATION (lk_application_get_type())
G_DECLARE_FINAL_TYPE(LkApplication, lk_application, LK, APPLICATION, AdwApplication)

/* Options: --model FILE, --device DEVICE, --version; a PHOTO to open. */
GtkApplication *lk_application_new(void);

G_END_DECLS
