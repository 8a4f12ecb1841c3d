/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The networks on a device: every stage against PyTorch (tests/golden/make_tiny.py), and what a partial run runs.
 */
#include "inversion.h"
#include "net.h"
#include "npy.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static LkGpu *gpu;
static char *folder;

/* ---- against PyTorch ---- */

static char *golden_path(const char *model, const char *name)
{
    g_autofree char *file = g_strdup_printf("%s%s", name, strchr(name, '.') ? "" : ".npy");

    return g_build_filename(g_getenv("LIKENESS_TEST_DATA"), "golden", "tiny", model, file, NULL);
}

static LkNpy *golden(const char *model, const char *name)
{
    g_autofree char *path = golden_path(model, name);

    return lk_npy_read(path);
}

static double relative_error(const float *values, const float *expected, gsize n)
{
    double difference = 0, size = 0;

    for (gsize i = 0; i < n; i++) {
        difference += ((double)values[i] - expected[i]) * ((double)values[i] - expected[i]);
        size += (double)expected[i] * expected[i];
    }
    g_assert_cmpfloat(size, >, 0);
    return sqrt(difference / size);
}

static void check_stage(LkNet *net, const char *model, const char *stage, const char *file, double tolerance)
{
    g_autoptr(LkNpy) expected = golden(model, file);
    g_autoptr(GError) error = NULL;
    guint shape[3];
    g_autofree float *values = lk_net_read_stage(net, stage, shape, &error);
    double difference;

    g_assert_no_error(error);
    g_assert_cmpuint(expected->n, ==, (gsize)shape[0] * shape[1] * shape[2]);
    difference = relative_error(values, expected->data, expected->n);
    g_test_message("%s %s: %.2g", model, file, difference);
    g_assert_cmpfloat(difference, <, tolerance);
}

static void check_picture(const guint8 *rgba, const char *model, const char *file, guint side,
                          guint tolerance)
{
    g_autoptr(LkNpy) expected = golden(model, file);
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
    g_autoptr(LkNpy) offsets = golden(name, "style_offsets");
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

static LkNet *golden_net(LkGpu *device, const char *name, LkType storage, LkNetFlags flags)
{
    g_autofree char *path = golden_path(name, "model.safetensors");
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = lk_model_open(path, &error);
    LkNet *net;

    g_assert_no_error(error);
    net = lk_net_new(device, model, storage, flags, &error);
    g_assert_no_error(error);
    return net;
}

static void check_golden(const char *name, LkType storage)
{
    static const char *const photo_stages[] = {"w_plus", "enc_feat", "f_feats", "aligned", "extracted"};
    static const char *const edit_stages[] = {"f_edit", "delta_f", "gate", "fused", "image"};
    g_autoptr(LkNet) net = golden_net(gpu, name, storage, LK_NET_KEEP_STAGES);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkNpy) input = golden(name, "input"), edited = golden(name, "w_plus_edit");
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
    if (lk_gpu_info(gpu)->half_storage)
        check_golden(name, LK_F16);
    else
        g_test_skip("this device has no half-precision storage");
}

/* ---- partial runs ---- */

enum { SIDE = 32, ROWS = 8, W_DIM = 24, PIXELS = SIDE * SIDE * 4 };

typedef struct {
    LkNet *net;
    guint8 crop[PIXELS];
    float w_plus[ROWS * W_DIM];
} Fixture;

static void set_crop(Fixture *fixture, guint seed)
{
    for (guint i = 0; i < PIXELS; i++)
        fixture->crop[i] = (guint8)((i * (seed + 3)) ^ (i / SIDE * 5));
}

static void fixture_init(Fixture *fixture, gconstpointer projection)
{
    g_autofree char *path = g_build_filename(folder, "a.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;

    lk_tiny_model_write(path, &(LkTinyOptions){.projection = projection != NULL, .noise = projection != NULL},
                        &error);
    g_assert_no_error(error);
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path);
    fixture->net = lk_net_new(gpu, model, LK_F32, 0, &error);
    g_assert_no_error(error);
    set_crop(fixture, 0);
}

/* The same of a model of the goldens. */
static void golden_init(Fixture *fixture, gconstpointer name)
{
    fixture->net = golden_net(gpu, name, LK_F32, 0);
    set_crop(fixture, 0);
}

static void fixture_clear(Fixture *fixture, gconstpointer projection)
{
    lk_net_free(fixture->net);
}

static void assert_ran(const Fixture *fixture, const char *expected)
{
    g_autoptr(GString) names = g_string_new(NULL);
    gsize n;
    const LkStageRun *runs = lk_net_last_run(fixture->net, &n);

    for (gsize i = 0; i < n; i++) {
        g_string_append_printf(names, "%s%s", i ? " " : "", runs[i].name);
        g_assert_cmpfloat(runs[i].seconds, >=, 0);
    }
    g_assert_cmpstr(names->str, ==, expected);
}

static void invert(Fixture *fixture, const char *expected)
{
    g_autoptr(GError) error = NULL;

    lk_net_invert(fixture->net, fixture->crop, fixture->w_plus, NULL, &error);
    g_assert_no_error(error);
    if (expected)
        assert_ran(fixture, expected);
}

