/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graph alone, and the StyleRes graph that a configuration gives: shapes, order, sharing.
 */
#include "model_private.h"
#include "network.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder, *path;

/* ---- the graph ---- */

static void test_shapes(void)
{
    g_autoptr(LkGraph) graph = lk_graph_new(LK_F16);
    LkValue x = lk_graph_input(graph, "x", 4, 8, 8, LK_F16), y;
    LkParam conv = {.kind = LK_PARAM_CONV, .name = "conv", .o = 6, .i = 4, .k = 3};
    LkParam up = {.kind = LK_PARAM_CONV_UP, .name = "up", .o = 5, .i = 6, .k = 3};
    LkGraphOp op = {
        .kind = LK_OP_CONV, .x = x, .weight = lk_graph_param(graph, &conv), .kernel = 3, .stride = 2};
    const LkGraphValue *v;

    lk_graph_begin_stage(graph, "a", LK_MODE_ALL);
    y = lk_graph_add(graph, &op);
    v = lk_graph_value(graph, y);
    g_assert_cmpuint(v->c, ==, 6);
    g_assert_cmpuint(v->h, ==, 4);
    g_assert_cmpint(v->type, ==, LK_F16);
    op = (LkGraphOp){.kind = LK_OP_CONV_UP, .x = y, .weight = lk_graph_param(graph, &up), .kernel = 3};
    y = lk_graph_add(graph, &op);
    v = lk_graph_value(graph, y);
    g_assert_cmpuint(v->c, ==, 5);
    g_assert_cmpuint(v->w, ==, 8);
    g_assert_cmpint(lk_graph_value(graph, lk_graph_op(graph, 1)->scratch)->kind, ==, LK_VALUE_SCRATCH);
    y = lk_graph_add(graph, &(LkGraphOp){.kind = LK_OP_POOL, .x = y});
    v = lk_graph_value(graph, y);
    g_assert_cmpuint(v->c, ==, 5);
    g_assert_cmpuint(v->h, ==, 1);
    g_assert_cmpint(v->type, ==, LK_F32);
    g_assert_cmpuint(lk_graph_stage(graph, 0)->n_ops, ==, 3);
    g_assert_true(lk_graph_check(graph, NULL));
}

static void test_params_are_shared(void)
{
    g_autoptr(LkGraph) graph = lk_graph_new(LK_F32);
    LkParam param = {.kind = LK_PARAM_CONV, .name = "a", .o = 2, .i = 2, .k = 3, .file_i = 4};
    LkValue first = lk_graph_param(graph, &param);

    g_assert_cmpuint(lk_graph_param(graph, &param), ==, first);
    param.first_i = 2;
    g_assert_cmpuint(lk_graph_param(graph, &param), !=, first);
    param.first_i = 0;
    param.bn = "b";
    g_assert_cmpuint(lk_graph_param(graph, &param), !=, first);
}

static void test_views(void)
{
    g_autoptr(LkGraph) graph = lk_graph_new(LK_F32);
    LkValue whole = lk_graph_planes(graph, 8, 2, 2), low = lk_graph_channels(graph, whole, 0, 4);
    LkValue high = lk_graph_channels(graph, whole, 4, 4), middle = lk_graph_channels(graph, whole, 3, 2);
    LkValue inner = lk_graph_channels(graph, high, 1, 2), other = lk_graph_planes(graph, 8, 2, 2);

    g_assert_cmpuint(lk_graph_value(graph, inner)->root, ==, whole);
    g_assert_cmpuint(lk_graph_value(graph, inner)->offset, ==, 20);
    g_assert_false(lk_graph_overlap(graph, low, high));
    g_assert_true(lk_graph_overlap(graph, low, middle));
    g_assert_true(lk_graph_overlap(graph, high, middle));
    g_assert_false(lk_graph_overlap(graph, inner, middle));
    g_assert_true(lk_graph_overlap(graph, whole, inner));
    g_assert_false(lk_graph_overlap(graph, whole, other));
}

