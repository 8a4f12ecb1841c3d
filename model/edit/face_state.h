/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * face_state.h - what a person has set for one face of a photo. Private to model/edit.
 */
#pragma once

#include "net.h"

G_BEGIN_DECLS

typedef struct {
    gboolean was_chosen;     /* FALSE: the rest says nothing */
    float *values, *neutral; /* one per direction of the model */
    LkInversionMode mode;
    double detail; /* patch.h's k */
} LkFaceState;

/* A GArray of n that were not chosen; g_array_unref. */
GArray *lk_face_states_new(guint n);
GArray *lk_face_states_copy(GArray *states, guint n_values);

/* Copies n_values of values and neutral; the face was chosen then. */
void lk_face_state_set(LkFaceState *state, const float *values, const float *neutral, guint n_values,
                       LkInversionMode mode, double detail);

G_END_DECLS
