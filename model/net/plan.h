/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * plan.h - where every value of a graph lies.
 *
 * Values that only one stage touches share memory with all others whose operations do not meet theirs; what another stage
 * reads, the host touches or the graph says to keep has memory of its own for good, because that is what cached results are.
 * First fit by lifetime, largest first. Computed on the host alone; immutable.
 */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

typedef enum {
    LK_POOL_HOST,    /* LK_ARENA_HOST: inputs, codes, pictures */
    LK_POOL_ENCODER, /* weights of E0 */
    LK_POOL_WEIGHTS, /* all other weights */
    LK_POOL_ACTIVATIONS,
} LkPool;

typedef struct {
    guint arena;  /* index into the plan's arenas; G_MAXUINT: the value is never used */
    gsize offset; /* bytes, multiple of LK_ARENA_ALIGN */
} LkPlace;

typedef struct {
    LkPool pool;
    gsize size;
} LkPlanArena;

/* Larger allocations fail on devices that have the room. */
#define LK_MAX_ARENA ((guint64)1 << 30)

typedef struct _LkPlan LkPlan;

/* bytes[value - 1]: what each root value takes. NULL with LK_GPU_ERROR_OUT_OF_MEMORY if one is larger than max_arena. */
LkPlan *lk_plan_new(const LkGraph *graph, const gsize *bytes, gsize max_arena, GError **error);
void lk_plan_free(LkPlan *plan);

guint lk_plan_n_arenas(const LkPlan *plan);
const LkPlanArena *lk_plan_arena(const LkPlan *plan, guint index);
const LkPlace *lk_plan_place(const LkPlan *plan, LkValue root);

/* The operations between which a root value must keep its contents; first = 0 and last = G_MAXUINT: always. */
void lk_plan_lifetime(const LkPlan *plan, LkValue root, guint *first, guint *last);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkPlan, lk_plan_free)

G_END_DECLS
