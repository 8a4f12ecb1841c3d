/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

gboolean cli_make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0777) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", path, g_strerror(errno));
    return FALSE;
}

/* The picture as the command shows it: bare with --aligned, else in its photo. */
static LkPhoto *generate(const CliOptions *options, LkEditor *editor, const float *set, GError **error)
{
    g_autofree float *values = cli_photo_values(editor, set);
    g_autoptr(LkPhoto) picture =
        lk_editor_generate(editor, values, options->inversion, cli_cancellable(), error);

    if (picture == NULL || options->aligned)
        return g_steal_pointer(&picture);
    return lk_editor_compose(editor, picture);
}

gboolean cli_write_picture(const CliOptions *options, LkEditor *editor, LkPhoto *photo, const char *path,
                           const float *set, const char *output, const char *dump, GError **error)
{
    g_autoptr(LkPhoto) picture = NULL;

    if (!cli_open_photo(options, editor, photo, path, error))
        return FALSE;
    picture = generate(options, editor, set, error);
    if (picture == NULL || g_cancellable_set_error_if_cancelled(cli_cancellable(), error))
        return FALSE;
    if (dump != NULL && !cli_dump_stages(options, editor, dump, error))
        return FALSE;
    cli_progress(options, "Writing %s …", output);
    return lk_photo_save_png(picture, output, error);
}

/* Nobody wants to wait for a picture that then has no place. */
static gboolean check_output(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (g_access(folder, W_OK) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s cannot be written: %s", path,
                g_strerror(errno));
    return FALSE;
}

/* What can be wrong with the command line or the files is found out before the device is opened. */
static gboolean make_single(const CliOptions *options, GError **error)
{
    g_autoptr(LkModel) model = check_output(options->output, error) ? cli_open_model(options, error) : NULL;
    g_autofree float *set = model ? cli_parse_values(model, options->set, error) : NULL;
    g_autoptr(LkPhoto) photo = set ? lk_photo_open(options->photos[0], error) : NULL;
    g_autoptr(LkEditor) editor = photo ? cli_open_editor(options, model, error) : NULL;

    return editor != NULL && cli_write_picture(options, editor, photo, options->photos[0], set,
                                               options->output, options->dump, error);
}

CliStatus cli_run_single(const CliOptions *options)
{
    g_autoptr(GError) error = NULL;

    return make_single(options, &error) ? CLI_DONE : cli_fail(error);
}