static void generate_styles(Fixture *fixture, const float *w_plus, const float *offsets, LkInversionMode mode,
                            guint8 *picture, const char *expected)
{
    g_autoptr(GError) error = NULL;

    lk_net_generate(fixture->net, w_plus, offsets, mode, picture, NULL, &error);
    g_assert_no_error(error);
    if (expected)
        assert_ran(fixture, expected);
}

static void generate(Fixture *fixture, const float *w_plus, LkInversionMode mode, guint8 *picture,
                     const char *expected)
{
    generate_styles(fixture, w_plus, NULL, mode, picture, expected);
}

#define CODE_STAGES  "image_in e0 heads"
#define EDIT_STAGES  "b4 b8.conv0 e2 b8.conv1 b16 b32 image_out"
#define FIRST_STAGES "f.b4 f.b8 e1.align e1.extract e2.photo " EDIT_STAGES

/* The picture after forgetting everything must be the same to the last bit. */
static void assert_same_as_full_run(Fixture *fixture, const float *w_plus, LkInversionMode mode,
                                    const guint8 *picture)
{
    guint8 full[PIXELS];

    lk_net_forget(fixture->net);
    generate(fixture, w_plus, mode, full,
             mode == LK_INVERSION_WPLUS ? "b4 b8.conv0 b8.conv1 b16 b32 image_out"
                                        : CODE_STAGES " " FIRST_STAGES);
    g_assert_cmpmem(full, PIXELS, picture, PIXELS);
}

static void test_same_values(Fixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS];

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second, "");
    g_assert_cmpmem(first, PIXELS, second, PIXELS);
    invert(fixture, "");
    assert_same_as_full_run(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first);
}

/* What a model runs that moves R: per photo what sees only the photo, per edit the rest. */
static void test_motion(Fixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS], third[PIXELS];

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first,
             "f.b4 f.b8 e1.align e1.extract motion.photo b4 b8.conv0 motion e2 b8.conv1 b16 b32 image_out");
    fixture->w_plus[0] += 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second,
             "b4 b8.conv0 motion e2 b8.conv1 b16 b32 image_out");
    g_assert_cmpint(memcmp(first, second, PIXELS), !=, 0);
    generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, third, "b8.conv1 b16 b32 image_out");
    fixture->w_plus[0] -= 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, third, NULL);
    g_assert_cmpmem(first, PIXELS, third, PIXELS);
}

#define MOTION_EDIT "b4 b8.conv0 motion e2 b8.conv1 b16 "
#define CARRY_OWN   "f.b4 f.b8 e1.align e1.extract motion.photo " MOTION_EDIT "b32 uncarried "

/* What a model runs whose edits carry over the inversion's picture: that one first, once per photo, whatever is asked for. */
static void test_carry(Fixture *fixture, gconstpointer data)
{
    const guint n_styles = lk_config_n_styles(lk_model_config(lk_net_model(fixture->net)));
    g_autofree float *offsets = g_new0(float, n_styles);
    guint8 own[PIXELS], edit[PIXELS], other[PIXELS];
    float first;

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, own, CARRY_OWN "image_out");
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, "");
    generate_styles(fixture, fixture->w_plus, offsets, LK_INVERSION_STYLERES, other, "");
    first = fixture->w_plus[0];
    fixture->w_plus[0] += 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, edit,
             "b4 b8.conv0 motion e2 carry.photo b8.conv1 b16 carry b32 carried image_out");
    g_assert_cmpint(memcmp(own, edit, PIXELS), !=, 0);
    fixture->w_plus[ROWS * W_DIM - 1] += 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, "b32 carried image_out");
    g_assert_cmpint(memcmp(edit, other, PIXELS), !=, 0);
    generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, other, "b8.conv1 b16 b32 uncarried image_out");
    fixture->w_plus[ROWS * W_DIM - 1] -= 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, "b8.conv1 b16 b32 carried image_out");
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);
    fixture->w_plus[0] = first;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, MOTION_EDIT "b32 uncarried image_out");
    g_assert_cmpmem(own, PIXELS, other, PIXELS);
}

/* An edit is the same whatever came before: nothing, another photo, all forgotten; and where it was restored. */
static void test_carry_again(Fixture *fixture, gconstpointer data)
{
    g_autoptr(LkNet) second = golden_net(gpu, "carry", LK_F32, 0);
    g_autoptr(LkInversion) saved = NULL;
    g_autoptr(GError) error = NULL;
    guint8 edit[PIXELS], other[PIXELS];

    invert(fixture, CODE_STAGES);
    fixture->w_plus[0] += 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, edit,
             CARRY_OWN "b4 b8.conv0 motion e2 carry.photo b8.conv1 b16 carry b32 carried image_out");
    saved = lk_net_save(fixture->net, &error);
    g_assert_no_error(error);

    lk_net_forget(fixture->net);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, NULL);
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);
    set_crop(fixture, 1);
    invert(fixture, NULL);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, NULL);
    g_assert_cmpint(memcmp(edit, other, PIXELS), !=, 0);
    set_crop(fixture, 0);
    invert(fixture, NULL);
    fixture->w_plus[0] += 1;
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, NULL);
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);

    g_assert_true(lk_net_restore(second, saved, &error));
    lk_net_generate(second, fixture->w_plus, NULL, LK_INVERSION_STYLERES, other, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);
}

