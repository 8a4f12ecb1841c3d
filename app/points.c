/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "mark.h"
#include "points.h"

#include <adwaita.h>
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define REACH 22 /* of a handle, for fingers: logical pixels */
#define NEAR  10 /* the same while points are placed: the next one may be close to the one before */
#define LEAP  10 /* of an arrow key with Shift */

struct _LkPoints {
    GtkWidget parent_instance;

    GtkWidget *handles[LK_N_POINTS];
    double places[LK_N_POINTS][2]; /* photo pixels */
    guint n_placed;
    graphene_rect_t bounds; /* of the photo, logical pixels */
    guint photo_width, photo_height;
    int dragged;    /* the handle, or -1 */
    double grip[2]; /* where it was when the drag began */
};

G_DEFINE_FINAL_TYPE(LkPoints, lk_points, GTK_TYPE_WIDGET)

enum { CHANGED, CONFIRMED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* ---- places -------------------------------------------------------------------------------------- */

static double scale_of(LkPoints *points)
{
    return points->bounds.size.width / MAX(points->photo_width, 1);
}

static graphene_point_t to_widget(LkPoints *points, const double place[2])
{
    const double scale = scale_of(points);

    return GRAPHENE_POINT_INIT((float)(points->bounds.origin.x + place[0] * scale),
                               (float)(points->bounds.origin.y + place[1] * scale));
}

static void move_to(LkPoints *points, guint point, double x, double y)
{
    const double scale = scale_of(points);

    points->places[point][0] = CLAMP((x - points->bounds.origin.x) / scale, 0.0, points->photo_width);
    points->places[point][1] = CLAMP((y - points->bounds.origin.y) / scale, 0.0, points->photo_height);
    gtk_widget_queue_allocate(GTK_WIDGET(points));
    gtk_widget_queue_draw(GTK_WIDGET(points));
}

static void changed(LkPoints *points)
{
    g_signal_emit(points, signals[CHANGED], 0);
}

static void place_next(LkPoints *points, double x, double y)
{
    gtk_widget_set_child_visible(points->handles[points->n_placed], TRUE);
    move_to(points, points->n_placed++, x, y);
}

void lk_points_place(LkPoints *points, double x, double y)
{
    g_return_if_fail(LK_IS_POINTS(points));
    if (points->n_placed == LK_N_POINTS)
        return;
    place_next(points, x, y);
    gtk_widget_grab_focus(points->handles[points->n_placed - 1]);
    changed(points);
}

void lk_points_place_all(LkPoints *points)
{
    static const double face[LK_N_POINTS][2] = {{-0.5, -0.5}, {0.5, -0.5}, {-0.4, 0.6}, {0.4, 0.6}};
    graphene_rect_t sight;

    g_return_if_fail(LK_IS_POINTS(points));
    graphene_rect_init(&sight, 0, 0, (float)gtk_widget_get_width(GTK_WIDGET(points)),
                       (float)gtk_widget_get_height(GTK_WIDGET(points)));
    if (!graphene_rect_intersection(&sight, &points->bounds, &sight))
        return;

    const double size = 0.22 * MIN(sight.size.width, sight.size.height);
    const double x = sight.origin.x + sight.size.width / 2, y = sight.origin.y + sight.size.height / 2;
    points->n_placed = 0;
    for (guint i = 0; i < LK_N_POINTS; i++)
        place_next(points, x + size * face[i][0], y + size * face[i][1]);
    gtk_widget_grab_focus(points->handles[0]);
    changed(points);
}

void lk_points_get_places(LkPoints *points, double places[LK_N_POINTS][2])
{
    g_return_if_fail(LK_IS_POINTS(points) && points->n_placed == LK_N_POINTS);
    memcpy(places, points->places, sizeof points->places);
}

void lk_points_set_places(LkPoints *points, const double places[LK_N_POINTS][2])
{
    g_return_if_fail(LK_IS_POINTS(points));
    points->n_placed = 0;
    for (guint i = 0; i < LK_N_POINTS; i++) {
        const graphene_point_t at = to_widget(points, places[i]);
        place_next(points, at.x, at.y);
    }
    gtk_widget_grab_focus(points->handles[0]);
    changed(points);
}

guint lk_points_get_n_placed(LkPoints *points)
{
    g_return_val_if_fail(LK_IS_POINTS(points), 0);
    return points->n_placed;
}

gboolean lk_points_get_quad(LkPoints *points, LkQuad *quad)
{
    g_return_val_if_fail(LK_IS_POINTS(points), FALSE);
    return points->n_placed == LK_N_POINTS && lk_quad_from_points(points->places, points->places + 2, quad);
}

void lk_points_set_view(LkPoints *points, const graphene_rect_t *bounds, guint photo_width,
                        guint photo_height)
{
    g_return_if_fail(LK_IS_POINTS(points));
    points->bounds = *bounds;
    points->photo_width = photo_width;
    points->photo_height = photo_height;
    gtk_widget_queue_allocate(GTK_WIDGET(points));
    gtk_widget_queue_draw(GTK_WIDGET(points));
}

/* ---- input --------------------------------------------------------------------------------------- */

/* The nearest one in reach; -1: none. */
static int handle_at(LkPoints *points, double x, double y)
{
    double nearest = points->n_placed < LK_N_POINTS ? NEAR : REACH;
    int handle = -1;

    for (guint i = 0; i < points->n_placed; i++) {
        const graphene_point_t place = to_widget(points, points->places[i]);
        const double distance = hypot(x - place.x, y - place.y);
        if (distance <= nearest) {
            nearest = distance;
            handle = (int)i;
        }
    }
    return handle;
}

static void on_drag_begin(GtkGestureDrag *drag, double x, double y, LkPoints *points)
{
    points->dragged = handle_at(points, x, y);
    if (points->dragged < 0) {
        gtk_gesture_set_state(GTK_GESTURE(drag), GTK_EVENT_SEQUENCE_DENIED);
        return;
    }
    gtk_gesture_set_state(GTK_GESTURE(drag), GTK_EVENT_SEQUENCE_CLAIMED);
    const graphene_point_t place = to_widget(points, points->places[points->dragged]);
    points->grip[0] = place.x;
    points->grip[1] = place.y;
    gtk_widget_grab_focus(points->handles[points->dragged]);
}

static void on_drag_update(GtkGestureDrag *drag, double x, double y, LkPoints *points)
{
    if (points->dragged < 0)
        return;
    move_to(points, (guint)points->dragged, points->grip[0] + x, points->grip[1] + y);
    changed(points);
}

static int focused_handle(LkPoints *points)
{
    for (guint i = 0; i < points->n_placed; i++)
        if (gtk_widget_has_focus(points->handles[i]))
            return (int)i;
    return -1;
}

static gboolean move_focused(LkPoints *points, int dx, int dy, gboolean leap)
{
    const int handle = focused_handle(points);
    const double step = leap ? LEAP : 1;

    if (handle < 0)
        return GDK_EVENT_PROPAGATE;
    const graphene_point_t place = to_widget(points, points->places[handle]);
    move_to(points, (guint)handle, place.x + step * dx, place.y + step * dy);
    changed(points);
    return GDK_EVENT_STOP;
}

static gboolean on_key(GtkEventControllerKey *keys, guint key, guint code, GdkModifierType state,
                       LkPoints *points)
{
    const gboolean leap = (state & GDK_SHIFT_MASK) != 0;

    if ((state & (GDK_CONTROL_MASK | GDK_ALT_MASK | GDK_SUPER_MASK)) != 0)
        return GDK_EVENT_PROPAGATE;
    switch (key) {
    case GDK_KEY_Left:
    case GDK_KEY_KP_Left:
        return move_focused(points, -1, 0, leap);
    case GDK_KEY_Right:
    case GDK_KEY_KP_Right:
        return move_focused(points, 1, 0, leap);
    case GDK_KEY_Up:
    case GDK_KEY_KP_Up:
        return move_focused(points, 0, -1, leap);
    case GDK_KEY_Down:
    case GDK_KEY_KP_Down:
        return move_focused(points, 0, 1, leap);
    case GDK_KEY_Return:
    case GDK_KEY_KP_Enter:
    case GDK_KEY_ISO_Enter:
        g_signal_emit(points, signals[CONFIRMED], 0);
        return GDK_EVENT_STOP;
    default:
        return GDK_EVENT_PROPAGATE;
    }
}

/* Before the handles, and before what is below. */
static void add_controllers(LkPoints *points)
{
    GtkGesture *drag = gtk_gesture_drag_new();
    GtkEventController *keys = gtk_event_controller_key_new();

    gtk_event_controller_set_propagation_phase(GTK_EVENT_CONTROLLER(drag), GTK_PHASE_CAPTURE);
    gtk_event_controller_set_propagation_phase(keys, GTK_PHASE_CAPTURE);
    g_signal_connect(drag, "drag-begin", G_CALLBACK(on_drag_begin), points);
    g_signal_connect(drag, "drag-update", G_CALLBACK(on_drag_update), points);
    g_signal_connect(keys, "key-pressed", G_CALLBACK(on_key), points);
    gtk_widget_add_controller(GTK_WIDGET(points), GTK_EVENT_CONTROLLER(drag));
    gtk_widget_add_controller(GTK_WIDGET(points), keys);
}

/* ---- widget -------------------------------------------------------------------------------------- */

static void lk_points_measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                              int *natural, int *minimum_baseline, int *natural_baseline)
{
    for (guint i = 0; i < LK_N_POINTS; i++)
        gtk_widget_measure(LK_POINTS(widget)->handles[i], orientation, -1, minimum, natural, NULL, NULL);
}

