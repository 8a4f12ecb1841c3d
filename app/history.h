/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * history.h - undo and redo of slider values. Free of GTK; one thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LkHistory LkHistory;

/* A history of n_values values each, beginning with these; NULL: all 0. */
LkHistory *lk_history_new(guint n_values, const float *values);
void lk_history_free(LkHistory *history); /* NULL is fine */

/* Adds a state after the current one; states after it are forgotten. Changes of the same slider that follow
 * each other within LK_HISTORY_MERGE are one step, so that a drag is undone at once. slider: -1 never merges.
 * time: microseconds of any steady clock. A state equal to the current one is not added. */
#define LK_HISTORY_MERGE (800 * G_TIME_SPAN_MILLISECOND)
void lk_history_record(LkHistory *history, const float *values, int slider, gint64 time);

/* Steps back or forth and returns that state's values (owned by the history, until its next change); NULL if
 * there is none. */
const float *lk_history_undo(LkHistory *history);
const float *lk_history_redo(LkHistory *history);
gboolean lk_history_can_undo(const LkHistory *history);
gboolean lk_history_can_redo(const LkHistory *history);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkHistory, lk_history_free)

G_END_DECLS
