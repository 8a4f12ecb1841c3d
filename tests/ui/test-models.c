/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The window with a model of many sliders: folding, search, neutral values, the inversion; other models; imports.
 */
#include "likeness-config.h"

#include "import-dialog.h"
#include "input.h"
#include "paths.h"
#include "person.h"
#include "section.h"
#include "tiny_model.h"
#include "writer.h"

#include <glib/gstdio.h>
#include <string.h>

enum { W_DIM = 24, N_WS = 8, N_FACE = 3, N_COMPONENTS = 10, CURLY_HAIR = N_FACE + 4 };

/* ---- models -------------------------------------------------------------------------------------- */

/* After age, smile and pose: components of GANSpace in a group of their own. */
static char *many_directions(void)
{
    static const char *const labels[N_COMPONENTS] = {"Frizzy hair", "Bald",      "Big smile",  "Dark hair",
                                                     "Curly hair",  "Screaming", "Short face", "White hair",
                                                     "Wrinkles",    "Unheard of"};
    GString *json = g_string_new("[");

    for (guint i = 0; i < N_FACE; i++)
        g_string_append_printf(
            json,
            "{\"name\":\"%s\",\"label\":\"%s\",\"kind\":\"interfacegan\",\"group\":\"face\","
            "\"rows\":[%d,8],\"range\":[-5,5],\"step\":0.1},",
            (const char *[]){"age", "smile", "pose"}[i], (const char *[]){"Age", "Smile", "Pose"}[i],
            i == 2 ? 3 : 0);
    for (guint i = 0; i < N_COMPONENTS; i++)
        g_string_append_printf(
            json,
            "{\"name\":\"c%u\",\"label\":\"%s\",\"kind\":\"ganspace\",\"group\":\"GANSpace\","
            "\"component\":%u,\"rows\":[0,8],\"range\":[-2,2],\"step\":0.1}%s",
            i, labels[i], i, i + 1 < N_COMPONENTS ? "," : "]");
    return g_string_free(json, FALSE);
}

/* A mean far from every code, so that neutral values are not 0, and some lie beyond the range. */
static void add_components(LkModelWriter *writer)
{
    float components[N_COMPONENTS * W_DIM] = {0}, mean[W_DIM], std[N_COMPONENTS];

    for (guint i = 0; i < W_DIM; i++)
        mean[i] = i < 5 ? -1 : -10;
    for (guint i = 0; i < N_COMPONENTS; i++) {
        components[i * W_DIM + i] = 1;
        std[i] = 1;
    }
    lk_model_writer_add_values(writer, "ganspace.comp", LK_DTYPE_F32, 2, (guint64[]){N_COMPONENTS, W_DIM},
                               components);
    lk_model_writer_add_values(writer, "ganspace.mean", LK_DTYPE_F32, 1, (guint64[]){W_DIM}, mean);
    lk_model_writer_add_values(writer, "ganspace.std", LK_DTYPE_F32, 1, (guint64[]){N_COMPONENTS}, std);
}

