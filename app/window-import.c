/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "import-dialog.h"
#include "import.h"
#include "labels.h"
#include "window-private.h"

#include <glib/gi18n.h>

#define REFRESH 100 /* of the progress, milliseconds */

/* What lk_import_run says it is doing. */
static const char *const known_steps[] G_GNUC_UNUSED = {N_("Checking the files"), N_("Writing the model")};

struct _LkWindowImport {
    LkWindow *window;
    char **files;
    char *base, *name, *output; /* name: NULL for directions */
    gboolean f32;
    GCancellable *cancellable;
    guint refresh; /* timer, in the main thread */

    GMutex lock; /* of what follows, which the working thread sets */
    double fraction;
    char *step;
};

static void import_free(gpointer data)
{
    LkWindowImport *import = data;

    g_strfreev(import->files);
    g_free(import->base);
    g_free(import->name);
    g_free(import->output);
    g_free(import->step);
    g_clear_object(&import->cancellable);
    g_mutex_clear(&import->lock);
    g_free(import);
}

/* ---- progress ------------------------------------------------------------------------------------ */

static void on_progress(double fraction, const char *what, gpointer data)
{
    LkWindowImport *import = data;

    g_mutex_lock(&import->lock);
    import->fraction = fraction;
    if (g_strcmp0(import->step, what) != 0) {
        g_free(import->step);
        import->step = g_strdup(what);
    }
    g_mutex_unlock(&import->lock);
}

static gboolean show_progress(gpointer data)
{
    LkWindowImport *import = data;
    LkWindow *window = import->window;

    g_mutex_lock(&import->lock);
    gtk_progress_bar_set_fraction(window->import_progress, import->fraction);
    if (import->step != NULL)
        gtk_label_set_text(window->import_step, _(import->step));
    g_mutex_unlock(&import->lock);
    return G_SOURCE_CONTINUE;
}

static void begin_progress(LkWindow *window, LkWindowImport *import)
{
    g_autofree char *label = lk_label_of_model(import->output);
    /* Translators: %s is a model's name */
    g_autofree char *title = g_strdup_printf(_("Importing “%s”"), label);

    window->import = import;
    import->refresh = g_timeout_add(REFRESH, show_progress, import);
    gtk_label_set_text(window->import_title, title);
    gtk_label_set_text(window->import_step, "");
    gtk_progress_bar_set_fraction(window->import_progress, 0);
    gtk_revealer_set_reveal_child(window->import_bar, TRUE);
    lk_window_update_actions(window);
}

static void end_progress(LkWindow *window, LkWindowImport *import)
{
    g_source_remove(import->refresh);
    window->import = NULL;
    gtk_revealer_set_reveal_child(window->import_bar, FALSE);
    lk_window_update_actions(window);
}

/* ---- result -------------------------------------------------------------------------------------- */

static GtkWidget *new_message(LkWindow *window, const char *heading, const char *body)
{
    GtkWidget *message = adw_message_dialog_new(GTK_WINDOW(window), heading, body);

    adw_message_dialog_add_response(ADW_MESSAGE_DIALOG(message), "close", _("_Close"));
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(message), "close");
    return message;
}

static void show_failure(LkWindow *window, const char *reason)
{
    gtk_window_present(GTK_WINDOW(new_message(window, _("Nothing Was Imported"), reason)));
}

static GtkWidget *new_list(GPtrArray *sentences)
{
    GtkWidget *scroller = gtk_scrolled_window_new();
    g_autofree char *text = NULL;
    GtkWidget *label;

    g_ptr_array_add(sentences, NULL);
    text = g_strjoinv("\n\n", (char **)sentences->pdata);
    g_ptr_array_remove_index(sentences, sentences->len - 1);
    label = gtk_label_new(text);
    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_selectable(GTK_LABEL(label), TRUE);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scroller), label);
    gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scroller), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
    gtk_scrolled_window_set_propagate_natural_height(GTK_SCROLLED_WINDOW(scroller), TRUE);
    gtk_scrolled_window_set_max_content_height(GTK_SCROLLED_WINDOW(scroller), 320);
    return scroller;
}

static void show_details(AdwToast *toast, LkWindow *window)
{
    GPtrArray *warnings = g_object_get_data(G_OBJECT(toast), "warnings");
    GtkWidget *message = new_message(window, _("Files That Could Not Be Used"), NULL);

    adw_message_dialog_set_extra_child(ADW_MESSAGE_DIALOG(message), new_list(warnings));
    gtk_window_present(GTK_WINDOW(message));
}

