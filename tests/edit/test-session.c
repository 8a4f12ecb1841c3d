/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LkSession: latest value wins, cancelling, errors, an end at any moment.
 */
#include "fixture.h"
#include "watch.h"

#include "pictures.h"
#include "tiny_model.h"

#include <string.h>

static EditFixture *fixture;
static LkEditor *reference; /* what a session should show, made without one */

static void start_open(Watch *watch, const char *path)
{
    lk_session_open_async(watch->session, path, LK_OPEN_ALIGNED, NULL, watch_on_opened, watch);
}

static Watch *watch_with_photo(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);

    start_open(watch, fixture->photo_path);
    watch_wait_for_callbacks(watch, 1);
    g_assert_no_error(watch->error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    return watch;
}

/* ---- what it should show ------------------------------------------------------------------------------------ */

static LkPhoto *render_with(LkEditor *editor, const char *path, const float *values, LkInversionMode mode,
                            double detail, LkPhoto **composed)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) photo = lk_photo_open(path, &error);
    g_autoptr(LkPatch) patch = NULL;
    LkPhoto *face;

    g_assert_no_error(error);
    lk_editor_open(editor, photo, LK_OPEN_ALIGNED, 0, NULL, &error);
    g_assert_no_error(error);
    face = lk_editor_generate(editor, values, mode, NULL, &error);
    g_assert_no_error(error);
    patch = lk_editor_patch(editor, face, mode, detail, NULL, &error);
    g_assert_no_error(error);
    *composed = lk_patch_apply(photo, &(const LkPatch *){patch}, 1);
    return face;
}

static LkPhoto *render(const char *path, const float *values, LkPhoto **composed)
{
    return render_with(reference, path, values, LK_INVERSION_STYLERES, LK_DETAIL_DEFAULT, composed);
}

static void assert_shows_with(Watch *watch, LkEditor *editor, const char *path, const float *values,
                              LkInversionMode mode)
{
    const double detail = lk_session_get_detail(watch->session);
    g_autoptr(LkPhoto) composed = NULL, shown = lk_session_copy_picture(watch->session);
    g_autoptr(LkPhoto) face = render_with(editor, path, values, mode, detail, &composed);

    g_assert_true(edit_same_picture(watch->face, face));
    g_assert_true(edit_same_picture(shown, composed));
}

static void assert_shows(Watch *watch, const char *path, float age, float smile, float pose)
{
    assert_shows_with(watch, reference, path, (float[]){age, smile, pose}, LK_INVERSION_STYLERES);
}

/* ---- sliders ------------------------------------------------------------------------------------------------ */

static void test_open(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);

    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_EMPTY);
    g_assert_null(lk_session_get_photo(watch->session));
    start_open(watch, fixture->photo_path);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_OPENING);
    watch_wait_for_callbacks(watch, 1);
    g_assert_no_error(watch->error);
    g_assert_true(watch->done);
    g_assert_nonnull(lk_session_get_photo(watch->session));
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_cmpuint(watch->n_pictures, ==, 1);
    g_assert_cmpuint(watch->n_states, ==, 3); /* opening, busy, ready */
    assert_shows(watch, fixture->photo_path, 0, 0, 0);
    watch_free(watch);
}

static void test_last_value_wins(void)
{
    Watch *watch = watch_with_photo();
    float value = 0;

    for (int i = 1; i <= 100; i++) {
        value = 4.0f * (float)i / 100;
        lk_session_set_value(watch->session, 0, value);
        lk_session_set_value(watch->session, 2, -value / 2);
        g_main_context_iteration(NULL, FALSE);
        g_usleep(2000);
    }
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, value, 0, -value / 2);
    /* Neither a picture for each value, nor none before the hand rests. */
    g_test_message("%u pictures of 101", watch->n_pictures);
    g_assert_cmpuint(watch->n_pictures, <, 100);
    g_assert_cmpuint(watch->n_pictures, >=, 2);
    g_assert_cmpuint(watch->n_failures, ==, 0);

    const guint n = watch->n_pictures;
    watch_settle();
    g_assert_cmpuint(watch->n_pictures, ==, n);
    watch_free(watch);
}

static void test_values(void)
{
    Watch *watch = watch_with_photo();
    const LkDirection *age = lk_model_direction(fixture->model, 0);

    lk_session_set_value(watch->session, 0, age->maximum + 10);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, age->maximum);
    g_assert_true(lk_session_get_modified(watch->session));
    watch_wait_for_state(watch, LK_SESSION_READY);
    lk_session_reset(watch->session);
    g_assert_false(lk_session_get_modified(watch->session));
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, 0);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, 0, 0);
    watch_free(watch);
}

