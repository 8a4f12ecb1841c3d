/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "worker.h"

#include <string.h>

struct _LkWorker {
    GThread *thread;
    GAsyncQueue *jobs;     /* to the thread; &last_job ends it */
    GAsyncQueue *finished; /* from the thread */
    GSource *wake;         /* in the owner's context; gives `finished` to done */
    void (*done)(LkJob *job, gpointer data);
    gpointer data;

    /* The thread's own. */
    LkEditorOptions options;
    LkModel *model;
    LkEditor *editor;     /* NULL until a photo is opened, and after a model that could not be used */
    LkOriginal *original; /* NULL: none is open */
    LkOpenMode open_mode; /* of original */
};

static LkJob last_job;

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static void cancel_inner(GCancellable *outer, GCancellable *inner)
{
    g_cancellable_cancel(inner);
}

LkJob *lk_job_new(LkJobKind kind, GCancellable *outer)
{
    LkJob *job = g_new0(LkJob, 1);

    job->kind = kind;
    job->cancellable = g_cancellable_new();
    if (outer != NULL) {
        job->outer = g_object_ref(outer);
        job->outer_handler = g_cancellable_connect(outer, G_CALLBACK(cancel_inner),
                                                   g_object_ref(job->cancellable), g_object_unref);
    }
    return job;
}

void lk_job_free(LkJob *job)
{
    g_cancellable_disconnect(job->outer, job->outer_handler);
    g_clear_object(&job->outer);
    g_clear_object(&job->cancellable);
    g_clear_object(&job->task);
    g_clear_error(&job->error);
    lk_model_unref(job->model);
    lk_original_unref(job->original);
    lk_photo_unref(job->piece);
    lk_photo_unref(job->face);
    g_free(job->path);
    g_free(job->values);
    g_free(job->neutral);
    g_free(job);
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

/* An editor with the photo that is open, if one is. */
static gboolean ensure_editor(LkWorker *worker, GCancellable *cancellable, GError **error)
{
    g_autoptr(LkEditor) editor = NULL;

    if (worker->editor != NULL)
        return TRUE;
    editor = lk_editor_new_for_model(&worker->options, worker->model, error);
    if (editor == NULL)
        return FALSE;
    if (worker->original != NULL && !lk_editor_open(editor, lk_original_photo(worker->original),
                                                    worker->open_mode, 0, cancellable, error))
        return FALSE;
    worker->editor = g_steal_pointer(&editor);
    return TRUE;
}

static float *neutral_values(LkWorker *worker)
{
    float *values = g_new0(float, lk_model_n_directions(worker->model) + 1);

    lk_editor_neutral_values(worker->editor, values);
    return values;
}

/* The editor sees only pixels; people want to read which file it was. */
static void name_file(LkJob *job)
{
    g_autofree char *name = g_filename_display_basename(job->path);

    if (job->error->domain == LK_PHOTO_ERROR)
        g_prefix_error(&job->error, "%s: ", name);
}

static void open_photo(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkOriginal) original = lk_original_open(job->path, &job->error);

    if (original == NULL || !ensure_editor(worker, job->cancellable, &job->error))
        return;
    if (!lk_editor_open(worker->editor, lk_original_photo(original), job->open_mode, 0, job->cancellable,
                        &job->error)) {
        name_file(job);
        return;
    }
    job->neutral = neutral_values(worker);
    job->original = g_steal_pointer(&original);
    lk_original_unref(worker->original);
    worker->original = lk_original_ref(job->original);
    worker->open_mode = job->open_mode;
}

static void change_model(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkModel) before = worker->model;

    g_clear_pointer(&worker->editor, lk_editor_free);
    worker->model = lk_model_ref(job->model);
    if (!ensure_editor(worker, job->cancellable, &job->error)) {
        lk_model_unref(worker->model);
        worker->model = g_steal_pointer(&before);
    } else if (worker->original != NULL) {
        job->neutral = neutral_values(worker);
    }
}

/* What the job's values change in the photo. */
static LkPatch *make_patch(LkWorker *worker, LkJob *job)
{
    if (!ensure_editor(worker, job->cancellable, &job->error))
        return NULL;
    job->face = lk_editor_generate(worker->editor, job->values, job->mode, job->cancellable, &job->error);
    if (job->face == NULL)
        return NULL;
    return lk_editor_patch(worker->editor, job->face, job->mode, job->detail, job->cancellable, &job->error);
}

