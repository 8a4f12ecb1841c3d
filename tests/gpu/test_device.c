/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * test_device.c - devices, arenas and streams: choice, limits, errors, cancelling, replay, the disk cache.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "support.h"
#include "vulkan.h"

static TestBench bench;

static void test_list(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = lk_gpu_list(&error);

    g_assert_no_error(error);
    g_assert_cmpuint(list->len, >, 0);
    for (guint i = 0; i < list->len; i++) {
        const LkGpuInfo *info = list->pdata[i];

        g_assert_cmpuint(info->index, ==, i);
        g_assert_cmpstr(info->engine, ==, "vulkan");
        g_assert_true(info->name[0] != '\0' && info->driver[0] != '\0' && info->api[0] == '1');
        g_assert_cmpuint(info->memory, >, 0);
        g_assert_cmpuint(info->max_binding, >=, 128 << 20);
        g_assert_cmpuint(info->max_allocation, >=, info->max_binding);
        g_assert_cmpuint(info->shared_memory, >=, 32 << 10);
        g_assert_cmpuint(info->subgroup_size, >, 0);
        if (i > 0)
            g_assert_cmpint(((LkGpuInfo *)list->pdata[i - 1])->kind, <=, info->kind);
    }
}

static void test_selectors(void)
{
    g_autofree char *index = g_strdup_printf("%u", lk_gpu_info(bench.gpu)->index);
    g_autofree char *part = g_ascii_strup(lk_gpu_info(bench.gpu)->name, 5);
    const char *const selectors[] = {NULL, "auto", "vulkan", index, part};

    for (guint i = 0; i < G_N_ELEMENTS(selectors); i++) {
        g_autoptr(GError) error = NULL;
        LkGpu *gpu = lk_gpu_open(selectors[i], LK_GPU_NO_CACHE, &error);

        g_assert_no_error(error);
        if (i >= 3)
            g_assert_cmpstr(lk_gpu_info(gpu)->name, ==, lk_gpu_info(bench.gpu)->name);
        lk_gpu_free(gpu);
    }
}

static void assert_no_device(const char *selector, const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(lk_gpu_open(selector, 0, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE);
    g_assert_nonnull(strstr(error->message, part));
}

static void test_unknown_device(void)
{
    assert_no_device("no such device", "no such device");
    assert_no_device("99", "99");
    assert_no_device("", "");
}

/* The loader reads these variables when an instance is made, so that another process is not needed. */
static void test_no_driver(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        return;
    }
    g_setenv("VK_ICD_FILENAMES", "/nonexistent/driver.json", TRUE);
    g_setenv("VK_DRIVER_FILES", "/nonexistent/driver.json", TRUE);
    assert_no_device(NULL, "No Vulkan driver was found");
    g_assert_null(lk_gpu_list(NULL));
}