static void test_same_value_costs_nothing(void)
{
    Watch *watch = watch_with_photo();

    lk_session_set_value(watch->session, 1, 0);
    lk_session_reset(watch->session);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_READY);
    watch_settle();
    g_assert_cmpuint(watch->n_pictures, ==, 1);
    watch_free(watch);
}

/* ---- inversion ----------------------------------------------------------------------------------------------- */

static void count_notify(LkSession *session, GParamSpec *spec, guint *n)
{
    ++*n;
}

static void test_mode(void)
{
    Watch *watch = watch_with_photo();
    const float values[] = {1, 0, 0};
    guint n = 0;

    g_signal_connect(watch->session, "notify::mode", G_CALLBACK(count_notify), &n);
    lk_session_set_value(watch->session, 0, 1);
    lk_session_set_mode(watch->session, LK_INVERSION_WPLUS);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows_with(watch, reference, fixture->photo_path, values, LK_INVERSION_WPLUS);
    g_assert_cmpuint(n, ==, 1);
    lk_session_set_mode(watch->session, LK_INVERSION_WPLUS);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_READY);
    lk_session_set_mode(watch->session, LK_INVERSION_STYLERES);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 1, 0, 0);
    watch_free(watch);
}

static void test_mode_of_a_photo(void)
{
    Watch *watch = watch_with_photo();
    g_autofree char *path = edit_fixture_path(fixture, "e4e.png");
    const float values[] = {0, 3, 0};

    lk_session_set_mode(watch->session, LK_INVERSION_WPLUS);
    g_assert_false(lk_session_get_modified(watch->session));
    lk_session_set_value(watch->session, 1, 3);
    lk_session_export_async(watch->session, path, NULL, NULL, watch_on_exported, watch);
    start_open(watch, fixture->other_path);
    watch_wait_for_callbacks(watch, 3);
    g_assert_no_error(watch->error);
    g_assert_cmpint(lk_session_get_mode(watch->session), ==, LK_INVERSION_STYLERES);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->other_path, 0, 0, 0);

    g_autoptr(LkPhoto) composed = NULL;
    g_autoptr(LkPhoto) face =
        render_with(reference, fixture->photo_path, values, LK_INVERSION_WPLUS, LK_DETAIL_DEFAULT, &composed);
    g_autoptr(LkPhoto) written = lk_photo_open(path, NULL);
    g_assert_true(edit_same_picture(written, composed));
    watch_free(watch);
}

/* ---- detail -------------------------------------------------------------------------------------------------- */

static void test_detail(void)
{
    Watch *watch = watch_with_photo();
    guint n = 0;

    g_signal_connect(watch->session, "notify::detail", G_CALLBACK(count_notify), &n);
    lk_session_set_value(watch->session, 0, 4);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 4, 0, 0);
    g_autoptr(LkPhoto) with_detail = lk_session_copy_picture(watch->session);

    lk_session_set_detail(watch->session, 0);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_BUSY);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 4, 0, 0);
    g_autoptr(LkPhoto) without = lk_session_copy_picture(watch->session);
    g_assert_false(edit_same_picture(with_detail, without));
    g_assert_cmpuint(n, ==, 1);

    lk_session_set_detail(watch->session, -3);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_READY);
    start_open(watch, fixture->other_path);
    watch_wait_for_callbacks(watch, 2);
    g_assert_cmpfloat(lk_session_get_detail(watch->session), ==, LK_DETAIL_DEFAULT);
    watch_free(watch);
}

/* ---- models ------------------------------------------------------------------------------------------------- */

/* Of other weights, with two directions instead of three. */
static LkModel *other_model(const char *name)
{
    const LkTinyOptions options = {
        .resolution = 64,
        .seed = 7,
        .directions = "[{\"name\":\"age\",\"label\":\"Age\",\"kind\":\"interfacegan\",\"group\":\"face\","
                      "\"rows\":[0,10],"
                      "\"range\":[-5,5],\"safe\":[-3,3],\"default\":0,\"step\":0.1},"
                      "{\"name\":\"smile\",\"label\":\"Smile\",\"kind\":\"interfacegan\",\"group\":\"face\","
                      "\"rows\":[0,10],\"range\":[-5,5],\"safe\":[-3,3],\"default\":0,\"step\":0.1}]",
    };
    g_autofree char *path = edit_fixture_path(fixture, name);
    g_autoptr(GError) error = NULL;

    lk_tiny_model_write(path, &options, &error);
    g_assert_no_error(error);
    LkModel *model = lk_model_open(path, &error);
    g_assert_no_error(error);
    return model;
}

