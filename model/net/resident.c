/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "resident.h"
#include "upload.h"

/* What comes and goes together. */
typedef enum { ENCODER, REST } Part;

struct _LkResident {
    LkGpu *gpu;
    const LkGraph *graph;
    const LkWeights *weights;
    gsize *sizes; /* bytes by value - 1 */
    LkPlan *plan;
    LkArena **arenas;   /* as in the plan; NULL: not there now */
    LkStream **streams; /* by stage; NULL: not there now */
    gboolean has_encoder;
};

/* ---- which part ---- */

static Part part_of_arena(const LkResident *resident, guint arena)
{
    return lk_plan_arena(resident->plan, arena)->pool == LK_POOL_ENCODER ? ENCODER : REST;
}

static Part part_of_param(const LkGraphValue *value)
{
    return value->param.encoder ? ENCODER : REST;
}

static gboolean op_reads_encoder(const LkGraph *graph, const LkGraphOp *op)
{
    LkValue reads[LK_MAX_READS];
    guint n = lk_graph_op_reads(op, reads);

    for (guint i = 0; i < n; i++) {
        const LkGraphValue *value = lk_graph_value(graph, reads[i]);
        if (value->kind == LK_VALUE_PARAM && part_of_param(value) == ENCODER)
            return TRUE;
    }
    return FALSE;
}

static Part part_of_stage(const LkResident *resident, guint index)
{
    const LkGraphStage *stage = lk_graph_stage(resident->graph, index);

    for (guint i = 0; i < stage->n_ops; i++)
        if (op_reads_encoder(resident->graph, lk_graph_op(resident->graph, stage->first_op + i)))
            return ENCODER;
    return REST;
}

/* ---- memory and weights ---- */

static gboolean make_arenas(LkResident *resident, Part part, GError **error)
{
    for (guint i = 0; i < lk_plan_n_arenas(resident->plan); i++) {
        const LkPlanArena *planned = lk_plan_arena(resident->plan, i);
        LkArenaUse use = planned->pool == LK_POOL_HOST ? LK_ARENA_HOST : LK_ARENA_DEVICE;
        if (part_of_arena(resident, i) != part)
            continue;
        resident->arenas[i] = lk_arena_new(resident->gpu, use, planned->size, error);
        if (resident->arenas[i] == NULL)
            return FALSE;
    }
    return TRUE;
}

static gboolean upload_weights(LkResident *resident, Part part, GCancellable *cancellable, GError **error)
{
    for (LkValue value = 1; value <= lk_graph_n_values(resident->graph); value++) {
        const LkGraphValue *v = lk_graph_value(resident->graph, value);
        const LkPlace *place = lk_plan_place(resident->plan, value);
        if (v->kind != LK_VALUE_PARAM || part_of_param(v) != part)
            continue;
        if (g_cancellable_set_error_if_cancelled(cancellable, error) ||
            !lk_upload_param(resident->gpu, v, resident->weights, resident->arenas[place->arena],
                             place->offset, error))
            return FALSE;
    }
    return TRUE;
}

LkTensor lk_resident_tensor(const LkResident *resident, LkValue value)
{
    const LkGraphValue *v;
    const LkPlace *place;
    LkTensor tensor = {0};

    if (value == 0)
        return tensor;
    v = lk_graph_value(resident->graph, value);
    place = lk_plan_place(resident->plan, v->root);
    if (place->arena == G_MAXUINT || resident->arenas[place->arena] == NULL)
        return tensor;
    tensor.arena = resident->arenas[place->arena];
    tensor.offset = place->offset + v->offset * lk_type_size(v->type);
    tensor.c = v->c;
    tensor.h = v->h;
    tensor.w = v->w;
    tensor.type = v->type;
    return tensor;
}

/* ---- streams ---- */

/* Scratch has a size, but no shape. */
static LkTensor scratch_of(const LkResident *resident, LkValue value)
{
    LkTensor tensor = lk_resident_tensor(resident, value);

    if (tensor.arena) {
        tensor.c = tensor.h = 1;
        tensor.w = (guint)(resident->sizes[value - 1] / lk_type_size(tensor.type));
    }
    return tensor;
}

