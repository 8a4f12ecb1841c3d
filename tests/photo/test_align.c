/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The FFHQ square: its geometry, what a crop shows, and what a paste touches.
 */
#include "align.h"
#include "pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A face whose eyes are 80 apart and 100 above the mouth, turned by angle about (200, 150), the point between the eyes. */
static void make_face(double angle, double landmarks[LK_N_LANDMARKS][2])
{
    double c = cos(angle), s = sin(angle);

    memset(landmarks, 0, sizeof(double) * 2 * LK_N_LANDMARKS);
    for (int i = 36; i < 55; i++) {
        double x = i < 42 ? -40.0 : i < 48 ? 40.0 : i == 48 ? -30.0 : 30.0, y = i < 48 ? 0.0 : 100.0;

        /* An eye's six points lie around its centre. */
        if (i < 48)
            x += i % 2 ? 7.0 : -7.0;
        landmarks[i][0] = 200.0 + c * x - s * y;
        landmarks[i][1] = 150.0 + s * x + c * y;
    }
}

static void test_quad(void)
{
    for (double angle = -0.7; angle <= 0.7; angle += 0.35) {
        double landmarks[LK_N_LANDMARKS][2], c = cos(angle), s = sin(angle);
        LkQuad quad, same;

        make_face(angle, landmarks);
        quad = lk_quad_from_landmarks(landmarks);
        const double eyes[2][2] = {{200.0 - c * 40.0, 150.0 - s * 40.0},
                                   {200.0 + c * 40.0, 150.0 + s * 40.0}};
        const double mouth[2][2] = {{landmarks[54][0], landmarks[54][1]},
                                    {landmarks[48][0], landmarks[48][1]}};
        g_assert_true(lk_quad_from_points(eyes, mouth, &same));
        g_assert_cmpfloat_with_epsilon(same.centre[0], quad.centre[0], 1e-9);
        g_assert_cmpfloat_with_epsilon(same.y[1], quad.y[1], 1e-9);
        /* Half side max(80 * 2, 100 * 1.8), centre a tenth of the way down to the mouth. */
        g_assert_cmpfloat_with_epsilon(quad.centre[0], 200.0 - s * 10.0, 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.centre[1], 150.0 + c * 10.0, 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.x[0], c * 180.0, 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.x[1], s * 180.0, 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.y[0], -s * 180.0, 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.y[1], c * 180.0, 1e-9);
    }
}

/* All the way around, with the eyes in either order. */
static void test_points(void)
{
    for (double angle = 0; angle < 6.28; angle += 0.4) {
        const double c = cos(angle), s = sin(angle);
        const double left[] = {200 - 40 * c, 150 - 40 * s}, right[] = {200 + 40 * c, 150 + 40 * s};
        const double mouth[2][2] = {{200 - 100 * s, 150 + 100 * c}, {200 - 100 * s, 150 + 100 * c}};
        const double eyes[2][2] = {{left[0], left[1]}, {right[0], right[1]}};
        const double swapped[2][2] = {{right[0], right[1]}, {left[0], left[1]}};
        LkQuad quad, same;

        g_assert_true(lk_quad_from_points(eyes, mouth, &quad));
        g_assert_true(lk_quad_from_points(swapped, mouth, &same));
        g_assert_cmpfloat_with_epsilon(quad.x[0], same.x[0], 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.x[1], same.x[1], 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.x[0], c * 180.0, 1e-9);
        g_assert_cmpfloat_with_epsilon(quad.x[1], s * 180.0, 1e-9);
    }
}

static void test_no_face_of_points(void)
{
    static const double points[][4][2] = {
        {{100, 100}, {100, 100}, {90, 160}, {110, 160}}, /* one eye */
        {{80, 100}, {120, 100}, {90, 100}, {110, 100}},  /* the mouth between the eyes */
        {{80, 100}, {120, 100}, {160, 100}, {170, 100}}, /* beside them */
        {{0, 100}, {400, 100}, {195, 110}, {205, 110}},  /* far too near to them */
        {{99, 100}, {102, 100}, {90, 400}, {110, 400}},  /* far too far away */
    };
    LkQuad quad = {0};

    for (guint i = 0; i < G_N_ELEMENTS(points); i++) {
        g_assert_false(lk_quad_from_points(points[i], points[i] + 2, &quad));
        g_assert_cmpfloat(quad.x[0], ==, 0);
    }
}

