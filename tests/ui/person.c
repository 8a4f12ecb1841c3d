/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "input.h"
#include "person.h"

#include <glib/gstdio.h>

GApplication *application;
LkWindow *window;
LkCanvas *canvas;
LkPanel *panel;
char *folder;
static int status;

LkSession *session(void)
{
    return lk_window_get_session(window);
}

gboolean is_ready(void)
{
    return session() != NULL && lk_session_get_state(session()) == LK_SESSION_READY;
}

/* A picture of the values of now is shown. */
gboolean is_settled(void)
{
    g_autoptr(LkPhoto) picture = is_ready() ? lk_session_copy_picture(session()) : NULL;

    return picture != NULL && probe_shows(canvas, picture);
}

gboolean is_settled_away(void)
{
    double x, y;

    middle_of(GTK_WIDGET(panel), &x, &y);
    input_move(GTK_WIDGET(panel), x, y);
    probe_run(50);
    return is_settled();
}

GtkWidget *scale_of(guint direction)
{
    return lk_slider_get_scale(lk_panel_get_slider(panel, direction));
}

GtkWidget *button_with_icon(const char *icon)
{
    GtkWidget *button = probe_find(GTK_WIDGET(window), GTK_TYPE_BUTTON, "icon-name", icon);

    g_assert_nonnull(button);
    return button;
}

gboolean slider_is(guint direction, double value)
{
    return ABS(lk_slider_get_value(lk_panel_get_slider(panel, direction)) - value) < 1e-5 &&
           ABS(lk_session_get_value(session(), direction) - value) < 1e-5;
}

void middle_of(GtkWidget *widget, double *x, double *y)
{
    *x = gtk_widget_get_width(widget) / 2.0;
    *y = gtk_widget_get_height(widget) / 2.0;
}

void press_on(GtkWidget *widget)
{
    double x, y;

    middle_of(widget, &x, &y);
    input_move(widget, x, y);
    input_button(TRUE);
    probe_run(100);
}

/* The pointer does not rest on the widget: a tooltip that comes up may lie in the way of the next click. */
void click(GtkWidget *widget)
{
    double x, y;

    press_on(widget);
    input_button(FALSE);
    middle_of(GTK_WIDGET(canvas), &x, &y);
    input_move(GTK_WIDGET(canvas), x, y);
    probe_run(100);
}

void type(guint keyval)
{
    input_key(keyval, TRUE);
    input_key(keyval, FALSE);
    probe_run(50);
}

void type_with(guint modifier_keyval, guint keyval)
{
    input_key(modifier_keyval, TRUE);
    type(keyval);
    input_key(modifier_keyval, FALSE);
    probe_run(50);
}

guint64 hash_of(LkPhoto *photo)
{
    g_autoptr(GBytes) bytes = lk_photo_bytes(photo);

    return g_bytes_hash(bytes);
}

guint64 canvas_hash(void)
{
    g_autoptr(LkPhoto) grabbed = probe_grab(canvas);

    return hash_of(grabbed);
}

GtkWidget *find_message(const char *text)
{
    return probe_find(GTK_WIDGET(window), GTK_TYPE_LABEL, "label", text);
}

GtkWidget *find_dialog(GType type)
{
    GListModel *toplevels = gtk_window_get_toplevels();

    for (guint i = 0; i < g_list_model_get_n_items(toplevels); i++) {
        g_autoptr(GtkWidget) toplevel = g_list_model_get_item(toplevels, i);
        if (G_TYPE_CHECK_INSTANCE_TYPE(toplevel, type) && gtk_widget_get_mapped(toplevel))
            return toplevel;
    }
    return NULL;
}

void answer(GtkWidget *dialog, const char *label)
{
    GtkWidget *button = probe_find(dialog, GTK_TYPE_BUTTON, "label", label);

    g_assert_nonnull(button);
    click(button);
}

void answer_question(const char *label)
{
    PROBE_WAIT(find_dialog(ADW_TYPE_MESSAGE_DIALOG) != NULL, 10);
    probe_run(300); /* until it has come up */
    answer(find_dialog(ADW_TYPE_MESSAGE_DIALOG), label);
    PROBE_WAIT(find_dialog(ADW_TYPE_MESSAGE_DIALOG) == NULL, 10);
}

void open_path(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    const gboolean unsaved = lk_session_get_unsaved(session());

    g_application_open(application, &file, 1, "");
    if (unsaved)
        answer_question("Discard");
}

static void on_activated(GObject *bus, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);

    g_assert_no_error(error);
}

/* The way of scripts: the action that GTK exports on the bus. */
void activate_on_bus(const char *action, GVariant *parameter)
{
    GDBusConnection *bus = g_application_get_dbus_connection(application);
    g_autofree char *path = g_strdup_printf("%s/window/%u", g_application_get_dbus_object_path(application),
                                            gtk_application_window_get_id(GTK_APPLICATION_WINDOW(window)));
    GVariantBuilder parameters;

    g_assert_nonnull(bus);
    g_variant_builder_init(&parameters, G_VARIANT_TYPE("av"));
    if (parameter != NULL)
        g_variant_builder_add(&parameters, "v", parameter);
    g_dbus_connection_call(bus, LK_APP_ID, path, "org.gtk.Actions", "Activate",
                           g_variant_new("(sav@a{sv})", action, &parameters, g_variant_new("a{sv}", NULL)),
                           NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_activated, NULL);
}

static gboolean run_tests(gpointer data)
{
    window = LK_WINDOW(gtk_application_get_active_window(GTK_APPLICATION(application)));
    canvas = LK_CANVAS(probe_find(GTK_WIDGET(window), LK_TYPE_CANVAS, NULL, NULL));
    panel = LK_PANEL(probe_find(GTK_WIDGET(window), LK_TYPE_PANEL, NULL, NULL));
    PROBE_WAIT(gtk_widget_get_mapped(GTK_WIDGET(window)), 30);
    input_open();
    input_focus(GTK_WIDGET(window));
    status = g_test_run();
    input_close();
    if (window != NULL)
        gtk_window_destroy(GTK_WINDOW(window)); /* no question about the edit */
    return G_SOURCE_REMOVE;
}

static void on_window_added(GtkApplication *app, GtkWindow *added, gpointer data)
{
    if (window == NULL)
        g_idle_add(run_tests, NULL);
    g_signal_handlers_disconnect_by_func(app, on_window_added, data);
}

static void remove_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
    g_clear_pointer(&folder, g_free);
}

int person_run(int argc, char **argv, void (*at_end)(void))
{
    if (folder == NULL)
        folder = g_dir_make_tmp("likeness-XXXXXX", NULL);
    application = G_APPLICATION(lk_application_new());
    g_signal_connect(application, "window-added", G_CALLBACK(on_window_added), NULL);
    status |= g_application_run(application, argc, argv);
    g_object_unref(application);
    if (at_end != NULL)
        at_end();
    remove_folder();
    return status;
}
