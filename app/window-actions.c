/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "project.h"
#include "window-private.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define ZOOM_STEP 1.25

/* ---- files --------------------------------------------------------------------------------------- */

static GtkFileFilter *new_filter(const char *name, const char *const *mime_types, const char *pattern)
{
    GtkFileFilter *filter = gtk_file_filter_new();

    gtk_file_filter_set_name(filter, name);
    for (; mime_types != NULL && *mime_types != NULL; mime_types++)
        gtk_file_filter_add_mime_type(filter, *mime_types);
    if (pattern != NULL)
        gtk_file_filter_add_pattern(filter, pattern);
    return filter;
}

static void on_chosen(GtkNativeDialog *dialog, int response, gpointer data)
{
    g_autoptr(LkWindow) window = g_object_ref(data);
    g_autoptr(GFile) file = NULL;
    LkWindowFileFunc func = (LkWindowFileFunc)g_object_get_data(G_OBJECT(dialog), "func");

    if (response == GTK_RESPONSE_ACCEPT)
        file = gtk_file_chooser_get_file(GTK_FILE_CHOOSER(dialog));
    if (file != NULL)
        func(window, file);
    g_clear_object(&window->chooser);
}

GtkFileChooser *lk_window_new_chooser(LkWindow *window, const char *title, GtkFileChooserAction action,
                                      const char *accept, LkWindowFileFunc func)
{
    g_clear_object(&window->chooser);
    window->chooser = gtk_file_chooser_native_new(title, GTK_WINDOW(window), action, accept, NULL);
    gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(window->chooser), TRUE);
    g_object_set_data(G_OBJECT(window->chooser), "func", (gpointer)func);
    g_signal_connect_object(window->chooser, "response", G_CALLBACK(on_chosen), window, 0);
    return GTK_FILE_CHOOSER(window->chooser);
}

void lk_window_add_filter(GtkFileChooser *chooser, const char *name, const char *const *mime_types,
                          const char *pattern)
{
    g_autoptr(GtkFileFilter) filter = new_filter(name, mime_types, pattern);

    gtk_file_chooser_add_filter(chooser, filter);
}

char *lk_window_suggest_name(GFile *file, const char *format, const char *ending)
{
    g_autofree char *name = g_file_get_basename(file);
    g_autofree char *stem = g_filename_display_name(name);
    g_autofree char *suggested = NULL;
    char *dot = strrchr(stem, '.');

    if (dot != NULL && dot != stem)
        *dot = '\0';
    suggested = g_strdup_printf(format, stem);
    return g_strconcat(suggested, ending, NULL);
}

void lk_window_suggest_folder(GtkFileChooser *chooser, GFile *file)
{
    g_autoptr(GFile) folder = g_file_get_parent(file);
    const char *pictures = g_get_user_special_dir(G_USER_DIRECTORY_PICTURES);

    if (folder == NULL || g_access(g_file_peek_path(folder), W_OK) != 0) {
        g_clear_object(&folder);
        folder = g_file_new_for_path(pictures != NULL ? pictures : g_get_home_dir());
    }
    gtk_file_chooser_set_current_folder(chooser, folder, NULL);
}

void lk_window_show_exists(LkWindow *window, const char *path)
{
    g_autofree char *shown = g_filename_display_basename(path);
    /* Translators: %s is a file's name */
    g_autofree char *message = g_strdup_printf(_("There is a file “%s” already; nothing was saved"), shown);

    lk_window_show_message(window, message);
}

/* ---- open ---------------------------------------------------------------------------------------- */

typedef struct {
    LkWindow *window;
    GFile *file;
    GCancellable *cancellable;
} Opening;

static void opening_free(Opening *opening)
{
    g_object_unref(opening->window);
    g_object_unref(opening->file);
    g_object_unref(opening->cancellable);
    g_free(opening);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Opening, opening_free)

void lk_window_show_name(LkWindow *window)
{
    const char *project = lk_session_get_project_path(window->session);
    g_autofree char *name =
        project != NULL ? g_path_get_basename(project) : g_file_get_basename(window->file);
    g_autofree char *shown = g_filename_display_name(name);
    guint n_faces;

    lk_session_get_quads(window->session, &n_faces);
    if (n_faces > 1) {
        g_autofree char *file = g_steal_pointer(&shown);
        /* Translators: a file's name, the number of the chosen face in it, and how many there are */
        shown =
            g_strdup_printf(_("%s, face %u of %u"), file, lk_session_get_face(window->session) + 1, n_faces);
    }
    if (lk_session_get_unsaved(window->session)) {
        g_autofree char *marked = g_strconcat("• ", shown, NULL);
        adw_window_title_set_subtitle(window->title, marked);
    } else {
        adw_window_title_set_subtitle(window->title, shown);
    }
    gtk_accessible_update_property(GTK_ACCESSIBLE(window->canvas), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, shown,
                                   -1);
}

