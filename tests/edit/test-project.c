/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LkProject: an edit that is kept and taken up again, and files that are not what they should be.
 */
#include "fixture.h"

#include "pictures.h"
#include "project.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static EditFixture *fixture;
static char *project_path; /* of the photo, with two sliders moved */
static LkPhoto *expected;  /* the network's picture of that */
static const float moved[] = {1.1f, -0.3f, 0};

static LkEditor *new_editor(LkType storage)
{
    LkEditorOptions options = fixture->options;
    g_autoptr(GError) error = NULL;
    LkEditor *editor;

    options.storage = storage;
    editor = lk_editor_new(&options, &error);
    g_assert_no_error(error);
    return editor;
}

static LkPhoto *generate(LkEditor *editor, const float *values, LkInversionMode mode)
{
    g_autoptr(GError) error = NULL;
    LkPhoto *picture = lk_editor_generate(editor, values, mode, NULL, &error);

    g_assert_no_error(error);
    return picture;
}

static LkPhoto *read_photo(const char *path)
{
    g_autoptr(GError) error = NULL;
    LkPhoto *photo = lk_photo_open(path, &error);

    g_assert_no_error(error);
    return photo;
}

/* Opens the fixture's photo, edits it and writes the project; gives the picture. */
static LkPhoto *edit_and_write(LkType storage, LkInversionMode mode, const char *path)
{
    g_autoptr(LkEditor) editor = new_editor(storage);
    g_autoptr(LkPhoto) photo = read_photo(fixture->photo_path);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkProject) project = NULL;
    LkPhoto *picture;

    lk_editor_open(editor, photo, LK_OPEN_ALIGNED, 0, NULL, &error);
    g_assert_no_error(error);
    picture = generate(editor, moved, mode);
    project = lk_project_new(fixture->photo_path, fixture->model, &error);
    g_assert_no_error(error);
    g_autoptr(LkInversion) inversion = lk_editor_save_inversion(editor, NULL, &error);
    g_assert_no_error(error);
    lk_project_face_set(lk_project_add_face(project, photo, lk_editor_quad(editor), inversion),
                        fixture->model, moved, (float[]){0, 0, 0}, mode, 0.75);
    lk_project_write(project, path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(lk_gpu_n_messages(lk_editor_gpu(editor)), ==, 0);
    return picture;
}

static LkProject *read_project(const char *path)
{
    g_autoptr(GError) error = NULL;
    LkProject *project = lk_project_read(path, &error);

    g_assert_no_error(error);
    return project;
}

static void assert_encoder_did_not_run(LkEditor *editor)
{
    gsize n;
    const LkStageRun *runs = lk_net_last_run(lk_editor_net(editor), &n);

    g_assert_cmpuint(n, >, 0);
    for (gsize i = 0; i < n; i++) {
        g_assert_cmpstr(runs[i].name, !=, "image_in");
        g_assert_cmpstr(runs[i].name, !=, "e0");
        g_assert_cmpstr(runs[i].name, !=, "heads");
    }
}

static void open_saved(LkEditor *editor, const LkProjectFace *face)
{
    g_autoptr(LkPhoto) photo = read_photo(fixture->photo_path);
    g_autoptr(GError) error = NULL;

    lk_editor_open_saved(editor, photo, &face->quad, face->inversion, &error);
    g_assert_no_error(error);
}

/* ---- the same again ----------------------------------------------------------------------------------------- */

static void check_same(LkType storage, LkInversionMode mode)
{
    g_autofree char *path = edit_fixture_path(fixture, "same.likeness");
    g_autoptr(LkPhoto) picture = edit_and_write(storage, mode, path);
    g_autoptr(LkProject) project = read_project(path);
    const LkProjectFace *face = g_ptr_array_index(project->faces, 0);
    g_autoptr(LkEditor) editor = new_editor(storage);
    g_autoptr(GPtrArray) unknown = g_ptr_array_new_with_free_func(g_free);
    g_autofree float *values = NULL;
    guint64 held, peak;

    g_assert_cmpuint(project->faces->len, ==, 1);
    g_assert_true(face->aligned);
    g_assert_cmpint(face->mode, ==, mode);
    g_assert_cmpfloat(face->detail, ==, 0.75);
    open_saved(editor, face);
    values = lk_project_face_values(face, editor, unknown);
    g_assert_cmpuint(unknown->len, ==, 0);
    g_assert_cmpmem(values, sizeof moved, moved, sizeof moved);
    g_autoptr(LkPhoto) again = generate(editor, values, mode);
    assert_encoder_did_not_run(editor);
    g_assert_true(edit_same_picture(picture, again));
    lk_gpu_memory(lk_editor_gpu(editor), &held, &peak);
    g_assert_cmpuint(peak, ==, held); /* the encoder's weights never were there */
    g_assert_cmpuint(lk_gpu_n_messages(lk_editor_gpu(editor)), ==, 0);
    g_unlink(path);
}

