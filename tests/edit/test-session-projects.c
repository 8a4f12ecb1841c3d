/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LkSession: projects that are saved and opened again, faces that a person has placed.
 */
#include "watch.h"

#include "opened.h"
#include "pictures.h"
#include "project.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <string.h>

static EditFixture *fixture;
static char *two_path; /* a photo of two faces */

static void open_photo(Watch *watch, const char *path, LkOpenMode mode)
{
    const guint n = watch->n_callbacks;

    lk_session_open_async(watch->session, path, mode, NULL, watch_on_opened, watch);
    watch_wait_for_callbacks(watch, n + 1);
    g_assert_no_error(watch->error);
    watch_wait_for_state(watch, LK_SESSION_READY);
}

static void save(Watch *watch, const char *path)
{
    const guint n = watch->n_callbacks;

    lk_session_save_async(watch->session, path, NULL, watch_on_saved, watch);
    watch_wait_for_callbacks(watch, n + 1);
}

static void open_project(Watch *watch, const char *path)
{
    const guint n = watch->n_callbacks;

    lk_session_open_project_async(watch->session, path, NULL, watch_on_opened, watch);
    watch_wait_for_callbacks(watch, n + 1);
}

/* Age 3 for the larger face; pose -2 in the other mode, with half of the detail, for the other one, which stays chosen. */
static Watch *watch_edited(void)
{
    Watch *watch = watch_new(fixture, &fixture->options);

    open_photo(watch, two_path, LK_OPEN_DETECT);
    lk_session_set_value(watch->session, 0, 3);
    watch_choose_face(watch, 1);
    lk_session_set_value(watch->session, 2, -2);
    lk_session_set_mode(watch->session, LK_INVERSION_WPLUS);
    lk_session_set_detail(watch->session, 0.5);
    watch_wait_for_state(watch, LK_SESSION_READY);
    return watch;
}

static void assert_edited(Watch *watch, LkPhoto *picture)
{
    g_autoptr(LkPhoto) shown = lk_session_copy_picture(watch->session);

    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 1);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, 0);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 2), ==, -2);
    g_assert_cmpint(lk_session_get_mode(watch->session), ==, LK_INVERSION_WPLUS);
    g_assert_cmpfloat(lk_session_get_detail(watch->session), ==, 0.5);
    g_assert_true(edit_same_picture(shown, picture));
    watch_choose_face(watch, 0);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 0), ==, 3);
    g_assert_cmpint(lk_session_get_mode(watch->session), ==, LK_INVERSION_STYLERES);
    g_assert_cmpfloat(lk_session_get_detail(watch->session), ==, LK_DETAIL_DEFAULT);
}

/* ---- the same again ----------------------------------------------------------------------------------------- */

static void test_two_faces(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "two.likeness");
    Watch *watch = watch_edited();
    g_autoptr(LkPhoto) picture = lk_session_copy_picture(watch->session);

    g_assert_true(lk_session_get_unsaved(watch->session));
    g_assert_null(lk_session_get_project_path(watch->session));
    save(watch, path);
    g_assert_no_error(watch->error);
    g_assert_false(lk_session_get_unsaved(watch->session));
    g_assert_cmpstr(lk_session_get_project_path(watch->session), ==, path);
    assert_edited(watch, picture);
    watch_free(watch);

    watch = watch_new(fixture, &fixture->options);
    open_photo(watch, fixture->photo_path, LK_OPEN_ALIGNED);
    open_project(watch, path);
    g_assert_no_error(watch->error);
    g_assert_cmpstr(lk_session_get_photo_path(watch->session), ==, two_path);
    g_assert_cmpstr(lk_session_get_project_path(watch->session), ==, path);
    g_assert_cmpuint(watch->n_warnings, ==, 0);
    /* At once, and so it stays. */
    g_autoptr(LkPhoto) shown = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(shown, picture));
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_assert_false(lk_session_get_unsaved(watch->session));
    assert_edited(watch, picture);
    g_unlink(path);
    watch_free(watch);
}

