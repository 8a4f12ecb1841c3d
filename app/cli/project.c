/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * project.c - edits that are kept in .likeness files and taken up again.
 */
#include "cli.h"

#include <glib/gstdio.h>
#include <math.h>

gboolean cli_is_project(const CliOptions *options)
{
    return options->n_photos == 1 && g_str_has_suffix(options->photos[0], LK_PROJECT_SUFFIX);
}

static gboolean is_same_file(const char *a, const char *b)
{
    GStatBuf first, second;

    return g_stat(a, &first) == 0 && g_stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* Where a project is to be written, and whether its photo will still be there. */
static gboolean check_files(const CliOptions *options, const char *photo, GError **error)
{
    if (options->project == NULL)
        return TRUE;
    if (is_same_file(options->output, photo)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                    "%s would overwrite the photo that the project needs; choose another file with -o",
                    options->output);
        return FALSE;
    }
    return cli_check_output(options->project, error);
}

gboolean cli_project_check(const CliOptions *options, GError **error)
{
    return check_files(options, options->photos[0], error);
}

gboolean cli_project_save(const CliOptions *options, LkEditor *editor, const char *photo, const float *values,
                          GError **error)
{
    g_autoptr(LkProject) project = lk_project_new(photo, lk_editor_model(editor), error);

    return project != NULL &&
           lk_project_add_face(project, editor, values, options->inversion, options->detail, error) != NULL &&
           lk_project_write(project, options->project, error);
}

/* ---- taken up again ----------------------------------------------------------------------------------------- */

typedef struct {
    CliOptions options; /* of the command line and the project */
    LkProject *project;
    const LkProjectFace *face;
    char *photo;
    LkModel *model;
    float *set;
    LkOriginal *original;
    LkEditor *editor;
} Reopened;

static void reopened_clear(Reopened *reopened)
{
    lk_project_free(reopened->project);
    g_free(reopened->photo);
    lk_editor_free(reopened->editor);
    lk_model_unref(reopened->model);
    g_free(reopened->set);
    lk_original_unref(reopened->original);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reopened, reopened_clear)

/* What the command line does not say, the project does. */
static void merge_options(Reopened *reopened)
{
    CliOptions *options = &reopened->options;
    const LkProjectFace *face = reopened->face;

    options->aligned = face->aligned;
    options->half = options->half || face->inversion->type == LK_F16;
    if (!options->has_inversion)
        options->inversion = face->mode;
    if (!options->has_detail)
        options->detail = face->detail;
}

static gboolean read_project(Reopened *reopened, const char *path, GError **error)
{
    reopened->project = lk_project_read(path, error);
    if (reopened->project == NULL)
        return FALSE;
    if (reopened->project->faces->len > 1) {
        g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT,
                    "%s: this project has %u faces; the window opens those with more than one", path,
                    reopened->project->faces->len);
        return FALSE;
    }
    reopened->face = g_ptr_array_index(reopened->project->faces, 0);
    if (reopened->face->aligned && (reopened->options.has_detail || reopened->options.export.depth == 16)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "%s: of an aligned crop the bare picture is written, of 8 bits; --depth 16 and --detail "
                    "do not go "
                    "with it",
                    path);
        return FALSE;
    }
    merge_options(reopened);
    return TRUE;
}

static gboolean open_model(Reopened *reopened, GError **error)
{
    const CliOptions *options = &reopened->options;

    reopened->model =
        options->model ? cli_open_model(options, error) : lk_project_open_model(reopened->project, error);
    return reopened->model != NULL && lk_project_check_model(reopened->project, reopened->model, error);
}

/* Errors of the project's contents are to name its file. */
static gboolean open_parts(Reopened *reopened, const char *path, GError **error)
{
    GError *reason = NULL;

    if (!open_model(reopened, &reason) ||
        (reopened->photo = lk_project_find_photo(reopened->project, &reason)) == NULL) {
        if (reason->domain == LK_PROJECT_ERROR)
            g_prefix_error(&reason, "%s: ", path);
        g_propagate_error(error, reason);
        return FALSE;
    }
    return check_files(&reopened->options, reopened->photo, error);
}

static gboolean open_editor(Reopened *reopened, const char *path, GError **error)
{
    GError *reason = NULL;

    reopened->set = cli_parse_values(reopened->model, reopened->options.set, error);
    reopened->original = reopened->set ? lk_original_open(reopened->photo, error) : NULL;
    reopened->editor =
        reopened->original ? cli_open_editor(&reopened->options, reopened->model, 0, error) : NULL;
    if (reopened->editor == NULL)
        return FALSE;
    if (lk_editor_open_saved(reopened->editor, lk_original_photo(reopened->original), &reopened->face->quad,
                             reopened->face->inversion, &reason))
        return TRUE;
    g_propagate_prefixed_error(error, reason, "%s: ", path);
    return FALSE;
}

static float *merge_values(const Reopened *reopened, const char *path)
{
    g_autoptr(GPtrArray) unknown = NULL;
    float *values = lk_project_face_values(reopened->face, reopened->editor, &unknown);

    for (guint i = 0; i < unknown->len; i++)
        cli_complain("%s: the model has no slider %s; what the project says of it is left out", path,
                     (char *)g_ptr_array_index(unknown, i));
    for (guint k = 0; k < lk_model_n_directions(reopened->model); k++)
        if (!isnan(reopened->set[k]))
            values[k] = reopened->set[k];
    return values;
}

gboolean cli_project_edit(const CliOptions *given, GError **error)
{
    const char *path = given->photos[0];
    g_auto(Reopened) reopened = {.options = *given};
    const CliOptions *options = &reopened.options;
    g_auto(CliPicture) picture = {0};
    g_autofree float *values = NULL;

    if (!cli_check_output(options->output, error) || !read_project(&reopened, path, error) ||
        !open_parts(&reopened, path, error) || !open_editor(&reopened, path, error))
        return FALSE;
    values = merge_values(&reopened, path);
    if (!cli_picture_edit(options, reopened.editor, reopened.original, values, CLI_SHOW_EDIT, options->dump,
                          &picture, error))
        return FALSE;
    cli_progress(options, "Writing %s …", options->output);
    return cli_picture_save(&picture, options->output, &options->export, error) &&
           (options->project == NULL ||
            cli_project_save(options, reopened.editor, reopened.photo, values, error));
}