static void test_quad_wide_eyes(void)
{
    double landmarks[LK_N_LANDMARKS][2];
    LkQuad quad;

    make_face(0.0, landmarks);
    for (int i = 48; i < 55; i++)
        landmarks[i][1] -= 40.0; /* mouth at 60 */
    quad = lk_quad_from_landmarks(landmarks);
    g_assert_cmpfloat_with_epsilon(quad.x[0], 160.0, 1e-9);
    g_assert_cmpfloat_with_epsilon(quad.centre[1], 156.0, 1e-9);
}

static void test_quad_degenerate(void)
{
    double landmarks[LK_N_LANDMARKS][2] = {{0}};
    LkQuad quad = lk_quad_from_landmarks(landmarks);

    g_assert_true(isfinite(quad.x[0]) && isfinite(quad.x[1]));
}

/* An aligned crop is taken as the networks' preprocessing says: by lk_photo_resize alone. */
static void test_whole(void)
{
    g_autoptr(LkPhoto) photo = test_picture(96, 96);
    LkQuad quad = lk_quad_whole(photo);
    g_autoptr(LkPhoto) same = lk_crop(photo, &quad, 96), small = lk_crop(photo, &quad, 41);
    g_autoptr(LkPhoto) resized = lk_photo_resize(photo, 41, 41);

    g_assert_cmpint(test_max_difference(photo, same), ==, 0);
    g_assert_cmpint(test_max_difference(resized, small), ==, 0);
}

/* test_picture's red and green are linear in x and y, which makes a crop's right colours known everywhere. */
static void check_crop(const LkQuad *quad, guint side)
{
    const guint width = 400, height = 300;
    g_autoptr(LkPhoto) photo = test_picture(width, height), crop = lk_crop(photo, quad, side);
    const LkQuad place = lk_crop_place(photo, quad, side);

    for (guint v = 0; v < side; v++) {
        for (guint u = 0; u < side; u++) {
            double s = 2.0 * (u + 0.5) / side - 1.0, t = 2.0 * (v + 0.5) / side - 1.0;
            double x = place.centre[0] + s * place.x[0] + t * place.y[0] - 0.5;
            double y = place.centre[1] + s * place.x[1] + t * place.y[1] - 0.5;
            const guint8 *pixel = test_pixel(crop, u, v);

            g_assert_cmpfloat_with_epsilon(pixel[0], 25.0 + 200.0 * x / width, 2.1);
            g_assert_cmpfloat_with_epsilon(pixel[1], 230.0 - 190.0 * y / height, 2.1);
            g_assert_cmpuint(pixel[3], ==, 0xff);
        }
    }
}

static void test_crop(void)
{
    static const guint sides[] = {300, 128, 64, 31, 7};
    const LkQuad straight = {{200.3, 150.0}, {100.0, 0.0}, {0.0, 100.0}};
    const LkQuad turned = {{190.0, 149.5}, {90.0, 40.0}, {-40.0, 90.0}};

    for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
        check_crop(&straight, sides[i]);
        check_crop(&turned, sides[i]);
    }
}

/* Nothing may alias: fine stripes shrunk a lot become flat grey. */
static void test_crop_filters(void)
{
    g_autofree guint8 *pixels = g_malloc(512 * 512 * 4);
    const LkQuad quad = {{256.0, 256.0}, {200.0, 60.0}, {-60.0, 200.0}};
    g_autoptr(LkPhoto) photo = NULL, crop = NULL;

    for (guint i = 0; i < 512 * 512; i++)
        memset(pixels + 4 * i, i % 2 ? 0xff : 0, 3), pixels[4 * i + 3] = 0xff;
    photo = lk_photo_new(512, 512, pixels);
    crop = lk_crop(photo, &quad, 48);
    for (guint i = 0; i < 48 * 48; i++)
        g_assert_cmpint(abs(lk_photo_pixels(crop)[4 * i] - 128), <=, 6);
}

/* A square that leaves the photo sees it mirrored, ever more blurred, and far outside one colour only. */
static void test_crop_pads(void)
{
    g_autoptr(LkPhoto) photo = test_picture(200, 200);
    const LkQuad quad = {{0.5, 100.0}, {50.0, 0.0}, {0.0, 50.0}},
                 far = {{-80.0, 100.0}, {100.0, 0.0}, {0.0, 100.0}};
    g_autoptr(LkPhoto) crop = lk_crop(photo, &quad, 101), outside = lk_crop(photo, &far, 100);

    for (guint v = 0; v < 101; v++) {
        for (guint u = 45; u < 50; u++)
            for (int c = 0; c < 3; c++)
                g_assert_cmpint(abs(test_pixel(crop, u, v)[c] - test_pixel(crop, 100 - u, v)[c]), <=, 40);
    }
    for (guint v = 1; v < 100; v++)
        for (int c = 0; c < 3; c++)
            g_assert_cmpint(abs(test_pixel(outside, 0, v)[c] - test_pixel(outside, 0, v - 1)[c]), <=, 3);
}

