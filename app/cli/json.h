/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * json.h - members of a JSON object, in one line each.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "gpu.h"

G_BEGIN_DECLS

void cli_json_string(JsonBuilder *json, const char *name, const char *value); /* NULL: null */
void cli_json_int(JsonBuilder *json, const char *name, gint64 value);
void cli_json_double(JsonBuilder *json, const char *name, double value); /* not finite: null */
void cli_json_bool(JsonBuilder *json, const char *name, gboolean value);
void cli_json_device(JsonBuilder *json, const LkGpuInfo *info); /* the members of a device, limits included */
void cli_json_print(JsonBuilder *json);                         /* to stdout, indented */

G_END_DECLS
