/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "canvas.h"
#include "mark.h"
#include "tile.h"

#include <glib/gi18n.h>
#include <math.h>

#define PADDING    18   /* around the fitted photo, logical pixels */
#define WHEEL_ZOOM 1.15 /* per wheel step */
#define KEY_PAN    48   /* per arrow key, logical pixels */
#define STILL      6    /* a press that moves less is a click, logical pixels */

/* Two rasters: of all, and of what is in sight when it is zoomed in. */
typedef struct {
    LkTile *whole, *detail;
} Layer;

typedef struct {
    LkPiece piece;
    Layer layer;
} Piece;

struct _LkCanvas {
    GtkWidget parent_instance;

    LkPhoto *photo; /* or NULL */
    Layer under;
    GArray *pieces; /* of Piece; over the photo */
    gboolean comparing;
    LkView view;

    GArray *quads; /* of LkQuad: the faces */
    guint chosen;
    gboolean inviting;   /* no face was chosen or edited yet */
    gboolean pointed_at; /* the pointer is over the canvas */
    LkPoints *points;    /* while a face is placed, or NULL */

    double pointer_x, pointer_y; /* logical pixels */
    double press_x, press_y;
    double drag_x, drag_y; /* offset of the drag so far */
    double pinch_scale;    /* the view's scale when the pinch began */
};

G_DEFINE_FINAL_TYPE(LkCanvas, lk_canvas, GTK_TYPE_WIDGET)

static guint face_clicked_signal;

/* ---- rasters ------------------------------------------------------------------------------------- */

static LkTile *tile_of(const Layer *layer, gboolean detail)
{
    return detail ? layer->detail : layer->whole;
}

static void request_layers(LkCanvas *canvas, gboolean detail, LkRect area, int width, int height)
{
    lk_tile_request(tile_of(&canvas->under, detail), canvas->photo, area, width, height);
    for (guint i = 0; i < canvas->pieces->len; i++) {
        const Piece *piece = &g_array_index(canvas->pieces, Piece, i);
        if (piece->piece.photo != NULL)
            lk_tile_request_piece(tile_of(&piece->layer, detail), canvas->photo, &piece->piece, area, width,
                                  height);
    }
}

static void clear_details(LkCanvas *canvas)
{
    lk_tile_clear(canvas->under.detail);
    for (guint i = 0; i < canvas->pieces->len; i++)
        lk_tile_clear(g_array_index(canvas->pieces, Piece, i).layer.detail);
}

static void layer_clear(Layer *layer)
{
    lk_tile_clear(layer->whole);
    lk_tile_clear(layer->detail);
}

static void request_tiles(LkCanvas *canvas)
{
    LkView whole = canvas->view;
    LkRect all, bounds, visible;

    if (canvas->photo == NULL || whole.width <= 0 || whole.height <= 0)
        return;
    if (whole.scale > lk_view_fit_scale(&whole))
        lk_view_fit(&whole);
    all = (LkRect){0, 0, (int)lk_photo_width(canvas->photo), (int)lk_photo_height(canvas->photo)};
    bounds = lk_view_bounds(&whole);
    request_layers(canvas, FALSE, all, bounds.width, bounds.height);

    if (canvas->view.scale <= whole.scale) {
        clear_details(canvas);
        return;
    }
    visible = lk_view_visible(&canvas->view);
    request_layers(canvas, TRUE, visible, (int)MAX(lround(visible.width * canvas->view.scale), 1),
                   (int)MAX(lround(visible.height * canvas->view.scale), 1));
}

static void show_points(LkCanvas *canvas);

static void update(LkCanvas *canvas)
{
    request_tiles(canvas);
    show_points(canvas);
    gtk_widget_queue_draw(GTK_WIDGET(canvas));
}

static LkTile *tile_new(LkCanvas *canvas)
{
    LkTile *tile = lk_tile_new();

    g_signal_connect_object(tile, "changed", G_CALLBACK(gtk_widget_queue_draw), canvas, G_CONNECT_SWAPPED);
    return tile;
}