static void show_photo(LkWindow *window)
{
    g_clear_object(&window->file);
    window->file = g_file_new_for_path(lk_session_get_photo_path(window->session));
    lk_window_show_name(window);
    lk_window_show_picture(window);
    lk_window_start_values(window);
}

static void decode(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    GError *error = NULL;
    LkPhoto *photo = lk_photo_open(g_file_peek_path(data), &error);

    if (photo != NULL)
        g_task_return_pointer(task, photo, (GDestroyNotify)lk_photo_unref);
    else
        g_task_return_error(task, error);
}

void lk_window_decode(LkWindow *window, GFile *file, GAsyncReadyCallback callback)
{
    g_autoptr(GTask) task = g_task_new(window, window->cancellable, callback, NULL);

    g_task_set_source_tag(task, lk_window_decode);
    g_task_set_task_data(task, g_object_ref(file), g_object_unref);
    g_task_run_in_thread(task, decode);
}

/* The first photo is shown while it is worked on; where one is open already, that one stays. */
static void on_decoded(GObject *source, GAsyncResult *result, gpointer data)
{
    LkWindow *window = LK_WINDOW(source);
    GCancellable *cancellable = g_task_get_cancellable(G_TASK(result));
    /* An error is the session's to tell: it opens the same file. */
    g_autoptr(LkPhoto) photo = g_task_propagate_pointer(G_TASK(result), NULL);

    if (photo != NULL && cancellable == window->cancellable && !lk_window_has_photo(window))
        lk_canvas_set_photo(window->canvas, photo);
}

static void on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Opening) opening = data;
    LkWindow *window = opening->window;
    gboolean newest = window->cancellable == opening->cancellable;
    g_autoptr(GError) error = NULL;
    gboolean opened = lk_session_open_finish(LK_SESSION(source), result, &error);

    if (gtk_widget_in_destruction(GTK_WIDGET(window)) || window->session == NULL || !newest)
        return;
    g_clear_object(&window->cancellable);
    if (lk_window_settle_placed(window, error))
        return;
    if (opened) {
        show_photo(window);
        return;
    }
    if (g_error_matches(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE)) {
        lk_window_offer_placing(window, opening->file);
        return;
    }
    /* Where a face was placed by hand, the canvas shows the photo that is not to be opened after all. */
    if (lk_window_has_photo(window))
        lk_window_show_picture(window);
    else
        lk_canvas_set_photo(window->canvas, NULL);
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        lk_window_show_error(window, _("The Photo Cannot Be Opened"), error->message, FALSE);
    else if (!lk_window_has_photo(window))
        gtk_stack_set_visible_child_name(window->pages, "empty");
}

static void set_opening_text(LkWindow *window, GFile *file)
{
    g_autofree char *name = g_file_get_basename(file);
    g_autofree char *shown = g_filename_display_name(name);
    /* Translators: %s is a file's name */
    g_autofree char *text = g_strdup_printf(_("Opening “%s”"), shown);

    gtk_label_set_text(window->opening_text, text);
}

/* What is being opened gives way to the file. */
static Opening *start_opening(LkWindow *window, GFile *file)
{
    Opening *opening = g_new(Opening, 1);

    if (window->cancellable != NULL)
        g_cancellable_cancel(window->cancellable);
    g_clear_object(&window->cancellable);
    window->cancellable = g_cancellable_new();
    *opening = (Opening){g_object_ref(window), g_object_ref(file), g_object_ref(window->cancellable)};
    set_opening_text(window, file);
    lk_window_stop_placing(window);
    lk_window_forget_placed(window);
    gtk_stack_set_visible_child_name(window->pages, "editor");
    return opening;
}

void lk_window_open_placed(LkWindow *window, GFile *file, const LkQuad *quad)
{
    Opening *opening = start_opening(window, file);

    lk_session_open_placed_async(window->session, g_file_peek_path(file), quad, window->cancellable,
                                 on_opened, opening);
}

static void open_file(LkWindow *window, GFile *file)
{
    const char *path = g_file_peek_path(file);
    Opening *opening;

    if (path == NULL) {
        g_autofree char *name = g_file_get_parse_name(file);
        /* Translators: %s is a file's address, such as sftp://host/photo.jpg */
        g_autofree char *message =
            g_strdup_printf(_("“%s” is not on this computer; save a copy here first"), name);
        lk_window_show_error(window, _("The Photo Cannot Be Opened"), message, FALSE);
        return;
    }
    opening = start_opening(window, file);
    if (g_str_has_suffix(path, LK_PROJECT_SUFFIX)) {
        lk_session_open_project_async(window->session, path, window->cancellable, on_opened, opening);
        return;
    }
    if (!lk_window_has_photo(window))
        lk_window_decode(window, file, on_decoded);
    lk_session_open_async(window->session, path, LK_OPEN_DETECT, window->cancellable, on_opened, opening);
}

