/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * person.h - the program as somebody uses it: the real application with its real session and model, a pointer and a keyboard
 * by XTest. The tests run inside the application, one after the other, on one window.
 */
#pragma once

#include "application.h"
#include "panel.h"
#include "probe.h"
#include "window.h"

G_BEGIN_DECLS

#define FIRST_PICTURE 240 /* seconds; programs may have to be compiled on a busy machine without a GPU */
#define PICTURE       120

extern GApplication *application;
extern LkWindow *window;
extern LkCanvas *canvas;
extern LkPanel *panel;
extern char *folder; /* for what the tests write; made by person_run unless it is there */

/* Runs the application with these arguments (argv[0] is the program's) and in it the tests that were added; removes the
 * folder at the end, after at_end (or NULL) has removed what is in its folders. Returns the exit status. */
int person_run(int argc, char **argv, void (*at_end)(void));

LkSession *session(void);
gboolean is_ready(void);
gboolean is_settled(void); /* a picture of the values of now is shown */
/* The same with the pointer on the panel: marks of faces are on the canvas only while it is there. */
gboolean is_settled_away(void);

GtkWidget *scale_of(guint direction);
gboolean slider_is(guint direction, double value); /* the widget and the session agree on it */
GtkWidget *button_with_icon(const char *icon);
GtkWidget *find_message(const char *text); /* a label somewhere in the window, or NULL */

void middle_of(GtkWidget *widget, double *x, double *y);
void press_on(GtkWidget *widget);
void click(GtkWidget *widget);                       /* leaves the pointer on the canvas */
void type(guint keyval);                             /* GDK_KEY_... of a key without modifiers */
void type_with(guint modifier_keyval, guint keyval); /* such as GDK_KEY_Control_L */

GtkWidget *find_dialog(GType type);                /* that is shown, or NULL */
void answer(GtkWidget *dialog, const char *label); /* clicks on the button */
void answer_question(const char *label);           /* of the message that comes up, which then goes */
void open_path(const char *path); /* as from outside; an edit that is not saved is discarded */

guint64 hash_of(LkPhoto *photo);
guint64 canvas_hash(void);

/* The way of scripts: an action of the window, as GTK exports it on the bus. parameter: NULL for none. */
void activate_on_bus(const char *action, GVariant *parameter);

G_END_DECLS
