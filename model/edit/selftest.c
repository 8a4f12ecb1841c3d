/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "selftest.h"

#include <math.h>

enum { CHANNELS = 16, SIDE = 16, PLANE = SIDE * SIDE, KERNEL = 3, TAPS = KERNEL * KERNEL };

#define SLOPE    0.2f
#define TOLERATE 1e-5

/* The problem in plain arrays. */
typedef struct {
    float x[CHANNELS * PLANE], weight[CHANNELS * CHANNELS * TAPS], bias[CHANNELS], styles[CHANNELS];
    float expected[CHANNELS * PLANE], computed[CHANNELS * PLANE];
} Problem;

static void fill(float *values, gsize n, guint32 *state)
{
    for (gsize i = 0; i < n; i++) {
        *state = *state * 1664525u + 1013904223u;
        values[i] = (float)(*state >> 8) / (float)(1 << 23) - 1;
    }
}

static float padded(const Problem *problem, guint channel, int row, int column)
{
    if (row < 0 || column < 0 || row >= SIDE || column >= SIDE)
        return 0;
    return problem->x[channel * PLANE + row * SIDE + column] * problem->styles[channel];
}

static float convolve(const Problem *problem, guint out, int row, int column)
{
    double sum = problem->bias[out];

    for (guint in = 0; in < CHANNELS; in++)
        for (int tap = 0; tap < TAPS; tap++)
            sum += (double)problem->weight[(out * CHANNELS + in) * TAPS + tap] *
                   padded(problem, in, row + tap / KERNEL - 1, column + tap % KERNEL - 1);
    return (float)(sum < 0 ? sum * SLOPE : sum);
}

static Problem *problem_new(void)
{
    Problem *problem = g_new0(Problem, 1);
    guint32 state = 1;

    fill(problem->x, G_N_ELEMENTS(problem->x), &state);
    fill(problem->weight, G_N_ELEMENTS(problem->weight), &state);
    fill(problem->bias, G_N_ELEMENTS(problem->bias), &state);
    fill(problem->styles, G_N_ELEMENTS(problem->styles), &state);
    for (guint out = 0; out < CHANNELS; out++)
        for (int p = 0; p < PLANE; p++)
            problem->expected[out * PLANE + p] = convolve(problem, out, p / SIDE, p % SIDE);
    return problem;
}

static gsize aligned(gsize bytes)
{
    return (bytes + LK_ARENA_ALIGN - 1) / LK_ARENA_ALIGN * LK_ARENA_ALIGN;
}

static gboolean write_tensor(const LkTensor *tensor, gconstpointer data, gsize size, GError **error)
{
    return lk_arena_write(tensor->arena, tensor->offset, data, size, error);
}

static gboolean write_problem(LkGpu *gpu, const Problem *problem, const LkOp *op, GError **error)
{
    const gsize size = lk_gpu_weights_size(gpu, LK_OP_CONV, CHANNELS, CHANNELS, KERNEL, LK_F32);
    g_autofree gpointer packed = g_malloc0(size);

    lk_gpu_weights_pack(gpu, LK_OP_CONV, CHANNELS, CHANNELS, KERNEL, LK_F32, problem->weight, packed);
    return write_tensor(&op->weight, packed, size, error) &&
           write_tensor(&op->x, problem->x, sizeof problem->x, error) &&
           write_tensor(&op->bias, problem->bias, sizeof problem->bias, error) &&
           write_tensor(&op->in_scale, problem->styles, sizeof problem->styles, error);
}

/* Everything in one arena, one tensor after the other. */
static LkOp convolution(LkArena *arena)
{
    const gsize plane = aligned(sizeof(float) * CHANNELS * PLANE), vector = aligned(sizeof(float) * CHANNELS);
    const LkTensor x = {arena, 0, CHANNELS, SIDE, SIDE, LK_F32};
    const LkTensor y = {arena, plane, CHANNELS, SIDE, SIDE, LK_F32};
    const LkTensor bias = {arena, 2 * plane, CHANNELS, 1, 1, LK_F32};
    const LkTensor styles = {arena, 2 * plane + vector, CHANNELS, 1, 1, LK_F32};
    const LkTensor weight = {arena, 2 * plane + 2 * vector, CHANNELS, CHANNELS, TAPS, LK_F32};

    return (LkOp){.kind = LK_OP_CONV,
                  .x = x,
                  .y = y,
                  .weight = weight,
                  .bias = bias,
                  .in_scale = styles,
                  .kernel = KERNEL,
                  .stride = 1,
                  .act = LK_ACT_LRELU,
                  .slope = SLOPE,
                  .gain = 1};
}

static gboolean compute(LkGpu *gpu, Problem *problem, GError **error)
{
    g_autoptr(LkArena) arena = NULL;
    g_autoptr(LkStream) stream = NULL;
    LkOp op = convolution(NULL);
    gsize size = op.weight.offset + lk_gpu_weights_size(gpu, LK_OP_CONV, CHANNELS, CHANNELS, KERNEL, LK_F32);

    arena = lk_arena_new(gpu, LK_ARENA_DEVICE, aligned(size), error);
    if (arena == NULL)
        return FALSE;
    op = convolution(arena);
    if (!write_problem(gpu, problem, &op, error))
        return FALSE;
    stream = lk_stream_new(gpu, "self-test", &op, 1, error);
    return stream != NULL && lk_gpu_run(gpu, &stream, 1, NULL, NULL, error) &&
           lk_arena_read(arena, op.y.offset, problem->computed, sizeof problem->computed, error);
}

static double largest_error(const Problem *problem)
{
    double largest = 0, difference = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(problem->expected); i++) {
        largest = MAX(largest, fabs(problem->expected[i]));
        /* fmax would drop a NaN. */
        if (!(fabs((double)problem->computed[i] - problem->expected[i]) <= difference))
            difference = fabs((double)problem->computed[i] - problem->expected[i]);
        if (isnan(difference))
            return INFINITY;
    }
    return difference / largest;
}

gboolean lk_self_test(LkGpu *gpu, double *error_max, GError **error)
{
    g_autofree Problem *problem = problem_new();

    *error_max = INFINITY;
    if (!compute(gpu, problem, error))
        return FALSE;
    *error_max = largest_error(problem);
    if (*error_max <= TOLERATE)
        return TRUE;
    g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_FAILED, "%s computes wrongly: relative error %.3g",
                lk_gpu_info(gpu)->name, *error_max);
    return FALSE;
}