static gboolean same_size(const LkPhoto *a, const LkPhoto *b)
{
    return lk_photo_width(a) == lk_photo_width(b) && lk_photo_height(a) == lk_photo_height(b);
}

static void clear_piece(gpointer data)
{
    Piece *piece = data;

    lk_piece_clear(&piece->piece);
    g_clear_object(&piece->layer.whole);
    g_clear_object(&piece->layer.detail);
}

static Piece *ensure_piece(LkCanvas *canvas, guint index)
{
    while (canvas->pieces->len <= index) {
        const Piece piece = {.layer = {tile_new(canvas), tile_new(canvas)}};
        g_array_append_val(canvas->pieces, piece);
    }
    return &g_array_index(canvas->pieces, Piece, index);
}

/* ---- public -------------------------------------------------------------------------------------- */

/* Where the size is the same the old photo stays in sight until the new one's raster is there. */
void lk_canvas_set_photo(LkCanvas *canvas, LkPhoto *photo)
{
    gboolean fits = canvas->photo != NULL && photo != NULL && same_size(canvas->photo, photo);

    g_return_if_fail(LK_IS_CANVAS(canvas));
    if (canvas->photo == photo)
        return;
    lk_photo_unref(canvas->photo);
    canvas->photo = photo != NULL ? lk_photo_ref(photo) : NULL;
    g_array_set_size(canvas->pieces, 0);
    lk_canvas_set_faces(canvas, NULL, 0, 0);
    if (!fits)
        layer_clear(&canvas->under);
    if (photo != NULL)
        lk_view_set_photo(&canvas->view, lk_photo_width(photo), lk_photo_height(photo));
    update(canvas);
}

void lk_canvas_set_piece(LkCanvas *canvas, guint index, const LkPiece *piece)
{
    Piece *place;

    g_return_if_fail(LK_IS_CANVAS(canvas));
    place = ensure_piece(canvas, index);
    if (place->piece.photo == (piece != NULL ? piece->photo : NULL))
        return;
    lk_piece_clear(&place->piece);
    if (piece != NULL) {
        place->piece = *piece;
        lk_photo_ref(piece->photo);
        canvas->inviting = FALSE;
    } else {
        layer_clear(&place->layer);
    }
    update(canvas);
}

void lk_canvas_set_faces(LkCanvas *canvas, const LkQuad *quads, guint n, guint chosen)
{
    g_return_if_fail(LK_IS_CANVAS(canvas));
    canvas->inviting = canvas->quads->len != n || (canvas->inviting && canvas->chosen == chosen);
    g_array_set_size(canvas->quads, 0);
    g_array_append_vals(canvas->quads, quads, n);
    canvas->chosen = chosen;
    gtk_widget_queue_draw(GTK_WIDGET(canvas));
}

void lk_canvas_set_comparing(LkCanvas *canvas, gboolean comparing)
{
    g_return_if_fail(LK_IS_CANVAS(canvas));
    if (canvas->comparing == comparing)
        return;
    canvas->comparing = comparing;
    gtk_widget_queue_draw(GTK_WIDGET(canvas));
}

gboolean lk_canvas_get_comparing(LkCanvas *canvas)
{
    g_return_val_if_fail(LK_IS_CANVAS(canvas), FALSE);
    return canvas->comparing;
}

void lk_canvas_zoom_to_fit(LkCanvas *canvas)
{
    g_return_if_fail(LK_IS_CANVAS(canvas));
    lk_view_fit(&canvas->view);
    update(canvas);
}

static void zoom_at(LkCanvas *canvas, double scale, double x, double y)
{
    int device = gtk_widget_get_scale_factor(GTK_WIDGET(canvas));

    lk_view_zoom(&canvas->view, scale, x * device, y * device);
    update(canvas);
}

static void zoom_in_middle(LkCanvas *canvas, double scale)
{
    GtkWidget *widget = GTK_WIDGET(canvas);

    zoom_at(canvas, scale, gtk_widget_get_width(widget) / 2.0, gtk_widget_get_height(widget) / 2.0);
}

