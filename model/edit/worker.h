/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * worker.h - the thread behind an LkSession. It owns the LkEditor, made when the first photo is opened, and
 * does one job after the other in the order they came. Private to model/edit.
 *
 * A MODEL job frees the networks of the model before, which may be as large as half the device's memory, before it makes
 * those of its own. Where it fails, the next job that needs the old ones makes them again.
 */
#pragma once

#include "opened.h"

G_BEGIN_DECLS

typedef enum {
    LK_JOB_OPEN,
    LK_JOB_PROJECT,
    LK_JOB_FACE,
    LK_JOB_MODEL,
    LK_JOB_PICTURE,
    LK_JOB_EXPORT,
    LK_JOB_SAVE,
} LkJobKind;

/* What to do, and what came of it. The worker has it from lk_worker_submit until it is given to `done`. */
typedef struct {
    LkJobKind kind;
    char *path;           /* OPEN, PROJECT, EXPORT, SAVE */
    LkOpenMode open_mode; /* OPEN */
    LkQuad *place;        /* OPEN: of the face, none is looked for; FACE: of one that is added; or NULL */
    LkModel *model;       /* MODEL; given back by a PROJECT of another one than before */
    guint face;           /* FACE: to be chosen; given back by PROJECT, and by FACE where it was added */
    guint left;           /* FACE: chosen when the job was made; values, mode and detail are of that one */
    gboolean make_left;   /* FACE: its picture of these values is still to be made */
    float *values;        /* FACE, PICTURE, EXPORT: one per direction */
    LkInversionMode mode; /* FACE, PICTURE, EXPORT */
    double detail;        /* FACE, PICTURE, EXPORT: patch.h's k */
    gboolean coarse;      /* PICTURE: may be a coarse one, as in lk_editor_preview; given back: it is */
    LkExportOptions how;  /* EXPORT */
    GArray *states;       /* of LkFaceState, of all faces: SAVE; given back by PROJECT */
    guint64 changes;      /* EXPORT, SAVE: the session's, when the job was made */
    GTask *task;          /* all but PICTURE: the session's, the worker leaves it alone */

    GCancellable *cancellable; /* of this job alone */
    GCancellable *outer;       /* the caller's, which cancels the job's; or NULL */
    gulong outer_handler;

    LkOriginal *original;    /* OPEN, PROJECT */
    char *photo;             /* OPEN, PROJECT: its path */
    GArray *quads;           /* OPEN, PROJECT, MODEL: of LkQuad, the photo's faces; NULL: no photo is open */
    float *neutral;          /* OPEN, FACE, MODEL: of the face, one per direction; NULL: no photo is open */
    GArray *pieces;          /* PROJECT, FACE, PICTURE: of LkPiece, what the edits of all faces change */
    char *warning;           /* PROJECT: what of it could not be taken up, a sentence; or NULL */
    LkPhoto *picture;        /* PICTURE: the network's bare one */
    gboolean half_precision; /* the networks' tensors are LK_F16 for want of memory */
    GError *error;           /* NULL: done */
} LkJob;

LkJob *lk_job_new(LkJobKind kind, GCancellable *outer);
void lk_job_free(LkJob *job);

typedef struct _LkWorker LkWorker;

/* done: called in context with every finished job, which is then its owner's. */
LkWorker *lk_worker_new(const LkEditorOptions *options, LkModel *model, GMainContext *context,
                        void (*done)(LkJob *job, gpointer data), gpointer data);

void lk_worker_submit(LkWorker *worker, LkJob *job); /* takes the job */

/* Waits for the jobs submitted, gives each to `done`, ends the thread. Cancel them before to have it soon. */
void lk_worker_free(LkWorker *worker);

G_END_DECLS
