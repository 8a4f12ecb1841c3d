/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * watch.h - a session under test, with what its signals and callbacks have told.
 */
#pragma once

#include "fixture.h"
#include "session.h"

G_BEGIN_DECLS

typedef struct {
    LkSession *session;
    guint n_pictures, n_failures, n_warnings, n_states;
    LkPhoto *face;
    guint n_callbacks; /* of tasks */
    gboolean done;     /* of the last task */
    GError *error;
} Watch;

/* A session of the fixture's model. */
Watch *watch_new(const EditFixture *fixture, const LkEditorOptions *options);
void watch_free(Watch *watch); /* nothing else may have a reference of the session */

/* Callbacks; data is the Watch. */
void watch_on_opened(GObject *source, GAsyncResult *result, gpointer data);
void watch_on_face_chosen(GObject *source, GAsyncResult *result, gpointer data);
void watch_on_model_set(GObject *source, GAsyncResult *result, gpointer data);
void watch_on_exported(GObject *source, GAsyncResult *result, gpointer data);
void watch_on_saved(GObject *source, GAsyncResult *result, gpointer data);

/* A test that waits for what never comes ends by the test runner's time limit. */
void watch_wait_for_callbacks(Watch *watch, guint n);
void watch_wait_for_state(Watch *watch, LkSessionState state);
void watch_settle(void); /* whatever is still to come, comes */

/* Without an error. */
void watch_choose_face(Watch *watch, guint face);

G_END_DECLS
