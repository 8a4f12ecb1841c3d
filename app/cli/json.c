/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "json.h"

#include <math.h>

void cli_json_string(JsonBuilder *json, const char *name, const char *value)
{
    json_builder_set_member_name(json, name);
    if (value != NULL)
        json_builder_add_string_value(json, value);
    else
        json_builder_add_null_value(json);
}

void cli_json_int(JsonBuilder *json, const char *name, gint64 value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, value);
}

void cli_json_double(JsonBuilder *json, const char *name, double value)
{
    json_builder_set_member_name(json, name);
    if (isfinite(value))
        json_builder_add_double_value(json, value);
    else
        json_builder_add_null_value(json);
}

void cli_json_bool(JsonBuilder *json, const char *name, gboolean value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_boolean_value(json, value);
}

void cli_json_device(JsonBuilder *json, const LkGpuInfo *info)
{
    cli_json_int(json, "index", info->index);
    cli_json_string(json, "name", info->name);
    cli_json_string(json, "kind", lk_gpu_kind_name(info->kind));
    cli_json_string(json, "engine", info->engine);
    cli_json_string(json, "driver", info->driver);
    cli_json_string(json, "api", info->api);
    cli_json_bool(json, "half_storage", info->half_storage);
    cli_json_int(json, "memory", (gint64)info->memory);
    cli_json_int(json, "max_binding", (gint64)info->max_binding);
    cli_json_int(json, "max_allocation", (gint64)info->max_allocation);
    cli_json_int(json, "shared_memory", info->shared_memory);
    cli_json_int(json, "subgroup_size", info->subgroup_size);
}

void cli_json_print(JsonBuilder *json)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    g_autofree char *text = NULL;

    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    text = json_generator_to_data(generator, NULL);
    g_print("%s\n", text);
}