void lk_canvas_zoom_to_pixels(LkCanvas *canvas)
{
    g_return_if_fail(LK_IS_CANVAS(canvas));
    zoom_in_middle(canvas, 1);
}

void lk_canvas_zoom_by(LkCanvas *canvas, double factor)
{
    g_return_if_fail(LK_IS_CANVAS(canvas));
    zoom_in_middle(canvas, canvas->view.scale * factor);
}

gboolean lk_canvas_get_picture_bounds(LkCanvas *canvas, graphene_rect_t *bounds)
{
    LkRect rect;
    float device;

    g_return_val_if_fail(LK_IS_CANVAS(canvas), FALSE);
    rect = lk_view_bounds(&canvas->view);
    device = gtk_widget_get_scale_factor(GTK_WIDGET(canvas));
    graphene_rect_init(bounds, rect.x / device, rect.y / device, rect.width / device, rect.height / device);
    return canvas->photo != NULL && rect.width > 0;
}

/* ---- faces --------------------------------------------------------------------------------------- */

static double logical_scale(LkCanvas *canvas, const graphene_rect_t *bounds)
{
    return bounds->size.width / lk_photo_width(canvas->photo);
}

gboolean lk_canvas_get_face_place(LkCanvas *canvas, guint face, graphene_point_t *place)
{
    graphene_rect_t bounds;
    const LkQuad *quad;

    g_return_val_if_fail(LK_IS_CANVAS(canvas), FALSE);
    if (face >= canvas->quads->len || !lk_canvas_get_picture_bounds(canvas, &bounds))
        return FALSE;
    quad = &g_array_index(canvas->quads, LkQuad, face);
    graphene_point_init(place, bounds.origin.x + quad->centre[0] * logical_scale(canvas, &bounds),
                        bounds.origin.y + quad->centre[1] * logical_scale(canvas, &bounds));
    return TRUE;
}

static double mark_size(LkCanvas *canvas, guint face)
{
    graphene_rect_t bounds;

    lk_canvas_get_picture_bounds(canvas, &bounds);
    return lk_mark_size(&g_array_index(canvas->quads, LkQuad, face), logical_scale(canvas, &bounds));
}

/* The nearest whose mark is around (x, y); -1: none. */
static int face_at(LkCanvas *canvas, double x, double y)
{
    double nearest = G_MAXDOUBLE;
    graphene_point_t place;
    int face = -1;

    for (guint i = 0; lk_canvas_get_face_place(canvas, i, &place); i++) {
        double distance = hypot(x - place.x, y - place.y);
        if (distance < nearest && distance < mark_size(canvas, i)) {
            nearest = distance;
            face = (int)i;
        }
    }
    return face;
}

static gboolean marks_faces(LkCanvas *canvas)
{
    return canvas->quads->len > 1 && !canvas->comparing && canvas->points == NULL &&
           (canvas->pointed_at || canvas->inviting);
}

static void draw_mark(LkCanvas *canvas, GtkSnapshot *snapshot, const graphene_rect_t *bounds, guint face)
{
    graphene_point_t place;

    lk_canvas_get_face_place(canvas, face, &place);
    lk_mark_draw(snapshot, &g_array_index(canvas->quads, LkQuad, face), &place, logical_scale(canvas, bounds),
                 face == canvas->chosen);
}

/* ---- placing ------------------------------------------------------------------------------------- */

static void show_points(LkCanvas *canvas)
{
    graphene_rect_t bounds;

    if (canvas->points != NULL && lk_canvas_get_picture_bounds(canvas, &bounds))
        lk_points_set_view(canvas->points, &bounds, lk_photo_width(canvas->photo),
                           lk_photo_height(canvas->photo));
}

