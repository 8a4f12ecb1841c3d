/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tiny_model.h"
#include "f16.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdarg.h>

#define INPUT     32
#define EMBED     8
#define WIDTH     12 /* of block EMBED */
#define STEM      6
#define SE_HIDDEN 4

static const guint groups[4][3] = {{6, 8, 1}, {8, 10, 2}, {10, 10, 1}, {10, 16, 1}};
static const char *const head_names[3] = {"c3", "p2", "p1"};

typedef struct {
    LkTinyOptions options;
    guint num_ws, gate_channels;
    guint64 random;
    GString *header;
    GByteArray *data;
} Writer;

/* ---- tensors ---- */

/* Uniform in -1 ... 1 (SplitMix64, https://prng.di.unimi.it/splitmix64.c, public domain). */
static float next_random(Writer *writer)
{
    guint64 z = writer->random += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    z ^= z >> 31;
    return (float)((double)(z >> 40) / (1 << 23) - 1);
}

/* offset + scale * random; a, b, c, d: the shape, ended by 0. Two and more dimensions are stored in half precision. */
static void add(Writer *writer, const char *name, double scale, double offset, guint a, guint b, guint c,
                guint d)
{
    const guint shape[] = {a, b, c, d};
    gsize n = 1, begin = writer->data->len;
    gboolean half = a && b;

    if (g_strcmp0(writer->options.without, name) == 0)
        return;
    g_string_append_printf(writer->header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", name,
                           half ? "F16" : "F32");
    for (guint i = 0; i < 4 && shape[i]; i++) {
        g_string_append_printf(writer->header, "%s%u", i ? "," : "", shape[i]);
        n *= shape[i];
    }
    for (gsize i = 0; i < n; i++) {
        float value = (float)(offset + scale * (double)next_random(writer));
        guint16 rounded = lk_f16_from_float(value);
        g_byte_array_append(writer->data, half ? (guint8 *)&rounded : (guint8 *)&value, half ? 2 : 4);
    }
    g_string_append_printf(writer->header, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%u]}", begin,
                           writer->data->len);
}

static char *G_GNUC_PRINTF(1, 2) text(const char *format, ...)
{
    static char buffer[200]; /* one name at a time */
    va_list arguments;

    va_start(arguments, format);
    g_vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    return buffer;
}

static void add_conv(Writer *writer, const char *prefix, guint o, guint i, guint k, gboolean bias)
{
    add(writer, text("%s.weight", prefix), 1.6 / sqrt(i * k * k), 0, o, i, k, k);
    if (bias)
        add(writer, text("%s.bias", prefix), 0.1, 0, o, 0, 0, 0);
}

static void add_bn(Writer *writer, const char *prefix, guint n)
{
    add(writer, text("%s.weight", prefix), 0.2, 1, n, 0, 0, 0);
    add(writer, text("%s.bias", prefix), 0.2, 0, n, 0, 0, 0);
    add(writer, text("%s.running_mean", prefix), 0.2, 0, n, 0, 0, 0);
    add(writer, text("%s.running_var", prefix), 0.4, 1, n, 0, 0, 0);
}

/* ---- E0 ---- */

static void add_bottleneck(Writer *writer, guint index, guint in, guint out)
{
    g_autofree char *unit = g_strdup_printf("e4e.body.%u", index);
    g_autofree char *residual = g_strdup_printf("%s.res_layer", unit);
    g_autofree char *name = g_strdup_printf("%s.0", residual);

    add_bn(writer, name, in);
    add(writer, text("%s.1.weight", residual), 1.6 / sqrt(in * 9), 0, out, in, 3, 3);
    add(writer, text("%s.2.weight", residual), 0.1, 0.25, out, 0, 0, 0);
    add(writer, text("%s.3.weight", residual), 1.6 / sqrt(out * 9), 0, out, out, 3, 3);
    name[strlen(name) - 1] = '4';
    add_bn(writer, name, out);
    add(writer, text("%s.5.fc1.weight", residual), 1, 0, SE_HIDDEN, out, 1, 1);
    add(writer, text("%s.5.fc2.weight", residual), 1, 0, out, SE_HIDDEN, 1, 1);
    if (in != out) {
        g_autofree char *shortcut = g_strdup_printf("%s.shortcut_layer.1", unit);
        add(writer, text("%s.shortcut_layer.0.weight", unit), 1.6 / sqrt(in), 0, out, in, 1, 1);
        add_bn(writer, shortcut, out);
    }
}