/* A face that nobody chose is still there to be chosen. */
static void test_untouched_face(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "untouched.likeness");
    Watch *watch = watch_new(fixture, &fixture->options);
    g_autoptr(GError) error = NULL;
    guint n;

    open_photo(watch, two_path, LK_OPEN_DETECT);
    lk_session_set_value(watch->session, 0, 3);
    save(watch, path);
    g_assert_no_error(watch->error);
    g_autoptr(LkProject) project = lk_project_read(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(project->faces->len, ==, 2);
    g_assert_nonnull(((LkProjectFace *)g_ptr_array_index(project->faces, 0))->inversion);
    g_assert_null(((LkProjectFace *)g_ptr_array_index(project->faces, 1))->inversion);
    open_project(watch, path);
    g_assert_no_error(watch->error);
    lk_session_get_quads(watch->session, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 0);
    watch_choose_face(watch, 1);
    g_assert_false(lk_session_get_modified(watch->session));
    g_unlink(path);
    watch_free(watch);
}

/* Made with another model than the session's. */
static void test_other_model(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "model.likeness");
    g_autofree char *other_path = edit_fixture_path(fixture, "seed.safetensors");
    g_autoptr(GError) error = NULL;
    Watch *watch = watch_edited();
    g_autoptr(LkPhoto) picture = lk_session_copy_picture(watch->session);
    g_autoptr(LkModel) other = NULL;

    save(watch, path);
    g_assert_no_error(watch->error);
    lk_tiny_model_write(other_path, &(LkTinyOptions){.resolution = 64, .seed = 7, .directions = "[]"},
                        &error);
    g_assert_no_error(error);
    other = lk_model_open(other_path, &error);
    g_assert_no_error(error);
    lk_session_set_model_async(watch->session, other, NULL, watch_on_model_set, watch);
    watch_wait_for_callbacks(watch, watch->n_callbacks + 1);
    g_assert_no_error(watch->error);
    g_assert_true(lk_session_get_unsaved(watch->session)); /* the file has an edit that is gone */
    open_project(watch, path);
    g_assert_no_error(watch->error);
    g_assert_cmpstr(lk_model_path(lk_session_get_model(watch->session)), ==, fixture->model_path);
    watch_wait_for_state(watch, LK_SESSION_READY);
    assert_edited(watch, picture);
    g_unlink(path);
    watch_free(watch);
}

/* ---- what is kept ------------------------------------------------------------------------------------------- */

static void test_unsaved(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "unsaved.likeness");
    g_autofree char *exported = edit_fixture_path(fixture, "exported.png");
    Watch *watch = watch_new(fixture, &fixture->options);

    open_photo(watch, fixture->photo_path, LK_OPEN_ALIGNED);
    g_assert_false(lk_session_get_unsaved(watch->session));
    lk_session_set_value(watch->session, 1, 2);
    g_assert_true(lk_session_get_unsaved(watch->session));
    lk_session_set_value(watch->session, 1, 0);
    g_assert_false(lk_session_get_unsaved(watch->session));
    lk_session_set_value(watch->session, 1, 2);
    lk_session_export_async(watch->session, exported, NULL, NULL, watch_on_exported, watch);
    lk_session_set_value(watch->session, 1, 3); /* what is exported is as it was */
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);
    g_assert_true(lk_session_get_unsaved(watch->session));
    lk_session_export_async(watch->session, exported, NULL, NULL, watch_on_exported, watch);
    watch_wait_for_callbacks(watch, 3);
    g_assert_false(lk_session_get_unsaved(watch->session));

    save(watch, path);
    g_assert_no_error(watch->error);
    g_assert_false(lk_session_get_unsaved(watch->session));
    lk_session_reset(watch->session);
    g_assert_true(lk_session_get_unsaved(watch->session)); /* the file has an edit */
    open_photo(watch, fixture->other_path, LK_OPEN_ALIGNED);
    g_assert_false(lk_session_get_unsaved(watch->session));
    g_assert_null(lk_session_get_project_path(watch->session));
    g_unlink(path);
    g_unlink(exported);
    watch_free(watch);
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* The photo, its edit and its pictures stay. */
static void assert_open_fails(Watch *watch, const char *path, GQuark domain, int code)
{
    g_autoptr(LkPhoto) before = lk_session_copy_picture(watch->session);
    g_autofree char *name = g_path_get_basename(path);

    open_project(watch, path);
    g_assert_error(watch->error, domain, code);
    g_assert_nonnull(strstr(watch->error->message, name));
    g_assert_null(strchr(watch->error->message, '\n'));
    g_assert_cmpfloat(lk_session_get_value(watch->session, 2), ==, -2);
    lk_session_set_value(watch->session, 2, 1);
    watch_wait_for_state(watch, LK_SESSION_READY);
    lk_session_set_value(watch->session, 2, -2);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_autoptr(LkPhoto) after = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(before, after));
}

