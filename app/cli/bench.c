/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"
#include "report.h"

#include <string.h>

static double now(void)
{
    return g_get_monotonic_time() / 1e6;
}

/* Times do not depend on what is in the picture, so that bench needs no photo. */
static LkPhoto *any_picture(guint side)
{
    g_autofree guint8 *pixels = g_malloc((gsize)4 * side * side);
    guint32 state = 1;

    for (gsize i = 0; i < (gsize)4 * side * side; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = i % 4 == 3 ? 255 : (guint8)(64 + (state >> 25));
    }
    return lk_photo_new(side, side, pixels);
}

/* One opened editor with the numbers that come of it. */
typedef struct {
    const CliOptions *options;
    LkModel *model;
    LkPhoto *crop;
    LkEditor *editor;
    float *values;
} Bench;

static gboolean generate(Bench *bench, GError **error)
{
    g_autoptr(LkPhoto) picture =
        lk_editor_generate(bench->editor, bench->values, bench->options->inversion, cli_cancellable(), error);

    return picture != NULL;
}

static gboolean open_crop(Bench *bench, GError **error)
{
    return lk_editor_open(bench->editor, bench->crop, LK_OPEN_ALIGNED, 0, cli_cancellable(), error);
}

/* Seconds from nothing to the first picture; leaves the editor open. Negative on error. */
static double start(Bench *bench, LkGpuFlags flags, GError **error)
{
    const LkEditorOptions options = {
        .device = bench->options->device,
        .storage = bench->options->half ? LK_F16 : LK_F32,
        .gpu_flags = flags,
    };
    const double begin = now();

    cli_progress(bench->options, flags & LK_GPU_NO_CACHE ? "Cold start …" : "Start …");
    g_clear_pointer(&bench->editor, lk_editor_free);
    bench->editor = lk_editor_new_for_model(&options, bench->model, error);
    if (bench->editor == NULL || !open_crop(bench, error))
        return -1;
    lk_editor_neutral_values(bench->editor, bench->values);
    if (!generate(bench, error))
        return -1;
    return now() - begin;
}

static gboolean measure_inversion(Bench *bench, CliMeasure *measure, GError **error)
{
    LkNet *net = lk_editor_net(bench->editor);

    for (guint run = 0; run < bench->options->runs; run++) {
        cli_progress(bench->options, "Inversion %u of %u …", run + 1, bench->options->runs);
        lk_net_forget(net);

        const double begin = now();
        if (!open_crop(bench, error))
            return FALSE;
        const double inverted = now();
        cli_measure_add_stages(measure, net);

        const double resumed = now();
        if (!generate(bench, error))
            return FALSE;
        const double shown = now();
        cli_measure_add_stages(measure, net);
        cli_measure_add_run(measure, inverted - begin + shown - resumed);
    }
    return TRUE;
}

/* Ever new values of one slider, the others where they change nothing: what a drag does. */
static gboolean measure_slider(Bench *bench, guint slider, CliMeasure *measure, GError **error)
{
    const LkDirection *direction = lk_model_direction(bench->model, slider);
    const guint runs = bench->options->runs;
    const float neutral = bench->values[slider];

    for (guint run = 0; run < runs; run++) {
        cli_progress(bench->options, "Slider %s, %u of %u …", direction->name, run + 1, runs);
        bench->values[slider] =
            neutral + (direction->safe_maximum - neutral) * (float)(run + 1) / (float)runs;

        const double begin = now();
        if (!generate(bench, error))
            return FALSE;
        const double end = now();
        cli_measure_add_stages(measure, lk_editor_net(bench->editor));
        cli_measure_add_run(measure, end - begin);
    }
    bench->values[slider] = neutral;
    return generate(bench, error);
}

/* The least an edit can change: w_plus's last row, which only the last block reads. */
static gboolean measure_last_row(Bench *bench, CliMeasure *measure, GError **error)
{
    const LkConfig *config = lk_model_config(bench->model);
    const gsize n = (gsize)config->num_ws * config->w_dim;
    g_autofree float *w_plus = g_memdup2(lk_editor_w_plus(bench->editor), n * sizeof(float));
    g_autofree guint8 *pixels = g_malloc((gsize)4 * config->resolution * config->resolution);
    LkNet *net = lk_editor_net(bench->editor);

    for (guint run = 0; run < bench->options->runs; run++) {
        w_plus[n - 1] += 0.125f;

        const double begin = now();
        if (!lk_net_generate(net, w_plus, NULL, bench->options->inversion, pixels, cli_cancellable(), error))
            return FALSE;
        const double end = now();
        cli_measure_add_stages(measure, net);
        cli_measure_add_run(measure, end - begin);
    }
    return TRUE;
}

static CliMeasure *add_step(CliReport *report, const char *name)
{
    CliMeasure *measure = cli_measure_new(name);

    g_ptr_array_add(report->steps, measure);
    return measure;
}

static gboolean measure_all(Bench *bench, CliReport *report, GError **error)
{
    if ((report->cold_start = start(bench, LK_GPU_NO_CACHE, error)) < 0 ||
        (report->start = start(bench, 0, error)) < 0 || !measure_inversion(bench, report->inversion, error))
        return FALSE;
    for (guint k = 0; k < lk_model_n_directions(bench->model); k++)
        if (!measure_slider(bench, k, add_step(report, lk_model_direction(bench->model, k)->name), error))
            return FALSE;
    if (!measure_last_row(bench, add_step(report, "last row of w_plus"), error))
        return FALSE;

    lk_net_memory(lk_editor_net(bench->editor), &report->memory);
    lk_gpu_memory(lk_editor_gpu(bench->editor), &report->held, &report->peak);
    return TRUE;
}

static CliStatus measure_and_print(Bench *bench)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)cli_measure_free);
    g_autoptr(CliMeasure) inversion = cli_measure_new("inversion");
    g_autoptr(GError) error = NULL;
    CliReport report = {
        .model = bench->model, .options = bench->options, .inversion = inversion, .steps = steps};

    if (!measure_all(bench, &report, &error))
        return cli_fail(error);
    cli_progress(bench->options, NULL);
    report.gpu = lk_editor_gpu(bench->editor);
    if (bench->options->json)
        cli_report_print_json(&report);
    else
        cli_report_print_text(&report);
    return CLI_DONE;
}

static CliStatus run(const CliOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = cli_open_model(options, &error);

    if (model == NULL)
        return cli_fail(error);

    g_autoptr(LkPhoto) crop = any_picture(lk_model_config(model)->input);
    g_autofree float *values = g_new0(float, lk_model_n_directions(model) + 1);
    Bench bench = {.options = options, .model = model, .crop = crop, .values = values};
    const CliStatus status = measure_and_print(&bench);
    lk_editor_free(bench.editor);
    return status;
}

const CliCommand cli_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "Measure inversion and slider steps: times per stage, work, memory",
    .details =
        "An inversion is all that opening a photo costs after its face was found. Stages are timed by the\n"
        "device; \"in all\" is what a person waits for.",
    .takes = CLI_TAKES_INVERSION | CLI_TAKES_JSON | CLI_TAKES_RUNS,
    .run = run,
};
