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
    const LkModel *model = lk_editor_model(editor);
    g_autoptr(LkProject) project = lk_project_new(photo, model, error);
    g_autoptr(LkInversion) inversion =
        project != NULL ? lk_editor_save_inversion(editor, cli_cancellable(), error) : NULL;
    g_autofree float *neutral = g_new0(float, lk_model_n_directions(model) + 1);

    if (inversion == NULL)
        return FALSE;
    lk_editor_neutral_values(editor, neutral);
    lk_project_face_set(
        lk_project_add_face(project, lk_editor_photo(editor), lk_editor_quad(editor), inversion), model,
        values, neutral, options->inversion, options->detail);
    return lk_project_write(project, options->project, error);
}

/* ---- taken up again ----------------------------------------------------------------------------------------- */

typedef struct {
    CliOptions options; /* of the command line and the project */
    const char *path;   /* of the project */
    LkProject *project;
    LkModel *model;
    float *set;
    LkOriginal *original;
    LkEditor *editor;
    CliPicture picture;
} Reopened;

static void reopened_clear(Reopened *reopened)
{
    cli_picture_clear(&reopened->picture);
    lk_project_free(reopened->project);
    lk_editor_free(reopened->editor);
    lk_model_unref(reopened->model);
    g_free(reopened->set);
    lk_original_unref(reopened->original);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reopened, reopened_clear)

static LkProjectFace *get_face(const Reopened *reopened, guint index)
{
    return g_ptr_array_index(reopened->project->faces, index);
}

/* What concerns all faces. */
static void merge_options(Reopened *reopened)
{
    CliOptions *options = &reopened->options;

    options->aligned = get_face(reopened, reopened->project->chosen)->aligned;
    for (guint i = 0; i < reopened->project->faces->len; i++) {
        const LkInversion *inversion = get_face(reopened, i)->inversion;
        options->half = options->half || (inversion != NULL && inversion->type == LK_F16);
    }
}

static gboolean read_project(Reopened *reopened, GError **error)
{
    reopened->project = lk_project_read(reopened->path, error);
    if (reopened->project == NULL)
        return FALSE;
    merge_options(reopened);
    if (reopened->options.aligned && (reopened->options.has_detail || reopened->options.export.depth == 16)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "%s: of an aligned crop the bare picture is written, of 8 bits; --depth 16 and --detail "
                    "do not go "
                    "with it",
                    reopened->path);
        return FALSE;
    }
    return TRUE;
}

static gboolean open_model(Reopened *reopened, GError **error)
{
    const CliOptions *options = &reopened->options;

    reopened->model =
        options->model ? cli_open_model(options, error) : lk_project_open_model(reopened->project, error);
    return reopened->model != NULL && lk_project_check_model(reopened->project, reopened->model, error);
}

static gboolean find_photo(Reopened *reopened, GError **error)
{
    char *photo = lk_project_find_photo(reopened->project, error);

    if (photo == NULL)
        return FALSE;
    g_free(reopened->project->photo);
    reopened->project->photo = photo;
    return TRUE;
}

/* Errors of the project's contents are to name its file. */
static gboolean open_parts(Reopened *reopened, GError **error)
{
    GError *reason = NULL;

    if (!open_model(reopened, &reason) || !find_photo(reopened, &reason)) {
        if (reason->domain == LK_PROJECT_ERROR)
            g_prefix_error(&reason, "%s: ", reopened->path);
        g_propagate_error(error, reason);
        return FALSE;
    }
    return check_files(&reopened->options, reopened->project->photo, error);
}

static gboolean open_editor(Reopened *reopened, GError **error)
{
    reopened->set = cli_parse_values(reopened->model, reopened->options.set, error);
    reopened->original = reopened->set ? lk_original_open(reopened->project->photo, error) : NULL;
    reopened->editor =
        reopened->original ? cli_open_editor(&reopened->options, reopened->model, 0, error) : NULL;
    return reopened->editor != NULL;
}

/* ---- its faces ---- */

static gboolean open_face(Reopened *reopened, const LkProjectFace *face, GError **error)
{
    LkPhoto *photo = lk_original_photo(reopened->original);
    GError *reason = NULL;

    if (face->inversion != NULL
            ? lk_editor_open_saved(reopened->editor, photo, &face->quad, face->inversion, &reason)
            : lk_editor_open_at(reopened->editor, photo, &face->quad, cli_cancellable(), &reason))
        return TRUE;
    g_propagate_prefixed_error(error, reason, "%s: ", reopened->path);
    return FALSE;
}

/* The face's, with what the command line says where it is the chosen one. */
static float *merge_values(const Reopened *reopened, const LkProjectFace *face, gboolean chosen)
{
    g_autoptr(GPtrArray) unknown = g_ptr_array_new_with_free_func(g_free);
    float *values = lk_project_face_values(face, reopened->editor, unknown);

    for (guint i = 0; i < unknown->len; i++)
        cli_complain("%s: the model has no slider %s; what the project says of it is left out",
                     reopened->path, (char *)g_ptr_array_index(unknown, i));
    for (guint k = 0; chosen && k < lk_model_n_directions(reopened->model); k++)
        if (!isnan(reopened->set[k]))
            values[k] = reopened->set[k];
    return values;
}

static gboolean edit_face(Reopened *reopened, guint index, GError **error)
{
    LkProjectFace *face = get_face(reopened, index);
    const gboolean chosen = index == reopened->project->chosen;
    CliOptions options = reopened->options;
    g_autofree float *values = NULL, *neutral = NULL;

    if (!open_face(reopened, face, error))
        return FALSE;
    values = merge_values(reopened, face, chosen);
    neutral = cli_photo_values(reopened->editor, NULL);
    if (!chosen || !options.has_inversion)
        options.inversion = face->mode;
    if (!chosen || !options.has_detail)
        options.detail = face->detail;
    lk_project_face_set(face, reopened->model, values, neutral, options.inversion, options.detail);
    return cli_picture_edit(&options, reopened->editor, reopened->original, values, CLI_SHOW_EDIT,
                            chosen ? options.dump : NULL, &reopened->picture, error);
}

/* Those that were never chosen are as they are in the photo. */
static gboolean edit_faces(Reopened *reopened, GError **error)
{
    const LkProject *project = reopened->project;

    for (guint i = 0; i < project->faces->len; i++)
        if (i != project->chosen && get_face(reopened, i)->sliders->len > 0 && !edit_face(reopened, i, error))
            return FALSE;
    return edit_face(reopened, project->chosen, error);
}

gboolean cli_project_edit(const CliOptions *given, GError **error)
{
    g_auto(Reopened) reopened = {.options = *given, .path = given->photos[0]};
    const CliOptions *options = &reopened.options;

    if (!cli_check_output(options->output, error) || !read_project(&reopened, error) ||
        !open_parts(&reopened, error) || !open_editor(&reopened, error) || !edit_faces(&reopened, error))
        return FALSE;
    cli_progress(options, "Writing %s …", options->output);
    return cli_picture_save(&reopened.picture, options->output, &options->export, error) &&
           (options->project == NULL || lk_project_write(reopened.project, options->project, error));
}
