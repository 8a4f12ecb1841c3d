/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of model files. An input is a file. So that changes reach what is behind the lengths, one that begins with { is
 * instead a file's JSON header, which gets the length before it and as many zeros behind it as its tensors want; one that begins
 * with [ is a text of directions for a small model, and one that begins with c followed by a config.
 */
#include "config.h"
#include "fuzz_file.h"
#include "model_private.h"

#include <string.h>

#define MAX_ZEROS (4 * 1024 * 1024)

/* ---- a file around a header ---- */

static size_t count_zeros(const char *header)
{
    guint64 most = 0;

    for (const char *at = header; (at = strstr(at, "\"data_offsets\":[")) != NULL;) {
        char *end;
        at += strlen("\"data_offsets\":[");
        g_ascii_strtoull(at, &end, 10);
        if (*end == ',')
            most = MAX(most, g_ascii_strtoull(end + 1, NULL, 10));
    }
    return (size_t)MIN(most, MAX_ZEROS);
}

static const char *wrap(const char *header, size_t size)
{
    g_autofree guint8 *bytes = g_malloc(8 + size);

    for (guint i = 0; i < 8; i++)
        bytes[i] = (guint8)((guint64)size >> (8 * i));
    memcpy(bytes + 8, header, size);
    return fuzz_file(bytes, 8 + size, count_zeros(header));
}

/* ---- what is tried ---- */

static void read_tensors(const LkWeights *weights)
{
    g_autoptr(GPtrArray) names = lk_weights_list_tensors(weights);
    g_autoptr(GPtrArray) keys = lk_weights_list_metadata(weights);

    for (guint i = 0; i < keys->len; i++)
        g_assert_nonnull(lk_weights_metadata(weights, g_ptr_array_index(keys, i)));
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        const LkWeight *weight = lk_weights_find(weights, name);
        guint shape[5] = {0};
        GError *error = NULL;
        g_autofree float *values = NULL;
        for (guint dim = 0; dim < weight->n_dims; dim++)
            shape[dim] = (guint)weight->shape[dim];
        values = lk_weights_read(weights, name, shape, &error);
        if (values == NULL)
            fuzz_check_error(error, NULL);
    }
}

static void try_file(const char *path)
{
    GError *error = NULL;
    g_autoptr(LkModel) model = NULL;
    g_autoptr(LkWeights) weights = lk_weights_open(path, &error);

    if (weights == NULL) {
        fuzz_check_error(error, path);
        return;
    }
    read_tensors(weights);
    model = lk_model_open(path, &error);
    if (model == NULL)
        fuzz_check_error(error, path);
    else
        g_assert_nonnull(lk_model_name(model));
}

static void try_config(const char *json)
{
    GError *error = NULL;
    LkConfig config;

    if (!lk_config_parse(json, &config, &error))
        fuzz_check_error(error, NULL);
}

/* FUZZ_MODEL: one of the models of tests/golden. */
static void try_directions(const char *json)
{
    static LkModel *model;
    GError *error = NULL;
    g_autoptr(GPtrArray) directions = NULL;

    if (model == NULL)
        model = lk_model_open(FUZZ_MODEL, &error);
    g_assert_no_error(error);
    directions = lk_directions_parse(json, lk_model_config(model), lk_model_weights(model), &error);
    if (directions == NULL)
        fuzz_check_error(error, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup(size > 0 ? (const char *)data : "", size);

    switch (*text) {
    case '{':
        try_file(wrap(text, size));
        break;
    case '[':
        try_directions(text);
        break;
    case 'c':
        try_config(text + 1);
        break;
    default:
        try_file(fuzz_file(data, size, 0));
    }
    return 0;
}
