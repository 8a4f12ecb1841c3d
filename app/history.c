/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "history.h"

#include <string.h>

struct _LkHistory {
    gsize state_size;  /* bytes */
    GPtrArray *states; /* of float arrays, oldest first; never empty */
    guint current;
    int last_slider; /* what the current state was recorded with */
    gint64 last_time;
};

LkHistory *lk_history_new(guint n_values, const float *values)
{
    LkHistory *history = g_new0(LkHistory, 1);

    history->state_size = MAX(n_values, 1) * sizeof(float);
    history->states = g_ptr_array_new_with_free_func(g_free);
    history->last_slider = -1;
    g_ptr_array_add(history->states, g_malloc0(history->state_size));
    if (values != NULL)
        memcpy(g_ptr_array_index(history->states, 0), values, n_values * sizeof(float));
    return history;
}

void lk_history_free(LkHistory *history)
{
    if (history == NULL)
        return;
    g_ptr_array_unref(history->states);
    g_free(history);
}

static float *current_state(const LkHistory *history)
{
    return g_ptr_array_index(history->states, history->current);
}

void lk_history_record(LkHistory *history, const float *values, int slider, gint64 time)
{
    gboolean merges = slider >= 0 && slider == history->last_slider &&
                      time - history->last_time < LK_HISTORY_MERGE && history->current > 0;

    if (memcmp(current_state(history), values, history->state_size) == 0)
        return;
    g_ptr_array_set_size(history->states, history->current + 1);
    if (merges) {
        memcpy(current_state(history), values, history->state_size);
    } else {
        g_ptr_array_add(history->states, g_memdup2(values, history->state_size));
        history->current++;
    }
    history->last_slider = slider;
    history->last_time = time;
}

const float *lk_history_undo(LkHistory *history)
{
    if (!lk_history_can_undo(history))
        return NULL;
    history->current--;
    history->last_slider = -1;
    return current_state(history);
}

const float *lk_history_redo(LkHistory *history)
{
    if (!lk_history_can_redo(history))
        return NULL;
    history->current++;
    history->last_slider = -1;
    return current_state(history);
}

gboolean lk_history_can_undo(const LkHistory *history)
{
    return history->current > 0;
}

gboolean lk_history_can_redo(const LkHistory *history)
{
    return history->current + 1 < history->states->len;
}
