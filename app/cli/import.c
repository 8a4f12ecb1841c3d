/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include "import.h"

static void show_progress(double fraction, const char *what, gpointer data)
{
    static int shown = -1; /* a terminal need not hear of every step */
    const int percent = (int)(100 * fraction);

    if (percent != shown)
        cli_progress(data, "%s … %d %%", what, percent);
    shown = percent;
}

static char *choose_output(const CliOptions *options)
{
    g_autofree char *stem = lk_import_stem(options->photos[0]);

    return options->output ? g_strdup(options->output)
                           : lk_import_default_output(options->name ? options->name : stem);
}

static CliStatus run(const CliOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = choose_output(options);
    g_autofree char *base = cli_model_path(options->model, &error);
    const LkImport import = {.files = (const char *const *)options->photos,
                             .base = base,
                             .name = options->name,
                             .f32 = options->full,
                             .output = output};
    g_autoptr(LkImportResult) result = NULL;

    if (base != NULL)
        result = lk_import_run(&import, show_progress, (gpointer)options, cli_cancellable(), &error);
    if (result == NULL)
        return cli_fail(error);
    for (guint i = 0; i < result->warnings->len; i++)
        cli_complain("left out: %s", (const char *)g_ptr_array_index(result->warnings, i));
    cli_progress(options, NULL);
    g_print("%s\n", output);
    return CLI_DONE;
}

const CliCommand cli_import = {
    .name = "import",
    .arguments = "FILE …",
    .summary = "Make a model from published files",
    .details =
        "A FILE is a StyleRes checkpoint (.pth), a direction of InterfaceGAN, GANSpace, StyleCLIP or "
        "GradCtrl "
        "(.pt, .pth, .npy), or a folder with any of them. With a checkpoint a model is made from it, without "
        "one the directions are added to a copy of --model.",
    .takes = CLI_TAKES_IMPORT,
    .min_photos = 1,
    .max_photos = G_MAXUINT,
    .run = run,
};