static void set_model(Watch *watch, LkModel *model, GCancellable *cancellable)
{
    const guint n = watch->n_callbacks;

    lk_session_set_model_async(watch->session, model, cancellable, watch_on_model_set, watch);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_OPENING);
    watch_wait_for_callbacks(watch, n + 1);
}

static void test_model(void)
{
    Watch *watch = watch_with_photo();
    g_autoptr(LkModel) model = other_model("other.safetensors");
    g_autoptr(GError) error = NULL;
    const float neutral[] = {0, 0}, smiling[] = {0, 2};
    guint n = 0;

    g_signal_connect(watch->session, "notify::model", G_CALLBACK(count_notify), &n);
    lk_session_set_value(watch->session, 2, 2);
    set_model(watch, model, NULL);
    g_assert_no_error(watch->error);
    g_assert_cmpuint(n, ==, 1);
    g_assert_true(lk_session_get_model(watch->session) == model);
    g_assert_false(lk_session_get_modified(watch->session));
    g_assert_nonnull(lk_session_get_photo(watch->session));

    g_autoptr(LkEditor) editor = lk_editor_new_for_model(&fixture->options, model, &error);
    g_assert_no_error(error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows_with(watch, editor, fixture->photo_path, neutral, LK_INVERSION_STYLERES);
    lk_session_set_value(watch->session, 1, 2);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows_with(watch, editor, fixture->photo_path, smiling, LK_INVERSION_STYLERES);
    watch_free(watch);
}

static void test_model_without_photo(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);
    g_autoptr(LkModel) model = other_model("other.safetensors");

    set_model(watch, model, NULL);
    g_assert_no_error(watch->error);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_EMPTY);
    set_model(watch, fixture->model, NULL);
    g_assert_no_error(watch->error);
    start_open(watch, fixture->photo_path);
    watch_wait_for_callbacks(watch, 3);
    g_assert_no_error(watch->error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, 0, 0);
    watch_free(watch);
}

/* Photo, values and pictures of the model before stay. */
static void assert_model_fails(LkModel *model, GCancellable *cancellable, GQuark domain, int code)
{
    Watch *watch = watch_with_photo();

    lk_session_set_value(watch->session, 1, 1.5f);
    watch_wait_for_state(watch, LK_SESSION_READY);
    set_model(watch, model, cancellable);
    g_assert_error(watch->error, domain, code);
    g_assert_true(lk_session_get_model(watch->session) == fixture->model);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, 1.5f, 0);
    lk_session_set_value(watch->session, 2, -1);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, 1.5f, -1);
    watch_free(watch);
}

