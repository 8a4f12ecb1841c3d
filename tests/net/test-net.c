/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The networks on a device: every stage against PyTorch (tests/golden/make_tiny.py), and what a partial run runs.
 */
#include "net_fixture.h"

#include <math.h>
#include <string.h>

/* ---- against PyTorch ---- */

static void check_stage(LkNet *net, const char *model, const char *stage, const char *file, double tolerance)
{
    g_autoptr(LkNpy) expected = net_golden(model, file);
    g_autoptr(GError) error = NULL;
    guint shape[3];
    g_autofree float *values = lk_net_read_stage(net, stage, shape, &error);
    double difference;

    g_assert_no_error(error);
    g_assert_cmpuint(expected->n, ==, (gsize)shape[0] * shape[1] * shape[2]);
    difference = net_relative_error(values, expected->data, expected->n);
    g_test_message("%s %s: %.2g", model, file, difference);
    g_assert_cmpfloat(difference, <, tolerance);
}

static void check_picture(const guint8 *rgba, const char *model, const char *file, guint side,
                          guint tolerance)
{
    g_autoptr(LkNpy) expected = net_golden(model, file);
    gsize pixels = (gsize)side * side;

    g_assert_cmpuint(expected->n, ==, 3 * pixels);
    for (gsize p = 0; p < pixels; p++) {
        g_assert_cmpuint(rgba[4 * p + 3], ==, 255);
        for (guint c = 0; c < 3; c++) {
            double value = CLAMP(floor((expected->data[c * pixels + p] + 1) * 127.5 + 0.5), 0, 255);
            g_assert_cmpfloat(fabs(value - rgba[4 * p + c]), <=, tolerance);
        }
    }
}

/* Offsets of the affine layers' outputs, with residual features and without. */
static void check_styles(LkNet *net, const char *name, const float *edited, const float *w_plus,
                         double tolerance)
{
    g_autoptr(LkNpy) offsets = net_golden(name, "style_offsets");
    g_autoptr(GError) error = NULL;
    guint8 picture[32 * 32 * 4];

    g_assert_cmpuint(offsets->n, ==, lk_config_n_styles(lk_model_config(lk_net_model(net))));
    lk_net_generate(net, edited, offsets->data, LK_INVERSION_STYLERES, picture, NULL, &error);
    g_assert_no_error(error);
    check_stage(net, name, "image", "image_styles", tolerance);
    lk_net_generate(net, w_plus, offsets->data, LK_INVERSION_WPLUS, picture, NULL, &error);
    g_assert_no_error(error);
    check_stage(net, name, "image", "image_w_only_styles", tolerance);
}

static void check_golden(const char *name, LkType storage)
{
    static const char *const photo_stages[] = {"w_plus", "enc_feat", "f_feats", "aligned", "extracted"};
    static const char *const edit_stages[] = {"f_edit", "delta_f", "gate", "fused", "image"};
    g_autoptr(LkNet) net = net_golden_net(net_gpu, name, storage, LK_NET_KEEP_STAGES);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkNpy) input = net_golden(name, "input"), edited = net_golden(name, "w_plus_edit");
    double tolerance = storage == LK_F32 ? 1e-4 : 2e-2;
    guint8 crop[32 * 32 * 4], picture[32 * 32 * 4];
    float w_plus[8 * 24];

    for (gsize i = 0; i < G_N_ELEMENTS(crop); i++)
        crop[i] = (guint8)input->data[i];
    lk_net_invert(net, crop, w_plus, NULL, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(photo_stages); i++)
        check_stage(net, name, photo_stages[i], photo_stages[i], tolerance);
    lk_net_generate(net, w_plus, NULL, LK_INVERSION_STYLERES, picture, NULL, &error);
    g_assert_no_error(error);
    check_stage(net, name, "image", "image_inversion", tolerance);
    check_picture(picture, name, "image_inversion", 32, storage == LK_F32 ? 1 : 20);
    lk_net_generate(net, w_plus, NULL, LK_INVERSION_WPLUS, picture, NULL, &error);
    g_assert_no_error(error);
    check_stage(net, name, "image", "image_w_only", tolerance);
    lk_net_generate(net, edited->data, NULL, LK_INVERSION_STYLERES, picture, NULL, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(edit_stages); i++)
        check_stage(net, name, edit_stages[i], edit_stages[i], tolerance);
    if (lk_model_config(lk_net_model(net))->motion_channels > 0)
        check_stage(net, name, "motion", "motion", tolerance);
    check_styles(net, name, edited->data, w_plus, storage == LK_F32 ? 1e-5 : 2e-2);
}

