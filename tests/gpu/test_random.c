/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * test_random.c - every operation with random shapes, types and options against the plain loops of reference.c.
 */
#include <math.h>
#include <string.h>

#include "half.h"
#include "reference.h"
#include "support.h"

enum { CASES_F32 = 40, CASES_F16 = 16 };

static TestBench bench;

typedef struct {
    GRand *random;
    LkType maps, filters; /* what x, y and add, and weights, are stored as */
    float *weights;       /* plain convolution weights, rounded as stored */
} Case;

static gboolean coin(Case *test)
{
    return g_rand_boolean(test->random);
}

static guint between(Case *test, guint least, guint most)
{
    return (guint)g_rand_int_range(test->random, (gint)least, (gint)most + 1);
}

static float *random_values(Case *test, gsize n, double scale)
{
    float *values = g_new(float, n);

    for (gsize i = 0; i < n; i++)
        values[i] = (float)(g_rand_double_range(test->random, -1, 1) * scale);
    return values;
}

static LkTensor random_tensor(Case *test, guint c, guint h, guint w, LkType type)
{
    g_autofree float *values = random_values(test, (gsize)c * h * w, 1);

    return test_tensor_from(&bench, c, h, w, type, values);
}

static LkTensor maybe_vector(Case *test, guint c)
{
    return coin(test) ? random_tensor(test, c, 1, 1, LK_F32) : (LkTensor){0};
}

static LkTensor random_bytes(Case *test, guint h, guint w)
{
    g_autofree float *values = g_new(float, (gsize)4 * h * w);

    for (gsize i = 0; i < (gsize)4 * h * w; i++)
        values[i] = (float)between(test, 0, 255);
    return test_tensor_from(&bench, 4, h, w, LK_U8, values);
}

static void random_finish(Case *test, LkOp *op)
{
    op->bias = maybe_vector(test, op->y.c);
    op->in_scale = maybe_vector(test, op->x.c);
    op->out_scale = maybe_vector(test, op->y.c);
    if (coin(test))
        op->noise = random_tensor(test, 1, op->y.h, op->y.w, LK_F32);
    if (coin(test))
        op->add = random_tensor(test, op->y.c, op->y.h, op->y.w, test->maps);
    op->slopes = random_tensor(test, op->y.c, 1, 1, LK_F32);
    /* Every program takes long to compile on a software driver; curves and shifts do not go with every kernel here. */
    op->act = between(test, LK_ACT_NONE, op->kernel == 1 ? LK_ACT_SIGMOID : LK_ACT_PRELU);
    op->slope = 0.2f;
    op->gain = coin(test) ? sqrtf(2) : 0;
    op->clamp = coin(test) ? 0.7f : 0;
}

static void random_weights(Case *test, LkOp *op, guint kernel)
{
    gsize n = (gsize)op->y.c * op->x.c * kernel * kernel;
    LkType type = test->filters;

    test->weights = random_values(test, n, 1 / sqrt((double)op->x.c * kernel * kernel));
    op->weight = test_weights_from(&bench, op->kind, op->y.c, op->x.c, kernel, type, test->weights);
    for (gsize i = 0; i < n && type == LK_F16; i++)
        test->weights[i] = lk_half_to_float(lk_half_from_float(test->weights[i]));
}

static LkOp random_conv(Case *test)
{
    LkOp op = {.kind = LK_OP_CONV, .kernel = coin(test) ? 3 : 1, .stride = between(test, 0, 2)};
    guint stride = MAX(op.stride, 1), w = coin(test) ? 8 * between(test, 1, 5) : between(test, 1, 40);

    op.x = random_tensor(test, between(test, 1, 40), between(test, 1, 25), w, test->maps);
    op.y = test_tensor(&bench, between(test, 1, 40), (op.x.h - 1) / stride + 1, (op.x.w - 1) / stride + 1,
                       test->maps);
    random_weights(test, &op, op.kernel);
    random_finish(test, &op);
    if (stride == 1)
        op.in_shift = maybe_vector(test, op.x.c);
    return op;
}

static LkOp random_conv_up(Case *test)
{
    LkOp op = {.kind = LK_OP_CONV_UP};
    guint w = coin(test) ? 4 * between(test, 1, 5) : between(test, 1, 20);

    op.x = random_tensor(test, between(test, 1, 40), between(test, 1, 20), w, test->maps);
    op.y = test_tensor(&bench, between(test, 1, 40), 2 * op.x.h, 2 * op.x.w, test->maps);
    op.scratch = test_scratch(&bench, op.y.c, op.x.h, op.x.w, test->maps);
    random_weights(test, &op, 3);
    random_finish(test, &op);
    return op;
}

