/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LkEditor: opening, pictures, errors that leave the open photo alone, memory.
 */
#include "fixture.h"

#include "pictures.h"
#include "selftest.h"

#include <string.h>

static EditFixture *fixture;
static LkEditor *editor;

static LkPhoto *read_photo(const char *path)
{
    g_autoptr(GError) error = NULL;
    LkPhoto *photo = lk_photo_open(path, &error);

    g_assert_no_error(error);
    return photo;
}

static void open_aligned(const char *path)
{
    g_autoptr(LkPhoto) photo = read_photo(path);
    g_autoptr(GError) error = NULL;

    lk_editor_open(editor, photo, LK_OPEN_ALIGNED, 0, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(lk_editor_photo(editor) == photo);
}

static LkPhoto *generate(float age, float smile, float pose, LkInversionMode mode)
{
    const float values[] = {age, smile, pose};
    g_autoptr(GError) error = NULL;
    LkPhoto *picture = lk_editor_generate(editor, values, mode, NULL, &error);

    g_assert_no_error(error);
    return picture;
}

static void test_pictures(void)
{
    const guint side = lk_model_config(fixture->model)->resolution;

    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) inversion = generate(0, 0, 0, LK_INVERSION_STYLERES);
    g_autoptr(LkPhoto) older = generate(3, 0, 0, LK_INVERSION_STYLERES);
    g_autoptr(LkPhoto) code_alone = generate(0, 0, 0, LK_INVERSION_WPLUS);
    g_autoptr(LkPhoto) again = generate(0, 0, 0, LK_INVERSION_STYLERES);

    g_assert_cmpuint(lk_photo_width(inversion), ==, side);
    g_assert_cmpuint(lk_photo_height(inversion), ==, side);
    g_assert_false(edit_same_picture(inversion, older));
    g_assert_false(edit_same_picture(inversion, code_alone));
    g_assert_true(edit_same_picture(inversion, again));
}

static void test_compose(void)
{
    open_aligned(fixture->photo_path);
    LkPhoto *photo = lk_editor_photo(editor);
    g_autoptr(LkPhoto) face = generate(0, 2, 0, LK_INVERSION_STYLERES);
    g_autoptr(LkPhoto) composed = lk_editor_compose(editor, face);

    g_assert_cmpuint(lk_photo_width(composed), ==, lk_photo_width(photo));
    g_assert_cmpuint(lk_photo_height(composed), ==, lk_photo_height(photo));
    g_assert_false(edit_same_picture(composed, photo));
}

/* ---- back into the photo ------------------------------------------------------------------------------------ */

static LkPatch *make_patch(const LkPhoto *picture, LkInversionMode mode)
{
    g_autoptr(GError) error = NULL;
    LkPatch *patch = lk_editor_patch(editor, picture, mode, LK_DETAIL_DEFAULT, NULL, &error);

    g_assert_no_error(error);
    return patch;
}

static LkPhoto *apply(const LkPatch *patch)
{
    return lk_patch_apply(lk_editor_photo(editor), &patch, 1);
}

static LkPhoto *inversion(LkInversionMode mode)
{
    g_autoptr(GError) error = NULL;
    LkPhoto *picture = lk_editor_inversion(editor, mode, NULL, &error);

    g_assert_no_error(error);
    return picture;
}

static void test_zero_is_the_photo(void)
{
    const LkInversionMode modes[] = {LK_INVERSION_STYLERES, LK_INVERSION_WPLUS};
    float neutral[3];

    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        open_aligned(fixture->photo_path);
        g_autoptr(LkPhoto) edited = generate(3, 0, 0, modes[i]);
        g_autoptr(LkPhoto) unedited = generate(0, 0, 0, modes[i]);
        g_autoptr(LkPatch) patch = make_patch(unedited, modes[i]);
        g_autoptr(LkPhoto) shown = apply(patch);

        g_assert_true(unedited == inversion(modes[i]));
        g_assert_cmpuint(patch->width * patch->height, ==, 0);
        g_assert_true(edit_same_picture(shown, lk_editor_photo(editor)));
    }
    lk_editor_neutral_values(editor, neutral);
    g_assert_true(lk_editor_is_neutral(editor, neutral));
    neutral[1] += 0.25f;
    g_assert_false(lk_editor_is_neutral(editor, neutral));
}