static void write_many(const char *path)
{
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();
    g_autofree char *tiny = g_build_filename(folder, "tiny.safetensors", NULL);
    g_autofree char *directions = many_directions();
    g_autoptr(LkWeights) weights = NULL;
    g_autoptr(GError) error = NULL;

    lk_tiny_model_write(tiny, NULL, &error);
    g_assert_no_error(error);
    weights = lk_weights_open(tiny, &error);
    g_assert_no_error(error);
    lk_model_writer_add_file(writer, weights);
    lk_model_writer_set_metadata(writer, "directions", directions);
    add_components(writer);
    lk_model_writer_write(writer, path, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
}

static char *own_path(const char *name)
{
    g_autofree char *own = lk_model_own_folder();

    return g_build_filename(own, name, NULL);
}

static gboolean uses(const char *path)
{
    return g_str_equal(lk_model_path(lk_session_get_model(session())), path) && is_settled();
}

/* Without a window manager nobody gives it back after a menu or a dialog. */
static void take_keyboard(void)
{
    input_focus(GTK_WIDGET(window));
    probe_run(100);
}

/* ---- sliders ------------------------------------------------------------------------------------- */

static GtkWidget *slider(guint direction)
{
    return GTK_WIDGET(lk_panel_get_slider(panel, direction));
}

static GtkWidget *reset_of(guint direction)
{
    return probe_find(slider(direction), GTK_TYPE_BUTTON, NULL, NULL);
}

static void bring_into_view(guint direction)
{
    gtk_widget_grab_focus(scale_of(direction));
    probe_run(500);
}

static GtkWidget *heading(const char *text)
{
    GtkWidget *label = probe_find(GTK_WIDGET(panel), GTK_TYPE_LABEL, "label", text);

    g_assert_nonnull(label);
    return label;
}

static double end_of(guint direction)
{
    return lk_model_direction(lk_session_get_model(session()), direction)->maximum;
}

static void test_folded(void)
{
    PROBE_WAIT(is_settled(), FIRST_PICTURE);
    g_assert_true(gtk_widget_get_mapped(slider(0)));
    g_assert_false(gtk_widget_get_mapped(slider(CURLY_HAIR)));
    click(heading("GANSpace"));
    PROBE_WAIT(gtk_widget_get_mapped(slider(CURLY_HAIR)), 10);
    click(heading("GANSpace"));
    PROBE_WAIT(!gtk_widget_get_mapped(slider(CURLY_HAIR)), 10);
    click(heading("Face"));
    PROBE_WAIT(!gtk_widget_get_mapped(slider(0)), 10);
}

static void test_search(void)
{
    GtkWidget *entry = probe_find(GTK_WIDGET(panel), GTK_TYPE_SEARCH_ENTRY, NULL, NULL);

    type_with(GDK_KEY_Control_L, GDK_KEY_f);
    for (const char *letter = "curl"; *letter != '\0'; letter++)
        type((guint)*letter);
    g_assert_cmpstr(gtk_editable_get_text(GTK_EDITABLE(entry)), ==, "curl");
    g_assert_false(lk_canvas_get_comparing(canvas)); /* by the letter c */
    PROBE_WAIT(gtk_widget_get_mapped(slider(CURLY_HAIR)), 10);
    for (guint i = 0; lk_panel_get_slider(panel, i) != NULL; i++)
        g_assert_true(gtk_widget_get_mapped(slider(i)) == (i == CURLY_HAIR));

    type(GDK_KEY_Return);
    g_assert_true(gtk_widget_has_focus(scale_of(CURLY_HAIR)));
    type(GDK_KEY_Home);
    PROBE_WAIT(slider_is(CURLY_HAIR, -2), PICTURE);
    PROBE_WAIT(probe_find(GTK_WIDGET(panel), GTK_TYPE_LABEL, "label", "1 changed") != NULL, 10);
    PROBE_WAIT(is_settled(), PICTURE);

    type_with(GDK_KEY_Control_L, GDK_KEY_f);
    type(GDK_KEY_x);
    type(GDK_KEY_x);
    PROBE_WAIT(gtk_widget_get_mapped(heading("No slider")), 10);
    type(GDK_KEY_Escape);
    /* As they were folded before the search. */
    PROBE_WAIT(!gtk_widget_get_mapped(slider(CURLY_HAIR)) && !gtk_widget_get_mapped(slider(0)), 10);
    g_assert_cmpstr(gtk_editable_get_text(GTK_EDITABLE(entry)), ==, "");
    click(heading("GANSpace"));
    PROBE_WAIT(gtk_widget_get_mapped(slider(CURLY_HAIR)), 10);
    click(heading("Face"));
    PROBE_WAIT(gtk_widget_get_mapped(slider(0)), 10);
}

static void test_neutral(void)
{
    const float neutral = lk_session_get_neutral(session(), CURLY_HAIR);
    const guint beyond = N_FACE + 5;

    g_assert_cmpfloat(neutral, !=, 0);
    g_assert_true(lk_session_get_modified(session()));
    bring_into_view(CURLY_HAIR);
    click(reset_of(CURLY_HAIR));
    PROBE_WAIT(slider_is(CURLY_HAIR, neutral), PICTURE);
    g_assert_cmpfloat(lk_session_get_value(session(), CURLY_HAIR), ==, neutral);
    g_assert_false(lk_session_get_modified(session()));
    g_assert_false(gtk_widget_get_sensitive(reset_of(CURLY_HAIR)));

    /* The photo's own value is beyond the slider's end, and stays until the person moves the handle. */
    g_assert_cmpfloat(lk_session_get_neutral(session(), beyond), >, 2);
    g_assert_true(slider_is(beyond, lk_session_get_neutral(session(), beyond)));
    gtk_widget_grab_focus(scale_of(beyond));
    type(GDK_KEY_End);
    PROBE_WAIT(slider_is(beyond, 2), PICTURE);
    g_assert_true(gtk_widget_get_sensitive(reset_of(beyond)));
    PROBE_WAIT(is_settled(), PICTURE);
    click(button_with_icon("edit-undo-symbolic"));
    PROBE_WAIT(slider_is(beyond, lk_session_get_neutral(session(), beyond)), PICTURE);
    g_assert_false(lk_session_get_modified(session()));
    PROBE_WAIT(is_settled(), PICTURE);
}

static void test_inversion(void)
{
    GtkWidget *e4e = probe_find(GTK_WIDGET(panel), GTK_TYPE_TOGGLE_BUTTON, "label", "e4e");
    GtkWidget *styleres = probe_find(GTK_WIDGET(panel), GTK_TYPE_TOGGLE_BUTTON, "label", "StyleRes");
    guint64 before;

    /* Without an edit either shows the photo. */
    lk_session_set_value(session(), 0, lk_model_direction(lk_session_get_model(session()), 0)->maximum);
    PROBE_WAIT(is_settled(), PICTURE);
    before = canvas_hash();
    g_assert_true(gtk_toggle_button_get_active(GTK_TOGGLE_BUTTON(styleres)));
    click(e4e);
    PROBE_WAIT(lk_session_get_mode(session()) == LK_INVERSION_WPLUS && is_settled(), PICTURE);
    g_assert_true(gtk_toggle_button_get_active(GTK_TOGGLE_BUTTON(e4e)));
    g_assert_false(gtk_toggle_button_get_active(GTK_TOGGLE_BUTTON(styleres)));
    g_assert_true(canvas_hash() != before);
    click(styleres);
    PROBE_WAIT(lk_session_get_mode(session()) == LK_INVERSION_STYLERES && is_settled(), PICTURE);
    PROBE_WAIT(canvas_hash() == before, PICTURE);
    lk_session_reset(session());
    PROBE_WAIT(is_settled(), PICTURE);
}

/* ---- other models -------------------------------------------------------------------------------- */

static void test_switch(void)
{
    const LkTinyOptions options = {.seed = 3};
    g_autofree char *own = lk_model_own_folder();
    g_autofree char *path = own_path("Other_one.safetensors");
    g_autoptr(LkPhoto) photo = lk_photo_ref(lk_session_get_photo(session()));
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(own, 0700), ==, 0);
    lk_tiny_model_write(path, &options, &error);
    g_assert_no_error(error);
    gtk_widget_grab_focus(scale_of(CURLY_HAIR));
    type(GDK_KEY_Home);
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_true(lk_session_get_modified(session()));
    activate_on_bus("model", g_variant_new_bytestring(path));
    PROBE_WAIT(uses(path), PICTURE);
    g_assert_true(lk_session_get_photo(session()) == photo);
    g_assert_false(lk_session_get_modified(session()));
    g_assert_nonnull(lk_panel_get_slider(panel, 2));
    g_assert_null(lk_panel_get_slider(panel, 3));
    g_assert_false(g_action_group_get_action_enabled(G_ACTION_GROUP(window), "undo"));
}