static char *replace(const char *text, const char *old, const char *new)
{
    g_auto(GStrv) parts = g_strsplit(text, old, 2);

    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    return g_strjoinv(new, parts);
}

static void test_errors(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "damaged.likeness");
    g_autofree char *nowhere = edit_fixture_path(fixture, "nowhere/a.likeness");
    g_autofree char *text = NULL;
    Watch *watch = watch_edited();

    save(watch, nowhere);
    g_assert_error(watch->error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_true(lk_session_get_unsaved(watch->session));
    g_assert_null(lk_session_get_project_path(watch->session));
    save(watch, path);
    g_assert_no_error(watch->error);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));

    assert_open_fails(watch, nowhere, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    assert_open_fails(watch, fixture->text_path, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT);
    g_autofree char *photo = replace(text, "\"sha256\" : \"", "\"sha256\" : \"0000");
    g_autofree char *shorter = replace(photo, "0000", "");
    char *digits = strstr(shorter, "\"sha256\" : \"") + strlen("\"sha256\" : \"");
    *digits = *digits == '0' ? '1' : '0';
    g_assert_true(g_file_set_contents(path, shorter, -1, NULL));
    assert_open_fails(watch, path, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO);
    g_autofree char *networks =
        replace(text, "\"networks\" : \"", "\"networks\" : \"0123456789abcdef\", \"old\" : \"");
    g_assert_true(g_file_set_contents(path, networks, -1, NULL));
    assert_open_fails(watch, path, LK_PROJECT_ERROR, LK_PROJECT_ERROR_MODEL);
    /* The chosen face is opened last: all that came before is taken back. */
    char *last = g_strrstr(text, "\"centre\" : [");
    g_autofree char *front = g_strndup(text, (gsize)(last - text));
    g_autofree char *outside =
        g_strconcat(front, "\"centre\" : [ 90000, 5 ], \"old\" : [", last + strlen("\"centre\" : ["), NULL);
    g_assert_true(g_file_set_contents(path, outside, -1, NULL));
    assert_open_fails(watch, path, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE);
    g_unlink(path);
    watch_free(watch);
}

static void test_unknown_slider(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "beard.likeness");
    g_autofree char *text = NULL;
    Watch *watch = watch_edited();

    save(watch, path);
    g_assert_no_error(watch->error);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_autofree char *bearded = replace(text, "\"age\" :", "\"beard\" : 2, \"age\" :");
    g_assert_true(g_file_set_contents(path, bearded, -1, NULL));
    open_project(watch, path);
    g_assert_no_error(watch->error);
    g_assert_cmpuint(watch->n_warnings, ==, 1);
    g_unlink(path);
    watch_free(watch);
}

/* What the inversion knows is not in that file any more. */
static void test_photo_changed(void)
{
    g_autofree char *photo = edit_fixture_path(fixture, "changing.png");
    g_autofree char *path = edit_fixture_path(fixture, "changed.likeness");
    g_autofree char *bytes = NULL;
    Watch *watch = watch_new(fixture, &fixture->options);
    gsize size;

    g_assert_true(g_file_get_contents(fixture->photo_path, &bytes, &size, NULL));
    g_assert_true(g_file_set_contents(photo, bytes, (gssize)size, NULL));
    open_photo(watch, photo, LK_OPEN_ALIGNED);
    lk_session_set_value(watch->session, 0, 1);
    g_usleep(20000); /* a file's time is not finer everywhere */
    g_assert_true(g_file_set_contents(photo, bytes, (gssize)size, NULL));
    save(watch, path);
    g_assert_error(watch->error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO);
    g_unlink(photo);
    save(watch, path);
    g_assert_error(watch->error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO);
    g_assert_true(lk_session_get_unsaved(watch->session));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    watch_free(watch);
}

