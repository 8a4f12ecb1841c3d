/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where values lie (plan.h) and which stages run (schedule.h), without any device.
 */
#include "model_private.h"
#include "network.h"
#include "plan.h"
#include "released.h"
#include "schedule.h"
#include "tiny_model.h"

#include <glib/gstdio.h>

/* ---- the plan ---- */

static gsize *plain_sizes(const LkGraph *graph)
{
    gsize *sizes = g_new0(gsize, lk_graph_n_values(graph));

    for (LkValue value = 1; value <= lk_graph_n_values(graph); value++) {
        const LkGraphValue *v = lk_graph_value(graph, value);
        if (v->root == value)
            sizes[value - 1] = (gsize)v->c * v->h * v->w * (v->type == LK_U8 ? 1 : v->type == LK_F16 ? 2 : 4);
    }
    return sizes;
}

/* Whether a root value is touched by operations [first, last] at all, and whether by more than one stage. */
static gboolean crosses_stages(const LkGraph *graph, LkValue root)
{
    guint stages = 0;

    for (guint s = 0; s < lk_graph_n_stages(graph); s++) {
        const LkGraphStage *stage = lk_graph_stage(graph, s);
        gboolean touched = FALSE;
        for (guint i = 0; i < stage->n_ops; i++) {
            const LkGraphOp *op = lk_graph_op(graph, stage->first_op + i);
            LkValue reads[LK_MAX_READS];
            guint n = lk_graph_op_reads(op, reads);
            touched = touched || lk_graph_value(graph, op->y)->root == root;
            for (guint j = 0; j < n; j++)
                touched = touched || lk_graph_value(graph, reads[j])->root == root;
        }
        stages += touched;
    }
    return stages > 1;
}

static gboolean lie_on_each_other(const LkPlan *plan, const gsize *sizes, LkValue a, LkValue b)
{
    const LkPlace *p = lk_plan_place(plan, a), *q = lk_plan_place(plan, b);

    return p->arena == q->arena && p->offset < q->offset + sizes[b - 1] &&
           q->offset < p->offset + sizes[a - 1];
}

/* No two values that live at the same time share a byte, everything fits its arena, results for others are kept. */
static void check_plan(const LkGraph *graph, const LkPlan *plan, const gsize *sizes, gsize max_arena)
{
    for (LkValue a = 1; a <= lk_graph_n_values(graph); a++) {
        const LkPlace *place = lk_plan_place(plan, a);
        guint first, last, other_first, other_last;
        if (place->arena == G_MAXUINT)
            continue;
        g_assert_cmpuint(place->offset % LK_ARENA_ALIGN, ==, 0);
        g_assert_cmpuint(place->offset + sizes[a - 1], <=, lk_plan_arena(plan, place->arena)->size);
        lk_plan_lifetime(plan, a, &first, &last);
        if (lk_graph_value(graph, a)->kind == LK_VALUE_RESULT && crosses_stages(graph, a))
            g_assert_true(first == 0 && last == G_MAXUINT);
        for (LkValue b = a + 1; b <= lk_graph_n_values(graph); b++) {
            if (lk_plan_place(plan, b)->arena == G_MAXUINT || !lie_on_each_other(plan, sizes, a, b))
                continue;
            lk_plan_lifetime(plan, b, &other_first, &other_last);
            g_assert_true(last < other_first || other_last < first);
        }
    }
    for (guint i = 0; i < lk_plan_n_arenas(plan); i++)
        g_assert_cmpuint(lk_plan_arena(plan, i)->size, <=, max_arena);
}

/* A chain of stages of a few operations each, which read anything written before. */
static LkGraph *random_graph(GRand *random)
{
    LkGraph *graph = lk_graph_new(LK_F32);
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(LkValue));
    LkValue x = lk_graph_input(graph, "x", 3, 8, 8, LK_F32);
    guint n_stages = (guint)g_rand_int_range(random, 2, 8);

    g_array_append_val(values, x);
    for (guint s = 0; s < n_stages; s++) {
        guint n_ops = (guint)g_rand_int_range(random, 1, 12);
        lk_graph_begin_stage(graph, "stage", LK_MODE_ALL);
        for (guint i = 0; i < n_ops; i++) {
            guint back = (guint)g_rand_int_range(random, 1, MIN((int)values->len, 6) + 1);
            LkGraphOp op = {.kind = LK_OP_SCALE_ADD, .x = g_array_index(values, LkValue, values->len - back)};
            op.y = lk_graph_planes(graph, (guint)g_rand_int_range(random, 1, 200), 8, 8);
            if (g_rand_boolean(random))
                op.y = lk_graph_channels(graph, op.y, 0, 1);
            lk_graph_add(graph, &op);
            g_array_append_val(values, op.y);
        }
    }
    return graph;
}