static void lk_points_size_allocate(GtkWidget *widget, int width, int height, int baseline)
{
    LkPoints *points = LK_POINTS(widget);

    for (guint i = 0; i < points->n_placed; i++) {
        graphene_point_t corner = to_widget(points, points->places[i]);
        GtkRequisition size;

        gtk_widget_get_preferred_size(points->handles[i], NULL, &size);
        corner.x -= (float)size.width / 2;
        corner.y -= (float)size.height / 2;
        gtk_widget_allocate(points->handles[i], size.width, size.height, -1,
                            gsk_transform_translate(NULL, &corner));
    }
}

static void lk_points_snapshot(GtkWidget *widget, GtkSnapshot *snapshot)
{
    LkPoints *points = LK_POINTS(widget);
    LkQuad quad;

    if (lk_points_get_quad(points, &quad)) {
        const graphene_point_t place = to_widget(points, quad.centre);
        lk_mark_draw(snapshot, &quad, &place, scale_of(points), FALSE);
    }
    for (guint i = 0; i < points->n_placed; i++)
        gtk_widget_snapshot_child(widget, points->handles[i], snapshot);
}

static void lk_points_dispose(GObject *object)
{
    LkPoints *points = LK_POINTS(object);

    for (guint i = 0; i < LK_N_POINTS; i++)
        g_clear_pointer(&points->handles[i], gtk_widget_unparent);
    G_OBJECT_CLASS(lk_points_parent_class)->dispose(object);
}

