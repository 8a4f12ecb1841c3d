/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * test_golden.c - layers of the networks against what the official PyTorch code computed for them.
 */
#include <math.h>
#include <string.h>

#include "npy.h"
#include "support.h"

static TestBench bench;
static LkType type;       /* of maps and weights */
static const char *layer; /* folder of the case */
static GPtrArray *ops;    /* of LkOp, run by check() */

static float *values_of(const char *name, gsize *n)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);

    if (n != NULL)
        *n = npy->n;
    return g_steal_pointer(&npy->data);
}

/* A map or a vector, with the first dimension, the batch, taken off. */
static LkTensor map_of(const char *name)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);

    g_assert_cmpuint(npy->n_dims, >=, 2);
    return test_tensor_from(&bench, (guint)npy->dims[1], npy->n_dims > 2 ? (guint)npy->dims[2] : 1,
                            npy->n_dims > 2 ? (guint)npy->dims[3] : 1, type, npy->data);
}

static LkTensor vector_of(const char *name)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);

    return test_tensor_from(&bench, (guint)npy->n, 1, 1, LK_F32, npy->data);
}

static LkTensor matrix_of(const char *name)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);

    return test_tensor_from(&bench, (guint)npy->dims[0], (guint)npy->dims[1], 1, type, npy->data);
}

static LkTensor conv_weights_of(LkOpKind kind, const char *name)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);

    return test_weights_from(&bench, kind, (guint)npy->dims[0], (guint)npy->dims[1], (guint)npy->dims[2],
                             type, npy->data);
}

static LkTensor append(LkOp op)
{
    g_ptr_array_add(ops, g_memdup2(&op, sizeof op));
    return op.y;
}

static LkTensor like(LkTensor tensor)
{
    return test_tensor(&bench, tensor.c, tensor.h, tensor.w, tensor.type);
}

static void run_ops(void)
{
    g_autofree LkOp *array = g_new(LkOp, ops->len + 1);

    for (guint i = 0; i < ops->len; i++)
        array[i] = *(LkOp *)ops->pdata[i];
    test_run(&bench, array, ops->len);
    g_ptr_array_set_size(ops, 0);
}

/* Compares the first elements of a tensor with a file. */
static void check(LkTensor tensor, const char *name)
{
    double bound = type == LK_F16 ? 2e-2 : 1e-5, error;
    gsize n;
    g_autofree float *expected = values_of(name, &n), *values = test_read(&bench, &tensor);

    g_assert_cmpuint(n, <=, (gsize)tensor.c * tensor.h * tensor.w);
    error = test_error(values, expected, n);
    g_test_message("%s %s: largest relative error %.2e", layer, name, error);
    g_assert_cmpfloat(error, <=, bound);
}

/* ---- layers -------------------------------------------------------------------------------------------------- */

/* y = (weight / sqrt(inputs)) x + bias, all times gain. */
static LkTensor linear(LkTensor x, const char *weight, const char *bias, float gain)
{
    LkOp op = {.kind = LK_OP_LINEAR, .x = x, .weight = matrix_of(weight)};
    gsize n;
    g_autofree float *biases = values_of(bias, &n);

    for (gsize i = 0; i < n; i++)
        biases[i] *= gain;
    op.bias = test_tensor_from(&bench, (guint)n, 1, 1, LK_F32, biases);
    op.gain = gain / sqrtf((float)op.weight.h);
    op.y = test_tensor(&bench, op.weight.c, 1, 1, LK_F32);
    return append(op);
}

static void test_affine(void)
{
    LkTensor w = map_of("x"), y = linear(w, "weight", "bias", 1),
             y_torgb = linear(w, "weight", "bias", 0.25f);

    run_ops();
    check(y, "y");
    check(y_torgb, "y_torgb");
}

/* 1 / sqrt(sum_i (sum_k weight[o,i,k]^2) styles[i]^2 + 1e-8) */
static LkTensor demodulation(LkTensor styles, const char *name)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);
    gsize n = npy->dims[0] * npy->dims[1], taps = npy->dims[2] * npy->dims[3];
    g_autofree float *sums = g_new0(float, n);
    LkOp op = {.kind = LK_OP_LINEAR, .square = TRUE, .act = LK_ACT_RSQRT, .x = styles};

    for (gsize i = 0; i < n * taps; i++)
        sums[i / taps] += npy->data[i] * npy->data[i];
    op.weight = test_tensor_from(&bench, (guint)npy->dims[0], (guint)npy->dims[1], 1, LK_F32, sums);
    op.y = test_tensor(&bench, op.weight.c, 1, 1, LK_F32);
    return append(op);
}

