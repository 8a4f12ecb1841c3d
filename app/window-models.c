/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "labels.h"
#include "window-private.h"

#include <glib/gi18n.h>
#include <string.h>

static gboolean is_builtin(const char *path)
{
    g_autofree char *builtin = lk_model_builtin_path();

    return strcmp(path, builtin) == 0;
}

/* ---- menu ---------------------------------------------------------------------------------------- */

/* What the action and the settings call a model: its path, or nothing for the built-in one. */
static GVariant *target_of(const char *path)
{
    return g_variant_new_bytestring(is_builtin(path) ? "" : path);
}

static void append_model(GMenu *menu, const char *path)
{
    g_autofree char *label = lk_label_of_model(path);
    g_auto(GStrv) parts = g_strsplit(label, "_", -1);
    /* A single underscore would be taken for a mnemonic's. */
    g_autofree char *escaped = g_strjoinv("__", parts);
    g_autoptr(GMenuItem) item = g_menu_item_new(escaped, NULL);

    g_menu_item_set_action_and_target_value(item, "win.model", target_of(path));
    g_menu_append_item(menu, item);
}

static const char *current_path(LkWindow *window)
{
    return window->session != NULL ? lk_model_path(lk_session_get_model(window->session)) : NULL;
}

/* Files come and go, so the list is made whenever the menu opens. */
void lk_window_list_models(LkWindow *window)
{
    g_autoptr(GPtrArray) paths = lk_model_list();
    g_autofree char *builtin = lk_model_builtin_path();
    const char *current = current_path(window);

    if (current != NULL && !g_ptr_array_find_with_equal_func(paths, current, g_str_equal, NULL))
        g_ptr_array_add(paths, g_strdup(current));
    g_menu_remove_all(window->models);
    append_model(window->models, builtin);
    for (guint i = 0; i < paths->len; i++)
        if (!is_builtin(g_ptr_array_index(paths, i)))
            append_model(window->models, g_ptr_array_index(paths, i));
}

static void show_current(LkWindow *window)
{
    GAction *action = g_action_map_lookup_action(G_ACTION_MAP(window), "model");

    if (current_path(window) != NULL)
        g_simple_action_set_state(G_SIMPLE_ACTION(action), target_of(current_path(window)));
}

/* ---- session ------------------------------------------------------------------------------------- */

/* Of a session whose model is new. */
void lk_window_show_model(LkWindow *window)
{
    lk_panel_set_model(window->panel, lk_session_get_model(window->session));
    lk_window_start_values(window);
    show_current(window);
    lk_window_list_models(window);
}

static void remember(LkWindow *window, const char *path)
{
    if (window->settings != NULL)
        g_settings_set_value(window->settings, "model", target_of(path));
}

static void on_model_set(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LkWindow) window = data;
    g_autoptr(GError) error = NULL;
    gboolean set = lk_session_set_model_finish(LK_SESSION(source), result, &error);

    if (gtk_widget_in_destruction(GTK_WIDGET(window)) || window->session == NULL)
        return;
    if (!lk_window_has_photo(window) && lk_session_get_state(window->session) == LK_SESSION_EMPTY)
        gtk_stack_set_visible_child_name(window->pages, "empty");
    if (set)
        remember(window, current_path(window));
    else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        lk_window_show_message(window, error->message);
}

static void switch_model(LkWindow *window, LkModel *model)
{
    g_autofree char *label = lk_label_of_model(lk_model_path(model));
    /* Translators: %s is a model's name */
    g_autofree char *text = g_strdup_printf(_("Changing to the model “%s”"), label);

    g_clear_object(&window->model_cancellable);
    window->model_cancellable = g_cancellable_new();
    gtk_label_set_text(window->opening_text, text);
    /* The page on which the work is shown. */
    gtk_stack_set_visible_child_name(window->pages, "editor");
    lk_session_set_model_async(window->session, model, window->model_cancellable, on_model_set,
                               g_object_ref(window));
}

/* ---- loading ------------------------------------------------------------------------------------- */

typedef struct {
    char *path; /* NULL: the built-in one */
    gboolean remembered;
} Loading;

static void loading_free(Loading *loading)
{
    g_free(loading->path);
    g_free(loading);
}

static void load(LkWindow *window, const char *path, gboolean remembered);

static void load_model(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Loading *loading = data;
    g_autofree char *builtin = lk_model_builtin_path();
    GError *error = NULL;
    LkModel *model = lk_model_open(loading->path != NULL ? loading->path : builtin, &error);

    if (model != NULL)
        g_task_return_pointer(task, model, (GDestroyNotify)lk_model_unref);
    else
        g_task_return_error(task, error);
}

static void loading_failed(LkWindow *window, const Loading *loading, const GError *error)
{
    if (window->session != NULL || loading->remembered)
        lk_window_show_message(window, error->message);
    else
        lk_window_show_error(window, _("The Model Cannot Be Used"), error->message, TRUE);
    if (window->session == NULL && loading->remembered)
        load(window, NULL, FALSE);
}

static void on_model_loaded(GObject *source, GAsyncResult *result, gpointer data)
{
    LkWindow *window = LK_WINDOW(source);
    const Loading *loading = g_task_get_task_data(G_TASK(result));
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = g_task_propagate_pointer(G_TASK(result), &error);

    /* Of several, the one chosen last. */
    if (gtk_widget_in_destruction(GTK_WIDGET(window)) || window->loading != (gpointer)result)
        return;
    window->loading = NULL;
    if (model == NULL)
        loading_failed(window, loading, error);
    else if (window->session != NULL)
        switch_model(window, model);
    else
        lk_window_start_session(window, model);
}

static void load(LkWindow *window, const char *path, gboolean remembered)
{
    g_autoptr(GTask) task = g_task_new(window, NULL, on_model_loaded, NULL);
    Loading *loading = g_new(Loading, 1);

    *loading = (Loading){g_strdup(path), remembered};
    g_task_set_source_tag(task, load);
    g_task_set_task_data(task, loading, (GDestroyNotify)loading_free);
    window->loading = task;
    g_task_run_in_thread(task, load_model);
}

char *lk_window_model_path(LkWindow *window)
{
    const Loading *loading = window->loading != NULL ? g_task_get_task_data(window->loading) : NULL;

    if (current_path(window) != NULL)
        return g_strdup(current_path(window));
    return loading != NULL && loading->path != NULL ? g_strdup(loading->path) : lk_model_builtin_path();
}

void lk_window_load_model(LkWindow *window, const char *path)
{
    load(window, path, FALSE);
}

void lk_window_load_usual_model(LkWindow *window)
{
    g_autoptr(GVariant) value =
        window->settings != NULL ? g_settings_get_value(window->settings, "model") : NULL;
    const char *path = value != NULL ? g_variant_get_bytestring(value) : "";

    load(window, *path != '\0' ? path : NULL, *path != '\0');
}

void lk_window_choose_model(GSimpleAction *action, GVariant *target, gpointer data)
{
    const char *path = g_variant_get_bytestring(target);

    lk_window_load_model(data, *path != '\0' ? path : NULL);
}
