/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The networks on a device: inversions that are saved, restored and refined, and what edits carry over from them.
 */
#include "inversion.h"
#include "net_fixture.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* ---- what edits carry over ---- */

/* What a model runs that moves R: per photo what sees only the photo, per edit the rest. */
static void test_motion(NetFixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS], third[PIXELS];

    net_invert(fixture, CODE_STAGES);
    net_generate(
        fixture, fixture->w_plus, LK_INVERSION_STYLERES, first,
        "f.b4 f.b8 e1.align e1.extract motion.photo b4 b8.conv0 motion e2 b8.conv1 b16 b32 image_out");
    fixture->w_plus[0] += 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second,
                 "b4 b8.conv0 motion e2 b8.conv1 b16 b32 image_out");
    g_assert_cmpint(memcmp(first, second, PIXELS), !=, 0);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, third, "b8.conv1 b16 b32 image_out");
    fixture->w_plus[0] -= 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, third, NULL);
    g_assert_cmpmem(first, PIXELS, third, PIXELS);
}

#define MOTION_EDIT "b4 b8.conv0 motion e2 b8.conv1 b16 "
#define CARRY_OWN   "f.b4 f.b8 e1.align e1.extract motion.photo " MOTION_EDIT "b32 uncarried "

/* What a model runs whose edits carry over the inversion's picture: that one first, once per photo, whatever is asked for. */
static void test_carry(NetFixture *fixture, gconstpointer data)
{
    const guint n_styles = lk_config_n_styles(lk_model_config(lk_net_model(fixture->net)));
    g_autofree float *offsets = g_new0(float, n_styles);
    guint8 own[PIXELS], edit[PIXELS], other[PIXELS];
    float first;

    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, own, CARRY_OWN "image_out");
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, "");
    net_generate_styles(fixture, fixture->w_plus, offsets, LK_INVERSION_STYLERES, other, "");
    first = fixture->w_plus[0];
    fixture->w_plus[0] += 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, edit,
                 "b4 b8.conv0 motion e2 carry.photo b8.conv1 b16 carry b32 carried image_out");
    g_assert_cmpint(memcmp(own, edit, PIXELS), !=, 0);
    fixture->w_plus[ROWS * W_DIM - 1] += 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, "b32 carried image_out");
    g_assert_cmpint(memcmp(edit, other, PIXELS), !=, 0);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_WPLUS, other, "b8.conv1 b16 b32 uncarried image_out");
    fixture->w_plus[ROWS * W_DIM - 1] -= 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other,
                 "b8.conv1 b16 b32 carried image_out");
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);
    fixture->w_plus[0] = first;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other,
                 MOTION_EDIT "b32 uncarried image_out");
    g_assert_cmpmem(own, PIXELS, other, PIXELS);
}

/* An edit is the same whatever came before: nothing, another photo, all forgotten; and where it was restored. */
static void test_carry_again(NetFixture *fixture, gconstpointer data)
{
    g_autoptr(LkNet) second = net_golden_net(net_gpu, "carry", LK_F32, 0);
    g_autoptr(LkInversion) saved = NULL;
    g_autoptr(GError) error = NULL;
    guint8 edit[PIXELS], other[PIXELS];

    net_invert(fixture, CODE_STAGES);
    fixture->w_plus[0] += 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, edit,
                 CARRY_OWN "b4 b8.conv0 motion e2 carry.photo b8.conv1 b16 carry b32 carried image_out");
    saved = lk_net_save(fixture->net, &error);
    g_assert_no_error(error);

    lk_net_forget(fixture->net);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, NULL);
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);
    net_set_crop(fixture, 1);
    net_invert(fixture, NULL);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, NULL);
    g_assert_cmpint(memcmp(edit, other, PIXELS), !=, 0);
    net_set_crop(fixture, 0);
    net_invert(fixture, NULL);
    fixture->w_plus[0] += 1;
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, other, NULL);
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);

    g_assert_true(lk_net_restore(second, saved, &error));
    lk_net_generate(second, fixture->w_plus, NULL, LK_INVERSION_STYLERES, other, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(edit, PIXELS, other, PIXELS);
}

