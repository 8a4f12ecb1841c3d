/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The window with edits that are saved and taken up again, and with those that are not.
 */
#include "likeness-config.h"

#include "input.h"
#include "paths.h"
#include "person.h"
#include "project.h"

static char *sample, *project_path;
static guint64 edited; /* the canvas with the edit that is saved */

static gboolean is_marked_unsaved(void)
{
    return find_message("• ") != NULL;
}

static void move_slider(guint direction, guint keyval, double value)
{
    gtk_widget_grab_focus(scale_of(direction));
    type(keyval);
    PROBE_WAIT(slider_is(direction, value), PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
}

static const LkDirection *slider(guint direction)
{
    return lk_model_direction(lk_session_get_model(session()), direction);
}

static gboolean exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_save(void)
{
    PROBE_WAIT(is_ready(), FIRST_PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_false(is_marked_unsaved());
    move_slider(0, GDK_KEY_End, slider(0)->maximum);
    g_assert_true(is_marked_unsaved());
    edited = canvas_hash();
    activate_on_bus("save-to", g_variant_new_string(project_path));
    PROBE_WAIT(find_message("Saved as “edit.likeness”") != NULL, PICTURE);
    g_assert_true(exists(project_path));
    PROBE_WAIT(!is_marked_unsaved(), 10);
    g_assert_nonnull(find_message("edit.likeness"));
}

/* Where there is a project Ctrl+S asks nothing. */
static void test_save_again(void)
{
    move_slider(1, GDK_KEY_Home, slider(1)->minimum);
    PROBE_WAIT(is_marked_unsaved(), 10);
    type_with(GDK_KEY_Control_L, GDK_KEY_s);
    PROBE_WAIT(!is_marked_unsaved(), PICTURE);
    g_autoptr(LkProject) project = lk_project_read(project_path, NULL);
    g_assert_nonnull(project);
    g_assert_cmpuint(((LkProjectFace *)g_ptr_array_index(project->faces, 0))->sliders->len, ==, 2);
    g_action_group_activate_action(G_ACTION_GROUP(window), "undo", NULL);
    PROBE_WAIT(slider_is(1, 0) && is_settled(), PICTURE);
    type_with(GDK_KEY_Control_L, GDK_KEY_s);
    PROBE_WAIT(!is_marked_unsaved(), PICTURE);
}

/* What was saved is there again as it was, to the last pixel, and can be undone from there. */
static void test_open_again(void)
{
    LkPhoto *before;

    open_path(sample);
    PROBE_WAIT(slider_is(0, 0) && is_settled(), PICTURE);
    g_assert_null(lk_session_get_project_path(session()));
    before = lk_session_get_photo(session());
    open_path(project_path);
    PROBE_WAIT(lk_session_get_photo(session()) != before && is_settled(), PICTURE);
    g_assert_true(slider_is(0, slider(0)->maximum));
    g_assert_true(canvas_hash() == edited);
    g_assert_false(is_marked_unsaved());
    g_assert_nonnull(find_message("edit.likeness"));
    g_assert_false(g_action_group_get_action_enabled(G_ACTION_GROUP(window), "undo"));
    g_action_group_activate_action(G_ACTION_GROUP(window), "reset", NULL);
    PROBE_WAIT(slider_is(0, 0) && is_settled(), PICTURE);
    g_assert_true(is_marked_unsaved());
    g_action_group_activate_action(G_ACTION_GROUP(window), "undo", NULL);
    PROBE_WAIT(slider_is(0, slider(0)->maximum) && is_settled(), PICTURE);
    g_assert_true(canvas_hash() == edited);
}

static void open_without_answer(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);

    g_application_open(application, &file, 1, "");
}

/* An edit that nothing has kept is not lost without a question. */
static void test_keep(void)
{
    LkPhoto *photo = lk_session_get_photo(session());

    move_slider(2, GDK_KEY_End, slider(2)->maximum);
    open_without_answer(sample);
    answer_question("Cancel");
    probe_run(200);
    g_assert_true(lk_session_get_photo(session()) == photo);
    g_assert_true(slider_is(2, slider(2)->maximum));
    g_assert_true(is_ready());

    open_without_answer(sample);
    answer_question("Save");
    PROBE_WAIT(lk_session_get_photo(session()) != photo && is_settled(), PICTURE);
    g_autoptr(LkProject) project = lk_project_read(project_path, NULL);
    g_assert_cmpuint(((LkProjectFace *)g_ptr_array_index(project->faces, 0))->sliders->len, ==, 2);

    photo = lk_session_get_photo(session());
    move_slider(0, GDK_KEY_End, slider(0)->maximum);
    open_without_answer(project_path);
    answer_question("Discard");
    PROBE_WAIT(lk_session_get_photo(session()) != photo && is_settled(), PICTURE);
    g_assert_true(slider_is(2, slider(2)->maximum));
}

static void test_bad_project(void)
{
    g_autofree char *path = g_build_filename(folder, "damaged.likeness", NULL);
    LkPhoto *photo = lk_session_get_photo(session());

    g_assert_true(g_file_set_contents(path, "{}", -1, NULL));
    open_path(path);
    PROBE_WAIT(find_message("damaged.likeness") != NULL && is_ready(), PICTURE);
    g_assert_true(lk_session_get_photo(session()) == photo);
}

static void on_gone(gpointer gone, GObject *where)
{
    *(gboolean *)gone = TRUE;
}

static void test_close(void)
{
    gboolean gone = FALSE;

    move_slider(1, GDK_KEY_End, slider(1)->maximum);
    gtk_window_close(GTK_WINDOW(window));
    answer_question("Cancel");
    g_assert_true(gtk_widget_get_visible(GTK_WIDGET(window)));
    g_assert_true(slider_is(1, slider(1)->maximum));
    g_object_weak_ref(G_OBJECT(window), on_gone, &gone);
    gtk_window_close(GTK_WINDOW(window));
    answer_question("Discard");
    PROBE_WAIT(gone, PICTURE);
    window = NULL;
}

int main(int argc, char **argv)
{
    char *arguments[] = {argv[0], (char *)"--device", (char *)"cpu", NULL, NULL};

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-XXXXXX", NULL);
    project_path = g_build_filename(folder, "edit.likeness", NULL);
    arguments[3] = sample = lk_sample_path();
    g_test_add_func("/projects/save", test_save);
    g_test_add_func("/projects/save-again", test_save_again);
    g_test_add_func("/projects/open-again", test_open_again);
    g_test_add_func("/projects/keep", test_keep);
    g_test_add_func("/projects/bad-project", test_bad_project);
    g_test_add_func("/projects/close", test_close);
    return person_run(4, arguments, NULL);
}