static void test_golden(gconstpointer name)
{
    check_golden(name, LK_F32);
}

static void test_golden_half(gconstpointer name)
{
    if (lk_gpu_info(net_gpu)->half_storage)
        check_golden(name, LK_F16);
    else
        g_test_skip("this device has no half-precision storage");
}

/* ---- partial runs ---- */

/* The picture after forgetting everything must be the same to the last bit. */
static void assert_same_as_full_run(NetFixture *fixture, const float *w_plus, LkInversionMode mode,
                                    const guint8 *picture)
{
    guint8 full[PIXELS];

    lk_net_forget(fixture->net);
    net_generate(fixture, w_plus, mode, full,
                 mode == LK_INVERSION_WPLUS ? "b4 b8.conv0 b8.conv1 b16 b32 image_out"
                                            : CODE_STAGES " " FIRST_STAGES);
    g_assert_cmpmem(full, PIXELS, picture, PIXELS);
}

static void test_same_values(NetFixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS];

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second, "");
    g_assert_cmpmem(first, PIXELS, second, PIXELS);
    net_invert(fixture, "");
    assert_same_as_full_run(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first);
}

/* Which stages one changed row of w+ brings back. */
static void test_rows(NetFixture *fixture, gconstpointer data)
{
    static const char *const expected[ROWS] = {
        EDIT_STAGES,                  /* b4 conv1 */
        EDIT_STAGES,                  /* b4 to_rgb, b8 conv0 */
        "b8.conv1 b16 b32 image_out", /* b8 conv1 */
        "b8.conv1 b16 b32 image_out", /* b8 to_rgb, b16 conv0 */
        "b16 b32 image_out",
        "b16 b32 image_out",
        "b32 image_out",
        "b32 image_out",
    };
    float w_plus[ROWS * W_DIM];
    guint8 before[PIXELS], after[PIXELS];

    net_invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    net_generate(fixture, w_plus, LK_INVERSION_STYLERES, before, FIRST_STAGES);
    for (guint row = ROWS; row-- > 0;) {
        w_plus[row * W_DIM + row] += 1;
        net_generate(fixture, w_plus, LK_INVERSION_STYLERES, after, expected[row]);
        g_assert_true(memcmp(before, after, PIXELS) != 0);
        memcpy(before, after, PIXELS);
    }
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, after);
}

/* Which stages an offset of each affine layer brings back, and that no offset is no change to the last bit. */
static void test_styles(NetFixture *fixture, gconstpointer data)
{
    static const char *const expected[] = {
        EDIT_STAGES, /* b4.conv1 */
        EDIT_STAGES, /* b4.torgb */
        "b8.conv0 e2 b8.conv1 b16 b32 image_out",
        "b8.conv1 b16 b32 image_out", /* b8.conv1 */
        "b8.conv1 b16 b32 image_out", /* b8.torgb */
        "b16 b32 image_out",          /* b16.conv0 */
        "b16 b32 image_out",
        "b16 b32 image_out",
        "b32 image_out", /* b32.conv0 */
        "b32 image_out",
        "b32 image_out",
    };
    const LkConfig *config = lk_model_config(lk_net_model(fixture->net));
    const guint n_styles = lk_config_n_styles(config);
    g_autofree float *offsets = g_new0(float, n_styles);
    guint8 before[PIXELS], after[PIXELS], none[PIXELS];
    guint style = 0;

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, none, FIRST_STAGES);
    net_generate_styles(fixture, fixture->w_plus, offsets, LK_INVERSION_STYLERES, before, "");
    for (guint layer = 0; layer < G_N_ELEMENTS(expected); layer++) {
        const guint block = (layer + 1) / 3, inputs = (layer + 1) % 3 ? block : block - 1;
        offsets[style + config->channels[inputs] - 1] = 3;
        net_generate_styles(fixture, fixture->w_plus, offsets, LK_INVERSION_STYLERES, after, expected[layer]);
        g_assert_true(memcmp(before, after, PIXELS) != 0);
        memcpy(before, after, PIXELS);
        style += config->channels[inputs];
    }
    g_assert_cmpuint(style, ==, n_styles);
    net_invert(fixture, ""); /* the photo's own styles have no offsets */
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, after, EDIT_STAGES);
    g_assert_cmpmem(after, PIXELS, none, PIXELS);
}

