/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether a model file's configuration and directions are read right, and refused by name where they are not.
 */
#include "model.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder, *path;

static void write_model(const LkTinyOptions *options)
{
    g_autoptr(GError) error = NULL;

    lk_tiny_model_write(path, options, &error);
    g_assert_no_error(error);
}

static void expect_refusal(const LkTinyOptions *options, gint code, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;

    write_model(options);
    model = lk_model_open(path, &error);
    if (model != NULL)
        g_error("a model with \"%s\" was accepted", part);
    g_assert_nonnull(strstr(error->message, path));
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" lacks \"%s\"", error->message, part);
    g_assert_error(error, LK_MODEL_ERROR, code);
}

static void test_good(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;
    const LkConfig *config;
    const LkDirection *pose, *age;

    write_model(NULL);
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    config = lk_model_config(model);
    g_assert_cmpuint(config->input, ==, 32);
    g_assert_cmpuint(config->n_blocks, ==, 4);
    g_assert_cmpuint(config->num_ws, ==, 8);
    g_assert_cmpuint(config->channels[1], ==, 12);
    g_assert_cmpuint(config->groups[1].in, ==, 8);
    g_assert_cmpuint(config->groups[1].units, ==, 2);
    g_assert_cmpint(config->heads[2], ==, LK_HEAD_P1);
    g_assert_false(config->noise);
    g_assert_cmpstr(lk_model_name(model), ==, "Tiny");
    g_assert_cmpstr(lk_model_path(model), ==, path);
    g_assert_cmpstr(lk_model_metadata(model, "domain"), ==, "noise");
    g_assert_cmpuint(lk_model_n_directions(model), ==, 3);
    g_assert_null(lk_model_find_direction(model, "hair"));
    age = lk_model_find_direction(model, "age");
    pose = lk_model_find_direction(model, "pose");
    g_assert_true(pose == lk_model_direction(model, 2));
    g_assert_cmpfloat(age->safe_maximum, ==, 3);
    g_assert_cmpfloat(pose->safe_maximum, ==, 5);
    g_assert_cmpstr(pose->label, ==, "Pose");
    /* age is stored once for all rows, pose acts on rows 2 ... 7 */
    g_assert_cmpfloat(age->vector[0], !=, 0);
    g_assert_true(memcmp(age->vector, age->vector + 7 * 24, 24 * sizeof(float)) == 0);
    g_assert_cmpfloat(pose->vector[2 * 24 - 1], ==, 0);
    g_assert_cmpfloat(pose->vector[2 * 24], !=, 0);
}

static void test_references(void)
{
    g_autoptr(GError) error = NULL;
    LkModel *model, *second;

    write_model(NULL);
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    second = lk_model_ref(model);
    lk_model_unref(model);
    g_assert_cmpstr(lk_model_name(second), ==, "Tiny");
    lk_model_unref(second);
    lk_model_unref(NULL);
}

static char *replace(const char *text, const char *from, const char *to)
{
    g_auto(GStrv) parts = g_strsplit(text, from, 2);

    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    return g_strconcat(parts[0], to, parts[1], NULL);
}

/* A right config with one part replaced, and what the refusal must say. */
typedef struct {
    const char *from, *to, *part;
} WrongConfig;

static void expect_refusals(const WrongConfig *cases, guint n, LkModelError code)
{
    g_autofree char *right = lk_tiny_model_config(NULL);

    for (guint i = 0; i < n; i++) {
        g_autofree char *wrong = replace(right, cases[i].from, cases[i].to);
        expect_refusal(&(LkTinyOptions){.config = wrong}, code, cases[i].part);
    }
}