static LkOp record_op(const LkResident *resident, const LkGraphOp *op)
{
    return (LkOp){.kind = op->kind,
                  .x = lk_resident_tensor(resident, op->x),
                  .y = lk_resident_tensor(resident, op->y),
                  .weight = lk_resident_tensor(resident, op->weight),
                  .bias = lk_resident_tensor(resident, op->bias),
                  .in_scale = lk_resident_tensor(resident, op->in_scale),
                  .in_shift = lk_resident_tensor(resident, op->in_shift),
                  .out_scale = lk_resident_tensor(resident, op->out_scale),
                  .noise = lk_resident_tensor(resident, op->noise),
                  .add = lk_resident_tensor(resident, op->add),
                  .slopes = lk_resident_tensor(resident, op->slopes),
                  .scratch = scratch_of(resident, op->scratch),
                  .kernel = op->kernel,
                  .stride = op->stride,
                  .act = op->act,
                  .slope = op->slope,
                  .gain = op->gain,
                  .clamp = op->clamp,
                  .square = op->square};
}

static gboolean record_stages(LkResident *resident, Part part, GError **error)
{
    for (guint s = 0; s < lk_graph_n_stages(resident->graph); s++) {
        const LkGraphStage *stage = lk_graph_stage(resident->graph, s);
        g_autofree LkOp *ops = g_new(LkOp, stage->n_ops);
        if (part_of_stage(resident, s) != part)
            continue;
        for (guint i = 0; i < stage->n_ops; i++)
            ops[i] = record_op(resident, lk_graph_op(resident->graph, stage->first_op + i));
        resident->streams[s] = lk_stream_new(resident->gpu, stage->name, ops, stage->n_ops, error);
        if (resident->streams[s] == NULL)
            return FALSE;
    }
    return TRUE;
}

/* ---- coming and going ---- */

static gboolean add_part(LkResident *resident, Part part, GCancellable *cancellable, GError **error)
{
    return make_arenas(resident, part, error) && upload_weights(resident, part, cancellable, error) &&
           record_stages(resident, part, error);
}

static void drop_part(LkResident *resident, Part part)
{
    for (guint s = 0; s < lk_graph_n_stages(resident->graph); s++) /* before the arenas that they use */
        if (part_of_stage(resident, s) == part)
            g_clear_pointer(&resident->streams[s], lk_stream_free);
    for (guint i = 0; i < lk_plan_n_arenas(resident->plan); i++)
        if (part_of_arena(resident, i) == part)
            g_clear_pointer(&resident->arenas[i], lk_arena_free);
}

LkResident *lk_resident_new(LkGpu *gpu, const LkGraph *graph, const LkWeights *weights, GError **error)
{
    g_autoptr(LkResident) resident = g_new0(LkResident, 1);
    gsize max_arena = (gsize)MIN(lk_gpu_info(gpu)->max_allocation, LK_MAX_ARENA);

    resident->gpu = gpu;
    resident->graph = graph;
    resident->weights = weights;
    resident->sizes = lk_value_sizes(gpu, graph);
    resident->plan = lk_plan_new(graph, resident->sizes, max_arena, error);
    if (resident->plan == NULL)
        return NULL;
    resident->arenas = g_new0(LkArena *, lk_plan_n_arenas(resident->plan));
    resident->streams = g_new0(LkStream *, lk_graph_n_stages(graph));
    return add_part(resident, REST, NULL, error) ? g_steal_pointer(&resident) : NULL;
}

void lk_resident_free(LkResident *resident)
{
    if (resident == NULL)
        return;
    if (resident->plan) {
        drop_part(resident, ENCODER);
        drop_part(resident, REST);
    }
    g_free(resident->arenas);
    g_free(resident->streams);
    g_free(resident->sizes);
    lk_plan_free(resident->plan);
    g_free(resident);
}

const LkPlan *lk_resident_plan(const LkResident *resident)
{
    return resident->plan;
}

static gboolean need_encoder(const LkResident *resident, const GArray *stages)
{
    for (guint i = 0; i < stages->len; i++)
        if (part_of_stage(resident, g_array_index(stages, guint, i)) == ENCODER)
            return TRUE;
    return FALSE;
}

gboolean lk_resident_streams(LkResident *resident, const GArray *stages, LkStream **streams,
                             GCancellable *cancellable, GError **error)
{
    if (!resident->has_encoder && need_encoder(resident, stages)) {
        resident->has_encoder = add_part(resident, ENCODER, cancellable, error);
        if (!resident->has_encoder) {
            drop_part(resident, ENCODER);
            return FALSE;
        }
    }
    for (guint i = 0; i < stages->len; i++)
        streams[i] = resident->streams[g_array_index(stages, guint, i)];
    return TRUE;
}

void lk_resident_drop_encoder(LkResident *resident)
{
    drop_part(resident, ENCODER);
    resident->has_encoder = FALSE;
}
