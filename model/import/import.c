/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "import_private.h"
#include "model_private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_DEPTH   8     /* of folders */
#define MAX_ENTRIES 50000 /* looked at in a folder and those in it: someone may drop all they have */
#define SUFFIX      ".safetensors"

void lk_import_refuse(GError **error, const char *path, const char *format, va_list arguments)
{
    g_autofree char *shown = g_filename_display_name(path);
    g_autofree char *reason = g_strdup_vprintf(format, arguments);
    g_autofree char *line = lk_one_line(reason);

    g_set_error(error, LK_IMPORT_ERROR, LK_IMPORT_ERROR_CONTENT, "%s: %s", shown, line);
}

/* ---- what a file is ---- */

typedef enum { KIND_UNKNOWN, KIND_TORCH, KIND_NPY } Kind;

/* By its first bytes: a zip archive, a pickle (PyTorch's older format is a row of them), or NumPy's magic number. */
static Kind kind_of_bytes(const guint8 *bytes, gsize n)
{
    if ((n >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) || (n >= 2 && bytes[0] == 0x80 && bytes[1] <= 5))
        return KIND_TORCH;
    return n >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0 ? KIND_NPY : KIND_UNKNOWN;
}

static gboolean read_kind(const char *path, Kind *kind, GError **error)
{
    guint8 bytes[8];
    /* Opening a pipe would block. */
    const int fd = g_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    const gssize n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    const int number = errno;

    if (fd >= 0)
        close(fd);
    if (n < 0) {
        g_autofree char *shown = g_filename_display_name(path);
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "%s: %s", shown,
                    g_strerror(number));
        return FALSE;
    }
    *kind = kind_of_bytes(bytes, (gsize)n);
    return TRUE;
}

static gboolean has_known_suffix(const char *name)
{
    static const char *const suffixes[] = {".pt", ".pth", ".npy"};

    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++)
        if (g_str_has_suffix(name, suffixes[i]))
            return TRUE;
    return FALSE;
}

/* ---- folders ---- */

static int compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Paths of the files that by their names may be of a known kind. Links to folders may lead back, and are not followed.
 * left: how many entries may still be looked at. */
static void list_files(const char *path, guint depth, guint *left, GPtrArray *files)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;

    while (folder != NULL && *left > 0 && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        (*left)--;
        if (*name == '.')
            continue;
        if (g_file_test(inner, G_FILE_TEST_IS_DIR)) {
            if (depth < MAX_DEPTH && !g_file_test(inner, G_FILE_TEST_IS_SYMLINK))
                list_files(inner, depth + 1, left, files);
        } else if (has_known_suffix(name) && g_file_test(inner, G_FILE_TEST_IS_REGULAR)) {
            g_ptr_array_add(files, g_steal_pointer(&inner));
        }
    }
}

static GPtrArray *list_folder(const char *path)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    guint left = MAX_ENTRIES;

    list_files(path, 0, &left, files);
    g_ptr_array_sort(files, compare_paths);
    return files;
}

gboolean lk_import_knows(const char *path)
{
    g_autoptr(GPtrArray) files = NULL;
    Kind kind = KIND_UNKNOWN;

    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return read_kind(path, &kind, NULL) && kind != KIND_UNKNOWN;
    files = list_folder(path);
    for (guint i = 0; i < files->len && kind == KIND_UNKNOWN; i++)
        if (!read_kind(g_ptr_array_index(files, i), &kind, NULL))
            kind = KIND_UNKNOWN;
    return kind != KIND_UNKNOWN;
}

/* ---- names ---- */

char *lk_import_default_output(const char *name)
{
    g_autofree char *folder = lk_model_own_folder();
    g_autofree char *safe = g_strdelimit(g_strdup(name), G_DIR_SEPARATOR_S, '-');
    g_autofree char *file = NULL;

    if (*safe == '.')
        *safe = '-';
    file = g_strconcat(*safe ? safe : "model", SUFFIX, NULL);
    return g_build_filename(folder, file, NULL);
}

char *lk_import_stem(const char *path)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL); /* the folder "." has a name, too */
    char *stem = g_path_get_basename(absolute);
    char *dot = strrchr(stem, '.');

    if (dot != NULL && dot != stem && !g_file_test(path, G_FILE_TEST_IS_DIR))
        *dot = '\0';
    return stem;
}

/* ---- one import ---- */

typedef struct {
    char *path;
    gboolean given; /* by the person, not found in a folder: it must be of use */
} Input;

typedef struct {
    const LkImport *import;
    LkTorchFile *checkpoint; /* or NULL */
    GPtrArray *directions;   /* Input */
    LkModel *base;           /* without a checkpoint */
    LkDirectionSet *set;     /* may have files open until everything is written */
    LkModelWriter *writer;
    LkImportResult *result;
    LkImportProgress progress;
    gpointer data;
    GCancellable *cancellable;
} Run;

