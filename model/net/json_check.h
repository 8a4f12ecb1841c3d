/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * json_check.h - what a JSON text from a stranger must satisfy before json-glib (which recurses, takes the last of
 * duplicate keys, and accepts comments) may parse it.
 */
#pragma once

#include <json-glib/json-glib.h>

/* NULL if text is UTF-8 without comments, nested at most max_depth deep, without duplicate or escaped keys, and without
 * integers beyond 18 digits; else the reason, to be freed with g_free. */
char *lk_json_check(const char *text, gsize length, guint max_depth);

/* Checks and parses. NULL with the reason (g_free it) in *reason. The root is an object or an array. */
JsonNode *lk_json_parse(const char *text, gsize length, guint max_depth, char **reason);