void lk_window_open_now(LkWindow *window, GFile *file)
{
    if (!lk_window_keep_edit(window, open_file, file))
        open_file(window, file);
}

static void on_open(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    static const char *const pictures[] = {"image/jpeg", "image/png",  "image/tiff", "image/webp",
                                           "image/heif", "image/heic", "image/avif", NULL};
    GtkFileChooser *chooser = lk_window_new_chooser(data, _("Open a Photo"), GTK_FILE_CHOOSER_ACTION_OPEN,
                                                    _("_Open"), lk_window_open);

    lk_window_add_filter(chooser, _("Photos and projects"), pictures, "*" LK_PROJECT_SUFFIX);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

static void on_open_sample(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    LkWindow *window = data;
    g_autoptr(GFile) file = g_file_new_for_path(window->sample);

    lk_window_open(window, file);
}

static void on_cancel(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    LkWindow *window = data;

    if (window->cancellable != NULL)
        g_cancellable_cancel(window->cancellable);
    if (window->model_cancellable != NULL)
        g_cancellable_cancel(window->model_cancellable);
    if (window->face_cancellable != NULL)
        g_cancellable_cancel(window->face_cancellable);
}

/* ---- faces --------------------------------------------------------------------------------------- */

static void on_face_chosen(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LkWindow) window = data;
    g_autoptr(GError) error = NULL;
    gboolean chosen = lk_session_choose_face_finish(LK_SESSION(source), result, &error);

    if (gtk_widget_in_destruction(GTK_WIDGET(window)) || window->session == NULL)
        return;
    if (lk_window_settle_placed(window, error))
        return;
    if (!chosen) {
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
            !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY))
            lk_window_show_message(window, error->message);
        return;
    }
    lk_window_show_name(window);
    lk_window_show_picture(window);
    lk_window_show_face(window);
}

static GCancellable *start_choosing(LkWindow *window)
{
    g_clear_object(&window->face_cancellable);
    window->face_cancellable = g_cancellable_new();
    gtk_label_set_text(window->opening_text, _("Changing to another face"));
    return window->face_cancellable;
}

void lk_window_choose_face(LkWindow *window, guint face)
{
    lk_window_forget_placed(window);
    lk_session_choose_face_async(window->session, face, start_choosing(window), on_face_chosen,
                                 g_object_ref(window));
}

void lk_window_add_face(LkWindow *window, const LkQuad *quad)
{
    lk_session_add_face_async(window->session, quad, start_choosing(window), on_face_chosen,
                              g_object_ref(window));
}

static void on_next_face(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    LkWindow *window = data;
    guint n_faces;

    lk_session_get_quads(window->session, &n_faces);
    lk_window_choose_face(window, (lk_session_get_face(window->session) + 1) % n_faces);
}

static void open_model(LkWindow *window, GFile *file)
{
    g_autofree char *path = g_file_get_path(file);

    if (path != NULL)
        lk_window_load_model(window, path);
}

