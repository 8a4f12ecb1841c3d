/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The window with faces that are placed by hand.
 */
#include "likeness-config.h"

#include "input.h"
#include "paths.h"
#include "person.h"
#include "pictures.h"

#include <math.h>

static char *sample, *faceless;

/* Where somebody sees eyes and mouth in the picture without a face, in its pixels: in no order of left and right. */
static const double places[LK_N_POINTS][2] = {{360, 150}, {260, 160}, {270, 260}, {350, 250}};

static LkPoints *points(void)
{
    GtkWidget *found = probe_find(GTK_WIDGET(canvas), LK_TYPE_POINTS, NULL, NULL);

    return found != NULL ? LK_POINTS(found) : NULL;
}

/* The bar above the canvas takes some of its room, so the points can be aimed at only where they have theirs. */
static gboolean can_aim(void)
{
    return points() != NULL && gtk_widget_get_width(GTK_WIDGET(points())) > 0;
}

static void to_canvas(double x, double y, double *at_x, double *at_y)
{
    graphene_rect_t bounds;

    g_assert_true(lk_canvas_get_picture_bounds(canvas, &bounds));
    *at_x = bounds.origin.x + x * bounds.size.width / 600;
    *at_y = bounds.origin.y + y * bounds.size.height / 400;
}

/* Photo pixels. Pressed at one place, let go at another; the same: a click. */
static void drag(const double from[2], const double to[2])
{
    double x, y;

    to_canvas(from[0], from[1], &x, &y);
    input_move(GTK_WIDGET(canvas), x, y);
    probe_run(60);
    input_button(TRUE);
    probe_run(60);
    for (int step = 1; step <= 4; step++) {
        to_canvas(from[0] + (to[0] - from[0]) * step / 4, from[1] + (to[1] - from[1]) * step / 4, &x, &y);
        input_move(GTK_WIDGET(canvas), x, y);
        probe_run(30);
    }
    input_button(FALSE);
    probe_run(60);
}

static void click_at(const double place[2])
{
    drag(place, place);
}

static gboolean can(const char *action)
{
    return g_action_group_get_action_enabled(G_ACTION_GROUP(window), action);
}

static guint n_faces(void)
{
    guint n;

    lk_session_get_quads(session(), &n);
    return n;
}

static void assert_quad(const LkQuad *quad, const LkQuad *expected, double most)
{
    g_assert_cmpfloat_with_epsilon(quad->centre[0], expected->centre[0], most);
    g_assert_cmpfloat_with_epsilon(quad->centre[1], expected->centre[1], most);
    g_assert_cmpfloat_with_epsilon(quad->x[0], expected->x[0], 2 * most);
    g_assert_cmpfloat_with_epsilon(quad->x[1], expected->x[1], 2 * most);
}

/* ---- tests --------------------------------------------------------------------------------------- */

