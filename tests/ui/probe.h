/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * probe.h - what tests see of the running window: its widgets, the canvas's pixels, and how long the main
 * loop is held.
 */
#pragma once

#include "canvas.h"

G_BEGIN_DECLS

/* The first descendant (depth first) of a type whose text property contains text; property and text may be
 * NULL. */
GtkWidget *probe_find(GtkWidget *root, GType type, const char *property, const char *text);

/* Runs the main loop until the condition holds; aborts, naming it, after seconds. */
#define PROBE_WAIT(condition, seconds)                                                                       \
    G_STMT_START                                                                                             \
    {                                                                                                        \
        const gint64 probe_end = g_get_monotonic_time() + (gint64)(seconds)*G_TIME_SPAN_SECOND;              \
        while (!(condition)) {                                                                               \
            if (g_get_monotonic_time() > probe_end)                                                          \
                g_error("%s:%d: not within %d s: %s", __FILE__, __LINE__, (int)(seconds), #condition);       \
            probe_run(40);                                                                                   \
        }                                                                                                    \
    }                                                                                                        \
    G_STMT_END

/* Runs the main loop for some milliseconds. */
void probe_run(guint milliseconds);

/* The canvas as it is drawn: its pixels as RGBA. */
LkPhoto *probe_grab(LkCanvas *canvas);

/* Whether the canvas shows just this picture, resampled to the size it is shown with. */
gboolean probe_shows(LkCanvas *canvas, LkPhoto *picture);

/* The main loop's iterations between two calls, each from waking up to the next wait: for so long nothing
 * else is served. Times in microseconds, of the longest. held is what the program answers for: computing, and
 * waiting for locks, files and threads; without waiting for the X server, and without the time in which it
 * could run but the system gave the processor to others. */
typedef struct {
    guint iterations;
    gint64 longest;
    gint64 held;
    gint64 latest; /* how late a timer of 2 ms fired at most */
} ProbeLoop;
#define PROBE_FRAME 16000

/* x_fd: the file descriptor on which GTK talks to the X server. */
void probe_loop_begin(ProbeLoop *loop, int x_fd);
void probe_loop_end(ProbeLoop *loop);

G_END_DECLS