static void lk_points_class_init(LkPointsClass *klass)
{
    static const char *const names[N_SIGNALS] = {"changed", "confirmed"};
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->dispose = lk_points_dispose;
    widget_class->measure = lk_points_measure;
    widget_class->size_allocate = lk_points_size_allocate;
    widget_class->snapshot = lk_points_snapshot;
    for (guint i = 0; i < N_SIGNALS; i++)
        signals[i] =
            g_signal_new(names[i], LK_TYPE_POINTS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    gtk_widget_class_set_css_name(widget_class, "points");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
}

static void lk_points_init(LkPoints *points)
{
    const char *const labels[LK_N_POINTS] = {_("One eye"), _("The other eye"), _("A corner of the mouth"),
                                             _("The other corner of the mouth")};

    points->dragged = -1;
    for (guint i = 0; i < LK_N_POINTS; i++) {
        points->handles[i] =
            g_object_new(ADW_TYPE_BIN, "focusable", TRUE, "can-target", FALSE, "accessible-role",
                         GTK_ACCESSIBLE_ROLE_IMG, "css-name", "handle", NULL);
        gtk_accessible_update_property(GTK_ACCESSIBLE(points->handles[i]), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                       labels[i], -1);
        gtk_widget_set_parent(points->handles[i], GTK_WIDGET(points));
        gtk_widget_set_child_visible(points->handles[i], FALSE);
    }
    gtk_widget_set_focusable(GTK_WIDGET(points), TRUE);
    gtk_accessible_update_property(GTK_ACCESSIBLE(points), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   _("Eyes and mouth placed by hand"), -1);
    add_controllers(points);
}

GtkWidget *lk_points_new(void)
{
    return g_object_new(LK_TYPE_POINTS, NULL);
}
