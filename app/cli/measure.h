/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * measure.h - times of repeated runs, in whole and per stage. For bench.
 */
#pragma once

#include "net.h"

G_BEGIN_DECLS

typedef struct {
    char *name;
    guint64 flops;   /* of one run */
    GArray *seconds; /* double, one per run */
    guint last_run;  /* which run the last of them is from, counted from 0 */
} CliStageTimes;

typedef struct {
    char *name;
    GArray *seconds;   /* double, one per run: as a person waits */
    GPtrArray *stages; /* CliStageTimes, in the order they ran: as the device counts */
} CliMeasure;

CliMeasure *cli_measure_new(const char *name);
void cli_measure_free(CliMeasure *measure);
/* What the net ran last is part of the run that the next cli_measure_add_run ends. A stage that ran twice in it adds up. */
void cli_measure_add_stages(CliMeasure *measure, const LkNet *net);
void cli_measure_add_run(CliMeasure *measure, double seconds);
guint64 cli_measure_flops(const CliMeasure *measure);         /* of one run */
double cli_measure_device_seconds(const CliMeasure *measure); /* sum of the stages' medians */
double cli_median(const GArray *seconds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliMeasure, cli_measure_free)

G_END_DECLS