static void input_free(gpointer data)
{
    Input *input = data;

    g_free(input->path);
    g_free(input);
}

static void run_clear(Run *run)
{
    lk_model_writer_free(run->writer);
    lk_direction_set_free(run->set);
    lk_torch_free(run->checkpoint);
    lk_model_unref(run->base);
    g_ptr_array_unref(run->directions);
    lk_import_result_free(run->result);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

void lk_import_result_free(LkImportResult *result)
{
    if (result == NULL)
        return;
    g_ptr_array_unref(result->warnings);
    g_free(result);
}

static gboolean G_GNUC_PRINTF(3, 4) refuse(const char *path, GError **error, const char *format, ...)
{
    g_autofree char *shown = g_filename_display_name(path);
    g_autofree char *reason = NULL;
    va_list arguments;

    va_start(arguments, format);
    reason = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, LK_IMPORT_ERROR, LK_IMPORT_ERROR_CONTENT, "%s%s", shown, reason);
    return FALSE;
}

/* What a folder has and cannot be used is no reason to stop. Takes reason. */
static gboolean forgive(Run *run, gboolean given, GError *reason, GError **error)
{
    if (given) {
        g_propagate_error(error, reason);
        return FALSE;
    }
    g_ptr_array_add(run->result->warnings, g_strdup(reason->message));
    g_error_free(reason);
    return TRUE;
}

static void add_direction(Run *run, const char *path, gboolean given)
{
    Input *input = g_new(Input, 1);

    *input = (Input){g_strdup(path), given};
    g_ptr_array_add(run->directions, input);
}

/* Takes file. */
static gboolean add_checkpoint(Run *run, LkTorchFile *file, GError **error)
{
    g_autoptr(LkTorchFile) other = NULL;
    g_autofree char *shown = NULL;

    if (run->checkpoint == NULL) {
        run->checkpoint = file;
        return TRUE;
    }
    other = file;
    shown = g_filename_display_name(lk_torch_path(other));
    return refuse(lk_torch_path(run->checkpoint), error,
                  " and %s are both checkpoints; a model is made of one", shown);
}

static gboolean add_file(Run *run, const char *path, gboolean given, GError **error)
{
    Kind kind = KIND_UNKNOWN;
    GError *reason = NULL;
    g_autoptr(LkTorchFile) file = NULL;

    if (g_cancellable_set_error_if_cancelled(run->cancellable, error))
        return FALSE;
    if (!read_kind(path, &kind, &reason))
        return forgive(run, given, reason, error);
    if (kind == KIND_TORCH) {
        file = lk_torch_open(path, &reason);
        if (file == NULL)
            return forgive(run, given, reason, error);
        if (lk_checkpoint_is(file))
            return add_checkpoint(run, g_steal_pointer(&file), error);
    }
    add_direction(run, path, given); /* files of other kinds get their sentence there */
    return TRUE;
}

static gboolean add_folder(Run *run, const char *path, GError **error)
{
    g_autoptr(GPtrArray) files = list_folder(path);

    if (files->len == 0)
        return refuse(path, error, ": the folder has no .pth, .pt or .npy files");
    for (guint i = 0; i < files->len; i++)
        if (!add_file(run, g_ptr_array_index(files, i), FALSE, error))
            return FALSE;
    return TRUE;
}

static gboolean add_inputs(Run *run, GError **error)
{
    for (const char *const *path = run->import->files; *path != NULL; path++)
        if (g_file_test(*path, G_FILE_TEST_IS_DIR) ? !add_folder(run, *path, error)
                                                   : !add_file(run, *path, TRUE, error))
            return FALSE;
    return TRUE;
}

/* ---- the model ---- */

static gboolean start_from_checkpoint(Run *run, LkConfig *config, GError **error)
{
    g_autofree char *stem = lk_import_stem(lk_torch_path(run->checkpoint));
    g_autofree char *name = g_filename_display_name(run->import->name ? run->import->name : stem);

    if (!lk_checkpoint_add(run->checkpoint, name, run->import->f32, run->writer, config, error))
        return FALSE;
    lk_model_writer_set_metadata(run->writer, "directions", "[]");
    return TRUE;
}

static gboolean start_from_base(Run *run, LkConfig *config, GError **error)
{
    g_autofree char *builtin = lk_model_builtin_path();

    run->base = lk_model_open(run->import->base ? run->import->base : builtin, error);
    if (run->base == NULL)
        return FALSE;
    *config = *lk_model_config(run->base);
    lk_model_writer_add_file(run->writer, lk_model_weights(run->base));
    return TRUE;
}

