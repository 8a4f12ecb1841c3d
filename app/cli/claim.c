/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * claim.c - which edit a batch's folder has pictures of. It is kept in the folder, so that a batch that was interrupted goes on
 * with the same edit only.
 */
#include "cli.h"

#include <math.h>

#define NAME ".likeness-batch"

/* All that the pictures depend on, but for the photos. */
static char *describe(const CliOptions *options, const LkModel *model, const float *set)
{
    const LkExportOptions *export = &options->export;
    GString *text = g_string_new("likeness-cli batch\n");
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(text, "model %016" G_GINT64_MODIFIER "x\n", lk_model_hash(model));
    for (guint k = 0; k < lk_model_n_directions(model); k++)
        if (!isnan(set[k]))
            g_string_append_printf(text, "set %s=%s\n", lk_model_direction(model, k)->name,
                                   g_ascii_dtostr(number, sizeof number, (double)set[k]));
    g_string_append_printf(text, "inversion %d\ndetail %s\nhalf %d\naligned %d\nface %u\n",
                           options->inversion, g_ascii_dtostr(number, sizeof number, options->detail),
                           options->half, options->aligned, options->face);
    g_string_append_printf(text, "format %d\nquality %u\ndepth %u\nchroma %d\nlocation %d\n",
                           options->has_format ? (int)export->format : -1, export->quality, export->depth,
                           export->full_chroma, !export->strip_location);
    return g_string_free(text, FALSE);
}

gboolean cli_claim_folder(const CliOptions *options, const LkModel *model, const float *set, GError **error)
{
    g_autofree char *path = g_build_filename(options->output, NAME, NULL);
    g_autofree char *text = describe(options, model, set), *before = NULL;

    if (!options->overwrite && g_file_get_contents(path, &before, NULL, NULL) && !g_str_equal(before, text)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                    "%s has pictures of another edit; choose another folder with -o, or --overwrite",
                    options->output);
        return FALSE;
    }
    return g_file_set_contents(path, text, -1, error);
}