static void on_choose_model(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    GtkFileChooser *chooser = lk_window_new_chooser(data, _("Choose a Model File"),
                                                    GTK_FILE_CHOOSER_ACTION_OPEN, _("_Open"), open_model);

    lk_window_add_filter(chooser, _("Model files"), NULL, "*.safetensors");
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

/* ---- values -------------------------------------------------------------------------------------- */

static void set_values(LkWindow *window, const float *values)
{
    for (guint i = 0; values != NULL && i < lk_model_n_directions(lk_session_get_model(window->session)); i++)
        lk_session_set_value(window->session, i, values[i]);
    lk_window_show_values(window);
    lk_window_update_actions(window);
}

static void on_undo(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    set_values(data, lk_history_undo(LK_WINDOW(data)->history));
}

static void on_redo(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    set_values(data, lk_history_redo(LK_WINDOW(data)->history));
}

static void on_reset(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    LkWindow *window = data;
    guint n = lk_model_n_directions(lk_session_get_model(window->session));
    g_autofree float *neutral = g_new(float, MAX(n, 1));

    for (guint i = 0; i < n; i++)
        neutral[i] = lk_session_get_neutral(window->session, i);
    lk_history_record(window->history, neutral, -1, g_get_monotonic_time());
    lk_session_reset(window->session);
    lk_window_show_values(window);
    lk_window_update_actions(window);
}

/* The session tells when it has changed. */
static void on_inversion_changed(GSimpleAction *action, GVariant *state, gpointer data)
{
    gboolean e4e = g_str_equal(g_variant_get_string(state, NULL), "e4e");

    lk_session_set_mode(LK_WINDOW(data)->session, e4e ? LK_INVERSION_WPLUS : LK_INVERSION_STYLERES);
}

/* ---- view ---------------------------------------------------------------------------------------- */

static void on_compare_changed(GSimpleAction *action, GVariant *state, gpointer data)
{
    lk_canvas_set_comparing(LK_WINDOW(data)->canvas, g_variant_get_boolean(state));
    g_simple_action_set_state(action, state);
}

static void on_zoom_in(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_canvas_zoom_by(LK_WINDOW(data)->canvas, ZOOM_STEP);
}

static void on_zoom_out(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_canvas_zoom_by(LK_WINDOW(data)->canvas, 1 / ZOOM_STEP);
}

static void on_zoom_fit(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_canvas_zoom_to_fit(LK_WINDOW(data)->canvas);
}

static void on_zoom_pixels(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_canvas_zoom_to_pixels(LK_WINDOW(data)->canvas);
}

static void on_search(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    adw_flap_set_reveal_flap(LK_WINDOW(data)->flap, TRUE);
    lk_panel_search(LK_WINDOW(data)->panel);
}

static void on_cancel_import(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_window_cancel_import(data);
}

/* ---- table --------------------------------------------------------------------------------------- */

static void enable(LkWindow *window, const char *name, gboolean enabled)
{
    GAction *action = g_action_map_lookup_action(G_ACTION_MAP(window), name);

    g_simple_action_set_enabled(G_SIMPLE_ACTION(action), enabled);
}

void lk_window_update_actions(LkWindow *window)
{
    static const char *const of_photo[] = {"save", "save-as", "save-to", "export", "export-to", "compare"};
    static const char *const of_view[] = {"zoom-in", "zoom-out", "zoom-fit", "zoom-pixels"};
    gboolean placing = window->placing != NULL;
    gboolean photo = lk_window_has_photo(window) && !placing;
    gboolean idle = photo && lk_session_get_state(window->session) != LK_SESSION_OPENING;
    guint n_faces = 0;

    if (photo)
        lk_session_get_quads(window->session, &n_faces);
    for (guint i = 0; i < G_N_ELEMENTS(of_photo); i++)
        enable(window, of_photo[i], photo);
    for (guint i = 0; i < G_N_ELEMENTS(of_view); i++)
        enable(window, of_view[i], photo || placing);
    enable(window, "open", window->session != NULL);
    enable(window, "open-sample", window->session != NULL && window->sample != NULL);
    enable(window, "inversion", idle);
    enable(window, "next-face", idle && n_faces > 1);
    enable(window, "place-face", idle);
    enable(window, "place-all", placing);
    enable(window, "place-cancel", placing);
    enable(window, "place-done", lk_window_can_place_done(window));
    enable(window, "search", photo && lk_panel_can_search(window->panel));
    enable(window, "import", window->import == NULL);
    enable(window, "import-folder", window->import == NULL);
    enable(window, "import-from", window->import == NULL);
    enable(window, "undo", photo && lk_history_can_undo(window->history));
    enable(window, "redo", photo && lk_history_can_redo(window->history));
    enable(window, "reset", photo && lk_session_get_modified(window->session));
}

void lk_window_add_actions(LkWindow *window)
{
    static const GActionEntry actions[] = {
        {"open", on_open},
        {"open-sample", on_open_sample},
        {"cancel", on_cancel},
        {"choose-model", on_choose_model},
        {"save", lk_window_save},
        {"save-as", lk_window_save_as},
        {"save-to", lk_window_save_to, "s"},
        {"export", lk_window_export},
        {"export-to", lk_window_export_to, "s"},
        {"undo", on_undo},
        {"redo", on_redo},
        {"reset", on_reset},
        {"next-face", on_next_face},
        {"place-face", lk_window_place_face},
        {"place-all", lk_window_place_all},
        {"place-cancel", lk_window_place_cancel},
        {"place-done", lk_window_place_done},
        {"compare", NULL, NULL, "false", on_compare_changed},
        {"zoom-in", on_zoom_in},
        {"zoom-out", on_zoom_out},
        {"zoom-fit", on_zoom_fit},
        {"zoom-pixels", on_zoom_pixels},
        {"search", on_search},
        {"import", lk_window_import},
        {"import-folder", lk_window_import_folder},
        {"import-from", lk_window_import_from, "s"},
        {"cancel-import", on_cancel_import},
        {"inversion", NULL, "s", "'styleres'", on_inversion_changed},
        {"model", NULL, "ay", "b''", lk_window_choose_model},
    };
    g_autoptr(GPropertyAction) panel = g_property_action_new("show-panel", window->flap, "reveal-flap");

    g_action_map_add_action_entries(G_ACTION_MAP(window), actions, G_N_ELEMENTS(actions), window);
    g_action_map_add_action(G_ACTION_MAP(window), G_ACTION(panel));
}
