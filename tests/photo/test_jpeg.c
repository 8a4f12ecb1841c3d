/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JPEG files: every colour kind, all orientations, profiles, and all the ways to be broken.
 */
#include "pictures.h"

#include <lcms2.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *folder;
    LkPhoto *picture;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->folder = test_folder();
    f->picture = test_picture(75, 52);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    lk_photo_unref(f->picture);
    test_folder_remove(f->folder);
}

static LkPhoto *reopen(Fixture *f, const TestJpeg *how)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) file = test_jpeg(f->picture, how);
    LkPhoto *photo = test_open_bytes(f->folder, "picture.jpg", file->data, file->len, &error);

    g_assert_no_error(error);
    return photo;
}

static void test_colour(Fixture *f, gconstpointer data)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        g_autoptr(LkPhoto) photo = reopen(f, &(TestJpeg){.kind = TEST_YCC, .progressive = progressive});

        g_assert_cmpint(test_max_difference(photo, f->picture), <=, 6);
    }
}

static void test_grey(Fixture *f, gconstpointer data)
{
    g_autoptr(LkPhoto) photo = reopen(f, &(TestJpeg){.kind = TEST_GREY});

    for (guint y = 0; y < lk_photo_height(photo); y++) {
        const guint8 *pixel = test_pixel(photo, 10, y);

        g_assert_cmpint(abs(pixel[0] - test_pixel(f->picture, 10, y)[1]), <=, 4);
        g_assert_true(pixel[1] == pixel[0] && pixel[2] == pixel[0] && pixel[3] == 0xff);
    }
}

static void test_inks(Fixture *f, gconstpointer data)
{
    static const TestJpegKind kinds[] = {TEST_CMYK, TEST_YCCK};

    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(LkPhoto) photo = reopen(f, &(TestJpeg){.kind = kinds[i]});

        g_assert_cmpint(test_max_difference(photo, f->picture), <=, 7);
    }
}

/* Where EXIF 2.3 says the stored pixel of an upright (x, y) is. */
static void stored_position(guint orientation, guint w, guint h, guint x, guint y, guint *sx, guint *sy)
{
    const guint where[9][2] = {
        {0, 0}, {x, y},         {w - 1 - x, y},         {w - 1 - x, h - 1 - y}, {x, h - 1 - y},
        {y, x}, {y, h - 1 - x}, {w - 1 - y, h - 1 - x}, {w - 1 - y, x},
    };

    *sx = where[orientation][0];
    *sy = where[orientation][1];
}

static void test_orientation(Fixture *f, gconstpointer data)
{
    guint w = lk_photo_width(f->picture), h = lk_photo_height(f->picture);
    g_autoptr(LkPhoto) stored = reopen(f, &(TestJpeg){.kind = TEST_YCC});

    for (guint orientation = 1; orientation <= 8; orientation++) {
        g_autoptr(LkPhoto) photo = reopen(f, &(TestJpeg){.kind = TEST_YCC, .orientation = orientation});
        guint width = orientation < 5 ? w : h, height = orientation < 5 ? h : w;

        g_assert_cmpuint(lk_photo_width(photo), ==, width);
        g_assert_cmpuint(lk_photo_height(photo), ==, height);
        for (guint y = 0; y < height; y++) {
            for (guint x = 0; x < width; x++) {
                guint sx, sy;

                stored_position(orientation, w, h, x, y, &sx, &sy);
                g_assert_cmpmem(test_pixel(photo, x, y), 4, test_pixel(stored, sx, sy), 4);
            }
        }
    }
}

static void test_bad_orientation(Fixture *f, gconstpointer data)
{
    g_autoptr(LkPhoto) photo = reopen(f, &(TestJpeg){.kind = TEST_YCC, .orientation = 9});

    g_assert_cmpuint(lk_photo_width(photo), ==, lk_photo_width(f->picture));
}

