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
    LkEditor *editor;  /* NULL until a photo is opened, and after a model that could not be used */
    gboolean has_face; /* the editor has the chosen one of the photo */
    LkOpened opened;
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
    g_clear_pointer(&job->quads, g_array_unref);
    g_clear_pointer(&job->pieces, g_array_unref);
    g_clear_pointer(&job->states, g_array_unref);
    lk_photo_unref(job->picture);
    g_free(job->path);
    g_free(job->place);
    g_free(job->photo);
    g_free(job->warning);
    g_free(job->values);
    g_free(job->neutral);
    g_free(job);
}

/* ---- the editor ---------------------------------------------------------------------------------------- */

/* Made for the model that is open; what another one needed is freed before. */
static gboolean ensure_editor(LkWorker *worker, GError **error)
{
    if (worker->editor != NULL && lk_editor_model(worker->editor) == worker->opened.model)
        return TRUE;
    g_clear_pointer(&worker->editor, lk_editor_free);
    worker->has_face = FALSE;
    worker->editor = lk_editor_new_for_model(&worker->options, worker->opened.model, error);
    return worker->editor != NULL;
}

static gboolean is_saved(const LkWorker *worker, const LkOpenedFace *face)
{
    return face->saved != NULL && face->networks == lk_model_network_hash(worker->opened.model);
}

/* On error the face before stays. */
static gboolean open_face(LkWorker *worker, guint index, GCancellable *cancellable, GError **error)
{
    const LkOpenedFace *face = lk_opened_face(&worker->opened, index);
    LkPhoto *photo = lk_original_photo(worker->opened.original);

    if (is_saved(worker, face))
        return lk_editor_open_saved(worker->editor, photo, &face->quad, face->saved, error);
    return lk_editor_open_at(worker->editor, photo, &face->quad, cancellable, error);
}

/* The editor, with the chosen face of the photo if one is open. */
static gboolean ensure_face(LkWorker *worker, GCancellable *cancellable, GError **error)
{
    if (!ensure_editor(worker, error))
        return FALSE;
    if (worker->opened.original != NULL && !worker->has_face)
        worker->has_face = open_face(worker, worker->opened.face, cancellable, error);
    return worker->opened.original == NULL || worker->has_face;
}

/* So that the face that the editor has need not be inverted again. */
static gboolean keep_inversion(LkWorker *worker, GCancellable *cancellable, GError **error)
{
    LkOpenedFace *face = lk_opened_face(&worker->opened, worker->opened.face);
    LkInversion *inversion;

    if (is_saved(worker, face))
        return TRUE;
    inversion = lk_editor_save_inversion(worker->editor, cancellable, error);
    if (inversion == NULL)
        return FALSE;
    lk_inversion_free(face->saved);
    face->saved = inversion;
    face->networks = lk_model_network_hash(worker->opened.model);
    return TRUE;
}

