/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * view.h - which part of a photo is seen, and how large: zoom and pan as arithmetic, free of GTK.
 *
 * All sizes of the widget's side are device pixels, so that 1:1 is one photo pixel on one screen pixel at any
 * scale factor.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    double photo_width, photo_height; /* photo pixels; 0: no photo */
    double width, height;             /* the widget */
    double padding;                   /* kept free around the photo when it is fitted */
    gboolean fitted;                  /* scale and centre follow the widget's size */
    double scale;                     /* device pixels per photo pixel */
    double centre_x, centre_y;        /* photo pixel in the middle of the widget */
} LkView;

typedef struct {
    int x, y, width, height;
} LkRect;

#define LK_VIEW_MAX_SCALE 16.0

/* A photo of another size: fitted. */
void lk_view_set_photo(LkView *view, double width, double height);
void lk_view_set_size(LkView *view, double width, double height, double padding);

/* The scale at which the whole photo just fits. */
double lk_view_fit_scale(const LkView *view);
void lk_view_fit(LkView *view);

/* Sets the scale (clamped) so that the photo's point under (x, y) stays there. */
void lk_view_zoom(LkView *view, double scale, double x, double y);

/* Moves the photo by device pixels; it never leaves the widget's edge uncovered where it is larger than the
 * widget. */
void lk_view_pan(LkView *view, double dx, double dy);

/* The photo's rectangle in the widget, on whole device pixels. */
LkRect lk_view_bounds(const LkView *view);

/* The part of the photo in sight, in photo pixels, with a margin of a quarter of it to pan into. */
LkRect lk_view_visible(const LkView *view);

G_END_DECLS
