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

typedef enum { LK_JOB_OPEN, LK_JOB_MODEL, LK_JOB_PICTURE, LK_JOB_EXPORT } LkJobKind;

/* What to do, and what came of it. The worker has it from lk_worker_submit until it is given to `done`. */
typedef struct {
    LkJobKind kind;
    char *path;           /* OPEN, EXPORT */
    LkOpenMode open_mode; /* OPEN */
    LkModel *model;       /* MODEL */
    float *values;        /* PICTURE, EXPORT: one per direction */
    LkInversionMode mode; /* PICTURE, EXPORT */
    double detail;        /* PICTURE, EXPORT: patch.h's k */
    LkExportOptions how;  /* EXPORT */
    GTask *task;          /* OPEN, MODEL, EXPORT: the session's, the worker leaves it alone */

    GCancellable *cancellable; /* of this job alone */
    GCancellable *outer;       /* the caller's, which cancels the job's; or NULL */
    gulong outer_handler;

    LkOriginal *original;    /* OPEN */
    float *neutral;          /* OPEN, MODEL: of the photo, one per direction; NULL: no photo is open */
    LkPhoto *piece;          /* PICTURE: what the edit changes, as it is then; NULL: nothing changes */
    guint piece_x, piece_y;  /* where in the photo */
    LkPhoto *face;           /* PICTURE */
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