static void test_config(void)
{
    static const WrongConfig cases[] = {
        {"{\"input\"", "[\"input\"", "config"},
        {"\"input\":32", "\"input\":64", "input is 64, not four times embed_res"},
        {"\"input\":32", "\"input\":32.0", "input is not a whole number"},
        {"\"input\":32", "\"input\":-32", "input is -32"},
        {"\"input\":32,", "", "input is missing"},
        {"\"resolution\":32", "\"resolution\":48", "resolution is 48, not a power of two"},
        {"\"resolution\":32", "\"resolution\":4096", "resolution is 4096"},
        {"\"resolution\":32", "\"resolution\":64", "num_ws is 8, not 10"},
        {"\"embed_res\":8", "\"embed_res\":64", "embed_res is 64"},
        {"\"embed_res\":8", "\"embed_res\":4", "embed_res is 4"},
        {"\"w_dim\":24", "\"w_dim\":0", "w_dim is 0"},
        {"\"w_dim\":24", "\"w_dim\":1000000000000", "w_dim is 1000000000000"},
        {"\"w_dim\":24", "\"w_dim\":\"24\"", "w_dim is not a whole number"},
        {"\"num_ws\":8", "\"num_ws\":21", "num_ws is 21"},
        {"\"noise\":false", "\"noise\":0", "noise is not true or false"},
        {"\"gate_channels\":6", "\"gate_channels\":7", "must be even"},
        {"\"gate_channels\":6", "\"gate_channels\":6,\"motion_channels\":4", "must be a multiple of 16"},
        {"\"gate_channels\":6", "\"gate_channels\":6,\"motion_channels\":-4", "motion_channels is -4"},
        {"\"gate_channels\":6", "\"gate_channels\":6,\"refinements\":9", "refinements is 9"},
        {"\"gate_channels\":6", "\"gate_channels\":6,\"carry_channels\":-1", "carry_channels is -1"},
        {"\"gate_channels\":6", "\"gate_channels\":6,\"carry_channels\":4", "there must be motion_channels"},
        {"\"resolution\":32,\"w_dim\":24,\"num_ws\":8",
         "\"refinements\":1,\"resolution\":16,\"w_dim\":24,\"num_ws\":6",
         "resolution must be at least input"},
        {"\"channels\":{", "\"channels\":[],\"c\":{", "channels is missing or not an object"},
        {"\"16\":8", "\"17\":8", "16 is missing"},
        {"\"16\":8", "\"16\":99999", "16 is 99999"},
        {"\"stem\":6", "\"stem\":8", "group 1 takes 6 channels, but gets 8"},
        {"[8,10,2]", "[9,10,2]", "group 2 takes 9 channels, but gets 8"},
        {"[8,10,2]", "[8,10]", "not [in, out, units]"},
        {"[8,10,2]", "[8,10,1000]", "groups is 1000"},
        {"[8,10,2],", "", "groups is not a list of 4"},
        {"[\"c3\",", "[", "heads is not a list of 8"},
        {"\"c3\"", "\"c4\"", "heads has an entry"},
        {"\"c3\"", "3", "heads has an entry"},
        {"\"num_ws\":8", "\"num_ws\":8,\"num_ws\":8", "num_ws\" appears twice"},
        {"\"w_dim\":24", "\"w_dim\":[[[[[[[[1]]]]]]]]", "nested"},
    };

    expect_refusals(cases, G_N_ELEMENTS(cases), LK_MODEL_ERROR_CONFIG);
}

/* Sizes that are allowed, but not those of the tensors. */
static void test_config_against_tensors(void)
{
    static const WrongConfig cases[] = {
        {"\"w_dim\":24", "\"w_dim\":25",
         "e4e.styles.0.linear.weight: its shape is (24, 16) instead of (25, 16)"},
        {"\"16\":8", "\"16\":2048", "generator.synthesis.b16.conv0"},
        {"\"noise\":false", "\"noise\":true", "noise_const is missing"},
        {"\"gate_channels\":6", "\"gate_channels\":8", "modify_feature_gates"},
        {"[10,16,1]", "[10,16,64]", "e4e.body.5"},
    };

    expect_refusals(cases, G_N_ELEMENTS(cases), LK_MODEL_ERROR_TENSOR);
}

