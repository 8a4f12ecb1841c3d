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
    guint face;           /* that the editor has open */
    GPtrArray *patches;   /* of LkPatch or NULL: what the last picture of each face changes */
    GArray *pieces;       /* made of them */
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
    lk_photo_unref(job->picture);
    g_free(job->path);
    g_free(job->values);
    g_free(job->neutral);
    g_free(job);
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

static void clear_piece(gpointer piece)
{
    g_clear_pointer(&((LkPiece *)piece)->photo, lk_photo_unref);
}

GArray *lk_pieces_new(guint n_faces)
{
    GArray *pieces = g_array_new(FALSE, TRUE, sizeof(LkPiece));

    g_array_set_clear_func(pieces, clear_piece);
    return g_array_set_size(pieces, n_faces);
}

static GArray *copy_pieces(GArray *pieces)
{
    GArray *copy = lk_pieces_new(pieces->len);

    for (guint i = 0; i < pieces->len; i++) {
        LkPiece *piece = &g_array_index(copy, LkPiece, i);
        *piece = g_array_index(pieces, LkPiece, i);
        if (piece->photo != NULL)
            lk_photo_ref(piece->photo);
    }
    return copy;
}

/* Of no size: nothing. */
typedef struct {
    guint left, top, right, bottom;
} Box;

/* Photo pixels, more than resampling for the screen reaches: what lies nearer is one piece. */
enum { APART = 128 };

static Box box_of(const LkPatch *patch)
{
    if (patch == NULL)
        return (Box){0};
    return (Box){patch->x, patch->y, patch->x + patch->width, patch->y + patch->height};
}

static Box box_of_piece(const LkPiece *piece)
{
    if (piece->photo == NULL)
        return (Box){0};
    return (Box){piece->x, piece->y, piece->x + lk_photo_width(piece->photo),
                 piece->y + lk_photo_height(piece->photo)};
}

static gboolean is_empty(Box box)
{
    return box.left == box.right || box.top == box.bottom;
}

static gboolean are_near(Box a, Box b)
{
    return !is_empty(a) && !is_empty(b) && a.left < b.right + APART && b.left < a.right + APART &&
           a.top < b.bottom + APART && b.top < a.bottom + APART;
}

static gboolean join_two(Box *boxes, guint n)
{
    for (guint i = 0; i < n; i++)
        for (guint j = i + 1; j < n; j++)
            if (are_near(boxes[i], boxes[j])) {
                boxes[i] = (Box){MIN(boxes[i].left, boxes[j].left), MIN(boxes[i].top, boxes[j].top),
                                 MAX(boxes[i].right, boxes[j].right), MAX(boxes[i].bottom, boxes[j].bottom)};
                boxes[j] = (Box){0};
                return TRUE;
            }
    return FALSE;
}

/* One for each face, where those of faces near to each other are joined at the first one's place. */
static Box *arrange_boxes(const LkWorker *worker)
{
    Box *boxes = g_new(Box, worker->patches->len);

    for (guint i = 0; i < worker->patches->len; i++)
        boxes[i] = box_of(g_ptr_array_index(worker->patches, i));
    while (join_two(boxes, worker->patches->len))
        ;
    return boxes;
}

static void add_change(float *sum, Box box, const LkPatch *patch)
{
    for (guint y = 0; y < patch->height; y++) {
        const float *from = patch->change + (gsize)3 * y * patch->width;
        float *to =
            sum + 3 * ((gsize)(patch->y + y - box.top) * (box.right - box.left) + patch->x - box.left);

        for (gsize k = 0; k < (gsize)3 * patch->width; k++)
            to[k] += from[k];
    }
}

