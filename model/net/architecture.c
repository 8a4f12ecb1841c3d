/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "architecture.h"

#include <json-glib/json-glib.h>
#include <stdarg.h>
#include <string.h>

#define MAPPING_LAYERS 8

typedef struct {
    GPtrArray *tensors; /* LkExpectedTensor */
    const LkConfig *config;
    guint se_divisor;
} List;

static void tensor_free(gpointer data)
{
    LkExpectedTensor *tensor = data;

    g_free(tensor->name);
    g_free(tensor);
}

/* a, b, c, d: the shape, ended by 0. */
static void add(List *list, gboolean used, guint a, guint b, guint c, guint d, const char *format, ...)
    G_GNUC_PRINTF(7, 8);

static void add(List *list, gboolean used, guint a, guint b, guint c, guint d, const char *format, ...)
{
    const guint shape[] = {a, b, c, d};
    LkExpectedTensor *tensor = g_new0(LkExpectedTensor, 1);
    va_list arguments;

    va_start(arguments, format);
    tensor->name = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    tensor->used = used;
    while (tensor->n_dims < G_N_ELEMENTS(shape) && shape[tensor->n_dims]) {
        tensor->shape[tensor->n_dims] = shape[tensor->n_dims];
        tensor->n_dims++;
    }
    g_ptr_array_add(list->tensors, tensor);
}

static void add_vector(List *list, const char *prefix, const char *name, guint n)
{
    add(list, TRUE, n, 0, 0, 0, "%s.%s", prefix, name);
}

static void add_conv(List *list, const char *prefix, guint out, guint in, guint kernel, gboolean bias)
{
    add(list, TRUE, out, in, kernel, kernel, "%s.weight", prefix);
    if (bias)
        add_vector(list, prefix, "bias", out);
}

static void add_batch_norm(List *list, const char *prefix, guint n)
{
    add_vector(list, prefix, "weight", n);
    add_vector(list, prefix, "bias", n);
    add_vector(list, prefix, "running_mean", n);
    add_vector(list, prefix, "running_var", n);
    add(list, FALSE, 0, 0, 0, 0, "%s.num_batches_tracked", prefix);
}

/* Always the same filter, which the programs have built in. */
static void add_filter(List *list, const char *prefix)
{
    add(list, FALSE, 4, 4, 0, 0, "%s.resample_filter", prefix);
}

/* ---- E0 ---- */

static void add_shortcut(List *list, const char *unit, guint in, guint out)
{
    g_autofree char *conv = g_strconcat(unit, ".shortcut_layer.0", NULL);
    g_autofree char *norm = g_strconcat(unit, ".shortcut_layer.1", NULL);

    add_conv(list, conv, out, in, 1, FALSE);
    add_batch_norm(list, norm, out);
}

static void add_bottleneck(List *list, guint index, guint in, guint out)
{
    g_autofree char *unit = g_strdup_printf("e4e.body.%u", index);
    g_autofree char *leading = g_strconcat(unit, ".res_layer.0", NULL);
    g_autofree char *trailing = g_strconcat(unit, ".res_layer.4", NULL);
    const guint hidden = MAX(out / list->se_divisor, 1);

    if (in != out)
        add_shortcut(list, unit, in, out);
    add_batch_norm(list, leading, in);
    add(list, TRUE, out, in, 3, 3, "%s.res_layer.1.weight", unit);
    add(list, TRUE, out, 0, 0, 0, "%s.res_layer.2.weight", unit);
    add(list, TRUE, out, out, 3, 3, "%s.res_layer.3.weight", unit);
    add_batch_norm(list, trailing, out);
    add(list, TRUE, hidden, out, 1, 1, "%s.res_layer.5.fc1.weight", unit);
    add(list, TRUE, out, hidden, 1, 1, "%s.res_layer.5.fc2.weight", unit);
}

/* Each convolution halves the side; the activations between them have the odd numbers. */
static void add_head(List *list, guint head)
{
    static const guint divisors[] = {[LK_HEAD_C3] = 16, [LK_HEAD_P2] = 8, [LK_HEAD_P1] = 4};
    const LkConfig *config = list->config;
    const guint width = config->groups[3].out;
    guint index = 0;

    for (guint side = config->input / divisors[config->heads[head]]; side > 1; side /= 2, index += 2) {
        g_autofree char *conv = g_strdup_printf("e4e.styles.%u.convs.%u", head, index);
        add_conv(list, conv, width, width, 3, TRUE);
    }
    add(list, TRUE, config->w_dim, width, 0, 0, "e4e.styles.%u.linear.weight", head);
    add(list, TRUE, config->w_dim, 0, 0, 0, "e4e.styles.%u.linear.bias", head);
}

