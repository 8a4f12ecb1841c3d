/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * schedule.h - which stages a run needs.
 *
 * Every result carries a key, the hash of its stage and of the keys of everything that the stage read from outside; an
 * input's key is the hash of its contents. A stage runs if its result is needed and the result in memory has another key.
 * Partial runs, changed rows of w+ and the two modes all follow from this; there is no other bookkeeping.
 */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

typedef struct _LkSchedule LkSchedule;

LkSchedule *lk_schedule_new(const LkGraph *graph); /* the graph must stay */
void lk_schedule_free(LkSchedule *schedule);

/* The hash of what an input (or a view of one, as the operations read it) holds now; 0: nothing. */
void lk_schedule_set_input(LkSchedule *schedule, LkValue input, guint64 key);
guint64 lk_schedule_input(const LkSchedule *schedule, LkValue input);

/* The stages (guint) to run, in order, for the targets to be right in mode (one LK_MODE_...). NULL with
 * LK_GPU_ERROR_INVALID where an input that they need holds nothing. */
GArray *lk_schedule_stages(LkSchedule *schedule, const LkValue *targets, guint n_targets, guint mode,
                           GError **error);

/* Before the run of what lk_schedule_stages gave: its results count as lost, whatever happens. After it succeeded: they
 * have their new keys. */
void lk_schedule_begin(LkSchedule *schedule, const GArray *stages);
void lk_schedule_done(LkSchedule *schedule, const GArray *stages);

/* Whether a result is in memory as the inputs and the mode decide it. */
gboolean lk_schedule_has(LkSchedule *schedule, LkValue value, guint mode);

/* The host wrote value, which an earlier run, here or elsewhere, had computed: until lk_schedule_take_back its stage counts as
 * run with this result, whatever its inputs are. key: the hash of the contents, not 0. The stage's other results are lost, so
 * that none of its readers may need more of it than what is given. */
void lk_schedule_give(LkSchedule *schedule, LkValue value, guint64 key);
void lk_schedule_take_back(LkSchedule *schedule);

void lk_schedule_forget(LkSchedule *schedule); /* all results, given ones too, and inputs */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkSchedule, lk_schedule_free)

G_END_DECLS
