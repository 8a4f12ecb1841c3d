/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "json_check.h"

#include <string.h>

typedef struct {
    const char *at, *end;
    guint max_depth;
    GPtrArray *levels; /* per open bracket: the set of keys seen (arrays have one too, always empty) */
    char *string;      /* the string just read, or NULL; a colon after it makes it a key */
    gboolean escaped;
} Check;

/* at is behind the opening quote; moves behind the closing one. */
static char *read_string(Check *check)
{
    const char *start = check->at;

    check->escaped = FALSE;
    for (; check->at < check->end; check->at++) {
        guchar byte = (guchar)*check->at;
        if (byte == '"') {
            check->string = g_strndup(start, (gsize)(check->at - start));
            check->at++;
            return NULL;
        }
        if (byte < 0x20)
            return g_strdup("a string has a control character");
        if (byte == '\\') {
            check->escaped = TRUE;
            if (++check->at == check->end)
                break;
            if ((guchar)*check->at < 0x20)
                return g_strdup("a string has a control character");
        }
    }
    return g_strdup("a string does not end");
}

static char *accept_key(Check *check)
{
    GHashTable *keys;

    if (check->string == NULL || check->levels->len == 0)
        return g_strdup("a colon does not follow a key");
    if (check->escaped)
        return g_strdup_printf("the key \"%.60s\" has an escape", check->string);
    keys = g_ptr_array_index(check->levels, check->levels->len - 1);
    if (g_hash_table_contains(keys, check->string))
        return g_strdup_printf("the key \"%.60s\" appears twice", check->string);
    g_hash_table_add(keys, g_steal_pointer(&check->string));
    return NULL;
}

static char *accept_punctuation(Check *check, char byte)
{
    switch (byte) {
    case '{':
    case '[':
        if (check->levels->len == check->max_depth)
            return g_strdup_printf("it is nested more than %u deep", check->max_depth);
        g_ptr_array_add(check->levels, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL));
        return NULL;
    case '}':
    case ']':
        if (check->levels->len == 0)
            return g_strdup("a bracket closes nothing");
        g_ptr_array_set_size(check->levels, (int)check->levels->len - 1);
        return NULL;
    case ':':
        return accept_key(check);
    default:
        return NULL;
    }
}

static char *read_number(Check *check)
{
    guint digits = 0;
    gboolean integer = TRUE;

    for (; check->at < check->end && strchr("+-.eE0123456789", *check->at) && *check->at; check->at++) {
        digits += g_ascii_isdigit(*check->at) ? 1 : 0;
        integer = integer && strchr(".eE", *check->at) == NULL;
    }
    if (integer && digits > 18)
        return g_strdup("a number is too large");
    return digits > 40 ? g_strdup("a number is too long") : NULL;
}

static char *read_token(Check *check)
{
    char byte = *check->at;

    if (byte == '"') {
        g_clear_pointer(&check->string, g_free);
        check->at++;
        return read_string(check);
    }
    if (byte != '\0' && strchr(" \t\r\n", byte)) {
        check->at++;
        return NULL;
    }
    if (byte != '\0' && strchr("{}[]:,", byte)) {
        char *reason = accept_punctuation(check, byte);
        g_clear_pointer(&check->string, g_free);
        check->at++;
        return reason;
    }
    if (byte == '-' || g_ascii_isdigit(byte))
        return read_number(check);
    if (byte != '\0' &&
        strchr("truefalsn", byte)) { /* the letters of true, false, null; json-glib checks the word */
        check->at++;
        return NULL;
    }
    return g_strdup_printf("an unexpected byte 0x%02x", (guint)(guchar)byte);
}

char *lk_json_check(const char *text, gsize length, guint max_depth)
{
    Check check = {.at = text, .end = text + length, .max_depth = max_depth};
    char *reason = NULL;

    if (!g_utf8_validate_len(text, length, NULL))
        return g_strdup("it is not UTF-8");
    check.levels = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    while (reason == NULL && check.at < check.end)
        reason = read_token(&check);
    if (reason == NULL && check.levels->len > 0)
        reason = g_strdup("a bracket is not closed");
    g_ptr_array_unref(check.levels);
    g_free(check.string);
    return reason;
}

JsonNode *lk_json_parse(const char *text, gsize length, guint max_depth, char **reason)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) error = NULL;
    JsonNode *root;

    *reason = lk_json_check(text, length, max_depth);
    if (*reason)
        return NULL;
    if (!json_parser_load_from_data(parser, text, (gssize)length, &error)) {
        *reason = g_strdup(error->message);
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (root == NULL || JSON_NODE_HOLDS_VALUE(root) || JSON_NODE_HOLDS_NULL(root)) {
        *reason = g_strdup("it is empty");
        return NULL;
    }
    return json_node_ref(root);
}