static void test_model_cancelled(void)
{
    g_autoptr(LkModel) model = other_model("other.safetensors");
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    g_cancellable_cancel(cancellable);
    assert_model_fails(model, cancellable, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Weights are only looked at when they are uploaded. */
static void test_model_not_finite(void)
{
    g_autoptr(LkModel) sound = other_model("sound.safetensors");
    g_autofree char *path = edit_fixture_path(fixture, "not finite.safetensors");
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    g_file_get_contents(lk_model_path(sound), &bytes, &length, &error);
    g_assert_no_error(error);
    memset(bytes + length / 2, 0xff, 4096); /* the directions, at the end, are read at once */
    g_file_set_contents(path, bytes, (gssize)length, &error);
    g_assert_no_error(error);
    g_autoptr(LkModel) model = lk_model_open(path, &error);
    g_assert_no_error(error);
    assert_model_fails(model, NULL, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
}

/* A photo opened while another model is on its way is edited with that one. */
static void test_model_and_photo(void)
{
    Watch *watch = watch_with_photo();
    Watch models = {.session = watch->session};
    g_autoptr(LkModel) model = other_model("other.safetensors");
    g_autoptr(GError) error = NULL;
    const float neutral[] = {0, 0};

    lk_session_set_model_async(watch->session, model, NULL, watch_on_model_set, &models);
    start_open(watch, fixture->other_path);
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);
    g_assert_cmpuint(models.n_callbacks, ==, 1);
    g_assert_no_error(models.error);

    g_autoptr(LkEditor) editor = lk_editor_new_for_model(&fixture->options, model, &error);
    g_assert_no_error(error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows_with(watch, editor, fixture->other_path, neutral, LK_INVERSION_STYLERES);
    watch_free(watch);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static void test_newer_open_wins(void)
{
    Watch *older = watch_new(fixture, &fixture->options);
    Watch newer = {.session = older->session};

    start_open(older, fixture->photo_path);
    lk_session_open_async(older->session, fixture->other_path, LK_OPEN_ALIGNED, NULL, watch_on_opened,
                          &newer);
    watch_wait_for_callbacks(&newer, 1);
    g_assert_no_error(newer.error);
    g_assert_cmpuint(older->n_callbacks, ==, 1);
    g_assert_error(older->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    watch_wait_for_state(older, LK_SESSION_READY);
    assert_shows(older, fixture->other_path, 0, 0, 0);
    watch_free(older);
}

static void test_open_resets_values(void)
{
    Watch *watch = watch_with_photo();

    lk_session_set_value(watch->session, 0, 2);
    start_open(watch, fixture->other_path);
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);
    g_assert_false(lk_session_get_modified(watch->session));
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->other_path, 0, 0, 0);
    watch_free(watch);
}

static void test_cancelled_open(void)
{
    Watch *watch = watch_with_photo();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    lk_session_set_value(watch->session, 1, 1.5f);
    lk_session_open_async(watch->session, fixture->other_path, LK_OPEN_ALIGNED, cancellable, watch_on_opened,
                          watch);
    g_cancellable_cancel(cancellable);
    watch_wait_for_callbacks(watch, 2);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    /* The old photo is there with its value, and its picture comes although it was interrupted. */
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, 1.5f, 0);
    watch_free(watch);
}

static void assert_open_fails(const char *path, LkOpenMode mode, GQuark domain, int code)
{
    Watch *watch = watch_with_photo();
    LkPhoto *photo = lk_session_get_photo(watch->session);

    lk_session_set_value(watch->session, 0, -1);
    lk_session_open_async(watch->session, path, mode, NULL, watch_on_opened, watch);
    watch_wait_for_callbacks(watch, 2);
    g_assert_false(watch->done);
    g_assert_error(watch->error, domain, code);
    g_autofree char *name = g_path_get_basename(path);
    g_assert_nonnull(strstr(watch->error->message, name));
    g_assert_true(lk_session_get_photo(watch->session) == photo);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, -1, 0, 0);
    watch_free(watch);
}

static void test_no_such_file(void)
{
    assert_open_fails("/nonexistent/photo.jpg", LK_OPEN_DETECT, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void test_not_an_image(void)
{
    assert_open_fails(fixture->text_path, LK_OPEN_DETECT, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT);
}

static void test_no_face(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "landscape.png");
    g_autoptr(LkPhoto) landscape = test_picture(240, 180);

    g_assert_true(lk_photo_save_png(landscape, path, NULL));
    assert_open_fails(path, LK_OPEN_DETECT, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE);
}

static void test_no_device(void)
{
    LkEditorOptions options = fixture->options;
    Watch *watch;

    options.device = "no such device";
    watch = watch_new(fixture, &options);
    for (guint i = 1; i <= 2; i++) {
        start_open(watch, fixture->photo_path);
        watch_wait_for_callbacks(watch, i);
        g_assert_error(watch->error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE);
        g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_EMPTY);
    }
    watch_free(watch);
}

/* ---- export ------------------------------------------------------------------------------------------------- */

static void test_export(void)
{
    Watch *watch = watch_with_photo();
    g_autofree char *path = edit_fixture_path(fixture, "export.png");

    /* The values of now, although the picture of them is still to come. */
    lk_session_set_value(watch->session, 1, 2.25f);
    lk_session_export_async(watch->session, path, NULL, NULL, watch_on_exported, watch);
    lk_session_set_value(watch->session, 1, -2.25f);
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);

    const float values[] = {0, 2.25f, 0};
    g_autoptr(LkPhoto) composed = NULL;
    g_autoptr(LkPhoto) face = render(fixture->photo_path, values, &composed);
    g_autoptr(LkPhoto) written = lk_photo_open(path, NULL);
    g_assert_true(edit_same_picture(written, composed));
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, -2.25f, 0);
    watch_free(watch);
}

