/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * graph.h - the networks as a list of typed operations with static shapes, before any memory is given to them.
 *
 * A value is an input (written by the host), a parameter (a constant from the model file), a result (written by an
 * operation) or a view of a part of one of these. Operations run in the order they were added and are grouped in stages; a
 * stage is what runs or is skipped as a whole (schedule.h). Not thread-safe while it is built, immutable after.
 */
#pragma once

#include "gpu.h"
#include "param.h"

G_BEGIN_DECLS

typedef guint LkValue; /* 0: absent */

typedef enum {
    LK_VALUE_INPUT,
    LK_VALUE_PARAM,
    LK_VALUE_RESULT,
    LK_VALUE_SCRATCH, /* of one CONV_UP: its size is the engine's business */
} LkValueKind;

typedef struct {
    LkValueKind kind;
    const char *name; /* NULL: unnamed */
    guint c, h, w;
    LkType type;
    LkValue root;  /* of a view: the value whose memory it is in; else itself */
    gsize offset;  /* of a view: elements into the root */
    gboolean host; /* in memory that the host reads and writes */
    gboolean keep; /* has memory of its own even if only one stage uses it */
    LkParam param; /* LK_VALUE_PARAM; strings belong to the graph */
} LkGraphValue;

/* As LkOp, with values for tensors. */
typedef struct {
    LkOpKind kind;
    LkValue x, y;
    LkValue weight, bias, in_scale, in_shift, out_scale, noise, add, slopes, scratch;
    guint kernel, stride;
    LkActivation act;
    float slope, gain, clamp;
    gboolean square;
} LkGraphOp;

/* LK_MODE_INVERSION: StyleRes for the photo's own code, whose picture edits may carry over (LK_MODE_STYLERES). */
enum {
    LK_MODE_STYLERES = 1 << 0,
    LK_MODE_WPLUS = 1 << 1,
    LK_MODE_INVERSION = 1 << 2,
    LK_MODE_ALL = 7,
    LK_MODE_RESIDUAL = LK_MODE_STYLERES | LK_MODE_INVERSION
};

typedef struct {
    const char *name;
    guint modes; /* in which it takes part */
    guint first_op, n_ops;
} LkGraphStage;

typedef struct _LkGraph LkGraph;

/* storage: of planes and of weights; vectors are always LK_F32. */
LkGraph *lk_graph_new(LkType storage);
void lk_graph_free(LkGraph *graph);

/* A string that lives as long as the graph. */
const char *lk_graph_text(LkGraph *graph, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ---- building ---- */

LkValue lk_graph_input(LkGraph *graph, const char *name, guint c, guint h, guint w, LkType type);
LkValue lk_graph_param(LkGraph *graph, const LkParam *param); /* equal parameters give the same value */
LkValue lk_graph_planes(LkGraph *graph, guint c, guint h, guint w);
LkValue lk_graph_vector(LkGraph *graph, guint n);
LkValue lk_graph_result(LkGraph *graph, guint c, guint h, guint w, LkType type);
LkValue lk_graph_view(LkGraph *graph, LkValue base, gsize offset, guint c, guint h, guint w);
/* Channels [first, first + n) */
LkValue lk_graph_channels(LkGraph *graph, LkValue base, guint first, guint n);
void lk_graph_name(LkGraph *graph, LkValue value, const char *name, gboolean keep);
void lk_graph_in_host_memory(LkGraph *graph, LkValue value);

void lk_graph_begin_stage(LkGraph *graph, const char *name, guint modes);
/* Adds to the stage begun last; y = 0: a new result of the shape that follows from the others. Returns y. */
LkValue lk_graph_add(LkGraph *graph, const LkGraphOp *op);

/* ---- reading ---- */

guint lk_graph_n_values(const LkGraph *graph); /* values are 1 ... n_values */
const LkGraphValue *lk_graph_value(const LkGraph *graph, LkValue value);
guint lk_graph_n_ops(const LkGraph *graph);
const LkGraphOp *lk_graph_op(const LkGraph *graph, guint index);
guint lk_graph_n_stages(const LkGraph *graph);
const LkGraphStage *lk_graph_stage(const LkGraph *graph, guint index);
LkValue lk_graph_find(const LkGraph *graph, const char *name); /* 0 if none */

enum { LK_MAX_READS = 9 };
/* The values that an operation reads, in reads; returns how many. It writes y (and scratch). */
guint lk_graph_op_reads(const LkGraphOp *op, LkValue reads[LK_MAX_READS]);
/* Whether two values share memory. */
gboolean lk_graph_overlap(const LkGraph *graph, LkValue a, LkValue b);

/* Whether everything read was written before, in each mode. */
gboolean lk_graph_check(const LkGraph *graph, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkGraph, lk_graph_free)

G_END_DECLS