static void show_warnings(LkWindow *window, GPtrArray *warnings)
{
    g_autofree char *text =
        g_strdup_printf(g_dngettext(LK_GETTEXT_PACKAGE, "%u file in the folder could not be used",
                                    "%u files in the folder could not be used", warnings->len),
                        warnings->len);
    AdwToast *toast = adw_toast_new(text);

    g_object_set_data_full(G_OBJECT(toast), "warnings", g_ptr_array_ref(warnings),
                           (GDestroyNotify)g_ptr_array_unref);
    adw_toast_set_button_label(toast, _("_Details"));
    adw_toast_set_timeout(toast, 0);
    g_signal_connect_object(toast, "button-clicked", G_CALLBACK(show_details), window, 0);
    adw_toast_overlay_add_toast(window->toasts, toast);
}

static char *describe_success(const LkWindowImport *import, const LkImportResult *result)
{
    g_autofree char *label = lk_label_of_model(import->output);
    guint n = result->n_directions;

    if (n == 0)
        /* Translators: %s is a model's name */
        return g_strdup_printf(_("Imported “%s”"), label);
    /* Translators: how many sliders were imported, and the name of the model that has them */
    return g_strdup_printf(
        g_dngettext(LK_GETTEXT_PACKAGE, "Imported %u slider into “%s”", "Imported %u sliders into “%s”", n),
        n, label);
}

/* Changing the model resets the sliders, so whoever went on editing meanwhile is asked. */
static void show_success(LkWindow *window, const LkWindowImport *import, const LkImportResult *result)
{
    g_autofree char *text = describe_success(import, result);
    g_autofree char *escaped = g_markup_escape_text(text, -1);
    AdwToast *toast = adw_toast_new(escaped);

    if (window->session != NULL && lk_session_get_modified(window->session)) {
        adw_toast_set_button_label(toast, _("_Use It"));
        adw_toast_set_action_name(toast, "win.model");
        adw_toast_set_action_target_value(toast, g_variant_new_bytestring(import->output));
        adw_toast_set_timeout(toast, 0);
    } else {
        lk_window_load_model(window, import->output);
    }
    adw_toast_overlay_add_toast(window->toasts, toast);
    if (result->warnings->len > 0)
        show_warnings(window, result->warnings);
}

/* ---- work ---------------------------------------------------------------------------------------- */

static void run_import(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    LkWindowImport *import = data;
    const LkImport description = {
        .files = (const char *const *)import->files,
        .base = import->base,
        .name = import->name,
        .f32 = import->f32,
        .output = import->output,
    };
    GError *error = NULL;
    LkImportResult *result = lk_import_run(&description, on_progress, import, import->cancellable, &error);

    if (result != NULL)
        g_task_return_pointer(task, result, (GDestroyNotify)lk_import_result_free);
    else
        g_task_return_error(task, error);
}

static void on_imported(GObject *source, GAsyncResult *finished, gpointer data)
{
    LkWindow *window = LK_WINDOW(source);
    LkWindowImport *import = g_task_get_task_data(G_TASK(finished));
    g_autoptr(GError) error = NULL;
    g_autoptr(LkImportResult) result = g_task_propagate_pointer(G_TASK(finished), &error);

    g_application_release(g_application_get_default());
    if (gtk_widget_in_destruction(GTK_WIDGET(window)) || window->import == NULL)
        return;
    end_progress(window, import);
    if (result != NULL)
        show_success(window, import, result);
    else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        show_failure(window, error->message);
}

/* Takes the import. */
static void start_import(LkWindow *window, LkWindowImport *import)
{
    g_autoptr(GTask) task = g_task_new(window, NULL, on_imported, NULL);

    g_task_set_source_tag(task, start_import);
    g_task_set_task_data(task, import, import_free);
    begin_progress(window, import);
    /* A file half written is removed even where the window is closed. */
    g_application_hold(g_application_get_default());
    g_task_run_in_thread(task, run_import);
}

void lk_window_cancel_import(LkWindow *window)
{
    if (window->import != NULL)
        g_cancellable_cancel(window->import->cancellable);
}

void lk_window_forget_import(LkWindow *window)
{
    lk_window_cancel_import(window);
    if (window->import != NULL)
        g_source_remove(window->import->refresh);
    window->import = NULL;
}

/* ---- question ------------------------------------------------------------------------------------ */

typedef struct {
    char **files;
    char *model;
    gboolean checkpoint;
} Question;

static void question_free(gpointer data)
{
    Question *question = data;

    g_strfreev(question->files);
    g_free(question->model);
    g_free(question);
}

static void on_response(LkImportDialog *dialog, const char *response, LkWindow *window)
{
    const Question *question = g_object_get_data(G_OBJECT(dialog), "question");
    g_autofree char *name = lk_import_dialog_get_name(dialog);
    LkWindowImport *import;

    if (!g_str_equal(response, "import") || window->import != NULL)
        return;
    import = g_new0(LkWindowImport, 1);
    g_mutex_init(&import->lock);
    import->window = window;
    import->files = g_strdupv(question->files);
    import->base = g_strdup(question->model);
    import->output = lk_import_default_output(name);
    import->name = question->checkpoint ? g_steal_pointer(&name) : NULL;
    import->f32 = question->checkpoint && lk_import_dialog_get_f32(dialog);
    import->cancellable = g_cancellable_new();
    start_import(window, import);
}

