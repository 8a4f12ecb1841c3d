/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * report.h - what bench found out, and its two ways to say it.
 */
#pragma once

#include "cli.h"
#include "measure.h"

G_BEGIN_DECLS

typedef struct {
    LkGpu *gpu;
    LkModel *model;
    const CliOptions *options;
    LkNetMemory memory;
    guint64 held, peak; /* bytes of device memory: with a photo open, and most ever */
    double cold_start;  /* device, programs compiled, model, first inversion, first picture */
    double start;       /* the same with the programs from the cache on disk */
    CliMeasure *inversion;
    GPtrArray *steps; /* CliMeasure: one per slider, then the last row alone */
} CliReport;

void cli_report_print_text(const CliReport *report);
void cli_report_print_json(const CliReport *report);

G_END_DECLS