LkPoints *lk_canvas_start_placing(LkCanvas *canvas)
{
    g_return_val_if_fail(LK_IS_CANVAS(canvas), NULL);
    lk_canvas_stop_placing(canvas);
    canvas->points = LK_POINTS(lk_points_new());
    gtk_widget_set_parent(GTK_WIDGET(canvas->points), GTK_WIDGET(canvas));
    show_points(canvas);
    gtk_widget_grab_focus(GTK_WIDGET(canvas->points));
    return canvas->points;
}

void lk_canvas_stop_placing(LkCanvas *canvas)
{
    g_return_if_fail(LK_IS_CANVAS(canvas));
    if (canvas->points == NULL)
        return;
    gtk_widget_unparent(GTK_WIDGET(g_steal_pointer(&canvas->points)));
    gtk_widget_grab_focus(GTK_WIDGET(canvas));
}

/* ---- input --------------------------------------------------------------------------------------- */

static void pan(LkCanvas *canvas, double dx, double dy)
{
    int device = gtk_widget_get_scale_factor(GTK_WIDGET(canvas));

    lk_view_pan(&canvas->view, dx * device, dy * device);
    update(canvas);
}

static void on_motion(GtkEventControllerMotion *motion, double x, double y, LkCanvas *canvas)
{
    int face = face_at(canvas, x, y);
    gboolean placing = canvas->points != NULL && lk_points_get_n_placed(canvas->points) < LK_N_POINTS;
    gboolean other = canvas->points == NULL && face >= 0 && (guint)face != canvas->chosen;

    canvas->pointer_x = x;
    canvas->pointer_y = y;
    gtk_widget_set_cursor_from_name(GTK_WIDGET(canvas), placing ? "crosshair" : other ? "pointer" : NULL);
}

static void on_pointer(GObject *motion, GParamSpec *pspec, LkCanvas *canvas)
{
    canvas->pointed_at = gtk_event_controller_motion_contains_pointer(GTK_EVENT_CONTROLLER_MOTION(motion));
    if (canvas->quads->len > 1)
        gtk_widget_queue_draw(GTK_WIDGET(canvas));
}

/* A wheel zooms; a touchpad's two fingers pan, with Ctrl they zoom too. */
static gboolean on_scroll(GtkEventControllerScroll *scroll, double dx, double dy, LkCanvas *canvas)
{
    GdkModifierType state = gtk_event_controller_get_current_event_state(GTK_EVENT_CONTROLLER(scroll));
    gboolean wheel = gtk_event_controller_scroll_get_unit(scroll) == GDK_SCROLL_UNIT_WHEEL;

    if (wheel || (state & GDK_CONTROL_MASK) != 0)
        zoom_at(canvas, canvas->view.scale * pow(WHEEL_ZOOM, wheel ? -dy : -dy / 20), canvas->pointer_x,
                canvas->pointer_y);
    else
        pan(canvas, -dx, -dy);
    return GDK_EVENT_STOP;
}

static void on_drag_begin(GtkGestureDrag *drag, double x, double y, LkCanvas *canvas)
{
    canvas->drag_x = canvas->drag_y = 0;
    gtk_widget_grab_focus(canvas->points != NULL ? GTK_WIDGET(canvas->points) : GTK_WIDGET(canvas));
}

static void on_drag_update(GtkGestureDrag *drag, double x, double y, LkCanvas *canvas)
{
    pan(canvas, x - canvas->drag_x, y - canvas->drag_y);
    canvas->drag_x = x;
    canvas->drag_y = y;
}

static void on_pinch_begin(GtkGesture *pinch, GdkEventSequence *sequence, LkCanvas *canvas)
{
    canvas->pinch_scale = canvas->view.scale;
}

static void on_pinch(GtkGestureZoom *pinch, double factor, LkCanvas *canvas)
{
    double x = canvas->pointer_x, y = canvas->pointer_y;

    gtk_gesture_get_bounding_box_center(GTK_GESTURE(pinch), &x, &y);
    zoom_at(canvas, canvas->pinch_scale * factor, x, y);
}

