/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pixels.h - a picture's pixels for loops: four channels at once.
 */
#pragma once

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "photo.h"

G_BEGIN_DECLS

typedef float LkVec4 __attribute__((vector_size(16)));

/* Four bytes as numbers. */
static inline LkVec4 lk_pixel_at(const guint8 *pixel)
{
#ifdef __SSE2__
    /* GCC would convert one byte after the other. */
    const __m128i nothing = _mm_setzero_si128();
    gint32 word;

    memcpy(&word, pixel, sizeof word);
    return _mm_cvtepi32_ps(_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(word), nothing), nothing));
#else
    typedef guint8 Bytes4 __attribute__((vector_size(4)));
    Bytes4 bytes;

    memcpy(&bytes, pixel, sizeof bytes);
    return __builtin_convertvector(bytes, LkVec4);
#endif
}

/* A picture's pixels, at hand for loops. */
typedef struct {
    const guint8 *pixels;
    guint width, height;
} LkPixels;

static inline LkPixels lk_pixels_of(const LkPhoto *photo)
{
    return (LkPixels){lk_photo_pixels(photo), lk_photo_width(photo), lk_photo_height(photo)};
}

/* A picture at (x, y), 0 being the first pixel's centre; white is 255, the outermost pixels continue outside. */
static inline LkVec4 lk_pixels_sample(const LkPixels *picture, float x, float y)
{
    const guint width = picture->width, height = picture->height;
    const guint8 *upper, *lower;
    int left, top;
    gsize right;
    LkVec4 a, b;

    x = CLAMP(x, 0.0f, (float)(width - 1));
    y = CLAMP(y, 0.0f, (float)(height - 1));
    left = (int)x;
    top = (int)y;
    right = left + 1 < (int)width ? 4 : 0;
    upper = picture->pixels + ((gsize)top * width + left) * 4;
    lower = upper + (top + 1 < (int)height ? (gsize)width * 4 : 0);
    a = lk_pixel_at(upper) + (lk_pixel_at(upper + right) - lk_pixel_at(upper)) * (x - (float)left);
    b = lk_pixel_at(lower) + (lk_pixel_at(lower + right) - lk_pixel_at(lower)) * (x - (float)left);
    return a + (b - a) * (y - (float)top);
}

G_END_DECLS
