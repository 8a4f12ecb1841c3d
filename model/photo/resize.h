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

G_END_DECLS
