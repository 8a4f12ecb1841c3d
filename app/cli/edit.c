/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

static CliStatus run(const CliOptions *options)
{
    g_autoptr(GError) error = NULL;

    if (!cli_is_project(options))
        return cli_run_single(options, CLI_SHOW_EDIT);
    return cli_project_edit(options, &error) ? CLI_DONE : cli_fail(error);
}

const CliCommand cli_edit = {
    .name = "edit",
    .arguments = "PHOTO|PROJECT -o OUT [--set NAME=VALUE …]",
    .summary = "Write a photo with sliders moved",
    .details =
        "likeness-cli info tells the sliders and their ranges. OUT's ending names the format: .png, "
        ".jpg, .tif or "
        ".webp.\nThe photo keeps its size, colour space, depth and metadata, and every pixel that the "
        "edit does "
        "not change.\n"
        "--project keeps the edit in a file that this command takes in the photo's place: without a new "
        "inversion the\n"
        "same picture comes of it, or another where --set says so.",
    .takes = CLI_TAKES_FILE | CLI_TAKES_PHOTO | CLI_TAKES_SET | CLI_TAKES_EXPORT | CLI_TAKES_DETAIL |
             CLI_TAKES_INVERSION | CLI_TAKES_DUMP | CLI_TAKES_PROJECT,
    .min_photos = 1,
    .max_photos = 1,
    .run = run,
};
