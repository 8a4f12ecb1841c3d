/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * orientation.c - a decoder's rows to where they belong in the upright picture (EXIF 2.3, tag 0x0112).
 */
#include "photo-private.h"

#include <string.h>

guint lk_decoded_channels(const LkDecoded *decoded)
{
    return decoded->space != LK_SPACE_GREY ? 4 : decoded->alpha ? 2 : 1;
}

gsize lk_decoded_pixel_size(const LkDecoded *decoded)
{
    return lk_decoded_channels(decoded) * decoded->depth / 8;
}

void lk_decoded_clear(LkDecoded *decoded)
{
    g_clear_pointer(&decoded->pixels, g_free);
    g_clear_pointer(&decoded->scratch, g_free);
    g_clear_pointer(&decoded->icc, g_bytes_unref);
}

/* Stored columns become rows. */
static gboolean is_turned(const LkDecoded *decoded)
{
    return decoded->orientation >= 5;
}

static gboolean flips_columns(const LkDecoded *decoded)
{
    const guint o = decoded->orientation;

    return o == 2 || o == 3 || o == 7 || o == 8;
}

static gboolean flips_rows(const LkDecoded *decoded)
{
    const guint o = decoded->orientation;

    return o == 3 || o == 4 || o == 6 || o == 7;
}

gboolean lk_decoded_start(LkDecoded *decoded, const char *name, guint width, guint height, GError **error)
{
    const gsize size = lk_decoded_pixel_size(decoded);

    if (!lk_photo_check_size(name, width, height, error))
        return FALSE;
    if (decoded->orientation < 1 || decoded->orientation > 8)
        decoded->orientation = 1;
    decoded->width = is_turned(decoded) ? height : width;
    decoded->height = is_turned(decoded) ? width : height;
    decoded->pixels = lk_photo_alloc(name, size * width * height, error);
    decoded->scratch = g_malloc(size * width);
    return decoded->pixels != NULL;
}

/* A stored row's first pixel and the step to its next one, in pixels of the upright picture. */
static gsize find_row(const LkDecoded *decoded, guint y, gssize *step)
{
    const gsize stored_width = is_turned(decoded) ? decoded->height : decoded->width;
    const gsize stored_height = is_turned(decoded) ? decoded->width : decoded->height;
    const gsize column = flips_columns(decoded) ? stored_width - 1 : 0;
    const gsize row = flips_rows(decoded) ? stored_height - 1 - y : y;

    *step = is_turned(decoded) ? (gssize)decoded->width : 1;
    if (flips_columns(decoded))
        *step = -*step;
    return is_turned(decoded) ? column * decoded->width + row : row * decoded->width + column;
}

guint8 *lk_decoded_row(LkDecoded *decoded, guint y)
{
    gssize step;
    const gsize first = find_row(decoded, y, &step);

    return step == 1 && !is_turned(decoded) ? decoded->pixels + first * lk_decoded_pixel_size(decoded)
                                            : decoded->scratch;
}

#define SCATTER(type)                                                                                        \
    do {                                                                                                     \
        const type *from = (const type *)decoded->scratch;                                                   \
        type *to = (type *)decoded->pixels + first;                                                          \
        for (gsize x = 0; x < n; x++, to += step)                                                            \
            *to = from[x];                                                                                   \
    } while (0)

void lk_decoded_put(LkDecoded *decoded, guint y)
{
    const gsize n = is_turned(decoded) ? decoded->height : decoded->width;
    gssize step;
    const gsize first = find_row(decoded, y, &step);

    if (step == 1 && !is_turned(decoded))
        return;
    switch (lk_decoded_pixel_size(decoded)) {
    case 1:
        SCATTER(guint8);
        break;
    case 2:
        SCATTER(guint16);
        break;
    case 4:
        SCATTER(guint32);
        break;
    default:
        SCATTER(guint64);
        break;
    }
}