/* What the patches in the box change there together, as lk_original_save adds them up. */
static LkPatch *join_patches(const LkWorker *worker, Box box)
{
    LkPatch *joined = g_new(LkPatch, 1);

    *joined = (LkPatch){box.left, box.top, box.right - box.left, box.bottom - box.top, NULL};
    joined->change = g_new0(float, (gsize)3 * joined->width * joined->height);
    for (guint i = 0; i < worker->patches->len; i++) {
        const LkPatch *patch = g_ptr_array_index(worker->patches, i);
        if (are_near(box, box_of(patch)))
            add_change(joined->change, box, patch);
    }
    return joined;
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

static LkPiece make_piece(const LkWorker *worker, const LkPatch *patch)
{
    g_autoptr(LkPhoto) before = cut_out(lk_original_photo(worker->original), patch);
    const LkPatch here = {0, 0, patch->width, patch->height, patch->change};

    return (LkPiece){lk_patch_apply(before, &(const LkPatch *){&here}, 1), patch->x, patch->y};
}

static void remake_piece(const LkWorker *worker, LkPiece *piece, Box box)
{
    g_autoptr(LkPatch) joined = NULL;
    const LkPatch *alone = NULL;
    guint n = 0;

    clear_piece(piece);
    for (guint i = 0; i < worker->patches->len; i++) {
        const LkPatch *patch = g_ptr_array_index(worker->patches, i);
        if (are_near(box, box_of(patch))) {
            alone = patch;
            n++;
        }
    }
    if (n > 1)
        alone = joined = join_patches(worker, box);
    if (n > 0)
        *piece = make_piece(worker, alone);
}

/* Of the face that is open. Takes the patch. */
static void set_patch(LkWorker *worker, LkPatch *patch)
{
    g_autoptr(LkPatch) before = g_ptr_array_index(worker->patches, worker->face);
    g_autofree Box *boxes = NULL;

    g_ptr_array_index(worker->patches, worker->face) = patch;
    boxes = arrange_boxes(worker);
    for (guint i = 0; i < worker->pieces->len; i++) {
        LkPiece *piece = &g_array_index(worker->pieces, LkPiece, i);
        const Box old = box_of_piece(piece);

        if (memcmp(&old, &boxes[i], sizeof old) != 0 || are_near(boxes[i], box_of(before)) ||
            are_near(boxes[i], box_of(patch)))
            remake_piece(worker, piece, boxes[i]);
    }
}

/* No face is changed. */
static void start_pieces(LkWorker *worker, guint n_faces)
{
    g_clear_pointer(&worker->patches, g_ptr_array_unref);
    g_clear_pointer(&worker->pieces, g_array_unref);
    worker->patches = g_ptr_array_new_full(n_faces, (GDestroyNotify)lk_patch_free);
    g_ptr_array_set_size(worker->patches, (gint)n_faces);
    worker->pieces = lk_pieces_new(n_faces);
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
                                                    worker->open_mode, worker->face, cancellable, error))
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

/* All of the photo's faces as they are without an edit. */
static void start_faces(LkWorker *worker, LkJob *job)
{
    job->neutral = neutral_values(worker);
    job->quads = g_array_ref(lk_editor_quads(worker->editor));
    start_pieces(worker, job->quads->len);
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
    job->original = g_steal_pointer(&original);
    lk_original_unref(worker->original);
    worker->original = lk_original_ref(job->original);
    worker->open_mode = job->open_mode;
    worker->face = 0;
    start_faces(worker, job);
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
        start_faces(worker, job);
    }
}

/* What the job's values change in the photo. */
static LkPatch *make_patch(LkWorker *worker, LkJob *job)
{
    if (!ensure_editor(worker, job->cancellable, &job->error))
        return NULL;
    LkPhoto *picture =
        lk_editor_generate(worker->editor, job->values, job->mode, job->cancellable, &job->error);
    if (picture == NULL)
        return NULL;
    lk_photo_unref(job->picture);
    job->picture = picture;
    return lk_editor_patch(worker->editor, picture, job->mode, job->detail, job->cancellable, &job->error);
}

static gboolean make_picture(LkWorker *worker, LkJob *job)
{
    LkPatch *patch = make_patch(worker, job);

    if (patch == NULL)
        return FALSE;
    set_patch(worker, patch);
    g_clear_pointer(&job->pieces, g_array_unref);
    job->pieces = copy_pieces(worker->pieces);
    return TRUE;
}

/* The face that is left keeps the picture of its last values, also where nobody waited for it. */
static void choose_face(LkWorker *worker, LkJob *job)
{
    if (worker->face == job->left && job->make_left && !make_picture(worker, job))
        return;
    if (!ensure_editor(worker, job->cancellable, &job->error) ||
        !lk_editor_open(worker->editor, lk_original_photo(worker->original), worker->open_mode, job->face,
                        job->cancellable, &job->error))
        return;
    worker->face = job->face;
    job->neutral = neutral_values(worker);
    if (job->pieces == NULL)
        job->pieces = copy_pieces(worker->pieces);
}

/* The other faces are as their last pictures show them. */
static void export_picture(LkWorker *worker, LkJob *job)
{
    g_autoptr(LkPatch) patch = make_patch(worker, job);
    g_autoptr(GPtrArray) patches = g_ptr_array_new();

    if (patch == NULL || g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        return;
    for (guint i = 0; i < worker->patches->len; i++) {
        LkPatch *of_face = i == worker->face ? patch : g_ptr_array_index(worker->patches, i);
        if (of_face != NULL)
            g_ptr_array_add(patches, of_face);
    }
    lk_original_save(worker->original, (const LkPatch *const *)patches->pdata, patches->len, job->path,
                     &job->how, &job->error);
}

static void do_job(LkWorker *worker, LkJob *job)
{
    if (g_cancellable_set_error_if_cancelled(job->cancellable, &job->error))
        return;
    switch (job->kind) {
    case LK_JOB_OPEN:
        open_photo(worker, job);
        break;
    case LK_JOB_FACE:
        choose_face(worker, job);
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
    g_clear_pointer(&worker->patches, g_ptr_array_unref);
    g_clear_pointer(&worker->pieces, g_array_unref);
    g_free((char *)worker->options.device);
    g_free(worker);
}
