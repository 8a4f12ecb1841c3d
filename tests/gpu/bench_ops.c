/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * bench_ops.c - time and GFLOP/s of each operation at the shapes that matter. Not a test: run it by hand.
 *
 *     bench-gpu-ops [device] [f16]
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support.h"

typedef struct {
    LkOpKind kind;
    guint i, o, size; /* channels in and out, width and height of the input */
    guint kernel, stride;
} Shape;

static const Shape shapes[] = {
    {LK_OP_CONV, 128, 128, 8, 3, 1},     {LK_OP_CONV, 128, 128, 16, 3, 1},
    {LK_OP_CONV, 128, 128, 32, 3, 1},    {LK_OP_CONV, 64, 64, 64, 3, 1},
    {LK_OP_CONV, 32, 32, 128, 3, 1},     {LK_OP_CONV, 16, 16, 256, 3, 1},
    {LK_OP_CONV, 64, 64, 64, 3, 2},      {LK_OP_CONV, 64, 128, 32, 1, 1},
    {LK_OP_CONV, 3, 32, 256, 3, 1},      {LK_OP_CONV, 64, 1, 64, 3, 1},
    {LK_OP_CONV_UP, 128, 128, 4, 3, 1},  {LK_OP_CONV_UP, 128, 128, 16, 3, 1},
    {LK_OP_CONV_UP, 64, 32, 64, 3, 1},   {LK_OP_CONV_UP, 32, 16, 128, 3, 1},
    {LK_OP_LINEAR, 512, 512, 1, 0, 0},   {LK_OP_TO_RGB, 16, 3, 256, 0, 0},
    {LK_OP_SCALE_ADD, 64, 64, 64, 0, 1}, {LK_OP_GATE, 64, 64, 64, 0, 0},
    {LK_OP_POOL, 64, 64, 64, 0, 0},      {LK_OP_UPSAMPLE, 64, 64, 32, 0, 0},
    {LK_OP_IMAGE_OUT, 3, 4, 256, 0, 0},  {LK_OP_WARP, 48, 48, 32, 0, 4},
    {LK_OP_MOVE, 3, 3, 256, 0, 8},       {LK_OP_BLEND, 3, 3, 256, 0, 2},
};

static gboolean is_same_size(LkOpKind kind)
{
    return kind == LK_OP_WARP || kind == LK_OP_MOVE || kind == LK_OP_BLEND;
}

static LkOp make_op(TestBench *bench, const Shape *shape, LkType type)
{
    guint stride = MAX(shape->stride, 1),
          out = is_same_size(shape->kind) ? shape->size : (shape->size - 1) / stride + 1;
    LkOp op = {
        .kind = shape->kind, .kernel = shape->kernel, .stride = stride, .act = LK_ACT_LRELU, .slope = 0.2f};

    op.x = test_tensor(bench, shape->i, shape->size, shape->size, type);
    if (shape->kind == LK_OP_CONV_UP || shape->kind == LK_OP_UPSAMPLE)
        out = 2 * shape->size;
    if (shape->kind == LK_OP_POOL)
        out = 1;
    op.y = test_tensor(bench, shape->o, out, out, shape->kind == LK_OP_IMAGE_OUT ? LK_U8 : type);
    op.bias = test_tensor(bench, shape->o, 1, 1, LK_F32);
    op.in_scale = test_tensor(bench, shape->i, 1, 1, LK_F32);
    op.out_scale = test_tensor(bench, shape->o, 1, 1, LK_F32);
    if (shape->kind == LK_OP_CONV || shape->kind == LK_OP_CONV_UP) {
        g_autofree float *weights = g_new0(float, (gsize)shape->o * shape->i * shape->kernel * shape->kernel);

        op.weight = test_weights_from(bench, shape->kind, shape->o, shape->i, shape->kernel, type, weights);
        if (shape->kind == LK_OP_CONV_UP)
            op.scratch = test_scratch(bench, shape->o, shape->size, shape->size, type);
    } else if (shape->kind == LK_OP_GATE) {
        op.weight = test_tensor(bench, 1, out, out, type);
        op.add = test_tensor(bench, shape->i, out, out, type);
    } else if (shape->kind == LK_OP_WARP) {
        op.weight = test_tensor(bench, 2, out, out, type);
    } else if (shape->kind == LK_OP_MOVE) {
        op.weight = test_tensor(bench, 2, out / stride, out / stride, type);
    } else if (shape->kind == LK_OP_BLEND) {
        op.weight = test_tensor(bench, 1, out / stride, out / stride, type);
        op.add = test_tensor(bench, shape->i, out, out, type);
    } else if (shape->kind == LK_OP_TO_RGB) {
        op.weight = test_tensor(bench, 3, shape->i, 1, type);
        op.add = test_tensor(bench, 3, out / 2, out / 2, type);
    } else {
        op.weight = test_tensor(bench, shape->o, shape->i, 1, type);
    }
    return op;
}

/* Of all threads of this process: what a software driver takes, whatever else the machine does. */
static double processor_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void bench_shape(TestBench *bench, const Shape *shape, LkType type)
{
    double best = G_MAXDOUBLE, best_processor = G_MAXDOUBLE;
    GError *error = NULL;
    LkStream *stream;
    LkOp op;

    test_bench_reset(bench);
    op = make_op(bench, shape, type);
    stream = lk_stream_new(bench->gpu, "bench", &op, 1, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 5; i++) {
        double seconds, start = processor_seconds();

        lk_gpu_run(bench->gpu, &stream, 1, NULL, &seconds, &error);
        g_assert_no_error(error);
        best = MIN(best, seconds);
        best_processor = MIN(best_processor, processor_seconds() - start);
    }
    printf("%-9s %4u -> %4u  %4u²  k%u s%u  %9.3f ms  %8.2f GFLOP/s  processor %9.3f ms\n",
           lk_op_name(op.kind), shape->i, shape->o, shape->size, shape->kernel, shape->stride, best * 1e3,
           (double)lk_op_flops(&op) / best * 1e-9, best_processor * 1e3);
    lk_stream_free(stream);
}

int main(int argc, char **argv)
{
    TestBench bench = {0};
    gboolean half = argc > 2 && strcmp(argv[2], "f16") == 0;
    GError *error = NULL;

    bench.gpu = lk_gpu_open(argc > 1 ? argv[1] : "cpu", 0, &error);
    if (bench.gpu == NULL) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    bench.arena = lk_arena_new(bench.gpu, LK_ARENA_DEVICE, 128 << 20, &error);
    g_assert_no_error(error);
    printf("%s, %s\n", lk_gpu_info(bench.gpu)->name, lk_gpu_info(bench.gpu)->driver);
    for (guint i = 0; i < G_N_ELEMENTS(shapes); i++)
        bench_shape(&bench, &shapes[i], half ? LK_F16 : LK_F32);
    lk_arena_free(bench.arena);
    lk_gpu_free(bench.gpu);
    return 0;
}
