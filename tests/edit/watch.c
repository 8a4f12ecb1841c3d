/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "watch.h"

static void on_picture(LkSession *session, LkPhoto *face, Watch *watch)
{
    watch->n_pictures++;
    lk_photo_unref(watch->face);
    watch->face = lk_photo_ref(face);
}

static void on_failed(LkSession *session, const char *message, Watch *watch)
{
    watch->n_failures++;
}

static void on_warning(LkSession *session, const char *message, Watch *watch)
{
    watch->n_warnings++;
}

static void on_state(LkSession *session, GParamSpec *spec, Watch *watch)
{
    watch->n_states++;
}

Watch *watch_new(const EditFixture *fixture, const LkEditorOptions *options)
{
    Watch *watch = g_new0(Watch, 1);

    watch->session = lk_session_new(options, fixture->model);
    g_signal_connect(watch->session, "picture", G_CALLBACK(on_picture), watch);
    g_signal_connect(watch->session, "failed", G_CALLBACK(on_failed), watch);
    g_signal_connect(watch->session, "warning", G_CALLBACK(on_warning), watch);
    g_signal_connect(watch->session, "notify::state", G_CALLBACK(on_state), watch);
    return watch;
}

void watch_free(Watch *watch)
{
    if (watch->session != NULL)
        g_assert_finalize_object(watch->session);
    lk_photo_unref(watch->face);
    g_clear_error(&watch->error);
    g_free(watch);
}

/* ---- callbacks ---------------------------------------------------------------------------------------------- */

static void take_result(Watch *watch, gpointer source, GAsyncResult *result,
                        gboolean (*finish)(LkSession *session, GAsyncResult *result, GError **error))
{
    watch->n_callbacks++;
    g_clear_error(&watch->error);
    watch->done = finish(source, result, &watch->error);
}

void watch_on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    take_result(data, source, result, lk_session_open_finish);
}

void watch_on_face_chosen(GObject *source, GAsyncResult *result, gpointer data)
{
    take_result(data, source, result, lk_session_choose_face_finish);
}

void watch_on_model_set(GObject *source, GAsyncResult *result, gpointer data)
{
    take_result(data, source, result, lk_session_set_model_finish);
}

void watch_on_exported(GObject *source, GAsyncResult *result, gpointer data)
{
    take_result(data, source, result, lk_session_export_finish);
}

void watch_on_saved(GObject *source, GAsyncResult *result, gpointer data)
{
    take_result(data, source, result, lk_session_save_finish);
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

void watch_wait_for_callbacks(Watch *watch, guint n)
{
    while (watch->n_callbacks < n)
        g_main_context_iteration(NULL, TRUE);
}

void watch_wait_for_state(Watch *watch, LkSessionState state)
{
    while (lk_session_get_state(watch->session) != state)
        g_main_context_iteration(NULL, TRUE);
}

void watch_settle(void)
{
    const gint64 end = g_get_monotonic_time() + 150 * G_TIME_SPAN_MILLISECOND;

    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
}

void watch_choose_face(Watch *watch, guint face)
{
    const guint n = watch->n_callbacks;

    lk_session_choose_face_async(watch->session, face, NULL, watch_on_face_chosen, watch);
    watch_wait_for_callbacks(watch, n + 1);
    g_assert_no_error(watch->error);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, face);
}