/* Reading a checkpoint's table takes a moment. */
static void look_at_files(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Question *question = data;

    g_task_return_boolean(task, lk_import_has_checkpoint((const char *const *)question->files));
}

static void on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    LkWindow *window = LK_WINDOW(source);
    Question *question = data;
    GtkWidget *dialog;

    if (gtk_widget_in_destruction(GTK_WIDGET(window))) {
        question_free(question);
        return;
    }
    question->checkpoint = g_task_propagate_boolean(G_TASK(result), NULL);
    dialog = lk_import_dialog_new(GTK_WINDOW(window), (const char *const *)question->files,
                                  question->checkpoint, question->model);
    g_object_set_data_full(G_OBJECT(dialog), "question", question, question_free);
    g_signal_connect_object(dialog, "response", G_CALLBACK(on_response), window, 0);
    gtk_window_present(GTK_WINDOW(dialog));
}

static void ask(LkWindow *window, GListModel *files)
{
    g_autoptr(GStrvBuilder) paths = g_strv_builder_new();
    g_autoptr(GTask) task = NULL;
    Question *question;

    for (guint i = 0; i < g_list_model_get_n_items(files); i++) {
        g_autoptr(GFile) file = g_list_model_get_item(files, i);
        if (g_file_peek_path(file) != NULL)
            g_strv_builder_add(paths, g_file_peek_path(file));
    }
    question = g_new0(Question, 1);
    question->files = g_strv_builder_end(paths);
    question->model = lk_window_model_path(window);
    if (question->files[0] == NULL || window->import != NULL) {
        question_free(question);
        return;
    }
    task = g_task_new(window, NULL, on_looked, question);
    g_task_set_source_tag(task, ask);
    g_task_set_task_data(task, question, NULL);
    g_task_run_in_thread(task, look_at_files);
}

/* ---- where files come from ----------------------------------------------------------------------- */

static void on_chosen(GtkNativeDialog *chooser, int response, gpointer data)
{
    g_autoptr(LkWindow) window = g_object_ref(data);
    g_autoptr(GListModel) files = NULL;

    if (response == GTK_RESPONSE_ACCEPT)
        files = gtk_file_chooser_get_files(GTK_FILE_CHOOSER(chooser));
    if (files != NULL)
        ask(window, files);
    g_clear_object(&window->chooser);
}

static GtkFileChooser *new_chooser(LkWindow *window, const char *title, GtkFileChooserAction action)
{
    g_clear_object(&window->chooser);
    window->chooser = gtk_file_chooser_native_new(title, GTK_WINDOW(window), action, _("_Import"), NULL);
    gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(window->chooser), TRUE);
    g_signal_connect_object(window->chooser, "response", G_CALLBACK(on_chosen), window, 0);
    return GTK_FILE_CHOOSER(window->chooser);
}

void lk_window_import(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    static const char *const patterns[] = {"*.pth", "*.pt", "*.npy"};
    GtkFileChooser *chooser =
        new_chooser(data, _("Import a Model or Directions"), GTK_FILE_CHOOSER_ACTION_OPEN);
    g_autoptr(GtkFileFilter) filter = gtk_file_filter_new();

    gtk_file_filter_set_name(filter, _("PyTorch and NumPy files"));
    for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
        gtk_file_filter_add_pattern(filter, patterns[i]);
    gtk_file_chooser_add_filter(chooser, filter);
    gtk_file_chooser_set_select_multiple(chooser, TRUE);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

void lk_window_import_folder(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    GtkFileChooser *chooser = new_chooser(data, _("Import a Folder"), GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER);

    gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

void lk_window_import_from(GSimpleAction *action, GVariant *path, gpointer data)
{
    g_autoptr(GListStore) files = g_list_store_new(G_TYPE_FILE);
    g_autoptr(GFile) file = g_file_new_for_path(g_variant_get_string(path, NULL));

    g_list_store_append(files, file);
    ask(data, G_LIST_MODEL(files));
}

/* ---- what a file is ------------------------------------------------------------------------------ */

static gboolean can_import(GFile *file)
{
    return g_file_peek_path(file) != NULL && lk_import_knows(g_file_peek_path(file));
}

void lk_window_take_files(LkWindow *window, GListModel *files)
{
    g_autoptr(GFile) first = g_list_model_get_item(files, 0);
    const char *path = first != NULL ? g_file_peek_path(first) : NULL;

    if (first == NULL)
        return;
    if (path != NULL && g_str_has_suffix(path, LK_MODEL_SUFFIX))
        lk_window_load_model(window, path);
    else if (can_import(first))
        ask(window, files);
    else
        lk_window_open(window, first);
}