/* Not one pixel differs, and no picture's rectangle is handed on. */
static void test_neutral_is_the_photo(void)
{
    Watch *watch = watch_with_photo();
    g_autofree char *path = edit_fixture_path(fixture, "same.tif");

    g_assert_null(lk_session_get_piece(watch->session, 0));
    lk_session_set_value(watch->session, 0, 4);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_nonnull(lk_session_get_piece(watch->session, 0));
    lk_session_reset(watch->session);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_null(lk_session_get_piece(watch->session, 0));
    lk_session_export_async(watch->session, path, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);
    g_autoptr(LkPhoto) written = lk_photo_open(path, NULL);
    g_assert_true(edit_same_picture(written, lk_session_get_photo(watch->session)));
    watch_free(watch);
}

static void test_export_errors(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);
    g_autofree char *unknown = edit_fixture_path(fixture, "never.xcf");
    g_autofree char *path = edit_fixture_path(fixture, "never.png");
    g_autofree char *nowhere = edit_fixture_path(fixture, "missing/never.png");

    lk_session_export_async(watch->session, path, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 1);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_CLOSED);
    start_open(watch, fixture->photo_path);
    lk_session_export_async(watch->session, path, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 3);
    lk_session_export_async(watch->session, nowhere, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 4);
    g_assert_nonnull(watch->error);
    g_assert_nonnull(strstr(watch->error->message, "never.png"));
    lk_session_export_async(watch->session, unknown, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 5);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
    g_assert_nonnull(strstr(watch->error->message, "never.xcf"));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    watch_free(watch);
}

/* ---- a large face -------------------------------------------------------------------------------------------- */

static void count_coarse(LkSession *session, LkPhoto *face, guint *n)
{
    const LkPiece *piece = lk_session_get_piece(session, 0);

    *n += piece != NULL && lk_piece_is_coarse(piece);
}

/* While a slider moves its pictures are coarse; when it rests comes the one that an export shows. */
static void test_coarse(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);
    g_autofree char *path = edit_fixture_path(fixture, "large.png");
    g_autofree char *exported = edit_fixture_path(fixture, "large edited.png");
    g_autoptr(LkPhoto) photo = test_picture(1700, 1700);
    guint n_coarse = 0;

    g_assert_true(lk_photo_save_png(photo, path, NULL));
    start_open(watch, path);
    watch_wait_for_callbacks(watch, 1);
    g_assert_no_error(watch->error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_signal_connect(watch->session, "picture", G_CALLBACK(count_coarse), &n_coarse);
    for (int i = 1; i <= 10; i++) {
        lk_session_set_value(watch->session, 0, 0.4f * (float)i);
        g_usleep(15000);
        g_main_context_iteration(NULL, FALSE);
        g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_BUSY);
    }
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_cmpuint(n_coarse, >=, 1);
    g_assert_false(lk_piece_is_coarse(lk_session_get_piece(watch->session, 0)));
    assert_shows(watch, path, 4, 0, 0);

    /* Exported at once: in full. */
    lk_session_set_value(watch->session, 2, 3);
    lk_session_export_async(watch->session, exported, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, path, 4, 0, 3);
    g_autoptr(LkPhoto) written = lk_photo_open(exported, NULL);
    g_autoptr(LkPhoto) shown = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(written, shown));
    /* Back at the start there is nothing to show, coarse or not. */
    lk_session_reset(watch->session);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_null(lk_session_get_piece(watch->session, 0));
    watch_free(watch);
}

/* ---- several faces ------------------------------------------------------------------------------------------- */

static Watch *watch_with_two_faces(guint gap)
{
    Watch *watch = watch_new(fixture, &fixture->options);
    g_autofree char *path = edit_fixture_path(fixture, "two.png");
    g_autoptr(LkPhoto) photo = test_picture_of_two(gap);
    guint n;

    g_assert_true(lk_photo_save_png(photo, path, NULL));
    lk_session_open_async(watch->session, path, LK_OPEN_DETECT, NULL, watch_on_opened, watch);
    watch_wait_for_callbacks(watch, 1);
    g_assert_no_error(watch->error);
    const LkQuad *quads = lk_session_get_quads(watch->session, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpfloat(quads[0].centre[0], >, 340 + gap); /* the larger */
    g_assert_cmpfloat(quads[1].centre[0], <, 340);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 0);
    return watch;
}