static void add_encoder(List *list)
{
    const LkConfig *config = list->config;
    guint index = 0;

    add_conv(list, "e4e.input_layer.0", config->stem, 3, 3, FALSE);
    add_batch_norm(list, "e4e.input_layer.1", config->stem);
    add_vector(list, "e4e.input_layer.2", "weight", config->stem);
    for (guint g = 0; g < LK_N_GROUPS; g++)
        for (guint u = 0; u < config->groups[g].units; u++)
            add_bottleneck(list, index++, u ? config->groups[g].out : config->groups[g].in,
                           config->groups[g].out);
    for (guint head = 0; head < config->num_ws; head++)
        add_head(list, head);
    add_conv(list, "e4e.latlayer1", config->groups[3].out, config->groups[2].out, 1, TRUE);
    add_conv(list, "e4e.latlayer2", config->groups[3].out, config->groups[1].out, 1, TRUE);
}

/* ---- E1 and E2 ---- */

static void add_res_layers(List *list, const char *unit, guint in, guint out, guint stride)
{
    g_autofree char *shortcut = g_strconcat(unit, ".shortcut_layer.0", NULL);
    g_autofree char *first = g_strconcat(unit, ".res_layer.0", NULL);
    g_autofree char *second = g_strconcat(unit, ".res_layer.2", NULL);

    if (in != out || stride != 1)
        add_conv(list, shortcut, out, in, 1, FALSE);
    add_conv(list, first, out, in, 3, TRUE);
    add_conv(list, second, out, out, 3, TRUE);
}

/* n units; the first takes in channels and has the stride, the last gives out. */
static void add_chain(List *list, const char *module, const char *name, guint n, guint in, guint width,
                      guint out, guint stride)
{
    for (guint i = 0; i < n; i++) {
        g_autofree char *unit = g_strdup_printf("%s.%s.%u", module, name, i);
        add_res_layers(list, unit, i ? width : in, i + 1 < n ? width : out, i ? 1 : stride);
    }
}

static void add_module_conv(List *list, const char *module, const char *name, guint out, guint in,
                            guint kernel)
{
    g_autofree char *prefix = g_strdup_printf("%s.%s", module, name);

    add_conv(list, prefix, out, in, kernel, TRUE);
}

static void add_alignment(List *list, const char *module, guint width)
{
    const guint first = list->tensors->len;

    add_module_conv(list, module, "first_layer", width, list->config->groups[1].out + width, 1);
    add_chain(list, module, "conv1", 1, width, width, width, 1);
    add_chain(list, module, "conv2", 2, width, width, width, 2);
    add_chain(list, module, "conv3", 2, width, width, width, 2);
    add_chain(list, module, "dconv1", 2, width, width, width, 1);
    add_chain(list, module, "dconv2", 2, width, width, width, 1);
    add_chain(list, module, "dconv3", 2, width, width, width, 1);
    add_module_conv(list, module, "out_layer", width, width, 1);
    for (guint i = first; i < list->tensors->len; i++) {
        LkExpectedTensor *tensor = g_ptr_array_index(list->tensors, i);
        if (strstr(tensor->name, ".dconv3.") != NULL)
            tensor->used = FALSE;
    }
}

static void add_extraction(List *list, const char *module, guint width)
{
    add_module_conv(list, module, "first_layer", width, width, 1);
    add_chain(list, module, "convs", 3, width, width, width, 1);
}

static void add_gates(List *list, const char *module, guint width)
{
    const guint gate = list->config->gate_channels;

    add_module_conv(list, module, "down1", gate, width, 3);
    add_module_conv(list, module, "down2", gate, width, 3);
    add_chain(list, module, "convs", 3, 2 * gate, width, width, 1);
    add_chain(list, module, "convs2", 3, 2 * gate, width, 1, 1);
}

static void add_motion(List *list, const char *module, guint width)
{
    const guint hidden = list->config->motion_channels;

    add_module_conv(list, module, "first_layer", hidden, 2 * width, 3);
    add_chain(list, module, "convs", 2, hidden, hidden, hidden, 1);
    add_module_conv(list, module, "out_layer", 2, hidden, 3);
}

static void add_carry(List *list, const char *block, guint width)
{
    const guint hidden = list->config->carry_channels;
    g_autofree char *module = g_strconcat(block, ".modify_feature_carry", NULL);

    add_module_conv(list, module, "first_layer", hidden, width + 6, 3);
    add(list, TRUE, hidden, 2, 3, 3, "%s.motion_layer.weight", module);
    add_module_conv(list, module, "out_layer", 1, hidden, 3);
}

static void add_residual(List *list, const char *block, guint width)
{
    g_autofree char *alignment = g_strconcat(block, ".modify_feature_alignment", NULL);
    g_autofree char *extraction = g_strconcat(block, ".modify_feature_extraction", NULL);
    g_autofree char *gates = g_strconcat(block, ".modify_feature_gates", NULL);
    g_autofree char *motion = g_strconcat(block, ".modify_feature_motion", NULL);

    add_alignment(list, alignment, width);
    add_extraction(list, extraction, width);
    add_gates(list, gates, width);
    if (list->config->motion_channels > 0)
        add_motion(list, motion, width);
}

/* ---- G ---- */

