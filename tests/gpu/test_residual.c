/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * test_residual.c - the networks E1 and E2 of StyleRes at full width on 8 x 8 maps, with weights made by rule, against
 * what the official PyTorch code computed.
 */
#include <string.h>

#include "golden.h"
#include "npy.h"
#include "support.h"

#define PREFIX "generator_smooth/synthesis.b64.modify_feature_"
enum { SEED = 1, WIDTH = 512 };

static TestBench bench;
static gsize maps_end; /* what lies above are weights, replaced by every layer */

static LkTensor golden_map(const char *layer, const char *name)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);

    return test_tensor_from(&bench, (guint)npy->dims[1], (guint)npy->dims[2], (guint)npy->dims[3], LK_F32,
                            npy->data);
}

static float *rule_values(const char *layer, const char *part, float scale, gsize n)
{
    g_autofree char *name = g_strconcat(PREFIX, layer, part, NULL);
    float *values = g_new(float, n);

    lk_golden_values(name, SEED, scale, 0, values, n);
    return values;
}

/* The inputs and outputs of a convolution, its name and its rule. */
typedef struct {
    const char *name;
    guint kernel, stride;
    double gain;
    gboolean has_bias;
    float slope; /* 1: no activation */
    LkActivation act;
} Layer;

/* Runs one convolution from x to y (+ add), its weights above maps_end. */
static void run_conv(const Layer *layer, LkTensor x, LkTensor add, LkTensor y)
{
    gsize fan_in = (gsize)x.c * layer->kernel * layer->kernel;
    g_autofree float *weights =
        rule_values(layer->name, ".weight", lk_golden_fan(layer->gain, fan_in), fan_in * y.c);
    g_autofree float *biases = rule_values(layer->name, ".bias", 0.05f, y.c);
    LkOp op = {.kind = LK_OP_CONV,
               .kernel = layer->kernel,
               .stride = layer->stride,
               .x = x,
               .y = y,
               .add = add,
               .act = layer->act,
               .slope = layer->slope};

    bench.used = maps_end;
    op.weight = test_weights_from(&bench, LK_OP_CONV, y.c, x.c, layer->kernel, LK_F32, weights);
    if (layer->has_bias)
        op.bias = test_tensor_from(&bench, y.c, 1, 1, LK_F32, biases);
    test_run(&bench, &op, 1);
    bench.used = maps_end;
}

static LkTensor new_map(guint c, guint size)
{
    LkTensor map = test_tensor(&bench, c, size, size, LK_F32);

    maps_end = bench.used;
    return map;
}

static LkTensor plain(const char *name, guint kernel, double gain, LkTensor x, guint out)
{
    const Layer layer = {name, kernel, 1, gain, TRUE};
    LkTensor y = new_map(out, x.h);

    run_conv(&layer, x, (LkTensor){0}, y);
    return y;
}

/* conv, leaky, conv with stride, plus x or its 1x1 convolution. */
static LkTensor unit(const char *name, LkTensor x, guint out, guint stride, LkActivation act)
{
    g_autofree char *first = g_strconcat(name, ".res_layer.0", NULL);
    g_autofree char *second = g_strconcat(name, ".res_layer.2", NULL);
    g_autofree char *shortcut = g_strconcat(name, ".shortcut_layer.0", NULL);
    const Layer layers[] = {{first, 3, 1, 1, TRUE, 0.2f, LK_ACT_LRELU},
                            {second, 3, stride, out == 1 ? 1 : 0.6, TRUE, 0, act},
                            {shortcut, 1, stride, out == 1 ? 1 : 0.8, FALSE}};
    LkTensor middle = new_map(out, x.h), y = new_map(out, (x.h + stride - 1) / stride), add = x;

    if (out != x.c || stride != 1) {
        add = new_map(out, y.h);
        run_conv(&layers[2], x, (LkTensor){0}, add);
    }
    run_conv(&layers[0], x, (LkTensor){0}, middle);
    run_conv(&layers[1], middle, add, y);
    return y;
}

/* Bilinear to twice the size, or to the same, plus a map. */
static LkTensor up(LkTensor x, guint size, LkTensor add)
{
    LkOp op = {.kind = LK_OP_UPSAMPLE, .x = x, .add = add, .y = new_map(x.c, size)};

    test_run(&bench, &op, 1);
    return op.y;
}

