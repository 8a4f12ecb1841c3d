/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an edit changes in a photo, on pictures whose right answer is known.
 */
#include "bands.h"
#include "flow.h"
#include "patch.h"
#include "pictures.h"
#include "planes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 700, HEIGHT = 600, NET = 128 };

static const LkQuad turned = {{350.0, 290.0}, {180.0, 50.0}, {-50.0, 180.0}};
static const LkQuad cut_off = {{90.0, 80.0}, {150.0, -30.0}, {30.0, 150.0}};
static const LkQuad straight = {{350.0, 300.0}, {192.0, 0.0}, {0.0, 192.0}};

typedef int Change(int x, int y, int c);

/* A picture with the change added. */
static LkPhoto *with(const LkPhoto *photo, Change *change)
{
    const guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    g_autofree guint8 *pixels = g_memdup2(lk_photo_pixels(photo), (gsize)width * height * 4);

    for (guint i = 0; i < width * height; i++)
        for (guint c = 0; c < 3; c++)
            pixels[4 * i + c] =
                (guint8)CLAMP(pixels[4 * i + c] + change((int)(i % width), (int)(i / width), (int)c), 0, 255);
    return lk_photo_new(width, height, pixels);
}

/* Detail that no network's picture of the face holds. */
static int grain(int x, int y, int c)
{
    return (int)((guint)(x * 7919 + y * 104729 + c * 31) * 2654435761u >> 28) - 8;
}

/* Shapes that stand out, for a motion to be seen by. */
static int blobs(int x, int y, int c)
{
    return (int)(25.0 * sin(x * 0.11) * sin(y * 0.13)) + 0 * c;
}

static LkPhoto *sharp_photo(void)
{
    g_autoptr(LkPhoto) smooth = test_picture(WIDTH, HEIGHT), shapes = with(smooth, blobs);

    return with(shapes, grain);
}

static LkPhoto *apply(LkPhoto *photo, const LkPatch *patch)
{
    const LkPatch *patches[] = {patch};

    return lk_patch_apply(photo, patches, 1);
}

/* Where a pixel lies in a quad: -1 to 1. */
static void locate(const LkQuad *quad, guint x, guint y, double *s, double *t)
{
    double dx = x + 0.5 - quad->centre[0], dy = y + 0.5 - quad->centre[1];
    double square = quad->x[0] * quad->x[0] + quad->x[1] * quad->x[1];

    *s = (dx * quad->x[0] + dy * quad->x[1]) / square;
    *t = (dx * quad->y[0] + dy * quad->y[1]) / square;
}

static void test_zero(void)
{
    g_autoptr(LkPhoto) photo = sharp_photo(), inversion = lk_crop(photo, &turned, NET);
    g_autoptr(LkPhoto) same = lk_photo_new(NET, NET, lk_photo_pixels(inversion));
    g_autoptr(LkPatch) patch = lk_patch_new(photo, &turned, inversion, same, 1.0);
    g_autoptr(LkPhoto) result = apply(photo, patch);

    g_assert_cmpuint(patch->width, ==, 0);
    g_assert_cmpuint(patch->height, ==, 0);
    g_assert_cmpint(test_max_difference(photo, result), ==, 0);
}

static int flicker(int x, int y, int c)
{
    return (x * 3 + y * 5 + c) % 3 - 1;
}

/* What an edit does to hair and background without meaning it is not done. */
static void test_flicker(void)
{
    g_autoptr(LkPhoto) photo = sharp_photo(), inversion = lk_crop(photo, &turned, NET);
    g_autoptr(LkPhoto) edited = with(inversion, flicker);
    g_autoptr(LkPatch) patch = lk_patch_new(photo, &turned, inversion, edited, 0.0);
    g_autoptr(LkPhoto) result = apply(photo, patch);

    g_assert_cmpint(test_max_difference(photo, result), ==, 0);
}

static int tone(int x, int y, int c)
{
    double r = hypot(x - NET / 2, y - NET / 2) / (NET / 3.0);

    return r < 1.0 ? (int)lround((c == 0 ? 30.0 : -12.0) * pow(cos(r * G_PI / 2.0), 2.0)) : 0;
}

