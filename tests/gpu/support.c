/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "half.h"
#include "support.h"

void test_bench_open(TestBench *bench, LkArenaUse use, gsize size)
{
    const char *device = g_getenv("LIKENESS_TEST_DEVICE");
    GError *error = NULL;

    bench->gpu = lk_gpu_open(device != NULL ? device : "cpu", LK_GPU_VALIDATE, &error);
    g_assert_no_error(error);
    bench->arena = lk_arena_new(bench->gpu, use, size, &error);
    g_assert_no_error(error);
    bench->used = 0;
}

void test_bench_close(TestBench *bench)
{
    lk_arena_free(bench->arena);
    g_assert_cmpuint(lk_gpu_n_messages(bench->gpu), ==, 0);
    lk_gpu_free(bench->gpu);
}

void test_bench_reset(TestBench *bench)
{
    bench->used = 0;
}

static gsize take(TestBench *bench, gsize bytes)
{
    gsize offset = bench->used;

    bench->used += (bytes + LK_ARENA_ALIGN - 1) / LK_ARENA_ALIGN * LK_ARENA_ALIGN;
    g_assert_cmpuint(bench->used, <=, lk_arena_size(bench->arena));
    return offset;
}

static void write_bytes(TestBench *bench, gsize offset, gconstpointer data, gsize size)
{
    GError *error = NULL;

    lk_arena_write(bench->arena, offset, data, size, &error);
    g_assert_no_error(error);
}

LkTensor test_tensor(TestBench *bench, guint c, guint h, guint w, LkType type)
{
    LkTensor tensor = {bench->arena, 0, c, h, w, type};

    tensor.offset = take(bench, lk_tensor_bytes(&tensor));
    return tensor;
}

LkTensor test_tensor_from(TestBench *bench, guint c, guint h, guint w, LkType type, const float *values)
{
    LkTensor tensor = test_tensor(bench, c, h, w, type);
    gsize n = (gsize)c * h * w;
    g_autofree guint8 *bytes = g_malloc(lk_tensor_bytes(&tensor));

    for (gsize i = 0; i < n; i++) {
        if (type == LK_F32)
            ((float *)(gpointer)bytes)[i] = values[i];
        else if (type == LK_F16)
            ((guint16 *)(gpointer)bytes)[i] = lk_half_from_float(values[i]);
        else
            bytes[i] = (guint8)values[i];
    }
    write_bytes(bench, tensor.offset, bytes, lk_tensor_bytes(&tensor));
    return tensor;
}

LkTensor test_weights_from(TestBench *bench, LkOpKind op, guint o, guint i, guint k, LkType type,
                           const float *weights)
{
    gsize size = lk_gpu_weights_size(bench->gpu, op, o, i, k, type);
    g_autofree guint8 *packed = g_malloc(size);
    LkTensor tensor = {bench->arena, take(bench, size), o, i, k * k, type};

    lk_gpu_weights_pack(bench->gpu, op, o, i, k, type, weights, packed);
    write_bytes(bench, tensor.offset, packed, size);
    return tensor;
}

LkTensor test_scratch(TestBench *bench, guint o, guint h, guint w, LkType type)
{
    return (LkTensor){bench->arena, take(bench, lk_gpu_scratch_size(bench->gpu, o, h, w, type)), 1, 1, 1,
                      type};
}

float *test_read(TestBench *bench, const LkTensor *tensor)
{
    gsize n = (gsize)tensor->c * tensor->h * tensor->w;
    g_autofree guint8 *bytes = g_malloc(lk_tensor_bytes(tensor));
    float *values = g_new(float, n);
    GError *error = NULL;

    lk_arena_read(bench->arena, tensor->offset, bytes, lk_tensor_bytes(tensor), &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++)
        values[i] = tensor->type == LK_F32   ? ((float *)(gpointer)bytes)[i]
                    : tensor->type == LK_F16 ? lk_half_to_float(((guint16 *)(gpointer)bytes)[i])
                                             : bytes[i];
    return values;
}

void test_run(TestBench *bench, const LkOp *ops, gsize n)
{
    GError *error = NULL;
    LkStream *stream = lk_stream_new(bench->gpu, "test", ops, n, &error);

    g_assert_no_error(error);
    lk_gpu_run(bench->gpu, &stream, 1, NULL, NULL, &error);
    g_assert_no_error(error);
    lk_stream_free(stream);
}

double test_error(const float *values, const float *expected, gsize n)
{
    double square = 0, largest = 0;

    for (gsize i = 0; i < n; i++) {
        double difference = fabs((double)values[i] - expected[i]);

        square += (double)expected[i] * expected[i];
        if (!(difference <= largest))
            largest = difference;
    }
    return largest / (sqrt(square / (double)n) + 1e-30);
}