static void on_pressed(GtkGestureClick *click, int n_press, double x, double y, LkCanvas *canvas)
{
    canvas->press_x = x;
    canvas->press_y = y;
    if (n_press != 2 || canvas->points != NULL)
        return;
    if (canvas->view.fitted)
        zoom_at(canvas, 1, x, y);
    else
        lk_canvas_zoom_to_fit(canvas);
}

/* Not the end of a drag, which moves the picture. */
static void on_released(GtkGestureClick *click, int n_press, double x, double y, LkCanvas *canvas)
{
    int face = face_at(canvas, x, y);

    if (hypot(x - canvas->press_x, y - canvas->press_y) >= STILL)
        return;
    if (canvas->points != NULL)
        lk_points_place(canvas->points, x, y);
    else if (n_press == 1 && face >= 0 && (guint)face != canvas->chosen)
        g_signal_emit(canvas, face_clicked_signal, 0, (guint)face);
}

static gboolean on_arrow(GtkWidget *widget, GVariant *args, gpointer data)
{
    int x, y;

    g_variant_get(args, "(ii)", &x, &y);
    pan(LK_CANVAS(widget), x * KEY_PAN, y * KEY_PAN);
    return GDK_EVENT_STOP;
}

static void add_controllers(LkCanvas *canvas)
{
    GtkWidget *widget = GTK_WIDGET(canvas);
    GtkEventController *motion = gtk_event_controller_motion_new();
    GtkEventController *scroll = gtk_event_controller_scroll_new(GTK_EVENT_CONTROLLER_SCROLL_BOTH_AXES);
    GtkGesture *drag = gtk_gesture_drag_new(), *pinch = gtk_gesture_zoom_new(),
               *click = gtk_gesture_click_new();

    g_signal_connect(motion, "motion", G_CALLBACK(on_motion), canvas);
    g_signal_connect(motion, "notify::contains-pointer", G_CALLBACK(on_pointer), canvas);
    g_signal_connect(scroll, "scroll", G_CALLBACK(on_scroll), canvas);
    g_signal_connect(drag, "drag-begin", G_CALLBACK(on_drag_begin), canvas);
    g_signal_connect(drag, "drag-update", G_CALLBACK(on_drag_update), canvas);
    g_signal_connect(pinch, "begin", G_CALLBACK(on_pinch_begin), canvas);
    g_signal_connect(pinch, "scale-changed", G_CALLBACK(on_pinch), canvas);
    g_signal_connect(click, "pressed", G_CALLBACK(on_pressed), canvas);
    g_signal_connect(click, "released", G_CALLBACK(on_released), canvas);
    gtk_gesture_group(drag, click);
    gtk_widget_add_controller(widget, motion);
    gtk_widget_add_controller(widget, scroll);
    gtk_widget_add_controller(widget, GTK_EVENT_CONTROLLER(drag));
    gtk_widget_add_controller(widget, GTK_EVENT_CONTROLLER(pinch));
    gtk_widget_add_controller(widget, GTK_EVENT_CONTROLLER(click));
}

/* ---- widget -------------------------------------------------------------------------------------- */

static void lk_canvas_snapshot(GtkWidget *widget, GtkSnapshot *snapshot)
{
    LkCanvas *canvas = LK_CANVAS(widget);
    graphene_rect_t bounds;

    if (!lk_canvas_get_picture_bounds(canvas, &bounds))
        return;
    lk_tile_snapshot(canvas->under.whole, snapshot, &bounds);
    lk_tile_snapshot(canvas->under.detail, snapshot, &bounds);
    if (canvas->comparing)
        return;
    /* After the photo's detail, which may be there first: the edit never vanishes while one pans. */
    for (guint i = 0; i < canvas->pieces->len; i++) {
        const Layer *over = &g_array_index(canvas->pieces, Piece, i).layer;
        lk_tile_snapshot(over->whole, snapshot, &bounds);
        lk_tile_snapshot(over->detail, snapshot, &bounds);
    }
    for (guint i = 0; marks_faces(canvas) && i < canvas->quads->len; i++)
        draw_mark(canvas, snapshot, &bounds, i);
    if (canvas->points != NULL)
        gtk_widget_snapshot_child(widget, GTK_WIDGET(canvas->points), snapshot);
}

