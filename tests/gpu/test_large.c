/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The largest layers of the released 1024 x 1024 model at full size, on a device that binds 128 MiB at most and gives no
 * larger allocation either, as many do: samples of the output against the definition.
 */
#include <math.h>
#include <string.h>

#include "half.h"
#include "support.h"

#define LIMIT "134217728" /* bytes: 128 MiB */

enum { N_SAMPLES = 400 };

typedef struct {
    LkOpKind kind;
    guint in, out, side; /* channels; side of the input */
    LkType type;
} Layer;

/* A layer's tensors, each in an allocation of its own. */
typedef struct {
    const Layer *layer;
    GPtrArray *arenas;
    float *x, *weight, *scale, *noise; /* as the device has them: rounded where they are halves */
} Work;

static LkGpu *gpu;
static guint32 seed = 1;

static float next_value(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (1 << 23) - 1;
}

static float *random_values(gsize n, float size, LkType type)
{
    float *values = g_new(float, n);

    for (gsize i = 0; i < n; i++) {
        values[i] = size * next_value();
        if (type == LK_F16)
            values[i] = lk_half_to_float(lk_half_from_float(values[i]));
    }
    return values;
}

static LkTensor add_tensor(Work *work, guint c, guint h, guint w, LkType type, gsize size)
{
    g_autoptr(GError) error = NULL;
    LkArena *arena = lk_arena_new(gpu, LK_ARENA_DEVICE, size, &error);

    g_assert_no_error(error);
    g_ptr_array_add(work->arenas, arena);
    return (LkTensor){.arena = arena, .c = c, .h = h, .w = w, .type = type};
}

static LkTensor add_values(Work *work, guint c, guint h, guint w, LkType type, const float *values)
{
    gsize n = (gsize)c * h * w;
    LkTensor tensor = add_tensor(work, c, h, w, type, n * lk_type_size(type));
    g_autofree guint16 *halves = type == LK_F16 ? g_new(guint16, n) : NULL;
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < n && halves; i++)
        halves[i] = lk_half_from_float(values[i]);
    lk_arena_write(tensor.arena, 0, halves ? (gconstpointer)halves : values, n * lk_type_size(type), &error);
    g_assert_no_error(error);
    return tensor;
}

static LkTensor add_weights(Work *work)
{
    const Layer *layer = work->layer;
    gsize size = lk_gpu_weights_size(gpu, layer->kind, layer->out, layer->in, 3, layer->type);
    LkTensor tensor = add_tensor(work, layer->out, layer->in, 9, layer->type, size);
    g_autofree guint8 *packed = g_malloc(size);
    g_autoptr(GError) error = NULL;

    lk_gpu_weights_pack(gpu, layer->kind, layer->out, layer->in, 3, layer->type, work->weight, packed);
    lk_arena_write(tensor.arena, 0, packed, size, &error);
    g_assert_no_error(error);
    return tensor;
}

static LkTensor add_scratch(Work *work)
{
    const Layer *layer = work->layer;
    gsize size = lk_gpu_scratch_size(gpu, layer->out, layer->side, layer->side, layer->type);

    g_assert_cmpuint(size, <=, 128 << 20);
    return add_tensor(work, 1, 1, (guint)(size / lk_type_size(layer->type)), layer->type, size);
}

/* ---- the definition ---- */

/* Element (row, column) of output channel o of the convolution, transposed or not, without finish. */
static double sum_at(const Work *work, guint o, int row, int column)
{
    const Layer *layer = work->layer;
    gboolean up = layer->kind == LK_OP_CONV_UP;
    int side = (int)layer->side;
    double sum = 0;

    for (guint i = 0; i < layer->in; i++)
        for (int tap = 0; tap < 9; tap++) {
            int y = up ? row - tap / 3 : row + tap / 3 - 1, x = up ? column - tap % 3 : column + tap % 3 - 1;
            if (up && (y % 2 != 0 || x % 2 != 0))
                continue;
            y = up ? y / 2 : y;
            x = up ? x / 2 : x;
            if (y < 0 || y >= side || x < 0 || x >= side)
                continue;
            sum += (double)work->weight[(o * layer->in + i) * 9 + (guint)tap] * (double)work->scale[i] *
                   (double)work->x[((gsize)i * layer->side + (guint)y) * layer->side + (guint)x];
        }
    return sum;
}

static double expected_at(const Work *work, guint o, guint y, guint x, guint side)
{
    static const double filter[4] = {0.25, 0.75, 0.75, 0.25};
    double v = 0;

    if (work->layer->kind == LK_OP_CONV)
        v = sum_at(work, o, (int)y, (int)x);
    for (int j = 0; j < 16 && work->layer->kind == LK_OP_CONV_UP; j++)
        v += filter[j / 4] * filter[j % 4] * sum_at(work, o, (int)y - 1 + j / 4, (int)x - 1 + j % 4);
    v += (double)work->noise[(gsize)y * side + x];
    return (v < 0 ? 0.2 * v : v) * G_SQRT2;
}

/* ---- the test ---- */