static gboolean menu_has(GMenuModel *menu, const char *label)
{
    for (int i = 0; i < g_menu_model_get_n_items(menu); i++) {
        g_autofree char *text = NULL;
        g_autoptr(GMenuModel) inner = g_menu_model_get_item_link(menu, i, G_MENU_LINK_SECTION);
        if (inner == NULL)
            inner = g_menu_model_get_item_link(menu, i, G_MENU_LINK_SUBMENU);
        g_menu_model_get_item_attribute(menu, i, G_MENU_ATTRIBUTE_LABEL, "s", &text);
        if (g_strcmp0(text, label) == 0 || (inner != NULL && menu_has(inner, label)))
            return TRUE;
    }
    return FALSE;
}

static void test_menu(void)
{
    GtkWidget *button =
        probe_find(GTK_WIDGET(window), GTK_TYPE_MENU_BUTTON, "icon-name", "open-menu-symbolic");
    GMenuModel *menu = gtk_menu_button_get_menu_model(GTK_MENU_BUTTON(button));
    g_autofree char *path = own_path("Newcomer.safetensors");
    g_autoptr(GError) error = NULL;

    g_assert_true(menu_has(menu, "Built-in"));
    g_assert_true(menu_has(menu, "Other__one")); /* one underscore, escaped */
    g_assert_false(menu_has(menu, "Newcomer"));
    g_file_set_contents(path, "no model", -1, &error);
    g_assert_no_error(error);
    click(button);
    PROBE_WAIT(menu_has(menu, "Newcomer"), 10);
    type(GDK_KEY_Escape);
    PROBE_WAIT(!gtk_widget_get_mapped(GTK_WIDGET(gtk_menu_button_get_popover(GTK_MENU_BUTTON(button)))), 10);
    take_keyboard();
}