/* Skin that only changes its tone: the whole change arrives, and the photo's detail stays to the last bit of rounding. */
static void test_tone(void)
{
    static const guint nets[] = {NET, 4 * NET, 16 * NET};
    g_autoptr(LkPhoto) photo = sharp_photo();

    for (guint i = 0; i < G_N_ELEMENTS(nets); i++) {
        g_autoptr(LkPhoto) small = lk_crop(photo, &turned, NET), toned = with(small, tone);
        g_autoptr(LkPhoto) inversion = lk_photo_resize(small, nets[i], nets[i]);
        g_autoptr(LkPhoto) edited = lk_photo_resize(toned, nets[i], nets[i]);
        g_autoptr(LkPatch) patch = lk_patch_new(photo, &turned, inversion, edited, 1.0);
        g_autoptr(LkPhoto) result = apply(photo, patch);

        for (guint y = 0; y < HEIGHT; y++) {
            for (guint x = 0; x < WIDTH; x++) {
                const guint8 *from = test_pixel(photo, x, y), *to = test_pixel(result, x, y);
                double s, t, r;

                locate(&turned, x, y, &s, &t);
                r = hypot(s, t);
                for (guint c = 0; c < 3; c++) {
                    int u = (int)floor((s + 1.0) / 2.0 * NET), v = (int)floor((t + 1.0) / 2.0 * NET);

                    if (r < 0.35 && from[c] > 30 && from[c] < 220)
                        g_assert_cmpint(abs(to[c] - from[c] - tone(u, v, (int)c)), <=, 5);
                    if (r > 0.85)
                        g_assert_cmpint(to[c], ==, from[c]);
                }
                g_assert_cmpint(to[3], ==, from[3]);
            }
        }
    }
}

static int much(int x, int y, int c)
{
    return (x + y + c) % 2 ? 60 : 64;
}

static int error_of(int x, int y, int c)
{
    return 12 - 6 * c + 0 * (x + y);
}

/* However much an edit changes at the square's border, there is no step, and nothing outside of it changes. */
static void test_border(void)
{
    static const LkQuad *const quads[] = {&turned, &cut_off, &straight};
    g_autoptr(LkPhoto) photo = sharp_photo();

    for (guint i = 0; i < 2 * G_N_ELEMENTS(quads); i++) {
        const LkQuad *quad = quads[i / 2];
        g_autoptr(LkPhoto) inversion = lk_crop(photo, quad, NET), edited = with(inversion, much);
        g_autoptr(LkPatch) patch = lk_patch_new(photo, quad, inversion, edited, i % 2);
        g_autoptr(LkPhoto) result = apply(photo, patch);
        guint n = 0;

        for (guint y = 0; y < HEIGHT; y++) {
            for (guint x = 0; x < WIDTH; x++) {
                double s, t;

                locate(quad, x, y, &s, &t);
                if (MAX(fabs(s), fabs(t)) >= 1.0)
                    g_assert_cmpmem(test_pixel(photo, x, y), 4, test_pixel(result, x, y), 4);
                else if (MAX(fabs(s), fabs(t)) > 0.99)
                    for (guint c = 0; c < 3; c++)
                        g_assert_cmpint(abs(test_pixel(photo, x, y)[c] - test_pixel(result, x, y)[c]), <=, 2);
                n += test_pixel(result, x, y)[1] > test_pixel(photo, x, y)[1] + 30;
            }
        }
        g_assert_cmpuint(n, >, 20000);
    }
}

/* An inversion of the wrong colour does not colour the photo, with or without detail. */
static void test_colour(void)
{
    g_autoptr(LkPhoto) photo = sharp_photo(), crop = lk_crop(photo, &turned, NET);
    g_autoptr(LkPhoto) inversion = with(crop, error_of), edited = with(inversion, tone);

    for (guint i = 0; i < 2; i++) {
        g_autoptr(LkPatch) patch = lk_patch_new(photo, &turned, inversion, edited, i);
        g_autoptr(LkPhoto) result = apply(photo, patch);
        double sum[3] = {0.0};
        guint n = 0;

        for (guint y = 280; y < 300; y++)
            for (guint x = 340; x < 360; x++, n++)
                for (guint c = 0; c < 3; c++)
                    sum[c] += test_pixel(result, x, y)[c] - test_pixel(photo, x, y)[c];
        g_assert_cmpfloat_with_epsilon(sum[0] / n, 29.5, 2.5);
        g_assert_cmpfloat_with_epsilon(sum[1] / n, -11.7, 2.5);
        g_assert_cmpfloat_with_epsilon(sum[2] / n, -11.7, 2.5);
    }
}

/* Without kept detail the network's own picture shows; with it, the photo's sharpness. */
static double roughness(const LkPhoto *photo)
{
    double sum = 0.0;

    for (guint y = 280; y < 320; y++)
        for (guint x = 340; x < 380; x++)
            sum += abs(test_pixel(photo, x, y)[1] - test_pixel(photo, x + 1, y)[1]);
    return sum / 1600;
}

