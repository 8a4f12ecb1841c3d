/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "labels.h"
#include "panel.h"
#include "section.h"

#include <glib/gi18n.h>
#include <math.h>

/* With more sliders than these a search helps. */
#define MANY 12

struct _LkPanel {
    GtkBox parent_instance;

    GtkEditable *search;
    GtkBox *groups;
    GtkWidget *no_sliders, *nothing_found;
    GtkLabel *detail_value;
    GtkScale *detail;
    GtkAdjustment *detail_adjustment; /* percent */
    gboolean detail_is_set;           /* from outside, just now */
    GPtrArray *sliders;               /* by index of the model's directions; owned by groups */
    GHashTable *folding;              /* a group's name to whether the person unfolded it */
};

G_DEFINE_FINAL_TYPE(LkPanel, lk_panel, GTK_TYPE_BOX)

static guint changed_signal, detail_changed_signal;

/* ---- search -------------------------------------------------------------------------------------- */

/* NULL: no search. Free with g_strfreev. */
static char **search_words(LkPanel *panel)
{
    g_autofree char *text = g_utf8_casefold(gtk_editable_get_text(panel->search), -1);

    g_strstrip(text);
    return *text != '\0' ? g_strsplit_set(text, " \t", -1) : NULL;
}

static LkSlider *show_found(LkPanel *panel)
{
    g_auto(GStrv) words = search_words(panel);
    LkSlider *first = NULL;

    for (GtkWidget *section = gtk_widget_get_first_child(GTK_WIDGET(panel->groups)); section != NULL;
         section = gtk_widget_get_next_sibling(section)) {
        LkSlider *found = lk_section_search(LK_SECTION(section), (const char *const *)words);
        first = first != NULL ? first : found;
    }
    gtk_widget_set_visible(panel->nothing_found, words != NULL && first == NULL);
    return first;
}

static void on_search_changed(LkPanel *panel)
{
    show_found(panel);
}

static void on_search_activated(LkPanel *panel)
{
    LkSlider *first = show_found(panel);

    if (first != NULL)
        gtk_widget_grab_focus(lk_slider_get_scale(first));
}

static void on_search_stopped(LkPanel *panel)
{
    gtk_editable_set_text(panel->search, "");
    show_found(panel);
}

gboolean lk_panel_can_search(LkPanel *panel)
{
    g_return_val_if_fail(LK_IS_PANEL(panel), FALSE);
    return panel->sliders->len > MANY;
}

void lk_panel_search(LkPanel *panel)
{
    g_return_if_fail(LK_IS_PANEL(panel));
    gtk_widget_grab_focus(GTK_WIDGET(panel->search));
    gtk_editable_select_region(panel->search, 0, -1);
}

/* ---- sliders ------------------------------------------------------------------------------------- */

static void on_slider_changed(LkSlider *slider, double value, gboolean reset, LkPanel *panel)
{
    guint direction;

    if (g_ptr_array_find(panel->sliders, slider, &direction))
        g_signal_emit(panel, changed_signal, 0, direction, value, reset);
}

static void on_toggled(LkSection *section, gboolean expanded, LkPanel *panel)
{
    const char *group = g_object_get_data(G_OBJECT(section), "group");

    g_hash_table_insert(panel->folding, g_strdup(group), GINT_TO_POINTER(expanded));
}

static LkSection *add_group(LkPanel *panel, const char *group)
{
    GtkWidget *section = lk_section_new(lk_label_of_group(group));
    gboolean expanded = gtk_widget_get_first_child(GTK_WIDGET(panel->groups)) == NULL;
    gpointer chosen;

    if (g_hash_table_lookup_extended(panel->folding, group, NULL, &chosen))
        expanded = GPOINTER_TO_INT(chosen);
    g_object_set_data_full(G_OBJECT(section), "group", g_strdup(group), g_free);
    lk_section_set_expanded(LK_SECTION(section), expanded);
    g_signal_connect(section, "toggled", G_CALLBACK(on_toggled), panel);
    gtk_box_append(panel->groups, section);
    return LK_SECTION(section);
}

static void remove_groups(LkPanel *panel)
{
    GtkWidget *child;

    g_ptr_array_set_size(panel->sliders, 0);
    while ((child = gtk_widget_get_first_child(GTK_WIDGET(panel->groups))) != NULL)
        gtk_box_remove(panel->groups, child);
}

