/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Resampling against what Pillow made of the same picture (make_resize_goldens.py).
 */
#include "pictures.h"
#include "resize.h"

#include <string.h>

static LkPhoto *open_golden(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "photo", "resize", name, NULL);
    LkPhoto *photo = lk_photo_open(path, &error);

    g_assert_no_error(error);
    return photo;
}

static void test_pillow(void)
{
    static const guint sizes[][2] = {{64, 64}, {17, 90}, {140, 20}, {130, 100}, {93, 40}, {30, 71}};
    g_autoptr(LkPhoto) source = open_golden("source.png");

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *name = g_strdup_printf("%ux%u.png", sizes[i][0], sizes[i][1]);
        g_autoptr(LkPhoto) golden = open_golden(name);
        g_autoptr(LkPhoto) resized = lk_photo_resize(source, sizes[i][0], sizes[i][1]);

        g_test_message("%s", name);
        g_assert_cmpint(test_max_difference(resized, golden), <=, 1);
        g_assert_cmpfloat(test_mean_difference(resized, golden), <, 0.001);
    }
}

static void test_to_one_pixel(void)
{
    g_autoptr(LkPhoto) source = open_golden("source.png"), golden = open_golden("1x1.png");
    g_autoptr(LkPhoto) resized = lk_photo_resize(source, 1, 1);

    g_assert_cmpmem(lk_photo_pixels(resized), 4, lk_photo_pixels(golden), 4);
}

/* A constant stays what it is, in alpha too. */
static void test_constant(void)
{
    static const guint sizes[][2] = {{5, 7}, {64, 3}, {1000, 1}, {31, 400}};
    guint8 pixels[31 * 17 * 4];

    for (guint i = 0; i < sizeof pixels; i++)
        pixels[i] = (const guint8[]){0, 255, 99, 40}[i % 4];
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(LkPhoto) source = lk_photo_new(31, 17, pixels);
        g_autoptr(LkPhoto) resized = lk_photo_resize(source, sizes[i][0], sizes[i][1]);

        for (guint k = 0; k < sizes[i][0] * sizes[i][1]; k++)
            g_assert_cmpmem(lk_photo_pixels(resized) + 4 * k, 4, pixels, 4);
    }
}

static LkPhoto *cut_out(LkPhoto *photo, guint left, guint top, guint width, guint height)
{
    g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);

    for (guint y = 0; y < height; y++)
        memcpy(pixels + (gsize)4 * width * y,
               lk_photo_pixels(photo) + 4 * ((gsize)(top + y) * lk_photo_width(photo) + left),
               (gsize)4 * width);
    return lk_photo_new(width, height, pixels);
}

/* From no more than what a part depends on: the same pixels, smaller and larger. */
static void test_cut(void)
{
    static const guint sizes[][2] = {{64, 64}, {17, 90}, {140, 20}, {300, 200}};
    g_autoptr(LkPhoto) source = open_golden("source.png");

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const guint width = sizes[i][0], height = sizes[i][1];
        const LkResize resize = {LK_FILTER_BICUBIC,
                                 lk_photo_width(source),
                                 lk_photo_height(source),
                                 width,
                                 height,
                                 width / 3,
                                 height / 4,
                                 width / 2,
                                 height / 2};
        guint left, top, right, bottom;

        lk_resize_reach(&resize, &left, &top, &right, &bottom);
        g_assert_true(left > 0 && top > 0 && right < resize.from_width && bottom < resize.from_height);
        g_autoptr(LkPhoto) cut = cut_out(source, left, top, right - left, bottom - top);
        g_autoptr(LkPhoto) part = lk_photo_resize_cut(cut, left, top, &resize);
        g_autoptr(LkPhoto) whole = lk_photo_resize(source, width, height);
        g_autoptr(LkPhoto) same = cut_out(whole, resize.x, resize.y, resize.part_width, resize.part_height);
        g_assert_cmpint(test_max_difference(part, same), ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resize/pillow", test_pillow);
    g_test_add_func("/resize/one-pixel", test_to_one_pixel);
    g_test_add_func("/resize/constant", test_constant);
    g_test_add_func("/resize/cut", test_cut);
    return g_test_run();
}
