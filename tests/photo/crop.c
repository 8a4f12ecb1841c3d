/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * crop.c - what check-crop.py calls: one square of a photo as a PNG.
 */
#include "align.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) photo = NULL, crop = NULL;
    LkQuad quad;

    if (argc != 10) {
        g_printerr("usage: photo-crop PHOTO OUT SIDE CENTRE-X CENTRE-Y X-X X-Y Y-X Y-Y\n");
        return 2;
    }
    quad = (LkQuad){
        {atof(argv[4]), atof(argv[5])}, {atof(argv[6]), atof(argv[7])}, {atof(argv[8]), atof(argv[9])}};
    photo = lk_photo_open(argv[1], &error);
    crop = photo ? lk_crop(photo, &quad, (guint)atoi(argv[3])) : NULL;
    if (!crop || !lk_photo_save_png(crop, argv[2], &error)) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    return 0;
}
