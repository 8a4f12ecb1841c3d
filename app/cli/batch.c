/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * batch.c - many photos. One thread reads, this one edits, one writes, so that the device seldom waits. How many photos are
 * between the reader and the writer is bounded, and so is the memory.
 */
#include "cli.h"

#include <string.h>

/* No photo is begun while that many, or that many pixels, are under way. */
#define MAX_PHOTOS 4
#define MAX_PIXELS (G_GUINT64_CONSTANT(64) << 20)

/* One photo on its way; freed by the writer, or by whoever finds that there is nothing to write. */
typedef struct {
    const CliItem *item;
    LkOriginal *original;
    guint64 n_pixels;
    CliPicture picture;
    GError *error;
} Job;

typedef struct {
    const CliOptions *options;
    GPtrArray *items; /* of CliItem */
    LkEditor *editor;
    float *set;
    GAsyncQueue *read, *made; /* of Job; &last_job is the end */

    GMutex mutex; /* for all below */
    GCond room;
    guint n_photos; /* under way */
    guint64 n_pixels;
    gboolean stopped;
    guint n_written, n_failed, n_there;
} Batch;

static Job last_job;

/* ---- what is under way -------------------------------------------------------------------------------------- */

/* FALSE: no more photos. */
static gboolean wait_for_room(Batch *batch)
{
    gboolean go_on;

    g_mutex_lock(&batch->mutex);
    while (!batch->stopped && (batch->n_photos >= MAX_PHOTOS || batch->n_pixels >= MAX_PIXELS))
        g_cond_wait(&batch->room, &batch->mutex);
    go_on = !batch->stopped;
    if (go_on)
        batch->n_photos++;
    g_mutex_unlock(&batch->mutex);
    return go_on;
}

static void count_pixels(Batch *batch, Job *job)
{
    LkPhoto *photo = lk_original_photo(job->original);

    job->n_pixels = (guint64)lk_photo_width(photo) * lk_photo_height(photo);
    g_mutex_lock(&batch->mutex);
    batch->n_pixels += job->n_pixels;
    g_mutex_unlock(&batch->mutex);
}

/* counter: of the batch, or NULL. */
static void job_end(Batch *batch, Job *job, guint *counter)
{
    const guint64 n_pixels = job->n_pixels;

    cli_picture_clear(&job->picture);
    lk_original_unref(job->original);
    g_clear_error(&job->error);
    g_free(job);
    g_mutex_lock(&batch->mutex);
    batch->n_photos--;
    batch->n_pixels -= n_pixels;
    if (counter != NULL)
        (*counter)++;
    g_cond_signal(&batch->room);
    g_mutex_unlock(&batch->mutex);
}

static void stop(Batch *batch)
{
    g_mutex_lock(&batch->mutex);
    batch->stopped = TRUE;
    g_cond_signal(&batch->room);
    g_mutex_unlock(&batch->mutex);
}

/* One line that names the photo as the person did: a message begins with the name that the file has in its folder. */
static void complain(const Job *job)
{
    g_autofree char *name = g_filename_display_basename(job->item->path);
    g_autofree char *path = g_filename_display_name(job->item->path);
    const char *message = job->error->message;

    if (g_str_has_prefix(message, path))
        cli_complain("%s", message);
    else if (g_str_has_prefix(message, name) && job->picture.original == NULL)
        cli_complain("%s%s", path, message + strlen(name));
    else
        cli_complain("%s: %s", path, message);
}

static void job_fail(Batch *batch, Job *job)
{
    complain(job);
    job_end(batch, job, &batch->n_failed);
}

/* ---- the three threads -------------------------------------------------------------------------------------- */

static void read_one(Batch *batch, const CliItem *item)
{
    Job *job = g_new0(Job, 1);

    job->item = item;
    if (item->error != NULL)
        job->error = g_error_copy(item->error);
    else
        job->original = lk_original_open(item->path, &job->error);
    if (job->original != NULL)
        count_pixels(batch, job);
    g_async_queue_push(batch->read, job);
}

static gboolean is_there(Batch *batch, const CliItem *item)
{
    if (batch->options->overwrite || item->error != NULL || !g_file_test(item->output, G_FILE_TEST_EXISTS))
        return FALSE;
    g_mutex_lock(&batch->mutex);
    batch->n_there++;
    g_mutex_unlock(&batch->mutex);
    return TRUE;
}

static gpointer read_all(gpointer data)
{
    Batch *batch = data;

    for (guint i = 0; i < batch->items->len; i++) {
        const CliItem *item = g_ptr_array_index(batch->items, i);
        if (is_there(batch, item))
            continue;
        if (!wait_for_room(batch))
            break;
        read_one(batch, item);
    }
    g_async_queue_push(batch->read, &last_job);
    return NULL;
}

