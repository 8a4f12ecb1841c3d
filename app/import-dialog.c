/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "import-dialog.h"
#include "import.h"
#include "labels.h"

#include <glib/gi18n.h>
#include <string.h>

struct _LkImportDialog {
    AdwMessageDialog parent_instance;

    GtkEditable *name;
    GtkWidget *precision;
    GtkCheckButton *f32;
    GtkLabel *note;
    GtkWidget *licence;

    gboolean checkpoint;
    char *model; /* path of the one that gets new sliders */
};

G_DEFINE_FINAL_TYPE(LkImportDialog, lk_import_dialog, ADW_TYPE_MESSAGE_DIALOG)

/* ---- names --------------------------------------------------------------------------------------- */

/* The path that a name stands for. Free with g_free. */
static char *path_of(const char *name)
{
    return lk_import_default_output(name);
}

static gboolean exists(const char *name)
{
    g_autofree char *path = path_of(name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* With a number after it where there is a model of the name. */
static char *free_name(const char *wanted)
{
    char *name = g_strdup(wanted);

    for (guint i = 2; exists(name); i++) {
        g_free(name);
        name = g_strdup_printf("%s %u", wanted, i);
    }
    return name;
}

static gboolean is_own(const char *model)
{
    g_autofree char *label = lk_label_of_model(model);
    g_autofree char *path = path_of(label);

    return strcmp(path, model) == 0;
}

static char *stem_of(const char *path)
{
    char *stem = g_filename_display_basename(path);
    char *dot = strrchr(stem, '.');

    if (dot != NULL && dot != stem && !g_file_test(path, G_FILE_TEST_IS_DIR))
        *dot = '\0';
    return stem;
}

static char *suggest_name(LkImportDialog *dialog, const char *const *files)
{
    g_autofree char *stem = stem_of(files[0]);
    g_autofree char *label = lk_label_of_model(dialog->model);
    g_autofree char *both = NULL;

    if (dialog->checkpoint)
        return free_name(stem);
    if (is_own(dialog->model))
        return g_steal_pointer(&label);
    /* Translators: suggested name of a model: the first %s is a model, the second what is added to it */
    both = g_strdup_printf(_("%s with %s"), label, stem);
    return free_name(both);
}

/* What comes of the name: an explanation, or why it cannot be. Free with g_free. */
static char *explain_name(LkImportDialog *dialog, const char *name, gboolean *possible)
{
    g_autofree char *path = path_of(name);
    g_autofree char *label = lk_label_of_model(dialog->model);

    *possible = *name != '\0';
    if (*name == '\0')
        return g_strdup(_("The model needs a name"));
    if (!dialog->checkpoint && strcmp(path, dialog->model) == 0)
        return g_strdup_printf(_("The sliders are added to the model “%s”. Another name makes a new one."),
                               label);
    *possible = !g_file_test(path, G_FILE_TEST_EXISTS);
    if (!*possible)
        return g_strdup(_("There is a model of this name already"));
    if (dialog->checkpoint)
        return g_strdup(_("A model is made from the checkpoint, which stays as it is."));
    return g_strdup_printf(_("The sliders go into a copy of the model “%s”, which stays as it is."), label);
}

static void on_name_changed(LkImportDialog *dialog)
{
    g_autofree char *name = g_strstrip(g_strdup(gtk_editable_get_text(dialog->name)));
    gboolean possible;
    g_autofree char *note = explain_name(dialog, name, &possible);

    gtk_label_set_text(dialog->note, note);
    if (possible)
        gtk_widget_remove_css_class(GTK_WIDGET(dialog->note), "error");
    else
        gtk_widget_add_css_class(GTK_WIDGET(dialog->note), "error");
    adw_message_dialog_set_response_enabled(ADW_MESSAGE_DIALOG(dialog), "import", possible);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void lk_import_dialog_finalize(GObject *object)
{
    g_free(LK_IMPORT_DIALOG(object)->model);
    G_OBJECT_CLASS(lk_import_dialog_parent_class)->finalize(object);
}

static void lk_import_dialog_class_init(LkImportDialogClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->finalize = lk_import_dialog_finalize;
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/import-dialog.ui");
    gtk_widget_class_bind_template_child(widget_class, LkImportDialog, name);
    gtk_widget_class_bind_template_child(widget_class, LkImportDialog, precision);
    gtk_widget_class_bind_template_child(widget_class, LkImportDialog, f32);
    gtk_widget_class_bind_template_child(widget_class, LkImportDialog, note);
    gtk_widget_class_bind_template_child(widget_class, LkImportDialog, licence);
    gtk_widget_class_bind_template_callback(widget_class, on_name_changed);
}

static void lk_import_dialog_init(LkImportDialog *dialog)
{
    gtk_widget_init_template(GTK_WIDGET(dialog));
}

static char *heading_of(const char *const *files)
{
    guint n = g_strv_length((char **)files);
    g_autofree char *name = g_filename_display_basename(files[0]);

    if (n == 1)
        /* Translators: %s is a file's or folder's name */
        return g_strdup_printf(_("Import “%s”?"), name);
    return g_strdup_printf(g_dngettext(LK_GETTEXT_PACKAGE, "Import %u File?", "Import %u Files?", n), n);
}

GtkWidget *lk_import_dialog_new(GtkWindow *parent, const char *const *files, gboolean checkpoint,
                                const char *model)
{
    g_autofree char *heading = heading_of(files);
    g_autofree char *name = NULL;
    LkImportDialog *dialog =
        g_object_new(LK_TYPE_IMPORT_DIALOG, "transient-for", parent, "heading", heading, NULL);

    dialog->checkpoint = checkpoint;
    dialog->model = g_strdup(model);
    gtk_widget_set_visible(dialog->precision, checkpoint);
    gtk_widget_set_visible(dialog->licence, checkpoint);
    name = suggest_name(dialog, files);
    gtk_editable_set_text(dialog->name, name);
    on_name_changed(dialog);
    return GTK_WIDGET(dialog);
}

char *lk_import_dialog_get_name(LkImportDialog *dialog)
{
    g_return_val_if_fail(LK_IS_IMPORT_DIALOG(dialog), NULL);
    return g_strstrip(g_strdup(gtk_editable_get_text(dialog->name)));
}

gboolean lk_import_dialog_get_f32(LkImportDialog *dialog)
{
    g_return_val_if_fail(LK_IS_IMPORT_DIALOG(dialog), FALSE);
    return gtk_check_button_get_active(dialog->f32);
}
