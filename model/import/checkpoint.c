/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "import_private.h"

#include "architecture.h"
#include "config.h"

#include <string.h>

#define MAX_UNITS 256 /* of the encoder; config.h allows 64 in each of four groups */
#define SHOWN     3   /* names in a sentence */
#define LICENCE   "NVIDIA Source Code License (non-commercial)"

/* ---- the checkpoint as one flat list ---- */

/* Names of the checkpoint's dictionaries in a model file. */
static const struct {
    const char *dict, *prefix;
} networks[] = {{"e4e", "e4e"}, {"generator_smooth", "generator"}};

gboolean lk_checkpoint_is(const LkTorchFile *file)
{
    const LkTorchValue *root = lk_torch_root(file);

    if (lk_torch_type(root) != LK_TORCH_DICT)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(networks); i++)
        if (lk_torch_find(root, networks[i].dict) != NULL)
            return TRUE;
    return FALSE;
}

typedef struct {
    LkTorchFile *file;
    GHashTable *values; /* name in a model file -> const LkTorchValue */
    GPtrArray *names;   /* of values, in the file's order */
} Checkpoint;

static void checkpoint_clear(Checkpoint *checkpoint)
{
    g_clear_pointer(&checkpoint->values, g_hash_table_unref);
    g_clear_pointer(&checkpoint->names, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Checkpoint, checkpoint_clear)

static gboolean G_GNUC_PRINTF(3, 4)
    refuse(const Checkpoint *checkpoint, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    lk_import_refuse(error, lk_torch_path(checkpoint->file), format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean take(Checkpoint *checkpoint, char *name, const LkTorchValue *value, GError **error)
{
    g_ptr_array_add(checkpoint->names, name);
    /* Two ways to say the same: "e4e" holding "latlayer1.bias", and "e4e.latlayer1.bias" beside it. */
    return g_hash_table_insert(checkpoint->values, name, (gpointer)value) ||
           refuse(checkpoint, error, "the tensor %.200s is there twice", name);
}

static gboolean take_network(Checkpoint *checkpoint, const char *prefix, const LkTorchValue *dict,
                             GError **error)
{
    if (lk_torch_type(dict) != LK_TORCH_DICT)
        return refuse(checkpoint, error, "%s is not a dictionary of tensors", prefix);
    for (guint i = 0; i < lk_torch_n_items(dict); i++) {
        char *name = g_strdup_printf("%s.%s", prefix, lk_torch_key(dict, i));
        if (!take(checkpoint, name, lk_torch_item(dict, i), error))
            return FALSE;
    }
    return TRUE;
}

static const char *network_prefix(const char *key)
{
    for (guint i = 0; i < G_N_ELEMENTS(networks); i++)
        if (g_str_equal(key, networks[i].dict))
            return networks[i].prefix;
    return NULL;
}

static gboolean flatten(Checkpoint *checkpoint, GError **error)
{
    const LkTorchValue *root = lk_torch_root(checkpoint->file);

    for (guint i = 0; i < G_N_ELEMENTS(networks); i++)
        if (lk_torch_find(root, networks[i].dict) == NULL)
            return refuse(checkpoint, error, "the checkpoint has no %s", networks[i].dict);
    for (guint i = 0; i < lk_torch_n_items(root); i++) {
        const char *key = lk_torch_key(root, i), *prefix = network_prefix(key);
        const LkTorchValue *value = lk_torch_item(root, i);
        if (prefix ? !take_network(checkpoint, prefix, value, error)
                   : !take(checkpoint, g_strdup(key), value, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- the configuration, from the shapes ---- */

/* A tensor's size along one dimension, which the sizes of others depend on. */
static gboolean read_size(const Checkpoint *checkpoint, const char *name, guint n_dims, guint dim,
                          guint *size, GError **error)
{
    const LkTorchTensor *tensor = lk_torch_tensor(g_hash_table_lookup(checkpoint->values, name));

    if (tensor == NULL)
        return refuse(checkpoint, error, "the tensor %s is missing", name);
    if (tensor->n_dims != n_dims)
        return refuse(checkpoint, error, "the tensor %s has %u dimensions instead of %u", name,
                      tensor->n_dims, n_dims);
    if (tensor->shape[dim] == 0 || tensor->shape[dim] > G_MAXINT32)
        return refuse(checkpoint, error, "the tensor %s has a size of %" G_GUINT64_FORMAT, name,
                      tensor->shape[dim]);
    *size = (guint)tensor->shape[dim];
    return TRUE;
}

/* The largest N of the names prefixN.…, below limit; -1 if there are none. */
static int last_index(const Checkpoint *checkpoint, const char *prefix, guint64 limit)
{
    int last = -1;

    for (guint i = 0; i < checkpoint->names->len; i++) {
        const char *name = g_ptr_array_index(checkpoint->names, i);
        char *end;
        guint64 index;
        if (!g_str_has_prefix(name, prefix) || !g_ascii_isdigit(name[strlen(prefix)]))
            continue;
        index = g_ascii_strtoull(name + strlen(prefix), &end, 10);
        if (*end == '.' && index < limit)
            last = MAX(last, (int)index);
    }
    return last;
}

static gboolean has(const Checkpoint *checkpoint, const char *name)
{
    return g_hash_table_contains(checkpoint->values, name);
}

static gboolean read_generator(const Checkpoint *checkpoint, LkConfig *config, GError **error)
{
    const int last = last_index(checkpoint, "generator.synthesis.b", 4 << LK_MAX_BLOCKS);

    if (last < 4 || last & (last - 1))
        return refuse(checkpoint, error, "generator.synthesis has no blocks b4, b8 … of a generator");
    config->resolution = (guint)last;
    config->n_blocks = (guint)g_bit_storage(config->resolution) - 2;
    config->num_ws = 2 * config->n_blocks;
    config->noise = has(checkpoint, "generator.synthesis.b4.conv1.noise_const") ||
                    has(checkpoint, "generator.synthesis.b4.conv1.noise_strength");
    for (guint block = 0; block < config->n_blocks; block++) {
        g_autofree char *name = g_strdup_printf("generator.synthesis.b%u.conv1.weight", 4u << block);
        if (!read_size(checkpoint, name, 4, 0, &config->channels[block], error))
            return FALSE;
    }
    return read_size(checkpoint, "generator.synthesis.b4.conv1.affine.weight", 2, 1, &config->w_dim, error);
}

/* The block that holds E1 and E2 says where the residual features enter. */
static gboolean read_residual(const Checkpoint *checkpoint, LkConfig *config, GError **error)
{
    for (guint block = 0; block < config->n_blocks; block++) {
        g_autofree char *module =
            g_strdup_printf("generator.synthesis.b%u.modify_feature_gates", 4u << block);
        g_autofree char *down1 = g_strconcat(module, ".down1.weight", NULL);
        g_autofree char *down2 = g_strconcat(module, ".down2.weight", NULL);
        if (!has(checkpoint, down1) && !has(checkpoint, down2))
            continue;
        config->embed_res = 4u << block;
        config->input = 4 * config->embed_res;
        return read_size(checkpoint, has(checkpoint, down1) ? down1 : down2, 4, 0, &config->gate_channels,
                         error);
    }
    return refuse(checkpoint, error,
                  "no block of the generator has the networks modify_feature_…; this is "
                  "no checkpoint of StyleRes");
}

/* Groups are told apart by their widths; only the first may keep the stem's. */
static gboolean read_groups(const Checkpoint *checkpoint, LkConfig *config, GError **error)
{
    const int last = last_index(checkpoint, "e4e.body.", MAX_UNITS);
    guint group = 0, previous = config->stem;

    for (guint unit = 0; (int)unit <= last; unit++) {
        g_autofree char *name = g_strdup_printf("e4e.body.%u.res_layer.1.weight", unit);
        guint out;
        if (!read_size(checkpoint, name, 4, 0, &out, error))
            return FALSE;
        if (unit > 0 && out != previous)
            group++;
        if (group == LK_N_GROUPS)
            break;
        if (config->groups[group].units++ == 0)
            config->groups[group].in = previous;
        config->groups[group].out = previous = out;
    }
    if (group != LK_N_GROUPS - 1)
        return refuse(checkpoint, error, "the encoder's units are not four groups of different widths");
    return TRUE;
}

/* A head's convolutions halve the side of what it reads down to one. */
static gboolean read_head(const Checkpoint *checkpoint, guint head, LkConfig *config, GError **error)
{
    static const LkHeadSource sources[] = {LK_HEAD_C3, LK_HEAD_P2, LK_HEAD_P1};
    g_autofree char *prefix = g_strdup_printf("e4e.styles.%u.convs.", head);
    const int last = last_index(checkpoint, prefix, 64);
    const int n = last / 2 + 1, fewest = (int)g_bit_storage(config->input) - 5;

    if (last < 0)
        return refuse(checkpoint, error, "the tensor %s0.weight is missing", prefix);
    if (n < fewest || n >= fewest + (int)G_N_ELEMENTS(sources))
        return refuse(checkpoint, error, "the style head e4e.styles.%u has %d convolutions, not %d to %d",
                      head, n, fewest, fewest + (int)G_N_ELEMENTS(sources) - 1);
    config->heads[head] = sources[n - fewest];
    return TRUE;
}

static gboolean read_encoder(const Checkpoint *checkpoint, LkConfig *config, guint *se_divisor,
                             GError **error)
{
    guint hidden;

    if (!read_size(checkpoint, "e4e.input_layer.0.weight", 4, 0, &config->stem, error) ||
        !read_groups(checkpoint, config, error) ||
        !read_size(checkpoint, "e4e.body.0.res_layer.5.fc1.weight", 4, 0, &hidden, error))
        return FALSE;
    *se_divisor = MAX(config->groups[0].out / hidden, 1);
    for (guint head = 0; head < config->num_ws; head++)
        if (!read_head(checkpoint, head, config, error))
            return FALSE;
    return TRUE;
}

/* What the rest of the program expects of a configuration is known to its reader alone. */
static gboolean check_bounds(const Checkpoint *checkpoint, const LkConfig *config, GError **error)
{
    g_autofree char *json = lk_config_to_json(config);
    g_autoptr(GError) reason = NULL;
    LkConfig checked;

    return lk_config_parse(json, &checked, &reason) ||
           refuse(checkpoint, error, "a network of these sizes is not supported (%s)", reason->message);
}

static gboolean read_config(const Checkpoint *checkpoint, LkConfig *config, guint *se_divisor, GError **error)
{
    memset(config, 0, sizeof *config);
    return read_generator(checkpoint, config, error) && read_residual(checkpoint, config, error) &&
           read_encoder(checkpoint, config, se_divisor, error) && check_bounds(checkpoint, config, error);
}

/* ---- every tensor against the architecture ---- */

static void append_shape(GString *text, guint n_dims, const guint64 *shape)
{
    g_string_append_c(text, '(');
    for (guint i = 0; i < n_dims; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i ? ", " : "", shape[i]);
    g_string_append_c(text, ')');
}

/* latent_avg is stored for every row or once for all. */
static gboolean shape_fits(const LkExpectedTensor *expected, const LkTorchTensor *tensor)
{
    guint first = 0;

    if (g_str_equal(expected->name, "latent_avg") && tensor->n_dims == 1)
        first = 1;
    if (tensor->n_dims != expected->n_dims - first)
        return FALSE;
    for (guint i = 0; i < tensor->n_dims; i++)
        if (tensor->shape[i] != expected->shape[first + i])
            return FALSE;
    return TRUE;
}

static gboolean is_float(LkTorchDtype dtype)
{
    return dtype == LK_TORCH_F16 || dtype == LK_TORCH_BF16 || dtype == LK_TORCH_F32 || dtype == LK_TORCH_F64;
}

/* NULL, or what is wrong with the value. Free with g_free. */
static char *find_fault(const LkExpectedTensor *expected, const LkTorchValue *value)
{
    const LkTorchTensor *tensor = lk_torch_tensor(value);
    const gboolean counts = g_str_has_suffix(expected->name, ".num_batches_tracked");
    GString *text;

    if (tensor == NULL)
        return g_strdup_printf("%s is no tensor", expected->name);
    if (!shape_fits(expected, tensor)) {
        text = g_string_new(expected->name);
        g_string_append_c(text, ' ');
        append_shape(text, tensor->n_dims, tensor->shape);
        g_string_append(text, " instead of ");
        append_shape(text, expected->n_dims, expected->shape);
        return g_string_free(text, FALSE);
    }
    if (is_float(tensor->dtype) == counts)
        return g_strdup_printf("%s of %s numbers", expected->name, counts ? "floating-point" : "whole");
    return NULL;
}

/* "2 tensors are missing (a, b)" */
static void append_kind(GString *text, const GPtrArray *names, const char *one, const char *several)
{
    if (names->len == 0)
        return;
    g_string_append_printf(text, "%s%u %s (", text->len ? "; " : "", names->len,
                           names->len == 1 ? one : several);
    for (guint i = 0; i < MIN(names->len, SHOWN); i++)
        g_string_append_printf(text, "%s%.200s", i ? ", " : "", (char *)g_ptr_array_index(names, i));
    g_string_append(text, names->len > SHOWN ? ", …)" : ")");
}

static gboolean check_tensors(const Checkpoint *checkpoint, const GPtrArray *expected, GError **error)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) missing = g_ptr_array_new(), extra = g_ptr_array_new();
    g_autoptr(GPtrArray) wrong = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < expected->len; i++) {
        LkExpectedTensor *tensor = g_ptr_array_index(expected, i);
        const LkTorchValue *value = g_hash_table_lookup(checkpoint->values, tensor->name);
        char *fault = value ? find_fault(tensor, value) : NULL;
        g_hash_table_add(known, tensor->name);
        if (value == NULL)
            g_ptr_array_add(missing, tensor->name);
        if (fault != NULL)
            g_ptr_array_add(wrong, fault);
    }
    for (guint i = 0; i < checkpoint->names->len; i++)
        if (!g_hash_table_contains(known, g_ptr_array_index(checkpoint->names, i)))
            g_ptr_array_add(extra, g_ptr_array_index(checkpoint->names, i));
    append_kind(text, missing, "tensor is missing", "tensors are missing");
    append_kind(text, wrong, "is of a wrong shape or type", "are of a wrong shape or type");
    append_kind(text, extra, "does not belong to the network", "do not belong to the network");
    return text->len == 0 || refuse(checkpoint, error, "%s", text->str);
}

/* The filter is not in a model file: the networks' programs have this one built in. */
static gboolean check_filter(const Checkpoint *checkpoint, const char *name, GError **error)
{
    static const float taps[] = {1, 3, 3, 1};
    float values[16];

    if (!lk_torch_read(checkpoint->file, g_hash_table_lookup(checkpoint->values, name), 0, 16, values, error))
        return FALSE;
    for (guint i = 0; i < 16; i++) {
        const float expected = taps[i / 4] * taps[i % 4] / 64;
        if (!(ABS(values[i] - expected) <= 1e-6f))
            return refuse(checkpoint, error, "%s is not the filter [1, 3, 3, 1] that this program has", name);
    }
    return TRUE;
}

/* b4 and conv1 have one, too, and do not use it. */
static gboolean is_filter_in_use(const char *name)
{
    return g_str_has_suffix(name, ".resample_filter") && strstr(name, ".conv1.") == NULL &&
           strstr(name, ".b4.") == NULL;
}

static gboolean check_filters(const Checkpoint *checkpoint, const GPtrArray *expected, GError **error)
{
    for (guint i = 0; i < expected->len; i++) {
        const LkExpectedTensor *tensor = g_ptr_array_index(expected, i);
        if (is_filter_in_use(tensor->name) && !check_filter(checkpoint, tensor->name, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- into the model ---- */

typedef struct {
    LkTorchFile *file;
    const LkTorchValue *value;
} Source;

static gboolean read_source(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    const Source *source = data;

    return lk_torch_read(source->file, source->value, first, n, values, error);
}

/* Matrices and kernels; everything else is small, or (noise, the constant, the mean) kept as it is. */
static LkDtype stored_dtype(const LkExpectedTensor *tensor, gboolean f32)
{
    return !f32 && tensor->n_dims >= 2 && g_str_has_suffix(tensor->name, ".weight") ? LK_DTYPE_F16
                                                                                    : LK_DTYPE_F32;
}

static void add_tensor(const Checkpoint *checkpoint, const LkExpectedTensor *expected, gboolean f32,
                       LkModelWriter *writer)
{
    const LkTorchValue *value = g_hash_table_lookup(checkpoint->values, expected->name);
    const LkTorchTensor *tensor = lk_torch_tensor(value);
    Source *source = g_new(Source, 1);

    *source = (Source){checkpoint->file, value};
    lk_model_writer_add(writer, expected->name, stored_dtype(expected, f32), tensor->n_dims, tensor->shape,
                        read_source, source, g_free);
}

static void add_metadata(const Checkpoint *checkpoint, const char *name, gboolean f32, const LkConfig *config,
                         LkModelWriter *writer)
{
    g_autofree char *file = g_filename_display_basename(lk_torch_path(checkpoint->file));
    g_autofree char *json = lk_config_to_json(config);
    g_autofree char *card = g_strdup_printf(
        "Imported from %s, a StyleRes checkpoint (Pehlivan et al., arXiv 2212.14359) of a generator of %u x "
        "%u pixels. Its weights are %s. They are their authors' work: see the terms they were published "
        "under.",
        file, config->resolution, config->resolution,
        f32 ? "unchanged" : "unchanged but for matrices and kernels, which were rounded to half precision");

    lk_model_writer_set_metadata(writer, "format", "likeness-model");
    lk_model_writer_set_metadata(writer, "version", "1");
    lk_model_writer_set_metadata(writer, "name", name);
    lk_model_writer_set_metadata(writer, "licence", LICENCE);
    lk_model_writer_set_metadata(writer, "domain", "faces");
    lk_model_writer_set_metadata(writer, "card", card);
    lk_model_writer_set_metadata(writer, "config", json);
}

gboolean lk_checkpoint_add(LkTorchFile *file, const char *name, gboolean f32, LkModelWriter *writer,
                           LkConfig *config, GError **error)
{
    g_auto(Checkpoint) checkpoint = {.file = file,
                                     .values = g_hash_table_new(g_str_hash, g_str_equal),
                                     .names = g_ptr_array_new_with_free_func(g_free)};
    g_autoptr(GPtrArray) expected = NULL;
    guint se_divisor;

    if (!flatten(&checkpoint, error) || !read_config(&checkpoint, config, &se_divisor, error))
        return FALSE;
    expected = lk_architecture_tensors(config, se_divisor);
    if (!check_tensors(&checkpoint, expected, error) || !check_filters(&checkpoint, expected, error))
        return FALSE;
    for (guint i = 0; i < expected->len; i++) {
        const LkExpectedTensor *tensor = g_ptr_array_index(expected, i);
        if (tensor->used)
            add_tensor(&checkpoint, tensor, f32, writer);
    }
    add_metadata(&checkpoint, name, f32, config, writer);
    return TRUE;
}