static void test_random_plans(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);

    for (guint round = 0; round < 200; round++) {
        g_autoptr(LkGraph) graph = random_graph(random);
        g_autofree gsize *sizes = plain_sizes(graph);
        gsize max_arena = (gsize)g_rand_int_range(random, 60000, 400000);
        g_autoptr(GError) error = NULL;
        g_autoptr(LkPlan) plan = lk_plan_new(graph, sizes, max_arena, &error);
        g_assert_no_error(error);
        check_plan(graph, plan, sizes, max_arena);
    }
}

static LkNetwork *tiny_network(LkModel **model, gboolean keep)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("likeness-plan-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.safetensors", NULL);

    lk_tiny_model_write(path, NULL, &error);
    g_assert_no_error(error);
    *model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path); /* stays mapped */
    g_rmdir(folder);
    return lk_network_new(lk_model_config(*model), lk_model_weights(*model), LK_F32, keep);
}

static gsize pool_size(const LkPlan *plan, LkPool pool)
{
    gsize size = 0;

    for (guint i = 0; i < lk_plan_n_arenas(plan); i++)
        if (lk_plan_arena(plan, i)->pool == pool)
            size += lk_plan_arena(plan, i)->size;
    return size;
}

static void test_network_plan(void)
{
    static const gsize limits[] = {64 << 20, 40000};
    g_autoptr(LkModel) model = NULL;
    LkNetwork *network = tiny_network(&model, FALSE);
    g_autofree gsize *sizes = plain_sizes(network->graph);
    gsize all_results = 0, activations[2];

    for (LkValue value = 1; value <= lk_graph_n_values(network->graph); value++)
        if (lk_graph_value(network->graph, value)->kind == LK_VALUE_RESULT)
            all_results += sizes[value - 1];
    for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkPlan) plan = lk_plan_new(network->graph, sizes, limits[i], &error);
        g_assert_no_error(error);
        check_plan(network->graph, plan, sizes, limits[i]);
        activations[i] = pool_size(plan, LK_POOL_ACTIVATIONS);
        g_assert_cmpuint(pool_size(plan, LK_POOL_ENCODER), >, 0);
        /* one arena for each pool where all fits */
        g_assert_true(i == 0 ? lk_plan_n_arenas(plan) == 4 : lk_plan_n_arenas(plan) > 6);
    }
    g_assert_cmpuint(activations[0], <, all_results / 2);
    lk_network_free(network);
}

/* What an operation binds is at most 128 MiB, which every Vulkan device can bind. Scratch is counted as a whole upsampled
 * output; the engine takes less where that is more. */
static void check_bindings(const LkGraph *graph)
{
    for (guint i = 0; i < lk_graph_n_ops(graph); i++) {
        const LkGraphOp *op = lk_graph_op(graph, i);
        LkValue bound[LK_MAX_READS + 2];
        guint n = lk_graph_op_reads(op, bound);
        bound[n++] = op->y;
        if (op->scratch)
            bound[n++] = op->scratch;
        for (guint j = 0; j < n; j++) {
            const LkGraphValue *v = lk_graph_value(graph, bound[j]);
            gsize c =
                bound[j] == op->weight ? (v->c + 7) / 8 * 8 : v->c; /* as convolution weights are packed */
            g_assert_cmpuint(c * v->h * v->w * lk_type_size(v->type), <=, 128 << 20);
        }
    }
}

