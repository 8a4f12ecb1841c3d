/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "window-private.h"

#include <glib/gi18n.h>

/* Of a photo that is not open yet, or of one more face of the one that is. */
struct _LkWindowPlacing {
    GFile *file;                   /* NULL: of the photo that is open */
    LkPoints *points;              /* the canvas's; NULL once it is done, and */
    double places[LK_N_POINTS][2]; /* where they were */
};

/* ---- the bar ------------------------------------------------------------------------------------- */

static const char *describe_step(LkPoints *points)
{
    static const char *const steps[LK_N_POINTS] = {
        N_("Click on the middle of an eye"),
        N_("Click on the middle of the other eye"),
        N_("Click on a corner of the mouth"),
        N_("Click on the other corner of the mouth"),
    };
    const guint n = lk_points_get_n_placed(points);
    LkQuad quad;

    if (n < LK_N_POINTS)
        return _(steps[n]);
    return lk_points_get_quad(points, &quad)
               ? _("Move the points until they fit, then choose Done")
               : _("No face has its eyes and mouth like that: the first two points are the eyes");
}

static void show_step(LkWindow *window)
{
    const char *step = describe_step(window->placing->points);

    gtk_label_set_text(window->placing_text, step);
    /* Screen readers tell what has the focus when its description changes. */
    gtk_accessible_update_property(GTK_ACCESSIBLE(window->placing->points),
                                   GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, step, -1);
    lk_window_update_actions(window);
}

gboolean lk_window_can_place_done(LkWindow *window)
{
    LkQuad quad;

    return window->placing != NULL && lk_session_get_state(window->session) != LK_SESSION_OPENING &&
           lk_points_get_quad(window->placing->points, &quad);
}

static void placing_free(LkWindowPlacing *placing)
{
    g_clear_object(&placing->file);
    g_free(placing);
}

void lk_window_forget_placed(LkWindow *window)
{
    g_clear_pointer(&window->placed, placing_free);
}

void lk_window_forget_placing(LkWindow *window)
{
    g_clear_pointer(&window->placing, placing_free);
    lk_window_forget_placed(window);
}

static void end_placing(LkWindow *window)
{
    g_clear_pointer(&window->placing, placing_free);
    lk_canvas_stop_placing(window->canvas);
    gtk_widget_set_visible(window->placing_bar, FALSE);
    lk_window_show_state(window);
}

static void finish(LkWindow *window)
{
    LkWindowPlacing *placed;
    LkQuad quad;

    if (!lk_window_can_place_done(window))
        return;
    placed = g_steal_pointer(&window->placing);
    lk_points_get_quad(placed->points, &quad);
    lk_points_get_places(placed->points, placed->places);
    placed->points = NULL;
    end_placing(window);
    if (placed->file != NULL)
        lk_window_open_placed(window, placed->file, &quad);
    else
        lk_window_add_face(window, &quad);
    lk_window_forget_placed(window);
    window->placed = placed;
}

void lk_window_stop_placing(LkWindow *window)
{
    if (window->placing == NULL)
        return;
    end_placing(window);
    if (lk_window_has_photo(window)) {
        lk_window_show_picture(window);
    } else {
        lk_canvas_set_photo(window->canvas, NULL);
        gtk_stack_set_visible_child_name(window->pages, "empty");
    }
}

static void start_placing(LkWindow *window, GFile *file)
{
    window->placing = g_new(LkWindowPlacing, 1);
    *window->placing = (LkWindowPlacing){.file = file != NULL ? g_object_ref(file) : NULL,
                                         .points = lk_canvas_start_placing(window->canvas)};
    g_signal_connect_object(window->placing->points, "changed", G_CALLBACK(show_step), window,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(window->placing->points, "confirmed", G_CALLBACK(finish), window,
                            G_CONNECT_SWAPPED);
    gtk_stack_set_visible_child_name(window->pages, "editor");
    gtk_widget_set_visible(window->placing_bar, TRUE);
    lk_window_show_state(window);
    show_step(window);
}

gboolean lk_window_settle_placed(LkWindow *window, const GError *error)
{
    LkWindowPlacing *placed = g_steal_pointer(&window->placed);
    gboolean resumed = placed != NULL && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

    if (resumed) {
        start_placing(window, placed->file);
        lk_points_set_places(window->placing->points, placed->places);
    }
    g_clear_pointer(&placed, placing_free);
    return resumed;
}

/* ---- a photo in which no face was found ---------------------------------------------------------- */

static void on_decoded(GObject *source, GAsyncResult *result, gpointer data)
{
    LkWindow *window = LK_WINDOW(source);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) photo = g_task_propagate_pointer(G_TASK(result), &error);

    if (gtk_widget_in_destruction(GTK_WIDGET(window)) || window->session == NULL)
        return;
    if (photo == NULL) {
        /* Cancelled: by what is opened instead. */
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            lk_window_show_message(window, error->message);
        return;
    }
    lk_window_stop_placing(window);
    lk_canvas_set_photo(window->canvas, photo);
    start_placing(window, g_task_get_task_data(G_TASK(result)));
}

static void on_offer_answered(AdwMessageDialog *dialog, const char *response, LkWindow *window)
{
    GFile *file = g_object_get_data(G_OBJECT(dialog), "file");

    if (g_str_equal(response, "place")) {
        g_clear_object(&window->cancellable);
        window->cancellable = g_cancellable_new();
        lk_window_decode(window, file, on_decoded);
    } else if (!lk_window_has_photo(window)) {
        gtk_stack_set_visible_child_name(window->pages, "empty");
    }
}

void lk_window_offer_placing(LkWindow *window, GFile *file)
{
    g_autofree char *name = g_file_get_basename(file);
    g_autofree char *shown = g_filename_display_name(name);
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(window), _("No Face Was Found"), NULL);

    /* Translators: %s is a file's name */
    adw_message_dialog_format_body(ADW_MESSAGE_DIALOG(dialog),
                                   _("If “%s” does show one, say where its eyes and its mouth are."), shown);
    adw_message_dialog_add_responses(ADW_MESSAGE_DIALOG(dialog), "cancel", _("_Cancel"), "place",
                                     _("_Place by Hand"), NULL);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "place", ADW_RESPONSE_SUGGESTED);
    adw_message_dialog_set_default_response(ADW_MESSAGE_DIALOG(dialog), "place");
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    g_object_set_data_full(G_OBJECT(dialog), "file", g_object_ref(file), g_object_unref);
    g_signal_connect_object(dialog, "response", G_CALLBACK(on_offer_answered), window, 0);
    gtk_window_present(GTK_WINDOW(dialog));
}

/* ---- actions ------------------------------------------------------------------------------------- */

void lk_window_place_face(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    start_placing(data, NULL);
}

void lk_window_place_all(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_points_place_all(LK_WINDOW(data)->placing->points);
}

void lk_window_place_cancel(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    lk_window_stop_placing(data);
}

void lk_window_place_done(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    finish(data);
}