static void test_unusable(void)
{
    g_autofree char *path = own_path("Newcomer.safetensors");
    LkModel *before = lk_session_get_model(session());

    gtk_widget_grab_focus(scale_of(0));
    type(GDK_KEY_End);
    PROBE_WAIT(slider_is(0, end_of(0)), PICTURE);
    activate_on_bus("model", g_variant_new_bytestring(path));
    PROBE_WAIT(find_message("Newcomer.safetensors") != NULL, 10);
    g_assert_true(lk_session_get_model(session()) == before);
    g_assert_true(slider_is(0, end_of(0)));
    activate_on_bus("reset", NULL);
    PROBE_WAIT(slider_is(0, 0) && is_settled(), PICTURE);
}

/* ---- imports ------------------------------------------------------------------------------------- */

static GtkWidget *ask_to_import(const char *path)
{
    GtkWidget *dialog;

    activate_on_bus("import-from", g_variant_new_string(path));
    PROBE_WAIT((dialog = find_dialog(LK_TYPE_IMPORT_DIALOG)) != NULL, 30);
    probe_run(300);
    return dialog;
}

/* An array of one row, as numpy.save writes it. */
static char *write_npy(const char *name, const float *values, guint n)
{
    g_autofree char *text =
        g_strdup_printf("{'descr': '<f4', 'fortran_order': False, 'shape': (1, %u), }", n);
    g_autofree char *padded = g_strdup_printf("%-117s\n", text);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(folder, name, NULL);

    g_byte_array_append(bytes, (const guint8 *)"\x93NUMPY\x01\x00\x76\x00", 10);
    g_byte_array_append(bytes, (const guint8 *)padded, 118);
    g_byte_array_append(bytes, (const guint8 *)values, n * sizeof(float));
    g_file_set_contents(path, (const char *)bytes->data, bytes->len, &error);
    g_assert_no_error(error);
    return path;
}

static char *write_direction(const char *name)
{
    float values[W_DIM];

    for (guint i = 0; i < W_DIM; i++)
        values[i] = (float)i / W_DIM;
    return write_npy(name, values, W_DIM);
}

static gboolean has_imported(const char *path, const char *direction)
{
    LkModel *model = lk_session_get_model(session());

    return g_str_equal(lk_model_path(model), path) && lk_model_find_direction(model, direction) != NULL &&
           is_settled();
}

