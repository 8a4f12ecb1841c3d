/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "slider.h"

#include <glib/gi18n.h>
#include <math.h>

struct _LkSlider {
    GtkBox parent_instance;

    GtkLabel *name, *value;
    GtkButton *reset;
    GtkScale *scale;
    GtkAdjustment *adjustment;
    double safe_minimum, safe_maximum;
    int digits;
    gboolean quiet; /* the value is being set from outside */
};

G_DEFINE_FINAL_TYPE(LkSlider, lk_slider, GTK_TYPE_BOX)

static guint changed_signal;

/* What models call their directions; their files carry the English label. */
static const char *const known_labels[] G_GNUC_UNUSED = {N_("Age"), N_("Smile"), N_("Pose")};

/* With a sign, a proper minus, and as many digits as a step has. */
static char *format_value(const LkSlider *slider, double value)
{
    double step = pow(10, -slider->digits);
    const char *sign = value > step / 2 ? "+" : value < -step / 2 ? "\u2212" : "";

    return g_strdup_printf("%s%.*f", sign, slider->digits, fabs(value));
}

static gboolean is_safe(const LkSlider *slider, double value)
{
    return value >= slider->safe_minimum - 1e-6 && value <= slider->safe_maximum + 1e-6;
}

static void show_value(LkSlider *slider)
{
    double value = gtk_adjustment_get_value(slider->adjustment);
    g_autofree char *text = format_value(slider, value);
    g_autofree char *spoken = NULL;

    gtk_label_set_text(slider->value, text);
    gtk_widget_set_sensitive(GTK_WIDGET(slider->reset), value != 0);
    if (is_safe(slider, value)) {
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
}

static void on_value_changed(LkSlider *slider)
{
    show_value(slider);
    if (!slider->quiet)
        g_signal_emit(slider, changed_signal, 0, gtk_adjustment_get_value(slider->adjustment), FALSE);
}

static void on_reset(LkSlider *slider)
{
    lk_slider_set_value(slider, 0);
    g_signal_emit(slider, changed_signal, 0, 0.0, TRUE);
    gtk_widget_grab_focus(GTK_WIDGET(slider->scale));
}

static void describe(LkSlider *slider, const LkDirection *direction)
{
    const char *label = _(direction->label);
    g_autofree char *low = format_value(slider, direction->safe_minimum);
    g_autofree char *high = format_value(slider, direction->safe_maximum);
    /* Translators: a slider's description; %s are numbers such as −3.0 and +3.0 */
    g_autofree char *description = g_strdup_printf(_("Results look natural from %s to %s"), low, high);
    /* Translators: %s is a slider's name, such as Age */
    g_autofree char *reset = g_strdup_printf(_("Reset “%s”"), label);

    gtk_label_set_text(slider->name, label);
    gtk_widget_set_tooltip_text(GTK_WIDGET(slider->reset), reset);
    gtk_accessible_update_property(GTK_ACCESSIBLE(slider->reset), GTK_ACCESSIBLE_PROPERTY_LABEL, reset, -1);
    gtk_accessible_update_property(GTK_ACCESSIBLE(slider->scale), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                   description, -1);
}

static void add_marks(LkSlider *slider, const LkDirection *direction)
{
    gtk_scale_add_mark(slider->scale, 0, GTK_POS_BOTTOM, NULL);
    if (direction->safe_minimum > direction->minimum)
        gtk_scale_add_mark(slider->scale, direction->safe_minimum, GTK_POS_BOTTOM, NULL);
    if (direction->safe_maximum < direction->maximum)
        gtk_scale_add_mark(slider->scale, direction->safe_maximum, GTK_POS_BOTTOM, NULL);
}

static void set_direction(LkSlider *slider, const LkDirection *direction)
{
    double step = direction->step > 0 ? direction->step : 0.1;

    slider->safe_minimum = direction->safe_minimum;
    slider->safe_maximum = direction->safe_maximum;
    slider->digits = CLAMP((int)ceil(-log10(step) - 1e-6), 0, 4);
    slider->quiet = TRUE;
    gtk_adjustment_configure(slider->adjustment, 0, direction->minimum, direction->maximum, step, 10 * step,
                             0);
    slider->quiet = FALSE;
    gtk_range_set_round_digits(GTK_RANGE(slider->scale), slider->digits);
    add_marks(slider, direction);
    describe(slider, direction);
    show_value(slider);
}

void lk_slider_set_value(LkSlider *slider, double value)
{
    g_return_if_fail(LK_IS_SLIDER(slider));
    slider->quiet = TRUE;
    gtk_adjustment_set_value(slider->adjustment, value);
    slider->quiet = FALSE;
}

double lk_slider_get_value(LkSlider *slider)
{
    g_return_val_if_fail(LK_IS_SLIDER(slider), 0);
    return gtk_adjustment_get_value(slider->adjustment);
}

GtkWidget *lk_slider_get_scale(LkSlider *slider)
{
    g_return_val_if_fail(LK_IS_SLIDER(slider), NULL);
    return GTK_WIDGET(slider->scale);
}

static void lk_slider_class_init(LkSliderClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    changed_signal = g_signal_new("changed", LK_TYPE_SLIDER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 2, G_TYPE_DOUBLE, G_TYPE_BOOLEAN);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/slider.ui");
    gtk_widget_class_bind_template_child(widget_class, LkSlider, name);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, value);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, reset);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, scale);
    gtk_widget_class_bind_template_child(widget_class, LkSlider, adjustment);
    gtk_widget_class_bind_template_callback(widget_class, on_value_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_reset);
}

static void lk_slider_init(LkSlider *slider)
{
    gtk_widget_init_template(GTK_WIDGET(slider));
}

GtkWidget *lk_slider_new(const LkDirection *direction)
{
    LkSlider *slider = g_object_new(LK_TYPE_SLIDER, NULL);

    set_direction(slider, direction);
    return GTK_WIDGET(slider);
}