/* What an editor without a session makes of one face, in the photo. */
static LkPatch *patch_of(Watch *watch, guint face, const float *values, LkInversionMode mode, double detail)
{
    LkPhoto *photo = lk_session_get_photo(watch->session);
    g_autoptr(GError) error = NULL;

    lk_editor_open(reference, photo, LK_OPEN_DETECT, face, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(LkPhoto) picture = lk_editor_generate(reference, values, mode, NULL, &error);
    g_assert_no_error(error);
    LkPatch *patch = lk_editor_patch(reference, picture, mode, detail, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(patch->width, >, 0);
    return patch;
}

static guint count_pieces(Watch *watch)
{
    guint n, pieces = 0;

    lk_session_get_quads(watch->session, &n);
    for (guint i = 0; i < n; i++)
        pieces += lk_session_get_piece(watch->session, i) != NULL;
    return pieces;
}

/* Each face has its own values, mode and detail; picture and export show both edits, also where one reaches into the
 * other. */
static void test_two_faces(gconstpointer gap)
{
    Watch *watch = watch_with_two_faces(GPOINTER_TO_UINT(gap));
    const gboolean near = gap == NULL;
    g_autofree char *path = edit_fixture_path(fixture, "both.png");
    const float right[] = {3, 0, 0}, left[] = {0, 0, -2};
    guint n_faces = 0;

    g_signal_connect(watch->session, "notify::face", G_CALLBACK(count_notify), &n_faces);
    lk_session_set_value(watch->session, 0, 3);
    /* At once: the picture of the face that is left is still to come. */
    watch_choose_face(watch, 1);
    g_assert_cmpuint(n_faces, ==, 1);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, 0);
    g_assert_false(lk_session_get_modified(watch->session));
    lk_session_set_value(watch->session, 2, -2);
    lk_session_set_mode(watch->session, LK_INVERSION_WPLUS);
    lk_session_set_detail(watch->session, 0.5);
    watch_wait_for_state(watch, LK_SESSION_READY);

    g_autoptr(LkPatch) first = patch_of(watch, 0, right, LK_INVERSION_STYLERES, LK_DETAIL_DEFAULT);
    g_autoptr(LkPatch) second = patch_of(watch, 1, left, LK_INVERSION_WPLUS, 0.5);
    const LkPatch *const patches[] = {first, second};
    g_autoptr(LkPhoto) both = lk_patch_apply(lk_session_get_photo(watch->session), patches, 2);
    g_autoptr(LkPhoto) shown = lk_session_copy_picture(watch->session);
    /* Changes that overlap are added up before they are rounded. */
    g_assert_cmpint(test_max_difference(shown, both), <=, near ? 1 : 0);
    g_assert_cmpuint(count_pieces(watch), ==, near ? 1 : 2);

    watch_choose_face(watch, 0);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, 3);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 2), ==, 0);
    g_assert_cmpint(lk_session_get_mode(watch->session), ==, LK_INVERSION_STYLERES);
    g_assert_cmpfloat(lk_session_get_detail(watch->session), ==, LK_DETAIL_DEFAULT);
    lk_session_export_async(watch->session, path, NULL, NULL, watch_on_exported, watch);
    const guint n = watch->n_callbacks;
    watch_wait_for_callbacks(watch, n + 1);
    g_assert_no_error(watch->error);
    g_autoptr(LkPhoto) written = lk_photo_open(path, NULL);
    g_assert_true(edit_same_picture(written, shown));

    /* The other face's edit stays where this one's goes. */
    lk_session_reset(watch->session);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_autoptr(LkPhoto) one = lk_patch_apply(lk_session_get_photo(watch->session), patches + 1, 1);
    g_autoptr(LkPhoto) still = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(still, one));

    watch_choose_face(watch, 1);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 2), ==, -2);
    g_assert_cmpint(lk_session_get_mode(watch->session), ==, LK_INVERSION_WPLUS);
    g_assert_cmpfloat(lk_session_get_detail(watch->session), ==, 0.5);
    watch_free(watch);
}