static gboolean add_directions(Run *run, const LkConfig *config, GError **error)
{
    const char *present = run->base ? lk_model_metadata(run->base, "directions") : NULL;
    const gboolean single = run->checkpoint == NULL && run->directions->len == 1;

    if (run->directions->len == 0)
        return TRUE;
    run->set = lk_direction_set_new(config, present, error);
    if (run->set == NULL)
        return FALSE;
    for (guint i = 0; i < run->directions->len; i++) {
        const Input *input = g_ptr_array_index(run->directions, i);
        GError *reason = NULL;
        if (g_cancellable_set_error_if_cancelled(run->cancellable, error))
            return FALSE;
        if (!lk_direction_set_add_file(run->set, input->path, single ? run->import->name : NULL, &reason) &&
            !forgive(run, input->given, reason, error))
            return FALSE;
    }
    run->result->n_directions = lk_direction_set_n_added(run->set);
    lk_direction_set_write(run->set, run->writer);
    return TRUE;
}

/* A folder full of what is not known. */
static gboolean check_use(const Run *run, GError **error)
{
    const GPtrArray *warnings = run->result->warnings;

    if (run->checkpoint != NULL || run->result->n_directions > 0)
        return TRUE;
    if (warnings->len == 0)
        return refuse(run->import->files[0], error, ": there is nothing to import");
    return refuse(run->import->files[0], error, ": there is nothing to import (%s)",
                  (const char *)g_ptr_array_index(warnings, 0));
}

/* ---- the output ---- */

static gboolean is_same_file(const char *a, const char *b)
{
    GStatBuf first, second;

    return g_stat(a, &first) == 0 && g_stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* The base may be replaced: all that it has is in the new file. */
static gboolean check_output(const Run *run, GError **error)
{
    const char *output = run->import->output;

    if (run->checkpoint != NULL && is_same_file(output, lk_torch_path(run->checkpoint)))
        return refuse(output, error, ": the model cannot take the place of the checkpoint it is made of");
    for (guint i = 0; i < run->directions->len; i++) {
        const Input *input = g_ptr_array_index(run->directions, i);
        if (is_same_file(output, input->path))
            return refuse(output, error, ": the model cannot take the place of a file it is made of");
    }
    return TRUE;
}

/* Nobody made the folder of a person's models yet. Others are the person's business. */
static gboolean make_models_folder(const char *output, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(output);
    g_autofree char *models = lk_model_own_folder();

    if (!g_str_equal(folder, models) || g_mkdir_with_parents(folder, 0700) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", folder, g_strerror(errno));
    return FALSE;
}

static void show_progress(double fraction, gpointer data)
{
    const Run *run = data;

    if (run->progress)
        run->progress(fraction, "Writing the model", run->data);
}

static gboolean write_model(Run *run, GError **error)
{
    GError *reason = NULL;

    if (!make_models_folder(run->import->output, error))
        return FALSE;
    if (lk_model_writer_write(run->writer, run->import->output, show_progress, run, run->cancellable,
                              &reason))
        return TRUE;
    /* A value that cannot be stored is the checkpoint's fault, and only found while it is read. */
    if (run->checkpoint && g_error_matches(reason, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR)) {
        g_autofree char *shown = g_filename_display_name(lk_torch_path(run->checkpoint));
        g_prefix_error(&reason, "%s: ", shown);
    }
    g_propagate_error(error, reason);
    return FALSE;
}

LkImportResult *lk_import_run(const LkImport *import, LkImportProgress progress, gpointer data,
                              GCancellable *cancellable, GError **error)
{
    g_auto(Run) run = {.import = import,
                       .directions = g_ptr_array_new_with_free_func(input_free),
                       .writer = lk_model_writer_new(),
                       .result = g_new0(LkImportResult, 1),
                       .progress = progress,
                       .data = data,
                       .cancellable = cancellable};
    LkConfig config;

    run.result->warnings = g_ptr_array_new_with_free_func(g_free);
    if (progress)
        progress(0, "Checking the files", data);
    if (!add_inputs(&run, error) ||
        !(run.checkpoint ? start_from_checkpoint(&run, &config, error)
                         : start_from_base(&run, &config, error)) ||
        !add_directions(&run, &config, error) || !check_use(&run, error) || !check_output(&run, error) ||
        !write_model(&run, error))
        return NULL;
    return g_steal_pointer(&run.result);
}

gboolean lk_import_has_checkpoint(const char *const *files)
{
    const LkImport import = {.files = files};
    g_auto(Run) run = {.import = &import,
                       .directions = g_ptr_array_new_with_free_func(input_free),
                       .result = g_new0(LkImportResult, 1)};

    run.result->warnings = g_ptr_array_new_with_free_func(g_free);
    add_inputs(&run, NULL);
    return run.checkpoint != NULL;
}