static LkOp random_linear(Case *test)
{
    LkOp op = {.kind = LK_OP_LINEAR, .square = coin(test), .slope = 0.2f, .gain = coin(test) ? 0.3f : 0};

    op.x = random_tensor(test, between(test, 1, 100) * (coin(test) ? 4 : 1), between(test, 1, 3),
                         between(test, 1, 3), test->maps);
    op.y = test_tensor(&bench, between(test, 1, 100), 1, 1, test->maps);
    op.weight = random_tensor(test, op.y.c, op.x.c * op.x.h * op.x.w, 1, test->filters);
    op.bias = maybe_vector(test, op.y.c);
    op.slopes = random_tensor(test, op.y.c, 1, 1, LK_F32);
    op.act = between(test, LK_ACT_NONE, LK_ACT_SIGMOID);
    return op;
}

static LkOp random_map_op(Case *test, LkOpKind kind)
{
    LkOp op = {.kind = kind};

    op.x = random_tensor(test, between(test, 1, 20), between(test, 1, 30), between(test, 1, 30), test->maps);
    op.y = test_tensor(&bench, op.x.c, op.x.h, op.x.w, test->maps);
    return op;
}

static LkOp random_pool(Case *test)
{
    LkOp op = random_map_op(test, LK_OP_POOL);

    op.y.h = op.y.w = 1;
    return op;
}

static LkOp random_scale_add(Case *test)
{
    LkOp op = random_map_op(test, LK_OP_SCALE_ADD);

    op.in_scale = maybe_vector(test, op.x.c);
    op.stride = between(test, 0, 2);
    if (coin(test)) {
        guint stride = MAX(op.stride, 1);

        op.add = random_tensor(test, op.x.c, (op.x.h - 1) * stride + between(test, 1, stride),
                               (op.x.w - 1) * stride + between(test, 1, stride), test->maps);
    }
    return op;
}

static LkOp random_upsample(Case *test)
{
    LkOp op = random_map_op(test, LK_OP_UPSAMPLE);

    op.y = test_tensor(&bench, op.x.c, between(test, 1, 40), between(test, 1, 40), test->maps);
    if (coin(test))
        op.add = random_tensor(test, op.y.c, op.y.h, op.y.w, test->maps);
    return op;
}

static LkOp random_to_rgb(Case *test)
{
    LkOp op = {.kind = LK_OP_TO_RGB, .clamp = coin(test) ? 0.5f : 0};
    guint h = 2 * between(test, 1, 15), w = 2 * between(test, 1, 15);

    op.x = random_tensor(test, between(test, 1, 40), h, w, test->maps);
    op.y = test_tensor(&bench, 3, h, w, test->maps);
    op.weight = random_tensor(test, 3, op.x.c, 1, test->filters);
    op.in_scale = random_tensor(test, op.x.c, 1, 1, LK_F32);
    op.bias = random_tensor(test, 3, 1, 1, LK_F32);
    if (coin(test))
        op.add = random_tensor(test, 3, h / 2, w / 2, test->maps);
    return op;
}

static LkOp random_gate(Case *test)
{
    LkOp op = random_map_op(test, LK_OP_GATE);

    op.add = random_tensor(test, op.x.c, op.x.h, op.x.w, test->maps);
    op.weight = random_tensor(test, 1, op.x.h, op.x.w, test->maps);
    if (coin(test) && op.x.type == op.y.type)
        op.y = op.x;
    return op;
}

static LkOp random_warp(Case *test)
{
    LkOp op = {.kind = LK_OP_WARP, .stride = between(test, 0, 4)};
    guint stride = MAX(op.stride, 1), h = between(test, 1, 20), w = between(test, 1, 20);
    g_autofree float *motion = random_values(test, (gsize)2 * h * w, 4);

    op.x = random_tensor(test, stride * stride * between(test, 1, 3), h, w, test->maps);
    op.y = test_tensor(&bench, op.x.c, h, w, test->maps);
    op.weight = test_tensor_from(&bench, 2, h, w, test->maps, motion);
    return op;
}

/* x and a map of cells for it. */
static LkOp random_cells(Case *test, LkOpKind kind, guint channels, double scale)
{
    LkOp op = {.kind = kind, .stride = between(test, 0, 4)};
    guint stride = MAX(op.stride, 1), h = between(test, 1, 12), w = between(test, 1, 12);
    g_autofree float *cells = random_values(test, (gsize)channels * h * w, scale);

    op.x = random_tensor(test, between(test, 1, 3), stride * h, stride * w, test->maps);
    op.y = test_tensor(&bench, op.x.c, op.x.h, op.x.w, test->maps);
    op.weight = test_tensor_from(&bench, channels, h, w, test->maps, cells);
    return op;
}

static LkOp random_move(Case *test)
{
    return random_cells(test, LK_OP_MOVE, 2, 4);
}

