/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * window-private.h - what window.c (the window as a whole), window-actions.c (what can be done in it), window-export.c,
 * window-project.c (edits that are saved), window-place.c (faces placed by hand), window-models.c (which model it works with) and window-import.c (where models come from) share.
 */
#pragma once

#include "canvas.h"
#include "history.h"
#include "panel.h"
#include "window.h"

G_BEGIN_DECLS

typedef struct _LkWindowImport LkWindowImport; /* one that is under way */
typedef struct _LkWindowPlacing LkWindowPlacing;

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
    GtkWidget *placing_bar;
    GtkLabel *placing_text;
    GtkMenuButton *menu_button;
    GMenu *models; /* a choice of models, in the main menu */
    GtkRevealer *import_bar;
    GtkLabel *import_title, *import_step;
    GtkProgressBar *import_progress;

    GSettings *settings;             /* NULL: nothing is remembered */
    char *sample;                    /* path of a sample photo, NULL if there is none */
    char *device;                    /* NULL: automatic */
    LkSession *session;              /* NULL until the model is read */
    GPtrArray *histories;            /* of LkHistory, by the photo's faces; NULL: not chosen yet */
    LkHistory *history;              /* of the chosen face, one of them; as long as there is a session */
    GFile *waiting;                  /* to open once there is a session */
    GFile *file;                     /* of the photo that is open */
    GCancellable *cancellable;       /* of the photo being opened */
    GCancellable *model_cancellable; /* of the newest change of the model */
    GCancellable *face_cancellable;  /* of the newest choice of a face */
    gpointer loading;                /* the newest task that reads a model file, or NULL; not owned */
    LkWindowImport *import;          /* NULL: none */
    LkWindowPlacing *placing;        /* a face is being placed by hand; NULL: none */
    LkWindowPlacing *placed;         /* the one that is being opened or added; NULL: none */
    GtkFileChooserNative *chooser;
    GtkWindow *export_dialog; /* while it is open */
    GtkWindow *keep_dialog;   /* the same */
};

/* window.c */
void lk_window_start_session(LkWindow *window, LkModel *model);
void lk_window_start_values(LkWindow *window); /* neutral ones, with nothing to undo, of all faces */
void lk_window_show_face(LkWindow *window);    /* the values and the history of the chosen one */
void lk_window_show_error(LkWindow *window, const char *title, const char *message, gboolean about_model);
void lk_window_show_message(LkWindow *window, const char *text);
void lk_window_update_actions(LkWindow *window);
void lk_window_show_values(LkWindow *window);
void lk_window_show_picture(LkWindow *window); /* the session's photo with its pieces and faces */
void lk_window_show_state(LkWindow *window);   /* what can be used now */
gboolean lk_window_has_photo(LkWindow *window);

/* window-actions.c */
void lk_window_add_actions(LkWindow *window);
void lk_window_open_now(LkWindow *window, GFile *file);
void lk_window_open_placed(LkWindow *window, GFile *file, const LkQuad *quad);
/* Reads a photo for the canvas, in the background, unless window->cancellable is cancelled: a GTask whose result is an LkPhoto
 * and whose data is the file. */
void lk_window_decode(LkWindow *window, GFile *file, GAsyncReadyCallback callback);
void lk_window_choose_face(LkWindow *window, guint face);
void lk_window_add_face(LkWindow *window, const LkQuad *quad);
void lk_window_show_name(LkWindow *window); /* of the photo that is open, and which of its faces is chosen */

/* A file chooser in place of the one before, if one is open; func gets the file that was chosen. */
typedef void (*LkWindowFileFunc)(LkWindow *window, GFile *file);
GtkFileChooser *lk_window_new_chooser(LkWindow *window, const char *title, GtkFileChooserAction action,
                                      const char *accept, LkWindowFileFunc func);
void lk_window_add_filter(GtkFileChooser *chooser, const char *name, const char *const *mime_types,
                          const char *pattern);
/* The file's own name without its ending, in format ("%s" or a translation of more), with another ending. */
char *lk_window_suggest_name(GFile *file, const char *format, const char *ending);
/* The file's folder, unless nothing can be written there. */
void lk_window_suggest_folder(GtkFileChooser *chooser, GFile *file);
void lk_window_show_exists(LkWindow *window, const char *path); /* so that nothing was saved there */

/* window-export.c: two actions; the first asks how and where. */
void lk_window_export(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_export_to(GSimpleAction *action, GVariant *path, gpointer data);

/* window-project.c: three actions, and a question. Where there is an edit that would be lost, the person is asked; then func is
 * called once the edit is kept or is not wanted any more. FALSE: there is none, and func is not called. */
void lk_window_save(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_save_as(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_save_to(GSimpleAction *action, GVariant *path, gpointer data);
gboolean lk_window_keep_edit(LkWindow *window, LkWindowFileFunc func, GFile *file);

/* window-place.c: four actions, and a question about a photo in which no face was found. */
void lk_window_place_face(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_place_all(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_place_cancel(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_place_done(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_offer_placing(LkWindow *window, GFile *file);
void lk_window_stop_placing(LkWindow *window); /* nothing is placed, and what is open is shown again */
gboolean lk_window_can_place_done(LkWindow *window);
/* Opening or adding a face that may have been placed by hand has ended, with the error or NULL. TRUE: it was cancelled, and
 * the points are there again, as they were. Else there is nothing of it left. */
gboolean lk_window_settle_placed(LkWindow *window, const GError *error);
void lk_window_forget_placed(LkWindow *window);  /* something else is opened or chosen */
void lk_window_forget_placing(LkWindow *window); /* the window goes away */

/* window-models.c. A model is read and changed in the background; path: NULL for the built-in one. The choice is remembered
 * once the model is in use. */
void lk_window_load_model(LkWindow *window, const char *path);
void lk_window_load_usual_model(LkWindow *window); /* the one in use last, if it is still there */
void lk_window_choose_model(GSimpleAction *action, GVariant *target, gpointer data);
void lk_window_show_model(LkWindow *window);
void lk_window_list_models(LkWindow *window);
char *lk_window_model_path(LkWindow *window); /* in use, or about to be; free with g_free */

/* window-import.c. The first three are actions; what is to be imported is looked at, and the person asked. */
void lk_window_import(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_import_folder(GSimpleAction *action, GVariant *parameter, gpointer data);
void lk_window_import_from(GSimpleAction *action, GVariant *path, gpointer data);
void lk_window_cancel_import(LkWindow *window);
void lk_window_forget_import(LkWindow *window); /* the window goes away */

G_END_DECLS