static LkTensor noise(void)
{
    g_autoptr(LkNpy) plane = lk_npy_golden(layer, "noise_const"),
                     strength = lk_npy_golden(layer, "noise_strength");

    for (gsize i = 0; i < plane->n; i++)
        plane->data[i] *= strength->data[0];
    return test_tensor_from(&bench, 1, (guint)plane->dims[0], (guint)plane->dims[1], LK_F32, plane->data);
}

static void modulated(LkOpKind kind)
{
    LkOp op = {.kind = kind,
               .kernel = 3,
               .x = map_of("x"),
               .in_scale = linear(map_of("w"), "affine.weight", "affine.bias", 1),
               .weight = conv_weights_of(kind, "weight"),
               .bias = vector_of("bias"),
               .noise = noise(),
               .act = LK_ACT_LRELU,
               .slope = 0.2f,
               .gain = sqrtf(2),
               .clamp = 256};

    op.out_scale = demodulation(op.in_scale, "weight");
    op.y = test_tensor(&bench, op.weight.c, op.noise.h, op.noise.w, type);
    op.scratch = test_scratch(&bench, op.y.c, op.x.h, op.x.w, type);
    append(op);
    run_ops();
    check(op.in_scale, "styles");
    check(op.y, "y");
}

static void test_modconv(void)
{
    modulated(LK_OP_CONV);
}

static void test_modconv_up(void)
{
    modulated(LK_OP_CONV_UP);
}

static void test_to_rgb(void)
{
    LkOp op = {.kind = LK_OP_TO_RGB, .clamp = 256, .x = map_of("x"), .bias = vector_of("bias")};

    op.in_scale = linear(map_of("w"), "affine.weight", "affine.bias", 1 / sqrtf((float)op.x.c));
    op.weight = matrix_of("weight");
    op.y = test_tensor(&bench, 3, op.x.h, op.x.w, type);
    append(op);
    op.add = map_of("img_prev");
    op.y = like(op.y);
    append(op);
    run_ops();
    check(op.y, "y");
}

/* The upsampling alone: TO_RGB of a map that is zero. The case has two channels, a picture three. */
static void test_fir_up(void)
{
    gsize n;
    g_autofree float *picture = values_of("x", &n), *three = g_new0(float, 3 * 35), zero[2 * 70] = {0};
    LkOp op = {.kind = LK_OP_TO_RGB};

    g_assert_cmpuint(n, ==, 2 * 35);
    memcpy(three, picture, n * sizeof *three);
    op.x = test_tensor_from(&bench, 1, 10, 14, type, zero);
    op.in_scale = test_tensor_from(&bench, 1, 1, 1, LK_F32, zero);
    op.bias = test_tensor_from(&bench, 3, 1, 1, LK_F32, zero);
    op.weight = test_tensor_from(&bench, 3, 1, 1, type, zero);
    op.add = test_tensor_from(&bench, 3, 5, 7, type, three);
    op.y = test_tensor(&bench, 3, 10, 14, type);
    append(op);
    run_ops();
    op.y.c = 2;
    check(op.y, "y");
}

/* The factor (and, with scale given, the term) of a BatchNorm in eval mode. */
static LkTensor batch_norm(const char *prefix, gboolean term)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    float *part[4];
    LkTensor tensor;
    gsize n;

    for (guint i = 0; i < 4; i++) {
        g_autofree char *name = g_strconcat(prefix, ".", parts[i], NULL);

        part[i] = values_of(name, &n);
    }
    for (gsize i = 0; i < n; i++) {
        part[0][i] /= sqrtf(part[3][i] + 1e-5f);
        part[1][i] -= part[0][i] * part[2][i];
    }
    tensor = test_tensor_from(&bench, (guint)n, 1, 1, LK_F32, part[term ? 1 : 0]);
    for (guint i = 0; i < 4; i++)
        g_free(part[i]);
    return tensor;
}