/* The patch's rectangle alone: a photo is far larger than a step of a slider may take time for. */
static LkPhoto *cut_out(const LkPhoto *photo, const LkPatch *patch)
{
    const gsize stride = (gsize)lk_photo_width(photo) * 4, row = (gsize)patch->width * 4;
    const guint8 *from = lk_photo_pixels(photo) + patch->y * stride + (gsize)patch->x * 4;
    g_autofree guint8 *pixels = g_malloc(row * patch->height);

    for (guint y = 0; y < patch->height; y++)
        memcpy(pixels + y * row, from + y * stride, row);
    return lk_photo_new(patch->width, patch->height, pixels);
}

static void make_picture(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkPatch) patch = make_patch(worker, job);
    g_autoptr(LkPhoto) before = NULL;

    if (patch == NULL || patch->width == 0 || patch->height == 0)
        return;
    before = cut_out(lk_editor_photo(worker->editor), patch);
    job->piece_x = patch->x;
    job->piece_y = patch->y;
    const LkPatch here = {0, 0, patch->width, patch->height, patch->change};
    job->piece = lk_patch_apply(before, &(const LkPatch *){&here}, 1);
}

static void export_picture(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkPatch) patch = make_patch(worker, job);
    const LkPatch *patches[] = {patch};

    if (patch != NULL && !g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        lk_original_save(worker->original, patches, G_N_ELEMENTS(patches), job->path, &job->how, &job->error);
}

static void do_job(LkWorker *worker, LkJob *job)
{
    if (g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        return;
    switch (job->kind) {
    case LK_JOB_OPEN:
        open_photo(worker, job);
        break;
    case LK_JOB_MODEL:
        change_model(worker, job);
        break;
    case LK_JOB_PICTURE:
        make_picture(worker, job);
        break;
    case LK_JOB_EXPORT:
        export_picture(worker, job);
        break;
    }
}

static gpointer run_worker(gpointer data)
{
    LkWorker *worker = data;
    LkJob *job;

    while ((job = g_async_queue_pop(worker->jobs)) != &last_job) {
        do_job(worker, job);
        job->half_precision = worker->editor != NULL && lk_editor_is_halved(worker->editor);
        g_async_queue_push(worker->finished, job);
        g_source_set_ready_time(worker->wake, 0);
    }
    /* The device belongs to this thread, so it goes with it. */
    g_clear_pointer(&worker->editor, lk_editor_free);
    return NULL;
}

/* ---- the owner's side ---------------------------------------------------------------------------------- */

static void deliver(LkWorker *worker)
{
    LkJob *job;

    while ((job = g_async_queue_try_pop(worker->finished)) != NULL)
        worker->done(job, worker->data);
}

static gboolean wake_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    g_source_set_ready_time(source, -1);
    return callback(data);
}

static gboolean wake(gpointer data)
{
    LkWorker *worker = data;
    LkJob *job = g_async_queue_try_pop(worker->finished);

    /* One job a time: done may free this worker. What is left wakes the source again. */
    if (job == NULL)
        return G_SOURCE_CONTINUE;
    if (g_async_queue_length(worker->finished) > 0)
        g_source_set_ready_time(worker->wake, 0);
    worker->done(job, worker->data);
    return G_SOURCE_CONTINUE;
}

static GSource *wake_source_new(LkWorker *worker, GMainContext *context)
{
    static GSourceFuncs functions = {.dispatch = wake_dispatch};
    GSource *source = g_source_new(&functions, sizeof(GSource));

    g_source_set_static_name(source, "LkWorker");
    g_source_set_callback(source, wake, worker, NULL);
    g_source_attach(source, context);
    return source;
}

LkWorker *lk_worker_new(const LkEditorOptions *options, LkModel *model, GMainContext *context,
                        void (*done)(LkJob *job, gpointer data), gpointer data)
{
    LkWorker *worker = g_new0(LkWorker, 1);

    worker->options = *options;
    worker->options.model = NULL;
    worker->options.may_halve = TRUE;
    worker->options.device = g_strdup(options->device);
    worker->model = lk_model_ref(model);
    worker->jobs = g_async_queue_new();
    worker->finished = g_async_queue_new();
    worker->done = done;
    worker->data = data;
    worker->wake = wake_source_new(worker, context);
    worker->thread = g_thread_new("editor", run_worker, worker);
    return worker;
}

void lk_worker_submit(LkWorker *worker, LkJob *job)
{
    g_async_queue_push(worker->jobs, job);
}

void lk_worker_free(LkWorker *worker)
{
    g_async_queue_push(worker->jobs, &last_job);
    g_thread_join(worker->thread);
    deliver(worker);
    g_source_destroy(worker->wake);
    g_source_unref(worker->wake);
    g_async_queue_unref(worker->jobs);
    g_async_queue_unref(worker->finished);
    lk_model_unref(worker->model);
    lk_original_unref(worker->original);
    g_free((char *)worker->options.device);
    g_free(worker);
}