static void test_same(void)
{
    check_same(LK_F32, LK_INVERSION_STYLERES);
    check_same(LK_F32, LK_INVERSION_WPLUS);
}

static void test_same_half(void)
{
    g_autoptr(LkEditor) editor = new_editor(LK_F32);

    if (lk_gpu_info(lk_editor_gpu(editor))->half_storage)
        check_same(LK_F16, LK_INVERSION_STYLERES);
    else
        g_test_skip("this device has no half-precision storage");
}

/* Between photos that are inverted, and saved again. */
static void test_in_turn(void)
{
    g_autoptr(LkProject) project = read_project(project_path);
    const LkProjectFace *face = g_ptr_array_index(project->faces, 0);
    g_autoptr(LkEditor) editor = new_editor(LK_F32);
    g_autoptr(LkPhoto) other = read_photo(fixture->other_path);
    g_autoptr(GError) error = NULL;
    LkQuad outside = face->quad;

    lk_editor_open(editor, other, LK_OPEN_ALIGNED, 0, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(LkPhoto) of_other = generate(editor, moved, LK_INVERSION_STYLERES);
    outside.centre[0] = 1e5;
    g_assert_false(lk_editor_open_saved(editor, other, &outside, face->inversion, &error));
    g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE);
    g_clear_error(&error);
    face->inversion->rows--;
    g_assert_false(lk_editor_open_saved(editor, other, &face->quad, face->inversion, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID);
    g_clear_error(&error);
    face->inversion->rows++;
    g_autoptr(LkPhoto) still = generate(editor, moved, LK_INVERSION_STYLERES);
    g_assert_true(edit_same_picture(of_other, still));
    open_saved(editor, face);
    g_autoptr(LkPhoto) again = generate(editor, moved, LK_INVERSION_STYLERES);
    g_assert_true(edit_same_picture(expected, again));
    g_autoptr(LkInversion) saved = lk_editor_save_inversion(editor, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(saved->enc_feat, face->inversion->enc_feat));
}

/* ---- photo and model ---------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    g_autoptr(GFile) source = g_file_new_for_path(from), target = g_file_new_for_path(to);
    g_autoptr(GError) error = NULL;

    g_file_copy(source, target, G_FILE_COPY_OVERWRITE, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
}

static void assert_photo_at(const char *project_file, const char *photo)
{
    g_autoptr(LkProject) project = read_project(project_file);
    g_autoptr(GError) error = NULL;
    g_autofree char *found = lk_project_find_photo(project, &error);

    if (photo == NULL) {
        g_assert_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO);
    } else {
        g_assert_no_error(error);
        g_assert_cmpstr(found, ==, photo);
    }
}

static void test_photo(void)
{
    g_autofree char *folder = edit_fixture_path(fixture, "elsewhere");
    g_autofree char *moved_project = g_build_filename(folder, "moved.likeness", NULL);
    g_autofree char *moved_photo = g_build_filename(folder, "photo.png", NULL);
    g_autofree char *hidden = g_strconcat(fixture->photo_path, ".away", NULL);

    assert_photo_at(project_path, fixture->photo_path);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    copy_file(project_path, moved_project);
    assert_photo_at(moved_project, fixture->photo_path);
    copy_file(fixture->photo_path, moved_photo);
    assert_photo_at(moved_project, moved_photo);
    copy_file(fixture->other_path, moved_photo); /* changed; the first is still there */
    assert_photo_at(moved_project, fixture->photo_path);
    g_assert_cmpint(g_rename(fixture->photo_path, hidden), ==, 0);
    assert_photo_at(moved_project, NULL);
    g_unlink(moved_photo);
    assert_photo_at(moved_project, NULL);
    g_assert_cmpint(g_rename(hidden, fixture->photo_path), ==, 0);
    g_unlink(moved_project);
    g_rmdir(folder);
}

