/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "paths.h"
#include "window-private.h"

#include <glib/gi18n.h>

G_DEFINE_FINAL_TYPE(LkWindow, lk_window, ADW_TYPE_APPLICATION_WINDOW)

gboolean lk_window_has_photo(LkWindow *window)
{
    return window->session != NULL && lk_session_get_photo(window->session) != NULL;
}

LkSession *lk_window_get_session(LkWindow *window)
{
    g_return_val_if_fail(LK_IS_WINDOW(window), NULL);
    return window->session;
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* A toast's own title is a single line; what went wrong with a file seldom fits one. */
void lk_window_show_message(LkWindow *window, const char *text)
{
    AdwToast *toast = adw_toast_new("");
    GtkWidget *label = gtk_label_new(text);

    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_max_width_chars(GTK_LABEL(label), 60);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    adw_toast_set_custom_title(toast, label);
    adw_toast_set_timeout(toast, 8);
    adw_toast_overlay_add_toast(window->toasts, toast);
}

/* As a page where there is nothing else to show, over the photo where there is one. */
void lk_window_show_error(LkWindow *window, const char *title, const char *message, gboolean about_model)
{
    g_autofree char *escaped = g_markup_escape_text(message, -1);

    if (lk_window_has_photo(window)) {
        lk_window_show_message(window, message);
        return;
    }
    adw_status_page_set_title(window->failed, title);
    adw_status_page_set_description(window->failed, escaped);
    gtk_widget_set_visible(window->open_another, !about_model);
    gtk_widget_set_visible(window->choose_model, about_model);
    gtk_stack_set_visible_child_name(window->pages, "failed");
    gtk_widget_grab_focus(about_model ? window->choose_model : window->open_another);
}

/* ---- session ------------------------------------------------------------------------------------- */

void lk_window_show_values(LkWindow *window)
{
    for (guint i = 0; i < lk_model_n_directions(lk_session_get_model(window->session)); i++)
        lk_panel_set_value(window->panel, i, lk_session_get_value(window->session, i));
}

/* Of all directions of the model. Free with g_free. */
static float *read_values(LkWindow *window, float (*get)(LkSession *session, guint direction))
{
    guint n = lk_model_n_directions(lk_session_get_model(window->session));
    float *values = g_new(float, MAX(n, 1));

    for (guint i = 0; i < n; i++)
        values[i] = get(window->session, i);
    return values;
}

void lk_window_start_values(LkWindow *window)
{
    guint n_faces;

    lk_session_get_quads(window->session, &n_faces);
    g_ptr_array_set_size(window->histories, 0);
    g_ptr_array_set_size(window->histories, (int)MAX(n_faces, 1));
    lk_window_show_face(window);
}

void lk_window_show_face(LkWindow *window)
{
    guint n = lk_model_n_directions(lk_session_get_model(window->session));
    g_autofree float *neutral = read_values(window, lk_session_get_neutral);
    g_autofree float *values = read_values(window, lk_session_get_value);
    guint face = lk_session_get_face(window->session);
    gpointer *history;

    /* One that was placed by hand comes after those that were there. */
    if (window->histories->len <= face)
        g_ptr_array_set_size(window->histories, (int)face + 1);
    history = &g_ptr_array_index(window->histories, face);
    if (*history == NULL)
        *history = lk_history_new(n, values);
    window->history = *history;
    for (guint i = 0; i < n; i++)
        lk_panel_set_neutral(window->panel, i, neutral[i]);
    lk_window_show_values(window);
    lk_window_update_actions(window);
}

static void record_values(LkWindow *window, int direction)
{
    g_autofree float *values = read_values(window, lk_session_get_value);

    lk_history_record(window->history, values, direction, g_get_monotonic_time());
    lk_window_update_actions(window);
}

/* A reset is undone by itself, however soon it follows a move of the same slider. */
static void on_slider_changed(LkPanel *panel, guint direction, double value, gboolean reset, LkWindow *window)
{
    if (!lk_window_has_photo(window))
        return;
    lk_session_set_value(window->session, direction, (float)value);
    record_values(window, reset ? -1 : (int)direction);
}

void lk_window_show_picture(LkWindow *window)
{
    guint n;
    const LkQuad *quads = lk_session_get_quads(window->session, &n);

    /* Perhaps in another photo; it is shown when that ends. */
    if (window->placing != NULL)
        return;
    lk_canvas_set_photo(window->canvas, lk_session_get_photo(window->session));
    lk_canvas_set_faces(window->canvas, quads, n, lk_session_get_face(window->session));
    for (guint i = 0; i < n; i++)
        lk_canvas_set_piece(window->canvas, i, lk_session_get_piece(window->session, i));
}

static void on_face_clicked(LkCanvas *canvas, guint face, LkWindow *window)
{
    lk_window_choose_face(window, face);
}

static void on_picture(LkSession *session, LkPhoto *face, LkWindow *window)
{
    lk_window_show_picture(window);
}

static void on_half_precision(LkSession *session, LkWindow *window)
{
    lk_window_show_message(
        window, _("The device’s memory does not suffice for full precision. Pictures are made with "
                  "half precision, and look nearly the same."));
}

static void on_detail_changed(LkPanel *panel, double detail, LkWindow *window)
{
    if (lk_window_has_photo(window))
        lk_session_set_detail(window->session, detail);
}

static void on_detail(LkSession *session, GParamSpec *pspec, LkWindow *window)
{
    lk_panel_set_detail(window->panel, lk_session_get_detail(session));
}

/* "failed" and "warning". */
static void on_message(LkSession *session, const char *message, LkWindow *window)
{
    lk_window_show_message(window, message);
}

static void on_unsaved(LkSession *session, GParamSpec *pspec, LkWindow *window)
{
    if (window->file != NULL)
        lk_window_show_name(window);
}

void lk_window_show_state(LkWindow *window)
{
    LkSessionState state = lk_session_get_state(window->session);
    gboolean opening = state == LK_SESSION_OPENING;

    gtk_revealer_set_reveal_child(window->working, state == LK_SESSION_BUSY);
    if (opening)
        gtk_widget_set_visible(GTK_WIDGET(window->opening), TRUE);
    gtk_revealer_set_reveal_child(window->opening, opening);
    gtk_widget_set_sensitive(GTK_WIDGET(window->panel),
                             lk_window_has_photo(window) && !opening && window->placing == NULL);
    lk_window_update_actions(window);
}

/* The card takes no clicks once it has faded away. */
static void on_opening_faded(GtkRevealer *revealer, GParamSpec *pspec, gpointer data)
{
    if (!gtk_revealer_get_child_revealed(revealer) && !gtk_revealer_get_reveal_child(revealer))
        gtk_widget_set_visible(GTK_WIDGET(revealer), FALSE);
}

static void on_mode(LkSession *session, GParamSpec *pspec, LkWindow *window)
{
    GAction *action = g_action_map_lookup_action(G_ACTION_MAP(window), "inversion");
    gboolean e4e = lk_session_get_mode(session) == LK_INVERSION_WPLUS;

    g_simple_action_set_state(G_SIMPLE_ACTION(action), g_variant_new_string(e4e ? "e4e" : "styleres"));
}

void lk_window_start_session(LkWindow *window, LkModel *model)
{
    LkEditorOptions options = {.model = lk_model_path(model), .device = window->device};
    g_autoptr(GFile) waiting = g_steal_pointer(&window->waiting);

    window->session = lk_session_new(&options, model);
    lk_window_show_model(window);
    lk_panel_set_detail(window->panel, lk_session_get_detail(window->session));
    g_signal_connect_object(window->session, "picture", G_CALLBACK(on_picture), window, 0);
    g_signal_connect_object(window->session, "failed", G_CALLBACK(on_message), window, 0);
    g_signal_connect_object(window->session, "warning", G_CALLBACK(on_message), window, 0);
    g_signal_connect_object(window->session, "notify::unsaved", G_CALLBACK(on_unsaved), window, 0);
    g_signal_connect_object(window->session, "notify::state", G_CALLBACK(lk_window_show_state), window,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(window->session, "notify::mode", G_CALLBACK(on_mode), window, 0);
    g_signal_connect_object(window->session, "half-precision", G_CALLBACK(on_half_precision), window, 0);
    g_signal_connect_object(window->session, "notify::detail", G_CALLBACK(on_detail), window, 0);
    g_signal_connect_object(window->session, "notify::model", G_CALLBACK(lk_window_show_model), window,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(window->session, "notify::modified", G_CALLBACK(lk_window_update_actions), window,
                            G_CONNECT_SWAPPED);
    gtk_stack_set_visible_child_name(window->pages, "empty");
    lk_window_update_actions(window);
    if (waiting != NULL)
        lk_window_open_now(window, waiting);
}

void lk_window_open(LkWindow *window, GFile *file)
{
    g_return_if_fail(LK_IS_WINDOW(window));
    if (window->session != NULL)
        lk_window_open_now(window, file);
    else
        g_set_object(&window->waiting, file);
}

/* ---- input --------------------------------------------------------------------------------------- */

static void set_comparing(LkWindow *window, gboolean comparing)
{
    g_action_group_change_action_state(G_ACTION_GROUP(window), "compare", g_variant_new_boolean(comparing));
}

static void on_compare_pressed(GtkWidget *button, GtkStateFlags before, LkWindow *window)
{
    gboolean pressed = (gtk_widget_get_state_flags(button) & GTK_STATE_FLAG_ACTIVE) != 0;

    if (pressed != ((before & GTK_STATE_FLAG_ACTIVE) != 0))
        set_comparing(window, pressed);
}

static gboolean is_compare_key(guint key, GdkModifierType state)
{
    return (key == GDK_KEY_c || key == GDK_KEY_C) &&
           (state & (GDK_CONTROL_MASK | GDK_ALT_MASK | GDK_SUPER_MASK)) == 0;
}

/* Where text is typed a letter is a letter. */
static gboolean is_typing(LkWindow *window)
{
    GtkWidget *focus = gtk_root_get_focus(GTK_ROOT(window));

    return focus != NULL && GTK_IS_EDITABLE(focus);
}

static gboolean on_key_pressed(GtkEventControllerKey *keys, guint key, guint code, GdkModifierType state,
                               LkWindow *window)
{
    if (key == GDK_KEY_Escape && window->placing != NULL) {
        lk_window_stop_placing(window);
        return GDK_EVENT_STOP;
    }
    if (!is_compare_key(key, state) || !lk_window_has_photo(window) || is_typing(window))
        return GDK_EVENT_PROPAGATE;
    set_comparing(window, TRUE);
    return GDK_EVENT_STOP;
}

static void on_key_released(GtkEventControllerKey *keys, guint key, guint code, GdkModifierType state,
                            LkWindow *window)
{
    if (is_compare_key(key, 0))
        set_comparing(window, FALSE);
}

/* The key may be let go in another window. */
static void on_active_changed(LkWindow *window, GParamSpec *pspec, gpointer data)
{
    if (!gtk_window_is_active(GTK_WINDOW(window)))
        set_comparing(window, FALSE);
}

static gboolean on_drop(GtkDropTarget *target, const GValue *value, double x, double y, LkWindow *window)
{
    g_autoptr(GListStore) files = g_list_store_new(G_TYPE_FILE);

    for (GSList *file = g_value_get_boxed(value); file != NULL; file = file->next)
        g_list_store_append(files, file->data);
    lk_window_take_files(window, G_LIST_MODEL(files));
    return g_list_model_get_n_items(G_LIST_MODEL(files)) > 0;
}

/* ---- window -------------------------------------------------------------------------------------- */

static void bind_settings(LkWindow *window)
{
    window->settings = lk_settings_new();
    if (window->settings == NULL)
        return;
    g_settings_bind(window->settings, "window-width", window, "default-width", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(window->settings, "window-height", window, "default-height", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(window->settings, "maximized", window, "maximized", G_SETTINGS_BIND_DEFAULT);
}

static gboolean destroy(gpointer window)
{
    gtk_window_destroy(GTK_WINDOW(window));
    return G_SOURCE_REMOVE;
}

/* The dialog in which that was decided is still dealing with the click, and belongs to this window. */
static void close_soon(LkWindow *window, GFile *file)
{
    g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, destroy, g_object_ref(window), g_object_unref);
}

static gboolean lk_window_close_request(GtkWindow *window)
{
    if (lk_window_keep_edit(LK_WINDOW(window), close_soon, NULL))
        return TRUE;
    return GTK_WINDOW_CLASS(lk_window_parent_class)->close_request(window);
}

static void lk_window_dispose(GObject *object)
{
    LkWindow *window = LK_WINDOW(object);

    if (window->cancellable != NULL)
        g_cancellable_cancel(window->cancellable);
    if (window->model_cancellable != NULL)
        g_cancellable_cancel(window->model_cancellable);
    if (window->face_cancellable != NULL)
        g_cancellable_cancel(window->face_cancellable);
    lk_window_forget_import(window);
    lk_window_forget_placing(window);
    g_clear_object(&window->cancellable);
    g_clear_object(&window->model_cancellable);
    g_clear_object(&window->face_cancellable);
    g_clear_object(&window->chooser);
    g_clear_pointer(&window->export_dialog, gtk_window_destroy);
    g_clear_pointer(&window->keep_dialog, gtk_window_destroy);
    g_clear_object(&window->session);
    g_clear_object(&window->settings);
    g_clear_object(&window->waiting);
    g_clear_object(&window->file);
    window->history = NULL;
    g_clear_pointer(&window->histories, g_ptr_array_unref);
    g_clear_pointer(&window->sample, g_free);
    g_clear_pointer(&window->device, g_free);
    G_OBJECT_CLASS(lk_window_parent_class)->dispose(object);
}

static void bind_children(GtkWidgetClass *widget_class)
{
    gtk_widget_class_bind_template_child(widget_class, LkWindow, title);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, toasts);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, pages);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, failed);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, open_another);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, choose_model);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, open_sample);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, flap);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, canvas);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, panel);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, opening);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, opening_text);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, working);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, placing_bar);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, placing_text);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, models);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, menu_button);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, import_bar);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, import_title);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, import_step);
    gtk_widget_class_bind_template_child(widget_class, LkWindow, import_progress);
}