static LkOp random_blend(Case *test)
{
    LkOp op = random_cells(test, LK_OP_BLEND, 1, 1);

    op.add = random_tensor(test, op.x.c, op.x.h, op.x.w, test->maps);
    if (coin(test))
        op.y = coin(test) ? op.x : op.add;
    return op;
}

static LkOp random_image_in(Case *test)
{
    LkOp op = {.kind = LK_OP_IMAGE_IN, .x = random_bytes(test, between(test, 1, 30), between(test, 1, 30))};

    op.y = test_tensor(&bench, 3, op.x.h, op.x.w, test->maps);
    return op;
}

static LkOp random_image_out(Case *test)
{
    LkOp op = {.kind = LK_OP_IMAGE_OUT};
    guint h = between(test, 1, 30), w = between(test, 1, 30);

    op.x = random_tensor(test, 3, h, w, test->maps);
    op.y = test_tensor(&bench, 4, h, w, LK_U8);
    return op;
}

static LkOp random_op(Case *test, LkOpKind kind)
{
    static LkOp (*const makers[LK_N_OPS])(Case *) = {
        random_conv,     random_conv_up,  random_linear,   random_pool, random_scale_add,
        random_upsample, random_to_rgb,   random_gate,     random_warp, random_move,
        random_blend,    random_image_in, random_image_out};

    return makers[kind](test);
}

static double case_error(Case *test, const LkOp *op)
{
    gsize size = bench.used, n = (gsize)op->y.c * op->y.h * op->y.w;
    g_autofree guint8 *memory = g_malloc(size);
    g_autofree float *values = NULL, *expected = g_new(float, n);
    GError *error = NULL;

    lk_arena_read(bench.arena, 0, memory, size, &error);
    g_assert_no_error(error);
    lk_reference_run(op, test->weights, memory);
    for (gsize i = 0; i < n; i++)
        expected[i] = lk_reference_get(&op->y, memory, i);
    test_run(&bench, op, 1);
    values = test_read(&bench, &op->y);
    return test_error(values, expected, n);
}

static void describe(const LkOp *op, double error)
{
    g_test_message("%s: x %ux%ux%u type %d, y %ux%ux%u type %d, weight type %d, kernel %u, stride %u, act "
                   "%d%s%s%s%s%s%s, gain %g, clamp %g: %.2e",
                   lk_op_name(op->kind), op->x.c, op->x.h, op->x.w, op->x.type, op->y.c, op->y.h, op->y.w,
                   op->y.type, op->weight.type, op->kernel, op->stride, op->act,
                   op->bias.arena ? ", bias" : "", op->in_scale.arena ? ", in_scale" : "",
                   op->in_shift.arena ? ", in_shift" : "", op->out_scale.arena ? ", out_scale" : "",
                   op->noise.arena ? ", noise" : "", op->add.arena ? ", add" : "", op->gain, op->clamp,
                   error);
}

static void run_cases(LkOpKind kind, gboolean halves)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1 + 2 * kind + (guint)halves);
    double bound = halves ? 2e-2 : 1e-5, worst = 0;

    for (guint i = 0; i < (halves ? CASES_F16 : CASES_F32); i++) {
        Case test = {.random = random,
                     .maps = halves && i % 2 == 0 ? LK_F16 : LK_F32,
                     .filters = halves && i % 4 < 3 ? LK_F16 : LK_F32};
        LkOp op;
        double error;

        test_bench_reset(&bench);
        op = random_op(&test, kind);
        error = case_error(&test, &op);
        worst = MAX(worst, error);
        if (!(error <= bound))
            describe(&op, error);
        g_assert_cmpfloat(error, <=, bound);
        g_free(test.weights);
    }
    g_test_message("%s: largest relative error %.2e", lk_op_name(kind), worst);
}

static void test_f32(gconstpointer data)
{
    run_cases((LkOpKind)GPOINTER_TO_UINT(data), FALSE);
}

static void test_f16(gconstpointer data)
{
    if (!lk_gpu_info(bench.gpu)->half_storage)
        g_test_skip("the device has no 16-bit storage");
    else
        run_cases((LkOpKind)GPOINTER_TO_UINT(data), TRUE);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    test_bench_open(&bench, LK_ARENA_DEVICE, 8 << 20);
    for (guint kind = 0; kind < LK_N_OPS; kind++) {
        g_autofree char *f32 = g_strdup_printf("/gpu/random/%s/f32", lk_op_name(kind));
        g_autofree char *f16 = g_strdup_printf("/gpu/random/%s/f16", lk_op_name(kind));

        g_test_add_data_func(f32, GUINT_TO_POINTER(kind), test_f32);
        g_test_add_data_func(f16, GUINT_TO_POINTER(kind), test_f16);
    }
    result = g_test_run();
    test_bench_close(&bench);
    return result;
}
