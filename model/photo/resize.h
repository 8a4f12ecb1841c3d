/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * resize.h - Pillow's resampling filters, for a part of the result only.
 */
#pragma once

#include "photo.h"

G_BEGIN_DECLS

typedef enum { LK_FILTER_BICUBIC, LK_FILTER_LANCZOS } LkFilter;

/* The rectangle part_width x part_height from (x, y), inside the picture that photo resampled to width x height would be. */
LkPhoto *lk_photo_resize_part(const LkPhoto *photo, LkFilter filter, guint width, guint height, guint x,
                              guint y, guint part_width, guint part_height);

/* A picture of from_width x from_height resampled to width x height, and of that the part from (x, y). */
typedef struct {
    LkFilter filter;
    guint from_width, from_height, width, height;
    guint x, y, part_width, part_height;
} LkResize;

/* The same part where only a rectangle of the picture is there, its corner at (left, top): all that the part depends on,
 * which lk_resize_reach tells. */
LkPhoto *lk_photo_resize_cut(const LkPhoto *cut, guint left, guint top, const LkResize *resize);
void lk_resize_reach(const LkResize *resize, guint *left, guint *top, guint *right, guint *bottom);

G_END_DECLS
