/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

/* PHOTO's name without its suffix. */
static char *stem(const char *path)
{
    char *name = g_path_get_basename(path);
    char *dot = g_strrstr(name, ".");

    if (dot != NULL && dot != name)
        *dot = '\0';
    return name;
}

/* NULL, or a stem that two photos share: they would be written to the same file. */
static char *find_shared_stem(char *const *photos)
{
    g_autoptr(GHashTable) stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (; *photos != NULL; photos++) {
        char *name = stem(*photos);
        if (g_hash_table_contains(stems, name))
            return name;
        g_hash_table_add(stems, name);
    }
    return NULL;
}

static gboolean make_one(const CliOptions *options, LkEditor *editor, const char *path, const float *set,
                         GError **error)
{
    g_autoptr(LkPhoto) photo = lk_photo_open(path, error);
    g_autofree char *name = stem(path);
    g_autofree char *file_name = g_strconcat(name, ".png", NULL);
    g_autofree char *output = g_build_filename(options->output, file_name, NULL);
    g_autofree char *dump = options->dump ? g_build_filename(options->dump, name, NULL) : NULL;

    return photo != NULL && cli_write_picture(options, editor, photo, path, set, output, dump, error);
}

/* A photo that fails is named, and the next one has its turn. */
static CliStatus make_all(const CliOptions *options, LkEditor *editor, const float *set)
{
    CliStatus status = CLI_DONE;

    for (guint i = 0; i < options->n_photos; i++) {
        g_autoptr(GError) error = NULL;

        cli_progress(options, "%u of %u: %s", i + 1, options->n_photos, options->photos[i]);
        if (make_one(options, editor, options->photos[i], set, &error))
            continue;
        status = cli_fail(error);
        if (g_cancellable_is_cancelled(cli_cancellable()))
            break;
    }
    return status;
}

static CliStatus run(const CliOptions *options)
{
    g_autofree char *shared = find_shared_stem(options->photos);
    g_autoptr(GError) error = NULL;

    if (shared != NULL) {
        cli_complain("batch: two photos would become %s.png", shared);
        return CLI_FAILED;
    }

    g_autoptr(LkModel) model = cli_open_model(options, &error);
    g_autofree float *set = model ? cli_parse_values(model, options->set, &error) : NULL;
    g_autoptr(LkEditor) editor = set ? cli_open_editor(options, model, &error) : NULL;
    if (editor == NULL || !cli_make_folder(options->output, &error))
        return cli_fail(error);
    return make_all(options, editor, set);
}

const CliCommand cli_batch = {
    .name = "batch",
    .arguments = "--set NAME=VALUE … -o DIR PHOTO …",
    .summary = "Write many photos with the same sliders moved, each as DIR/its name.png",
    .details = "A photo that fails is reported and left out; the exit status then is 1.",
    .takes = CLI_TAKES_FOLDER | CLI_TAKES_PHOTO | CLI_TAKES_SET | CLI_TAKES_INVERSION | CLI_TAKES_DUMP,
    .min_photos = 1,
    .max_photos = G_MAXUINT,
    .run = run,
};