static const char *head_source(guint head)
{
    return head_names[head % 3];
}

static void add_head(Writer *writer, guint head)
{
    guint width = groups[3][1], w_dim = writer->options.w_dim;

    for (guint side = INPUT / 16 << head % 3, i = 0; side > 1; side /= 2, i += 2) {
        g_autofree char *name = g_strdup_printf("e4e.styles.%u.convs.%u", head, i);
        add_conv(writer, name, width, width, 3, TRUE);
    }
    add(writer, text("e4e.styles.%u.linear.weight", head), head ? 1 : 2, 0, w_dim, width, 0, 0);
    add(writer, text("e4e.styles.%u.linear.bias", head), 0.1, 0, w_dim, 0, 0, 0);
}

static void add_encoder(Writer *writer)
{
    guint index = 0;

    add(writer, "e4e.input_layer.0.weight", 0.3, 0, STEM, 3, 3, 3);
    add_bn(writer, "e4e.input_layer.1", STEM);
    add(writer, "e4e.input_layer.2.weight", 0.1, 0.25, STEM, 0, 0, 0);
    for (guint g = 0; g < 4; g++)
        for (guint u = 0; u < groups[g][2]; u++)
            add_bottleneck(writer, index++, groups[g][u ? 1 : 0], groups[g][1]);
    add_conv(writer, "e4e.latlayer1", groups[3][1], groups[2][1], 1, TRUE);
    add_conv(writer, "e4e.latlayer2", groups[3][1], groups[1][1], 1, TRUE);
    for (guint head = 0; head < writer->num_ws; head++)
        add_head(writer, head);
}

/* ---- G ---- */

static guint channels(guint resolution)
{
    return resolution == EMBED ? WIDTH : resolution < EMBED ? 16 : 8;
}

static void add_affine(Writer *writer, const char *layer, guint n)
{
    add(writer, text("%s.affine.weight", layer), 1, 0, n, writer->options.w_dim, 0, 0);
    add(writer, text("%s.affine.bias", layer), 0.1, 1, n, 0, 0, 0);
}

static void add_synthesis_conv(Writer *writer, guint resolution, guint index, guint out, guint in)
{
    g_autofree char *layer = g_strdup_printf("generator.synthesis.b%u.conv%u", resolution, index);

    add(writer, text("%s.weight", layer), 1, 0, out, in, 3, 3);
    add(writer, text("%s.bias", layer), 0.1, 0, out, 0, 0, 0);
    add_affine(writer, layer, in);
    if (writer->options.noise) {
        add(writer, text("%s.noise_const", layer), 1.7, 0, resolution, resolution, 0, 0);
        add(writer, text("%s.noise_strength", layer), 0.1, 0.3, 0, 0, 0, 0);
    }
}

static void add_res_layers(Writer *writer, const char *unit, guint in, guint out, guint stride)
{
    g_autofree char *first = g_strdup_printf("%s.res_layer.0", unit),
                    *second = g_strdup_printf("%s.res_layer.2", unit);
    g_autofree char *shortcut = g_strdup_printf("%s.shortcut_layer.0", unit);

    add_conv(writer, first, out, in, 3, TRUE);
    add_conv(writer, second, out, out, 3, TRUE);
    if (in != out || stride != 1)
        add_conv(writer, shortcut, out, in, 1, FALSE);
}

