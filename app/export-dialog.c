/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "export-dialog.h"

#include <glib/gi18n.h>

struct _LkExportDialog {
    AdwMessageDialog parent_instance;

    AdwComboRow *format, *depth;
    GtkWidget *lossless_row, *quality_row, *chroma_row;
    GtkSwitch *lossless, *chroma, *location;
    GtkSpinButton *quality;
    GSettings *settings; /* or NULL */
};

G_DEFINE_FINAL_TYPE(LkExportDialog, lk_export_dialog, ADW_TYPE_MESSAGE_DIALOG)

/* By LkFileFormat: the order of the choices, too. */
static const struct {
    const char *name, *ending;
    gboolean has_depth, has_quality, has_lossless, has_chroma;
} formats[] = {
    [LK_FILE_PNG] = {"PNG", ".png", TRUE, FALSE, FALSE, FALSE},
    [LK_FILE_JPEG] = {"JPEG", ".jpg", FALSE, TRUE, FALSE, TRUE},
    [LK_FILE_TIFF] = {"TIFF", ".tif", TRUE, FALSE, FALSE, FALSE},
    [LK_FILE_WEBP] = {"WebP", ".webp", FALSE, TRUE, TRUE, FALSE},
};

static const guint depths[] = {0, 8, 16}; /* 0: as the photo */

const char *lk_export_format_name(LkFileFormat format)
{
    return formats[format].name;
}

const char *lk_export_ending(LkFileFormat format)
{
    return formats[format].ending;
}

LkExportOptions lk_export_options(GSettings *settings, LkFileFormat format)
{
    LkExportOptions options = {.format = format};

    if (settings == NULL)
        return options;
    options.strip_location = g_settings_get_boolean(settings, "export-without-location");
    if (formats[format].has_depth)
        options.depth = (guint)g_settings_get_enum(settings, "export-depth");
    if (formats[format].has_quality &&
        !(formats[format].has_lossless && g_settings_get_boolean(settings, "export-lossless")))
        options.quality = (guint)g_settings_get_int(settings, "export-quality");
    if (formats[format].has_chroma)
        options.full_chroma = g_settings_get_boolean(settings, "export-full-chroma");
    return options;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static void show_rows(LkExportDialog *dialog)
{
    LkFileFormat format = lk_export_dialog_get_format(dialog);
    gboolean lossless = formats[format].has_lossless && gtk_switch_get_active(dialog->lossless);

    gtk_widget_set_visible(GTK_WIDGET(dialog->depth), formats[format].has_depth);
    gtk_widget_set_visible(dialog->lossless_row, formats[format].has_lossless);
    gtk_widget_set_visible(dialog->quality_row, formats[format].has_quality && !lossless);
    gtk_widget_set_visible(dialog->chroma_row, formats[format].has_chroma);
}

static void on_changed(LkExportDialog *dialog)
{
    show_rows(dialog);
}

static void load(LkExportDialog *dialog)
{
    int depth = g_settings_get_enum(dialog->settings, "export-depth");

    for (guint i = 0; i < G_N_ELEMENTS(depths); i++)
        if ((int)depths[i] == depth)
            adw_combo_row_set_selected(dialog->depth, i);
    gtk_switch_set_active(dialog->lossless, g_settings_get_boolean(dialog->settings, "export-lossless"));
    gtk_switch_set_active(dialog->chroma, g_settings_get_boolean(dialog->settings, "export-full-chroma"));
    gtk_switch_set_active(dialog->location,
                          g_settings_get_boolean(dialog->settings, "export-without-location"));
    gtk_spin_button_set_value(dialog->quality, g_settings_get_int(dialog->settings, "export-quality"));
}

/* All of it, also of the formats that are not chosen: it is what the person has set. */
static void on_response(LkExportDialog *dialog, const char *response, gpointer data)
{
    if (!g_str_equal(response, "export") || dialog->settings == NULL)
        return;
    g_settings_set_enum(dialog->settings, "export-depth",
                        (int)depths[adw_combo_row_get_selected(dialog->depth)]);
    g_settings_set_boolean(dialog->settings, "export-lossless", gtk_switch_get_active(dialog->lossless));
    g_settings_set_boolean(dialog->settings, "export-full-chroma", gtk_switch_get_active(dialog->chroma));
    g_settings_set_boolean(dialog->settings, "export-without-location",
                           gtk_switch_get_active(dialog->location));
    gtk_spin_button_update(dialog->quality);
    g_settings_set_int(dialog->settings, "export-quality", gtk_spin_button_get_value_as_int(dialog->quality));
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void lk_export_dialog_dispose(GObject *object)
{
    g_clear_object(&LK_EXPORT_DIALOG(object)->settings);
    G_OBJECT_CLASS(lk_export_dialog_parent_class)->dispose(object);
}

static void lk_export_dialog_class_init(LkExportDialogClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->dispose = lk_export_dialog_dispose;
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/export-dialog.ui");
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, format);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, chroma_row);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, chroma);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, depth);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, lossless_row);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, lossless);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, quality_row);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, quality);
    gtk_widget_class_bind_template_child(widget_class, LkExportDialog, location);
    gtk_widget_class_bind_template_callback(widget_class, on_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_response);
}

static void lk_export_dialog_init(LkExportDialog *dialog)
{
    gtk_widget_init_template(GTK_WIDGET(dialog));
}

GtkWidget *lk_export_dialog_new(GtkWindow *parent, GSettings *settings, LkFileFormat format, guint depth)
{
    LkExportDialog *dialog = g_object_new(LK_TYPE_EXPORT_DIALOG, "transient-for", parent, NULL);
    /* Translators: %u is 8 or 16 */
    g_autofree char *own = g_strdup_printf(_("As the photo (%u bits)"), depth);
    const char *names[] = {own, _("8 bits"), _("16 bits"), NULL};
    g_autoptr(GtkStringList) choices = gtk_string_list_new(names);

    adw_combo_row_set_model(dialog->depth, G_LIST_MODEL(choices));
    adw_combo_row_set_selected(dialog->format, format);
    if (settings != NULL) {
        dialog->settings = g_object_ref(settings);
        load(dialog);
    }
    show_rows(dialog);
    return GTK_WIDGET(dialog);
}

LkFileFormat lk_export_dialog_get_format(LkExportDialog *dialog)
{
    g_return_val_if_fail(LK_IS_EXPORT_DIALOG(dialog), LK_FILE_PNG);
    return (LkFileFormat)adw_combo_row_get_selected(dialog->format);
}
