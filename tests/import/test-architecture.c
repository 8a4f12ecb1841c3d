/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether the list of a checkpoint's tensors is the released model's. The released list is known by its digest: SHA-256 of
 * lines "NAME SIDExSIDE…" in the order of the state dictionaries, names as in a model file.
 */
#include "architecture.h"
#include "config.h"
#include "released.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define ALL_DIGEST  "cc83014824d77ab6f6e17aea806633d72c1ecad9050bf30ef53259282e6f4dc9"
#define USED_DIGEST "1669717ecc5d428727f5745f7cb0431a7f3e539ec285b0f0da9161e4b37f9d7a"

static char *line_of(const char *name, guint n_dims, const guint64 *shape)
{
    GString *line = g_string_new(name);

    for (guint i = 0; i < n_dims; i++)
        g_string_append_printf(line, "%c%" G_GUINT64_FORMAT, i ? 'x' : ' ', shape[i]);
    g_string_append(line, n_dims ? "\n" : " \n");
    return g_string_free(line, FALSE);
}

static char *list_lines(gboolean used_only, guint *n)
{
    const LkConfig config = lk_released_config;
    g_autoptr(GPtrArray) tensors = lk_architecture_tensors(&config, 16);
    GString *lines = g_string_new(NULL);

    *n = 0;
    for (guint i = 0; i < tensors->len; i++) {
        const LkExpectedTensor *tensor = g_ptr_array_index(tensors, i);
        g_autofree char *line = line_of(tensor->name, tensor->n_dims, tensor->shape);
        if (used_only && !tensor->used)
            continue;
        g_string_append(lines, line);
        (*n)++;
    }
    return g_string_free(lines, FALSE);
}

static void test_digests(void)
{
    guint n;
    g_autofree char *all = list_lines(FALSE, &n);
    g_autofree char *all_digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);
    g_autofree char *used = NULL, *used_digest = NULL;

    g_assert_cmpuint(n, ==, 897);
    g_assert_cmpstr(all_digest, ==, ALL_DIGEST);
    used = list_lines(TRUE, &n);
    used_digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, used, -1);
    g_assert_cmpuint(n, ==, 794);
    g_assert_cmpstr(used_digest, ==, USED_DIGEST);
}

/* ---- the manifest of the goldens ---- */

static char *manifest_name(const char *name)
{
    if (g_str_has_prefix(name, "e4e/"))
        return g_strconcat("e4e.", name + strlen("e4e/"), NULL);
    if (g_str_has_prefix(name, "generator_smooth/"))
        return g_strconcat("generator.", name + strlen("generator_smooth/"), NULL);
    return g_strdup(name);
}

/* What the networks read. The filters are used, too, but built in. */
static gboolean is_stored(JsonObject *entry)
{
    return json_object_get_boolean_member(entry, "used") &&
           !g_str_has_suffix(json_object_get_string_member(entry, "name"), ".resample_filter");
}

static void compare_entry(JsonObject *entry, const LkExpectedTensor *tensor)
{
    g_autofree char *name = manifest_name(json_object_get_string_member(entry, "name"));
    JsonArray *shape = json_object_get_array_member(entry, "shape");

    g_assert_cmpstr(tensor->name, ==, name);
    g_assert_cmpuint(tensor->n_dims, ==, json_array_get_length(shape));
    for (guint k = 0; k < tensor->n_dims; k++)
        g_assert_cmpint((gint64)tensor->shape[k], ==, json_array_get_int_element(shape, k));
    g_assert_true(tensor->used == is_stored(entry));
}

static void test_manifest(void)
{
    const char *golden = g_getenv("LIKENESS_GOLDEN");
    g_autofree char *path = g_build_filename(golden ? golden : "", "manifest.json", NULL);
    const LkConfig config = lk_released_config;
    g_autoptr(GPtrArray) tensors = lk_architecture_tensors(&config, 16);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    JsonArray *entries;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_test_skip("the goldens are not here");
        return;
    }
    json_parser_load_from_file(parser, path, &error);
    g_assert_no_error(error);
    entries = json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)), "tensors");
    g_assert_cmpuint(json_array_get_length(entries), ==, tensors->len);
    for (guint i = 0; i < tensors->len; i++)
        compare_entry(json_array_get_object_element(entries, i), g_ptr_array_index(tensors, i));
}

/* ---- configurations ---- */

static void test_config(void)
{
    for (guint motion = 0; motion < 2; motion++) {
        LkConfig config = lk_released_config, parsed;
        g_autofree char *json = NULL;
        g_autoptr(GError) error = NULL;

        config.motion_channels = motion ? 24 : 0;
        config.carry_channels = 16 * motion;
        config.refinements = 2 * motion;
        json = lk_config_to_json(&config);
        g_assert_true(lk_config_parse(json, &parsed, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(&parsed, sizeof parsed, &config, sizeof config);
    }
}

static gboolean has_tensor(const LkConfig *config, const char *name)
{
    g_autoptr(GPtrArray) tensors = lk_architecture_tensors(config, 16);

    for (guint i = 0; i < tensors->len; i++)
        if (g_str_equal(((LkExpectedTensor *)g_ptr_array_index(tensors, i))->name, name))
            return TRUE;
    return FALSE;
}

/* Tensors that only some configurations have. */
static void test_variants(void)
{
    LkConfig config = lk_released_config;

    g_assert_true(has_tensor(&config, "generator.synthesis.b8.conv0.noise_const"));
    config.noise = FALSE;
    g_assert_false(has_tensor(&config, "generator.synthesis.b8.conv0.noise_const"));
    g_assert_false(has_tensor(&config, "generator.synthesis.b4.conv1.noise_strength"));

    g_assert_false(
        has_tensor(&config, "generator.synthesis.b64.modify_feature_gates.convs.0.shortcut_layer.0.weight"));
    config.gate_channels = 128;
    g_assert_true(
        has_tensor(&config, "generator.synthesis.b64.modify_feature_gates.convs.0.shortcut_layer.0.weight"));

    g_assert_false(has_tensor(&config, "generator.synthesis.b64.modify_feature_motion.out_layer.weight"));
    config.motion_channels = 24;
    g_assert_true(has_tensor(&config, "generator.synthesis.b64.modify_feature_motion.out_layer.weight"));

    g_assert_false(has_tensor(&config, "generator.synthesis.b512.modify_feature_carry.motion_layer.weight"));
    config.carry_channels = 16;
    g_assert_true(has_tensor(&config, "generator.synthesis.b512.modify_feature_carry.motion_layer.weight"));

    g_assert_false(has_tensor(&config, "e4e.body.0.shortcut_layer.0.weight"));
    config.groups[0].out = config.groups[1].in = 96;
    g_assert_true(has_tensor(&config, "e4e.body.0.shortcut_layer.0.weight"));

    g_assert_false(has_tensor(&config, "e4e.styles.0.convs.8.weight"));
    config.heads[0] = LK_HEAD_P2;
    g_assert_true(has_tensor(&config, "e4e.styles.0.convs.8.weight"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/architecture/digests", test_digests);
    g_test_add_func("/architecture/manifest", test_manifest);
    g_test_add_func("/architecture/config", test_config);
    g_test_add_func("/architecture/variants", test_variants);
    return g_test_run();
}
