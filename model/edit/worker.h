/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * worker.h - the thread behind an LkSession. It owns the LkEditor, made when the first photo is opened, and
 * does one job after the other in the order they came. Private to model/edit.
 *
 * A MODEL job frees the networks of the model before, which may be as large as half the device's memory, before it makes
 * those of its own. Where it fails, the next job that needs the old ones makes them again.
 */
#pragma once

#include "editor.h"
#include "original.h"

G_BEGIN_DECLS

typedef enum { LK_JOB_OPEN, LK_JOB_FACE, LK_JOB_MODEL, LK_JOB_PICTURE, LK_JOB_EXPORT } LkJobKind;

/* A rectangle of the photo as the edits make it. */
typedef struct {
    LkPhoto *photo; /* NULL: none */
    guint x, y;     /* where in the photo */
} LkPiece;

/* The pieces of a picture: as many as the photo has faces, some of them none. They are apart from each other: faces that are
 * near to each other share one. A piece that did not change is the same LkPhoto as before. */
GArray *lk_pieces_new(guint n_faces);

/* What to do, and what came of it. The worker has it from lk_worker_submit until it is given to `done`. */
typedef struct {
    LkJobKind kind;
    char *path;           /* OPEN, EXPORT */
    LkOpenMode open_mode; /* OPEN */
    LkModel *model;       /* MODEL */
    guint face;           /* FACE: to be chosen */
    guint left;           /* FACE: chosen when the job was made; values, mode and detail are of that one */
    gboolean make_left;   /* FACE: its picture of these values is still to be made */
    float *values;        /* FACE, PICTURE, EXPORT: one per direction */
    LkInversionMode mode; /* FACE, PICTURE, EXPORT */
    double detail;        /* FACE, PICTURE, EXPORT: patch.h's k */
    LkExportOptions how;  /* EXPORT */
    GTask *task;          /* OPEN, FACE, MODEL, EXPORT: the session's, the worker leaves it alone */

    GCancellable *cancellable; /* of this job alone */
    GCancellable *outer;       /* the caller's, which cancels the job's; or NULL */
    gulong outer_handler;

    LkOriginal *original;    /* OPEN */
    GArray *quads;           /* OPEN, MODEL: of LkQuad, the photo's faces; NULL: no photo is open */
    float *neutral;          /* OPEN, FACE, MODEL: of the face, one per direction; NULL: no photo is open */
    GArray *pieces;          /* FACE, PICTURE: of LkPiece, what the edits of all faces change */
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
