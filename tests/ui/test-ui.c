/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The window with the built-in model: opening, sliders, detail, undo, compare, zoom, export, errors.
 */
#define _GNU_SOURCE /* memmem */

#include "likeness-config.h"

#include "export-dialog.h"
#include "input.h"
#include "paths.h"
#include "person.h"
#include "pictures.h"

#include <png.h>
#include <string.h>

/* ---- tests --------------------------------------------------------------------------------------- */

/* A page that says what is wrong ends the wait: nothing will come after it. */
static gboolean has_failed(void)
{
    GtkWidget *page =
        probe_find(GTK_WIDGET(window), ADW_TYPE_STATUS_PAGE, "icon-name", "dialog-warning-symbolic");
    const char *text = adw_status_page_get_description(ADW_STATUS_PAGE(page));

    if (gtk_widget_get_mapped(page))
        g_test_message("%s", text);
    return gtk_widget_get_mapped(page);
}

static void test_open(void)
{
    PROBE_WAIT(is_ready() || has_failed(), FIRST_PICTURE);
    g_assert_false(has_failed());
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_nonnull(lk_session_get_photo(session()));
    g_assert_false(lk_session_get_modified(session()));
    g_assert_true(gtk_widget_get_sensitive(GTK_WIDGET(panel)));
    for (guint i = 0; i < lk_model_n_directions(lk_session_get_model(session())); i++)
        g_assert_cmpfloat(lk_slider_get_value(lk_panel_get_slider(panel, i)), ==, 0);
}

