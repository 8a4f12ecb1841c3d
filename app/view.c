/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view.h"

#include <math.h>

static gboolean is_empty(const LkView *view)
{
    return view->photo_width <= 0 || view->photo_height <= 0 || view->width <= 0 || view->height <= 0;
}

double lk_view_fit_scale(const LkView *view)
{
    double room_x = MAX(view->width - 2 * view->padding, 1);
    double room_y = MAX(view->height - 2 * view->padding, 1);

    if (is_empty(view))
        return 1;
    return MIN(room_x / view->photo_width, room_y / view->photo_height);
}

/* An axis on which the photo is smaller than the widget is centred; on others no gap opens at an edge. */
static double clamp_centre(double centre, double photo, double widget, double scale)
{
    double half = widget / 2 / scale;

    return photo <= 2 * half ? photo / 2 : CLAMP(centre, half, photo - half);
}

static void settle(LkView *view)
{
    if (is_empty(view))
        return;
    if (view->fitted)
        view->scale = lk_view_fit_scale(view);
    view->centre_x = clamp_centre(view->centre_x, view->photo_width, view->width, view->scale);
    view->centre_y = clamp_centre(view->centre_y, view->photo_height, view->height, view->scale);
}

void lk_view_set_photo(LkView *view, double width, double height)
{
    if (width == view->photo_width && height == view->photo_height)
        return;
    view->photo_width = width;
    view->photo_height = height;
    lk_view_fit(view);
}

void lk_view_set_size(LkView *view, double width, double height, double padding)
{
    view->width = width;
    view->height = height;
    view->padding = padding;
    settle(view);
}

void lk_view_fit(LkView *view)
{
    view->fitted = TRUE;
    settle(view);
}

void lk_view_zoom(LkView *view, double scale, double x, double y)
{
    double fit = lk_view_fit_scale(view);
    double right = x - view->width / 2, below = y - view->height / 2;

    if (is_empty(view))
        return;
    scale = CLAMP(scale, MIN(fit, 1), MAX(LK_VIEW_MAX_SCALE, fit));
    view->centre_x += right / view->scale - right / scale;
    view->centre_y += below / view->scale - below / scale;
    view->scale = scale;
    view->fitted = fabs(scale - fit) < 1e-6 * fit;
    settle(view);
}

void lk_view_pan(LkView *view, double dx, double dy)
{
    if (is_empty(view))
        return;
    view->centre_x -= dx / view->scale;
    view->centre_y -= dy / view->scale;
    settle(view);
}

LkRect lk_view_bounds(const LkView *view)
{
    if (is_empty(view))
        return (LkRect){0};
    return (LkRect){
        .x = (int)lround(view->width / 2 - view->centre_x * view->scale),
        .y = (int)lround(view->height / 2 - view->centre_y * view->scale),
        .width = (int)MAX(lround(view->photo_width * view->scale), 1),
        .height = (int)MAX(lround(view->photo_height * view->scale), 1),
    };
}

static void visible_span(double centre, double photo, double widget, double scale, int *start, int *length)
{
    double half = 0.75 * widget / scale; /* half of the widget, and half as much again */
    double end = MIN(ceil(centre + half), photo);

    *start = (int)MAX(floor(centre - half), 0);
    *length = (int)MAX(end - *start, 1);
}

LkRect lk_view_visible(const LkView *view)
{
    LkRect rect = {0};

    if (is_empty(view))
        return rect;
    visible_span(view->centre_x, view->photo_width, view->width, view->scale, &rect.x, &rect.width);
    visible_span(view->centre_y, view->photo_height, view->height, view->scale, &rect.y, &rect.height);
    return rect;
}