static void add_affine(List *list, const char *layer, guint n)
{
    add(list, TRUE, n, list->config->w_dim, 0, 0, "%s.affine.weight", layer);
    add(list, TRUE, n, 0, 0, 0, "%s.affine.bias", layer);
}

static void add_synthesis_conv(List *list, const char *block, guint index, guint out, guint in, guint side)
{
    const gboolean noise = list->config->noise;
    g_autofree char *layer = g_strdup_printf("%s.conv%u", block, index);

    add(list, TRUE, out, in, 3, 3, "%s.weight", layer);
    if (noise)
        add(list, TRUE, 0, 0, 0, 0, "%s.noise_strength", layer);
    add_vector(list, layer, "bias", out);
    add_filter(list, layer);
    if (noise)
        add(list, TRUE, side, side, 0, 0, "%s.noise_const", layer);
    add_affine(list, layer, in);
}

static void add_block(List *list, guint index)
{
    const LkConfig *config = list->config;
    const guint side = 4u << index, width = config->channels[index];
    g_autofree char *block = g_strdup_printf("generator.synthesis.b%u", side);
    g_autofree char *torgb = g_strconcat(block, ".torgb", NULL);

    if (index == 0)
        add(list, TRUE, width, side, side, 0, "%s.const", block);
    add_filter(list, block);
    if (index > 0)
        add_synthesis_conv(list, block, 0, width, config->channels[index - 1], side);
    add_synthesis_conv(list, block, 1, width, width, side);
    add_conv(list, torgb, 3, width, 1, TRUE);
    add_affine(list, torgb, width);
    if (side == config->embed_res)
        add_residual(list, block, width);
    if (side == config->resolution / 2 && config->carry_channels > 0)
        add_carry(list, block, width);
}

static void add_mapping(List *list)
{
    const guint n = list->config->w_dim;

    add(list, FALSE, n, 0, 0, 0, "generator.mapping.w_avg");
    for (guint i = 0; i < MAPPING_LAYERS; i++) {
        add(list, FALSE, n, n, 0, 0, "generator.mapping.fc%u.weight", i);
        add(list, FALSE, n, 0, 0, 0, "generator.mapping.fc%u.bias", i);
    }
}

GPtrArray *lk_architecture_tensors(const LkConfig *config, guint se_divisor)
{
    List list = {
        .tensors = g_ptr_array_new_with_free_func(tensor_free), .config = config, .se_divisor = se_divisor};

    g_return_val_if_fail(se_divisor > 0, NULL);
    add_encoder(&list);
    add(&list, TRUE, config->num_ws, config->w_dim, 0, 0, "latent_avg");
    for (guint block = 0; block < config->n_blocks; block++)
        add_block(&list, block);
    add_mapping(&list);
    return list.tensors;
}

/* ---- the configuration as text ---- */

static void build_encoder(JsonBuilder *builder, const LkConfig *config)
{
    static const char *const names[] = {[LK_HEAD_C3] = "c3", [LK_HEAD_P2] = "p2", [LK_HEAD_P1] = "p1"};

    json_builder_set_member_name(builder, "encoder");
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "stem");
    json_builder_add_int_value(builder, config->stem);
    json_builder_set_member_name(builder, "groups");
    json_builder_begin_array(builder);
    for (guint g = 0; g < LK_N_GROUPS; g++) {
        json_builder_begin_array(builder);
        json_builder_add_int_value(builder, config->groups[g].in);
        json_builder_add_int_value(builder, config->groups[g].out);
        json_builder_add_int_value(builder, config->groups[g].units);
        json_builder_end_array(builder);
    }
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "heads");
    json_builder_begin_array(builder);
    for (guint i = 0; i < config->num_ws; i++)
        json_builder_add_string_value(builder, names[config->heads[i]]);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void build_channels(JsonBuilder *builder, const LkConfig *config)
{
    json_builder_set_member_name(builder, "channels");
    json_builder_begin_object(builder);
    for (guint block = 0; block < config->n_blocks; block++) {
        g_autofree char *side = g_strdup_printf("%u", 4u << block);
        json_builder_set_member_name(builder, side);
        json_builder_add_int_value(builder, config->channels[block]);
    }
    json_builder_end_object(builder);
}

char *lk_config_to_json(const LkConfig *config)
{
    const struct {
        const char *key;
        guint value;
    } sizes[] = {{"input", config->input},
                 {"resolution", config->resolution},
                 {"w_dim", config->w_dim},
                 {"num_ws", config->num_ws},
                 {"embed_res", config->embed_res},
                 {"gate_channels", config->gate_channels},
                 {"motion_channels", config->motion_channels},
                 {"carry_channels", config->carry_channels},
                 {"refinements", config->refinements}};
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (sizes[i].value == 0) /* the last three: as if left out */
            continue;
        json_builder_set_member_name(builder, sizes[i].key);
        json_builder_add_int_value(builder, sizes[i].value);
    }
    json_builder_set_member_name(builder, "noise");
    json_builder_add_boolean_value(builder, config->noise);
    build_channels(builder, config);
    build_encoder(builder, config);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}