/* The face before stays with its values; of two choices the later one counts; another photo begins at its first face. */
static void test_choice_of_face(void)
{
    Watch *watch = watch_with_two_faces(100);
    Watch older = {.session = watch->session};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    lk_session_set_value(watch->session, 1, 2);
    g_cancellable_cancel(cancellable);
    lk_session_choose_face_async(watch->session, 1, cancellable, watch_on_face_chosen, watch);
    watch_wait_for_callbacks(watch, 2);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 0);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 1), ==, 2);

    lk_session_choose_face_async(watch->session, 1, NULL, watch_on_face_chosen, &older);
    watch_choose_face(watch, 0);
    g_assert_cmpuint(older.n_callbacks, ==, 1);
    g_clear_error(&older.error);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 1), ==, 2);

    watch_choose_face(watch, 1);
    start_open(watch, fixture->photo_path);
    lk_session_choose_face_async(watch->session, 0, NULL, watch_on_face_chosen, &older);
    watch_wait_for_callbacks(&older, 2);
    g_assert_error(older.error, G_IO_ERROR, G_IO_ERROR_BUSY);
    g_clear_error(&older.error);
    watch_wait_for_callbacks(watch, 5);
    g_assert_no_error(watch->error);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 0);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_shows(watch, fixture->photo_path, 0, 0, 0);
    watch_free(watch);
}

/* The chosen face stays chosen; edits of all faces go with the model before. */
static void test_model_and_faces(void)
{
    Watch *watch = watch_with_two_faces(100);
    g_autoptr(LkModel) model = other_model("other.safetensors");

    lk_session_set_value(watch->session, 0, 3);
    watch_choose_face(watch, 1);
    set_model(watch, model, NULL);
    g_assert_no_error(watch->error);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 1);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_autoptr(LkPhoto) shown = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(shown, lk_session_get_photo(watch->session)));
    watch_choose_face(watch, 0);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, 0);
    watch_free(watch);
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static void count_signal(LkSession *session, guint *n)
{
    ++*n;
}

/* What the tiny networks take of a device's memory. */
static guint64 memory_of(LkType storage)
{
    LkEditorOptions options = fixture->options;
    g_autoptr(GError) error = NULL;
    LkNetMemory memory;

    options.storage = storage;
    g_autoptr(LkEditor) editor = lk_editor_new(&options, &error);
    g_assert_no_error(error);
    lk_net_memory(lk_editor_net(editor), &memory);
    return memory.weights + memory.activations + memory.encoder;
}

/* Where float32 does not fit half precision does, for good, and is told once. */
static void test_little_memory(void)
{
    const guint64 copies = (guint64)16 << 20;
    guint64 room;
    g_autofree char *limit = NULL;
    Watch *watch;
    guint n = 0;

    if (!lk_gpu_info(lk_editor_gpu(reference))->half_storage) {
        g_test_skip("this device has no half precision");
        return;
    }
    g_assert_cmpuint(memory_of(LK_F16), <, memory_of(LK_F32));
    room = (memory_of(LK_F16) + memory_of(LK_F32)) / 2 + copies;
    limit = g_strdup_printf("%" G_GUINT64_FORMAT, room);
    g_setenv("LIKENESS_MAX_MEMORY", limit, TRUE);
    watch = watch_new(fixture, &fixture->options);
    g_signal_connect(watch->session, "half-precision", G_CALLBACK(count_signal), &n);
    start_open(watch, fixture->photo_path);
    watch_wait_for_callbacks(watch, 1);
    g_unsetenv("LIKENESS_MAX_MEMORY");
    g_assert_no_error(watch->error);
    watch_wait_for_state(watch, LK_SESSION_READY);
    lk_session_set_value(watch->session, 0, 2);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_cmpuint(watch->n_failures, ==, 0);
    g_assert_cmpuint(n, ==, 1);

    LkEditorOptions options = fixture->options;
    options.storage = LK_F16;
    g_autoptr(LkEditor) half = lk_editor_new(&options, NULL);
    const float values[] = {2, 0, 0};
    assert_shows_with(watch, half, fixture->photo_path, values, LK_INVERSION_STYLERES);
    watch_free(watch);
}

/* Neither fits. */
static void test_no_memory(void)
{
    Watch *watch;

    g_setenv("LIKENESS_MAX_MEMORY", "100000", TRUE);
    watch = watch_new(fixture, &fixture->options);
    start_open(watch, fixture->photo_path);
    watch_wait_for_callbacks(watch, 1);
    g_unsetenv("LIKENESS_MAX_MEMORY");
    g_assert_error(watch->error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_EMPTY);
    watch_free(watch);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static guint n_threads(void)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    guint n = 0;

    while (tasks != NULL && g_dir_read_name(tasks) != NULL)
        n++;
    return n;
}

