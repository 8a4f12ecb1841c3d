/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

const CliCommand cli_edit = {
    .name = "edit",
    .arguments = "PHOTO -o OUT --set NAME=VALUE …",
    .summary = "Write a photo with sliders moved",
    .details = "likeness-cli info tells the sliders and their ranges.",
    .takes = CLI_TAKES_FILE | CLI_TAKES_PHOTO | CLI_TAKES_SET | CLI_TAKES_INVERSION | CLI_TAKES_DUMP,
    .min_photos = 1,
    .max_photos = 1,
    .run = cli_run_single,
};