/* The gate of squeeze-excitation, one factor per channel. */
static LkTensor squeeze(LkTensor x, const char *fc1, const char *fc2)
{
    LkOp pool = {.kind = LK_OP_POOL, .x = x, .y = test_tensor(&bench, x.c, 1, 1, LK_F32)};
    LkOp reduce = {.kind = LK_OP_LINEAR, .x = append(pool), .weight = matrix_of(fc1), .act = LK_ACT_LRELU};
    LkOp expand = {.kind = LK_OP_LINEAR, .weight = matrix_of(fc2), .act = LK_ACT_SIGMOID};

    reduce.y = test_tensor(&bench, reduce.weight.c, 1, 1, LK_F32);
    expand.x = append(reduce);
    expand.y = test_tensor(&bench, x.c, 1, 1, LK_F32);
    return append(expand);
}

static void test_se(void)
{
    LkOp op = {.kind = LK_OP_SCALE_ADD, .x = map_of("x")};

    op.in_scale = squeeze(op.x, "fc1.weight", "fc2.weight");
    op.y = like(op.x);
    append(op);
    run_ops();
    check(op.y, "y");
}

static LkTensor bottleneck_shortcut(LkTensor x, guint h, guint w)
{
    LkOp op = {.kind = LK_OP_CONV, .kernel = 1, .stride = x.h / h, .x = x};

    if (!lk_npy_golden_exists(layer, "shortcut_layer.0.weight"))
        return x;
    op.weight = conv_weights_of(LK_OP_CONV, "shortcut_layer.0.weight");
    op.out_scale = batch_norm("shortcut_layer.1", FALSE);
    op.bias = batch_norm("shortcut_layer.1", TRUE);
    op.y = test_tensor(&bench, op.weight.c, h, w, type);
    return append(op);
}

static void test_bottleneck(void)
{
    LkTensor x = map_of("x"), y = map_of("y");
    LkOp first = {.kind = LK_OP_CONV,
                  .kernel = 3,
                  .x = x,
                  .in_scale = batch_norm("res_layer.0", FALSE),
                  .in_shift = batch_norm("res_layer.0", TRUE),
                  .weight = conv_weights_of(LK_OP_CONV, "res_layer.1.weight"),
                  .act = LK_ACT_PRELU,
                  .slopes = vector_of("res_layer.2.weight"),
                  .y = test_tensor(&bench, y.c, x.h, x.w, type)};
    LkOp second = {.kind = LK_OP_CONV,
                   .kernel = 3,
                   .stride = x.h / y.h,
                   .x = append(first),
                   .weight = conv_weights_of(LK_OP_CONV, "res_layer.3.weight"),
                   .out_scale = batch_norm("res_layer.4", FALSE),
                   .bias = batch_norm("res_layer.4", TRUE),
                   .y = like(y)};
    LkOp sum = {.kind = LK_OP_SCALE_ADD, .x = append(second), .y = like(y)};

    sum.in_scale = squeeze(second.y, "res_layer.5.fc1.weight", "res_layer.5.fc2.weight");
    sum.add = bottleneck_shortcut(x, y.h, y.w);
    sum.stride = sum.add.h / y.h;
    append(sum);
    run_ops();
    check(first.y, "res2");
    check(second.y, "res4");
    check(sum.y, "y");
}

static void test_style_block(void)
{
    LkTensor x = map_of("x");

    for (guint i = 0; i < 4; i++) {
        g_autofree char *weight = g_strdup_printf("convs.%u.weight", 2 * i);
        g_autofree char *bias = g_strdup_printf("convs.%u.bias", 2 * i);
        LkOp op = {.kind = LK_OP_CONV, .kernel = 3, .stride = 2, .x = x, .act = LK_ACT_LRELU, .slope = 0.01f};

        op.weight = conv_weights_of(LK_OP_CONV, weight);
        op.bias = vector_of(bias);
        op.y = test_tensor(&bench, op.weight.c, (x.h + 1) / 2, (x.w + 1) / 2, type);
        x = append(op);
    }
    x = linear(x, "linear.weight", "linear.bias", 1);
    run_ops();
    check(x, "y");
}

static void bilinear(const char *from, const char *to)
{
    LkTensor x = map_of(from);
    LkOp op = {.kind = LK_OP_UPSAMPLE, .x = x, .y = test_tensor(&bench, x.c, 2 * x.h, 2 * x.w, type)};

    append(op);
    run_ops();
    check(op.y, to);
}

static void test_bilinear(void)
{
    bilinear("x", "y");
    bilinear("x16", "y16");
}

