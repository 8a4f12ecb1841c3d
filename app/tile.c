/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tile.h"

#include "resize.h"

#include <math.h>
#include <string.h>

typedef struct {
    LkPhoto *photo;
    LkPiece piece; /* in photo; or none */
    LkRect area;
    int width, height;
    guint generation;
} Request;

struct _LkTile {
    GObject parent_instance;

    Request *wanted; /* the newest request, done or not */
    Request *shown;  /* what the texture shows */
    LkRect part;     /* of shown's width x height: where the texture is */
    GdkTexture *texture;
    gboolean running;
    guint generation; /* of the last clear */
};

G_DEFINE_FINAL_TYPE(LkTile, lk_tile, G_TYPE_OBJECT)

static guint changed_signal;

static Request *request_copy(const Request *from)
{
    Request *request = g_memdup2(from, sizeof *from);

    lk_photo_ref(request->photo);
    if (request->piece.photo != NULL)
        lk_photo_ref(request->piece.photo);
    return request;
}

static void request_free(Request *request)
{
    lk_photo_unref(request->photo);
    lk_piece_clear(&request->piece);
    g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

static gboolean same_request(const Request *a, const Request *b)
{
    return a->photo == b->photo && a->width == b->width && a->height == b->height &&
           memcmp(&a->piece, &b->piece, sizeof a->piece) == 0 &&
           memcmp(&a->area, &b->area, sizeof a->area) == 0;
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

/* ---- pieces -------------------------------------------------------------------------------------- */

static LkRect intersect(LkRect a, LkRect b)
{
    int left = MAX(a.x, b.x), top = MAX(a.y, b.y);

    return (LkRect){left, top, MIN(a.x + a.width, b.x + b.width) - left,
                    MIN(a.y + a.height, b.y + b.height) - top};
}

/* The positions of a line of `to` that depend on its inputs first to end, of `from`: at most as far away as a kernel of two
 * pixels to either side reaches. */
static void affected(int from, int to, int first, int end, guint *start, guint *n)
{
    double scale = (double)from / to, reach = 2 * MAX(scale, 1) + 1;
    int low = CLAMP((int)floor((first - reach) / scale), 0, to - 1);
    int high = CLAMP((int)ceil((end + reach) / scale), low + 1, to);

    *start = (guint)low;
    *n = (guint)(high - low);
}

static LkRect place_of(const Request *request)
{
    const LkPiece *piece = &request->piece;

    return (LkRect){(int)piece->x, (int)piece->y, (int)piece->width, (int)piece->height};
}

static void copy_rows(guint8 *to, LkRect to_rect, const LkPhoto *from, LkRect from_rect)
{
    LkRect both = intersect(to_rect, from_rect);
    const guint8 *pixels = lk_photo_pixels(from);

    for (int y = both.y; y < both.y + both.height && both.width > 0; y++)
        memcpy(to + 4 * ((gsize)(y - to_rect.y) * to_rect.width + both.x - to_rect.x),
               pixels + 4 * ((gsize)(y - from_rect.y) * from_rect.width + both.x - from_rect.x),
               (gsize)both.width * 4);
}

/* rect of the photo with the piece in it. */
static LkPhoto *cut_with_piece(const Request *request, LkRect rect)
{
    g_autofree guint8 *pixels = g_malloc((gsize)rect.width * rect.height * 4);
    LkRect all = {0, 0, (int)lk_photo_width(request->photo), (int)lk_photo_height(request->photo)};

    copy_rows(pixels, rect, request->photo, all);
    copy_rows(pixels, rect, request->piece.photo, place_of(request));
    return lk_photo_new(rect.width, rect.height, pixels);
}

/* The part of the area's raster that the piece changes; NULL: none. */
static LkPhoto *raster_piece(const Request *request, LkRect *part)
{
    LkRect area = request->area, seen = intersect(area, place_of(request));
    LkResize resize = {.filter = LK_FILTER_BICUBIC,
                       .from_width = area.width,
                       .from_height = area.height,
                       .width = request->width,
                       .height = request->height};
    g_autoptr(LkPhoto) cut = NULL;
    guint left, top, right, bottom;

    if (seen.width <= 0 || seen.height <= 0)
        return NULL;
    affected(area.width, request->width, seen.x - area.x, seen.x + seen.width - area.x, &resize.x,
             &resize.part_width);
    affected(area.height, request->height, seen.y - area.y, seen.y + seen.height - area.y, &resize.y,
             &resize.part_height);
    *part = (LkRect){(int)resize.x, (int)resize.y, (int)resize.part_width, (int)resize.part_height};
    lk_resize_reach(&resize, &left, &top, &right, &bottom);
    cut = cut_with_piece(
        request, (LkRect){area.x + (int)left, area.y + (int)top, (int)(right - left), (int)(bottom - top)});
    return lk_photo_resize_cut(cut, left, top, &resize);
}

static LkPhoto *raster_photo(const Request *request, LkRect *part)
{
    LkRect area = request->area;
    g_autoptr(LkPhoto) cut =
        lk_photo_cut(request->photo, (guint)area.x, (guint)area.y, (guint)area.width, (guint)area.height);

    *part = (LkRect){0, 0, request->width, request->height};
    if ((int)lk_photo_width(cut) == request->width && (int)lk_photo_height(cut) == request->height)
        return g_steal_pointer(&cut);
    return lk_photo_resize(cut, request->width, request->height);
}

/* ---- in the background --------------------------------------------------------------------------- */

typedef struct {
    GdkTexture *texture; /* NULL: nothing to be seen */
    LkRect part;
} Raster;

static void raster_free(Raster *raster)
{
    g_clear_object(&raster->texture);
    g_free(raster);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Raster, raster_free)

static void raster(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Request *request = data;
    Raster *raster = g_new0(Raster, 1);
    g_autoptr(LkPhoto) scaled = NULL;

    /* A coarse piece is drawn as it is. */
    if (lk_piece_is_coarse(&request->piece))
        scaled = lk_photo_ref(request->piece.photo);
    else if (request->piece.photo != NULL)
        scaled = raster_piece(request, &raster->part);
    else
        scaled = raster_photo(request, &raster->part);

    if (scaled != NULL)
        raster->texture = make_texture(scaled);
    g_task_return_pointer(task, raster, (GDestroyNotify)raster_free);
}

static void start(LkTile *tile);

static void on_rastered(GObject *source, GAsyncResult *result, gpointer data)
{
    LkTile *tile = LK_TILE(source);
    const Request *done = g_task_get_task_data(G_TASK(result));
    g_autoptr(Raster) made = g_task_propagate_pointer(G_TASK(result), NULL);

    tile->running = FALSE;
    if (made != NULL && done->generation == tile->generation) {
        g_set_object(&tile->texture, made->texture);
        tile->part = made->part;
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

static void request(LkTile *tile, const Request *wanted)
{
    if (tile->wanted != NULL && same_request(wanted, tile->wanted))
        return;
    g_clear_pointer(&tile->wanted, request_free);
    tile->wanted = request_copy(wanted);
    start(tile);
}

void lk_tile_request(LkTile *tile, LkPhoto *photo, LkRect area, int width, int height)
{
    request(tile, &(Request){photo, {0}, area, width, height, tile->generation});
}

void lk_tile_request_piece(LkTile *tile, LkPhoto *photo, const LkPiece *piece, LkRect area, int width,
                           int height)
{
    request(tile, &(Request){photo, *piece, area, width, height, tile->generation});
}

void lk_tile_clear(LkTile *tile)
{
    tile->generation++;
    g_clear_pointer(&tile->wanted, request_free);
    g_clear_pointer(&tile->shown, request_free);
    g_clear_object(&tile->texture);
}

/* In photo pixels. */
static graphene_rect_t rect_of(const LkTile *tile)
{
    const Request *shown = tile->shown;
    const double across = (double)shown->area.width / shown->width,
                 down = (double)shown->area.height / shown->height;
    graphene_rect_t rect;

    if (lk_piece_is_coarse(&shown->piece))
        graphene_rect_init(&rect, shown->piece.x, shown->piece.y, shown->piece.width, shown->piece.height);
    else
        graphene_rect_init(&rect, shown->area.x + tile->part.x * across, shown->area.y + tile->part.y * down,
                           tile->part.width * across, tile->part.height * down);
    return rect;
}

void lk_tile_snapshot(LkTile *tile, GtkSnapshot *snapshot, const graphene_rect_t *bounds)
{
    graphene_rect_t rect;

    if (tile->shown == NULL || tile->texture == NULL)
        return;
    rect = rect_of(tile);
    graphene_rect_scale(&rect, bounds->size.width / lk_photo_width(tile->shown->photo),
                        bounds->size.height / lk_photo_height(tile->shown->photo), &rect);
    graphene_rect_offset(&rect, bounds->origin.x, bounds->origin.y);
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
