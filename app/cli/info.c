/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include "json.h"
#include "likeness-config.h"
#include "selftest.h"

#include <math.h>

#define MEBIBYTE 1048576.0

typedef struct {
    GPtrArray *devices;  /* LkGpuInfo; NULL: no driver */
    LkGpu *gpu;          /* the chosen one; NULL: none */
    GPtrArray *models;   /* LkModel */
    GError *gpu_error;   /* why there is no device, or why the self-test failed */
    GError *model_error; /* of the model that was asked for */
    gboolean passed;
    double error_max;
} Facts;

static void find_device(Facts *facts, const CliOptions *options)
{
    facts->devices = lk_gpu_list(&facts->gpu_error);
    if (facts->devices == NULL)
        return;
    facts->gpu = lk_gpu_open(options->device, 0, &facts->gpu_error);
    if (facts->gpu != NULL)
        facts->passed = lk_self_test(facts->gpu, &facts->error_max, &facts->gpu_error);
}

/* Those that can be given by name, or the one that was asked for. */
static void find_models(Facts *facts, const CliOptions *options)
{
    g_autoptr(GPtrArray) paths = lk_model_list();

    facts->models = g_ptr_array_new_with_free_func((GDestroyNotify)lk_model_unref);
    if (options->model != NULL || paths->len == 0) {
        LkModel *model = cli_open_model(options, &facts->model_error);
        if (model != NULL)
            g_ptr_array_add(facts->models, model);
        return;
    }
    for (guint i = 0; i < paths->len; i++) {
        g_autoptr(GError) error = NULL;
        LkModel *model = lk_model_open(g_ptr_array_index(paths, i), &error);
        if (model != NULL)
            g_ptr_array_add(facts->models, model);
        else if (facts->model_error == NULL)
            facts->model_error = g_steal_pointer(&error);
    }
}

/* ---- text --------------------------------------------------------------------------------------------------- */

static void print_device(const LkGpuInfo *info)
{
    g_print("  %u  %s (%s)\n", info->index, info->name, lk_gpu_kind_name(info->kind));
    g_print("     %s %s, %s\n", info->engine, info->api, info->driver);
    g_print("     memory %.0f MiB, largest allocation %.0f MiB, largest binding %.0f MiB\n",
            info->memory / MEBIBYTE, info->max_allocation / MEBIBYTE, info->max_binding / MEBIBYTE);
    g_print("     shared memory %u KiB, subgroups of %u, half precision storage: %s\n",
            info->shared_memory / 1024, info->subgroup_size, info->half_storage ? "yes" : "no");
}

static void print_model(const LkModel *model)
{
    const LkConfig *config = lk_model_config(model);
    const char *licence = lk_model_metadata(model, "licence");

    g_print("  %s  %s\n", lk_model_name(model), lk_model_path(model));
    g_print("     %u x %u pixels, w+ %u x %u, licence %s\n", config->resolution, config->resolution,
            config->num_ws, config->w_dim, licence ? licence : "not stated");
    for (guint k = 0; k < lk_model_n_directions(model); k++) {
        const LkDirection *slider = lk_model_direction(model, k);
        g_print("     %-12s %g to %g, safe from %g to %g\n", slider->name, slider->minimum, slider->maximum,
                slider->safe_minimum, slider->safe_maximum);
    }
}

