/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

static CliStatus run(const CliOptions *options)
{
    return cli_run_single(options, CLI_SHOW_INVERSION);
}

const CliCommand cli_invert = {
    .name = "invert",
    .arguments = "PHOTO -o OUT",
    .summary = "Write a photo's inversion: its face as the networks see it, without any edit",
    .details =
        "What is written is the photo with that picture of the face in place; OUT's ending names the format: "
        ".png,\n.jpg, .tif or .webp.",
    .takes = CLI_TAKES_FILE | CLI_TAKES_PHOTO | CLI_TAKES_EXPORT | CLI_TAKES_INVERSION | CLI_TAKES_DUMP,
    .min_photos = 1,
    .max_photos = 1,
    .run = run,
};