/* Each mode runs only what the other has not, and gives its own picture back to the last bit. */
static void test_modes(NetFixture *fixture, gconstpointer data)
{
    guint8 styleres[PIXELS], w_only[PIXELS], again[PIXELS];
    float w_plus[ROWS * W_DIM];

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, w_only,
                 "b4 b8.conv0 b8.conv1 b16 b32 image_out");
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, styleres,
                 "f.b4 f.b8 e1.align e1.extract e2.photo e2 b8.conv1 b16 b32 image_out");
    g_assert_true(memcmp(styleres, w_only, PIXELS) != 0);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, again, "b8.conv1 b16 b32 image_out");
    g_assert_cmpmem(w_only, PIXELS, again, PIXELS);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, again, "b8.conv1 b16 b32 image_out");
    g_assert_cmpmem(styleres, PIXELS, again, PIXELS);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    w_plus[0] += 1; /* an edit in one mode, shown in the other */
    net_generate(fixture, w_plus, LK_INVERSION_WPLUS, again, "b4 b8.conv0 b8.conv1 b16 b32 image_out");
    net_generate(fixture, w_plus, LK_INVERSION_STYLERES, again, "e2 b8.conv1 b16 b32 image_out");
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, again);
    assert_same_as_full_run(fixture, fixture->w_plus, LK_INVERSION_WPLUS, w_only);
}

static void test_new_photo(NetFixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS], back[PIXELS];

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    net_set_crop(fixture, 1);
    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second, FIRST_STAGES);
    g_assert_true(memcmp(first, second, PIXELS) != 0);
    net_set_crop(fixture, 0);
    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, back, FIRST_STAGES);
    g_assert_cmpmem(first, PIXELS, back, PIXELS);
}

/* The photo changed, the code did not: only what depends on R runs. */
static void test_photo_alone(NetFixture *fixture, gconstpointer data)
{
    float w_plus[ROWS * W_DIM];
    guint8 picture[PIXELS];

    net_invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    net_generate(fixture, w_plus, LK_INVERSION_STYLERES, picture, FIRST_STAGES);
    net_set_crop(fixture, 1);
    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, w_plus, LK_INVERSION_STYLERES, picture,
                 "f.b4 f.b8 e1.align e1.extract e2.photo e2 b8.conv1 b16 b32 image_out");
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, picture);
}

/* A direction at 0 adds nothing: the inversion, to the last bit. */
static void test_zero_edit(NetFixture *fixture, gconstpointer data)
{
    const LkDirection *age = lk_model_find_direction(lk_net_model(fixture->net), "age");
    float w_plus[ROWS * W_DIM];
    guint8 inversion[PIXELS], picture[PIXELS];

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, inversion, FIRST_STAGES);
    for (guint step = 0; step < 2; step++) {
        for (guint i = 0; i < ROWS * W_DIM; i++)
            w_plus[i] = fixture->w_plus[i] + (step ? 0.0f : 2.0f) * age->vector[i];
        net_generate(fixture, w_plus, LK_INVERSION_STYLERES, picture, EDIT_STAGES);
        g_assert_true((memcmp(picture, inversion, PIXELS) == 0) == (step == 1));
    }
}

/* ---- errors ---- */

