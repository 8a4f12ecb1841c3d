/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "labels.h"
#include "slider.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

struct _LkSlider {
    GtkBox parent_instance;

    GtkLabel *name, *value;
    GtkButton *reset;
    GtkScale *scale;
    GtkAdjustment *adjustment;
    double current; /* the adjustment's value, or one beyond its ends */
    double neutral; /* of the photo */
    double ends[2], safe[2];
    int digits;
    gboolean quiet;    /* the value is being set from outside */
    gboolean modified; /* as last notified */
    char *words;       /* folded: what a search looks at */
};

enum { PROP_MODIFIED = 1, N_PROPERTIES };

G_DEFINE_FINAL_TYPE(LkSlider, lk_slider, GTK_TYPE_BOX)

static guint changed_signal;
static GParamSpec *properties[N_PROPERTIES];

/* With a sign, a proper minus, and as many digits as a step has. */
static char *format_value(const LkSlider *slider, double value)
{
    double step = pow(10, -slider->digits);
    const char *sign = value > step / 2 ? "+" : value < -step / 2 ? "\u2212" : "";

    return g_strdup_printf("%s%.*f", sign, slider->digits, fabs(value));
}

/* The photo as it is looks natural wherever that is on the scale. */
static gboolean is_safe(const LkSlider *slider)
{
    return slider->current == slider->neutral ||
           (slider->current >= slider->safe[0] - 1e-6 && slider->current <= slider->safe[1] + 1e-6);
}

static void notify_modified(LkSlider *slider)
{
    gboolean modified = slider->current != slider->neutral;

    if (modified == slider->modified)
        return;
    slider->modified = modified;
    gtk_widget_set_sensitive(GTK_WIDGET(slider->reset), modified);
    g_object_notify_by_pspec(G_OBJECT(slider), properties[PROP_MODIFIED]);
}

static void show_value(LkSlider *slider)
{
    g_autofree char *text = format_value(slider, slider->current);
    g_autofree char *spoken = NULL;

    gtk_label_set_text(slider->value, text);
    if (is_safe(slider)) {
        gtk_widget_remove_css_class(GTK_WIDGET(slider->value), "warning");
        gtk_widget_set_tooltip_text(GTK_WIDGET(slider->value), NULL);
        spoken = g_steal_pointer(&text);
    } else {
        gtk_widget_add_css_class(GTK_WIDGET(slider->value), "warning");
        gtk_widget_set_tooltip_text(GTK_WIDGET(slider->value),
                                    _("Beyond the range in which results look natural"));
        /* Translators: spoken by screen readers; %s is the slider's value, such as +4.2 */
        spoken = g_strdup_printf(_("%s, beyond the natural range"), text);
    }
    gtk_accessible_update_property(GTK_ACCESSIBLE(slider->scale), GTK_ACCESSIBLE_PROPERTY_VALUE_TEXT, spoken,
                                   -1);
    notify_modified(slider);
}

static void move_to(LkSlider *slider, double value)
{
    slider->current = value;
    show_value(slider);
    g_signal_emit(slider, changed_signal, 0, value, FALSE);
}

static void on_value_changed(LkSlider *slider)
{
    if (!slider->quiet)
        move_to(slider, gtk_adjustment_get_value(slider->adjustment));
}

/* A value beyond the end comes to the end where the person moves the handle there: for the adjustment nothing changes. */
static gboolean on_change_value(GtkRange *range, GtkScrollType scroll, double value, LkSlider *slider)
{
    double end = CLAMP(value, slider->ends[0], slider->ends[1]);

    if (slider->current != gtk_adjustment_get_value(slider->adjustment) &&
        end == gtk_adjustment_get_value(slider->adjustment))
        move_to(slider, end);
    return GDK_EVENT_PROPAGATE;
}

static void on_reset(LkSlider *slider)
{
    lk_slider_set_value(slider, slider->neutral);
    g_signal_emit(slider, changed_signal, 0, slider->neutral, TRUE);
    gtk_widget_grab_focus(GTK_WIDGET(slider->scale));
}

static char *fold(const char *first, const char *second, const char *third)
{
    g_autofree char *text = g_strdup_printf("%s\n%s\n%s", first, second, third);

    return g_utf8_casefold(text, -1);
}

static void describe(LkSlider *slider, const LkDirection *direction)
{
    const char *label = lk_label_of_direction(direction->label);
    g_autofree char *low = format_value(slider, direction->safe_minimum);
    g_autofree char *high = format_value(slider, direction->safe_maximum);
    /* Translators: a slider's description; %s are numbers such as −3.0 and +3.0 */
    g_autofree char *description = g_strdup_printf(_("Results look natural from %s to %s"), low, high);
    /* Translators: %s is a slider's name, such as Age */
    g_autofree char *reset = g_strdup_printf(_("Reset “%s”"), label);

    slider->words = fold(label, direction->label, lk_label_of_group(direction->group));
    gtk_label_set_text(slider->name, label);
    gtk_widget_set_tooltip_text(GTK_WIDGET(slider->name), label); /* long ones are cut off */
    gtk_widget_set_tooltip_text(GTK_WIDGET(slider->reset), reset);
    gtk_accessible_update_property(GTK_ACCESSIBLE(slider->reset), GTK_ACCESSIBLE_PROPERTY_LABEL, reset, -1);
    gtk_accessible_update_property(GTK_ACCESSIBLE(slider->scale), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                   description, -1);
}