static void add_chain(Writer *writer, const char *module, const char *name, guint n, guint first_in,
                      guint last_out, guint stride)
{
    for (guint i = 0; i < n; i++) {
        g_autofree char *unit = g_strdup_printf("%s_%s.%u", module, name, i);
        add_res_layers(writer, unit, i ? WIDTH : first_in, i + 1 < n ? WIDTH : last_out, i ? 1 : stride);
    }
}

static void add_residual(Writer *writer)
{
    g_autofree char *module = g_strdup_printf("generator.synthesis.b%u.modify_feature", EMBED);
    const struct {
        const char *name;
        guint out, in, k;
    } convs[] = {{"alignment.first_layer", WIDTH, groups[1][1] + WIDTH, 1},
                 {"alignment.out_layer", WIDTH, WIDTH, 1},
                 {"extraction.first_layer", WIDTH, WIDTH, 1},
                 {"gates.down1", writer->gate_channels, WIDTH, 3},
                 {"gates.down2", writer->gate_channels, WIDTH, 3}};

    for (guint i = 0; i < G_N_ELEMENTS(convs); i++) {
        g_autofree char *name = g_strdup_printf("%s_%s", module, convs[i].name);
        add_conv(writer, name, convs[i].out, convs[i].in, convs[i].k, TRUE);
    }
    add_chain(writer, module, "alignment.conv1", 1, WIDTH, WIDTH, 1);
    add_chain(writer, module, "alignment.conv2", 2, WIDTH, WIDTH, 2);
    add_chain(writer, module, "alignment.conv3", 2, WIDTH, WIDTH, 2);
    add_chain(writer, module, "alignment.dconv1", 2, WIDTH, WIDTH, 1);
    add_chain(writer, module, "alignment.dconv2", 2, WIDTH, WIDTH, 1);
    add_chain(writer, module, "extraction.convs", 3, WIDTH, WIDTH, 1);
    add_chain(writer, module, "gates.convs", 3, 2 * writer->gate_channels, WIDTH, 1);
    add_chain(writer, module, "gates.convs2", 3, 2 * writer->gate_channels, 1, 1);
}

static void add_generator(Writer *writer)
{
    for (guint r = 4; r <= writer->options.resolution; r *= 2) {
        g_autofree char *to_rgb = g_strdup_printf("generator.synthesis.b%u.torgb", r);
        if (r == 4)
            add(writer, "generator.synthesis.b4.const", 1.7, 0, channels(4), 4, 4, 0);
        else
            add_synthesis_conv(writer, r, 0, channels(r), channels(r / 2));
        add_synthesis_conv(writer, r, 1, channels(r), channels(r));
        add(writer, text("%s.weight", to_rgb), 0.5, 0, 3, channels(r), 1, 1);
        add(writer, text("%s.bias", to_rgb), 0.1, 0, 3, 0, 0, 0);
        add_affine(writer, to_rgb, channels(r));
    }
    add_residual(writer);
}

/* ---- the file ---- */

static guint n_rows(const LkTinyOptions *options)
{
    guint rows = 2;

    for (guint r = 4; r < options->resolution; r *= 2)
        rows += 2;
    return rows;
}

static LkTinyOptions complete(const LkTinyOptions *options)
{
    LkTinyOptions result = options ? *options : (LkTinyOptions){0};

    result.resolution = result.resolution ? result.resolution : 32;
    result.w_dim = result.w_dim ? result.w_dim : 24;
    return result;
}