/* What is read must have been written, all of it, and in the mode at hand. */
static void test_check(void)
{
    g_autoptr(LkGraph) graph = lk_graph_new(LK_F32);
    LkValue x = lk_graph_input(graph, "x", 4, 2, 2, LK_F32), whole = lk_graph_planes(graph, 8, 2, 2);
    LkGraphOp low = {.kind = LK_OP_SCALE_ADD, .x = x, .y = lk_graph_channels(graph, whole, 0, 4)};
    LkGraphOp high = {.kind = LK_OP_SCALE_ADD, .x = x, .y = lk_graph_channels(graph, whole, 4, 4)};
    LkGraphOp read = {.kind = LK_OP_SCALE_ADD, .x = whole};
    g_autoptr(GError) error = NULL;

    lk_graph_begin_stage(graph, "low", LK_MODE_ALL);
    lk_graph_add(graph, &low);
    g_assert_true(lk_graph_check(graph, NULL));
    lk_graph_begin_stage(graph, "high", LK_MODE_STYLERES);
    lk_graph_add(graph, &high);
    lk_graph_begin_stage(graph, "read", LK_MODE_STYLERES);
    lk_graph_add(graph, &read);
    g_assert_true(lk_graph_check(graph, NULL));
    lk_graph_begin_stage(graph, "read again", LK_MODE_WPLUS);
    lk_graph_add(graph, &read);
    g_assert_false(lk_graph_check(graph, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "read again"));
}

/* ---- the networks ---- */

static LkModel *open_tiny(const LkTinyOptions *options)
{
    g_autoptr(GError) error = NULL;
    LkModel *model;

    lk_tiny_model_write(path, options, &error);
    g_assert_no_error(error);
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    return model;
}

static void test_stages(void)
{
    static const char *const expected = "image_in e0 heads f.b4 f.b8 e1.align e1.extract e2.photo b4 "
                                        "b8.conv0 e2 b8.conv1 b8.conv1 b16 b32 image_out ";
    g_autoptr(LkModel) model = open_tiny(NULL);
    LkNetwork *network = lk_network_new(lk_model_config(model), lk_model_weights(model), LK_F32, FALSE);
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < lk_graph_n_stages(network->graph); i++)
        g_string_append_printf(names, "%s ", lk_graph_stage(network->graph, i)->name);
    g_assert_cmpstr(names->str, ==, expected);
    lk_network_free(network);
}

static guint count_convolutions(const LkGraph *graph, const char *stage_name)
{
    guint n = 0;

    for (guint s = 0; s < lk_graph_n_stages(graph); s++) {
        const LkGraphStage *stage = lk_graph_stage(graph, s);
        for (guint i = 0; i < stage->n_ops && g_str_equal(stage->name, stage_name); i++)
            n += lk_graph_op(graph, stage->first_op + i)->kind == LK_OP_CONV;
    }
    return n;
}

/* The half of E2 that sees only the photo is not in the stage that runs per edit. */
static void test_split(void)
{
    for (guint projection = 0; projection < 2; projection++) {
        g_autoptr(LkModel) model = open_tiny(&(LkTinyOptions){.projection = projection, .noise = projection});
        LkNetwork *network = lk_network_new(lk_model_config(model), lk_model_weights(model), LK_F32, FALSE);
        g_autoptr(GError) error = NULL;
        lk_graph_check(network->graph, &error);
        g_assert_no_error(error);
        /* down2, both first convolutions' halves at once, with projection their shortcuts' halves */
        g_assert_cmpuint(count_convolutions(network->graph, "e2.photo"), ==, projection ? 3 : 2);
        /* down1, the other half of both, and the ten of three and three units less the two first; the gate's shortcut */
        g_assert_cmpuint(count_convolutions(network->graph, "e2"), ==, projection ? 14 : 13);
        lk_network_free(network);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-graph-XXXXXX", &error);
    g_assert_no_error(error);
    path = g_build_filename(folder, "a.safetensors", NULL);

    g_test_add_func("/graph/shapes", test_shapes);
    g_test_add_func("/graph/params-are-shared", test_params_are_shared);
    g_test_add_func("/graph/views", test_views);
    g_test_add_func("/graph/check", test_check);
    g_test_add_func("/network/stages", test_stages);
    g_test_add_func("/network/split", test_split);
    result = g_test_run();

    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
    return result;
}