/* Which stages one changed row of w+ brings back. */
static void test_rows(Fixture *fixture, gconstpointer data)
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

    invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    generate(fixture, w_plus, LK_INVERSION_STYLERES, before, FIRST_STAGES);
    for (guint row = ROWS; row-- > 0;) {
        w_plus[row * W_DIM + row] += 1;
        generate(fixture, w_plus, LK_INVERSION_STYLERES, after, expected[row]);
        g_assert_true(memcmp(before, after, PIXELS) != 0);
        memcpy(before, after, PIXELS);
    }
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, after);
}

/* Which stages an offset of each affine layer brings back, and that no offset is no change to the last bit. */
static void test_styles(Fixture *fixture, gconstpointer data)
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

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, none, FIRST_STAGES);
    generate_styles(fixture, fixture->w_plus, offsets, LK_INVERSION_STYLERES, before, "");
    for (guint layer = 0; layer < G_N_ELEMENTS(expected); layer++) {
        const guint block = (layer + 1) / 3, inputs = (layer + 1) % 3 ? block : block - 1;
        offsets[style + config->channels[inputs] - 1] = 3;
        generate_styles(fixture, fixture->w_plus, offsets, LK_INVERSION_STYLERES, after, expected[layer]);
        g_assert_true(memcmp(before, after, PIXELS) != 0);
        memcpy(before, after, PIXELS);
        style += config->channels[inputs];
    }
    g_assert_cmpuint(style, ==, n_styles);
    invert(fixture, ""); /* the photo's own styles have no offsets */
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, after, EDIT_STAGES);
    g_assert_cmpmem(after, PIXELS, none, PIXELS);
}

/* Each mode runs only what the other has not, and gives its own picture back to the last bit. */
static void test_modes(Fixture *fixture, gconstpointer data)
{
    guint8 styleres[PIXELS], w_only[PIXELS], again[PIXELS];
    float w_plus[ROWS * W_DIM];

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, w_only, "b4 b8.conv0 b8.conv1 b16 b32 image_out");
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, styleres,
             "f.b4 f.b8 e1.align e1.extract e2.photo e2 b8.conv1 b16 b32 image_out");
    g_assert_true(memcmp(styleres, w_only, PIXELS) != 0);
    generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, again, "b8.conv1 b16 b32 image_out");
    g_assert_cmpmem(w_only, PIXELS, again, PIXELS);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, again, "b8.conv1 b16 b32 image_out");
    g_assert_cmpmem(styleres, PIXELS, again, PIXELS);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    w_plus[0] += 1; /* an edit in one mode, shown in the other */
    generate(fixture, w_plus, LK_INVERSION_WPLUS, again, "b4 b8.conv0 b8.conv1 b16 b32 image_out");
    generate(fixture, w_plus, LK_INVERSION_STYLERES, again, "e2 b8.conv1 b16 b32 image_out");
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, again);
    assert_same_as_full_run(fixture, fixture->w_plus, LK_INVERSION_WPLUS, w_only);
}

static void test_new_photo(Fixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS], back[PIXELS];

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    set_crop(fixture, 1);
    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second, FIRST_STAGES);
    g_assert_true(memcmp(first, second, PIXELS) != 0);
    set_crop(fixture, 0);
    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, back, FIRST_STAGES);
    g_assert_cmpmem(first, PIXELS, back, PIXELS);
}

/* The photo changed, the code did not: only what depends on R runs. */
static void test_photo_alone(Fixture *fixture, gconstpointer data)
{
    float w_plus[ROWS * W_DIM];
    guint8 picture[PIXELS];

    invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    generate(fixture, w_plus, LK_INVERSION_STYLERES, picture, FIRST_STAGES);
    set_crop(fixture, 1);
    invert(fixture, CODE_STAGES);
    generate(fixture, w_plus, LK_INVERSION_STYLERES, picture,
             "f.b4 f.b8 e1.align e1.extract e2.photo e2 b8.conv1 b16 b32 image_out");
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, picture);
}

/* A direction at 0 adds nothing: the inversion, to the last bit. */
static void test_zero_edit(Fixture *fixture, gconstpointer data)
{
    const LkDirection *age = lk_model_find_direction(lk_net_model(fixture->net), "age");
    float w_plus[ROWS * W_DIM];
    guint8 inversion[PIXELS], picture[PIXELS];

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, inversion, FIRST_STAGES);
    for (guint step = 0; step < 2; step++) {
        for (guint i = 0; i < ROWS * W_DIM; i++)
            w_plus[i] = fixture->w_plus[i] + (step ? 0.0f : 2.0f) * age->vector[i];
        generate(fixture, w_plus, LK_INVERSION_STYLERES, picture, EDIT_STAGES);
        g_assert_true((memcmp(picture, inversion, PIXELS) == 0) == (step == 1));
    }
}

/* ---- errors ---- */

static void test_no_photo(Fixture *fixture, gconstpointer data)
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
    generate(fixture, w_plus, LK_INVERSION_WPLUS, picture, "b4 b8.conv0 b8.conv1 b16 b32 image_out");
    invert(fixture, CODE_STAGES);
    g_assert_null(lk_net_read_stage(fixture->net, "gate", shape, &error)); /* not kept */
    g_clear_error(&error);
    g_assert_null(lk_net_read_stage(fixture->net, "nothing", shape, &error));
}

