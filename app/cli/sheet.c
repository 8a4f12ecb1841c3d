/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <string.h>

/* The contact sheet: a grid of square cells on white. */
enum { COLUMNS = 5, GAP = 8, LARGEST_CELL = 256 };

typedef struct {
    guint cell, width, height;
    guint8 *pixels; /* RGBA */
} Grid;

static Grid grid_new(guint cell, guint rows)
{
    Grid grid = {.cell = cell, .width = COLUMNS * (cell + GAP) + GAP, .height = rows * (cell + GAP) + GAP};
    const gsize size = (gsize)4 * grid.width * grid.height;

    grid.pixels = g_malloc(size);
    memset(grid.pixels, 0xff, size);
    return grid;
}

static void grid_put(Grid *grid, guint row, guint column, const LkPhoto *picture)
{
    g_autoptr(LkPhoto) scaled = lk_photo_resize(picture, grid->cell, grid->cell);
    const guint x = GAP + column * (grid->cell + GAP), y = GAP + row * (grid->cell + GAP);

    for (guint line = 0; line < grid->cell; line++)
        memcpy(grid->pixels + ((gsize)(y + line) * grid->width + x) * 4,
               lk_photo_pixels(scaled) + (gsize)line * grid->cell * 4, (gsize)grid->cell * 4);
}

/* ---- pictures ----------------------------------------------------------------------------------------------- */

typedef struct {
    const CliOptions *options;
    LkEditor *editor;
    Grid grid;
} Sheet;

static gboolean save(const Sheet *sheet, LkPhoto *picture, const char *name, GError **error)
{
    g_autofree char *file_name = g_strconcat(name, ".png", NULL);
    g_autofree char *path = g_build_filename(sheet->options->output, file_name, NULL);

    if (!lk_photo_save_png(picture, path, error))
        return FALSE;
    g_print("%s\n", path);
    return TRUE;
}

/* Saves a network picture as the command shows it. */
static gboolean save_face(const Sheet *sheet, LkPhoto *face, const char *name, GError **error)
{
    g_autoptr(LkPhoto) picture =
        sheet->options->aligned ? lk_photo_ref(face) : lk_editor_compose(sheet->editor, face);

    return save(sheet, picture, name, error);
}

static LkPhoto *generate(const Sheet *sheet, guint slider, float value, GError **error)
{
    const LkModel *model = lk_editor_model(sheet->editor);
    g_autofree float *values = g_new0(float, lk_model_n_directions(model) + 1);

    values[slider] = value;
    return lk_editor_generate(sheet->editor, values, sheet->options->inversion, cli_cancellable(), error);
}

static gboolean make_first_row(Sheet *sheet, GError **error)
{
    LkPhoto *photo = lk_editor_photo(sheet->editor);
    g_autoptr(LkPhoto) crop = lk_crop(photo, lk_editor_quad(sheet->editor), sheet->grid.cell);
    g_autoptr(LkPhoto) inversion = generate(sheet, 0, 0, error);

    if (inversion == NULL)
        return FALSE;
    grid_put(&sheet->grid, 0, 0, crop);
    grid_put(&sheet->grid, 0, 1, inversion);
    return save(sheet, photo, "before", error) && save_face(sheet, inversion, "inversion", error);
}

static gboolean make_slider_row(Sheet *sheet, guint k, GError **error)
{
    const LkDirection *slider = lk_model_direction(lk_editor_model(sheet->editor), k);
    const float values[COLUMNS] = {slider->safe_minimum, slider->safe_minimum / 2, 0,
                                   slider->safe_maximum / 2, slider->safe_maximum};
    const char *const ends[COLUMNS] = {"minus", NULL, NULL, NULL, "plus"};

    for (guint column = 0; column < COLUMNS; column++) {
        g_autoptr(LkPhoto) face = NULL;

        cli_progress(sheet->options, "%s = %g …", slider->name, values[column]);
        face = generate(sheet, k, values[column], error);
        if (face == NULL)
            return FALSE;
        grid_put(&sheet->grid, k + 1, column, face);
        if (ends[column] == NULL)
            continue;
        g_autofree char *name = g_strdup_printf("%s-%s", slider->name, ends[column]);
        if (!save_face(sheet, face, name, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean make_sheet(Sheet *sheet, GError **error)
{
    const LkModel *model = lk_editor_model(sheet->editor);
    const guint n = lk_model_n_directions(model);
    g_autoptr(LkPhoto) picture = NULL;

    if (!make_first_row(sheet, error))
        return FALSE;
    for (guint k = 0; k < n; k++)
        if (!make_slider_row(sheet, k, error))
            return FALSE;
    picture = lk_photo_new(sheet->grid.width, sheet->grid.height, sheet->grid.pixels);
    return save(sheet, picture, "sheet", error);
}

static gboolean open_and_make(const CliOptions *options, GError **error)
{
    const char *path = options->photos[0];
    g_autoptr(LkPhoto) photo = lk_photo_open(path, error);
    g_autoptr(LkModel) model = photo ? cli_open_model(options, error) : NULL;
    g_autoptr(LkEditor) editor = model ? cli_open_editor(options, model, error) : NULL;

    if (editor == NULL || !cli_open_photo(options, editor, photo, path, error) ||
        !cli_make_folder(options->output, error))
        return FALSE;

    const guint cell = MIN(lk_model_config(model)->resolution, LARGEST_CELL);
    Sheet sheet = {options, editor, grid_new(cell, lk_model_n_directions(model) + 1)};
    const gboolean done = make_sheet(&sheet, error);
    g_free(sheet.grid.pixels);
    return done;
}

static CliStatus run(const CliOptions *options)
{
    g_autoptr(GError) error = NULL;

    return open_and_make(options, &error) ? CLI_DONE : cli_fail(error);
}

const CliCommand cli_sheet = {
    .name = "sheet",
    .arguments = "PHOTO -o DIR",
    .summary = "Write one picture per end of each slider and a contact sheet, and print where they are",
    .details = "DIR gets before.png, inversion.png, and for each slider NAME-minus.png and NAME-plus.png at "
               "the ends of\n"
               "its safe range. sheet.png shows the photo's face and its inversion, then one row per slider: "
               "from the\n"
               "lower end by way of its half, 0 and half to the upper end.",
    .takes = CLI_TAKES_FOLDER | CLI_TAKES_PHOTO | CLI_TAKES_INVERSION,
    .min_photos = 1,
    .max_photos = 1,
    .run = run,
};
