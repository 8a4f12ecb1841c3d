/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * window-private.h - what window.c (the window as a whole) and window-actions.c (what can be done in it)
 * share.
 */
#pragma once

#include "canvas.h"
#include "history.h"
#include "panel.h"
#include "window.h"

G_BEGIN_DECLS

struct _LkWindow {
    AdwApplicationWindow parent_instance;

    AdwWindowTitle *title;
    AdwToastOverlay *toasts;
    GtkStack *pages; /* empty, failed, editor */
    AdwStatusPage *failed;
    GtkWidget *open_another, *choose_model, *open_sample;
    AdwFlap *flap;
    LkCanvas *canvas;
    LkPanel *panel;
    GtkRevealer *opening;
    GtkLabel *opening_text;
    GtkRevealer *working;

    GSettings *settings;       /* NULL: nothing is remembered */
    char *sample;              /* path of a sample photo, NULL if there is none */
    char *device;              /* NULL: automatic */
    LkSession *session;        /* NULL until the model is read */
    LkHistory *history;        /* as long as there is a session */
    GFile *waiting;            /* to open once there is a session */
    GFile *file;               /* of the photo that is open */
    GCancellable *cancellable; /* of the photo being opened */
    GtkFileChooserNative *chooser;
};

/* window.c */
void lk_window_load_model(LkWindow *window, const char *path);
void lk_window_show_error(LkWindow *window, const char *title, const char *message, gboolean about_model);
void lk_window_show_message(LkWindow *window, const char *text);
void lk_window_update_actions(LkWindow *window);
void lk_window_show_values(LkWindow *window);
gboolean lk_window_has_photo(LkWindow *window);

/* window-actions.c */
void lk_window_add_actions(LkWindow *window);
void lk_window_open_now(LkWindow *window, GFile *file);

G_END_DECLS
