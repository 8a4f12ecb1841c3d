/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "measure.h"

#include <stdlib.h>
#include <string.h>

static void stage_free(gpointer data)
{
    CliStageTimes *stage = data;

    g_array_unref(stage->seconds);
    g_free(stage->name);
    g_free(stage);
}

CliMeasure *cli_measure_new(const char *name)
{
    CliMeasure *measure = g_new0(CliMeasure, 1);

    measure->name = g_strdup(name);
    measure->seconds = g_array_new(FALSE, FALSE, sizeof(double));
    measure->stages = g_ptr_array_new_with_free_func(stage_free);
    return measure;
}

void cli_measure_free(CliMeasure *measure)
{
    if (measure == NULL)
        return;
    g_array_unref(measure->seconds);
    g_ptr_array_unref(measure->stages);
    g_free(measure->name);
    g_free(measure);
}

void cli_measure_add_run(CliMeasure *measure, double seconds)
{
    g_array_append_val(measure->seconds, seconds);
}

static CliStageTimes *find_stage(CliMeasure *measure, const char *name)
{
    CliStageTimes *stage;

    for (guint i = 0; i < measure->stages->len; i++) {
        stage = g_ptr_array_index(measure->stages, i);
        if (strcmp(stage->name, name) == 0)
            return stage;
    }
    stage = g_new0(CliStageTimes, 1);
    stage->name = g_strdup(name);
    stage->seconds = g_array_new(FALSE, FALSE, sizeof(double));
    g_ptr_array_add(measure->stages, stage);
    return stage;
}

void cli_measure_add_stages(CliMeasure *measure, const LkNet *net)
{
    const guint run = measure->seconds->len;
    gsize n;
    const LkStageRun *ran = lk_net_last_run(net, &n);

    for (gsize i = 0; i < n; i++) {
        CliStageTimes *stage = find_stage(measure, ran[i].name);
        GArray *seconds = stage->seconds;
        if (seconds->len > 0 && stage->last_run == run)
            g_array_index(seconds, double, seconds->len - 1) += ran[i].seconds;
        else
            g_array_append_val(seconds, ran[i].seconds);
        if (seconds->len == 1)
            stage->flops += ran[i].flops;
        stage->last_run = run;
    }
}

guint64 cli_measure_flops(const CliMeasure *measure)
{
    guint64 flops = 0;

    for (guint i = 0; i < measure->stages->len; i++)
        flops += ((CliStageTimes *)g_ptr_array_index(measure->stages, i))->flops;
    return flops;
}

double cli_measure_device_seconds(const CliMeasure *measure)
{
    double seconds = 0;

    for (guint i = 0; i < measure->stages->len; i++)
        seconds += cli_median(((CliStageTimes *)g_ptr_array_index(measure->stages, i))->seconds);
    return seconds;
}

static int compare_doubles(gconstpointer a, gconstpointer b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double cli_median(const GArray *seconds)
{
    g_autofree double *sorted = g_memdup2(seconds->data, seconds->len * sizeof(double));
    const guint n = seconds->len;

    if (n == 0)
        return 0;
    qsort(sorted, n, sizeof(double), compare_doubles);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}