/* ---- placed by hand ----------------------------------------------------------------------------------------- */

static const LkQuad by_hand = {{150, 140}, {70, 6}, {-6, 70}};

static LkPhoto *expect_at(LkPhoto *photo, const LkQuad *quad, const float *values)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkEditor) editor = lk_editor_new(&fixture->options, &error);

    g_assert_no_error(error);
    lk_editor_open_at(editor, photo, quad, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(LkPhoto) picture = lk_editor_generate(editor, values, LK_INVERSION_STYLERES, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(LkPatch) patch =
        lk_editor_patch(editor, picture, LK_INVERSION_STYLERES, LK_DETAIL_DEFAULT, NULL, &error);
    g_assert_no_error(error);
    return lk_patch_apply(photo, &(const LkPatch *){patch}, 1);
}

static void test_placed(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "landscape.png");
    g_autofree char *project = edit_fixture_path(fixture, "placed.likeness");
    g_autoptr(LkPhoto) photo = test_picture(300, 280);
    Watch *watch = watch_new(fixture, &fixture->options);
    const LkQuad outside = {{-5, 140}, {70, 0}, {0, 70}};
    guint n;

    g_assert_true(lk_photo_save_png(photo, path, NULL));
    lk_session_open_placed_async(watch->session, path, &outside, NULL, watch_on_opened, watch);
    watch_wait_for_callbacks(watch, 1);
    g_assert_error(watch->error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE);
    lk_session_open_placed_async(watch->session, path, &by_hand, NULL, watch_on_opened, watch);
    watch_wait_for_callbacks(watch, 2);
    g_assert_no_error(watch->error);
    const LkQuad *quads = lk_session_get_quads(watch->session, &n);
    g_assert_cmpuint(n, ==, 1);
    g_assert_cmpmem(quads, sizeof *quads, &by_hand, sizeof by_hand);
    lk_session_set_value(watch->session, 0, 3);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_autoptr(LkPhoto) expected = expect_at(photo, &by_hand, (float[]){3, 0, 0});
    g_autoptr(LkPhoto) shown = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(expected, shown));

    save(watch, project);
    g_assert_no_error(watch->error);
    lk_session_reset(watch->session);
    open_project(watch, project);
    g_assert_no_error(watch->error);
    g_autoptr(LkPhoto) again = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(expected, again));
    g_unlink(project);
    g_unlink(path);
    watch_free(watch);
}

static void add_face(Watch *watch, const LkQuad *quad, GCancellable *cancellable)
{
    const guint n = watch->n_callbacks;

    lk_session_add_face_async(watch->session, quad, cancellable, watch_on_face_chosen, watch);
    watch_wait_for_callbacks(watch, n + 1);
}

