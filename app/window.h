/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * window.h - the editor's window: a photo, its sliders, and what can be done with it. It computes nothing: an
 * LkSession does, in its own thread.
 *
 * Actions, also over D-Bus where GtkApplication exports them: win.open, win.open-sample, win.save, win.save-as,
 * win.save-to (string: path), win.export, win.export-to (string: path), win.undo, win.redo, win.reset, win.compare (boolean state), win.zoom-*, win.show-panel,
 * win.search, win.inversion (string state: styleres or e4e), win.model (byte string state: path, or empty for the built-in
 * one), win.choose-model, win.next-face, win.place-face and, while a face is placed, win.place-all, win.place-done and
 * win.place-cancel, win.import, win.import-folder,
 * win.import-from (string: path), win.cancel-import.
 */
#pragma once

#include "session.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define LK_TYPE_WINDOW (lk_window_get_type())
G_DECLARE_FINAL_TYPE(LkWindow, lk_window, LK, WINDOW, AdwApplicationWindow)

/* model: path of a model file, NULL for the one in use last, at first the built-in one; device: lk_gpu_open's selector, or NULL. The model
 * is read in the background; where it cannot be used, the window says so. */
LkWindow *lk_window_new(AdwApplication *application, const char *model, const char *device);

/* Opens a photo or a project as soon as the model is there. An older one stays until, and unless, this one is open; where its
 * edit would be lost the person is asked first. */
void lk_window_open(LkWindow *window, GFile *file);

/* From outside, or dropped: a photo is opened, a model is changed to, what can be imported is, after a question. */
void lk_window_take_files(LkWindow *window, GListModel *files);

/* NULL until the model is read. */
LkSession *lk_window_get_session(LkWindow *window);

G_END_DECLS