static void show_marks(LkSlider *slider)
{
    gtk_scale_clear_marks(slider->scale);
    gtk_scale_add_mark(slider->scale, CLAMP(slider->neutral, slider->ends[0], slider->ends[1]),
                       GTK_POS_BOTTOM, NULL);
    for (guint i = 0; i < 2; i++)
        if (slider->safe[i] != slider->ends[i])
            gtk_scale_add_mark(slider->scale, slider->safe[i], GTK_POS_BOTTOM, NULL);
}

static void set_direction(LkSlider *slider, const LkDirection *direction)
{
    double step = direction->step > 0 ? direction->step : 0.1;

    slider->ends[0] = direction->minimum;
    slider->ends[1] = direction->maximum;
    slider->safe[0] = direction->safe_minimum;
    slider->safe[1] = direction->safe_maximum;
    slider->digits = CLAMP((int)ceil(-log10(step) - 1e-6), 0, 4);
    slider->quiet = TRUE;
    gtk_adjustment_configure(slider->adjustment, 0, direction->minimum, direction->maximum, step, 10 * step,
                             0);
    slider->quiet = FALSE;
    gtk_range_set_round_digits(GTK_RANGE(slider->scale), slider->digits);
    show_marks(slider);
    describe(slider, direction);
    show_value(slider);
}

void lk_slider_set_value(LkSlider *slider, double value)
{
    g_return_if_fail(LK_IS_SLIDER(slider));
    if (value == slider->current)
        return;
    slider->current = value;
    slider->quiet = TRUE;
    gtk_adjustment_set_value(slider->adjustment, value);
    slider->quiet = FALSE;
    show_value(slider);
}

double lk_slider_get_value(LkSlider *slider)
{
    g_return_val_if_fail(LK_IS_SLIDER(slider), 0);
    return slider->current;
}

void lk_slider_set_neutral(LkSlider *slider, double neutral)
{
    g_return_if_fail(LK_IS_SLIDER(slider));
    if (neutral == slider->neutral)
        return;
    slider->neutral = neutral;
    show_marks(slider);
    show_value(slider);
}

gboolean lk_slider_get_modified(LkSlider *slider)
{
    g_return_val_if_fail(LK_IS_SLIDER(slider), FALSE);
    return slider->modified;
}

gboolean lk_slider_matches(LkSlider *slider, const char *const *words)
{
    g_return_val_if_fail(LK_IS_SLIDER(slider), FALSE);
    for (; *words != NULL; words++)
        if (strstr(slider->words, *words) == NULL)
            return FALSE;
    return TRUE;
}

GtkWidget *lk_slider_get_scale(LkSlider *slider)
{
    g_return_val_if_fail(LK_IS_SLIDER(slider), NULL);
    return GTK_WIDGET(slider->scale);
}

static void lk_slider_get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    if (id == PROP_MODIFIED)
        g_value_set_boolean(value, LK_SLIDER(object)->modified);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void lk_slider_finalize(GObject *object)
{
    g_free(LK_SLIDER(object)->words);
    G_OBJECT_CLASS(lk_slider_parent_class)->finalize(object);
}

static void lk_slider_class_init(LkSliderClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->get_property = lk_slider_get_property;
    G_OBJECT_CLASS(klass)->finalize = lk_slider_finalize;
    properties[PROP_MODIFIED] = g_param_spec_boolean(
        "modified", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(G_OBJECT_CLASS(klass), N_PROPERTIES, properties);
    changed_signal = g_signal_new("changed", LK_TYPE_SLIDER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 2, G_TYPE_DOUBLE, G_TYPE_BOOLEAN);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/slider.ui");
    gtk_widget_class_bind_template_child(widget_class, LkSlider, name);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, value);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, reset);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, scale);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, adjustment);
    gtk_widget_class_bind_template_callback(widget_class, on_change_value);
    gtk_widget_class_bind_template_callback(widget_class, on_value_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_reset);
}

/* The wheel scrolls the panel: who passes over a slider on the way does not want to move it. */
static void ignore_wheel(GtkWidget *scale)
{
    g_autoptr(GListModel) controllers = gtk_widget_observe_controllers(scale);

    for (guint i = g_list_model_get_n_items(controllers); i > 0; i--) {
        g_autoptr(GtkEventController) controller = g_list_model_get_item(controllers, i - 1);
        if (GTK_IS_EVENT_CONTROLLER_SCROLL(controller))
            gtk_widget_remove_controller(scale, controller);
    }
}

static void lk_slider_init(LkSlider *slider)
{
    gtk_widget_init_template(GTK_WIDGET(slider));
    gtk_widget_set_sensitive(GTK_WIDGET(slider->reset), FALSE);
    ignore_wheel(GTK_WIDGET(slider->scale));
}

GtkWidget *lk_slider_new(const LkDirection *direction)
{
    LkSlider *slider = g_object_new(LK_TYPE_SLIDER, NULL);

    set_direction(slider, direction);
    return GTK_WIDGET(slider);
}