char *lk_tiny_model_config(const LkTinyOptions *given)
{
    LkTinyOptions options = complete(given);
    GString *json = g_string_new(NULL);
    guint num_ws = n_rows(&options);

    g_string_printf(
        json,
        "{\"input\":%d,\"resolution\":%u,\"w_dim\":%u,\"num_ws\":%u,\"embed_res\":%d,\"noise\":%s,"
        "\"gate_channels\":%d,\"channels\":{",
        INPUT, options.resolution, options.w_dim, num_ws, EMBED, options.noise ? "true" : "false",
        options.projection ? 4 : WIDTH / 2);
    for (guint r = 4; r <= options.resolution; r *= 2)
        g_string_append_printf(json, "%s\"%u\":%u", r == 4 ? "" : ",", r, channels(r));
    g_string_append_printf(json, "},\"encoder\":{\"stem\":%d,\"groups\":[", STEM);
    for (guint g = 0; g < 4; g++)
        g_string_append_printf(json, "%s[%u,%u,%u]", g ? "," : "", groups[g][0], groups[g][1], groups[g][2]);
    g_string_append(json, "],\"heads\":[");
    for (guint i = 0; i < num_ws; i++)
        g_string_append_printf(json, "%s\"%s\"", i ? "," : "", head_source(i));
    g_string_append(json, "]}");
    if (options.refinements)
        g_string_append_printf(json, ",\"refinements\":%u", options.refinements);
    g_string_append_c(json, '}');
    return g_string_free(json, FALSE);
}

static char *directions_json(guint num_ws)
{
    static const char *const format =
        "[{\"name\":\"age\",\"label\":\"Age\",\"kind\":\"interfacegan\",\"group\":\"face\",\"rows\":[0,%u],"
        "\"range\":[-5,5],"
        "\"safe\":[-3,3],\"default\":0,\"step\":0.1},{\"name\":\"smile\",\"label\":\"Smile\",\"rows\":[0,%u],"
        "\"range\":"
        "[-5,5]},{\"name\":\"pose\",\"label\":\"Pose\",\"rows\":[%u,%u],\"range\":[-5,5]}]";

    return g_strdup_printf(format, num_ws, num_ws, num_ws / 3, num_ws);
}

static void append_metadata(Writer *writer)
{
    g_autofree char *config = lk_tiny_model_config(&writer->options),
                    *directions = directions_json(writer->num_ws);
    g_autofree char *escaped_config =
        g_strescape(writer->options.config ? writer->options.config : config, "");
    g_autofree char *escaped_directions =
        g_strescape(writer->options.directions ? writer->options.directions : directions, "");

    g_string_append_printf(
        writer->header,
        "{\"__metadata__\":{\"format\":\"likeness-model\",\"version\":\"1\",\"name\":\"Tiny\","
        "\"licence\":\"GPL-3.0-or-later\",\"domain\":\"noise\",\"config\":\"%s\",\"directions\":\"%s\"}",
        escaped_config, escaped_directions);
}

gboolean lk_tiny_model_write(const char *path, const LkTinyOptions *options, GError **error)
{
    Writer writer = {.options = complete(options), .header = g_string_new(NULL), .data = g_byte_array_new()};
    g_autoptr(GByteArray) file = g_byte_array_new();
    guint64 length;
    gboolean good;

    writer.num_ws = n_rows(&writer.options);
    writer.gate_channels = writer.options.projection ? 4 : WIDTH / 2;
    writer.random = writer.options.seed;
    append_metadata(&writer);
    add_encoder(&writer);
    add_generator(&writer);
    add(&writer, "latent_avg", 0.3, 0, writer.num_ws, writer.options.w_dim, 0, 0);
    add(&writer, "direction.age", 0.5, 0, 1, writer.options.w_dim, 0, 0);
    add(&writer, "direction.smile", 0.5, 0, writer.num_ws, writer.options.w_dim, 0, 0);
    add(&writer, "direction.pose", 0.5, 0, writer.num_ws, writer.options.w_dim, 0, 0);
    g_string_append_c(writer.header, '}');
    length = writer.header->len;
    g_byte_array_append(file, (guint8 *)&length, sizeof length);
    g_byte_array_append(file, (guint8 *)writer.header->str, (guint)length);
    g_byte_array_append(file, writer.data->data, writer.data->len);
    g_unlink(path); /* what is not synced is written over the old file's start */
    good =
        g_file_set_contents_full(path, (char *)file->data, file->len, G_FILE_SET_CONTENTS_NONE, 0600, error);
    g_string_free(writer.header, TRUE);
    g_byte_array_unref(writer.data);
    return good;
}