static void test_missing_tensors(void)
{
    static const char *const names[] = {
        "e4e.input_layer.1.running_var",
        "e4e.body.1.shortcut_layer.0.weight",
        "e4e.body.2.res_layer.5.fc1.weight",
        "e4e.latlayer1.bias",
        "latent_avg",
        "e4e.styles.0.linear.bias",
        "direction.smile",
        "generator.synthesis.b4.const",
        "generator.synthesis.b8.conv0.affine.bias",
        "generator.synthesis.b8.modify_feature_gates.convs2.2.shortcut_layer.0.weight",
        "generator.synthesis.b32.torgb.weight",
    };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *part = g_strdup_printf("%s is missing", names[i]);
        expect_refusal(&(LkTinyOptions){.without = names[i]}, LK_MODEL_ERROR_TENSOR, part);
    }
}

static void test_directions(void)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"{}", "not a list"},
        {"[3]", "not an object"},
        {"[{}]", "a name is missing"},
        {"[{\"name\":\"../age\"}]", "a name is missing or not made of"},
        {"[{\"name\":\"age\",\"label\":7}]", "age: label"},
        {"[{\"name\":\"age\",\"kind\":\"stylegan\"}]", "age: this kind of direction is not known"},
        {"[{\"name\":\"age\"}]", "age: config: rows"},
        {"[{\"name\":\"age\",\"rows\":[0,9],\"range\":[-5,5]}]", "rows is 9"},
        {"[{\"name\":\"age\",\"rows\":[4,4],\"range\":[-5,5]}]", "rows is 4"},
        {"[{\"name\":\"age\",\"rows\":[0,8],\"range\":[5,-5]}]", "age: range"},
        {"[{\"name\":\"age\",\"rows\":[0,8],\"range\":[1,5]}]", "age: range"},
        {"[{\"name\":\"age\",\"rows\":[0,8],\"range\":[-5,1e30]}]", "age: range"},
        {"[{\"name\":\"age\",\"rows\":[0,8],\"range\":[-5,5],\"safe\":[-6,5]}]", "age: safe"},
        {"[{\"name\":\"age\",\"rows\":[0,8],\"range\":[-5,5],\"step\":0}]", "age: step"},
        {"[{\"name\":\"age\",\"rows\":[0,8],\"range\":[-5,5]},{\"name\":\"age\",\"rows\":[0,8],\"range\":[-5,"
         "5]}]",
         "age appears twice"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        expect_refusal(&(LkTinyOptions){.directions = cases[i].json}, LK_MODEL_ERROR_CONFIG, cases[i].part);
    expect_refusal(&(LkTinyOptions){.directions = "[{\"name\":\"hair\",\"rows\":[0,8],\"range\":[-5,5]}]"},
                   LK_MODEL_ERROR_TENSOR, "direction.hair is missing");
}

static void test_builtin_path(void)
{
    g_autofree char *before = g_strdup(g_getenv("LIKENESS_DATA")), *builtin = NULL;

    g_setenv("LIKENESS_DATA", folder, TRUE);
    builtin = lk_model_builtin_path();
    g_assert_true(g_str_has_prefix(builtin, folder));
    g_assert_true(g_str_has_suffix(builtin, ".safetensors"));
    if (before)
        g_setenv("LIKENESS_DATA", before, TRUE);
    else
        g_unsetenv("LIKENESS_DATA");
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-model-XXXXXX", &error);
    g_assert_no_error(error);
    path = g_build_filename(folder, "a.safetensors", NULL);

    g_test_add_func("/model/good", test_good);
    g_test_add_func("/model/references", test_references);
    g_test_add_func("/model/config", test_config);
    g_test_add_func("/model/config-against-tensors", test_config_against_tensors);
    g_test_add_func("/model/missing-tensors", test_missing_tensors);
    g_test_add_func("/model/directions", test_directions);
    g_test_add_func("/model/builtin-path", test_builtin_path);
    result = g_test_run();

    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
    return result;
}