static void test_no_photo(NetFixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    float w_plus[ROWS * W_DIM] = {0};
    guint8 picture[PIXELS];
    guint shape[3];

    g_assert_false(lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, picture, NULL, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_null(lk_net_read_stage(fixture->net, "enc_feat", shape, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    net_generate(fixture, w_plus, LK_INVERSION_WPLUS, picture, "b4 b8.conv0 b8.conv1 b16 b32 image_out");
    net_invert(fixture, CODE_STAGES);
    g_assert_null(lk_net_read_stage(fixture->net, "gate", shape, &error)); /* not kept */
    g_clear_error(&error);
    g_assert_null(lk_net_read_stage(fixture->net, "nothing", shape, &error));
}

/* ---- cancelled ---- */

static void test_cancelled(NetFixture *fixture, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    float w_plus[ROWS * W_DIM], code[ROWS * W_DIM];
    guint8 before[PIXELS], after[PIXELS];

    net_invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    net_generate(fixture, w_plus, LK_INVERSION_STYLERES, before, FIRST_STAGES);
    g_cancellable_cancel(cancellable);
    w_plus[0] += 1;
    g_assert_false(
        lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, after, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    net_generate(fixture, w_plus, LK_INVERSION_STYLERES, after, EDIT_STAGES);
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, after);

    net_set_crop(fixture, 1);
    g_assert_false(lk_net_invert(fixture->net, fixture->crop, code, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    /* nobody has the new photo's code: there is nothing to edit until a photo is inverted again */
    g_assert_false(lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, after, NULL, &error));
    g_clear_error(&error);
    /* nothing had begun, so that the photo before costs nothing */
    net_set_crop(fixture, 0);
    net_invert(fixture, "");
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, after, EDIT_STAGES);
    g_assert_cmpmem(before, PIXELS, after, PIXELS);
}

/* Cancelled wherever it happens to be, the next run is right. */
static void test_cancelled_within(NetFixture *fixture, gconstpointer data)
{
    float w_plus[ROWS * W_DIM];
    guint8 expected[2][PIXELS], picture[PIXELS];

    net_invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    for (guint i = 0; i < 2; i++) {
        w_plus[0] = (float)i;
        net_generate(fixture, w_plus, LK_INVERSION_STYLERES, expected[i], NULL);
    }
    for (guint round = 0; round < 10; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;
        w_plus[0] = (float)(round % 2);
        thread = g_thread_new("cancel", net_cancel_soon, cancellable);
        if (!lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, picture, cancellable, &error))
            g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        else
            g_assert_cmpmem(picture, PIXELS, expected[round % 2], PIXELS);
        g_thread_join(thread);
        w_plus[0] = (float)((round / 2) % 2);
        net_generate(fixture, w_plus, LK_INVERSION_STYLERES, picture, NULL);
        g_assert_cmpmem(picture, PIXELS, expected[(round / 2) % 2], PIXELS);
    }
}

/* A photo's inversion that is cancelled anywhere leaves the photo before as good as it was, once it is inverted again. */
static void test_cancelled_inversion(NetFixture *fixture, gconstpointer data)
{
    guint8 before[PIXELS], after[PIXELS];
    float code[ROWS * W_DIM];

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, before, NULL);
    for (guint round = 0; round < 10; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;
        net_set_crop(fixture, 1 + round);
        thread = g_thread_new("cancel", net_cancel_soon, cancellable);
        if (!lk_net_invert(fixture->net, fixture->crop, code, cancellable, &error))
            g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        g_thread_join(thread);
        net_set_crop(fixture, 0);
        net_invert(fixture, NULL);
        net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, after, NULL);
        g_assert_cmpmem(before, PIXELS, after, PIXELS);
    }
}

static void add_tests(void)
{
    g_test_add_data_func("/net/golden/plain", "plain", test_golden);
    g_test_add_data_func("/net/golden/noise", "noise", test_golden);
    g_test_add_data_func("/net/golden/motion", "motion", test_golden);
    g_test_add_data_func("/net/golden/carry", "carry", test_golden);
    g_test_add_data_func("/net/golden/plain-half", "plain", test_golden_half);
    g_test_add_data_func("/net/golden/noise-half", "noise", test_golden_half);
    g_test_add_data_func("/net/golden/motion-half", "motion", test_golden_half);
    g_test_add_data_func("/net/golden/carry-half", "carry", test_golden_half);
    NET_ADD("same-values", test_same_values);
    NET_ADD("rows", test_rows);
    NET_ADD("styles", test_styles);
    NET_ADD("modes", test_modes);
    NET_ADD("new-photo", test_new_photo);
    NET_ADD("photo-alone", test_photo_alone);
    NET_ADD("zero-edit", test_zero_edit);
    NET_ADD("no-photo", test_no_photo);
    NET_ADD("cancelled", test_cancelled);
    NET_ADD("cancelled-within", test_cancelled_within);
    NET_ADD("cancelled-inversion", test_cancelled_inversion);
}

int main(int argc, char **argv)
{
    return net_test_main(argc, argv, add_tests);
}