static float *neutral_values(LkWorker *worker)
{
    float *values = g_new0(float, lk_model_n_directions(worker->opened.model) + 1);

    lk_editor_neutral_values(worker->editor, values);
    return values;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* The editor sees only pixels; people want to read which file it was. */
static void name_file(LkJob *job)
{
    g_autofree char *name = g_filename_display_basename(job->path);

    if (job->error->domain != G_IO_ERROR)
        g_prefix_error(&job->error, "%s: ", name);
}

/* Takes what was opened in place of what was open, which opened gets. */
static void exchange(LkWorker *worker, LkOpened *opened, gboolean has_face)
{
    const LkOpened before = worker->opened;

    worker->opened = *opened;
    worker->has_face = has_face;
    *opened = before;
}

static void tell_opened(LkWorker *worker, LkJob *job)
{
    job->original = lk_original_ref(worker->opened.original);
    job->photo = g_strdup(worker->opened.photo);
    job->quads = lk_opened_quads(&worker->opened);
    job->neutral = neutral_values(worker);
}

static gboolean find_faces(LkWorker *worker, LkOpened *opened, LkJob *job)
{
    g_autoptr(GArray) quads = NULL;

    if (job->place != NULL) {
        lk_opened_add_face(opened, job->place);
        return TRUE;
    }
    quads = lk_editor_find_faces(worker->editor, lk_original_photo(opened->original), job->open_mode,
                                 job->cancellable, &job->error);
    for (guint i = 0; quads != NULL && i < quads->len; i++)
        lk_opened_add_face(opened, &g_array_index(quads, LkQuad, i));
    return quads != NULL;
}

static void open_photo(LkWorker *worker, LkJob *job)
{
    g_auto(LkOpened) opened = lk_opened_new(worker->opened.model);

    if (!lk_opened_read_photo(&opened, job->path, &job->error) || !ensure_editor(worker, &job->error))
        return;
    if (!find_faces(worker, &opened, job) ||
        !lk_editor_open_at(worker->editor, lk_original_photo(opened.original),
                           &lk_opened_face(&opened, 0)->quad, job->cancellable, &job->error)) {
        name_file(job);
        return;
    }
    exchange(worker, &opened, TRUE);
    tell_opened(worker, job);
}

static void change_model(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkModel) before = lk_model_ref(worker->opened.model);

    /* Perhaps the other model has the same networks. */
    if (worker->has_face)
        keep_inversion(worker, job->cancellable, NULL);
    lk_model_unref(worker->opened.model);
    worker->opened.model = lk_model_ref(job->model);
    if (!ensure_face(worker, job->cancellable, &job->error)) {
        lk_model_unref(worker->opened.model);
        worker->opened.model = g_steal_pointer(&before);
    } else if (worker->opened.original != NULL) {
        lk_opened_forget_patches(&worker->opened);
        job->neutral = neutral_values(worker);
        job->quads = lk_opened_quads(&worker->opened);
    }
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

/* The network's picture of the job's values. */
static gboolean generate(LkWorker *worker, LkJob *job)
{
    if (!ensure_face(worker, job->cancellable, &job->error))
        return FALSE;
    lk_photo_unref(job->picture);
    job->picture = lk_editor_generate(worker->editor, job->values, job->mode, job->cancellable, &job->error);
    return job->picture != NULL;
}

/* What it changes in the photo. */
static LkPatch *make_patch(LkWorker *worker, LkJob *job)
{
    if (!generate(worker, job))
        return NULL;
    return lk_editor_patch(worker->editor, job->picture, job->mode, job->detail, job->cancellable,
                           &job->error);
}

static void tell_pieces(LkWorker *worker, LkJob *job)
{
    g_clear_pointer(&job->pieces, g_array_unref);
    job->pieces = lk_pieces_copy(worker->opened.pieces);
}

static gboolean make_picture(LkWorker *worker, LkJob *job)
{
    LkPatch *patch = make_patch(worker, job);

    if (patch == NULL)
        return FALSE;
    lk_opened_set_patch(&worker->opened, patch);
    tell_pieces(worker, job);
    return TRUE;
}

/* Where that saves time: shown in place of the face's piece, which is not remade until there is a picture in full. */
static gboolean make_coarse_picture(LkWorker *worker, LkJob *job)
{
    g_auto(LkPiece) piece = {0};

    if (!ensure_face(worker, job->cancellable, &job->error) || !lk_editor_is_large(worker->editor) ||
        !generate(worker, job))
        return FALSE;
    tell_pieces(worker, job);
    return lk_editor_preview(worker->editor, job->picture, job->mode, job->detail, &piece, job->cancellable,
                             &job->error) &&
           lk_pieces_replace(job->pieces, worker->opened.patches, worker->opened.face, &piece);
}

static void make_wanted_picture(LkWorker *worker, LkJob *job)
{
    job->coarse = job->coarse && make_coarse_picture(worker, job);
    if (!job->coarse && job->error == NULL)
        make_picture(worker, job);
}

/* The face that is left keeps the picture of its last values, also where nobody waited for it. */
static void choose_face(LkWorker *worker, LkJob *job)
{
    LkOpened *opened = &worker->opened;

    if (opened->face == job->left && job->make_left && !make_picture(worker, job))
        return;
    if (!ensure_face(worker, job->cancellable, &job->error) ||
        !keep_inversion(worker, job->cancellable, &job->error))
        return;
    if (job->place != NULL) {
        job->face = opened->faces->len;
        lk_opened_add_face(opened, job->place);
    }
    if (open_face(worker, job->face, job->cancellable, &job->error)) {
        opened->face = job->face;
        job->neutral = neutral_values(worker);
        tell_pieces(worker, job);
    } else if (job->place != NULL) {
        lk_opened_remove_last_face(opened);
    }
}

/* The other faces are as their last pictures show them. */
static void export_picture(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkPatch) patch = make_patch(worker, job);
    g_autoptr(GPtrArray) patches = g_ptr_array_new();
    const LkOpened *opened = &worker->opened;

    if (patch == NULL || g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        return;
    for (guint i = 0; i < opened->patches->len; i++) {
        LkPatch *of_face = i == opened->face ? patch : g_ptr_array_index(opened->patches, i);
        if (of_face != NULL)
            g_ptr_array_add(patches, of_face);
    }
    lk_original_save(opened->original, (const LkPatch *const *)patches->pdata, patches->len, job->path,
                     &job->how, &job->error);
}

/* ---- projects ------------------------------------------------------------------------------------------ */

static void save_project(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkProject) project = NULL;

    if (!ensure_face(worker, job->cancellable, &job->error) ||
        !keep_inversion(worker, job->cancellable, &job->error))
        return;
    project = lk_opened_to_project(&worker->opened, job->states, &job->error);
    if (project != NULL && !g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        lk_project_write(project, job->path, &job->error);
}

/* The face as the project left it: its values, and where they change something its picture. */
static gboolean resume_face(LkWorker *worker, LkJob *job, const LkProjectFace *face, GPtrArray *left_out)
{
    LkFaceState *state = &g_array_index(job->states, LkFaceState, worker->opened.face);
    g_autofree float *neutral = NULL;
    const guint n = lk_model_n_directions(worker->opened.model);

    worker->has_face = FALSE;
    if (!ensure_face(worker, job->cancellable, &job->error))
        return FALSE;
    neutral = neutral_values(worker);
    g_free(job->values);
    job->values = lk_project_face_values(face, worker->editor, left_out);
    job->mode = face->mode;
    job->detail = face->detail;
    lk_face_state_set(state, job->values, neutral, n, face->mode, face->detail);
    return face->sliders->len == 0 || make_picture(worker, job);
}

/* The chosen one last: the editor keeps it. */
static gboolean resume_faces(LkWorker *worker, LkJob *job, const LkProject *project, GPtrArray *left_out)
{
    LkOpened *opened = &worker->opened;

    job->states = lk_face_states_new(opened->faces->len);
    for (opened->face = 0; opened->face < opened->faces->len; opened->face++) {
        const LkProjectFace *face = g_ptr_array_index(project->faces, opened->face);
        if (opened->face != project->chosen && face->inversion != NULL &&
            !resume_face(worker, job, face, left_out))
            return FALSE;
    }
    opened->face = project->chosen;
    return resume_face(worker, job, g_ptr_array_index(project->faces, opened->face), left_out);
}

static char *describe_left_out(GPtrArray *names)
{
    g_autofree char *list = NULL;

    if (names->len == 0)
        return NULL;
    g_ptr_array_add(names, NULL);
    list = g_strjoinv(", ", (char **)names->pdata);
    return g_strdup_printf(
        "The model has no slider of this name; what the project says of it is left out: %s", list);
}

static void open_project(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkProject) project = lk_project_read(job->path, &job->error);
    g_autoptr(GPtrArray) left_out = g_ptr_array_new_with_free_func(g_free);
    g_auto(LkOpened) opened = {0};

    if (project == NULL)
        return;
    if (!lk_opened_from_project(&opened, project, worker->opened.model, &job->error)) {
        name_file(job);
        return;
    }
    exchange(worker, &opened, FALSE);
    if (!resume_faces(worker, job, project, left_out)) {
        name_file(job);
        exchange(worker, &opened, FALSE);
        return;
    }
    tell_opened(worker, job);
    tell_pieces(worker, job);
    job->face = worker->opened.face;
    job->warning = describe_left_out(left_out);
    if (worker->opened.model != opened.model)
        job->model = lk_model_ref(worker->opened.model);
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

static void do_job(LkWorker *worker, LkJob *job)
{
    if (g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        return;
    switch (job->kind) {
    case LK_JOB_OPEN:
        open_photo(worker, job);
        break;
    case LK_JOB_PROJECT:
        open_project(worker, job);
        break;
    case LK_JOB_FACE:
        choose_face(worker, job);
        break;
    case LK_JOB_MODEL:
        change_model(worker, job);
        break;
    case LK_JOB_PICTURE:
        make_wanted_picture(worker, job);
        break;
    case LK_JOB_EXPORT:
        export_picture(worker, job);
        break;
    case LK_JOB_SAVE:
        save_project(worker, job);
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
    worker->opened = lk_opened_new(model);
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
    lk_opened_clear(&worker->opened);
    g_free((char *)worker->options.device);
    g_free(worker);
}
