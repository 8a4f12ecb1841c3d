/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "face_state.h"

static void clear_state(gpointer data)
{
    LkFaceState *state = data;

    g_clear_pointer(&state->values, g_free);
    g_clear_pointer(&state->neutral, g_free);
}

GArray *lk_face_states_new(guint n)
{
    GArray *states = g_array_new(FALSE, TRUE, sizeof(LkFaceState));

    g_array_set_clear_func(states, clear_state);
    return g_array_set_size(states, n);
}

GArray *lk_face_states_copy(GArray *states, guint n_values)
{
    GArray *copy = lk_face_states_new(states->len);

    for (guint i = 0; i < states->len; i++) {
        const LkFaceState *state = &g_array_index(states, LkFaceState, i);
        if (state->was_chosen)
            lk_face_state_set(&g_array_index(copy, LkFaceState, i), state->values, state->neutral, n_values,
                              state->mode, state->detail);
    }
    return copy;
}

void lk_face_state_set(LkFaceState *state, const float *values, const float *neutral, guint n_values,
                       LkInversionMode mode, double detail)
{
    float *values_copy = g_memdup2(values, n_values * sizeof *values);
    float *neutral_copy = g_memdup2(neutral, n_values * sizeof *neutral);

    clear_state(state);
    *state = (LkFaceState){TRUE, values_copy, neutral_copy, mode, detail};
}