/* Into the person's own model: under its name it is replaced, under another one a new one is made. */
static void test_import(void)
{
    g_autofree char *file = write_direction("beard.npy");
    g_autofree char *own = own_path("Other_one.safetensors");
    g_autofree char *copy = own_path("Bearded.safetensors");
    GtkWidget *dialog = ask_to_import(file);
    GtkWidget *name = probe_find(dialog, ADW_TYPE_ENTRY_ROW, NULL, NULL);

    g_assert_cmpstr(gtk_editable_get_text(GTK_EDITABLE(name)), ==, "Other_one");
    gtk_editable_set_text(GTK_EDITABLE(name), "Newcomer");
    g_assert_nonnull(probe_find(dialog, GTK_TYPE_LABEL, "label", "There is a model of this name already"));
    g_assert_false(gtk_widget_get_sensitive(probe_find(dialog, GTK_TYPE_BUTTON, "label", "Import")));
    gtk_editable_set_text(GTK_EDITABLE(name), "Bearded");
    answer(dialog, "Import");
    PROBE_WAIT(has_imported(copy, "beard"), PICTURE);
    g_assert_nonnull(lk_panel_get_slider(panel, 3));
    g_assert_nonnull(find_message("Bearded"));

    activate_on_bus("model", g_variant_new_bytestring(own));
    PROBE_WAIT(uses(own), PICTURE);
    g_assert_null(lk_model_find_direction(lk_session_get_model(session()), "beard"));
    answer(ask_to_import(file), "Import");
    PROBE_WAIT(has_imported(own, "beard"), PICTURE);
    g_assert_cmpfloat(lk_model_find_direction(lk_session_get_model(session()), "beard")->vector[W_DIM - 1],
                      ==, (float)(W_DIM - 1) / W_DIM);
}

static gboolean make_with_torch(const char *path)
{
    const char *arguments[] = {
        "/usr/bin/python3", "-c",
        "import sys, torch; torch.save(torch.arange(24.).reshape(1, 24) / 8, sys.argv[1])", path, NULL};
    int result;

    return g_spawn_sync(NULL, (char **)arguments, NULL,
                        G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                        &result, NULL) &&
           result == 0;
}

static void test_import_torch(void)
{
    g_autofree char *file = g_build_filename(folder, "of torch.pt", NULL);
    g_autofree char *own = own_path("Other_one.safetensors");
    const LkDirection *direction;

    if (!make_with_torch(file)) {
        g_test_skip("Python has no torch");
        return;
    }
    answer(ask_to_import(file), "Import");
    PROBE_WAIT(has_imported(own, "of_torch"), PICTURE);
    direction = lk_model_find_direction(lk_session_get_model(session()), "of_torch");
    for (guint i = 0; i < W_DIM; i++)
        g_assert_cmpfloat(direction->vector[i], ==, (float)i / 8);
}

static void test_import_fails(void)
{
    g_autofree char *file = write_npy("too short.npy", (float[]){1, 2, 3}, 3);
    LkModel *before = lk_session_get_model(session());
    GtkWidget *message;

    answer(ask_to_import(file), "Import");
    PROBE_WAIT((message = find_dialog(ADW_TYPE_MESSAGE_DIALOG)) != NULL, 30);
    PROBE_WAIT(probe_find(message, GTK_TYPE_LABEL, "label", "too short.npy") != NULL, 10);
    probe_run(300);
    answer(message, "Close");
    PROBE_WAIT(find_dialog(ADW_TYPE_MESSAGE_DIALOG) == NULL, 10);
    g_assert_true(lk_session_get_model(session()) == before);
}

