/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "golden.h"
#include "official.h"
#include "writer.h"

enum { SE_DIVISOR = 16, CHUNK = 1 << 16 };

/* ---- the rule ---- */

typedef struct {
    char *name; /* that the rule hashes */
    guint64 seed;
    float scale, offset;
} Stream;

/* The first pattern that a tensor's name matches gives the width of its values, uniform in offset +- scale. A fan is the gain
 * of lk_golden_fan; width and gain keep the numbers of all stages healthy. */
static const struct {
    const char *pattern;
    gboolean fan;
    double scale;
    float offset;
} rules[] = {
    {"^(latent_avg|direction\\.)", FALSE, 0.3, 0},
    /* E0: normalisation, PReLU, squeeze-excitation, convolutions, lateral layers, heads */
    {"^e4e\\..*(input_layer\\.1|res_layer\\.[04]|shortcut_layer\\.1)\\.weight$", FALSE, 0.1, 1},
    {"^e4e\\..*(input_layer\\.1|res_layer\\.[04]|shortcut_layer\\.1)\\.bias$", FALSE, 0.1, 0},
    {"^e4e\\..*running_mean$", FALSE, 0.1, 0},
    {"^e4e\\..*running_var$", FALSE, 0.2, 1},
    {"^e4e\\.(input_layer\\.2|.*res_layer\\.2)\\.weight$", FALSE, 0.05, 0.25},
    {"^e4e\\..*\\.fc[12]\\.weight$", TRUE, 2, 0},
    {"^e4e\\.input_layer\\.0\\.", TRUE, 1.5, 0},
    {"^e4e\\.body\\..*shortcut_layer\\.0\\.", TRUE, 0.7, 0},
    {"^e4e\\.body\\.", TRUE, 0.95, 0},
    {"^e4e\\.latlayer.\\.weight$", TRUE, 1, 0},
    {"^e4e\\.latlayer.\\.bias$", FALSE, 0.1, 0},
    {"^e4e\\.styles\\..*convs\\..*weight$", TRUE, 1.4, 0},
    {"^e4e\\.styles\\..*linear\\.weight$", FALSE, 1.7, 0},
    {"^e4e\\.styles\\..*bias$", FALSE, 0.05, 0},
    /* E1 and E2 */
    {"modify_feature_.*bias$", FALSE, 0.05, 0},
    {"modify_feature_gates\\.convs2\\.2\\.", TRUE, 1, 0},
    {"modify_feature_.*res_layer\\.2\\.", TRUE, 0.6, 0},
    {"modify_feature_.*shortcut_layer\\.", TRUE, 0.8, 0},
    {"modify_feature_gates\\.down2\\.", TRUE, 0.7, 0},
    {"modify_feature_.*out_layer\\.", TRUE, 0.6, 0},
    {"modify_feature_", TRUE, 1, 0},
    /* generator */
    {"noise_strength$", FALSE, 0.02, 0.05},
    {"(noise_const|\\.const|affine\\.weight|conv[01]\\.weight)$", FALSE, 1.7320508075688772, 0},
    {"affine\\.bias$", FALSE, 0.1, 1},
    {"b(4|8|16|32|64)\\.torgb\\.weight$", FALSE, 0.4, 0},
    {"b(128|256)\\.torgb\\.weight$", FALSE, 0.25, 0},
    {"b512\\.torgb\\.weight$", FALSE, 0.18, 0},
    {"b1024\\.torgb\\.weight$", FALSE, 0.15, 0},
    {"torgb\\.bias$", FALSE, 0.05, 0},
    {"conv[01]\\.bias$", FALSE, 0.1, 0},
};

char *lk_official_rule_name(const char *tensor)
{
    static const char *const prefixes[][2] = {
        {"e4e.", "e4e/"}, {"generator.", "generator_smooth/"}, {"direction.", "edit/"}};

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(tensor, prefixes[i][0]))
            return g_strconcat(prefixes[i][1], tensor + strlen(prefixes[i][0]), NULL);
    return g_strdup(tensor);
}

static gsize fan_in(const LkExpectedTensor *tensor)
{
    gsize fan = 1;

    for (guint i = 1; i < tensor->n_dims; i++)
        fan *= tensor->shape[i];
    return fan;
}

static Stream *stream_new(const LkExpectedTensor *tensor, guint64 seed)
{
    Stream *stream = g_new0(Stream, 1);
    guint i = 0;

    while (!g_regex_match_simple(rules[i].pattern, tensor->name, 0, 0))
        if (++i == G_N_ELEMENTS(rules))
            g_error("no rule for %s", tensor->name);
    stream->name = lk_official_rule_name(tensor->name);
    stream->seed = seed;
    stream->scale = rules[i].fan ? lk_golden_fan(rules[i].scale, fan_in(tensor)) : (float)rules[i].scale;
    stream->offset = rules[i].offset;
    return stream;
}