static void test_detail(void)
{
    g_autoptr(LkPhoto) photo = sharp_photo(), inversion = lk_crop(photo, &turned, NET);
    g_autoptr(LkPhoto) edited = with(inversion, tone);
    g_autoptr(LkPatch) none = lk_patch_new(photo, &turned, inversion, edited, 0.0);
    g_autoptr(LkPatch) half = lk_patch_new(photo, &turned, inversion, edited, 0.5);
    g_autoptr(LkPatch) all = lk_patch_new(photo, &turned, inversion, edited, 1.0);
    g_autoptr(LkPhoto) a = apply(photo, none), b = apply(photo, half), c = apply(photo, all);

    g_assert_cmpfloat(roughness(a), <, 0.3 * roughness(photo));
    g_assert_cmpfloat(roughness(a), <, roughness(b));
    g_assert_cmpfloat(roughness(b), <, roughness(c));
    g_assert_cmpfloat_with_epsilon(roughness(c), roughness(photo), 0.3);
}

/* A face that turns takes its detail with it: the photo moved by the same amount is what must come out. */
static void test_motion(void)
{
    g_autoptr(LkPhoto) photo = sharp_photo(), inversion = lk_crop(photo, &straight, NET);
    LkQuad from = straight;
    g_autoptr(LkPhoto) edited = NULL, result = NULL;
    g_autoptr(LkPatch) patch = NULL;
    double moved = 0.0, still = 0.0;

    from.centre[0] -= 9.0; /* three of the network's pixels */
    edited = lk_crop(photo, &from, NET);
    patch = lk_patch_new(photo, &straight, inversion, edited, 1.0);
    result = apply(photo, patch);
    for (guint y = 230; y < 370; y++) {
        for (guint x = 280; x < 420; x++) {
            moved += abs(test_pixel(result, x, y)[1] - test_pixel(photo, x - 9, y)[1]);
            still += abs(test_pixel(photo, x, y)[1] - test_pixel(photo, x - 9, y)[1]);
        }
    }
    g_test_message("mean difference to the moved photo %.2f, of the photo itself %.2f", moved / 19600,
                   still / 19600);
    g_assert_cmpfloat(moved, <, 0.45 * still);
}

static LkPhoto *disc_photo(double centre)
{
    g_autofree guint8 *pixels = g_new(guint8, WIDTH * HEIGHT * 4);

    for (guint y = 0; y < HEIGHT; y++)
        for (guint x = 0; x < WIDTH; x++) {
            double share = CLAMP(100.0 - hypot(x - centre, y - 300.0), 0.0, 1.0);

            memset(pixels + 4 * (y * WIDTH + x), 255, 4);
            for (guint c = 0; c < 3; c++)
                pixels[4 * (y * WIDTH + x) + c] = (guint8)(150.0 - 40.0 * share);
        }
    return lk_photo_new(WIDTH, HEIGHT, pixels);
}

/* Where a head moves away from, nothing of its outline stays: a narrow strip is changed in full, not in part. */
static void test_uncovered(void)
{
    for (guint moved = 3; moved <= 12; moved += 3) { /* one to four of the network's pixels */
        g_autoptr(LkPhoto) photo = disc_photo(350.0), there = disc_photo(350.0 - moved);
        g_autoptr(LkPhoto) inversion = lk_crop(photo, &straight, NET),
                           edited = lk_crop(there, &straight, NET);

        for (guint detail = 0; detail < 2; detail++) {
            g_autoptr(LkPatch) patch = lk_patch_new(photo, &straight, inversion, edited, detail);
            g_autoptr(LkPhoto) result = apply(photo, patch);
            int worst = 0;

            /* But for two of the network's pixels beside the new outline, which is soft. */
            for (guint x = 450 - moved + 6; x < 480; x++)
                worst = MAX(worst, abs(test_pixel(result, x, 300)[1] - 150));
            g_test_message("moved by %u, detail %u: %d left", moved, detail, worst);
            g_assert_cmpint(worst, <=, 2);
        }
    }
}

/* The flow itself: a picture moved by a known, large and smooth motion, darker and with less contrast. */
static void test_flow(void)
{
    enum { SIDE = LK_FLOW_SIDE, N = SIDE * SIDE };
    g_autofree float *from = g_new(float, N), *to = g_new(float, N), *x = g_new(float, N),
                     *y = g_new(float, N);
    double error = 0.0;
    guint n = 0;

    for (guint i = 0; i < N; i++) {
        float u = (float)(i % SIDE), v = (float)(i / SIDE);

        from[i] = 0.5f + 0.2f * sinf(0.31f * u + 0.05f * v) * cosf(0.23f * v) + 0.1f * sinf(0.13f * (u - v));
    }
    for (guint i = 0; i < N; i++) {
        float u = (float)(i % SIDE), v = (float)(i / SIDE);

        to[i] = 0.2f + 0.6f * lk_plane_sample(from, SIDE, u - 4.0f - 0.02f * v, v + 2.0f);
    }
    lk_flow_find(from, to, x, y);
    for (guint i = 0; i < N; i++) {
        guint u = i % SIDE, v = i / SIDE;

        if (u < 16 || v < 16 || u >= SIDE - 16 || v >= SIDE - 16)
            continue;
        error += hypot(x[i] - 4.0 - 0.02 * v, y[i] + 2.0);
        n++;
    }
    g_test_message("mean error of the flow %.3f pixels", error / n);
    g_assert_cmpfloat(error / n, <, 0.3);
}