static void test_patch(void)
{
    open_aligned(fixture->photo_path);
    const guint width = lk_photo_width(lk_editor_photo(editor)),
                height = lk_photo_height(lk_editor_photo(editor));
    g_autoptr(LkPhoto) picture = generate(5, 5, 5, LK_INVERSION_STYLERES);
    const gsize size =
        sizeof(float) * lk_model_config(fixture->model)->num_ws * lk_model_config(fixture->model)->w_dim;
    g_autofree float *code = g_memdup2(lk_editor_edited_w_plus(editor), size);
    g_autoptr(LkPatch) patch = make_patch(picture, LK_INVERSION_STYLERES);
    g_autoptr(LkPhoto) shown = apply(patch);

    g_assert_cmpuint(patch->width * patch->height, >, 0);
    g_assert_cmpuint(patch->x + patch->width, <=, width);
    g_assert_cmpuint(patch->y + patch->height, <=, height);
    g_assert_false(edit_same_picture(shown, lk_editor_photo(editor)));
    /* The inversion that was needed for it leaves no traces. */
    g_assert_cmpmem(code, size, lk_editor_edited_w_plus(editor), size);
    g_autoptr(LkPhoto) again = generate(5, 5, 5, LK_INVERSION_STYLERES);
    g_assert_true(edit_same_picture(picture, again));
}

/* It does not matter when the inversion is made. */
static void test_same_patch(void)
{
    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) picture = generate(0, 5, 5, LK_INVERSION_STYLERES);
    g_autoptr(LkPatch) late = make_patch(picture, LK_INVERSION_STYLERES);
    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) unedited = generate(0, 0, 0, LK_INVERSION_STYLERES);
    g_autoptr(LkPatch) early = make_patch(picture, LK_INVERSION_STYLERES);
    const gsize size = sizeof(float) * 3 * early->width * early->height;

    g_assert_cmpuint(size, >, 0);
    g_assert_cmpmem(early->change, size, late->change, sizeof(float) * 3 * late->width * late->height);
}

static void test_inversions(void)
{
    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) first = lk_photo_ref(inversion(LK_INVERSION_STYLERES));
    g_assert_true(inversion(LK_INVERSION_STYLERES) == first);
    g_assert_false(edit_same_picture(inversion(LK_INVERSION_WPLUS), first));
    open_aligned(fixture->other_path);
    g_assert_false(edit_same_picture(inversion(LK_INVERSION_STYLERES), first));
}

static void test_paste(void)
{
    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) picture = generate(0, 2, 0, LK_INVERSION_STYLERES);
    g_autoptr(LkPatch) patch = lk_editor_paste(editor, picture);
    g_autoptr(LkPhoto) shown = apply(patch), composed = lk_editor_compose(editor, picture);

    g_assert_true(edit_same_picture(shown, composed));
}

static void test_cancelled_patch(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) picture = generate(2, 0, 0, LK_INVERSION_STYLERES);
    g_cancellable_cancel(cancellable);
    g_assert_null(lk_editor_patch(editor, picture, LK_INVERSION_STYLERES, 0.5, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_autoptr(LkPatch) patch = make_patch(picture, LK_INVERSION_STYLERES);
    g_assert_nonnull(patch);
}

/* Another photo's features must not stay behind. */
static void test_photos_in_turn(void)
{
    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) first = generate(1, 2, 3, LK_INVERSION_STYLERES);
    open_aligned(fixture->other_path);
    g_autoptr(LkPhoto) second = generate(1, 2, 3, LK_INVERSION_STYLERES);
    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) third = generate(1, 2, 3, LK_INVERSION_STYLERES);

    g_assert_false(edit_same_picture(first, second));
    g_assert_true(edit_same_picture(first, third));
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* The photo that was open stays, and its pictures stay what they were. */
static void assert_open_fails(LkPhoto *photo, LkOpenMode mode, guint face, GCancellable *cancellable,
                              GQuark domain, int code)
{
    LkPhoto *before = lk_editor_photo(editor);
    g_autoptr(LkPhoto) picture = generate(1, 0, 2, LK_INVERSION_STYLERES);
    g_autoptr(GError) error = NULL;

    g_assert_false(lk_editor_open(editor, photo, mode, face, cancellable, &error));
    g_assert_error(error, domain, code);
    g_assert_true(lk_editor_photo(editor) == before);
    g_autoptr(LkPhoto) after = generate(1, 0, 2, LK_INVERSION_STYLERES);
    g_assert_true(edit_same_picture(picture, after));
}