/* Read by libpng itself, not by the code that may share a mistake with the writer. */
static LkPhoto *read_png(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    g_autofree guint8 *pixels = NULL;

    g_assert_true(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGBA;
    pixels = g_malloc(PNG_IMAGE_SIZE(image));
    g_assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    return lk_photo_new(image.width, image.height, pixels);
}

/* Zero means original: what is exported without an edit has each of the photo's pixels. */
static void test_export_unedited(void)
{
    g_autofree char *path = g_build_filename(folder, "unedited.png", NULL);
    g_autoptr(LkPhoto) written = NULL;

    g_assert_true(probe_shows(canvas, lk_session_get_photo(session())));
    activate_on_bus("export-to", g_variant_new_string(path));
    PROBE_WAIT(find_message("unedited.png") != NULL, PICTURE);
    written = read_png(path);
    g_assert_true(hash_of(written) == hash_of(lk_session_get_photo(session())));
}

static void count(guint *pictures)
{
    ++*pictures;
}

/* A hand's pace: 60 moves of 16 ms from the middle of the slider to beyond its end. */
static void drag_to_end(GtkWidget *scale)
{
    double x, y;

    middle_of(scale, &x, &y);
    y = 10; /* the marks are below */
    input_move(scale, x, y);
    probe_run(50);
    input_button(TRUE);
    for (int i = 1; i <= 60; i++) {
        input_move(scale, x + (x + 20) * i / 60, y);
        probe_run(16);
    }
    probe_run(1000);
    input_button(FALSE);
    probe_run(50);
}

static gint64 watch_drag(GtkWidget *scale)
{
    ProbeLoop loop;

    probe_loop_begin(&loop, input_socket(GTK_WIDGET(window)));
    drag_to_end(scale);
    probe_loop_end(&loop);
    g_test_message(
        "drag: %u iterations, the longest held the loop for %.1f ms (%.1f ms with waiting for X and for a "
        "processor), timer of 2 ms late by at most %.1f ms",
        loop.iterations, loop.held / 1e3, loop.longest / 1e3, loop.latest / 1e3);
    return loop.held;
}

static void test_drag(void)
{
    const LkDirection *direction = lk_model_direction(lk_session_get_model(session()), 0);
    guint64 before = canvas_hash();
    guint pictures = 0;
    gulong handler = g_signal_connect_swapped(session(), "picture", G_CALLBACK(count), &pictures);

    watch_drag(scale_of(0));
    PROBE_WAIT(slider_is(0, direction->maximum), PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_cmpuint(pictures, >=, 1);
    g_assert_true(canvas_hash() != before);
    g_signal_handler_disconnect(session(), handler);
}

/* Other programs on the machine can only lengthen what is measured, so the best of some drags counts: what
 * the window does itself it does in each of them. */
static void test_never_blocked(void)
{
    gint64 held = G_MAXINT64;

    for (int attempt = 0; attempt < 5 && held >= PROBE_FRAME; attempt++) {
        g_action_group_activate_action(G_ACTION_GROUP(window), "reset", NULL);
        PROBE_WAIT(is_settled(), PICTURE);
        gint64 this_time = watch_drag(scale_of(0));
        held = MIN(held, this_time);
    }
    g_assert_cmpint(held, <, PROBE_FRAME);
    PROBE_WAIT(is_settled(), PICTURE);
}

static void test_keyboard(void)
{
    const LkDirection *direction = lk_model_direction(lk_session_get_model(session()), 1);
    guint64 before = canvas_hash();

    gtk_widget_grab_focus(scale_of(1));
    type(GDK_KEY_Right);
    PROBE_WAIT(slider_is(1, direction->step), PICTURE);
    type(GDK_KEY_Left);
    type(GDK_KEY_Left);
    PROBE_WAIT(slider_is(1, -direction->step), PICTURE);
    type(GDK_KEY_End);
    PROBE_WAIT(slider_is(1, direction->maximum), PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_true(canvas_hash() != before);
}

static void test_reset(void)
{
    GtkWidget *own = probe_find(GTK_WIDGET(lk_panel_get_slider(panel, 1)), GTK_TYPE_BUTTON, NULL, NULL);
    GtkWidget *all = probe_find(GTK_WIDGET(panel), GTK_TYPE_BUTTON, "action-name", "win.reset");
    double other = lk_slider_get_value(lk_panel_get_slider(panel, 0));

    g_assert_cmpfloat(other, !=, 0);
    click(own);
    PROBE_WAIT(slider_is(1, 0), PICTURE);
    g_assert_true(slider_is(0, other));
    g_assert_true(lk_session_get_modified(session()));
    click(all);
    PROBE_WAIT(slider_is(0, 0), PICTURE);
    g_assert_false(lk_session_get_modified(session()));
    PROBE_WAIT(!gtk_widget_get_sensitive(all), PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
}

static void test_undo(void)
{
    GtkWidget *undo = button_with_icon("edit-undo-symbolic"), *redo = button_with_icon("edit-redo-symbolic");
    LkModel *model = lk_session_get_model(session());

    click(undo); /* reset all */
    PROBE_WAIT(slider_is(0, lk_model_direction(model, 0)->maximum), PICTURE);
    g_assert_true(slider_is(1, 0));
    click(undo); /* the slider's own reset */
    PROBE_WAIT(slider_is(1, lk_model_direction(model, 1)->maximum), PICTURE);
    click(redo);
    PROBE_WAIT(slider_is(1, 0), PICTURE);
    click(undo);
    PROBE_WAIT(slider_is(1, lk_model_direction(model, 1)->maximum), PICTURE);
    PROBE_WAIT(is_settled(), PICTURE);
}

static gboolean detail_is(double detail)
{
    return ABS(lk_session_get_detail(session()) - detail) < 1e-5 && is_settled();
}

/* An edit is in the picture. */
static void test_detail(void)
{
    GtkWidget *scale = lk_panel_get_detail_scale(panel);
    guint64 before = canvas_hash();

    g_assert_true(lk_session_get_modified(session()));
    PROBE_WAIT(detail_is(LK_DETAIL_DEFAULT), PICTURE);
    g_assert_nonnull(probe_find(GTK_WIDGET(panel), GTK_TYPE_LABEL, "label", "100"));
    gtk_widget_grab_focus(scale);
    type(GDK_KEY_Home);
    PROBE_WAIT(detail_is(0), PICTURE);
    g_assert_true(canvas_hash() != before);
    type(GDK_KEY_Page_Up);
    PROBE_WAIT(detail_is(0.1), PICTURE);
    type(GDK_KEY_End);
    PROBE_WAIT(detail_is(1), PICTURE);
    PROBE_WAIT(canvas_hash() == before, PICTURE);
}

static void assert_compares(void)
{
    g_autoptr(LkPhoto) picture = lk_session_copy_picture(session());

    PROBE_WAIT(probe_shows(canvas, lk_session_get_photo(session())), PICTURE);
    g_assert_true(lk_canvas_get_comparing(canvas));
    g_assert_false(probe_shows(canvas, picture));
}

static void test_compare(void)
{
    press_on(button_with_icon("likeness-compare-symbolic"));
    assert_compares();
    input_button(FALSE);
    PROBE_WAIT(is_settled(), PICTURE);

    input_key(GDK_KEY_c, TRUE);
    probe_run(100);
    assert_compares();
    input_key(GDK_KEY_c, FALSE);
    PROBE_WAIT(is_settled(), PICTURE);
}

static void test_zoom(void)
{
    graphene_rect_t fitted, zoomed;
    guint64 before = canvas_hash();

    g_assert_true(lk_canvas_get_picture_bounds(canvas, &fitted));
    g_action_group_activate_action(G_ACTION_GROUP(window), "zoom-pixels", NULL);
    g_assert_true(lk_canvas_get_picture_bounds(canvas, &zoomed));
    g_assert_cmpfloat(zoomed.size.width, ==, lk_photo_width(lk_session_get_photo(session())));
    PROBE_WAIT(canvas_hash() != before, PICTURE);
    g_action_group_activate_action(G_ACTION_GROUP(window), "zoom-fit", NULL);
    PROBE_WAIT(is_settled(), PICTURE);
}

static void test_export(void)
{
    g_autofree char *path = g_build_filename(folder, "a picture.png", NULL);
    g_autoptr(LkPhoto) written = NULL, picture = NULL;
    LkPhoto *photo = lk_session_get_photo(session());

    PROBE_WAIT(is_settled(), PICTURE);
    g_assert_true(lk_session_get_modified(session()));
    picture = lk_session_copy_picture(session());
    activate_on_bus("export-to", g_variant_new_string(path));
    PROBE_WAIT(find_message("a picture.png") != NULL, PICTURE);
    written = read_png(path);
    g_assert_cmpuint(lk_photo_width(written), ==, lk_photo_width(photo));
    g_assert_cmpuint(lk_photo_height(written), ==, lk_photo_height(photo));
    g_assert_true(hash_of(written) == hash_of(picture));
    g_assert_true(probe_shows(canvas, written));
    g_assert_false(probe_shows(canvas, photo));
}

static LkExportDialog *find_export_dialog(void)
{
    GtkWidget *dialog = find_dialog(LK_TYPE_EXPORT_DIALOG);

    return dialog != NULL ? LK_EXPORT_DIALOG(dialog) : NULL;
}

static GtkWidget *row_of(LkExportDialog *dialog, const char *title)
{
    GtkWidget *row = probe_find(GTK_WIDGET(dialog), ADW_TYPE_PREFERENCES_ROW, "title", title);

    g_assert_nonnull(row);
    return row;
}

static void switch_over(LkExportDialog *dialog, const char *title)
{
    g_assert_true(gtk_widget_activate(probe_find(row_of(dialog, title), GTK_TYPE_SWITCH, NULL, NULL)));
}

static void choose_format(LkExportDialog *dialog, LkFileFormat format)
{
    adw_combo_row_set_selected(ADW_COMBO_ROW(row_of(dialog, "Format")), format);
}

/* Which rows there are depends on the format; what is set is kept for the next export. */
static void test_export_dialog(void)
{
    g_autoptr(GSettings) settings = lk_settings_new();
    LkExportDialog *dialog;

    g_assert_nonnull(settings);
    g_action_group_activate_action(G_ACTION_GROUP(window), "export", NULL);
    PROBE_WAIT((dialog = find_export_dialog()) != NULL, 10);
    g_assert_cmpint(lk_export_dialog_get_format(dialog), ==, LK_FILE_JPEG); /* the sample's */
    g_assert_true(gtk_widget_get_visible(row_of(dialog, "Quality")));
    g_assert_false(gtk_widget_get_visible(row_of(dialog, "Depth")));
    switch_over(dialog, "Fine Colours");
    choose_format(dialog, LK_FILE_TIFF);
    g_assert_false(gtk_widget_get_visible(row_of(dialog, "Fine Colours")));
    g_assert_false(gtk_widget_get_visible(row_of(dialog, "Quality")));
    g_assert_true(gtk_widget_get_visible(row_of(dialog, "Depth")));
    adw_combo_row_set_selected(ADW_COMBO_ROW(row_of(dialog, "Depth")), 2);
    choose_format(dialog, LK_FILE_WEBP);
    g_assert_false(gtk_widget_get_visible(row_of(dialog, "Quality")));
    switch_over(dialog, "Without Loss");
    PROBE_WAIT(gtk_widget_get_visible(row_of(dialog, "Quality")), 10);
    switch_over(dialog, "Location");
    g_assert_true(gtk_widget_activate(probe_find(GTK_WIDGET(dialog), GTK_TYPE_BUTTON, "label", "_Export…")));
    PROBE_WAIT(find_export_dialog() == NULL, 10);
    g_assert_cmpuint(lk_export_options(settings, LK_FILE_PNG).depth, ==, 16);
    g_assert_cmpuint(lk_export_options(settings, LK_FILE_JPEG).depth, ==, 0);
    g_assert_cmpuint(lk_export_options(settings, LK_FILE_WEBP).quality, ==, 95);
    g_assert_true(lk_export_options(settings, LK_FILE_JPEG).strip_location);
    g_assert_true(lk_export_options(settings, LK_FILE_JPEG).full_chroma);
    g_assert_false(lk_export_options(settings, LK_FILE_WEBP).full_chroma);
    type(GDK_KEY_Escape); /* the file chooser */
    g_settings_reset(settings, "export-depth");
    g_settings_reset(settings, "export-lossless");
    g_settings_reset(settings, "export-full-chroma");
    g_settings_reset(settings, "export-without-location");
}

/* A camera's name and a place, as EXIF has them: TIFF, little endian. */
static const guint8 exif[] = {
    'E',  'x',  'i', 'f', 0,   0,   'I', 'I', 42,  0,   8, 0, 0, 0, 2, 0, /* entries */
    0x0f, 0x01, 2,   0,   11,  0,   0,   0,   38,  0,   0, 0,             /* Make at 38 */
    0x25, 0x88, 4,   0,   1,   0,   0,   0,   50,  0,   0, 0,             /* GPS directory at 50 */
    0,    0,    0,   0,                                                   /* no further directory */
    'P',  'i',  'n', 'h', 'o', 'l', 'e', ' ', '4', '5', 0, 0, 1, 0, 1, 0,
    2,    0,    2,   0,   0,   0,   'N', 0,   0,   0,   0, 0, 0, 0, /* GPSLatitudeRef */
};

static char *read_file(const char *path, gsize *size)
{
    GError *error = NULL;
    char *bytes;

    g_file_get_contents(path, &bytes, size, &error);
    g_assert_no_error(error);
    return bytes;
}

static gboolean has_text(const char *path, const char *text, gsize length)
{
    gsize size;
    g_autofree char *bytes = read_file(path, &size);

    return memmem(bytes, size, text, length) != NULL;
}

/* The sample with that EXIF after its first marker. */
static char *write_photo_with_exif(void)
{
    g_autofree char *sample = lk_sample_path();
    gsize size;
    g_autofree char *bytes = read_file(sample, &size);
    char *path = g_build_filename(folder, "from a camera.jpg", NULL);
    const guint length = sizeof exif + 2;
    g_autoptr(GByteArray) photo = g_byte_array_new();

    g_byte_array_append(photo, (const guint8 *)bytes, 2);
    g_byte_array_append(photo, (const guint8[]){0xff, 0xe1, length >> 8, length & 255}, 4);
    g_byte_array_append(photo, exif, sizeof exif);
    g_byte_array_append(photo, (const guint8 *)bytes + 2, size - 2);
    g_assert_true(g_file_set_contents(path, (const char *)photo->data, photo->len, NULL));
    return path;
}

static void export_edited(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    activate_on_bus("export-to", g_variant_new_string(path));
    PROBE_WAIT(find_message(name) != NULL, PICTURE);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* A JPEG file keeps what its camera wrote, and the place only where it may. */
static void test_export_metadata(void)
{
    g_autofree char *source = write_photo_with_exif();
    g_autofree char *path = g_build_filename(folder, "with place.jpg", NULL);
    g_autofree char *without = g_build_filename(folder, "without place.jpg", NULL);
    g_autoptr(GSettings) settings = lk_settings_new();
    LkPhoto *before = lk_session_get_photo(session());

    open_path(source);
    PROBE_WAIT(lk_session_get_photo(session()) != before && is_settled(), PICTURE);
    lk_session_set_value(session(), 0, lk_model_direction(lk_session_get_model(session()), 0)->maximum);
    PROBE_WAIT(is_settled(), PICTURE);
    export_edited(path);
    g_assert_true(has_text(path, "Pinhole 45", 10));
    g_assert_true(has_text(path, "\x01\x00\x02\x00\x02\x00\x00\x00N\x00", 10));
    g_settings_set_boolean(settings, "export-without-location", TRUE);
    export_edited(without);
    g_settings_reset(settings, "export-without-location");
    g_assert_true(has_text(without, "Pinhole 45", 10));
    g_assert_false(has_text(without, "\x01\x00\x02\x00\x02\x00\x00\x00N\x00", 10));
}

static void click_on_face(guint face)
{
    graphene_point_t place;

    g_assert_true(lk_canvas_get_face_place(canvas, face, &place));
    input_move(GTK_WIDGET(canvas), place.x, place.y);
    probe_run(50);
    input_button(TRUE);
    probe_run(50);
    input_button(FALSE);
    PROBE_WAIT(lk_session_get_face(session()) == face && is_ready(), PICTURE);
}

/* A click chooses a face, a key the next one; sliders and undo are each face's own, and the picture has the edits of both. */
static void test_two_faces(void)
{
    g_autofree char *path = g_build_filename(folder, "two.png", NULL);
    g_autofree char *edited = g_build_filename(folder, "two edited.png", NULL);
    g_autoptr(LkPhoto) photo = test_picture_of_two(100), right = NULL, both = NULL, written = NULL;
    LkPhoto *before = lk_session_get_photo(session());
    double maximum = lk_model_direction(lk_session_get_model(session()), 0)->maximum;
    GtkWidget *undo = button_with_icon("edit-undo-symbolic");

    g_assert_false(g_action_group_get_action_enabled(G_ACTION_GROUP(window), "next-face"));
    g_assert_true(lk_photo_save_png(photo, path, NULL));
    open_path(path);
    PROBE_WAIT(lk_session_get_photo(session()) != before && is_ready(), PICTURE);
    g_assert_false(is_settled_away()); /* marked until one is chosen or edited */
    gtk_widget_grab_focus(scale_of(0));
    type(GDK_KEY_End);
    PROBE_WAIT(slider_is(0, maximum), PICTURE);
    PROBE_WAIT(is_settled_away(), PICTURE);
    right = lk_session_copy_picture(session());

    click_on_face(1);
    g_assert_nonnull(probe_find(GTK_WIDGET(window), GTK_TYPE_LABEL, "label", "two.png, face 2 of 2"));
    g_assert_true(slider_is(0, 0));
    g_assert_false(gtk_widget_get_sensitive(undo));
    g_assert_false(is_settled()); /* the pointer is there: marks */
    PROBE_WAIT(is_settled_away(), PICTURE);
    g_assert_true(probe_shows(canvas, right));
    gtk_widget_grab_focus(scale_of(0));
    type(GDK_KEY_Home);
    PROBE_WAIT(slider_is(0, lk_model_direction(lk_session_get_model(session()), 0)->minimum), PICTURE);
    PROBE_WAIT(is_settled_away(), PICTURE);
    both = lk_session_copy_picture(session());
    g_assert_false(probe_shows(canvas, right));

    type_with(GDK_KEY_Control_L, GDK_KEY_Page_Down);
    PROBE_WAIT(lk_session_get_face(session()) == 0 && is_settled_away(), PICTURE);
    g_assert_true(slider_is(0, maximum));
    g_assert_true(probe_shows(canvas, both));
    export_edited(edited);
    written = read_png(edited);
    g_assert_true(hash_of(written) == hash_of(both));
    click(undo);
    PROBE_WAIT(slider_is(0, 0), PICTURE);
    PROBE_WAIT(is_settled_away(), PICTURE);
    click_on_face(1);
    g_assert_true(gtk_widget_get_sensitive(undo));
    PROBE_WAIT(is_settled_away(), PICTURE);
}

static void test_export_fails(void)
{
    g_autofree char *path = g_build_filename(folder, "no such folder", "unwritable.png", NULL);

    activate_on_bus("export-to", g_variant_new_string(path));
    PROBE_WAIT(find_message("unwritable.png") != NULL, PICTURE);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_bad_file(void)
{
    g_autofree char *path = g_build_filename(folder, "not a photo.jpg", NULL);
    g_autoptr(LkPhoto) photo = lk_photo_ref(lk_session_get_photo(session()));
    GError *error = NULL;

    g_file_set_contents(path, "this is text", -1, &error);
    g_assert_no_error(error);
    open_path(path);
    PROBE_WAIT(find_message("not a photo.jpg") != NULL && is_ready(), PICTURE);
    g_assert_true(lk_session_get_photo(session()) == photo);
    PROBE_WAIT(is_settled_away(), PICTURE);
}

/* What a screen reader is told. */
static void test_accessible(void)
{
    static const char *const icons[] = {"edit-undo-symbolic", "edit-redo-symbolic",
                                        "likeness-compare-symbolic"};

    for (guint i = 0; i < G_N_ELEMENTS(icons); i++)
        g_assert_true(gtk_test_accessible_has_property(GTK_ACCESSIBLE(button_with_icon(icons[i])),
                                                       GTK_ACCESSIBLE_PROPERTY_LABEL));
    gtk_test_accessible_assert_role(GTK_ACCESSIBLE(canvas), GTK_ACCESSIBLE_ROLE_IMG);
    g_assert_true(gtk_test_accessible_has_property(GTK_ACCESSIBLE(canvas), GTK_ACCESSIBLE_PROPERTY_LABEL));
    for (guint i = 0; lk_panel_get_slider(panel, i) != NULL; i++) {
        GtkWidget *slider = GTK_WIDGET(lk_panel_get_slider(panel, i));
        GtkAccessible *scale = GTK_ACCESSIBLE(scale_of(i));
        GtkAccessible *reset = GTK_ACCESSIBLE(probe_find(slider, GTK_TYPE_BUTTON, NULL, NULL));
        g_assert_true(gtk_test_accessible_has_relation(scale, GTK_ACCESSIBLE_RELATION_LABELLED_BY));
        g_assert_true(gtk_test_accessible_has_property(scale, GTK_ACCESSIBLE_PROPERTY_DESCRIPTION));
        g_assert_true(gtk_test_accessible_has_property(scale, GTK_ACCESSIBLE_PROPERTY_VALUE_TEXT));
        g_assert_true(gtk_test_accessible_has_property(reset, GTK_ACCESSIBLE_PROPERTY_LABEL));
    }
}

/* A second window, whose model is not there. */
static void test_no_model(void)
{
    LkWindow *other = lk_window_new(ADW_APPLICATION(application), "/nowhere/model.safetensors", "cpu");
    GtkWidget *page;

    gtk_window_present(GTK_WINDOW(other));
    PROBE_WAIT((page = probe_find(GTK_WIDGET(other), ADW_TYPE_STATUS_PAGE, "description",
                                  "model.safetensors")) != NULL,
               10);
    PROBE_WAIT(gtk_widget_get_mapped(page), 10);
    g_assert_null(lk_window_get_session(other));
    g_assert_false(g_action_group_get_action_enabled(G_ACTION_GROUP(other), "open"));
    gtk_window_destroy(GTK_WINDOW(other));
}

static void add_tests(void)
{
    g_test_add_func("/ui/open", test_open);
    g_test_add_func("/ui/export-unedited", test_export_unedited);
    g_test_add_func("/ui/drag", test_drag);
    g_test_add_func("/ui/never-blocked", test_never_blocked);
    g_test_add_func("/ui/keyboard", test_keyboard);
    g_test_add_func("/ui/reset", test_reset);
    g_test_add_func("/ui/undo", test_undo);
    g_test_add_func("/ui/detail", test_detail);
    g_test_add_func("/ui/compare", test_compare);
    g_test_add_func("/ui/zoom", test_zoom);
    g_test_add_func("/ui/export", test_export);
    g_test_add_func("/ui/export-dialog", test_export_dialog);
    g_test_add_func("/ui/export-metadata", test_export_metadata);
    g_test_add_func("/ui/two-faces", test_two_faces);
    g_test_add_func("/ui/export-fails", test_export_fails);
    g_test_add_func("/ui/bad-file", test_bad_file);
    g_test_add_func("/ui/accessible", test_accessible);
    g_test_add_func("/ui/no-model", test_no_model);
}

int main(int argc, char **argv)
{
    g_autofree char *photo = lk_sample_path();
    char *arguments[] = {argv[0], (char *)"--device", (char *)"cpu", photo, NULL};

    g_test_init(&argc, &argv, NULL);
    if (photo == NULL)
        g_error("no sample photo in the data folder");
    add_tests();
    return person_run(4, arguments, NULL);
}