static void resize(LkCanvas *canvas)
{
    GtkWidget *widget = GTK_WIDGET(canvas);
    int device = gtk_widget_get_scale_factor(widget);

    lk_view_set_size(&canvas->view, gtk_widget_get_width(widget) * device,
                     gtk_widget_get_height(widget) * device, PADDING * device);
    update(canvas);
}

static void lk_canvas_size_allocate(GtkWidget *widget, int width, int height, int baseline)
{
    LkCanvas *canvas = LK_CANVAS(widget);

    resize(canvas);
    if (canvas->points != NULL)
        gtk_widget_allocate(GTK_WIDGET(canvas->points), width, height, -1, NULL);
}

static void lk_canvas_measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                              int *natural, int *minimum_baseline, int *natural_baseline)
{
    LkCanvas *canvas = LK_CANVAS(widget);

    /* A child is not to be allocated unmeasured; it is as large as this is. */
    if (canvas->points != NULL)
        gtk_widget_measure(GTK_WIDGET(canvas->points), orientation, for_size, minimum, natural, NULL, NULL);
    *minimum = 160;
    *natural = 480;
}

static void lk_canvas_dispose(GObject *object)
{
    LkCanvas *canvas = LK_CANVAS(object);

    if (canvas->points != NULL)
        gtk_widget_unparent(GTK_WIDGET(g_steal_pointer(&canvas->points)));
    g_clear_pointer(&canvas->photo, lk_photo_unref);
    g_clear_pointer(&canvas->pieces, g_array_unref);
    g_clear_pointer(&canvas->quads, g_array_unref);
    g_clear_object(&canvas->under.whole);
    g_clear_object(&canvas->under.detail);
    G_OBJECT_CLASS(lk_canvas_parent_class)->dispose(object);
}

static void lk_canvas_class_init(LkCanvasClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->dispose = lk_canvas_dispose;
    widget_class->snapshot = lk_canvas_snapshot;
    widget_class->size_allocate = lk_canvas_size_allocate;
    widget_class->measure = lk_canvas_measure;
    face_clicked_signal = g_signal_new("face-clicked", LK_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                       G_TYPE_NONE, 1, G_TYPE_UINT);
    gtk_widget_class_set_css_name(widget_class, "canvas");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_IMG);
    gtk_widget_class_add_binding(widget_class, GDK_KEY_Left, 0, on_arrow, "(ii)", 1, 0);
    gtk_widget_class_add_binding(widget_class, GDK_KEY_Right, 0, on_arrow, "(ii)", -1, 0);
    gtk_widget_class_add_binding(widget_class, GDK_KEY_Up, 0, on_arrow, "(ii)", 0, 1);
    gtk_widget_class_add_binding(widget_class, GDK_KEY_Down, 0, on_arrow, "(ii)", 0, -1);
}

static void lk_canvas_init(LkCanvas *canvas)
{
    canvas->view.fitted = TRUE;
    canvas->view.scale = 1;
    canvas->under = (Layer){tile_new(canvas), tile_new(canvas)};
    canvas->pieces = g_array_new(FALSE, TRUE, sizeof(Piece));
    g_array_set_clear_func(canvas->pieces, clear_piece);
    canvas->quads = g_array_new(FALSE, FALSE, sizeof(LkQuad));
    add_controllers(canvas);
    gtk_widget_set_focusable(GTK_WIDGET(canvas), TRUE);
    gtk_widget_set_overflow(GTK_WIDGET(canvas), GTK_OVERFLOW_HIDDEN);
    g_signal_connect(canvas, "notify::scale-factor", G_CALLBACK(resize), NULL);
    gtk_accessible_update_property(GTK_ACCESSIBLE(canvas), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Picture"), -1);
}

GtkWidget *lk_canvas_new(void)
{
    return g_object_new(LK_TYPE_CANVAS, NULL);
}
