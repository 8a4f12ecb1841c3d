/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * session.h - an LkEditor behind a worker thread, for a window. All functions return at once and belong to
 * the main thread; results arrive as signals and GTask callbacks in the thread-default main context of
 * lk_session_new's caller.
 *
 * Latest value wins: one picture is made at a time, and the next one takes the values of the moment it starts
 * at. When the values rest for a moment, a picture of older values that is still being made is cancelled at
 * its next stage; while they keep changing it is finished, so that a long drag shows pictures all the way. Of a large face
 * these are coarse ones (lk_editor_preview), until the values rest.
 *
 * Signals:
 *
 * "picture" (LkPhoto *face): a new picture, lk_session_get_piece's. face: the network's bare picture
 *
 * "failed" (const char *message): a picture could not be made; the previous one stays
 *
 * "warning" (const char *message): what of a project could not be taken up; follows lk_session_open_finish
 *
 * "half-precision" (): emitted once: the device's memory did not suffice, and the networks go on with half precision
 *
 * Properties (read-only, notify): "state" (LkSessionState), "modified" (boolean: some value is not the neutral one),
 * "mode" (LkInversionMode), "detail" (double), "face" (uint), "model" (LkModel *), "unsaved" (boolean: some face is edited as
 * neither the project's file nor an export has it)
 *
 * A photo may have several faces. One is chosen: values, modified, mode and detail are its own, and changing them changes it
 * alone; picture and export show the edits of all.
 */
#pragma once

#include "editor.h"
#include "original.h"
#include <glib-object.h>

G_BEGIN_DECLS

typedef enum {
    LK_SESSION_EMPTY,   /* no photo */
    LK_SESSION_OPENING, /* a photo, face or model: networks loading, face finding, inversion */
    LK_SESSION_READY,   /* photo open, nothing running */
    LK_SESSION_BUSY,    /* photo open, a picture is being made */
} LkSessionState;

#define LK_TYPE_SESSION_STATE (lk_session_state_get_type())
GType lk_session_state_get_type(void);

#define LK_TYPE_INVERSION_MODE (lk_inversion_mode_get_type())
GType lk_inversion_mode_get_type(void);

#define LK_TYPE_SESSION (lk_session_get_type())
G_DECLARE_FINAL_TYPE(LkSession, lk_session, LK, SESSION, GObject)

/* Starts the worker, which opens device and model (strings of options are copied; may_halve is always TRUE). An error of
 * that surfaces in every lk_session_open_finish. model: parsed already, for the sliders; the session keeps a reference. */
LkSession *lk_session_new(const LkEditorOptions *options, LkModel *model);

LkSessionState lk_session_get_state(LkSession *session);
LkModel *lk_session_get_model(LkSession *session);
/* The photo that is open, and its file's pixels as they are; NULL if there is none; owned by the session. */
LkPhoto *lk_session_get_photo(LkSession *session);
LkOriginal *lk_session_get_original(LkSession *session);
/* Its file, and that of the project that it is part of; NULL if there is none; absolute paths owned by the session. */
const char *lk_session_get_photo_path(LkSession *session);
const char *lk_session_get_project_path(LkSession *session);
/* Where the faces are in the photo, the largest first; NULL if there is none. Owned by the session, until the next opening. */
const LkQuad *lk_session_get_quads(LkSession *session, guint *n_faces);
guint lk_session_get_face(LkSession *session); /* the chosen one; at first 0 */
/* What the pictures of the faces have changed, and where in the photo: index is less than the number of faces. The pieces do
 * not overlap; near faces share one. NULL: this one is none. Owned by the session. */
const LkPiece *lk_session_get_piece(LkSession *session, guint index);
/* The whole photo with those pieces in place, a copy made now; NULL before the first picture. lk_photo_unref. */
LkPhoto *lk_session_copy_picture(LkSession *session);
gboolean lk_session_get_unsaved(LkSession *session);
gboolean lk_session_get_modified(LkSession *session);

/* Decodes, finds the faces, inverts the largest; then all values are neutral, mode and detail are LK_INVERSION_STYLERES and
 * LK_DETAIL_DEFAULT, and "picture" follows. An older open still running is cancelled. On error the photo opened before stays, with its values.
 * The message names the file. */
void lk_session_open_async(LkSession *session, const char *path, LkOpenMode mode, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
/* Opens a photo at a face that a person has placed (lk_quad_from_points); none is looked for. */
void lk_session_open_placed_async(LkSession *session, const char *path, const LkQuad *quad,
                                  GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data);
/* Opens a project (project.h), with its model where that is another one than now: "model" is notified then. Values, modes and
 * details are the project's, and lk_session_get_piece shows the edits of all faces at once. LK_PROJECT_ERROR. */
void lk_session_open_project_async(LkSession *session, const char *path, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data);
/* Of each of the three. */
gboolean lk_session_open_finish(LkSession *session, GAsyncResult *result, GError **error);

/* Inverts another face of the photo that is open; then values, mode and detail are as they were when it was left (at first as
 * of a photo just opened), and "picture" follows. The face that is left keeps its edit; what is set while another is being
 * chosen is lost. An older choice still running is cancelled. On error, or when cancelled, the face before stays. G_IO_ERROR_BUSY
 * while a photo or model is being opened. */
void lk_session_choose_face_async(LkSession *session, guint face, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
/* One more face of the photo that is open, in this square: it becomes the last one and is chosen, as by the call before. */
void lk_session_add_face_async(LkSession *session, const LkQuad *quad, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
/* Of both. */
gboolean lk_session_choose_face_finish(LkSession *session, GAsyncResult *result, GError **error);

/* Another model for the photo that is open, whose face is inverted again; then all values of all faces are neutral, and "picture" follows.
 * Without a photo only its networks are made. An older change of the model still running is cancelled. On error, or when
 * cancelled, the model before stays, with photo and values. The session keeps a reference. */
void lk_session_set_model_async(LkSession *session, LkModel *model, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean lk_session_set_model_finish(LkSession *session, GAsyncResult *result, GError **error);

/* Slider values by index of the model's directions; clamped to the direction's range, unless it is the neutral one. */
void lk_session_set_value(LkSession *session, guint direction, float value);
float lk_session_get_value(LkSession *session, guint direction);
void lk_session_reset(LkSession *session); /* all values neutral */

/* The value at which a direction leaves the photo that is open as it is (edit.h); 0 without a photo. */
float lk_session_get_neutral(LkSession *session, guint direction);

/* How the photo is rebuilt: also what "picture" and an export show. */
void lk_session_set_mode(LkSession *session, LkInversionMode mode);
LkInversionMode lk_session_get_mode(LkSession *session);

/* How much of the photo's own detail stays in the face, 0 to 1 (patch.h's k). */
void lk_session_set_detail(LkSession *session, double detail);
double lk_session_get_detail(LkSession *session);

/* Writes the picture of the values, mode and detail of now, by lk_original_save in the format of the name's ending (its
 * options, but for the format; NULL: the defaults). G_IO_ERROR_BUSY while a photo is being opened,
 * G_IO_ERROR_NOT_SUPPORTED where the ending is none of a format that we write. */
void lk_session_export_async(LkSession *session, const char *path, const LkExportOptions *options,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean lk_session_export_finish(LkSession *session, GAsyncResult *result, GError **error);

/* Writes the edits of all faces as a project, which the session then has (lk_session_get_project_path).
 * LK_PROJECT_ERROR_PHOTO where the photo's file has changed since it was opened; G_IO_ERROR_BUSY while a photo is being
 * opened. */
void lk_session_save_async(LkSession *session, const char *path, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
gboolean lk_session_save_finish(LkSession *session, GAsyncResult *result, GError **error);

/* Ends the session's work: cancels all of it and waits for the worker. Opens and exports under way finish
 * with G_IO_ERROR_CANCELLED; no signal is emitted any more. Disposing does the same, but a running GTask
 * keeps the session alive until it is done: a window that goes away calls this. */
void lk_session_close(LkSession *session);

G_END_DECLS