/* Without a device no other photo would do better. */
static gboolean is_last_error(const GError *error)
{
    return error->domain == LK_GPU_ERROR || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static gboolean make_one(Batch *batch, Job *job)
{
    const CliOptions *options = batch->options;
    g_autofree char *dump = options->dump ? g_build_filename(options->dump, job->item->name, NULL) : NULL;

    return cli_picture_make(options, batch->editor, job->original, job->item->path, batch->set, CLI_SHOW_EDIT,
                            dump, &job->picture, &job->error);
}

/* FALSE: the rest is not even tried. */
static gboolean make_next(Batch *batch, Job *job)
{
    gboolean go_on;

    if (job->original != NULL && make_one(batch, job)) {
        g_async_queue_push(batch->made, job);
        return TRUE;
    }
    go_on = !is_last_error(job->error);
    if (g_error_matches(job->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        job_end(batch, job, NULL);
    else
        job_fail(batch, job);
    return go_on;
}

static void make_all(Batch *batch)
{
    gboolean go_on = TRUE;
    Job *job;

    while ((job = g_async_queue_pop(batch->read)) != &last_job) {
        if (!go_on) {
            job_end(batch, job, NULL);
            continue;
        }
        go_on = make_next(batch, job);
        if (!go_on)
            stop(batch);
    }
    g_async_queue_push(batch->made, &last_job);
}

static gpointer write_all(gpointer data)
{
    Batch *batch = data;
    LkExportOptions how = batch->options->export;
    Job *job;

    while ((job = g_async_queue_pop(batch->made)) != &last_job) {
        how.format = job->item->format;
        if (cli_picture_save(&job->picture, job->item->output, &how, &job->error)) {
            job_end(batch, job, &batch->n_written);
            continue;
        }
        /* Nor would another photo find room. */
        if (g_error_matches(job->error, G_FILE_ERROR, G_FILE_ERROR_NOSPC))
            stop(batch);
        job_fail(batch, job);
    }
    return NULL;
}

/* ---- the command -------------------------------------------------------------------------------------------- */

static void run_threads(Batch *batch)
{
    GThread *reader, *writer;

    batch->read = g_async_queue_new();
    batch->made = g_async_queue_new();
    g_mutex_init(&batch->mutex);
    g_cond_init(&batch->room);
    reader = g_thread_new("reader", read_all, batch);
    writer = g_thread_new("writer", write_all, batch);
    make_all(batch);
    g_thread_join(reader);
    g_thread_join(writer);
    g_cond_clear(&batch->room);
    g_mutex_clear(&batch->mutex);
    g_async_queue_unref(batch->read);
    g_async_queue_unref(batch->made);
}

static CliStatus sum_up(const Batch *batch)
{
    const guint left = batch->items->len - batch->n_written - batch->n_failed - batch->n_there;
    g_autoptr(GString) text = g_string_new(NULL);

    if (g_cancellable_is_cancelled(cli_cancellable()))
        cli_complain("cancelled");
    cli_progress(batch->options, NULL);
    g_string_printf(text, "%u written, %u failed", batch->n_written, batch->n_failed);
    if (left > 0)
        g_string_append_printf(text, ", %u not tried", left);
    if (batch->n_there > 0)
        g_string_append_printf(text, ", %u there already (--overwrite writes them again)", batch->n_there);
    g_print("%s\n", text->str);
    return batch->n_failed + left == 0 ? CLI_DONE : CLI_FAILED;
}

static CliStatus run(const CliOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = cli_open_model(options, &error);
    g_autofree float *set = model ? cli_parse_values(model, options->set, &error) : NULL;
    g_autoptr(GPtrArray) items = set ? cli_list_items(options, &error) : NULL;
    g_autoptr(LkEditor) editor = items ? cli_open_editor(options, model, LK_NET_KEEP_ENCODER, &error) : NULL;

    if (editor == NULL || !cli_make_folder(options->output, &error) ||
        !cli_claim_folder(options, model, set, &error))
        return cli_fail(error);

    Batch batch = {.options = options, .items = items, .editor = editor, .set = set};
    run_threads(&batch);
    return sum_up(&batch);
}

const CliCommand cli_batch = {
    .name = "batch",
    .arguments = "-o DIR [--set NAME=VALUE …] PHOTO|FOLDER …",
    .summary = "Write many photos with the same sliders moved, each as a file of its name in DIR",
    .details = "A FOLDER stands for the pictures in it. A photo that fails is reported and left out; the "
               "exit status "
               "then is 1.\n"
               "Files that are in DIR already are not made again, so that what was interrupted goes on where "
               "it was; a DIR with pictures of another edit is refused unless --overwrite is given.",
    .takes = CLI_TAKES_FOLDER | CLI_TAKES_PHOTO | CLI_TAKES_SET | CLI_TAKES_INVERSION | CLI_TAKES_DUMP |
             CLI_TAKES_EXPORT | CLI_TAKES_DETAIL | CLI_TAKES_BATCH,
    .min_photos = 1,
    .max_photos = G_MAXUINT,
    .run = run,
};
