/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "input.h"

#include <X11/extensions/XTest.h>
#include <gdk/x11/gdkx.h>
#include <math.h>

static Display *display;

void input_open(void)
{
    int event, error, major, minor;

    display = XOpenDisplay(NULL);
    g_assert_nonnull(display);
    g_assert_true(XTestQueryExtension(display, &event, &error, &major, &minor));
}

void input_close(void)
{
    g_clear_pointer(&display, XCloseDisplay);
}

static Window window_of(GtkWidget *widget)
{
    return gdk_x11_surface_get_xid(gtk_native_get_surface(gtk_widget_get_native(widget)));
}

int input_socket(GtkWidget *window)
{
    return ConnectionNumber(gdk_x11_display_get_xdisplay(gtk_widget_get_display(window)));
}

void input_focus(GtkWidget *window)
{
    XSetInputFocus(display, window_of(window), RevertToParent, CurrentTime);
    XFlush(display);
}

void input_move(GtkWidget *widget, double x, double y)
{
    GtkNative *native = gtk_widget_get_native(widget);
    int scale = gtk_widget_get_scale_factor(widget), root_x, root_y;
    double surface_x, surface_y;
    graphene_point_t point;
    Window child;

    g_assert_true(gtk_widget_compute_point(widget, GTK_WIDGET(native), &GRAPHENE_POINT_INIT(x, y), &point));
    gtk_native_get_surface_transform(native, &surface_x, &surface_y);
    XTranslateCoordinates(display, window_of(widget), DefaultRootWindow(display),
                          (int)lround((point.x + surface_x) * scale),
                          (int)lround((point.y + surface_y) * scale), &root_x, &root_y, &child);
    XTestFakeMotionEvent(display, -1, root_x, root_y, CurrentTime);
    XFlush(display);
}

void input_button(gboolean pressed)
{
    XTestFakeButtonEvent(display, 1, pressed, CurrentTime);
    XFlush(display);
}

void input_key(guint keyval, gboolean pressed)
{
    XTestFakeKeyEvent(display, XKeysymToKeycode(display, keyval), pressed, CurrentTime);
    XFlush(display);
}