static void stream_free(gpointer data)
{
    Stream *stream = data;

    g_free(stream->name);
    g_free(stream);
}

/* LkTensorSource */
static gboolean stream_read(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    const Stream *stream = data;

    lk_golden_range(stream->name, stream->seed, stream->scale, stream->offset, first, values, n);
    return TRUE;
}

/* ---- the tensors ---- */

static LkExpectedTensor *direction_new(void)
{
    LkExpectedTensor *tensor = g_new0(LkExpectedTensor, 1);

    tensor->name = g_strdup("direction." LK_OFFICIAL_DIRECTION);
    tensor->n_dims = 2;
    tensor->shape[0] = lk_released_config.num_ws;
    tensor->shape[1] = lk_released_config.w_dim;
    tensor->used = TRUE;
    return tensor;
}

GPtrArray *lk_official_tensors(void)
{
    GPtrArray *tensors = lk_architecture_tensors(&lk_released_config, SE_DIVISOR);

    for (guint i = tensors->len; i-- > 0;) {
        const LkExpectedTensor *tensor = g_ptr_array_index(tensors, i);
        if (!tensor->used)
            g_ptr_array_remove_index(tensors, i);
    }
    g_ptr_array_add(tensors, direction_new());
    return tensors;
}

guint64 lk_official_digest(const LkExpectedTensor *tensor, guint64 seed)
{
    Stream *stream = stream_new(tensor, seed);
    g_autofree float *values = g_new(float, CHUNK);
    guint64 n = 1, digest = 0;

    for (guint i = 0; i < tensor->n_dims; i++)
        n *= tensor->shape[i];
    for (guint64 first = 0; first < n; first += CHUNK) {
        gsize some = (gsize)MIN(n - first, CHUNK);
        stream_read(stream, first, some, values, NULL);
        digest += lk_golden_digest_range(first, values, some);
    }
    stream_free(stream);
    return digest;
}

/* ---- the model file ---- */

static void set_metadata(LkModelWriter *writer)
{
    g_autofree char *config = lk_config_to_json(&lk_released_config);

    lk_model_writer_set_metadata(writer, "format", "likeness-model");
    lk_model_writer_set_metadata(writer, "version", "1");
    lk_model_writer_set_metadata(writer, "name", "Golden weights");
    lk_model_writer_set_metadata(writer, "licence", "GPL-3.0-or-later");
    lk_model_writer_set_metadata(writer, "domain", "none");
    lk_model_writer_set_metadata(writer, "card",
                                 "Pseudo-random weights for tests. The pictures are clouds of colour.");
    lk_model_writer_set_metadata(writer, "config", config);
    lk_model_writer_set_metadata(
        writer, "directions",
        "[{\"name\": \"" LK_OFFICIAL_DIRECTION
        "\", \"label\": \"Test\", \"kind\": \"interfacegan\", \"group\": \"test\", "
        "\"rows\": [0, 18], \"range\": [-5, 5], \"safe\": [-5, 5], \"default\": 0, \"step\": 0.1}]");
}

gboolean lk_official_write(const char *path, guint64 seed, LkDtype dtype, GError **error)
{
    g_autoptr(GPtrArray) tensors = lk_official_tensors();
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();

    set_metadata(writer);
    for (guint i = 0; i < tensors->len; i++) {
        const LkExpectedTensor *tensor = g_ptr_array_index(tensors, i);
        gboolean exact = tensor->n_dims < 2 || g_str_has_prefix(tensor->name, "direction.");
        lk_model_writer_add(writer, tensor->name, exact ? LK_DTYPE_F32 : dtype, tensor->n_dims, tensor->shape,
                            stream_read, stream_new(tensor, seed), stream_free);
    }
    return lk_model_writer_write(writer, path, NULL, NULL, NULL, error);
}

/* ---- the crop ---- */

void lk_official_synthetic(guint8 *rgba)
{
    for (int y = 0; y < 256; y++) {
        for (int x = 0; x < 256; x++, rgba += 4) {
            int d = (x - 140) * (x - 140) + (y - 112) * (y - 112);
            rgba[0] = (guint8)(d < 4900 ? 255 - d * 160 / 4900 : (x + y) / 2);
            rgba[1] = (guint8)(d < 4900 ? 3 * x + y : 3 * (x ^ y));
            rgba[2] = (guint8)(((x >> 4) ^ (y >> 4)) & 1 ? 255 - y : (x * y) >> 8);
            rgba[3] = 255;
        }
    }
}
