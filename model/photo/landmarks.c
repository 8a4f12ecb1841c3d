/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * landmarks.c - the network sees the square its own last answer defines, until the square stands still. A last pass
 * looks at slightly moved squares too and takes the median, which steadies what one crop leaves to chance.
 */
#include "landmarks.h"

#include "align.h"

#include <math.h>
#include <stdlib.h>

/* Two passes before the last: more do not bring the square nearer to where many would (measured on 60 portraits: centre
 * 0.4 % of the half side, size 1 %). */
#define PASSES  2
#define SETTLED 0.02 /* of the half side: a square that moved less stands still */

/* Where the median FFHQ square lies in dlib's box (median of portraits): centre and half side, in box widths. */
#define BOX_CENTRE_X  0.5
#define BOX_CENTRE_Y  0.32
#define BOX_HALF_SIDE 0.86

/* Shift along the square's axes, in half sides, and scale. */
typedef struct {
    double x, y, scale;
} Jitter;

static const Jitter jitters[LK_LANDMARK_MAX_CROPS] = {
    {0.0, 0.0, 1.0}, {0.06, 0.0, 1.06}, {-0.06, 0.0, 0.95}, {0.0, 0.06, 1.0}, {0.0, -0.06, 1.0},
};

/* (x, y) of the turned photo, a direction, as the photo has it. */
static void turn_back(guint turn, double x, double y, double direction[2])
{
    static const int cosines[] = {1, 0, -1, 0}, sines[] = {0, 1, 0, -1};

    direction[0] = x * cosines[turn % 4] + y * sines[turn % 4];
    direction[1] = y * cosines[turn % 4] - x * sines[turn % 4];
}

LkQuad lk_box_quad(const LkBox *box, double centre_x, double centre_y, double half_side)
{
    double half = half_side * box->width, offset[2];
    LkQuad quad;

    turn_back(box->turn, (centre_x - 0.5) * box->width, (centre_y - 0.5) * box->height, offset);
    quad.centre[0] = box->x + box->width / 2 + offset[0];
    quad.centre[1] = box->y + box->height / 2 + offset[1];
    turn_back(box->turn, half, 0.0, quad.x);
    turn_back(box->turn, 0.0, half, quad.y);
    return quad;
}

static LkQuad move(const LkQuad *quad, const Jitter *jitter)
{
    LkQuad moved;

    for (int i = 0; i < 2; i++) {
        moved.centre[i] = quad->centre[i] + jitter->x * quad->x[i] + jitter->y * quad->y[i];
        moved.x[i] = jitter->scale * quad->x[i];
        moved.y[i] = jitter->scale * quad->y[i];
    }
    return moved;
}

static int compare_doubles(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;

    return (difference > 0.0) - (difference < 0.0);
}

static double median(double *values, guint n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* The median over the squares of what the network says about each. */
static void combine(const LkQuad *quads, guint n, float points[][LK_N_LANDMARKS][2],
                    double landmarks[LK_N_LANDMARKS][2])
{
    double values[LK_LANDMARK_MAX_CROPS];

    for (guint k = 0; k < LK_N_LANDMARKS; k++) {
        for (int axis = 0; axis < 2; axis++) {
            for (guint i = 0; i < n; i++)
                values[i] = quads[i].centre[axis] + points[i][k][0] * quads[i].x[axis] +
                            points[i][k][1] * quads[i].y[axis];
            landmarks[k][axis] = median(values, n);
        }
    }
}

/* One look at the photo through n squares around quad. */
static gboolean look(LkLandmarkNet *net, const LkPhoto *photo, const LkQuad *quad, guint n,
                     double landmarks[LK_N_LANDMARKS][2], GCancellable *cancellable, GError **error)
{
    LkPhoto *crops[LK_LANDMARK_MAX_CROPS] = {NULL};
    LkQuad quads[LK_LANDMARK_MAX_CROPS];
    float points[LK_LANDMARK_MAX_CROPS][LK_N_LANDMARKS][2];
    gboolean done;

    for (guint i = 0; i < n; i++) {
        quads[i] = move(quad, &jitters[i]);
        crops[i] = lk_crop(photo, &quads[i], LK_LANDMARK_CROP);
        quads[i] = lk_crop_place(photo, &quads[i], LK_LANDMARK_CROP);
    }
    done = lk_landmark_net_run(net, crops, n, points, cancellable, error);
    if (done)
        combine(quads, n, points, landmarks);
    for (guint i = 0; i < n; i++)
        lk_photo_unref(crops[i]);
    return done;
}

/* How far two squares lie apart, in half sides of the first. */
static double distance(const LkQuad *a, const LkQuad *b)
{
    double half = MAX(hypot(a->x[0], a->x[1]), 1e-6);

    return MAX(hypot(a->centre[0] - b->centre[0], a->centre[1] - b->centre[1]),
               hypot(a->x[0] - b->x[0], a->x[1] - b->x[1])) /
           half;
}

/* An answer that leaves the detector's box altogether is none: start again from the box. */
static gboolean is_sensible(const LkQuad *start, const LkQuad *quad)
{
    double ratio = hypot(quad->x[0], quad->x[1]) / hypot(start->x[0], start->x[1]);

    return ratio > 0.4 && ratio < 2.5 &&
           hypot(quad->centre[0] - start->centre[0], quad->centre[1] - start->centre[1]) <
               hypot(start->x[0], start->x[1]);
}

gboolean lk_landmarks_find(LkLandmarkNet *net, const LkPhoto *photo, const LkBox *box,
                           double landmarks[LK_N_LANDMARKS][2], GCancellable *cancellable, GError **error)
{
    LkQuad start = lk_box_quad(box, BOX_CENTRE_X, BOX_CENTRE_Y, BOX_HALF_SIDE), quad = start, next;

    for (guint pass = 0; pass < PASSES; pass++) {
        if (!look(net, photo, &quad, 1, landmarks, cancellable, error))
            return FALSE;
        next = lk_quad_from_landmarks(landmarks);
        if (!is_sensible(&start, &next)) {
            quad = start;
            break;
        }
        if (distance(&quad, &next) < SETTLED)
            break;
        quad = next;
    }
    return look(net, photo, &quad, LK_LANDMARK_MAX_CROPS, landmarks, cancellable, error);
}
