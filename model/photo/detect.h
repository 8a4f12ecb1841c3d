/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * detect.h - dlib's frontal face detector behind a C interface. A detector is used by one thread at a time.
 */
#pragma once

#include "photo.h"

G_BEGIN_DECLS

typedef struct {
    double x, y, width, height; /* photo pixels */
    double score;               /* above 0: likely a face */
    guint turn;                 /* clockwise quarter turns that put the face upright */
} LkBox;

typedef struct _LkDetector LkDetector;

/* Returns at once; the detector unpacks itself on another thread meanwhile. NULL where no thread can be had. */
LkDetector *lk_detector_new(void);
void lk_detector_free(LkDetector *detector); /* NULL is fine */

/* Appends the faces at least 80 pixels wide of photo, shrunk or enlarged by scale and turned clockwise by turn quarters, to
 * boxes (of LkBox), whose score is above threshold. FALSE where dlib failed. */
gboolean lk_detector_run(LkDetector *detector, const LkPhoto *photo, double scale, guint turn,
                         double threshold, GArray *boxes);

G_END_DECLS
