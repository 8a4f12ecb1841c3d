/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "export-dialog.h"
#include "window-private.h"

#include <glib/gi18n.h>

typedef struct {
    LkWindow *window;
    char *name; /* as shown */
} Exporting;

static void exporting_free(Exporting *exporting)
{
    g_object_unref(exporting->window);
    g_free(exporting->name);
    g_free(exporting);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Exporting, exporting_free)

static void on_exported(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Exporting) exporting = data;
    g_autoptr(GError) error = NULL;
    gboolean exported = lk_session_export_finish(LK_SESSION(source), result, &error);
    /* Translators: %s is a file's name */
    g_autofree char *saved = g_strdup_printf(_("Saved as “%s”"), exporting->name);

    if (exporting->window->session != NULL)
        lk_window_show_message(exporting->window, exported ? saved : error->message);
    g_application_release(g_application_get_default());
}

static void export_to(LkWindow *window, const char *path)
{
    Exporting *exporting = g_new(Exporting, 1);
    LkFileFormat format = LK_FILE_PNG;
    LkExportOptions options;

    *exporting = (Exporting){g_object_ref(window), g_filename_display_basename(path)};
    lk_file_format_from_path(path, &format);
    options = lk_export_options(window->settings, format);
    /* A file half written must be finished even where the window is closed. */
    g_application_hold(g_application_get_default());
    lk_session_export_async(window->session, path, &options, NULL, on_exported, exporting);
}

void lk_window_export_to(GSimpleAction *action, GVariant *path, gpointer data)
{
    export_to(data, g_variant_get_string(path, NULL));
}

/* ---- where ---------------------------------------------------------------------------------------- */

/* A name without an ending that tells a format gets the chosen format's. Nobody was asked whether the file of that name may
 * be replaced. */
static void export_file(LkWindow *window, GFile *file, LkFileFormat format)
{
    g_autofree char *path = g_file_get_path(file);
    g_autofree char *named = NULL;
    LkFileFormat of_name;

    if (path == NULL) {
        lk_window_show_message(window, _("The picture can only be saved on this computer"));
        return;
    }
    if (lk_file_format_from_path(path, &of_name)) {
        export_to(window, path);
        return;
    }
    named = g_strconcat(path, lk_export_ending(format), NULL);
    if (g_file_test(named, G_FILE_TEST_EXISTS))
        lk_window_show_exists(window, named);
    else
        export_to(window, named);
}

static void export_as_png(LkWindow *window, GFile *file)
{
    export_file(window, file, LK_FILE_PNG);
}

static void export_as_jpeg(LkWindow *window, GFile *file)
{
    export_file(window, file, LK_FILE_JPEG);
}

static void export_as_tiff(LkWindow *window, GFile *file)
{
    export_file(window, file, LK_FILE_TIFF);
}

static void export_as_webp(LkWindow *window, GFile *file)
{
    export_file(window, file, LK_FILE_WEBP);
}

/* The photo's own format where that is one that we write. */
static LkFileFormat suggest_format(GFile *file)
{
    LkFileFormat format;

    return lk_file_format_from_path(g_file_peek_path(file), &format) ? format : LK_FILE_JPEG;
}

static void choose_file(LkWindow *window, LkFileFormat format)
{
    static const struct {
        LkWindowFileFunc func;
        const char *mime_types[2];
    } formats[] = {
        [LK_FILE_PNG] = {export_as_png, {"image/png"}},
        [LK_FILE_JPEG] = {export_as_jpeg, {"image/jpeg"}},
        [LK_FILE_TIFF] = {export_as_tiff, {"image/tiff"}},
        [LK_FILE_WEBP] = {export_as_webp, {"image/webp"}},
    };
    /* Translators: the suggested name of an exported file; %s is the photo's name without its ending */
    g_autofree char *name = lk_window_suggest_name(window->file, _("%s edited"), lk_export_ending(format));
    GtkFileChooser *chooser = lk_window_new_chooser(
        window, _("Export the Picture"), GTK_FILE_CHOOSER_ACTION_SAVE, _("_Export"), formats[format].func);

    lk_window_add_filter(chooser, lk_export_format_name(format), formats[format].mime_types, NULL);
    lk_window_suggest_folder(chooser, window->file);
    gtk_file_chooser_set_current_name(chooser, name);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

/* ---- how ------------------------------------------------------------------------------------------ */

static void on_response(AdwMessageDialog *dialog, const char *response, LkWindow *window)
{
    LkFileFormat format = lk_export_dialog_get_format(LK_EXPORT_DIALOG(dialog));

    window->export_dialog = NULL;
    if (g_str_equal(response, "export") && lk_window_has_photo(window))
        choose_file(window, format);
}

void lk_window_export(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    LkWindow *window = data;
    GtkWidget *dialog;

    if (window->export_dialog != NULL)
        return;
    dialog = lk_export_dialog_new(GTK_WINDOW(window), window->settings, suggest_format(window->file),
                                  lk_original_depth(lk_session_get_original(window->session)));
    window->export_dialog = GTK_WINDOW(dialog);
    g_signal_connect_object(dialog, "response", G_CALLBACK(on_response), window, 0);
    gtk_window_present(GTK_WINDOW(dialog));
}
