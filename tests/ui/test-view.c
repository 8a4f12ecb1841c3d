/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view.h"

static LkView view_of(double photo_width, double photo_height, double width, double height)
{
    LkView view = {.fitted = TRUE, .scale = 1};

    lk_view_set_size(&view, width, height, 10);
    lk_view_set_photo(&view, photo_width, photo_height);
    return view;
}

static void test_fit(void)
{
    LkView view = view_of(400, 200, 220, 520);
    LkRect bounds = lk_view_bounds(&view);

    g_assert_cmpfloat_with_epsilon(view.scale, 0.5, 1e-9);
    g_assert_cmpint(bounds.width, ==, 200);
    g_assert_cmpint(bounds.height, ==, 100);
    g_assert_cmpint(bounds.x, ==, 10);
    g_assert_cmpint(bounds.y, ==, 210);
    lk_view_set_size(&view, 420, 520, 10); /* fitted stays fitted */
    g_assert_cmpint(lk_view_bounds(&view).width, ==, 400);
}

static double under(const LkView *view, double x)
{
    return view->centre_x + (x - view->width / 2) / view->scale;
}

static void test_zoom_keeps_the_point(void)
{
    LkView view = view_of(4000, 3000, 800, 600);
    double before;

    lk_view_zoom(&view, 1, 400, 300);
    before = under(&view, 500);
    lk_view_zoom(&view, 3, 500, 200);
    g_assert_cmpfloat_with_epsilon(under(&view, 500), before, 1e-6);
    g_assert_false(view.fitted);
    lk_view_zoom(&view, 1e9, 0, 0);
    g_assert_cmpfloat(view.scale, ==, LK_VIEW_MAX_SCALE);
    lk_view_zoom(&view, 0, 0, 0);
    g_assert_cmpfloat(view.scale, ==, lk_view_fit_scale(&view));
    g_assert_true(view.fitted);
}

static void test_pan_leaves_no_gap(void)
{
    LkView view = view_of(4000, 300, 800, 600);
    LkRect bounds;

    lk_view_zoom(&view, 1, 400, 300);
    lk_view_pan(&view, 1e6, 1e6);
    bounds = lk_view_bounds(&view);
    g_assert_cmpint(bounds.x, ==, 0);
    g_assert_cmpint(bounds.y, ==, 150); /* lower than the widget: centred */
    lk_view_pan(&view, -1e6, 0);
    bounds = lk_view_bounds(&view);
    g_assert_cmpint(bounds.x + bounds.width, ==, 800);
}

static void test_visible(void)
{
    LkView view = view_of(4000, 3000, 800, 600);
    LkRect visible = lk_view_visible(&view);

    g_assert_cmpint(visible.width, ==, 4000);
    lk_view_zoom(&view, 1, 400, 300);
    visible = lk_view_visible(&view);
    g_assert_cmpint(visible.x, <=, view.centre_x - 400);
    g_assert_cmpint(visible.x + visible.width, >=, view.centre_x + 400);
    g_assert_cmpint(visible.width, <, 2000);
    lk_view_pan(&view, 1e6, 1e6);
    visible = lk_view_visible(&view);
    g_assert_cmpint(visible.x, ==, 0);
    g_assert_cmpint(visible.y, ==, 0);
}

static void test_empty(void)
{
    LkView view = {.fitted = TRUE, .scale = 1};

    lk_view_zoom(&view, 2, 0, 0);
    lk_view_pan(&view, 5, 5);
    g_assert_cmpint(lk_view_bounds(&view).width, ==, 0);
    g_assert_cmpint(lk_view_visible(&view).width, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/view/fit", test_fit);
    g_test_add_func("/view/zoom-keeps-the-point", test_zoom_keeps_the_point);
    g_test_add_func("/view/pan-leaves-no-gap", test_pan_leaves_no_gap);
    g_test_add_func("/view/visible", test_visible);
    g_test_add_func("/view/empty", test_empty);
    return g_test_run();
}