static GBytes *profile_bytes(cmsHPROFILE profile)
{
    cmsUInt32Number size = 0;
    guint8 *data;

    g_assert_true(cmsSaveProfileToMem(profile, NULL, &size));
    data = g_malloc(size);
    g_assert_true(cmsSaveProfileToMem(profile, data, &size));
    return g_bytes_new_take(data, size);
}

static GBytes *wide_gamut_profile(void)
{
    const cmsCIExyY white = {0.3127, 0.3290, 1.0};
    const cmsCIExyYTRIPLE primaries = {{0.64, 0.33, 1.0}, {0.21, 0.71, 1.0}, {0.15, 0.06, 1.0}};
    cmsToneCurve *curve = cmsBuildGamma(NULL, 2.19921875);
    cmsToneCurve *curves[3] = {curve, curve, curve};
    cmsHPROFILE profile = cmsCreateRGBProfile(&white, &primaries, curves);
    GBytes *bytes = profile_bytes(profile);

    cmsFreeToneCurve(curve);
    cmsCloseProfile(profile);
    return bytes;
}

static void test_profile(Fixture *f, gconstpointer data)
{
    g_autoptr(GBytes) icc = wide_gamut_profile();
    cmsHPROFILE wide =
        cmsOpenProfileFromMem(g_bytes_get_data(icc, NULL), (cmsUInt32Number)g_bytes_get_size(icc));
    cmsHPROFILE srgb = cmsCreate_sRGBProfile();
    cmsHTRANSFORM transform = cmsCreateTransform(wide, TYPE_RGBA_8, srgb, TYPE_RGBA_8, INTENT_PERCEPTUAL, 0);
    g_autoptr(LkPhoto) plain = reopen(f, &(TestJpeg){.kind = TEST_YCC});
    g_autoptr(LkPhoto) photo = reopen(f, &(TestJpeg){.kind = TEST_YCC, .icc = icc});

    g_assert_cmpint(test_max_difference(plain, photo), >, 20);
    for (guint y = 0; y < lk_photo_height(photo); y += 7) {
        for (guint x = 0; x < lk_photo_width(photo); x += 5) {
            guint8 expected[4] = {0, 0, 0, 0xff};

            cmsDoTransform(transform, test_pixel(plain, x, y), expected, 1);
            g_assert_cmpmem(test_pixel(photo, x, y), 4, expected, 4);
        }
    }
    cmsDeleteTransform(transform);
    cmsCloseProfile(wide);
    cmsCloseProfile(srgb);
}

static void test_srgb_profile(Fixture *f, gconstpointer data)
{
    cmsHPROFILE srgb = cmsCreate_sRGBProfile();
    g_autoptr(GBytes) icc = profile_bytes(srgb), broken = g_bytes_new_static("not a profile", 13);
    g_autoptr(LkPhoto) plain = reopen(f, &(TestJpeg){.kind = TEST_YCC});
    g_autoptr(LkPhoto) tagged = reopen(f, &(TestJpeg){.kind = TEST_YCC, .icc = icc});
    g_autoptr(LkPhoto) untagged = reopen(f, &(TestJpeg){.kind = TEST_YCC, .icc = broken});

    cmsCloseProfile(srgb);
    g_assert_cmpint(test_max_difference(plain, tagged), ==, 0);
    g_assert_cmpint(test_max_difference(plain, untagged), ==, 0);
}

static void test_truncated(Fixture *f, gconstpointer data)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        g_autoptr(GByteArray) file = test_jpeg(
            f->picture, &(TestJpeg){.kind = TEST_YCC, .progressive = progressive, .orientation = 6});

        for (guint size = 3; size < file->len; size += size < 700 ? 1 : 17)
            test_assert_fails(f->folder, "holiday.jpg", file->data, size, LK_PHOTO_ERROR_DAMAGED);
        test_assert_fails(f->folder, "holiday.jpg", file->data, file->len - 1, LK_PHOTO_ERROR_DAMAGED);
    }
}