static gboolean is_inside(const LkQuad *quad, double x, double y)
{
    double dx = x - quad->centre[0], dy = y - quad->centre[1];
    double square = quad->x[0] * quad->x[0] + quad->x[1] * quad->x[1];

    return fabs(dx * quad->x[0] + dy * quad->x[1]) < square &&
           fabs(dx * quad->y[0] + dy * quad->y[1]) < square;
}

/* A crop pasted where it came from changes little, whatever its size; outside the square, nothing at all. */
static void test_paste_back(void)
{
    static const LkQuad quads[] = {
        {{200.3, 150.0}, {100.0, 0.0}, {0.0, 100.0}},
        {{190.0, 149.5}, {90.0, 40.0}, {-40.0, 90.0}},
        {{30.0, 20.0}, {80.0, -20.0}, {20.0, 80.0}},
    };
    static const guint sides[] = {128, 200, 512};
    g_autoptr(LkPhoto) photo = test_picture(400, 300);

    for (guint i = 0; i < G_N_ELEMENTS(quads) * G_N_ELEMENTS(sides); i++) {
        LkQuad place = lk_crop_place(photo, &quads[i % 3], sides[i / 3]);
        g_autoptr(LkPhoto) crop = lk_crop(photo, &quads[i % 3], sides[i / 3]);
        g_autoptr(LkPhoto) pasted = lk_paste(photo, &place, crop);

        /* A crop that leaves the photo is blurred a little before the photo's edge. */
        g_assert_cmpint(test_max_difference(photo, pasted), <=, i % 3 == 2 ? 8 : 3);
    }
}

static void test_paste_bounds(void)
{
    const LkQuad quad = {{190.0, 149.5}, {90.0, 40.0}, {-40.0, 90.0}};
    g_autoptr(LkPhoto) photo = test_picture(400, 300), pasted = NULL, black = NULL;
    g_autofree guint8 *pixels = g_malloc0(64 * 64 * 4);
    guint n_dark = 0;

    black = lk_photo_new(64, 64, pixels);
    pasted = lk_paste(photo, &quad, black);
    for (guint y = 0; y < 300; y++) {
        for (guint x = 0; x < 400; x++) {
            const guint8 *pixel = test_pixel(pasted, x, y);

            if (!is_inside(&quad, x + 0.5, y + 0.5))
                g_assert_cmpmem(pixel, 4, test_pixel(photo, x, y), 4);
            g_assert_cmpuint(pixel[3], ==, 0xff);
            n_dark += pixel[0] == 0 && pixel[1] == 0 && pixel[2] == 0;
        }
    }
    g_assert_cmpuint(n_dark, >, (guint)(0.5 * 4 * (90 * 90 + 40 * 40)));
    /* The way from photo to crop has no step. */
    for (guint x = 80; x < 300; x++)
        g_assert_cmpint(abs(test_pixel(pasted, x, 150)[1] - test_pixel(pasted, x - 1, 150)[1]), <, 20);
}

/* Squares far away or without area do no harm. */
static void test_odd_squares(void)
{
    static const LkQuad odd[] = {
        {{-5000.0, 150.0}, {100.0, 0.0}, {0.0, 100.0}},
        {{50.0, 50.0}, {0.01, 0.0}, {0.0, 0.01}},
        {{50.0, 50.0}, {900.0, 0.0}, {0.0, 900.0}},
    };
    g_autoptr(LkPhoto) photo = test_picture(100, 100);

    for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(LkPhoto) crop = lk_crop(photo, &odd[i], 32), pasted = lk_paste(photo, &odd[i], crop);

        g_assert_cmpuint(lk_photo_width(crop), ==, 32);
        g_assert_cmpuint(lk_photo_width(pasted), ==, 100);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/align/quad", test_quad);
    g_test_add_func("/align/quad-wide-eyes", test_quad_wide_eyes);
    g_test_add_func("/align/points", test_points);
    g_test_add_func("/align/no-face-of-points", test_no_face_of_points);
    g_test_add_func("/align/quad-degenerate", test_quad_degenerate);
    g_test_add_func("/align/whole", test_whole);
    g_test_add_func("/align/crop", test_crop);
    g_test_add_func("/align/crop-filters", test_crop_filters);
    g_test_add_func("/align/crop-pads", test_crop_pads);
    g_test_add_func("/align/paste-back", test_paste_back);
    g_test_add_func("/align/paste-bounds", test_paste_bounds);
    g_test_add_func("/align/odd-squares", test_odd_squares);
    return g_test_run();
}
