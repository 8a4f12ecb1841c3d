/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

gboolean cli_make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0777) == 0 && g_access(path, W_OK) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s cannot be written: %s", path,
                g_strerror(errno));
    return FALSE;
}

void cli_picture_clear(CliPicture *picture)
{
    g_clear_pointer(&picture->original, lk_original_unref);
    g_clear_pointer(&picture->patches, g_ptr_array_unref);
    g_clear_pointer(&picture->bare, lk_photo_unref);
}

static void set_original(CliPicture *picture, LkOriginal *original)
{
    if (picture->original == NULL)
        picture->original = lk_original_ref(original);
}

gboolean cli_picture_place(const CliOptions *options, LkEditor *editor, LkOriginal *original, LkPhoto *face,
                           CliShow show, CliPicture *picture, GError **error)
{
    LkPatch *patch;

    set_original(picture, original);
    if (options->aligned) {
        picture->bare = lk_photo_ref(face);
        return TRUE;
    }
    patch = show == CLI_SHOW_INVERSION ? lk_editor_paste(editor, face)
                                       : lk_editor_patch(editor, face, options->inversion, options->detail,
                                                         cli_cancellable(), error);
    if (patch == NULL)
        return FALSE;
    if (picture->patches == NULL)
        picture->patches = g_ptr_array_new_with_free_func((GDestroyNotify)lk_patch_free);
    g_ptr_array_add(picture->patches, patch);
    return TRUE;
}

/* The network's picture, and its stages where asked for. */
static LkPhoto *generate(const CliOptions *options, LkEditor *editor, const float *values, const char *dump,
                         GError **error)
{
    g_autoptr(LkPhoto) face =
        lk_editor_generate(editor, values, options->inversion, cli_cancellable(), error);

    if (face != NULL && dump != NULL && !cli_dump_stages(options, editor, dump, error))
        return NULL;
    return g_steal_pointer(&face);
}

gboolean cli_picture_edit(const CliOptions *options, LkEditor *editor, LkOriginal *original,
                          const float *values, CliShow show, const char *dump, CliPicture *picture,
                          GError **error)
{
    g_autoptr(LkPhoto) face = NULL;

    if (show == CLI_SHOW_EDIT && !options->aligned && dump == NULL && lk_editor_is_neutral(editor, values)) {
        set_original(picture, original);
        return TRUE;
    }
    face = generate(options, editor, values, dump, error);
    return face != NULL && !g_cancellable_set_error_if_cancelled(cli_cancellable(), error) &&
           cli_picture_place(options, editor, original, face, show, picture, error);
}

gboolean cli_picture_make(const CliOptions *options, LkEditor *editor, LkOriginal *original, const char *path,
                          const float *set, CliShow show, const char *dump, CliPicture *picture,
                          GError **error)
{
    g_autofree float *values = NULL;

    if (!cli_open_photo(options, editor, original, path, error))
        return FALSE;
    values = cli_photo_values(editor, set);
    return cli_picture_edit(options, editor, original, values, show, dump, picture, error);
}

gboolean cli_picture_save(const CliPicture *picture, const char *output, const LkExportOptions *how,
                          GError **error)
{
    GPtrArray *patches = picture->patches;

    if (picture->bare != NULL)
        return lk_photo_save(picture->bare, output, how, error);
    return lk_original_save(picture->original, patches ? (const LkPatch *const *)patches->pdata : NULL,
                            patches ? patches->len : 0, output, how, error);
}

/* Nobody wants to wait for a picture that then has no place. */
gboolean cli_check_output(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (g_access(folder, W_OK) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s cannot be written: %s", path,
                g_strerror(errno));
    return FALSE;
}

/* What can be wrong with the command line or the files is found out before the device is opened. */
static gboolean make_single(const CliOptions *options, CliShow show, GError **error)
{
    const char *path = options->photos[0];
    g_autoptr(LkModel) model =
        cli_check_output(options->output, error) ? cli_open_model(options, error) : NULL;
    g_autofree float *set = model ? cli_parse_values(model, options->set, error) : NULL;
    g_autoptr(LkOriginal) original = set ? lk_original_open(path, error) : NULL;
    g_autoptr(LkEditor) editor = original ? cli_open_editor(options, model, 0, error) : NULL;
    g_autofree float *values = NULL;
    g_auto(CliPicture) picture = {0};

    if (editor == NULL ||
        !cli_picture_make(options, editor, original, path, set, show, options->dump, &picture, error))
        return FALSE;
    cli_progress(options, "Writing %s …", options->output);
    if (!cli_picture_save(&picture, options->output, &options->export, error))
        return FALSE;
    values = cli_photo_values(editor, set);
    return options->project == NULL || cli_project_save(options, editor, path, values, error);
}

CliStatus cli_run_single(const CliOptions *options, CliShow show)
{
    g_autoptr(GError) error = NULL;

    if (options->project != NULL && !cli_project_check(options, &error))
        return cli_fail(error);
    return make_single(options, show, &error) ? CLI_DONE : cli_fail(error);
}
