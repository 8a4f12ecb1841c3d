/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "project.h"
#include "window-private.h"

#include <glib/gi18n.h>

/* What waits until the edit is kept, or nobody wants it any more. */
typedef struct {
    LkWindowFileFunc func;
    GFile *file; /* func's; or NULL */
} Waiting;

static void waiting_free(gpointer data)
{
    Waiting *waiting = data;

    g_clear_object(&waiting->file);
    g_free(waiting);
}

static void forget_waiting(LkWindow *window)
{
    g_object_set_data(G_OBJECT(window), "waiting-for-save", NULL);
}

static void resume_waiting(LkWindow *window)
{
    Waiting *waiting = g_object_steal_data(G_OBJECT(window), "waiting-for-save");

    if (waiting == NULL)
        return;
    waiting->func(window, waiting->file);
    waiting_free(waiting);
}

/* ---- saving -------------------------------------------------------------------------------------- */

typedef struct {
    LkWindow *window;
    char *name; /* as shown */
} Saving;

static void saving_free(Saving *saving)
{
    g_object_unref(saving->window);
    g_free(saving->name);
    g_free(saving);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Saving, saving_free)

static void on_saved(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Saving) saving = data;
    LkWindow *window = saving->window;
    g_autoptr(GError) error = NULL;
    gboolean saved = lk_session_save_finish(LK_SESSION(source), result, &error);
    /* Translators: %s is a file's name */
    g_autofree char *message = g_strdup_printf(_("Saved as “%s”"), saving->name);

    if (window->session != NULL) {
        lk_window_show_message(window, saved ? message : error->message);
        lk_window_show_name(window);
        if (saved)
            resume_waiting(window);
        else
            forget_waiting(window);
    }
    g_application_release(g_application_get_default());
}

static void save_to(LkWindow *window, const char *path)
{
    Saving *saving = g_new(Saving, 1);

    *saving = (Saving){g_object_ref(window), g_filename_display_basename(path)};
    /* A file half written must be finished even where the window is closed. */
    g_application_hold(g_application_get_default());
    lk_session_save_async(window->session, path, NULL, on_saved, saving);
}

/* A name without the ending gets it. Nobody was asked whether the file of that name may be replaced. */
static void save_file(LkWindow *window, GFile *file)
{
    g_autofree char *path = g_file_get_path(file);
    g_autofree char *named = NULL;

    if (path != NULL && g_str_has_suffix(path, LK_PROJECT_SUFFIX)) {
        save_to(window, path);
        return;
    }
    named = path != NULL ? g_strconcat(path, LK_PROJECT_SUFFIX, NULL) : NULL;
    if (named != NULL && !g_file_test(named, G_FILE_TEST_EXISTS)) {
        save_to(window, named);
        return;
    }
    forget_waiting(window);
    if (named == NULL) {
        lk_window_show_message(window, _("The edit can only be saved on this computer"));
    } else {
        lk_window_show_exists(window, named);
    }
}

/* Beside the project there is already, else beside the photo. */
static void choose_file(LkWindow *window)
{
    const char *project = lk_session_get_project_path(window->session);
    g_autoptr(GFile) beside =
        project != NULL ? g_file_new_for_path(project) : G_FILE(g_object_ref(window->file));
    g_autofree char *name = lk_window_suggest_name(beside, "%s", LK_PROJECT_SUFFIX);
    GtkFileChooser *chooser = lk_window_new_chooser(window, _("Save the Edit"), GTK_FILE_CHOOSER_ACTION_SAVE,
                                                    _("_Save"), save_file);

    lk_window_add_filter(chooser, _("Projects"), NULL, "*" LK_PROJECT_SUFFIX);
    lk_window_suggest_folder(chooser, beside);
    gtk_file_chooser_set_current_name(chooser, name);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

static void save(LkWindow *window)
{
    const char *project = lk_session_get_project_path(window->session);

    if (project != NULL)
        save_to(window, project);
    else
        choose_file(window);
}

void lk_window_save(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    forget_waiting(data);
    save(data);
}

void lk_window_save_as(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    forget_waiting(data);
    choose_file(data);
}

void lk_window_save_to(GSimpleAction *action, GVariant *path, gpointer data)
{
    forget_waiting(data);
    save_to(data, g_variant_get_string(path, NULL));
}

/* ---- before an edit is lost ---------------------------------------------------------------------- */

static void on_response(AdwMessageDialog *dialog, const char *response, LkWindow *window)
{
    window->keep_dialog = NULL;
    if (g_str_equal(response, "discard"))
        resume_waiting(window);
    else if (g_str_equal(response, "save") && lk_window_has_photo(window))
        save(window);
    else
        forget_waiting(window);
}

static void ask(LkWindow *window)
{
    g_autofree char *name = g_file_get_basename(window->file);
    g_autofree char *shown = g_filename_display_name(name);
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(window), _("Save the Edit?"), NULL);

    /* Translators: %s is a file's name */
    adw_message_dialog_format_body(
        ADW_MESSAGE_DIALOG(dialog),
        _("The edit of “%s” is neither saved nor exported. The photo itself stays as it "
          "is."),
        shown);
    adw_message_dialog_add_responses(ADW_MESSAGE_DIALOG(dialog), "cancel", _("_Cancel"), "discard",
                                     _("_Discard"), "save", _("_Save"), NULL);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "discard",
                                               ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "save", ADW_RESPONSE_SUGGESTED);
    adw_message_dialog_set_default_response(ADW_MESSAGE_DIALOG(dialog), "save");
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    g_signal_connect_object(dialog, "response", G_CALLBACK(on_response), window, 0);
    window->keep_dialog = GTK_WINDOW(dialog);
    gtk_window_present(GTK_WINDOW(dialog));
}

gboolean lk_window_keep_edit(LkWindow *window, LkWindowFileFunc func, GFile *file)
{
    Waiting *waiting;

    if (window->session == NULL || !lk_session_get_unsaved(window->session))
        return FALSE;
    waiting = g_new(Waiting, 1);
    *waiting = (Waiting){func, file != NULL ? g_object_ref(file) : NULL};
    g_object_set_data_full(G_OBJECT(window), "waiting-for-save", waiting, waiting_free);
    if (window->keep_dialog == NULL)
        ask(window);
    return TRUE;
}
