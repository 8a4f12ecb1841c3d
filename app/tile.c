/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tile.h"

#include <string.h>

typedef struct {
    LkPhoto *photo;
    LkRect area;
    int width, height;
    guint generation;
} Request;

struct _LkTile {
    GObject parent_instance;

    Request *wanted; /* the newest request, done or not */
    Request *shown;  /* what the texture shows */
    GdkTexture *texture;
    gboolean running;
    guint generation; /* of the last clear */
};

G_DEFINE_FINAL_TYPE(LkTile, lk_tile, G_TYPE_OBJECT)

static guint changed_signal;

static Request *request_new(LkPhoto *photo, LkRect area, int width, int height, guint generation)
{
    Request *request = g_new(Request, 1);

    *request = (Request){lk_photo_ref(photo), area, width, height, generation};
    return request;
}

static void request_free(Request *request)
{
    lk_photo_unref(request->photo);
    g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

static Request *request_copy(const Request *from)
{
    return request_new(from->photo, from->area, from->width, from->height, from->generation);
}

static gboolean same_request(const Request *a, const Request *b)
{
    return a->photo == b->photo && a->width == b->width && a->height == b->height &&
           memcmp(&a->area, &b->area, sizeof a->area) == 0;
}

static LkPhoto *cut_out(LkPhoto *photo, LkRect area)
{
    gsize stride = (gsize)lk_photo_width(photo) * 4, row = (gsize)area.width * 4;
    const guint8 *from = lk_photo_pixels(photo) + area.y * stride + (gsize)area.x * 4;
    g_autofree guint8 *pixels = NULL;

    if (area.width == (int)lk_photo_width(photo) && area.height == (int)lk_photo_height(photo))
        return lk_photo_ref(photo);
    pixels = g_malloc(row * area.height);
    for (int y = 0; y < area.height; y++)
        memcpy(pixels + y * row, from + y * stride, row);
    return lk_photo_new(area.width, area.height, pixels);
}

/* Premultiplied BGRA is what GTK's renderers take as it is; of anything else they make it in the main thread.
 */
static GdkTexture *make_texture(const LkPhoto *photo)
{
    guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    gsize n = (gsize)width * height;
    const guint8 *rgba = lk_photo_pixels(photo);
    guint32 *argb = g_new(guint32, n);
    g_autoptr(GBytes) bytes = g_bytes_new_take(argb, n * sizeof *argb);

    for (gsize i = 0; i < n; i++) {
        guint32 r = rgba[4 * i], g = rgba[4 * i + 1], b = rgba[4 * i + 2], a = rgba[4 * i + 3];
        if (a != 255) {
            r = (r * a + 127) / 255;
            g = (g * a + 127) / 255;
            b = (b * a + 127) / 255;
        }
        argb[i] = a << 24 | r << 16 | g << 8 | b;
    }
    return gdk_memory_texture_new(width, height, GDK_MEMORY_DEFAULT, bytes, (gsize)width * 4);
}

static void raster(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Request *request = data;
    g_autoptr(LkPhoto) cut = cut_out(request->photo, request->area);
    g_autoptr(LkPhoto) scaled = NULL;

    if ((int)lk_photo_width(cut) == request->width && (int)lk_photo_height(cut) == request->height)
        scaled = lk_photo_ref(cut);
    else
        scaled = lk_photo_resize(cut, request->width, request->height);
    g_task_return_pointer(task, make_texture(scaled), g_object_unref);
}

static void start(LkTile *tile);

static void on_rastered(GObject *source, GAsyncResult *result, gpointer data)
{
    LkTile *tile = LK_TILE(source);
    const Request *done = g_task_get_task_data(G_TASK(result));
    g_autoptr(GdkTexture) texture = g_task_propagate_pointer(G_TASK(result), NULL);

    tile->running = FALSE;
    if (texture != NULL && done->generation == tile->generation) {
        g_set_object(&tile->texture, texture);
        g_clear_pointer(&tile->shown, request_free);
        tile->shown = request_copy(done);
        g_signal_emit(tile, changed_signal, 0);
    }
    if (tile->wanted != NULL && (tile->shown == NULL || !same_request(tile->wanted, tile->shown)))
        start(tile);
}

static void start(LkTile *tile)
{
    g_autoptr(GTask) task = NULL;

    if (tile->running)
        return;
    tile->running = TRUE;
    task = g_task_new(tile, NULL, on_rastered, NULL);
    g_task_set_source_tag(task, start);
    g_task_set_task_data(task, request_copy(tile->wanted), (GDestroyNotify)request_free);
    g_task_run_in_thread(task, raster);
}

void lk_tile_request(LkTile *tile, LkPhoto *photo, LkRect area, int width, int height)
{
    g_autoptr(Request) request = request_new(photo, area, width, height, tile->generation);

    if (tile->wanted != NULL && same_request(request, tile->wanted))
        return;
    g_clear_pointer(&tile->wanted, request_free);
    tile->wanted = g_steal_pointer(&request);
    start(tile);
}

void lk_tile_clear(LkTile *tile)
{
    tile->generation++;
    g_clear_pointer(&tile->wanted, request_free);
    g_clear_pointer(&tile->shown, request_free);
    g_clear_object(&tile->texture);
}

void lk_tile_snapshot(LkTile *tile, GtkSnapshot *snapshot, const graphene_rect_t *bounds)
{
    const Request *shown = tile->shown;
    graphene_rect_t rect;
    double x, y;

    if (shown == NULL)
        return;
    x = bounds->size.width / lk_photo_width(shown->photo);
    y = bounds->size.height / lk_photo_height(shown->photo);
    graphene_rect_init(&rect, bounds->origin.x + shown->area.x * x, bounds->origin.y + shown->area.y * y,
                       shown->area.width * x, shown->area.height * y);
    gtk_snapshot_append_texture(snapshot, tile->texture, &rect);
}

static void lk_tile_finalize(GObject *object)
{
    lk_tile_clear(LK_TILE(object));
    G_OBJECT_CLASS(lk_tile_parent_class)->finalize(object);
}

static void lk_tile_class_init(LkTileClass *klass)
{
    G_OBJECT_CLASS(klass)->finalize = lk_tile_finalize;
    changed_signal =
        g_signal_new("changed", LK_TYPE_TILE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void lk_tile_init(LkTile *tile)
{
}

LkTile *lk_tile_new(void)
{
    return g_object_new(LK_TYPE_TILE, NULL);
}
