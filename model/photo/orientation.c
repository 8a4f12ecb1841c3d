/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * orientation.c - which way up a photo is: read by gexiv2, applied to the pixels.
 */
#include "photo-private.h"

#include <gexiv2/gexiv2.h>

static void initialise_once(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        gexiv2_initialize();
        /* Broken metadata is no reason to talk to the terminal. */
        gexiv2_log_set_level(GEXIV2_LOG_LEVEL_MUTE);
        g_once_init_leave(&done, 1);
    }
}

guint lk_orientation_read(GBytes *file)
{
    g_autoptr(GExiv2Metadata) metadata = NULL;
    gsize size;
    const guint8 *data = g_bytes_get_data(file, &size);
    GExiv2Orientation orientation;

    initialise_once();
    metadata = gexiv2_metadata_new();
    if (!gexiv2_metadata_open_buf(metadata, data, (glong)size, NULL))
        return 1;
    orientation = gexiv2_metadata_try_get_orientation(metadata, NULL);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

gboolean lk_orientation_apply(const char *name, LkDecoded *decoded, guint orientation, GError **error)
{
    /* Where the upright picture's next pixel to the right and next row lie in the stored one. */
    static const struct {
        int right_x, right_y, down_x, down_y;
    } turns[9] = {
        [2] = {-1, 0, 0, 1}, [3] = {-1, 0, 0, -1}, [4] = {1, 0, 0, -1}, [5] = {0, 1, 1, 0},
        [6] = {0, -1, 1, 0}, [7] = {0, -1, -1, 0}, [8] = {0, 1, -1, 0},
    };
    gssize stored_width = decoded->width, right, down;
    const guint32 *from = (const guint32 *)decoded->pixels;
    guint32 *to;
    guint width, height;

    if (orientation < 2 || orientation > 8)
        return TRUE;
    width = orientation < 5 ? decoded->width : decoded->height;
    height = orientation < 5 ? decoded->height : decoded->width;
    to = (guint32 *)lk_photo_alloc(name, width, height, error);
    if (!to)
        return FALSE;
    right = turns[orientation].right_x + turns[orientation].right_y * stored_width;
    down = turns[orientation].down_x + turns[orientation].down_y * stored_width;
    if (turns[orientation].right_x + turns[orientation].down_x < 0)
        from += stored_width - 1;
    if (turns[orientation].right_y + turns[orientation].down_y < 0)
        from += stored_width * (gssize)(decoded->height - 1);
    for (guint y = 0; y < height; y++)
        for (guint x = 0; x < width; x++)
            to[(gsize)y * width + x] = from[(gssize)y * down + (gssize)x * right];
    g_free(decoded->pixels);
    decoded->pixels = (guint8 *)to;
    decoded->width = width;
    decoded->height = height;
    return TRUE;
}
