/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * predictor.h - a person's own dlib shape predictor (shape_predictor_68_face_landmarks.dat, whose licence lets us neither ship
 * nor fetch it) for the landmarks. One thread at a time.
 */
#pragma once

#include "detect.h"
#include "face.h"

G_BEGIN_DECLS

typedef struct _LkPredictor LkPredictor;

/* NULL with a G_IO_ERROR that names the file where it is no sound predictor of 68 points: its size, counts and indices are
 * checked before dlib reads it. */
LkPredictor *lk_predictor_open(const char *path, GError **error);
void lk_predictor_free(LkPredictor *predictor); /* NULL is fine */

/* The landmarks of the face in box, photo pixels. FALSE where dlib failed. */
gboolean lk_predictor_find(const LkPredictor *predictor, const LkPhoto *photo, const LkBox *box,
                           double landmarks[LK_N_LANDMARKS][2]);

G_END_DECLS