/* Whatever bytes are overwritten, the result is a picture or one of our errors. */
static void test_corrupt(Fixture *f, gconstpointer data)
{
    g_autoptr(GByteArray) file = test_jpeg(f->picture, &(TestJpeg){.kind = TEST_YCC, .orientation = 6});
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    g_autofree guint8 *broken = g_malloc(file->len);

    for (int i = 0; i < 400; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkPhoto) photo = NULL;

        memcpy(broken, file->data, file->len);
        for (int k = 0; k < 3; k++)
            broken[g_rand_int_range(rand, 3, (gint32)file->len)] = (guint8)g_rand_int_range(rand, 0, 256);
        photo = test_open_bytes(f->folder, "broken.jpg", broken, file->len, &error);
        g_assert_true(photo ? !error : error && error->domain == LK_PHOTO_ERROR);
    }
}

static void set_size(GByteArray *file, guint width, guint height)
{
    for (guint i = 2; i + 9 < file->len; i += 2u + file->data[i + 2] * 256u + file->data[i + 3]) {
        if (file->data[i + 1] != 0xc0)
            continue;
        file->data[i + 5] = (guint8)(height >> 8);
        file->data[i + 6] = (guint8)height;
        file->data[i + 7] = (guint8)(width >> 8);
        file->data[i + 8] = (guint8)width;
        return;
    }
    g_assert_not_reached();
}

static void test_sizes(Fixture *f, gconstpointer data)
{
    static const guint refused[][2] = {{1, 1}, {15, 400}, {400, 15}, {65500, 65500}, {20000, 10001}};

    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GByteArray) file = test_jpeg(f->picture, &(TestJpeg){.kind = TEST_YCC});

        set_size(file, refused[i][0], refused[i][1]);
        test_assert_fails(f->folder, "odd.jpg", file->data, file->len, LK_PHOTO_ERROR_SIZE);
    }
}

static void test_not_a_picture(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const char *text = "GIF89a and so on, but surely no JPEG";

    test_assert_fails(f->folder, "text.jpg", (const guint8 *)text, strlen(text), LK_PHOTO_ERROR_FORMAT);
    test_assert_fails(f->folder, "empty.jpg", (const guint8 *)text, 0, LK_PHOTO_ERROR_FORMAT);
    g_assert_null(lk_photo_open(f->folder, &error));
    g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT);
    g_clear_error(&error);
    g_assert_null(lk_photo_open("/nowhere/at all.jpg", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_true(g_str_has_prefix(error->message, "at all.jpg cannot be read: "));
}

/* The name says nothing: a JPEG called .png opens. */
static void test_wrong_name(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) file = test_jpeg(f->picture, &(TestJpeg){.kind = TEST_YCC});
    g_autoptr(LkPhoto) photo = test_open_bytes(f->folder, "picture.png", file->data, file->len, &error);

    g_assert_no_error(error);
    g_assert_nonnull(photo);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/jpeg/colour", Fixture, NULL, set_up, test_colour, tear_down);
    g_test_add("/jpeg/grey", Fixture, NULL, set_up, test_grey, tear_down);
    g_test_add("/jpeg/inks", Fixture, NULL, set_up, test_inks, tear_down);
    g_test_add("/jpeg/orientation", Fixture, NULL, set_up, test_orientation, tear_down);
    g_test_add("/jpeg/bad-orientation", Fixture, NULL, set_up, test_bad_orientation, tear_down);
    g_test_add("/jpeg/profile", Fixture, NULL, set_up, test_profile, tear_down);
    g_test_add("/jpeg/srgb-profile", Fixture, NULL, set_up, test_srgb_profile, tear_down);
    g_test_add("/jpeg/truncated", Fixture, NULL, set_up, test_truncated, tear_down);
    g_test_add("/jpeg/corrupt", Fixture, NULL, set_up, test_corrupt, tear_down);
    g_test_add("/jpeg/sizes", Fixture, NULL, set_up, test_sizes, tear_down);
    g_test_add("/jpeg/not-a-picture", Fixture, NULL, set_up, test_not_a_picture, tear_down);
    g_test_add("/jpeg/wrong-name", Fixture, NULL, set_up, test_wrong_name, tear_down);
    return g_test_run();
}
