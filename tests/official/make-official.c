/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes StyleRes at the released size with golden weights as a model file; README.md in this folder says what for.
 */
#include "official.h"
#include "photo.h"

static gint64 seed = 1;
static gboolean half;
static char *crop;

static const GOptionEntry entries[] = {
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Seed of the weights (default: 1)", "N"},
    {"f16", 0, 0, G_OPTION_ARG_NONE, &half, "Half-precision kernels", NULL},
    {"crop", 0, 0, G_OPTION_ARG_FILENAME, &crop, "Write the synthetic 256 x 256 picture as well", "PNG"},
    {NULL},
};

static gboolean write_crop(GError **error)
{
    g_autofree guint8 *rgba = g_malloc(4 * lk_released_config.input * lk_released_config.input);
    g_autoptr(LkPhoto) photo = NULL;

    lk_official_synthetic(rgba);
    photo = lk_photo_new(lk_released_config.input, lk_released_config.input, rgba);
    return lk_photo_save_png(photo, crop, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("MODEL.safetensors");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 2) {
        g_printerr("make-official: %s\n", error ? error->message : "name one file to write");
        return 2;
    }
    if (!lk_official_write(argv[1], (guint64)seed, half ? LK_DTYPE_F16 : LK_DTYPE_F32, &error) ||
        (crop && !write_crop(&error))) {
        g_printerr("make-official: %s\n", error->message);
        return 1;
    }
    return 0;
}