/* Beside those that were found; what fails adds none. */
static void test_added(void)
{
    Watch *watch = watch_edited();
    g_autoptr(LkPhoto) before = lk_session_copy_picture(watch->session);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    const LkQuad outside = {{-5, 140}, {70, 0}, {0, 70}};
    guint n;

    g_cancellable_cancel(cancellable);
    add_face(watch, &by_hand, cancellable);
    g_assert_error(watch->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    add_face(watch, &outside, NULL);
    g_assert_error(watch->error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE);
    lk_session_get_quads(watch->session, &n);
    g_assert_cmpuint(n, ==, 2);
    add_face(watch, &by_hand, NULL);
    g_assert_no_error(watch->error);
    const LkQuad *quads = lk_session_get_quads(watch->session, &n);
    g_assert_cmpuint(n, ==, 3);
    g_assert_cmpmem(&quads[2], sizeof *quads, &by_hand, sizeof by_hand);
    g_assert_cmpuint(lk_session_get_face(watch->session), ==, 2);
    g_assert_false(lk_session_get_modified(watch->session));
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_autoptr(LkPhoto) after = lk_session_copy_picture(watch->session);
    g_assert_true(edit_same_picture(before, after));
    lk_session_set_value(watch->session, 1, 3);
    watch_wait_for_state(watch, LK_SESSION_READY);
    g_autoptr(LkPhoto) edited = lk_session_copy_picture(watch->session);
    g_assert_false(edit_same_picture(before, edited));
    watch_choose_face(watch, 1);
    g_assert_cmpfloat(lk_session_get_value(watch->session, 2), ==, -2);
    watch_free(watch);
}

/* ---- a crowd ------------------------------------------------------------------------------------------------ */

/* What was edited is kept, and can be read again. */
static void test_crowd(void)
{
    enum { N = 40 };
    g_autofree char *path = edit_fixture_path(fixture, "crowd.likeness");
    g_auto(LkOpened) opened = lk_opened_new(fixture->model);
    g_autoptr(GArray) states = lk_face_states_new(N);
    const float values[] = {1, 0, 0}, neutral[] = {0, 0, 0};
    g_autoptr(GError) error = NULL;

    g_assert_true(lk_opened_read_photo(&opened, two_path, &error));
    for (guint i = 0; i < N; i++)
        lk_opened_add_face(&opened, &(LkQuad){{10 + i, 50}, {20, 0}, {0, 20}});
    opened.face = 39;
    lk_face_state_set(&g_array_index(states, LkFaceState, 35), values, neutral, 3, LK_INVERSION_STYLERES, 1);
    lk_face_state_set(&g_array_index(states, LkFaceState, 39), values, neutral, 3, LK_INVERSION_STYLERES, 1);
    g_autoptr(LkProject) project = lk_opened_to_project(&opened, states, &error);
    g_assert_no_error(error);
    g_assert_true(lk_project_write(project, path, &error));
    g_autoptr(LkProject) again = lk_project_read(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->faces->len, ==, LK_PROJECT_MAX_FACES);
    g_assert_cmpuint(again->chosen, ==, 31);
    g_assert_cmpfloat(((LkProjectFace *)g_ptr_array_index(again->faces, 30))->quad.centre[0], ==, 45);
    g_assert_cmpfloat(((LkProjectFace *)g_ptr_array_index(again->faces, 31))->quad.centre[0], ==, 49);
    g_assert_cmpuint(((LkProjectFace *)g_ptr_array_index(again->faces, 31))->sliders->len, ==, 1);

    for (guint i = 0; i < N; i++)
        lk_face_state_set(&g_array_index(states, LkFaceState, i), values, neutral, 3, LK_INVERSION_STYLERES,
                          1);
    g_assert_null(lk_opened_to_project(&opened, states, &error));
    g_assert_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture = edit_fixture_new();
    two_path = edit_fixture_path(fixture, "two.png");
    g_autoptr(LkPhoto) two = test_picture_of_two(100);
    g_assert_true(lk_photo_save_png(two, two_path, NULL));
    g_test_add_func("/session-projects/two-faces", test_two_faces);
    g_test_add_func("/session-projects/untouched-face", test_untouched_face);
    g_test_add_func("/session-projects/other-model", test_other_model);
    g_test_add_func("/session-projects/unsaved", test_unsaved);
    g_test_add_func("/session-projects/errors", test_errors);
    g_test_add_func("/session-projects/unknown-slider", test_unknown_slider);
    g_test_add_func("/session-projects/photo-changed", test_photo_changed);
    g_test_add_func("/session-projects/placed", test_placed);
    g_test_add_func("/session-projects/added", test_added);
    g_test_add_func("/session-projects/crowd", test_crowd);
    const int status = g_test_run();
    g_unlink(two_path);
    g_free(two_path);
    edit_fixture_free(fixture);
    return status;
}