static void test_cancelled(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    float w_plus[ROWS * W_DIM], code[ROWS * W_DIM];
    guint8 before[PIXELS], after[PIXELS];

    invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    generate(fixture, w_plus, LK_INVERSION_STYLERES, before, FIRST_STAGES);
    g_cancellable_cancel(cancellable);
    w_plus[0] += 1;
    g_assert_false(
        lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, after, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    generate(fixture, w_plus, LK_INVERSION_STYLERES, after, EDIT_STAGES);
    assert_same_as_full_run(fixture, w_plus, LK_INVERSION_STYLERES, after);

    set_crop(fixture, 1);
    g_assert_false(lk_net_invert(fixture->net, fixture->crop, code, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    /* nobody has the new photo's code: there is nothing to edit until a photo is inverted again */
    g_assert_false(lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, after, NULL, &error));
    g_clear_error(&error);
    /* nothing had begun, so that the photo before costs nothing */
    set_crop(fixture, 0);
    invert(fixture, "");
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, after, EDIT_STAGES);
    g_assert_cmpmem(before, PIXELS, after, PIXELS);
}

/* ---- saved inversions ---- */

static LkInversion *save(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    LkInversion *inversion = lk_net_save(fixture->net, &error);

    g_assert_no_error(error);
    return inversion;
}

static void restore(Fixture *fixture, const LkInversion *inversion)
{
    g_autoptr(GError) error = NULL;

    lk_net_restore(fixture->net, inversion, &error);
    g_assert_no_error(error);
    assert_ran(fixture, "");
}

/* As a net that never saw the photo: the encoder's stages do not run, and its pictures are the same. */
static void check_restored(LkType storage)
{
    const LkInversionMode modes[] = {LK_INVERSION_STYLERES, LK_INVERSION_WPLUS};
    Fixture a, b;
    guint8 expected[PIXELS], picture[PIXELS];

    fixture_init(&a, NULL);
    g_autoptr(LkModel) model = lk_model_ref(lk_net_model(a.net));
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkInversion) inversion = NULL;
        lk_net_free(a.net);
        a.net = lk_net_new(gpu, model, storage, 0, &error);
        g_assert_no_error(error);
        invert(&a, CODE_STAGES);
        inversion = save(&a);
        g_assert_cmpmem(inversion->w_plus, sizeof a.w_plus, a.w_plus, sizeof a.w_plus);
        g_assert_cmpint(inversion->type, ==, storage);
        a.w_plus[3] += 0.5f;
        generate(&a, a.w_plus, modes[i], expected, NULL);
        b.net = lk_net_new(gpu, model, storage, 0, &error);
        g_assert_no_error(error);
        restore(&b, inversion);
        generate(&b, a.w_plus, modes[i], picture,
                 i == 0 ? FIRST_STAGES : "b4 b8.conv0 b8.conv1 b16 b32 image_out");
        g_assert_cmpmem(expected, PIXELS, picture, PIXELS);
        g_autoptr(LkInversion) again = save(&b);
        g_assert_true(g_bytes_equal(again->enc_feat, inversion->enc_feat));
        lk_net_free(b.net);
    }
    fixture_clear(&a, NULL);
}

static void test_restored(void)
{
    check_restored(LK_F32);
}

static void test_restored_half(void)
{
    if (lk_gpu_info(gpu)->half_storage)
        check_restored(LK_F16);
    else
        g_test_skip("this device has no half-precision storage");
}

/* Photos that are inverted and photos that are restored, in turn, also the same one. */
static void test_restored_in_turn(Fixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS], picture[PIXELS];
    float code[ROWS * W_DIM];

    invert(fixture, CODE_STAGES);
    memcpy(code, fixture->w_plus, sizeof code);
    generate(fixture, code, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    g_autoptr(LkInversion) saved = save(fixture);
    set_crop(fixture, 1);
    invert(fixture, CODE_STAGES);
    generate(fixture, code, LK_INVERSION_STYLERES, second, NULL);
    g_assert_cmpint(memcmp(first, second, PIXELS), !=, 0);
    restore(fixture, saved);
    generate(fixture, code, LK_INVERSION_STYLERES, picture, NULL);
    g_assert_cmpmem(first, PIXELS, picture, PIXELS);
    lk_net_forget(fixture->net);
    generate(fixture, code, LK_INVERSION_STYLERES, picture, FIRST_STAGES);
    g_assert_cmpmem(first, PIXELS, picture, PIXELS);
    invert(fixture, CODE_STAGES);
    generate(fixture, code, LK_INVERSION_STYLERES, picture, NULL);
    g_assert_cmpmem(second, PIXELS, picture, PIXELS);
    restore(fixture, saved);
    set_crop(fixture, 0);
    invert(fixture, CODE_STAGES);
    generate(fixture, code, LK_INVERSION_STYLERES, picture, NULL);
    g_assert_cmpmem(first, PIXELS, picture, PIXELS);
}