static void check_released_plan(LkType storage, gsize max_arena, gsize most)
{
    const LkConfig config = lk_released_config;
    g_autoptr(LkModel) model = NULL;
    LkNetwork *network = tiny_network(&model, FALSE);
    g_autofree gsize *sizes = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPlan) plan = NULL;
    gsize total = 0;

    lk_network_free(network); /* the tiny weights only say how wide squeeze-excitation is */
    network = lk_network_new(&config, lk_model_weights(model), storage, FALSE);
    lk_graph_check(network->graph, &error);
    g_assert_no_error(error);
    check_bindings(network->graph);
    sizes = plain_sizes(network->graph);
    plan = lk_plan_new(network->graph, sizes, max_arena, &error);
    g_assert_no_error(error);
    check_plan(network->graph, plan, sizes, max_arena);
    for (guint i = 0; i < lk_plan_n_arenas(plan); i++)
        total += lk_plan_arena(plan, i)->size;
    g_test_message("%s in arenas of %" G_GSIZE_FORMAT " MiB: %" G_GSIZE_FORMAT
                   " MiB in %u, encoder %" G_GSIZE_FORMAT " MiB",
                   storage == LK_F16 ? "f16" : "f32", max_arena >> 20, total >> 20, lk_plan_n_arenas(plan),
                   pool_size(plan, LK_POOL_ENCODER) >> 20);
    g_assert_cmpuint(total, >, most / 2);
    g_assert_cmpuint(total + ((gsize)16 << 20), <=, most); /* and what copies go through */
    lk_network_free(network);
}

/* The released face model's sizes (design: 1024 x 1024, w+ of 18 rows): with all weights on the device at once it stays below
 * 2.5 GiB in float32 and 1.5 GiB in half precision, whatever the device gives at once. */
static void test_released_size(void)
{
    static const gsize limits[] = {LK_MAX_ARENA, (gsize)256 << 20, (gsize)128 << 20};

    for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
        check_released_plan(LK_F32, limits[i], (gsize)2560 << 20);
        check_released_plan(LK_F16, limits[i], (gsize)1536 << 20);
    }
}

static void test_too_large(void)
{
    g_autoptr(LkGraph) graph = lk_graph_new(LK_F32);
    LkValue x = lk_graph_input(graph, "x", 1, 64, 64, LK_F32);
    g_autofree gsize *sizes = NULL;
    g_autoptr(GError) error = NULL;

    lk_graph_begin_stage(graph, "a", LK_MODE_ALL);
    lk_graph_add(graph, &(LkGraphOp){.kind = LK_OP_SCALE_ADD, .x = x});
    sizes = plain_sizes(graph);
    g_assert_null(lk_plan_new(graph, sizes, 4096, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY);
}

/* ---- the schedule ---- */

/*     x -> a -> b --> d (STYLERES) -> f
 *          y -> c --/
 *               b ---> e (WPLUS) ---> f        d and e write the same value */
typedef struct {
    LkGraph *graph;
    LkSchedule *schedule;
    LkValue x, y, f;
} Diamond;

static LkValue stage(Diamond *diamond, const char *name, guint modes, LkValue x, LkValue add, LkValue y)
{
    lk_graph_begin_stage(diamond->graph, name, modes);
    return lk_graph_add(diamond->graph, &(LkGraphOp){.kind = LK_OP_SCALE_ADD, .x = x, .add = add, .y = y});
}

static void diamond_init(Diamond *diamond)
{
    LkValue a, b, c, d;

    diamond->graph = lk_graph_new(LK_F32);
    diamond->x = lk_graph_input(diamond->graph, "x", 1, 1, 1, LK_F32);
    diamond->y = lk_graph_input(diamond->graph, "y", 1, 1, 1, LK_F32);
    a = stage(diamond, "a", LK_MODE_ALL, diamond->x, 0, 0);
    b = stage(diamond, "b", LK_MODE_ALL, a, 0, 0);
    c = stage(diamond, "c", LK_MODE_ALL, diamond->y, 0, 0);
    d = stage(diamond, "d", LK_MODE_STYLERES, b, c, 0);
    stage(diamond, "e", LK_MODE_WPLUS, b, 0, d);
    diamond->f = stage(diamond, "f", LK_MODE_ALL, d, 0, 0);
    diamond->schedule = lk_schedule_new(diamond->graph);
    lk_schedule_set_input(diamond->schedule, diamond->x, 1);
    lk_schedule_set_input(diamond->schedule, diamond->y, 2);
}

static void diamond_clear(Diamond *diamond)
{
    lk_schedule_free(diamond->schedule);
    lk_graph_free(diamond->graph);
}

/* Plans a run to f and carries it out, unless it is cancelled. */
static void assert_runs(Diamond *diamond, guint mode, gboolean cancel, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) stages = lk_schedule_stages(diamond->schedule, &diamond->f, 1, mode, &error);
    g_autoptr(GString) names = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < stages->len; i++)
        g_string_append(names, lk_graph_stage(diamond->graph, g_array_index(stages, guint, i))->name);
    g_assert_cmpstr(names->str, ==, expected);
    lk_schedule_begin(diamond->schedule, stages);
    if (!cancel)
        lk_schedule_done(diamond->schedule, stages);
}