static float *run_layer(Work *work, guint side)
{
    const Layer *layer = work->layer;
    gsize n = (gsize)layer->out * side * side;
    float *values = g_new(float, n);
    g_autofree guint16 *halves = layer->type == LK_F16 ? g_new(guint16, n) : NULL;
    g_autoptr(GError) error = NULL;
    LkOp op = {.kind = layer->kind,
               .x = add_values(work, layer->in, layer->side, layer->side, layer->type, work->x),
               .y = add_tensor(work, layer->out, side, side, layer->type, n * lk_type_size(layer->type)),
               .weight = add_weights(work),
               .in_scale = add_values(work, layer->in, 1, 1, LK_F32, work->scale),
               .noise = add_values(work, 1, side, side, LK_F32, work->noise),
               .kernel = 3,
               .act = LK_ACT_LRELU,
               .slope = 0.2f,
               .gain = G_SQRT2};
    LkStream *stream;

    if (layer->kind == LK_OP_CONV_UP)
        op.scratch = add_scratch(work);
    stream = lk_stream_new(gpu, "layer", &op, 1, &error);
    g_assert_no_error(error);
    lk_gpu_run(gpu, &stream, 1, NULL, NULL, &error);
    g_assert_no_error(error);
    lk_arena_read(op.y.arena, 0, halves ? (gpointer)halves : values, n * lk_type_size(layer->type), &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < n && halves; i++)
        values[i] = lk_half_to_float(halves[i]);
    lk_stream_free(stream);
    return values;
}

static void test_layer(gconstpointer data)
{
    const Layer *layer = data;
    guint side = layer->kind == LK_OP_CONV_UP ? 2 * layer->side : layer->side;
    gsize n_x = (gsize)layer->in * layer->side * layer->side;
    g_autofree float *x = random_values(n_x, 1, layer->type), *scale = random_values(layer->in, 1, LK_F32);
    g_autofree float *weight = random_values((gsize)layer->out * layer->in * 9, 0.1f, layer->type);
    g_autofree float *noise = random_values((gsize)side * side, 1, LK_F32);
    Work work = {layer, g_ptr_array_new_with_free_func((GDestroyNotify)lk_arena_free), x, weight, scale,
                 noise};
    g_autofree float *values = run_layer(&work, side);
    float computed[N_SAMPLES], expected[N_SAMPLES];
    double error;

    for (guint i = 0; i < N_SAMPLES; i++) {
        /* the corners of the first and the last channel, then anywhere */
        guint o = i < 4 ? 0 : i < 8 ? layer->out - 1 : (guint)g_random_int_range(0, (gint32)layer->out);
        guint row = i < 8 ? (i & 1) * (side - 1) : (guint)g_random_int_range(0, (gint32)side);
        guint column = i < 8 ? (i >> 1 & 1) * (side - 1) : (guint)g_random_int_range(0, (gint32)side);
        computed[i] = values[((gsize)o * side + row) * side + column];
        expected[i] = (float)expected_at(&work, o, row, column, side);
    }
    error = test_error(computed, expected, N_SAMPLES);
    g_test_message("largest relative error %.2e", error);
    g_assert_cmpfloat(error, <, layer->type == LK_F32 ? 1e-5 : 5e-3);
    g_ptr_array_unref(work.arenas);
}

static void test_limits(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(lk_gpu_info(gpu)->max_allocation, ==, 128 << 20);
    g_assert_cmpuint(lk_gpu_info(gpu)->max_binding, ==, 128 << 20);
    g_assert_null(lk_arena_new(gpu, LK_ARENA_DEVICE, (128 << 20) + 256, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY);
}

int main(int argc, char **argv)
{
    static const Layer layers[] = {
        {LK_OP_CONV_UP, 64, 32, 512, LK_F32},  /* b1024.conv0, whose output is 128 MiB */
        {LK_OP_CONV, 32, 32, 1024, LK_F32},    /* b1024.conv1 */
        {LK_OP_CONV_UP, 128, 64, 256, LK_F32}, /* b512.conv0 */
        {LK_OP_CONV_UP, 64, 32, 512, LK_F16},
    };
    static const char *const names[] = {"b1024.conv0", "b1024.conv1", "b512.conv0", "b1024.conv0-half"};
    const char *device = g_getenv("LIKENESS_TEST_DEVICE");
    g_autoptr(GError) error = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    g_setenv("LIKENESS_MAX_ALLOCATION", LIMIT, TRUE);
    g_setenv("LIKENESS_MAX_BINDING", LIMIT, TRUE);
    gpu = lk_gpu_open(device ? device : "cpu", LK_GPU_VALIDATE, &error);
    g_assert_no_error(error);
    g_test_add_func("/gpu/large/limits", test_limits);
    for (guint i = 0; i < G_N_ELEMENTS(layers); i++) {
        g_autofree char *path = g_strconcat("/gpu/large/", names[i], NULL);
        if (layers[i].type == LK_F32 || lk_gpu_info(gpu)->half_storage)
            g_test_add_data_func(path, &layers[i], test_layer);
    }
    result = g_test_run();
    g_assert_cmpuint(lk_gpu_n_messages(gpu), ==, 0);
    lk_gpu_free(gpu);
    return result;
}