static void test_restored_wrong(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint8 picture[PIXELS];

    g_assert_null(lk_net_save(fixture->net, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    invert(fixture, CODE_STAGES);
    g_autoptr(LkInversion) saved = save(fixture);
    saved->rows--;
    g_assert_false(lk_net_restore(fixture->net, saved, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_false(
        lk_net_generate(fixture->net, fixture->w_plus, NULL, LK_INVERSION_STYLERES, picture, NULL, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    saved->rows++;
    restore(fixture, saved);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, picture, FIRST_STAGES);
}

/* ---- cancelled ---- */

static gpointer cancel_soon(gpointer data)
{
    g_usleep(g_random_int_range(0, 30000));
    g_cancellable_cancel(data);
    return NULL;
}

/* Cancelled wherever it happens to be, the next run is right. */
static void test_cancelled_within(Fixture *fixture, gconstpointer data)
{
    float w_plus[ROWS * W_DIM];
    guint8 expected[2][PIXELS], picture[PIXELS];

    invert(fixture, CODE_STAGES);
    memcpy(w_plus, fixture->w_plus, sizeof w_plus);
    for (guint i = 0; i < 2; i++) {
        w_plus[0] = (float)i;
        generate(fixture, w_plus, LK_INVERSION_STYLERES, expected[i], NULL);
    }
    for (guint round = 0; round < 10; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;
        w_plus[0] = (float)(round % 2);
        thread = g_thread_new("cancel", cancel_soon, cancellable);
        if (!lk_net_generate(fixture->net, w_plus, NULL, LK_INVERSION_STYLERES, picture, cancellable, &error))
            g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        else
            g_assert_cmpmem(picture, PIXELS, expected[round % 2], PIXELS);
        g_thread_join(thread);
        w_plus[0] = (float)((round / 2) % 2);
        generate(fixture, w_plus, LK_INVERSION_STYLERES, picture, NULL);
        g_assert_cmpmem(picture, PIXELS, expected[(round / 2) % 2], PIXELS);
    }
}

/* A photo's inversion that is cancelled anywhere leaves the photo before as good as it was, once it is inverted again. */
static void test_cancelled_inversion(Fixture *fixture, gconstpointer data)
{
    guint8 before[PIXELS], after[PIXELS];
    float code[ROWS * W_DIM];

    invert(fixture, CODE_STAGES);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, before, NULL);
    for (guint round = 0; round < 10; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;
        set_crop(fixture, 1 + round);
        thread = g_thread_new("cancel", cancel_soon, cancellable);
        if (!lk_net_invert(fixture->net, fixture->crop, code, cancellable, &error))
            g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        g_thread_join(thread);
        set_crop(fixture, 0);
        invert(fixture, NULL);
        generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, after, NULL);
        g_assert_cmpmem(before, PIXELS, after, PIXELS);
    }
}

/* ---- refinements ---- */

enum { LARGE_SIDE = 2 * SIDE, LARGE_ROWS = ROWS + 2, LARGE_PIXELS = 4 * PIXELS };

/* A picture twice the input's side. */
static LkNet *large_net(guint refinements, LkType storage)
{
    const LkTinyOptions options = {.resolution = LARGE_SIDE, .refinements = refinements, .seed = 5};
    g_autofree char *path = g_build_filename(folder, "refined.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;
    LkNet *net;

    g_assert_true(lk_tiny_model_write(path, &options, &error));
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path);
    net = lk_net_new(gpu, model, storage, 0, &error);
    g_assert_no_error(error);
    return net;
}

/* The picture as the encoder reads it: means of four pixels. */
static void halve_side(const guint8 *picture, guint8 *crop)
{
    for (guint y = 0; y < SIDE; y++)
        for (guint x = 0; x < SIDE; x++)
            for (guint c = 0; c < 4; c++) {
                const guint8 *corner = picture + 4 * (2 * y * LARGE_SIDE + 2 * x) + c;
                const guint sum = corner[0] + corner[4] + corner[4 * LARGE_SIDE] + corner[4 * LARGE_SIDE + 4];
                crop[4 * (y * SIDE + x) + c] = (guint8)((sum + 2) / 4);
            }
}

/* What a net with refinements must arrive at, by one without. */
static LkInversion *refine_by_hand(LkNet *net, const LkInversion *photo, guint times)
{
    LkInversion *refined = lk_inversion_copy(photo);
    const float *wanted = g_bytes_get_data(photo->enc_feat, NULL);
    const gsize n = (gsize)photo->c * photo->h * photo->w;
    g_autoptr(GError) error = NULL;
    guint8 picture[LARGE_PIXELS], crop[PIXELS];
    float ignored[LARGE_ROWS * W_DIM];

    for (guint i = 0; i < times; i++) {
        g_autoptr(LkInversion) again = NULL;
        float *features = g_memdup2(g_bytes_get_data(refined->enc_feat, NULL), n * sizeof(float));
        g_assert_true(lk_net_restore(net, refined, &error));
        lk_net_generate(net, photo->w_plus, NULL, LK_INVERSION_STYLERES, picture, NULL, &error);
        g_assert_no_error(error);
        halve_side(picture, crop);
        lk_net_invert(net, crop, ignored, NULL, &error);
        g_assert_no_error(error);
        again = lk_net_save(net, &error);
        g_assert_no_error(error);
        for (gsize k = 0; k < n; k++)
            features[k] =
                features[k] + wanted[k] - ((const float *)g_bytes_get_data(again->enc_feat, NULL))[k];
        g_bytes_unref(refined->enc_feat);
        refined->enc_feat = g_bytes_new_take(features, n * sizeof(float));
    }
    return refined;
}

#define LARGE_EDIT   "b4 b8.conv0 e2 b8.conv1 b16 b32 b64 image_out"
#define LARGE_FIRST  "f.b4 f.b8 e1.align e1.extract e2.photo " LARGE_EDIT
#define LARGE_REFINE " " LARGE_FIRST " image_in e0"

static void test_refined(void)
{
    Fixture fixture = {.net = large_net(2, LK_F32)};
    g_autoptr(LkNet) plain = large_net(0, LK_F32);
    g_autoptr(LkInversion) photo = NULL, saved = NULL, expected = NULL;
    g_autoptr(GError) error = NULL;
    float w_plus[LARGE_ROWS * W_DIM], code[LARGE_ROWS * W_DIM];
    guint8 pictures[3][LARGE_PIXELS];
    gsize size;

    set_crop(&fixture, 0);
    lk_net_invert(plain, fixture.crop, w_plus, NULL, &error);
    g_assert_no_error(error);
    photo = lk_net_save(plain, &error);
    expected = refine_by_hand(plain, photo, 2);
    g_assert_false(g_bytes_equal(expected->enc_feat, photo->enc_feat));

    lk_net_invert(fixture.net, fixture.crop, code, NULL, &error);
    g_assert_no_error(error);
    /* the edited code is the same for both pictures */
    assert_ran(&fixture, CODE_STAGES LARGE_REFINE
               " f.b4 f.b8 e1.align e1.extract e2.photo e2 b8.conv1 b16 b32 b64 image_out image_in e0");
    g_assert_cmpmem(code, sizeof code, w_plus, sizeof w_plus);
    saved = lk_net_save(fixture.net, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(saved->enc_feat, &size), g_bytes_get_size(saved->enc_feat),
                    g_bytes_get_data(expected->enc_feat, NULL), g_bytes_get_size(expected->enc_feat));

    /* edits, the photo opened again, everything forgotten, and restored: always the same */
    code[5] += 0.5f;
    lk_net_generate(fixture.net, code, NULL, LK_INVERSION_STYLERES, pictures[0], NULL, &error);
    g_assert_no_error(error);
    g_assert_true(lk_net_invert(fixture.net, fixture.crop, w_plus, NULL, &error));
    assert_ran(&fixture, "");
    g_assert_cmpmem(w_plus, sizeof w_plus, photo->w_plus, sizeof w_plus);
    lk_net_forget(fixture.net);
    lk_net_generate(fixture.net, code, NULL, LK_INVERSION_STYLERES, pictures[1], NULL, &error);
    g_assert_no_error(error);
    assert_ran(&fixture, LARGE_FIRST);
    g_assert_cmpmem(pictures[0], LARGE_PIXELS, pictures[1], LARGE_PIXELS);
    lk_net_forget(fixture.net);
    g_assert_true(lk_net_invert(fixture.net, fixture.crop, w_plus, NULL, &error));
    lk_net_generate(fixture.net, code, NULL, LK_INVERSION_STYLERES, pictures[1], NULL, &error);
    g_assert_cmpmem(pictures[0], LARGE_PIXELS, pictures[1], LARGE_PIXELS);
    g_assert_true(lk_net_restore(plain, saved, &error));
    lk_net_generate(plain, code, NULL, LK_INVERSION_STYLERES, pictures[2], NULL, &error);
    g_assert_cmpmem(pictures[0], LARGE_PIXELS, pictures[2], LARGE_PIXELS);
    lk_net_free(fixture.net);
}

/* Cancelled anywhere there is no photo to edit, and the next inversion is right. */
static void test_refined_cancelled(void)
{
    Fixture fixture = {.net = large_net(1, LK_F32)};
    float w_plus[LARGE_ROWS * W_DIM];
    guint8 expected[LARGE_PIXELS], picture[LARGE_PIXELS];
    guint cancelled = 0;

    for (guint round = 0; round < 12; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;
        set_crop(&fixture, 0);
        g_assert_true(lk_net_invert(fixture.net, fixture.crop, w_plus, NULL, &error));
        lk_net_generate(fixture.net, w_plus, NULL, LK_INVERSION_STYLERES, round ? picture : expected, NULL,
                        &error);
        g_assert_no_error(error);
        if (round > 0)
            g_assert_cmpmem(picture, LARGE_PIXELS, expected, LARGE_PIXELS);
        set_crop(&fixture, 1 + round);
        thread = g_thread_new("cancel", cancel_soon, cancellable);
        if (!lk_net_invert(fixture.net, fixture.crop, w_plus, cancellable, &error)) {
            cancelled++;
            g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
            g_clear_error(&error);
            g_assert_false(
                lk_net_generate(fixture.net, w_plus, NULL, LK_INVERSION_STYLERES, picture, NULL, &error));
            g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
        }
        g_thread_join(thread);
    }
    g_test_message("%u of 12 were cancelled", cancelled);
    lk_net_free(fixture.net);
}

/* In half precision it ends near what single precision finds. */
static void test_refined_half(void)
{
    g_autoptr(GError) error = NULL;
    guint8 crop[PIXELS];
    float w_plus[LARGE_ROWS * W_DIM];
    double difference = 0, size = 0;
    float *features[2] = {NULL, NULL};
    gsize n = 0;

    if (!lk_gpu_info(gpu)->half_storage) {
        g_test_skip("this device has no half-precision storage");
        return;
    }
    for (guint i = 0; i < PIXELS; i++)
        crop[i] = (guint8)(128 + 60 * sin(i * 0.01));
    for (guint half = 0; half < 2; half++) {
        g_autoptr(LkNet) net = large_net(1, half ? LK_F16 : LK_F32);
        g_autoptr(LkInversion) inversion = NULL;
        g_assert_true(lk_net_invert(net, crop, w_plus, NULL, &error));
        inversion = lk_net_save(net, &error);
        g_assert_no_error(error);
        features[half] = lk_inversion_features(inversion, LK_F32);
        n = (gsize)inversion->c * inversion->h * inversion->w;
    }
    for (gsize i = 0; i < n; i++) {
        const double a = (double)features[0][i], b = (double)features[1][i];
        difference += (a - b) * (a - b);
        size += a * a;
    }
    g_assert_cmpfloat(sqrt(difference / size), <, 2e-2);
    for (guint half = 0; half < 2; half++)
        g_free(features[half]);
}

/* ---- memory ---- */

static guint64 held_now(void)
{
    guint64 held;

    lk_gpu_memory(gpu, &held, NULL);
    return held;
}

/* Invert and generate hold the encoder's weights only while they compute with them. */
static void test_memory(Fixture *fixture, gconstpointer data)
{
    LkNetMemory memory;
    guint8 first[PIXELS], second[PIXELS];
    guint64 held, peak;

    lk_net_memory(fixture->net, &memory);
    g_assert_cmpuint(memory.encoder, >, 50000);
    g_assert_cmpuint(memory.weights, >, 50000);
    g_assert_cmpuint(memory.activations, >, 10000);
    g_assert_cmpuint(memory.activations, <, 4000000);
    held = held_now();
    g_assert_cmpuint(held, >=, memory.weights + memory.activations);
    invert(fixture, CODE_STAGES);
    g_assert_cmpuint(held_now(), ==, held);
    lk_gpu_memory(gpu, NULL, &peak);
    g_assert_cmpuint(peak, >=, held + memory.encoder);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    lk_net_forget(fixture->net);
    generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second, CODE_STAGES " " FIRST_STAGES);
    g_assert_cmpuint(held_now(), ==, held);
    g_assert_cmpmem(first, PIXELS, second, PIXELS);
}

static void test_kept_encoder(void)
{
    g_autoptr(LkNet) net = golden_net(gpu, "plain", LK_F32, LK_NET_KEEP_ENCODER);
    g_autoptr(GError) error = NULL;
    const guint64 before = held_now();
    guint8 crop[PIXELS] = {0};
    float w_plus[ROWS * W_DIM];
    LkNetMemory memory;

    lk_net_memory(net, &memory);
    for (guint photo = 0; photo < 2; photo++) {
        crop[0] = (guint8)photo;
        g_assert_true(lk_net_invert(net, crop, w_plus, NULL, &error));
        g_assert_cmpuint(held_now(), ==, before + memory.encoder);
    }
}

/* The first value of a tensor in a model file made not a number. */
static void damage(char *file, const char *tensor)
{
    g_autofree char *key = g_strdup_printf("\"%s\"", tensor);
    char *offsets = strstr(strstr(file + 8, key), "\"data_offsets\":[");
    guint64 header;

    memcpy(&header, file, sizeof header);
    header = GUINT64_FROM_LE(header);
    memset(file + 8 + header + g_ascii_strtoull(strchr(offsets, '[') + 1, NULL, 10), 0xff, 4);
}

/* What is wrong with the encoder's weights is found when a photo needs them; it names the file, and the rest works on. */
static void test_damaged_encoder(void)
{
    g_autofree char *from = golden_path("plain", "model.safetensors"), *file = NULL;
    g_autofree char *path = g_build_filename(folder, "damaged.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;
    g_autoptr(LkNet) net = NULL;
    guint8 picture[PIXELS] = {0};
    float w_plus[ROWS * W_DIM] = {0};
    guint64 held;
    gsize size;

    g_assert_true(g_file_get_contents(from, &file, &size, &error));
    damage(file, "e4e.styles.0.linear.weight");
    g_assert_true(g_file_set_contents(path, file, (gssize)size, &error));
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path);
    net = lk_net_new(gpu, model, LK_F32, 0, &error);
    g_assert_no_error(error);
    held = held_now();
    g_assert_false(lk_net_invert(net, picture, w_plus, NULL, &error));
    g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
    g_assert_nonnull(strstr(error->message, "damaged.safetensors: "));
    g_assert_nonnull(strstr(error->message, "e4e.styles.0.linear.weight"));
    g_clear_error(&error);
    g_assert_cmpuint(held_now(), ==, held);
    lk_net_generate(net, w_plus, NULL, LK_INVERSION_WPLUS, picture, NULL, &error);
    g_assert_no_error(error);
}

/* A device that has room for all but the encoder says so, and is left as it was. */
static void test_no_room(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *limit = NULL;
    guint64 held, needed;
    guint8 crop[PIXELS] = {0};
    float w_plus[ROWS * W_DIM];
    LkNetMemory memory;
    LkNet *net = golden_net(gpu, "plain", LK_F32, 0);
    LkGpu *small;

    lk_net_memory(net, &memory);
    lk_net_free(net);
    needed = memory.weights + memory.activations + memory.encoder;
    limit = g_strdup_printf("%" G_GUINT64_FORMAT, needed - 1 + ((guint64)16 << 20)); /* and the copies */
    g_setenv("LIKENESS_MAX_MEMORY", limit, TRUE);
    small = lk_gpu_open(g_getenv("LIKENESS_TEST_DEVICE") ?: "cpu", LK_GPU_VALIDATE, &error);
    g_unsetenv("LIKENESS_MAX_MEMORY");
    g_assert_no_error(error);
    net = golden_net(small, "plain", LK_F32, 0);
    lk_gpu_memory(small, &held, NULL);
    for (guint i = 0; i < 2; i++) {
        guint64 after;
        g_assert_false(lk_net_invert(net, crop, w_plus, NULL, &error));
        g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY);
        g_clear_error(&error);
        lk_gpu_memory(small, &after, NULL);
        g_assert_cmpuint(after, ==, held);
    }
    lk_net_free(net);
    lk_gpu_memory(small, &held, NULL);
    g_assert_cmpuint(held, <=, 16 << 20);
    g_assert_cmpuint(lk_gpu_n_messages(small), ==, 0);
    lk_gpu_free(small);
}

/* Allocations of a few KiB instead of one for each use: the same picture. */
static void test_small_allocations(void)
{
    g_autoptr(GError) error = NULL;
    guint8 crop[PIXELS], pictures[2][PIXELS];
    float w_plus[ROWS * W_DIM];

    for (guint i = 0; i < PIXELS; i++)
        crop[i] = (guint8)(i * 7);
    for (guint i = 0; i < 2; i++) {
        LkGpu *device;
        LkNet *net;
        if (i == 1)
            g_setenv("LIKENESS_MAX_ALLOCATION", "50000", TRUE);
        device = lk_gpu_open(g_getenv("LIKENESS_TEST_DEVICE") ?: "cpu", LK_GPU_VALIDATE, &error);
        g_unsetenv("LIKENESS_MAX_ALLOCATION");
        g_assert_no_error(error);
        g_assert_true(i == 0 || lk_gpu_info(device)->max_allocation == 50000);
        net = golden_net(device, "plain", LK_F32, 0);
        lk_net_invert(net, crop, w_plus, NULL, &error);
        g_assert_no_error(error);
        lk_net_generate(net, w_plus, NULL, LK_INVERSION_STYLERES, pictures[i], NULL, &error);
        g_assert_no_error(error);
        lk_net_free(net);
        g_assert_cmpuint(lk_gpu_n_messages(device), ==, 0);
        lk_gpu_free(device);
    }
    g_assert_cmpmem(pictures[0], PIXELS, pictures[1], PIXELS);
}

int main(int argc, char **argv)
{
    const char *device = g_getenv("LIKENESS_TEST_DEVICE");
    g_autoptr(GError) error = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    gpu = lk_gpu_open(device ? device : "cpu", LK_GPU_VALIDATE, &error);
    g_assert_no_error(error);
    folder = g_dir_make_tmp("likeness-net-XXXXXX", &error);
    g_assert_no_error(error);

    g_test_add_data_func("/net/golden/plain", "plain", test_golden);
    g_test_add_data_func("/net/golden/noise", "noise", test_golden);
    g_test_add_data_func("/net/golden/motion", "motion", test_golden);
    g_test_add_data_func("/net/golden/carry", "carry", test_golden);
    g_test_add_data_func("/net/golden/plain-half", "plain", test_golden_half);
    g_test_add_data_func("/net/golden/noise-half", "noise", test_golden_half);
    g_test_add_data_func("/net/golden/motion-half", "motion", test_golden_half);
    g_test_add_data_func("/net/golden/carry-half", "carry", test_golden_half);
#define ADD(name, test)                                                                                      \
    g_test_add("/net/" name, Fixture, NULL, fixture_init, test, fixture_clear);                              \
    g_test_add("/net/projection/" name, Fixture, "", fixture_init, test, fixture_clear)
    ADD("same-values", test_same_values);
    ADD("rows", test_rows);
    ADD("styles", test_styles);
    ADD("modes", test_modes);
    ADD("new-photo", test_new_photo);
    ADD("photo-alone", test_photo_alone);
    ADD("zero-edit", test_zero_edit);
    ADD("no-photo", test_no_photo);
    ADD("cancelled", test_cancelled);
    ADD("cancelled-within", test_cancelled_within);
    ADD("cancelled-inversion", test_cancelled_inversion);
    ADD("memory", test_memory);
    ADD("restored-in-turn", test_restored_in_turn);
    ADD("restored-wrong", test_restored_wrong);
#undef ADD
    g_test_add("/net/motion", Fixture, "motion", golden_init, test_motion, fixture_clear);
    g_test_add("/net/carry", Fixture, "carry", golden_init, test_carry, fixture_clear);
    g_test_add("/net/carry-again", Fixture, "carry", golden_init, test_carry_again, fixture_clear);
    g_test_add_func("/net/restored", test_restored);
    g_test_add_func("/net/restored-half", test_restored_half);
    g_test_add_func("/net/refined", test_refined);
    g_test_add_func("/net/refined-half", test_refined_half);
    g_test_add_func("/net/refined-cancelled", test_refined_cancelled);
    g_test_add_func("/net/kept-encoder", test_kept_encoder);
    g_test_add_func("/net/damaged-encoder", test_damaged_encoder);
    g_test_add_func("/net/no-room", test_no_room);
    g_test_add_func("/net/small-allocations", test_small_allocations);
    result = g_test_run();

    g_assert_cmpuint(lk_gpu_n_messages(gpu), ==, 0);
    lk_gpu_free(gpu);
    g_rmdir(folder);
    g_free(folder);
    return result;
}
