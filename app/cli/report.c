/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report.h"

#include "json.h"
#include "likeness-config.h"

#define MEBIBYTE 1048576.0

static const char *storage_name(const CliReport *report)
{
    return report->options->half ? "f16" : "f32";
}

static const char *inversion_name(const CliReport *report)
{
    return report->options->inversion == LK_INVERSION_STYLERES ? "styleres" : "e4e";
}

/* ---- text --------------------------------------------------------------------------------------------------- */

static double rate(guint64 flops, double seconds)
{
    return seconds > 0 ? flops / seconds / 1e9 : 0;
}

static void print_row(const char *name, double seconds, guint64 flops)
{
    g_print("  %-16s %10.2f %10.3f %10.1f\n", name, seconds * 1e3, flops / 1e9, rate(flops, seconds));
}

static void print_measure(const CliMeasure *measure)
{
    const guint64 flops = cli_measure_flops(measure);

    g_print("\n%-18s %10s %10s %10s\n", measure->name, "ms", "GFLOP", "GFLOP/s");
    for (guint i = 0; i < measure->stages->len; i++) {
        const CliStageTimes *stage = g_ptr_array_index(measure->stages, i);
        print_row(stage->name, cli_median(stage->seconds), stage->flops);
    }
    print_row("sum of stages", cli_measure_device_seconds(measure), flops);
    print_row("in all", cli_median(measure->seconds), flops);
}

static void print_memory(const CliReport *report)
{
    const LkNetMemory *memory = &report->memory;
    const LkGpuInfo *info = lk_gpu_info(report->gpu);

    g_print("Memory       weights %.1f MiB (encoder %.1f MiB, freed after inversion; rest %.1f MiB), "
            "activations %.1f MiB\n",
            (memory->encoder + memory->weights) / MEBIBYTE, memory->encoder / MEBIBYTE,
            memory->weights / MEBIBYTE, memory->activations / MEBIBYTE);
    g_print(
        "             held with a photo open %.1f MiB, at peak %.1f MiB; the device gives %.0f MiB at once, "
        "binds %.0f MiB\n",
        report->held / MEBIBYTE, report->peak / MEBIBYTE, info->max_allocation / MEBIBYTE,
        info->max_binding / MEBIBYTE);
}

void cli_report_print_text(const CliReport *report)
{
    const LkGpuInfo *info = lk_gpu_info(report->gpu);
    const LkConfig *config = lk_model_config(report->model);

    g_print("likeness-cli %s\n", LK_VERSION);
    g_print("Device       %s (%s), %s\n", info->name, lk_gpu_kind_name(info->kind), info->driver);
    g_print("Model        %s, %u x %u pixels, %s, inversion %s\n", lk_model_name(report->model),
            config->resolution, config->resolution, storage_name(report), inversion_name(report));
    print_memory(report);
    g_print("Cold start   %.2f s to the first picture with all programs compiled, %.2f s with their cache\n",
            report->cold_start, report->start);
    g_print("Times        medians of %u runs\n", report->options->runs);
    print_measure(report->inversion);
    for (guint i = 0; i < report->steps->len; i++)
        print_measure(g_ptr_array_index(report->steps, i));
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void add_measure(JsonBuilder *json, const CliMeasure *measure)
{
    json_builder_begin_object(json);
    cli_json_string(json, "name", measure->name);
    cli_json_double(json, "seconds", cli_median(measure->seconds));
    cli_json_double(json, "device_seconds", cli_measure_device_seconds(measure));
    cli_json_double(json, "gflop", cli_measure_flops(measure) / 1e9);
    json_builder_set_member_name(json, "stages");
    json_builder_begin_array(json);
    for (guint i = 0; i < measure->stages->len; i++) {
        const CliStageTimes *stage = g_ptr_array_index(measure->stages, i);
        json_builder_begin_object(json);
        cli_json_string(json, "name", stage->name);
        cli_json_double(json, "seconds", cli_median(stage->seconds));
        cli_json_double(json, "gflop", stage->flops / 1e9);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
}

static void add_facts(JsonBuilder *json, const CliReport *report)
{
    cli_json_string(json, "version", LK_VERSION);
    json_builder_set_member_name(json, "device");
    json_builder_begin_object(json);
    cli_json_device(json, lk_gpu_info(report->gpu));
    json_builder_end_object(json);
    json_builder_set_member_name(json, "model");
    json_builder_begin_object(json);
    cli_json_string(json, "name", lk_model_name(report->model));
    cli_json_string(json, "path", lk_model_path(report->model));
    cli_json_int(json, "resolution", lk_model_config(report->model)->resolution);
    json_builder_end_object(json);
    cli_json_string(json, "storage", storage_name(report));
    cli_json_string(json, "inversion_mode", inversion_name(report));
    cli_json_int(json, "runs", report->options->runs);
    cli_json_double(json, "cold_start_seconds", report->cold_start);
    cli_json_double(json, "start_seconds", report->start);
    json_builder_set_member_name(json, "memory");
    json_builder_begin_object(json);
    cli_json_int(json, "weights", (gint64)(report->memory.encoder + report->memory.weights));
    cli_json_int(json, "encoder_weights", (gint64)report->memory.encoder);
    cli_json_int(json, "activations", (gint64)report->memory.activations);
    cli_json_int(json, "device_held", (gint64)report->held);
    cli_json_int(json, "device_peak", (gint64)report->peak);
    json_builder_end_object(json);
}

void cli_report_print_json(const CliReport *report)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    add_facts(json, report);
    json_builder_set_member_name(json, "inversion");
    add_measure(json, report->inversion);
    json_builder_set_member_name(json, "slider_steps");
    json_builder_begin_array(json);
    for (guint i = 0; i < report->steps->len; i++)
        add_measure(json, g_ptr_array_index(report->steps, i));
    json_builder_end_array(json);
    json_builder_end_object(json);
    cli_json_print(json);
}