static void test_dispose_while_busy(void)
{
    const guint threads = n_threads();
    Watch *watch = watch_with_photo();

    lk_session_set_value(watch->session, 0, 3);
    g_assert_cmpint(lk_session_get_state(watch->session), ==, LK_SESSION_BUSY);
    g_assert_finalize_object(g_steal_pointer(&watch->session));
    g_assert_cmpuint(n_threads(), <=, threads);

    const guint n = watch->n_pictures, states = watch->n_states;
    watch_settle();
    g_assert_cmpuint(watch->n_pictures, ==, n);
    g_assert_cmpuint(watch->n_states, ==, states);
    watch_free(watch);
}

/* Tasks are answered, signals are not emitted. */
static void test_close_while_opening(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);
    g_autofree char *path = edit_fixture_path(fixture, "never.png");

    start_open(watch, fixture->photo_path);
    lk_session_close(watch->session);
    watch_wait_for_callbacks(watch, 1);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpuint(watch->n_states, ==, 1); /* opening */
    start_open(watch, fixture->photo_path);
    watch_wait_for_callbacks(watch, 2);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_CLOSED);
    lk_session_close(watch->session);
    watch_settle();
    watch_free(watch);
}

static void on_picture_drop(LkSession *session, LkPhoto *face, Watch *watch)
{
    watch->n_pictures++;
    g_clear_object(&watch->session);
}

/* A window may go away in the middle of a signal. */
static void test_dispose_in_signal(void)
{
    Watch *watch = watch_with_photo();
    gpointer weak = watch->session;

    g_object_add_weak_pointer(weak, &weak);
    g_signal_handlers_disconnect_by_data(watch->session, watch);
    g_signal_connect(watch->session, "picture", G_CALLBACK(on_picture_drop), watch);
    lk_session_set_value(watch->session, 0, 1);
    while (weak != NULL)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(watch->n_pictures, ==, 2);
    watch_settle();
    watch_free(watch);
}

static void test_unused(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);

    watch_free(watch);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    fixture = edit_fixture_new();
    reference = lk_editor_new(&fixture->options, &error);
    g_assert_no_error(error);
    g_test_add_func("/session/open", test_open);
    g_test_add_func("/session/last-value-wins", test_last_value_wins);
    g_test_add_func("/session/values", test_values);
    g_test_add_func("/session/same-value", test_same_value_costs_nothing);
    g_test_add_func("/session/mode", test_mode);
    g_test_add_func("/session/mode-of-a-photo", test_mode_of_a_photo);
    g_test_add_func("/session/detail", test_detail);
    g_test_add_func("/session/model", test_model);
    g_test_add_func("/session/model-without-photo", test_model_without_photo);
    g_test_add_func("/session/model-cancelled", test_model_cancelled);
    g_test_add_func("/session/model-not-finite", test_model_not_finite);
    g_test_add_func("/session/model-and-photo", test_model_and_photo);
    g_test_add_func("/session/newer-open-wins", test_newer_open_wins);
    g_test_add_func("/session/open-resets", test_open_resets_values);
    g_test_add_func("/session/cancelled-open", test_cancelled_open);
    g_test_add_func("/session/no-such-file", test_no_such_file);
    g_test_add_func("/session/not-an-image", test_not_an_image);
    g_test_add_func("/session/no-face", test_no_face);
    g_test_add_func("/session/no-device", test_no_device);
    g_test_add_func("/session/export", test_export);
    g_test_add_func("/session/neutral-is-the-photo", test_neutral_is_the_photo);
    g_test_add_func("/session/export-errors", test_export_errors);
    g_test_add_func("/session/coarse", test_coarse);
    g_test_add_data_func("/session/two-faces", GUINT_TO_POINTER(400), test_two_faces);
    g_test_add_data_func("/session/two-near-faces", GUINT_TO_POINTER(0), test_two_faces);
    g_test_add_func("/session/choice-of-face", test_choice_of_face);
    g_test_add_func("/session/model-and-faces", test_model_and_faces);
    g_test_add_func("/session/little-memory", test_little_memory);
    g_test_add_func("/session/no-memory", test_no_memory);
    g_test_add_func("/session/dispose-while-busy", test_dispose_while_busy);
    g_test_add_func("/session/close-while-opening", test_close_while_opening);
    g_test_add_func("/session/dispose-in-signal", test_dispose_in_signal);
    g_test_add_func("/session/unused", test_unused);
    const int status = g_test_run();
    g_assert_cmpuint(lk_gpu_n_messages(lk_editor_gpu(reference)), ==, 0);
    lk_editor_free(reference);
    edit_fixture_free(fixture);
    return status;
}