static void test_arena_limits(void)
{
    g_autoptr(GError) error = NULL;
    guint64 held, peak, held_after;

    lk_gpu_memory(bench.gpu, &held, &peak);
    g_assert_cmpuint(held, >=, lk_arena_size(bench.arena));
    g_assert_cmpuint(peak, >=, held);
    g_assert_null(lk_arena_new(bench.gpu, LK_ARENA_DEVICE, 0, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_null(
        lk_arena_new(bench.gpu, LK_ARENA_DEVICE, lk_gpu_info(bench.gpu)->max_allocation + 1, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY);
    lk_gpu_memory(bench.gpu, &held_after, NULL);
    g_assert_cmpuint(held_after, ==, held);
}

/* Larger than the staging, at odd places, through both kinds of arena. */
static void test_copies(gconstpointer use)
{
    gsize size = (gsize)37 << 20, offset = 1028, n = size - offset - 4;
    g_autofree guint8 *data = g_malloc(n), *back = g_malloc0(n);
    GError *error = NULL;
    LkArena *arena = lk_arena_new(bench.gpu, GPOINTER_TO_INT(use), size, &error);

    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++)
        data[i] = (guint8)(i * 2654435761u >> 13);
    lk_arena_write(arena, offset, data, n, &error);
    g_assert_no_error(error);
    lk_arena_read(arena, offset, back, n, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(data, n, back, n);
    g_assert_false(lk_arena_write(arena, 2, data, 4, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_false(lk_arena_read(arena, size - 4, back, 8, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    lk_arena_free(arena);
}

/* A convolution that is right; the tests break it. */
static LkOp good_conv(void)
{
    g_autofree float *weights = g_new0(float, 8 * 4 * 9);
    LkOp op = {.kind = LK_OP_CONV, .kernel = 3};

    test_bench_reset(&bench);
    op.x = test_tensor(&bench, 4, 8, 8, LK_F32);
    op.y = test_tensor(&bench, 8, 8, 8, LK_F32);
    op.weight = test_weights_from(&bench, LK_OP_CONV, 8, 4, 3, LK_F32, weights);
    op.bias = test_tensor(&bench, 8, 1, 1, LK_F32);
    return op;
}

static void assert_invalid(LkOp op, const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(lk_stream_new(bench.gpu, "broken", &op, 1, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    if (strstr(error->message, part) == NULL)
        g_error("“%s” does not say “%s”", error->message, part);
}

static void test_invalid_ops(void)
{
    LkOp op;

    op = good_conv(), op.kernel = 5;
    assert_invalid(op, "kernel 5");
    op = good_conv(), op.stride = 3;
    assert_invalid(op, "stride 3");
    op = good_conv(), op.y.h = 7;
    assert_invalid(op, "y is 8 x 7 x 8");
    op = good_conv(), op.bias.c = 9;
    assert_invalid(op, "bias");
    op = good_conv(), op.weight.arena = NULL;
    assert_invalid(op, "weight is absent");
    op = good_conv(), op.bias.type = LK_F16;
    assert_invalid(op, "bias has a type");
    op = good_conv(), op.x.offset = lk_arena_size(bench.arena) - 256;
    assert_invalid(op, "x ends outside");
    op = good_conv(), op.x.offset += 4;
    assert_invalid(op, "multiple of 256");
    op = good_conv(), op.y.offset = op.x.offset;
    assert_invalid(op, "overlaps");
    op = good_conv(), op.act = LK_ACT_PRELU;
    assert_invalid(op, "slopes is absent");
    op = good_conv(), op.x.c = 0;
    assert_invalid(op, "empty");
    op = good_conv(), op.x.c = op.x.h = op.x.w = G_MAXUINT;
    assert_invalid(op, "too large");
    op = good_conv(), op.y.c = 70000;
    assert_invalid(op, "more than 65535 channels");
    op = good_conv(), op.kind = LK_N_OPS;
    assert_invalid(op, "no such operation");
    op = good_conv(), op.kind = LK_OP_CONV_UP;
    assert_invalid(op, "y is");
    op = good_conv(), op.kind = LK_OP_GATE;
    assert_invalid(op, "gate");
}

static void test_foreign_arena(void)
{
    GError *error = NULL;
    LkOp op = good_conv();
    LkGpu *other = lk_gpu_open("cpu", LK_GPU_NO_CACHE, &error);
    LkArena *arena;

    if (other == NULL) {
        g_clear_error(&error);
        g_test_skip("no second device");
        return;
    }
    arena = lk_arena_new(other, LK_ARENA_DEVICE, 1 << 20, &error);
    g_assert_no_error(error);
    op.x.arena = arena;
    op.x.offset = 0;
    assert_invalid(op, "another device");
    lk_arena_free(arena);
    lk_gpu_free(other);
}

/* A chain in which every op depends on the one before through the same two tensors. */
static LkStream *chain_new(gsize n, LkTensor *y)
{
    g_autofree LkOp *ops = g_new0(LkOp, n);
    g_autofree float *values = g_new(float, 16 * 64 * 64), *weights = g_new(float, 16 * 16 * 9);
    LkTensor maps[2], weight;
    GError *error = NULL;
    LkStream *stream;

    for (guint i = 0; i < 16 * 64 * 64; i++)
        values[i] = (float)(i % 17) / 17 - 0.5f;
    for (guint i = 0; i < 16 * 16 * 9; i++)
        weights[i] = ((float)(i % 13) / 13 - 0.45f) / 12;
    test_bench_reset(&bench);
    maps[0] = test_tensor_from(&bench, 16, 64, 64, LK_F32, values);
    maps[1] = test_tensor(&bench, 16, 64, 64, LK_F32);
    *y = test_tensor(&bench, 16, 64, 64, LK_F32);
    weight = test_weights_from(&bench, LK_OP_CONV, 16, 16, 3, LK_F32, weights);
    for (gsize i = 0; i < n; i++)
        ops[i] = (LkOp){.kind = LK_OP_CONV,
                        .kernel = 3,
                        .x = maps[i == 0 ? 0 : 1],
                        .y = i % 2 == 0 ? maps[1] : *y,
                        .weight = weight};
    for (gsize i = 1; i < n; i++)
        ops[i].x = ops[i - 1].y;
    *y = ops[n - 1].y;
    stream = lk_stream_new(bench.gpu, "chain", ops, n, &error);
    g_assert_no_error(error);
    return stream;
}

static void test_replay(void)
{
    GError *error = NULL;
    LkTensor y;
    LkStream *stream = chain_new(6, &y), *both[2] = {stream, stream};
    g_autofree float *first = NULL, *second = NULL;
    double seconds[2] = {0};
    gsize size = lk_tensor_bytes(&y);

    g_assert_cmpstr(lk_stream_name(stream), ==, "chain");
    g_assert_cmpuint(lk_stream_flops(stream), ==, 6 * (guint64)2 * 16 * 16 * 9 * 64 * 64);
    lk_gpu_run(bench.gpu, &stream, 1, NULL, NULL, &error);
    g_assert_no_error(error);
    first = test_read(&bench, &y);
    lk_gpu_run(bench.gpu, both, 2, NULL, seconds, &error);
    g_assert_no_error(error);
    second = test_read(&bench, &y);
    g_assert_cmpmem(first, size, second, size);
    g_assert_cmpfloat(seconds[0], >, 0);
    g_assert_cmpfloat(seconds[1], >, 0);
    lk_stream_free(stream);
}

static gpointer cancel_soon(gpointer cancellable)
{
    g_usleep(20000);
    g_cancellable_cancel(cancellable);
    return NULL;
}

/* Work of many submits, cancelled while it runs; the device is fit for more afterwards. */
static void test_cancel(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    LkTensor y;
    LkStream *stream = chain_new(4, &y);
    LkStream *many[1000];
    GThread *thread = g_thread_new("cancel", cancel_soon, cancellable);

    for (guint i = 0; i < G_N_ELEMENTS(many); i++)
        many[i] = stream;
    g_assert_false(lk_gpu_run(bench.gpu, many, G_N_ELEMENTS(many), cancellable, NULL, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    g_thread_join(thread);
    g_assert_false(lk_gpu_run(bench.gpu, &stream, 1, cancellable, NULL, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_true(lk_gpu_run(bench.gpu, &stream, 1, NULL, NULL, &error));
    g_assert_no_error(error);
    lk_stream_free(stream);
}

static void test_empty_stream(void)
{
    g_autoptr(GError) error = NULL;
    LkStream *stream = lk_stream_new(bench.gpu, "nothing", NULL, 0, &error);
    double seconds = -1;

    g_assert_no_error(error);
    g_assert_true(lk_gpu_run(bench.gpu, &stream, 1, NULL, &seconds, &error));
    g_assert_no_error(error);
    g_assert_cmpfloat(seconds, >=, 0);
    g_assert_cmpuint(lk_stream_flops(stream), ==, 0);
    lk_stream_free(stream);
}

/* Slices of one vector, at multiples of four bytes. */
static void test_slices(void)
{
    const float values[] = {1, 2, 3, 4, 5, 6, 7, 8}, weights[] = {1, 10, 100};
    g_autofree float *result = NULL;
    LkTensor all, y;
    LkOp op = {.kind = LK_OP_LINEAR};

    test_bench_reset(&bench);
    all = test_tensor_from(&bench, 8, 1, 1, LK_F32, values);
    y = test_tensor_from(&bench, 8, 1, 1, LK_F32, values);
    op.weight = test_tensor_from(&bench, 1, 3, 1, LK_F32, weights);
    op.x = all, op.x.offset += 4, op.x.c = 3;
    op.bias = all, op.bias.offset += 28, op.bias.c = 1;
    op.y = y, op.y.offset += 12, op.y.c = 1;
    test_run(&bench, &op, 1);
    result = test_read(&bench, &y);
    g_assert_cmpfloat(result[2], ==, 3);
    g_assert_cmpfloat(result[3], ==, 2 + 30 + 400 + 8);
    g_assert_cmpfloat(result[4], ==, 5);
}

static void test_cache_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("likeness-XXXXXX", NULL);
    g_autofree char *sub = g_build_filename(folder, "sub", NULL),
                    *path = g_build_filename(sub, "cache", NULL);
    g_autoptr(GBytes) whole = NULL;
    g_autofree char *bytes = NULL;
    gsize size;

    g_assert_null(lk_cache_read(path));
    lk_cache_write(path, "some programs", 13);
    whole = lk_cache_read(path);
    g_assert_nonnull(whole);
    g_assert_cmpmem(g_bytes_get_data(whole, NULL), g_bytes_get_size(whole), "some programs", 13);
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    bytes[size - 1] ^= 1;
    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    g_assert_null(lk_cache_read(path));
    g_assert_true(g_file_set_contents(path, bytes, 20, NULL));
    g_assert_null(lk_cache_read(path));
    g_unlink(path);
    g_rmdir(sub);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    test_bench_open(&bench, LK_ARENA_DEVICE, 4 << 20);
    g_test_add_func("/gpu/device/list", test_list);
    g_test_add_func("/gpu/device/selectors", test_selectors);
    g_test_add_func("/gpu/device/unknown", test_unknown_device);
    g_test_add_func("/gpu/device/no-driver", test_no_driver);
    g_test_add_func("/gpu/arena/limits", test_arena_limits);
    g_test_add_data_func("/gpu/arena/copies/device", GINT_TO_POINTER(LK_ARENA_DEVICE), test_copies);
    g_test_add_data_func("/gpu/arena/copies/host", GINT_TO_POINTER(LK_ARENA_HOST), test_copies);
    g_test_add_func("/gpu/stream/invalid", test_invalid_ops);
    g_test_add_func("/gpu/stream/foreign-arena", test_foreign_arena);
    g_test_add_func("/gpu/stream/replay", test_replay);
    g_test_add_func("/gpu/stream/cancel", test_cancel);
    g_test_add_func("/gpu/stream/empty", test_empty_stream);
    g_test_add_func("/gpu/stream/slices", test_slices);
    g_test_add_func("/gpu/cache/file", test_cache_file);
    result = g_test_run();
    test_bench_close(&bench);
    return result;
}
