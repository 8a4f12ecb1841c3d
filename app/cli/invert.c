/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

const CliCommand cli_invert = {
    .name = "invert",
    .arguments = "PHOTO -o OUT",
    .summary = "Write a photo's inversion: its face as the networks see it, without any edit",
    .takes = CLI_TAKES_FILE | CLI_TAKES_PHOTO | CLI_TAKES_INVERSION | CLI_TAKES_DUMP,
    .min_photos = 1,
    .max_photos = 1,
    .run = cli_run_single,
};
