/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * resave - opens a photo and saves it, for check-export.py and for trying files by hand.
 *
 * usage: photo-resave [OPTION...] IN OUT...
 */
#include "original.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gboolean strip_location, full_chroma;
static int depth, quality;
static char *patch_text, *view_path;
static char **paths;

static const GOptionEntry entries[] = {
    {"depth", 0, 0, G_OPTION_ARG_INT, &depth, "bits per channel", "8|16"},
    {"quality", 0, 0, G_OPTION_ARG_INT, &quality, "of JPEG and WebP", "N"},
    {"full-chroma", 0, 0, G_OPTION_ARG_NONE, &full_chroma, "4:4:4", NULL},
    {"strip-location", 0, 0, G_OPTION_ARG_NONE, &strip_location, "no GPS", NULL},
    {"patch", 0, 0, G_OPTION_ARG_STRING, &patch_text, "one change in a rectangle", "X,Y,W,H,R,G,B"},
    {"view", 0, 0, G_OPTION_ARG_FILENAME, &view_path, "the 8-bit sRGB view as PNG", "FILE"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, NULL},
    {NULL},
};

/* Every pixel of the rectangle changes alike. */
static LkPatch *parse_patch(const char *text)
{
    LkPatch *patch = g_new0(LkPatch, 1);
    float change[3];

    if (sscanf(text, "%u,%u,%u,%u,%f,%f,%f", &patch->x, &patch->y, &patch->width, &patch->height, &change[0],
               &change[1], &change[2]) != 7)
        g_error("--patch needs seven numbers");
    patch->change = g_new(float, 3 * (gsize)patch->width * patch->height);
    for (gsize i = 0; i < 3 * (gsize)patch->width * patch->height; i++)
        patch->change[i] = change[i % 3];
    return patch;
}

static gboolean save_all(const LkOriginal *original, GError **error)
{
    LkExportOptions options = {.depth = (guint)depth,
                               .quality = (guint)quality,
                               .full_chroma = full_chroma,
                               .strip_location = strip_location};
    g_autoptr(LkPatch) patch = patch_text ? parse_patch(patch_text) : NULL;

    for (char **path = paths + 1; *path; path++) {
        if (!lk_file_format_from_path(*path, &options.format))
            g_error("%s has an unknown ending", *path);
        if (!lk_original_save(original, (const LkPatch *const *)&patch, patch ? 1 : 0, *path, &options,
                              error))
            return FALSE;
    }
    return !view_path || lk_photo_save_png(lk_original_photo(original), view_path, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("IN OUT...");
    g_autoptr(GError) error = NULL;
    g_autoptr(LkOriginal) original = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !paths)
        g_error("%s", error ? error->message : "no photo given");
    original = lk_original_open(paths[0], &error);
    if (original && save_all(original, &error))
        return 0;
    fprintf(stderr, "%s\n", error->message);
    return 1;
}
