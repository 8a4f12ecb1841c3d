/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "section.h"

#include <glib/gi18n.h>

struct _LkSection {
    GtkBox parent_instance;

    GtkExpander *expander;
    GtkLabel *heading, *count;
    GtkBox *sliders;
    gboolean expanded; /* what the person wants when no search is on */
    gboolean searching;
};

G_DEFINE_FINAL_TYPE(LkSection, lk_section, GTK_TYPE_BOX)

static guint toggled_signal;

/* ---- heading ------------------------------------------------------------------------------------- */

static guint n_changed(LkSection *section)
{
    guint n = 0;

    for (GtkWidget *slider = gtk_widget_get_first_child(GTK_WIDGET(section->sliders)); slider != NULL;
         slider = gtk_widget_get_next_sibling(slider))
        n += lk_slider_get_modified(LK_SLIDER(slider));
    return n;
}

static void show_count(LkSection *section)
{
    guint n = n_changed(section);
    const char *heading = gtk_label_get_text(section->heading);
    /* Translators: how many of a group's sliders are not where they were when the photo was opened */
    g_autofree char *text =
        g_strdup_printf(g_dngettext(LK_GETTEXT_PACKAGE, "%u changed", "%u changed", n), n);
    g_autofree char *spoken = n > 0 ? g_strdup_printf("%s, %s", heading, text) : g_strdup(heading);

    gtk_label_set_text(section->count, n > 0 ? text : "");
    gtk_accessible_update_property(GTK_ACCESSIBLE(section->expander), GTK_ACCESSIBLE_PROPERTY_LABEL, spoken,
                                   -1);
}

static void on_expanded(GtkExpander *expander, GParamSpec *pspec, LkSection *section)
{
    gboolean expanded = gtk_expander_get_expanded(expander);

    if (section->searching || expanded == section->expanded)
        return;
    section->expanded = expanded;
    g_signal_emit(section, toggled_signal, 0, expanded);
}

void lk_section_set_expanded(LkSection *section, gboolean expanded)
{
    g_return_if_fail(LK_IS_SECTION(section));
    section->expanded = expanded;
    gtk_expander_set_expanded(section->expander, section->searching || expanded);
}

/* ---- sliders ------------------------------------------------------------------------------------- */

void lk_section_add(LkSection *section, LkSlider *slider)
{
    g_return_if_fail(LK_IS_SECTION(section));
    gtk_box_append(section->sliders, GTK_WIDGET(slider));
    g_signal_connect_object(slider, "notify::modified", G_CALLBACK(show_count), section, G_CONNECT_SWAPPED);
}

LkSlider *lk_section_search(LkSection *section, const char *const *words)
{
    LkSlider *first = NULL;

    g_return_val_if_fail(LK_IS_SECTION(section), NULL);
    for (GtkWidget *slider = gtk_widget_get_first_child(GTK_WIDGET(section->sliders)); slider != NULL;
         slider = gtk_widget_get_next_sibling(slider)) {
        gboolean found = words == NULL || lk_slider_matches(LK_SLIDER(slider), words);
        gtk_widget_set_visible(slider, found);
        if (found && first == NULL)
            first = LK_SLIDER(slider);
    }
    section->searching = words != NULL;
    gtk_widget_set_visible(GTK_WIDGET(section), first != NULL);
    gtk_expander_set_expanded(section->expander, section->searching || section->expanded);
    return first;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void lk_section_class_init(LkSectionClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    toggled_signal = g_signal_new("toggled", LK_TYPE_SECTION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/section.ui");
    gtk_widget_class_bind_template_child(widget_class, LkSection, expander);
    gtk_widget_class_bind_template_child(widget_class, LkSection, heading);
    gtk_widget_class_bind_template_child(widget_class, LkSection, count);
    gtk_widget_class_bind_template_child(widget_class, LkSection, sliders);
    gtk_widget_class_bind_template_callback(widget_class, on_expanded);
}

static void lk_section_init(LkSection *section)
{
    gtk_widget_init_template(GTK_WIDGET(section));
}

GtkWidget *lk_section_new(const char *heading)
{
    LkSection *section = g_object_new(LK_TYPE_SECTION, NULL);

    gtk_label_set_text(section->heading, heading);
    show_count(section);
    return GTK_WIDGET(section);
}