static void test_model(void)
{
    g_autofree char *path = edit_fixture_path(fixture, "others.safetensors");
    g_autoptr(LkProject) project = read_project(project_path);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) found = lk_project_open_model(project, &error), model = NULL;

    g_assert_no_error(error);
    g_assert_cmpstr(lk_model_path(found), ==, fixture->model_path);
    lk_tiny_model_write(path, &(LkTinyOptions){.resolution = 64, .noise = TRUE}, &error);
    g_assert_no_error(error);
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_assert_false(lk_project_check_model(project, model, &error));
    g_assert_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_MODEL);
    g_clear_error(&error);
    g_free(project->model_path);
    project->model_path = g_strdup(path);
    g_assert_null(lk_project_open_model(project, &error));
    g_assert_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_MODEL);
    g_unlink(path);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static char *read_text(void)
{
    g_autoptr(GError) error = NULL;
    char *text;

    g_file_get_contents(project_path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static LkProject *read_changed(const char *text, gssize size, GError **error)
{
    g_autofree char *path = edit_fixture_path(fixture, "changed.likeness");
    LkProject *project;

    g_assert_true(g_file_set_contents(path, text, size, NULL));
    project = lk_project_read(path, error);
    g_unlink(path);
    return project;
}

static void assert_refused(const char *text, gssize size)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(read_changed(text, size, &error));
    g_assert_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "changed.likeness: "));
    g_assert_null(strchr(error->message, '\n'));
}

/* text with the first old replaced. */
static char *replace(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);

    g_assert_nonnull(at);
    g_autofree char *front = g_strndup(text, (gsize)(at - text));
    return g_strconcat(front, new, at + strlen(old), NULL);
}

static void test_wrong_members(void)
{
    static const char *const changes[][2] = {
        {"likeness-project", "likeness-model"},
        {"\"version\" : 1", "\"version\" : 2"},
        {"\"version\" : 1", "\"version\" : 1e999"},
        {"\"faces\" : [", "\"faces\" : [], \"rest\" : ["},
        {"\"faces\" : [", "\"faces\" : [3, "},
        {"\"aligned\" : true", "\"aligned\" : 1"},
        {"\"detail\" : 0.75", "\"detail\" : 1e999"},
        {"\"detail\" : 0.75", "\"detail\" : 7"},
        {"\"detail\" : 0.75", "\"detail\" : NaN"},
        {"\"inversion\" : \"styleres\"", "\"inversion\" : \"best\""},
        {"\"age\" : ", "\"age\" : 1e999, \"a\" : "},
        {"\"age\" : ", "\"a/b\" : "},
        {"\"age\" : ", "\"age\" : 1, \"age\" : "},
        {"\"centre\" : [", "\"centre\" : [ 1e300, "},
        {"\"x\" : [", "\"x\" : [ 0, 0 ], \"old\" : ["},
        {"\"type\" : \"f32\"", "\"type\" : \"f16\""},
        {"\"type\" : \"f32\"", "\"type\" : \"f64\""},
        {"\"shape\" : [", "\"shape\" : [ 2, "},
        {"\"shape\" : [", "\"shape\" : [ 4294967296, 4294967296 ], \"old\" : ["},
        {"\"shape\" : [", "\"shape\" : [ 4096, 4096 ], \"old\" : ["},
        {"\"shape\" : [", "\"shape\" : [ -1, 10 ], \"old\" : ["},
        {"\"shape\" : [", "\"shape\" : [ 1.5, 10 ], \"old\" : ["},
        {"\"data\" : \"", "\"data\" : \"AAAA"},
        {"\"sha256\" : \"", "\"sha256\" : \"x"},
        {"\"networks\" : \"", "\"networks\" : \"0"},
        {"\"path\" : \"/", "\"path\" : \""},
        {"\"path\" : \"/", "\"path\" : \"/%00"},
        {"\"photo\" : {", "\"photo\" : 1, \"old\" : {"},
    };
    g_autofree char *text = read_text();

    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *changed = replace(text, changes[i][0], changes[i][1]);
        g_test_message("%s", changes[i][1]);
        assert_refused(changed, -1);
    }
}