/* ---- saved inversions ---- */

static LkInversion *save(NetFixture *fixture)
{
    g_autoptr(GError) error = NULL;
    LkInversion *inversion = lk_net_save(fixture->net, &error);

    g_assert_no_error(error);
    return inversion;
}

static void restore(NetFixture *fixture, const LkInversion *inversion)
{
    g_autoptr(GError) error = NULL;

    lk_net_restore(fixture->net, inversion, &error);
    g_assert_no_error(error);
    net_assert_ran(fixture, "");
}

/* As a net that never saw the photo: the encoder's stages do not run, and its pictures are the same. */
static void check_restored(LkType storage)
{
    const LkInversionMode modes[] = {LK_INVERSION_STYLERES, LK_INVERSION_WPLUS};
    NetFixture a, b;
    guint8 expected[PIXELS], picture[PIXELS];

    net_fixture_init(&a, NULL);
    g_autoptr(LkModel) model = lk_model_ref(lk_net_model(a.net));
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkInversion) inversion = NULL;
        lk_net_free(a.net);
        a.net = lk_net_new(net_gpu, model, storage, 0, &error);
        g_assert_no_error(error);
        net_invert(&a, CODE_STAGES);
        inversion = save(&a);
        g_assert_cmpmem(inversion->w_plus, sizeof a.w_plus, a.w_plus, sizeof a.w_plus);
        g_assert_cmpint(inversion->type, ==, storage);
        a.w_plus[3] += 0.5f;
        net_generate(&a, a.w_plus, modes[i], expected, NULL);
        b.net = lk_net_new(net_gpu, model, storage, 0, &error);
        g_assert_no_error(error);
        restore(&b, inversion);
        net_generate(&b, a.w_plus, modes[i], picture,
                     i == 0 ? FIRST_STAGES : "b4 b8.conv0 b8.conv1 b16 b32 image_out");
        g_assert_cmpmem(expected, PIXELS, picture, PIXELS);
        g_autoptr(LkInversion) again = save(&b);
        g_assert_true(g_bytes_equal(again->enc_feat, inversion->enc_feat));
        lk_net_free(b.net);
    }
    net_fixture_clear(&a, NULL);
}

static void test_restored(void)
{
    check_restored(LK_F32);
}

static void test_restored_half(void)
{
    if (lk_gpu_info(net_gpu)->half_storage)
        check_restored(LK_F16);
    else
        g_test_skip("this device has no half-precision storage");
}

/* Photos that are inverted and photos that are restored, in turn, also the same one. */
static void test_restored_in_turn(NetFixture *fixture, gconstpointer data)
{
    guint8 first[PIXELS], second[PIXELS], picture[PIXELS];
    float code[ROWS * W_DIM];

    net_invert(fixture, CODE_STAGES);
    memcpy(code, fixture->w_plus, sizeof code);
    net_generate(fixture, code, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    g_autoptr(LkInversion) saved = save(fixture);
    net_set_crop(fixture, 1);
    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, code, LK_INVERSION_STYLERES, second, NULL);
    g_assert_cmpint(memcmp(first, second, PIXELS), !=, 0);
    restore(fixture, saved);
    net_generate(fixture, code, LK_INVERSION_STYLERES, picture, NULL);
    g_assert_cmpmem(first, PIXELS, picture, PIXELS);
    lk_net_forget(fixture->net);
    net_generate(fixture, code, LK_INVERSION_STYLERES, picture, FIRST_STAGES);
    g_assert_cmpmem(first, PIXELS, picture, PIXELS);
    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, code, LK_INVERSION_STYLERES, picture, NULL);
    g_assert_cmpmem(second, PIXELS, picture, PIXELS);
    restore(fixture, saved);
    net_set_crop(fixture, 0);
    net_invert(fixture, CODE_STAGES);
    net_generate(fixture, code, LK_INVERSION_STYLERES, picture, NULL);
    g_assert_cmpmem(first, PIXELS, picture, PIXELS);
}

