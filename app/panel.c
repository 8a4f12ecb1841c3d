/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "panel.h"

#include <glib/gi18n.h>

struct _LkPanel {
    GtkBox parent_instance;

    GtkBox *groups;
    GPtrArray *sliders; /* by index of the model's directions; owned by groups */
};

G_DEFINE_FINAL_TYPE(LkPanel, lk_panel, GTK_TYPE_BOX)

static guint changed_signal;

/* Groups are identifiers in a model's file. One that is not known here is shown as it is written. */
static const struct {
    const char *name, *heading;
} known_groups[] = {
    {"face", N_("Face")},
    {"hair", N_("Hair")},
    {"head", N_("Head")},
    {"light", N_("Light")},
};

static const char *group_heading(const char *group)
{
    for (guint i = 0; i < G_N_ELEMENTS(known_groups); i++)
        if (g_str_equal(known_groups[i].name, group))
            return _(known_groups[i].heading);
    return group;
}

static void on_slider_changed(LkSlider *slider, double value, gboolean reset, LkPanel *panel)
{
    guint direction;

    if (g_ptr_array_find(panel->sliders, slider, &direction))
        g_signal_emit(panel, changed_signal, 0, direction, value, reset);
}

static GtkWidget *add_group(LkPanel *panel, const char *group)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
    GtkWidget *heading = gtk_label_new(group_heading(group));

    gtk_label_set_xalign(GTK_LABEL(heading), 0);
    gtk_widget_add_css_class(heading, "heading");
    gtk_box_append(GTK_BOX(box), heading);
    gtk_box_append(panel->groups, box);
    return box;
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
    g_autoptr(GHashTable) boxes = g_hash_table_new(g_str_hash, g_str_equal);

    g_return_if_fail(LK_IS_PANEL(panel));
    remove_groups(panel);
    for (guint i = 0; i < lk_model_n_directions(model); i++) {
        const LkDirection *direction = lk_model_direction(model, i);
        GtkWidget *box = g_hash_table_lookup(boxes, direction->group);
        GtkWidget *slider = lk_slider_new(direction);

        if (box == NULL) {
            box = add_group(panel, direction->group);
            g_hash_table_insert(boxes, direction->group, box);
        }
        g_signal_connect(slider, "changed", G_CALLBACK(on_slider_changed), panel);
        g_ptr_array_add(panel->sliders, slider);
        gtk_box_append(GTK_BOX(box), slider);
    }
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

static void lk_panel_finalize(GObject *object)
{
    g_ptr_array_unref(LK_PANEL(object)->sliders);
    G_OBJECT_CLASS(lk_panel_parent_class)->finalize(object);
}

static void lk_panel_class_init(LkPanelClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->finalize = lk_panel_finalize;
    changed_signal = g_signal_new("changed", LK_TYPE_PANEL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 3, G_TYPE_UINT, G_TYPE_DOUBLE, G_TYPE_BOOLEAN);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/panel.ui");
    gtk_widget_class_bind_template_child(widget_class, LkPanel, groups);
}

static void lk_panel_init(LkPanel *panel)
{
    panel->sliders = g_ptr_array_new();
    gtk_widget_init_template(GTK_WIDGET(panel));
}

GtkWidget *lk_panel_new(void)
{
    return g_object_new(LK_TYPE_PANEL, NULL);
}