/* The photo that is open stays until a face is placed in the other one, also while it is looked at. */
static void test_offered(void)
{
    LkPhoto *before;

    PROBE_WAIT(is_ready(), FIRST_PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
    before = lk_session_get_photo(session());
    open_path(faceless);
    answer_question("Cancel");
    g_assert_null(points());
    g_assert_true(lk_session_get_photo(session()) == before);
    g_assert_true(is_settled());

    open_path(faceless);
    answer_question("Place by Hand");
    PROBE_WAIT(can_aim(), 10);
    g_assert_false(gtk_widget_get_sensitive(GTK_WIDGET(panel)));
    g_assert_false(can("export"));
    type(GDK_KEY_Escape);
    PROBE_WAIT(points() == NULL, 10);
    g_assert_true(lk_session_get_photo(session()) == before);
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_true(gtk_widget_get_sensitive(GTK_WIDGET(panel)));
}

/* The same for one more face of the photo that is open. */
static void test_adding_given_up(void)
{
    double before[LK_N_POINTS][2], after[LK_N_POINTS][2];
    const guint faces = n_faces();

    g_action_group_activate_action(G_ACTION_GROUP(window), "place-face", NULL);
    PROBE_WAIT(can_aim(), 10);
    g_action_group_activate_action(G_ACTION_GROUP(window), "place-all", NULL);
    PROBE_WAIT(can("place-done"), 10);
    lk_points_get_places(points(), before);
    g_action_group_activate_action(G_ACTION_GROUP(window), "place-done", NULL);
    g_assert_null(points());
    g_action_group_activate_action(G_ACTION_GROUP(window), "cancel", NULL);
    PROBE_WAIT(points() != NULL, PICTURE);
    lk_points_get_places(points(), after);
    for (guint i = 0; i < LK_N_POINTS; i++)
        g_assert_cmpfloat(hypot(after[i][0] - before[i][0], after[i][1] - before[i][1]), <, 0.01);
    type(GDK_KEY_Escape);
    PROBE_WAIT(points() == NULL, 10);
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_cmpuint(n_faces(), ==, faces);
}

/* Where the opening is given up after its face was placed, the points are there again; given up, too, what was open is shown. */
static void test_given_up(void)
{
    LkPhoto *before = lk_session_get_photo(session());
    double kept[LK_N_POINTS][2];

    open_path(faceless);
    answer_question("Place by Hand");
    PROBE_WAIT(can_aim(), 10);
    g_assert_false(is_settled());
    for (guint i = 0; i < LK_N_POINTS; i++)
        click_at(places[i]);
    PROBE_WAIT(can("place-done"), 10);
    g_action_group_activate_action(G_ACTION_GROUP(window), "place-done", NULL);
    g_assert_cmpint(lk_session_get_state(session()), ==, LK_SESSION_OPENING);
    g_action_group_activate_action(G_ACTION_GROUP(window), "cancel", NULL);
    PROBE_WAIT(points() != NULL, PICTURE);
    g_assert_cmpuint(lk_points_get_n_placed(points()), ==, LK_N_POINTS);
    lk_points_get_places(points(), kept);
    for (guint i = 0; i < LK_N_POINTS; i++)
        g_assert_cmpfloat(hypot(kept[i][0] - places[i][0], kept[i][1] - places[i][1]), <, 4.0);
    PROBE_WAIT(can("place-done"), 10);
    type(GDK_KEY_Escape);
    PROBE_WAIT(points() == NULL, 10);
    PROBE_WAIT(is_ready(), PICTURE);
    g_assert_true(lk_session_get_photo(session()) == before);
    PROBE_WAIT(is_settled(), PICTURE);
}

static void test_clicked(void)
{
    LkPhoto *before = lk_session_get_photo(session());
    LkQuad expected, quad;
    guint64 unedited;

    open_path(faceless);
    answer_question("Place by Hand");
    PROBE_WAIT(can_aim(), 10);
    for (guint i = 0; i < LK_N_POINTS; i++) {
        g_assert_cmpuint(lk_points_get_n_placed(points()), ==, i);
        g_assert_false(can("place-done"));
        click_at(places[i]);
        if (i == 0)
            gtk_test_accessible_assert_property(GTK_ACCESSIBLE(points()), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                                "Click on the middle of the other eye");
    }
    g_assert_cmpuint(lk_points_get_n_placed(points()), ==, LK_N_POINTS);
    PROBE_WAIT(can("place-done"), 10);
    g_assert_true(lk_quad_from_points(places, places + 2, &expected));
    g_assert_true(lk_points_get_quad(points(), &quad));
    assert_quad(&quad, &expected, 1.5);
    click(probe_find(GTK_WIDGET(window), GTK_TYPE_BUTTON, "action-name", "win.place-done"));
    PROBE_WAIT(lk_session_get_photo(session()) != before && is_settled(), PICTURE);
    g_assert_null(points());
    g_assert_cmpuint(n_faces(), ==, 1);
    assert_quad(lk_session_get_quads(session(), &(guint){0}), &expected, 1.5);

    unedited = canvas_hash();
    gtk_widget_grab_focus(scale_of(0));
    type(GDK_KEY_End);
    PROBE_WAIT(lk_session_get_modified(session()) && is_settled(), PICTURE);
    g_assert_true(canvas_hash() != unedited);
}

/* One more face, without a pointer. */
static void test_keyboard(void)
{
    GtkWidget *all = probe_find(GTK_WIDGET(window), GTK_TYPE_BUTTON, "action-name", "win.place-all");
    double value = lk_session_get_value(session(), 0);
    LkQuad before, after;

    type_with(GDK_KEY_Control_L, GDK_KEY_h);
    PROBE_WAIT(can_aim(), 10);
    gtk_widget_grab_focus(all);
    type(GDK_KEY_space);
    PROBE_WAIT(lk_points_get_n_placed(points()) == LK_N_POINTS, 10);
    g_assert_true(lk_points_get_quad(points(), &before));
    type(GDK_KEY_Left);
    type(GDK_KEY_Up);
    g_assert_true(lk_points_get_quad(points(), &after));
    g_assert_cmpfloat(after.centre[0], <, before.centre[0]);
    g_assert_cmpfloat(after.centre[1], <, before.centre[1]);
    type(GDK_KEY_Tab);
    type_with(GDK_KEY_Shift_L, GDK_KEY_Right);
    g_assert_true(lk_points_get_quad(points(), &before));
    g_assert_cmpfloat(before.centre[0], >, after.centre[0] + 2);
    type(GDK_KEY_Return);
    PROBE_WAIT(points() == NULL && n_faces() == 2 && is_ready(), PICTURE);
    g_assert_cmpuint(lk_session_get_face(session()), ==, 1);
    assert_quad(lk_session_get_quads(session(), &(guint){0}) + 1, &before, 1e-6);
    g_assert_true(slider_is(0, 0));
    g_assert_nonnull(find_message("face 2 of 2"));
    g_assert_false(can("undo"));
    type_with(GDK_KEY_Control_L, GDK_KEY_Page_Down);
    PROBE_WAIT(lk_session_get_face(session()) == 0 && is_ready(), PICTURE);
    g_assert_true(slider_is(0, value));
    g_assert_true(can("undo"));
}

/* Handles are moved, the photo under them too, and what cannot be a face is not taken for one. */
static void test_moved(void)
{
    static const double line[LK_N_POINTS][2] = {{200, 200}, {300, 200}, {380, 200}, {450, 200}};
    static const double below[] = {380, 300}, below_too[] = {450, 310}, left_eye[] = {330, 190};
    static const double middle[] = {300, 320}, elsewhere[] = {260, 280};
    LkQuad quad;

    g_action_group_activate_action(G_ACTION_GROUP(window), "place-face", NULL);
    PROBE_WAIT(can_aim(), 10);
    for (guint i = 0; i < LK_N_POINTS; i++)
        click_at(line[i]);
    g_assert_cmpuint(lk_points_get_n_placed(points()), ==, LK_N_POINTS);
    g_assert_false(lk_points_get_quad(points(), &quad));
    g_assert_false(can("place-done"));
    g_assert_nonnull(find_message("No face has its eyes and mouth like that"));
    type(GDK_KEY_Return); /* nothing comes of it */
    g_assert_nonnull(points());
    drag(line[2], below);
    drag(line[3], below_too);
    drag(line[0], left_eye);
    PROBE_WAIT(can("place-done"), 10);

    /* An empty place pans, and places nothing. */
    g_action_group_activate_action(G_ACTION_GROUP(window), "zoom-pixels", NULL);
    g_action_group_activate_action(G_ACTION_GROUP(window), "zoom-in", NULL);
    g_action_group_activate_action(G_ACTION_GROUP(window), "zoom-in", NULL);
    probe_run(100);
    g_assert_true(lk_points_get_quad(points(), &quad));
    graphene_rect_t zoomed, panned;
    LkQuad still;
    lk_canvas_get_picture_bounds(canvas, &zoomed);
    drag(middle, elsewhere);
    lk_canvas_get_picture_bounds(canvas, &panned);
    g_assert_cmpfloat(panned.origin.x, <, zoomed.origin.x - 10);
    g_assert_true(lk_points_get_quad(points(), &still));
    g_assert_cmpmem(&quad, sizeof quad, &still, sizeof still);
    g_action_group_activate_action(G_ACTION_GROUP(window), "zoom-fit", NULL);
    click(probe_find(GTK_WIDGET(window), GTK_TYPE_BUTTON, "action-name", "win.place-cancel"));
    PROBE_WAIT(points() == NULL, 10);
    g_assert_cmpuint(n_faces(), ==, 2);
    PROBE_WAIT(is_settled_away(), PICTURE);
}

/* Another photo that is opened ends it. */
static void test_gives_way(void)
{
    LkPhoto *before = lk_session_get_photo(session());

    g_action_group_activate_action(G_ACTION_GROUP(window), "place-face", NULL);
    PROBE_WAIT(can_aim(), 10);
    open_path(sample);
    PROBE_WAIT(lk_session_get_photo(session()) != before && is_settled_away(), PICTURE);
    g_assert_null(points());
    g_assert_cmpuint(n_faces(), ==, 1);
}

int main(int argc, char **argv)
{
    char *arguments[] = {argv[0], (char *)"--device", (char *)"cpu", NULL, NULL};
    g_autoptr(LkPhoto) photo = test_picture(600, 400);

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-XXXXXX", NULL);
    faceless = g_build_filename(folder, "landscape.png", NULL);
    g_assert_true(lk_photo_save_png(photo, faceless, NULL));
    arguments[3] = sample = lk_sample_path();
    g_test_add_func("/place/offered", test_offered);
    g_test_add_func("/place/given-up", test_given_up);
    g_test_add_func("/place/adding-given-up", test_adding_given_up);
    g_test_add_func("/place/clicked", test_clicked);
    g_test_add_func("/place/keyboard", test_keyboard);
    g_test_add_func("/place/moved", test_moved);
    g_test_add_func("/place/gives-way", test_gives_way);
    return person_run(4, arguments, NULL);
}
