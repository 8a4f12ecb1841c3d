/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * align.h - the FFHQ crop (arXiv 1812.04948, appendix A): an upright square around a face, out of a photo and back.
 */
#pragma once

#include "face.h"
#include "photo.h"

G_BEGIN_DECLS

/* A square in a photo: centre and the half axes towards its right and lower sides, in photo pixels. y is x turned by a
 * right angle. */
typedef struct {
    double centre[2], x[2], y[2];
} LkQuad;

/* The FFHQ square of 68 landmarks: from the eyes' centres and the mouth's corners. */
LkQuad lk_quad_from_landmarks(const double landmarks[LK_N_LANDMARKS][2]);

/* The whole of an already aligned square crop. */
LkQuad lk_quad_whole(const LkPhoto *photo);

/* The same of points that a person has placed, photo pixels: the centres of the eyes and the corners of the mouth, left and
 * right in any order. FALSE where no face has its eyes and mouth like that; then quad stays as it is. */
gboolean lk_quad_from_points(const double eyes[2][2], const double mouth[2][2], LkQuad *quad);

/* The square's content as side x side pixels, as FFHQ's pictures were made: the photo shrunk by the largest whole number that
 * leaves twice the pixels needed (Lanczos), where the square leaves it mirrored, blurred and fading to its median, looked up
 * four times finer (bilinear), shrunk (Lanczos). An aligned crop as a whole is only resampled (bicubic). */
LkPhoto *lk_crop(const LkPhoto *photo, const LkQuad *quad, guint side);

/* Where that picture lies in the photo to a fraction of a pixel: FFHQ's way of shrinking moves it a little (up to a quarter of
 * the crop's pixel). What goes back into the photo (patches, landmarks) belongs here. */
LkQuad lk_crop_place(const LkPhoto *photo, const LkQuad *quad, guint side);

/* photo with the square's content replaced by crop (any side), blended softly towards the square's border. Pixels
 * outside the square are untouched. */
LkPhoto *lk_paste(const LkPhoto *photo, const LkQuad *quad, const LkPhoto *crop);

G_END_DECLS