static void test_restored_wrong(NetFixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint8 picture[PIXELS];

    g_assert_null(lk_net_save(fixture->net, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    net_invert(fixture, CODE_STAGES);
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
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, picture, FIRST_STAGES);
}

/* ---- refinements ---- */

enum { LARGE_SIDE = 2 * SIDE, LARGE_ROWS = ROWS + 2, LARGE_PIXELS = 4 * PIXELS };

/* A picture twice the input's side. */
static LkNet *large_net(guint refinements, LkType storage)
{
    const LkTinyOptions options = {.resolution = LARGE_SIDE, .refinements = refinements, .seed = 5};
    g_autofree char *path = g_build_filename(net_folder, "refined.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;
    LkNet *net;

    g_assert_true(lk_tiny_model_write(path, &options, &error));
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path);
    net = lk_net_new(net_gpu, model, storage, 0, &error);
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
    NetFixture fixture = {.net = large_net(2, LK_F32)};
    g_autoptr(LkNet) plain = large_net(0, LK_F32);
    g_autoptr(LkInversion) photo = NULL, saved = NULL, expected = NULL;
    g_autoptr(GError) error = NULL;
    float w_plus[LARGE_ROWS * W_DIM], code[LARGE_ROWS * W_DIM];
    guint8 pictures[3][LARGE_PIXELS];
    gsize size;

    net_set_crop(&fixture, 0);
    lk_net_invert(plain, fixture.crop, w_plus, NULL, &error);
    g_assert_no_error(error);
    photo = lk_net_save(plain, &error);
    expected = refine_by_hand(plain, photo, 2);
    g_assert_false(g_bytes_equal(expected->enc_feat, photo->enc_feat));

    lk_net_invert(fixture.net, fixture.crop, code, NULL, &error);
    g_assert_no_error(error);
    /* the edited code is the same for both pictures */
    net_assert_ran(&fixture, CODE_STAGES LARGE_REFINE
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
    net_assert_ran(&fixture, "");
    g_assert_cmpmem(w_plus, sizeof w_plus, photo->w_plus, sizeof w_plus);
    lk_net_forget(fixture.net);
    lk_net_generate(fixture.net, code, NULL, LK_INVERSION_STYLERES, pictures[1], NULL, &error);
    g_assert_no_error(error);
    net_assert_ran(&fixture, LARGE_FIRST);
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
    NetFixture fixture = {.net = large_net(1, LK_F32)};
    float w_plus[LARGE_ROWS * W_DIM];
    guint8 expected[LARGE_PIXELS], picture[LARGE_PIXELS];
    guint cancelled = 0;

    for (guint round = 0; round < 12; round++) {
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;
        net_set_crop(&fixture, 0);
        g_assert_true(lk_net_invert(fixture.net, fixture.crop, w_plus, NULL, &error));
        lk_net_generate(fixture.net, w_plus, NULL, LK_INVERSION_STYLERES, round ? picture : expected, NULL,
                        &error);
        g_assert_no_error(error);
        if (round > 0)
            g_assert_cmpmem(picture, LARGE_PIXELS, expected, LARGE_PIXELS);
        net_set_crop(&fixture, 1 + round);
        thread = g_thread_new("cancel", net_cancel_soon, cancellable);
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

    if (!lk_gpu_info(net_gpu)->half_storage) {
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

static void add_tests(void)
{
    NET_ADD("restored-in-turn", test_restored_in_turn);
    NET_ADD("restored-wrong", test_restored_wrong);
    g_test_add("/net/motion", NetFixture, "motion", net_golden_init, test_motion, net_fixture_clear);
    g_test_add("/net/carry", NetFixture, "carry", net_golden_init, test_carry, net_fixture_clear);
    g_test_add("/net/carry-again", NetFixture, "carry", net_golden_init, test_carry_again, net_fixture_clear);
    g_test_add_func("/net/restored", test_restored);
    g_test_add_func("/net/restored-half", test_restored_half);
    g_test_add_func("/net/refined", test_refined);
    g_test_add_func("/net/refined-half", test_refined_half);
    g_test_add_func("/net/refined-cancelled", test_refined_cancelled);
}

int main(int argc, char **argv)
{
    return net_test_main(argc, argv, add_tests);
}