static void test_not_square(void)
{
    g_autoptr(LkPhoto) wide = test_picture(120, 96);

    open_aligned(fixture->photo_path);
    assert_open_fails(wide, LK_OPEN_ALIGNED, 0, NULL, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE);
}

static void test_no_face(void)
{
    g_autoptr(LkPhoto) landscape = test_picture(240, 180);

    open_aligned(fixture->photo_path);
    assert_open_fails(landscape, LK_OPEN_DETECT, 0, NULL, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE);
}

static void test_cancelled_open(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(LkPhoto) other = read_photo(fixture->other_path);

    open_aligned(fixture->photo_path);
    g_cancellable_cancel(cancellable);
    assert_open_fails(other, LK_OPEN_ALIGNED, 0, cancellable, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void test_cancelled_picture(void)
{
    const float values[] = {2, 2, 2};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    open_aligned(fixture->photo_path);
    g_autoptr(LkPhoto) before = generate(0, 0, 0, LK_INVERSION_STYLERES);
    g_cancellable_cancel(cancellable);
    g_assert_null(lk_editor_generate(editor, values, LK_INVERSION_STYLERES, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_autoptr(LkPhoto) after = generate(0, 0, 0, LK_INVERSION_STYLERES);
    g_assert_true(edit_same_picture(before, after));
}

static void test_missing_model(void)
{
    const LkEditorOptions options = {.model = "/nonexistent/model.safetensors"};
    g_autoptr(GError) error = NULL;

    g_assert_null(lk_editor_new(&options, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, options.model));
}

static void test_missing_device(void)
{
    LkEditorOptions options = fixture->options;
    g_autoptr(GError) error = NULL;

    options.device = "no such device";
    g_assert_null(lk_editor_new(&options, &error));
    g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_NO_DEVICE);
}

/* ---- the device --------------------------------------------------------------------------------------------- */

static guint64 held_memory(void)
{
    guint64 held, peak;

    lk_gpu_memory(lk_editor_gpu(editor), &held, &peak);
    g_assert_cmpuint(peak, >=, held);
    return held;
}

static void test_memory_stays(void)
{
    guint64 held;

    open_aligned(fixture->photo_path);
    held = held_memory();
    g_assert_cmpuint(held, >, 0);
    for (int i = 0; i < 3; i++) {
        open_aligned(i % 2 ? fixture->photo_path : fixture->other_path);
        g_autoptr(LkPhoto) picture = generate((float)i, 0, 0, LK_INVERSION_STYLERES);
    }
    g_assert_cmpuint(held_memory(), ==, held);
}

static void test_self_test(void)
{
    g_autoptr(GError) error = NULL;
    double error_max;
    const guint64 held = held_memory();

    g_assert_true(lk_self_test(lk_editor_gpu(editor), &error_max, &error));
    g_assert_no_error(error);
    g_assert_cmpfloat(error_max, <, 1e-5);
    g_assert_cmpuint(held_memory(), ==, held);
}

static void test_no_validation_messages(void)
{
    g_assert_cmpuint(lk_gpu_n_messages(lk_editor_gpu(editor)), ==, 0);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    fixture = edit_fixture_new();
    editor = lk_editor_new(&fixture->options, &error);
    g_assert_no_error(error);
    g_test_add_func("/editor/pictures", test_pictures);
    g_test_add_func("/editor/compose", test_compose);
    g_test_add_func("/editor/zero-is-the-photo", test_zero_is_the_photo);
    g_test_add_func("/editor/patch", test_patch);
    g_test_add_func("/editor/same-patch", test_same_patch);
    g_test_add_func("/editor/inversions", test_inversions);
    g_test_add_func("/editor/paste", test_paste);
    g_test_add_func("/editor/cancelled-patch", test_cancelled_patch);
    g_test_add_func("/editor/photos-in-turn", test_photos_in_turn);
    g_test_add_func("/editor/not-square", test_not_square);
    g_test_add_func("/editor/no-face", test_no_face);
    g_test_add_func("/editor/cancelled-open", test_cancelled_open);
    g_test_add_func("/editor/cancelled-picture", test_cancelled_picture);
    g_test_add_func("/editor/missing-model", test_missing_model);
    g_test_add_func("/editor/missing-device", test_missing_device);
    g_test_add_func("/editor/memory", test_memory_stays);
    g_test_add_func("/editor/self-test", test_self_test);
    g_test_add_func("/editor/validation", test_no_validation_messages);
    const int status = g_test_run();
    lk_editor_free(editor);
    edit_fixture_free(fixture);
    return status;
}
