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
    LkOriginal *original;
    float *neutral; /* the values at which nothing changes; at least one */
    guint n_values;
    Grid grid;
} Sheet;

static gboolean save(const Sheet *sheet, const CliPicture *picture, const char *name, GError **error)
{
    const LkExportOptions how = {.format = LK_FILE_PNG};
    g_autofree char *file_name = g_strconcat(name, ".png", NULL);
    g_autofree char *path = g_build_filename(sheet->options->output, file_name, NULL);

    if (!cli_picture_save(picture, path, &how, error))
        return FALSE;
    g_print("%s\n", path);
    return TRUE;
}

/* Saves a network picture as the command shows it. */
static gboolean save_face(const Sheet *sheet, LkPhoto *face, CliShow show, const char *name, GError **error)
{
    g_auto(CliPicture) picture = {0};

    return cli_picture_place(sheet->options, sheet->editor, sheet->original, face, show, &picture, error) &&
           save(sheet, &picture, name, error);
}

/* A picture with one slider moved; name: it is one that is written, so that its stages may be asked for. */
static LkPhoto *generate(const Sheet *sheet, guint slider, float value, const char *name, GError **error)
{
    g_autofree float *values = g_memdup2(sheet->neutral, sheet->n_values * sizeof(float));
    g_autoptr(LkPhoto) face = NULL;

    values[slider] = value;
    face = lk_editor_generate(sheet->editor, values, sheet->options->inversion, cli_cancellable(), error);
    if (face != NULL && name != NULL && sheet->options->dump != NULL) {
        g_autofree char *folder = g_build_filename(sheet->options->dump, name, NULL);
        if (!cli_dump_stages(sheet->options, sheet->editor, folder, error))
            return NULL;
    }
    return g_steal_pointer(&face);
}

static gboolean make_first_row(Sheet *sheet, GError **error)
{
    LkPhoto *photo = lk_editor_photo(sheet->editor);
    g_autoptr(LkPhoto) crop = lk_crop(photo, lk_editor_quad(sheet->editor), sheet->grid.cell);
    g_autoptr(LkPhoto) inversion = generate(sheet, 0, sheet->neutral[0], "inversion", error);

    if (inversion == NULL)
        return FALSE;
    grid_put(&sheet->grid, 0, 0, crop);
    grid_put(&sheet->grid, 0, 1, inversion);
    return save(sheet, &(CliPicture){.original = sheet->original}, "before", error) &&
           save_face(sheet, inversion, CLI_SHOW_INVERSION, "inversion", error);
}

/* The pictures at the ends are written, too. */
static gboolean make_cell(Sheet *sheet, guint k, guint column, float value, GError **error)
{
    const LkDirection *slider = lk_model_direction(lk_editor_model(sheet->editor), k);
    const char *end = column == 0 ? "minus" : column == COLUMNS - 1 ? "plus" : NULL;
    g_autofree char *name = end ? g_strdup_printf("%s-%s", slider->name, end) : NULL;
    g_autoptr(LkPhoto) face = NULL;

    cli_progress(sheet->options, "%s = %g …", slider->name, value);
    face = generate(sheet, k, value, name, error);
    if (face == NULL)
        return FALSE;
    grid_put(&sheet->grid, k + 1, column, face);
    return name == NULL || save_face(sheet, face, CLI_SHOW_EDIT, name, error);
}

static gboolean make_slider_row(Sheet *sheet, guint k, GError **error)
{
    const LkDirection *slider = lk_model_direction(lk_editor_model(sheet->editor), k);
    const float low = slider->safe_minimum, middle = sheet->neutral[k], high = slider->safe_maximum;
    const float values[COLUMNS] = {low, (low + middle) / 2, middle, (middle + high) / 2, high};

    for (guint column = 0; column < COLUMNS; column++)
        if (!make_cell(sheet, k, column, values[column], error))
            return FALSE;
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
    return save(sheet, &(CliPicture){.bare = picture}, "sheet", error);
}

static gboolean open_and_make(const CliOptions *options, GError **error)
{
    const char *path = options->photos[0];
    g_autoptr(LkOriginal) original = lk_original_open(path, error);
    g_autoptr(LkModel) model = original ? cli_open_model(options, error) : NULL;
    g_autoptr(LkEditor) editor = model ? cli_open_editor(options, model, 0, error) : NULL;

    if (editor == NULL || !cli_open_photo(options, editor, original, path, error) ||
        !cli_make_folder(options->output, error))
        return FALSE;

    const guint cell = MIN(lk_model_config(model)->resolution, LARGEST_CELL);
    const guint n = lk_model_n_directions(model);
    g_autofree float *neutral = cli_photo_values(editor, NULL);
    Sheet sheet = {options, editor, original, neutral, n + 1, grid_new(cell, n + 1)};
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
               "the lower\n"
               "end, half the way there, no change, half the way to the upper end, and that. --dump gets a "
               "folder for each\n"
               "picture.",
    .takes = CLI_TAKES_FOLDER | CLI_TAKES_PHOTO | CLI_TAKES_DETAIL | CLI_TAKES_INVERSION | CLI_TAKES_DUMP,
    .min_photos = 1,
    .max_photos = 1,
    .run = run,
};