static void lk_window_class_init(LkWindowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->dispose = lk_window_dispose;
    GTK_WINDOW_CLASS(klass)->close_request = lk_window_close_request;
    g_type_ensure(LK_TYPE_CANVAS);
    g_type_ensure(LK_TYPE_PANEL);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/likeness/Likeness/window.ui");
    bind_children(widget_class);
    gtk_widget_class_bind_template_callback(widget_class, on_active_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_compare_pressed);
    gtk_widget_class_bind_template_callback(widget_class, on_detail_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_face_clicked);
    gtk_widget_class_bind_template_callback(widget_class, on_key_pressed);
    gtk_widget_class_bind_template_callback(widget_class, on_key_released);
    gtk_widget_class_bind_template_callback(widget_class, on_slider_changed);
}

static void add_drop_target(LkWindow *window)
{
    GtkDropTarget *drop = gtk_drop_target_new(GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

    g_signal_connect(drop, "drop", G_CALLBACK(on_drop), window);
    gtk_widget_add_controller(GTK_WIDGET(window->pages), GTK_EVENT_CONTROLLER(drop));
}

static void lk_window_init(LkWindow *window)
{
    gtk_widget_init_template(GTK_WIDGET(window));
    window->histories = g_ptr_array_new_with_free_func((GDestroyNotify)lk_history_free);
    g_signal_connect(window->opening, "notify::child-revealed", G_CALLBACK(on_opening_faded), NULL);
    g_signal_connect_swapped(gtk_menu_button_get_popover(window->menu_button), "show",
                             G_CALLBACK(lk_window_list_models), window);
    add_drop_target(window);
    bind_settings(window);
    window->sample = lk_sample_path();
    gtk_widget_set_visible(window->open_sample, window->sample != NULL);
    lk_window_add_actions(window);
    lk_window_update_actions(window);
}

LkWindow *lk_window_new(AdwApplication *application, const char *model, const char *device)
{
    LkWindow *window = g_object_new(LK_TYPE_WINDOW, "application", application, NULL);

    window->device = g_strdup(device);
    if (model != NULL)
        lk_window_load_model(window, model);
    else
        lk_window_load_usual_model(window);
    return window;
}