/* A number of w+ and one of enc_feat that is none; base64 that is none. */
static void test_wrong_numbers(void)
{
    g_autofree char *text = read_text();
    const char *key = "\"data\" : \"";
    char *at = text;

    for (guint i = 0; i < 2; i++) {
        at = strstr(at, key);
        g_assert_nonnull(at);
        at += strlen(key);
        char before[4];
        memcpy(before, at, 4);
        memcpy(at, "AADA", 4); /* then "fw==": 0x7fc00000 in little-endian is 00 00 c0 7f */
        char next[2] = {at[4], at[5]};
        memcpy(at + 4, "fw", 2);
        assert_refused(text, -1);
        memcpy(at, "****", 4);
        assert_refused(text, -1);
        memcpy(at, before, 4);
        memcpy(at + 4, next, 2);
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(LkProject) good = read_changed(text, -1, &error);
    g_assert_no_error(error);
}

static void test_truncated(void)
{
    g_autofree char *text = read_text();
    const gsize size = strlen(text);

    for (guint i = 0; i < 200; i++)
        assert_refused(text, (gssize)(size * i / 200));
    assert_refused("[]", -1);
    assert_refused("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", -1);
    assert_refused("{\"format\" : null}", -1);
}

static void test_too_many_parts(void)
{
    g_autoptr(GString) text = g_string_new("{\"format\" : \"likeness-project\"");

    for (guint i = 0; i < 100000; i++)
        g_string_append_printf(text, ",\"%x\":0", i);
    g_string_append_c(text, '}');
    assert_refused(text->str, (gssize)text->len);
}

static void test_no_project(void)
{
    g_autofree char *large = edit_fixture_path(fixture, "large.likeness");
    const char *const paths[] = {fixture->folder, "/dev/zero", large};
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(large, "{", -1, NULL));
    g_assert_cmpint(truncate(large, (off_t)1 << 32), ==, 0); /* without blocks */
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_assert_null(lk_project_read(paths[i], &error));
        g_assert_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT);
        g_assert_nonnull(strstr(error->message, paths[i]));
        g_clear_error(&error);
    }
    g_unlink(large);
    g_assert_null(lk_project_read(large, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void test_tolerated(void)
{
    g_autofree char *text = read_text();
    g_autofree char *later = replace(text, "\"version\" : 1", "\"later\" : [ {} ], \"version\" : 1");
    g_autofree char *other = replace(later, "\"age\" : ", "\"beard\" : 2, \"age\" : 1000, \"older\" : ");
    g_autoptr(GError) error = NULL;
    g_autoptr(LkProject) project = read_changed(other, -1, &error);
    g_autoptr(LkEditor) editor = new_editor(LK_F32);
    g_autoptr(GPtrArray) unknown = g_ptr_array_new_with_free_func(g_free);

    g_assert_no_error(error);
    open_saved(editor, g_ptr_array_index(project->faces, 0));
    g_autofree float *values = lk_project_face_values(g_ptr_array_index(project->faces, 0), editor, unknown);
    g_assert_cmpuint(unknown->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(unknown, 0), ==, "beard");
    g_assert_cmpfloat(values[0], ==, lk_model_direction(fixture->model, 0)->maximum);
    g_assert_cmpfloat(values[1], ==, moved[1]);
}

/* Where a project cannot be written the old one stays, and nothing else is left. */
static void test_whole_or_not(void)
{
    g_autofree char *before = read_text();
    g_autofree char *nowhere = edit_fixture_path(fixture, "nowhere/a.likeness");
    g_autoptr(LkProject) project = read_project(project_path);
    g_autoptr(GError) error = NULL;
    const guint n = test_folder_count(fixture->folder);

    g_assert_false(lk_project_write(project, nowhere, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_clear_error(&error);
    g_assert_false(lk_project_write(project, fixture->folder, &error));
    g_assert_nonnull(strstr(error->message, fixture->folder));
    g_clear_error(&error);
    g_assert_true(
        lk_project_write(project, project_path, &error)); /* in place of the old one: the same bytes */
    g_autofree char *after = read_text();
    g_assert_cmpstr(before, ==, after);
    g_assert_cmpuint(test_folder_count(fixture->folder), ==, n);
}

/* Names of any bytes. */
static void test_odd_name(void)
{
    g_autofree char *photo = edit_fixture_path(fixture, "50% \"\xfc\" \xc3\xa4?#.png");
    g_autofree char *path = edit_fixture_path(fixture, "odd.likeness");
    g_autoptr(LkProject) project = read_project(project_path);
    g_autoptr(GError) error = NULL;

    copy_file(fixture->photo_path, photo);
    g_free(project->photo);
    project->photo = g_strdup(photo);
    g_assert_true(lk_project_write(project, path, &error));
    assert_photo_at(path, photo);
    g_unlink(photo);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture = edit_fixture_new();
    project_path = edit_fixture_path(fixture, "photo.likeness");
    expected = edit_and_write(LK_F32, LK_INVERSION_STYLERES, project_path);
    g_test_add_func("/project/same", test_same);
    g_test_add_func("/project/same-half", test_same_half);
    g_test_add_func("/project/in-turn", test_in_turn);
    g_test_add_func("/project/photo", test_photo);
    g_test_add_func("/project/model", test_model);
    g_test_add_func("/project/wrong-members", test_wrong_members);
    g_test_add_func("/project/wrong-numbers", test_wrong_numbers);
    g_test_add_func("/project/truncated", test_truncated);
    g_test_add_func("/project/too-many-parts", test_too_many_parts);
    g_test_add_func("/project/no-project", test_no_project);
    g_test_add_func("/project/tolerated", test_tolerated);
    g_test_add_func("/project/whole-or-not", test_whole_or_not);
    g_test_add_func("/project/odd-name", test_odd_name);
    const int status = g_test_run();
    lk_photo_unref(expected);
    g_free(project_path);
    edit_fixture_free(fixture);
    return status;
}