static void print_text(const Facts *facts)
{
    g_print("likeness-cli %s\n\nDevices\n", LK_VERSION);
    if (facts->devices == NULL || facts->devices->len == 0)
        g_print("  none\n");
    for (guint i = 0; facts->devices != NULL && i < facts->devices->len; i++)
        print_device(g_ptr_array_index(facts->devices, i));
    if (facts->gpu != NULL) {
        g_print("\nChosen device\n  %u  %s\n", lk_gpu_info(facts->gpu)->index, lk_gpu_info(facts->gpu)->name);
        g_print("  self-test %s, largest relative error %.2g\n", facts->passed ? "passed" : "FAILED",
                facts->error_max);
    }
    g_print("\nModels\n");
    if (facts->models->len == 0)
        g_print("  none\n");
    for (guint i = 0; i < facts->models->len; i++)
        print_model(g_ptr_array_index(facts->models, i));
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void add_slider(JsonBuilder *json, const LkDirection *slider)
{
    json_builder_begin_object(json);
    cli_json_string(json, "name", slider->name);
    cli_json_string(json, "label", slider->label);
    cli_json_string(json, "group", slider->group);
    cli_json_string(json, "kind", lk_direction_kind_name(slider->kind));
    cli_json_double(json, "minimum", slider->minimum);
    cli_json_double(json, "maximum", slider->maximum);
    cli_json_double(json, "safe_minimum", slider->safe_minimum);
    cli_json_double(json, "safe_maximum", slider->safe_maximum);
    cli_json_double(json, "step", slider->step);
    json_builder_end_object(json);
}

static void add_model(JsonBuilder *json, const LkModel *model)
{
    const LkConfig *config = lk_model_config(model);

    json_builder_begin_object(json);
    cli_json_string(json, "name", lk_model_name(model));
    cli_json_string(json, "path", lk_model_path(model));
    cli_json_string(json, "licence", lk_model_metadata(model, "licence"));
    cli_json_int(json, "input", config->input);
    cli_json_int(json, "resolution", config->resolution);
    cli_json_int(json, "num_ws", config->num_ws);
    cli_json_int(json, "w_dim", config->w_dim);
    json_builder_set_member_name(json, "sliders");
    json_builder_begin_array(json);
    for (guint k = 0; k < lk_model_n_directions(model); k++)
        add_slider(json, lk_model_direction(model, k));
    json_builder_end_array(json);
    json_builder_end_object(json);
}

static void add_devices(JsonBuilder *json, const Facts *facts)
{
    json_builder_set_member_name(json, "devices");
    json_builder_begin_array(json);
    for (guint i = 0; facts->devices != NULL && i < facts->devices->len; i++) {
        json_builder_begin_object(json);
        cli_json_device(json, g_ptr_array_index(facts->devices, i));
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_set_member_name(json, "chosen");
    if (facts->gpu != NULL)
        json_builder_add_int_value(json, lk_gpu_info(facts->gpu)->index);
    else
        json_builder_add_null_value(json);
}

static void print_json(const Facts *facts)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    cli_json_string(json, "version", LK_VERSION);
    add_devices(json, facts);
    json_builder_set_member_name(json, "self_test");
    json_builder_begin_object(json);
    cli_json_bool(json, "passed", facts->passed);
    cli_json_double(json, "largest_error", facts->error_max);
    json_builder_end_object(json);
    json_builder_set_member_name(json, "models");
    json_builder_begin_array(json);
    for (guint i = 0; i < facts->models->len; i++)
        add_model(json, g_ptr_array_index(facts->models, i));
    json_builder_end_array(json);
    json_builder_end_object(json);
    cli_json_print(json);
}

/* Tells all it knows, then what is wrong. */
static CliStatus run(const CliOptions *options)
{
    Facts facts = {.error_max = INFINITY};
    CliStatus status = CLI_DONE;

    find_device(&facts, options);
    find_models(&facts, options);
    if (options->json)
        print_json(&facts);
    else
        print_text(&facts);
    if (facts.gpu_error != NULL)
        status = cli_fail(facts.gpu_error);
    else if (facts.model_error != NULL)
        status = cli_fail(facts.model_error);

    lk_gpu_free(facts.gpu);
    g_clear_pointer(&facts.devices, g_ptr_array_unref);
    g_ptr_array_unref(facts.models);
    g_clear_error(&facts.gpu_error);
    g_clear_error(&facts.model_error);
    return status;
}

const CliCommand cli_info = {
    .name = "info",
    .arguments = "",
    .summary = "Tell the version, the devices and their limits, the models and their sliders",
    .details = "The chosen device runs a small self-test.",
    .takes = CLI_TAKES_JSON,
    .run = run,
};
