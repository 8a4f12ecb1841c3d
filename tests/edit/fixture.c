/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fixture.h"

#include "pictures.h"
#include "tiny_model.h"

#include <string.h>

static char *save_crop(const EditFixture *fixture, const char *name, guint wide, guint x)
{
    g_autoptr(LkPhoto) picture = test_picture(wide, 96);
    g_autofree guint8 *pixels = g_malloc(4 * 96 * 96);
    g_autoptr(LkPhoto) crop = NULL;
    g_autoptr(GError) error = NULL;
    char *path = edit_fixture_path(fixture, name);

    for (guint y = 0; y < 96; y++)
        memcpy(pixels + 4 * 96 * y, test_pixel(picture, x, y), 4 * 96);
    crop = lk_photo_new(96, 96, pixels);
    lk_photo_save_png(crop, path, &error);
    g_assert_no_error(error);
    return path;
}

EditFixture *edit_fixture_new(void)
{
    const LkTinyOptions tiny = {.resolution = 64};
    EditFixture *fixture = g_new0(EditFixture, 1);
    g_autoptr(GError) error = NULL;

    fixture->folder = test_folder();
    fixture->model_path = edit_fixture_path(fixture, "tiny.safetensors");
    lk_tiny_model_write(fixture->model_path, &tiny, &error);
    g_assert_no_error(error);
    fixture->model = lk_model_open(fixture->model_path, &error);
    g_assert_no_error(error);
    fixture->photo_path = save_crop(fixture, "photo.png", 120, 0);
    fixture->other_path = save_crop(fixture, "other.png", 200, 90);
    fixture->text_path = edit_fixture_path(fixture, "notes.txt");
    g_file_set_contents(fixture->text_path, "no picture\n", -1, &error);
    g_assert_no_error(error);
    fixture->options.model = fixture->model_path;
    fixture->options.device = g_getenv("LIKENESS_TEST_DEVICE") ? g_getenv("LIKENESS_TEST_DEVICE") : "cpu";
    fixture->options.gpu_flags = LK_GPU_VALIDATE;
    return fixture;
}

void edit_fixture_free(EditFixture *fixture)
{
    lk_model_unref(fixture->model);
    test_folder_remove(fixture->folder);
    g_free(fixture->model_path);
    g_free(fixture->photo_path);
    g_free(fixture->other_path);
    g_free(fixture->text_path);
    g_free(fixture);
}

char *edit_fixture_path(const EditFixture *fixture, const char *name)
{
    return g_build_filename(fixture->folder, name, NULL);
}

gboolean edit_same_picture(const LkPhoto *a, const LkPhoto *b)
{
    const guint width = lk_photo_width(a), height = lk_photo_height(a);

    return width == lk_photo_width(b) && height == lk_photo_height(b) &&
           memcmp(lk_photo_pixels(a), lk_photo_pixels(b), (gsize)4 * width * height) == 0;
}
