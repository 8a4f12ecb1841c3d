/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* ppoll */

#include "probe.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

GtkWidget *probe_find(GtkWidget *root, GType type, const char *property, const char *text)
{
    if (G_TYPE_CHECK_INSTANCE_TYPE(root, type)) {
        g_autofree char *value = NULL;
        if (property == NULL)
            return root;
        g_object_get(root, property, &value, NULL);
        if (value != NULL && strstr(value, text) != NULL)
            return root;
    }
    for (GtkWidget *child = gtk_widget_get_first_child(root); child != NULL;
         child = gtk_widget_get_next_sibling(child)) {
        GtkWidget *found = probe_find(child, type, property, text);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static gboolean set_flag(gpointer flag)
{
    *(gboolean *)flag = TRUE;
    return G_SOURCE_REMOVE;
}

void probe_run(guint milliseconds)
{
    gboolean over = FALSE;

    g_timeout_add(milliseconds, set_flag, &over);
    while (!over)
        g_main_context_iteration(NULL, TRUE);
}

/* ---- pixels -------------------------------------------------------------------------------------- */

/* NULL between a change and the frame that draws it. */
static GskRenderNode *draw(GtkWidget *widget)
{
    g_autoptr(GdkPaintable) paintable = gtk_widget_paintable_new(widget);
    GtkSnapshot *snapshot = gtk_snapshot_new();

    gdk_paintable_snapshot(paintable, snapshot, gtk_widget_get_width(widget), gtk_widget_get_height(widget));
    return gtk_snapshot_free_to_node(snapshot);
}

LkPhoto *probe_grab(LkCanvas *canvas)
{
    GtkWidget *widget = GTK_WIDGET(canvas);
    int width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    GskRenderer *renderer = gtk_native_get_renderer(gtk_widget_get_native(widget));
    g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);
    g_autoptr(GskRenderNode) node = NULL;
    g_autoptr(GdkTexture) texture = NULL;

    PROBE_WAIT((node = draw(widget)) != NULL, 30);
    texture = gsk_renderer_render_texture(renderer, node, &GRAPHENE_RECT_INIT(0, 0, width, height));
    gdk_texture_download(texture, pixels, (gsize)width * 4);
    for (gsize i = 0; i < (gsize)width * height; i++) {
        guint32 argb;
        memcpy(&argb, pixels + 4 * i, 4);
        pixels[4 * i] = argb >> 16 & 255;
        pixels[4 * i + 1] = argb >> 8 & 255;
        pixels[4 * i + 2] = argb & 255;
        pixels[4 * i + 3] = argb >> 24;
    }
    return lk_photo_new(width, height, pixels);
}

static gboolean rows_equal(const guint8 *a, const guint8 *b, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (ABS((int)a[i] - b[i]) > 1) /* the renderer's rounding */
            return FALSE;
    return TRUE;
}

gboolean probe_shows(LkCanvas *canvas, LkPhoto *picture)
{
    g_autoptr(LkPhoto) grabbed = probe_grab(canvas);
    g_autoptr(LkPhoto) expected = NULL;
    graphene_rect_t bounds;

    if (picture == NULL || !lk_canvas_get_picture_bounds(canvas, &bounds))
        return FALSE;
    expected = lk_photo_resize(picture, (guint)bounds.size.width, (guint)bounds.size.height);
    for (guint y = 0; y < lk_photo_height(expected); y++) {
        gsize row = (gsize)(bounds.origin.y + y) * lk_photo_width(grabbed) + (gsize)bounds.origin.x;
        gsize width = (gsize)lk_photo_width(expected) * 4;
        if (!rows_equal(lk_photo_pixels(grabbed) + 4 * row, lk_photo_pixels(expected) + y * width, width))
            return FALSE;
    }
    return TRUE;
}

/* ---- main loop ----------------------------------------------------------------------------------- */

static ProbeLoop *watched;
static GThread *watched_thread;
static gint64 woke, woke_queued, due, waited_for_x;
static guint ticker;
static int schedstat, x_socket;
static GPollFunc usual_poll;

/* In place of libc's for the whole program, to see Xlib wait for answers. */
int poll(struct pollfd *fds, nfds_t n_fds, int timeout)
{
    struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000L};
    gint64 start = g_get_monotonic_time();
    int result = ppoll(fds, n_fds, timeout < 0 ? NULL : &wait, NULL);

    if (watched != NULL && g_thread_self() == watched_thread && n_fds == 1 && fds[0].fd == x_socket)
        waited_for_x += g_get_monotonic_time() - start;
    return result;
}

/* How long this thread has waited, ready to run, for a processor; microseconds. Source: proc(5), schedstat.
 */
static gint64 time_queued(void)
{
    char text[128] = "";
    guint64 ran = 0, queued = 0;

    if (pread(schedstat, text, sizeof text - 1, 0) > 0)
        sscanf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &ran, &queued);
    return (gint64)(queued / 1000);
}

/* The main loop calls it to wait: between its return and its next call is what an iteration takes. */
static int watching_poll(GPollFD *fds, guint n_fds, int timeout)
{
    gint64 took = g_get_monotonic_time() - woke;
    int result;

    if (woke != 0) {
        watched->iterations++;
        watched->longest = MAX(watched->longest, took);
        watched->held = MAX(watched->held, took - waited_for_x - (time_queued() - woke_queued));
    }
    result = usual_poll(fds, n_fds, timeout);
    woke = g_get_monotonic_time();
    woke_queued = time_queued();
    waited_for_x = 0;
    return result;
}

static gboolean tick(gpointer data)
{
    gint64 now = g_get_monotonic_time();

    watched->latest = MAX(watched->latest, now - due);
    due = now + 2000;
    return G_SOURCE_CONTINUE;
}

void probe_loop_begin(ProbeLoop *loop, int x_fd)
{
    *loop = (ProbeLoop){0};
    watched = loop;
    watched_thread = g_thread_self();
    x_socket = x_fd;
    woke = 0;
    schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    due = g_get_monotonic_time() + 2000;
    ticker = g_timeout_add_full(G_PRIORITY_HIGH, 2, tick, NULL, NULL);
    usual_poll = g_main_context_get_poll_func(NULL);
    g_main_context_set_poll_func(NULL, watching_poll);
}

void probe_loop_end(ProbeLoop *loop)
{
    g_assert_true(watched == loop);
    g_main_context_set_poll_func(NULL, usual_poll);
    g_source_remove(ticker);
    close(schedstat);
    watched = NULL;
}