static void test_residual_unit(void)
{
    LkTensor x = map_of("x"), y = map_of("y");
    guint stride = x.h / y.h;
    LkOp first = {.kind = LK_OP_CONV,
                  .kernel = 3,
                  .x = x,
                  .weight = conv_weights_of(LK_OP_CONV, "res_layer.0.weight"),
                  .bias = vector_of("res_layer.0.bias"),
                  .act = LK_ACT_LRELU,
                  .slope = 0.2f,
                  .y = test_tensor(&bench, y.c, x.h, x.w, type)};
    LkOp shortcut = {.kind = LK_OP_CONV, .kernel = 1, .stride = stride, .x = x, .y = like(y)};
    LkOp second = {.kind = LK_OP_CONV,
                   .kernel = 3,
                   .stride = stride,
                   .x = append(first),
                   .weight = conv_weights_of(LK_OP_CONV, "res_layer.2.weight"),
                   .bias = vector_of("res_layer.2.bias"),
                   .add = x,
                   .y = like(y)};

    if (lk_npy_golden_exists(layer, "shortcut_layer.0.weight")) {
        shortcut.weight = conv_weights_of(LK_OP_CONV, "shortcut_layer.0.weight");
        second.add = append(shortcut);
    }
    append(second);
    run_ops();
    check(second.y, "y");
}

/* 4096 values as the red, green and blue of pixels; what is left over is checked as part of the last pixel. */
static void test_to_bytes(void)
{
    enum { W = 64, H = 22 };
    gsize n;
    g_autofree float *values = values_of("x", &n), *expected = values_of("y", NULL), *bytes = NULL,
                     *planes = g_new0(float, 3 * W * H);
    LkOp op = {.kind = LK_OP_IMAGE_OUT, .y = test_tensor(&bench, 4, H, W, LK_U8)};

    g_assert_cmpuint(n, <=, 3 * W * H);
    memcpy(planes, values, n * sizeof *planes);
    op.x = test_tensor_from(&bench, 3, H, W, LK_F32, planes);
    append(op);
    run_ops();
    bytes = test_read(&bench, &op.y);
    for (gsize i = 0; i < n; i++)
        g_assert_cmpfloat(bytes[i % (W * H) * 4 + i / (W * H)], ==, expected[i]);
}

/* ---- cases --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *layer;
    void (*run)(void);
    LkType type;
} Case;

static const struct {
    const char *layer;
    void (*run)(void);
} layers[] = {
    {"affine", test_affine},
    {"modconv3x3", test_modconv},
    {"modconv3x3_clamp", test_modconv},
    {"modconv3x3_up2", test_modconv_up},
    {"modconv3x3_up2_5", test_modconv_up},
    {"torgb_skip", test_to_rgb},
    {"fir_up2", test_fir_up},
    {"bottleneck_s1", test_bottleneck},
    {"bottleneck_s2", test_bottleneck},
    {"bottleneck_s2_proj", test_bottleneck},
    {"se", test_se},
    {"style_block16", test_style_block},
    {"bilinear2x", test_bilinear},
    {"reslayers_s1", test_residual_unit},
    {"reslayers_s1_proj", test_residual_unit},
    {"reslayers_s2", test_residual_unit},
    {"reslayers_to1", test_residual_unit},
    {"to8bit", test_to_bytes},
};

static void run_case(gconstpointer data)
{
    const Case *test = data;

    if (test->type == LK_F16 && !lk_gpu_info(bench.gpu)->half_storage) {
        g_test_skip("the device has no 16-bit storage");
        return;
    }
    test_bench_reset(&bench);
    layer = test->layer;
    type = test->type;
    test->run();
}

static void add_case(guint i, LkType as, const char *name)
{
    g_autofree char *path = g_strdup_printf("/gpu/golden/%s/%s", layers[i].layer, name);
    Case *test = g_new(Case, 1);

    *test = (Case){layers[i].layer, layers[i].run, as};
    g_test_add_data_func_full(path, test, run_case, g_free);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    test_bench_open(&bench, LK_ARENA_DEVICE, 8 << 20);
    ops = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < G_N_ELEMENTS(layers); i++) {
        add_case(i, LK_F32, "f32");
        add_case(i, LK_F16, "f16");
    }
    result = g_test_run();
    g_ptr_array_unref(ops);
    test_bench_close(&bench);
    return result;
}
