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

/* Loads the landmark network (data/landmarks/landmarks.safetensors). gpu must outlive it; same thread as gpu. */
LkFaceFinder *lk_face_finder_new(LkGpu *gpu, GError **error);
void lk_face_finder_free(LkFaceFinder *finder); /* NULL is fine */

/* Takes the landmarks from a person's own dlib predictor of 68 points from now on; NULL: from our network again. On error
 * (the file is missing, damaged or of another kind: one sentence naming it) nothing changes. */
gboolean lk_face_finder_set_predictor(LkFaceFinder *finder, const char *path, GError **error);

/* All faces, largest first, also small ones, and lying or upside-down ones where no face is upright: a GArray of LkFace. No face is LK_PHOTO_ERROR_NO_FACE. */
GArray *lk_face_finder_find(LkFaceFinder *finder, const LkPhoto *photo, GCancellable *cancellable,
                            GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkFaceFinder, lk_face_finder_free)

G_END_DECLS
