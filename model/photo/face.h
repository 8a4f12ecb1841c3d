/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * face.h - finding faces and their landmarks: dlib's frontal HOG detector for the boxes, our own small network for 68
 * landmarks (order of the 300-W set), run on the same device as the editor's networks.
 */
#pragma once

#include "gpu.h"
#include "photo.h"

G_BEGIN_DECLS

enum { LK_N_LANDMARKS = 68 };

typedef struct {
    double x, y, width, height;          /* box, photo pixels */
    double score;                        /* detector's confidence */
    double landmarks[LK_N_LANDMARKS][2]; /* x, y in photo pixels */
} LkFace;

typedef struct _LkFaceFinder LkFaceFinder;

/* Loads the landmark network (data/landmarks/landmarks.safetensors), or takes the person's own dlib predictor of 68 points in
 * its place: $LIKENESS_PREDICTOR, else shape_predictor_68_face_landmarks.dat in XDG_DATA_HOME/likeness if there is one. A
 * predictor that is damaged or of another kind is an error, one sentence naming it. gpu must outlive the finder; same thread
 * as gpu. */
LkFaceFinder *lk_face_finder_new(LkGpu *gpu, GError **error);
void lk_face_finder_free(LkFaceFinder *finder); /* NULL is fine */

/* All faces, largest first, also small ones, and lying or upside-down ones where no face is upright: a GArray of LkFace. No
 * face is LK_PHOTO_ERROR_NO_FACE. */
GArray *lk_face_finder_find(LkFaceFinder *finder, const LkPhoto *photo, GCancellable *cancellable,
                            GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkFaceFinder, lk_face_finder_free)

G_END_DECLS