/* Two faces in one photo; and a face so small that the network's picture must be shrunk. */
static void test_several(void)
{
    static const LkQuad small = {{600.0, 500.0}, {20.0, 3.0}, {-3.0, 20.0}};
    g_autoptr(LkPhoto) photo = sharp_photo(), one = lk_crop(photo, &turned, NET),
                       two = lk_crop(photo, &small, NET);
    g_autoptr(LkPhoto) one_edited = with(one, much), two_edited = with(two, much);
    g_autoptr(LkPatch) first = lk_patch_new(photo, &turned, one, one_edited, 1.0);
    g_autoptr(LkPatch) second = lk_patch_new(photo, &small, two, two_edited, 1.0);
    const LkPatch *patches[] = {first, second};
    g_autoptr(LkPhoto) both = lk_patch_apply(photo, patches, 2), alone = apply(photo, second);

    g_assert_cmpuint(second->width, <, 60);
    g_assert_cmpint(test_pixel(both, 600, 500)[1], >, test_pixel(photo, 600, 500)[1] + 40);
    g_assert_cmpmem(test_pixel(both, 600, 500), 4, test_pixel(alone, 600, 500), 4);
    g_assert_cmpint(test_pixel(both, 350, 290)[1], >, test_pixel(photo, 350, 290)[1] + 40);
}

/* However many threads share the work, not a bit is different. */
static void test_threads(void)
{
    static const LkQuad small = {{300.0, 280.0}, {20.0, 3.0}, {-3.0, 20.0}};
    static const LkQuad *const quads[] = {&turned, &cut_off, &straight, &small};
    g_autoptr(LkPhoto) photo = sharp_photo();

    for (guint i = 0; i < G_N_ELEMENTS(quads); i++) {
        LkQuad from = *quads[i];
        g_autoptr(LkPhoto) inversion = lk_crop(photo, quads[i], NET), moved = NULL, edited = NULL;
        g_autoptr(LkPatch) alone = NULL;

        from.centre[0] -= 0.03 * hypot(from.x[0], from.x[1]);
        moved = lk_crop(photo, &from, NET);
        edited = with(moved, tone);
        lk_bands_set_threads(1);
        alone = lk_patch_new(photo, quads[i], inversion, edited, 0.7);
        g_assert_cmpuint(alone->width, >, 0);
        for (guint n = 2; n < 8; n += 2) {
            g_autoptr(LkPatch) shared = NULL;

            lk_bands_set_threads(n);
            shared = lk_patch_new(photo, quads[i], inversion, edited, 0.7);
            g_assert_cmpuint(shared->width, ==, alone->width);
            g_assert_cmpuint(shared->height, ==, alone->height);
            g_assert_cmpmem(shared->change, (gsize)shared->width * shared->height * 12, alone->change,
                            (gsize)alone->width * alone->height * 12);
        }
    }
    lk_bands_set_threads(0);
}

/* Squares far away, without area or larger than the photo do no harm. */
static void test_odd_squares(void)
{
    static const LkQuad odd[] = {
        {{-5000.0, 150.0}, {100.0, 0.0}, {0.0, 100.0}},
        {{50.0, 50.0}, {0.01, 0.0}, {0.0, 0.01}},
        {{50.0, 50.0}, {900.0, 0.0}, {0.0, 900.0}},
    };
    g_autoptr(LkPhoto) photo = test_picture(100, 100), inversion = test_picture(64, 64),
                       edited = with(inversion, much);

    for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(LkPatch) patch = lk_patch_new(photo, &odd[i], inversion, edited, 0.5);
        g_autoptr(LkPhoto) result = apply(photo, patch);

        g_assert_cmpuint(patch->x + patch->width, <=, 100);
        g_assert_cmpuint(patch->y + patch->height, <=, 100);
        for (gsize k = 0; k < (gsize)patch->width * patch->height * 3; k++)
            g_assert_true(isfinite(patch->change[k]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/patch/zero", test_zero);
    g_test_add_func("/patch/flicker", test_flicker);
    g_test_add_func("/patch/tone", test_tone);
    g_test_add_func("/patch/border", test_border);
    g_test_add_func("/patch/colour", test_colour);
    g_test_add_func("/patch/detail", test_detail);
    g_test_add_func("/patch/motion", test_motion);
    g_test_add_func("/patch/uncovered", test_uncovered);
    g_test_add_func("/patch/flow", test_flow);
    g_test_add_func("/patch/several", test_several);
    g_test_add_func("/patch/threads", test_threads);
    g_test_add_func("/patch/odd-squares", test_odd_squares);
    return g_test_run();
}