static void check(const char *layer, const char *name, LkTensor tensor)
{
    g_autoptr(LkNpy) npy = lk_npy_golden(layer, name);
    g_autofree float *values = test_read(&bench, &tensor);
    double error = test_error(values, npy->data, npy->n);

    g_assert_cmpuint(npy->n, ==, (gsize)tensor.c * tensor.h * tensor.w);
    g_test_message("%s %s: largest relative error %.2e", layer, name, error);
    g_assert_cmpfloat(error, <=, 2e-5);
}

/* Channels one after the other: tensors that lie behind each other without a gap are one. */
static LkTensor concat(const char *first, const char *second)
{
    LkTensor a = golden_map("e1_8x8", first), b = golden_map("e1_8x8", second);

    g_assert_cmpuint(a.offset + lk_tensor_bytes(&a), ==, b.offset);
    a.c += b.c;
    maps_end = bench.used;
    return a;
}

static void test_alignment_and_extraction(void)
{
    LkTensor x, f1, f2, f3, d1, d2, d3, out;

    test_bench_reset(&bench);
    x = concat("enc_feat", "F_feats");
    x = plain("alignment.first_layer", 1, 1, x, WIDTH);
    f1 = unit("alignment.conv1.0", x, WIDTH, 1, LK_ACT_NONE);
    f2 = unit("alignment.conv2.1", unit("alignment.conv2.0", f1, WIDTH, 2, LK_ACT_NONE), WIDTH, 1,
              LK_ACT_NONE);
    f3 = unit("alignment.conv3.1", unit("alignment.conv3.0", f2, WIDTH, 2, LK_ACT_NONE), WIDTH, 1,
              LK_ACT_NONE);
    d1 = up(f3, f2.h, f2);
    d1 = unit("alignment.dconv1.1", unit("alignment.dconv1.0", d1, WIDTH, 1, LK_ACT_NONE), WIDTH, 1,
              LK_ACT_NONE);
    d2 = up(d1, f1.h, f1);
    d3 = unit("alignment.dconv2.1", unit("alignment.dconv2.0", d2, WIDTH, 1, LK_ACT_NONE), WIDTH, 1,
              LK_ACT_NONE);
    out = plain("alignment.out_layer", 1, 0.6, d3, WIDTH);
    check("e1_8x8", "aligned", out);

    out = plain("extraction.first_layer", 1, 1, out, WIDTH);
    for (guint i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("extraction.convs.%u", i);

        out = unit(name, out, WIDTH, 1, LK_ACT_NONE);
    }
    check("e1_8x8", "extracted", out);
}

static void test_gates(void)
{
    LkTensor f, r, x, delta, gate;
    LkOp blend = {.kind = LK_OP_GATE};

    test_bench_reset(&bench);
    f = golden_map("e2_8x8", "x");
    r = golden_map("e2_8x8", "y");
    maps_end = bench.used;
    x = plain("gates.down1", 3, 1, f, WIDTH / 2);
    plain("gates.down2", 3, 0.7, r, WIDTH / 2); /* right behind the first half of x */
    x.c = WIDTH;
    delta = unit("gates.convs.0", x, WIDTH, 1, LK_ACT_NONE);
    delta = unit("gates.convs.1", delta, WIDTH, 1, LK_ACT_NONE);
    delta = unit("gates.convs.2", delta, WIDTH, 1, LK_ACT_NONE);
    check("e2_8x8", "deltaF", delta);
    gate = unit("gates.convs2.0", x, WIDTH, 1, LK_ACT_NONE);
    gate = unit("gates.convs2.1", gate, WIDTH, 1, LK_ACT_NONE);
    gate = unit("gates.convs2.2", gate, 1, 1, LK_ACT_SIGMOID);
    check("e2_8x8", "gate", gate);
    blend.x = f;
    blend.add = delta;
    blend.weight = gate;
    blend.y = new_map(WIDTH, f.h);
    test_run(&bench, &blend, 1);
    check("e2_8x8", "fused", blend.y);
}

static void test_rule(void)
{
    static const guint64 digest = 0x001661913049578cu;
    g_autofree float *values = g_new(float, 64 * 27);

    lk_golden_values("e4e/input_layer.0.weight", 1, lk_golden_fan(1.5, 27), 0, values, 64 * 27);
    g_assert_cmphex(lk_golden_digest(values, 64 * 27), ==, digest);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    test_bench_open(&bench, LK_ARENA_DEVICE, 32 << 20);
    g_test_add_func("/gpu/residual/rule", test_rule);
    g_test_add_func("/gpu/residual/e1", test_alignment_and_extraction);
    g_test_add_func("/gpu/residual/e2", test_gates);
    result = g_test_run();
    test_bench_close(&bench);
    return result;
}