void lk_panel_set_model(LkPanel *panel, LkModel *model)
{
    g_autoptr(GHashTable) sections = g_hash_table_new(g_str_hash, g_str_equal);

    g_return_if_fail(LK_IS_PANEL(panel));
    remove_groups(panel);
    for (guint i = 0; i < lk_model_n_directions(model); i++) {
        const LkDirection *direction = lk_model_direction(model, i);
        LkSection *section = g_hash_table_lookup(sections, direction->group);
        GtkWidget *slider = lk_slider_new(direction);

        if (section == NULL) {
            section = add_group(panel, direction->group);
            g_hash_table_insert(sections, direction->group, section);
        }
        g_signal_connect(slider, "changed", G_CALLBACK(on_slider_changed), panel);
        g_ptr_array_add(panel->sliders, slider);
        lk_section_add(section, LK_SLIDER(slider));
    }
    gtk_widget_set_visible(panel->no_sliders, panel->sliders->len == 0);
    gtk_widget_set_visible(GTK_WIDGET(panel->search), lk_panel_can_search(panel));
    on_search_stopped(panel);
}

LkSlider *lk_panel_get_slider(LkPanel *panel, guint direction)
{
    g_return_val_if_fail(LK_IS_PANEL(panel), NULL);
    return direction < panel->sliders->len ? g_ptr_array_index(panel->sliders, direction) : NULL;
}

void lk_panel_set_value(LkPanel *panel, guint direction, double value)
{
    LkSlider *slider = lk_panel_get_slider(panel, direction);

    g_return_if_fail(slider != NULL);
    lk_slider_set_value(slider, value);
}

void lk_panel_set_neutral(LkPanel *panel, guint direction, double neutral)
{
    LkSlider *slider = lk_panel_get_slider(panel, direction);

    g_return_if_fail(slider != NULL);
    lk_slider_set_neutral(slider, neutral);
}

/* ---- detail -------------------------------------------------------------------------------------- */

static void show_detail(LkPanel *panel)
{
    /* Translators: %.0f is a number from 0 to 100, followed by a percent sign */
    g_autofree char *text = g_strdup_printf(_("%.0f %%"), gtk_adjustment_get_value(panel->detail_adjustment));

    gtk_label_set_text(panel->detail_value, text);
    gtk_accessible_update_property(GTK_ACCESSIBLE(panel->detail), GTK_ACCESSIBLE_PROPERTY_VALUE_TEXT, text,
                                   -1);
}

static void on_detail_moved(LkPanel *panel)
{
    show_detail(panel);
    if (!panel->detail_is_set)
        g_signal_emit(panel, detail_changed_signal, 0,
                      gtk_adjustment_get_value(panel->detail_adjustment) / 100);
}

void lk_panel_set_detail(LkPanel *panel, double detail)
{
    g_return_if_fail(LK_IS_PANEL(panel));
    /* What the person moves is there already, and an answer to an older move would take it back. */
    if (fabs(gtk_adjustment_get_value(panel->detail_adjustment) - 100 * detail) > 0.5) {
        panel->detail_is_set = TRUE;
        gtk_adjustment_set_value(panel->detail_adjustment, 100 * detail);
        panel->detail_is_set = FALSE;
    }
    show_detail(panel);
}

GtkWidget *lk_panel_get_detail_scale(LkPanel *panel)
{
    g_return_val_if_fail(LK_IS_PANEL(panel), NULL);
    return GTK_WIDGET(panel->detail);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void lk_panel_finalize(GObject *object)
{
    g_ptr_array_unref(LK_PANEL(object)->sliders);
    g_hash_table_unref(LK_PANEL(object)->folding);
    G_OBJECT_CLASS(lk_panel_parent_class)->finalize(object);
}

static void lk_panel_class_init(LkPanelClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->finalize = lk_panel_finalize;
    changed_signal = g_signal_new("changed", LK_TYPE_PANEL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 3, G_TYPE_UINT, G_TYPE_DOUBLE, G_TYPE_BOOLEAN);
    detail_changed_signal = g_signal_new("detail-changed", LK_TYPE_PANEL, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 1, G_TYPE_DOUBLE);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/panel.ui");
    gtk_widget_class_bind_template_child(widget_class, LkPanel, detail);
    gtk_widget_class_bind_template_child(widget_class, LkPanel, detail_adjustment);
    gtk_widget_class_bind_template_child(widget_class, LkPanel, detail_value);
    gtk_widget_class_bind_template_child(widget_class, LkPanel, groups);
    gtk_widget_class_bind_template_child(widget_class, LkPanel, no_sliders);
    gtk_widget_class_bind_template_child(widget_class, LkPanel, nothing_found);
    gtk_widget_class_bind_template_child(widget_class, LkPanel, search);
    gtk_widget_class_bind_template_callback(widget_class, on_detail_moved);
    gtk_widget_class_bind_template_callback(widget_class, on_search_activated);
    gtk_widget_class_bind_template_callback(widget_class, on_search_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_search_stopped);
}

static void lk_panel_init(LkPanel *panel)
{
    panel->sliders = g_ptr_array_new();
    panel->folding = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gtk_widget_init_template(GTK_WIDGET(panel));
}

GtkWidget *lk_panel_new(void)
{
    return g_object_new(LK_TYPE_PANEL, NULL);
}