static void test_partial(void)
{
    Diamond diamond;

    diamond_init(&diamond);
    g_assert_false(lk_schedule_has(diamond.schedule, diamond.f, LK_MODE_STYLERES));
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "abcdf");
    g_assert_true(lk_schedule_has(diamond.schedule, diamond.f, LK_MODE_STYLERES));
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "");
    lk_schedule_set_input(diamond.schedule, diamond.y, 3);
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "cdf");
    lk_schedule_set_input(diamond.schedule, diamond.x, 3);
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "abdf");
    lk_schedule_set_input(diamond.schedule, diamond.x, 4);
    lk_schedule_set_input(diamond.schedule, diamond.x, 3); /* back before anything ran */
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "");
    lk_schedule_forget(diamond.schedule);
    g_assert_false(lk_schedule_has(diamond.schedule, diamond.f, LK_MODE_STYLERES));
    lk_schedule_set_input(diamond.schedule, diamond.x, 3);
    lk_schedule_set_input(diamond.schedule, diamond.y, 3);
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "abcdf");
    diamond_clear(&diamond);
}

static void test_modes(void)
{
    Diamond diamond;

    diamond_init(&diamond);
    assert_runs(&diamond, LK_MODE_WPLUS, FALSE, "abef");
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "cdf");
    assert_runs(&diamond, LK_MODE_WPLUS, FALSE, "ef");
    lk_schedule_set_input(diamond.schedule, diamond.y, 3);
    assert_runs(&diamond, LK_MODE_WPLUS, FALSE, "");
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "cdf");
    diamond_clear(&diamond);
}

static void test_cancelled(void)
{
    Diamond diamond;

    diamond_init(&diamond);
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "abcdf");
    lk_schedule_set_input(diamond.schedule, diamond.x, 5);
    assert_runs(&diamond, LK_MODE_STYLERES, TRUE, "abdf");
    /* even back at the old input nothing of the interrupted stages counts */
    lk_schedule_set_input(diamond.schedule, diamond.x, 1);
    assert_runs(&diamond, LK_MODE_STYLERES, TRUE, "abdf");
    lk_schedule_set_input(diamond.schedule, diamond.x, 5);
    assert_runs(&diamond, LK_MODE_STYLERES, FALSE, "abdf");
    diamond_clear(&diamond);
}

static void test_missing_input(void)
{
    Diamond diamond;
    g_autoptr(GError) error = NULL;

    diamond_init(&diamond);
    lk_schedule_set_input(diamond.schedule, diamond.y, 0);
    assert_runs(&diamond, LK_MODE_WPLUS, FALSE, "abef");
    g_assert_null(lk_schedule_stages(diamond.schedule, &diamond.f, 1, LK_MODE_STYLERES, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    diamond_clear(&diamond);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/random", test_random_plans);
    g_test_add_func("/plan/network", test_network_plan);
    g_test_add_func("/plan/released-size", test_released_size);
    g_test_add_func("/plan/too-large", test_too_large);
    g_test_add_func("/schedule/partial", test_partial);
    g_test_add_func("/schedule/modes", test_modes);
    g_test_add_func("/schedule/cancelled", test_cancelled);
    g_test_add_func("/schedule/missing-input", test_missing_input);
    return g_test_run();
}
