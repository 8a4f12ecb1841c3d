/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * input.h - a pointer and a keyboard for tests: events that the X server makes (XTest), as if a person's hand
 * did. Calls return when the event is sent; the main loop has to run for anything to happen.
 */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Connects to the display that GTK uses; aborts where the server has no XTest. */
void input_open(void);
void input_close(void);

/* The file descriptor on which GTK itself talks to the X server. */
int input_socket(GtkWidget *window);

/* Gives the window the keyboard; there need not be a window manager. */
void input_focus(GtkWidget *window);

/* Moves the pointer to a point of the widget (its own coordinates), in one step. */
void input_move(GtkWidget *widget, double x, double y);
void input_button(gboolean pressed);

/* keyval: GDK_KEY_... of a key that needs no modifier. */
void input_key(guint keyval, gboolean pressed);

G_END_DECLS