static void test_import_cancelled(void)
{
    g_autofree char *file = write_direction("never.npy");
    g_autofree char *output = own_path("Never.safetensors");
    GtkWidget *dialog = ask_to_import(file), *bar;

    answer(dialog, "Cancel");
    PROBE_WAIT(find_dialog(LK_TYPE_IMPORT_DIALOG) == NULL, 10);

    dialog = ask_to_import(file);
    gtk_editable_set_text(GTK_EDITABLE(probe_find(dialog, ADW_TYPE_ENTRY_ROW, NULL, NULL)), "Never");
    /* No time passes between the two: the import has hardly begun. */
    g_signal_emit_by_name(probe_find(dialog, GTK_TYPE_BUTTON, "label", "Import"), "clicked");
    bar = gtk_widget_get_ancestor(probe_find(GTK_WIDGET(window), GTK_TYPE_PROGRESS_BAR, NULL, NULL),
                                  GTK_TYPE_REVEALER);
    g_assert_true(gtk_revealer_get_reveal_child(GTK_REVEALER(bar)));
    g_action_group_activate_action(G_ACTION_GROUP(window), "cancel-import", NULL);
    PROBE_WAIT(!gtk_revealer_get_reveal_child(GTK_REVEALER(bar)), 30);
    g_assert_false(g_file_test(output, G_FILE_TEST_EXISTS));
    g_assert_null(lk_model_find_direction(lk_session_get_model(session()), "never"));
}

/* Who went on editing keeps the edit; the new model is a click away. */
static void test_import_while_editing(void)
{
    g_autofree char *file = write_direction("later.npy");
    g_autofree char *output = own_path("Later.safetensors");
    LkModel *before = lk_session_get_model(session());
    GtkWidget *dialog, *use;

    take_keyboard();
    gtk_widget_grab_focus(scale_of(0));
    type(GDK_KEY_End);
    PROBE_WAIT(slider_is(0, end_of(0)) && is_settled(), PICTURE);
    dialog = ask_to_import(file);
    gtk_editable_set_text(GTK_EDITABLE(probe_find(dialog, ADW_TYPE_ENTRY_ROW, NULL, NULL)), "Later");
    answer(dialog, "Import");
    PROBE_WAIT((use = probe_find(GTK_WIDGET(window), GTK_TYPE_BUTTON, "label", "_Use It")) != NULL, 60);
    g_assert_true(g_file_test(output, G_FILE_TEST_EXISTS));
    g_assert_true(lk_session_get_model(session()) == before);
    g_assert_true(slider_is(0, end_of(0)));
    probe_run(500);
    click(use);
    PROBE_WAIT(has_imported(output, "later"), PICTURE);
}

/* ---- the program --------------------------------------------------------------------------------- */

/* XDG_DATA_HOME is the tests' folder. */
static void remove_own_models(void)
{
    g_autofree char *own = lk_model_own_folder();
    g_autofree char *parent = g_path_get_dirname(own);
    g_autoptr(GDir) dir = g_dir_open(own, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(own, name, NULL);
        g_unlink(path);
    }
    g_rmdir(own);
    g_rmdir(parent);
}

int main(int argc, char **argv)
{
    g_autofree char *photo = lk_sample_path();
    g_autofree char *model = NULL;

    g_test_init(&argc, &argv, NULL);
    if (photo == NULL)
        g_error("no sample photo in the data folder");
    folder = g_dir_make_tmp("likeness-XXXXXX", NULL);
    g_setenv("XDG_DATA_HOME", folder, TRUE);
    model = g_build_filename(folder, "many.safetensors", NULL);
    write_many(model);
    g_test_add_func("/models/folded", test_folded);
    g_test_add_func("/models/search", test_search);
    g_test_add_func("/models/neutral", test_neutral);
    g_test_add_func("/models/inversion", test_inversion);
    g_test_add_func("/models/switch", test_switch);
    g_test_add_func("/models/menu", test_menu);
    g_test_add_func("/models/unusable", test_unusable);
    g_test_add_func("/models/import", test_import);
    g_test_add_func("/models/import-torch", test_import_torch);
    g_test_add_func("/models/import-fails", test_import_fails);
    g_test_add_func("/models/import-cancelled", test_import_cancelled);
    g_test_add_func("/models/import-while-editing", test_import_while_editing);
    return person_run(
        6, (char *[]){argv[0], (char *)"--device", (char *)"cpu", (char *)"--model", model, photo, NULL},
        remove_own_models);
}
