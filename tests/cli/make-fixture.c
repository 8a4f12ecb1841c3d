/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * make-fixture DIR: the files that the command line's tests work on.
 *
 * tiny.safetensors, and pictures: photo.png, .jpg, .tif and .webp (an aligned crop), other.png (another), large.png (one with
 * many pixels), two.png (two faces far from each other), landscape.png (no face), dot.png (1 x 1).
 */
#include "original.h"
#include "pictures.h"
#include "tiny_model.h"

static const char *folder;

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void check(gboolean done, GError *error)
{
    if (!done)
        g_error("%s", error->message);
}

static void save(LkPhoto *photo, const char *name)
{
    g_autofree char *path = path_of(name);
    LkExportOptions how = {.quality = 0};
    GError *error = NULL;

    g_assert_true(lk_file_format_from_path(path, &how.format));
    check(lk_photo_save(photo, path, &how, &error), error);
}

static void save_picture(guint width, guint height, const char *name)
{
    g_autoptr(LkPhoto) photo = test_picture(width, height);

    save(photo, name);
}

static void save_two(void)
{
    g_autoptr(LkPhoto) photo = test_picture_of_two(200);

    save(photo, "two.png");
}

static void save_other(void)
{
    g_autoptr(LkPhoto) wide = test_picture(300, 40);
    g_autoptr(LkPhoto) other = lk_photo_resize(wide, 96, 96);

    save(other, "other.png");
}

static void save_jpeg(void)
{
    g_autoptr(LkPhoto) photo = test_picture(96, 96);
    g_autoptr(GByteArray) jpeg = test_jpeg(photo, &(TestJpeg){.kind = TEST_YCC});
    g_autofree char *path = path_of("photo.jpg");
    GError *error = NULL;

    check(g_file_set_contents(path, (const char *)jpeg->data, jpeg->len, &error), error);
}

static void save_model(void)
{
    g_autofree char *path = path_of("tiny.safetensors");
    GError *error = NULL;

    check(lk_tiny_model_write(path, &(LkTinyOptions){.resolution = 64}, &error), error);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    folder = argv[1];
    save_model();
    save_picture(96, 96, "photo.png");
    save_picture(96, 96, "photo.tif");
    save_picture(96, 96, "photo.webp");
    save_picture(600, 600, "large.png");
    save_picture(240, 180, "landscape.png");
    save_picture(1, 1, "dot.png");
    save_two();
    save_other();
    save_jpeg();
    return 0;
}
