/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "graph.h"

struct _LkGraph {
    LkType storage;
    GArray *values;     /* LkGraphValue; index value - 1 */
    GArray *ops;        /* LkGraphOp */
    GArray *stages;     /* LkGraphStage */
    GHashTable *params; /* lk_param_key -> value */
    GStringChunk *text;
};

LkGraph *lk_graph_new(LkType storage)
{
    LkGraph *graph = g_new0(LkGraph, 1);

    graph->storage = storage;
    graph->values = g_array_new(FALSE, TRUE, sizeof(LkGraphValue));
    graph->ops = g_array_new(FALSE, TRUE, sizeof(LkGraphOp));
    graph->stages = g_array_new(FALSE, TRUE, sizeof(LkGraphStage));
    graph->params = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    graph->text = g_string_chunk_new(4096);
    return graph;
}

void lk_graph_free(LkGraph *graph)
{
    if (graph == NULL)
        return;
    g_array_unref(graph->values);
    g_array_unref(graph->ops);
    g_array_unref(graph->stages);
    g_hash_table_unref(graph->params);
    g_string_chunk_free(graph->text);
    g_free(graph);
}

const char *lk_graph_text(LkGraph *graph, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return g_string_chunk_insert_const(graph->text, text);
}

static const char *own(LkGraph *graph, const char *text)
{
    return text ? g_string_chunk_insert_const(graph->text, text) : NULL;
}

/* ---- values ---- */

static LkGraphValue *get_value(const LkGraph *graph, LkValue value)
{
    g_assert(value >= 1 && value <= graph->values->len);
    return &g_array_index(graph->values, LkGraphValue, value - 1);
}

static LkValue add_value(LkGraph *graph, LkGraphValue value)
{
    LkValue id = graph->values->len + 1;

    if (value.root == 0)
        value.root = id;
    g_array_append_val(graph->values, value);
    return id;
}

LkValue lk_graph_input(LkGraph *graph, const char *name, guint c, guint h, guint w, LkType type)
{
    return add_value(graph, (LkGraphValue){.kind = LK_VALUE_INPUT,
                                           .name = own(graph, name),
                                           .c = c,
                                           .h = h,
                                           .w = w,
                                           .type = type,
                                           .host = TRUE});
}

/* Shape and type of a parameter's tensor, as gpu.h wants them for its use. */
static void describe_param(const LkGraph *graph, LkGraphValue *value)
{
    const LkParam *p = &value->param;

    value->c = p->o;
    value->h = value->w = 1;
    value->type = LK_F32;
    switch (p->kind) {
    case LK_PARAM_CONV:
    case LK_PARAM_CONV_UP:
        value->h = p->i;
        value->w = p->k * p->k;
        value->type = graph->storage;
        break;
    case LK_PARAM_MATRIX:
        value->h = p->i;
        value->type = graph->storage;
        break;
    case LK_PARAM_ENERGY:
        value->h = p->i;
        break;
    case LK_PARAM_PLANES:
        value->h = value->w = p->k;
        value->type = graph->storage;
        break;
    case LK_PARAM_NOISE:
        value->c = 1;
        value->h = value->w = p->k;
        break;
    case LK_PARAM_VECTOR:
    case LK_PARAM_BN_SCALE:
    case LK_PARAM_BN_SHIFT:
    case LK_PARAM_ROW_BIAS:
        break;
    }
}

LkValue lk_graph_param(LkGraph *graph, const LkParam *param)
{
    g_autofree char *key = lk_param_key(param);
    LkValue value = GPOINTER_TO_UINT(g_hash_table_lookup(graph->params, key));
    LkGraphValue new_value = {.kind = LK_VALUE_PARAM, .param = *param};

    if (value)
        return value;
    new_value.name = new_value.param.name = own(graph, param->name);
    new_value.param.also = own(graph, param->also);
    new_value.param.bn = own(graph, param->bn);
    describe_param(graph, &new_value);
    value = add_value(graph, new_value);
    g_hash_table_insert(graph->params, g_steal_pointer(&key), GUINT_TO_POINTER(value));
    return value;
}

LkValue lk_graph_result(LkGraph *graph, guint c, guint h, guint w, LkType type)
{
    return add_value(graph, (LkGraphValue){.kind = LK_VALUE_RESULT, .c = c, .h = h, .w = w, .type = type});
}

LkValue lk_graph_planes(LkGraph *graph, guint c, guint h, guint w)
{
    return lk_graph_result(graph, c, h, w, graph->storage);
}

LkValue lk_graph_vector(LkGraph *graph, guint n)
{
    return lk_graph_result(graph, n, 1, 1, LK_F32);
}

LkValue lk_graph_view(LkGraph *graph, LkValue base, gsize offset, guint c, guint h, guint w)
{
    const LkGraphValue *of = get_value(graph, base);
    gsize first = of->offset + offset;

    g_assert(offset + (gsize)c * h * w <= (gsize)of->c * of->h * of->w);
    return add_value(graph, (LkGraphValue){.kind = of->kind,
                                           .c = c,
                                           .h = h,
                                           .w = w,
                                           .type = of->type,
                                           .root = of->root,
                                           .offset = first,
                                           .host = of->host});
}

LkValue lk_graph_channels(LkGraph *graph, LkValue base, guint first, guint n)
{
    const LkGraphValue *of = get_value(graph, base);

    return lk_graph_view(graph, base, (gsize)first * of->h * of->w, n, of->h, of->w);
}

void lk_graph_name(LkGraph *graph, LkValue value, const char *name, gboolean keep)
{
    get_value(graph, value)->name = own(graph, name);
    get_value(graph, get_value(graph, value)->root)->keep |= keep;
}

void lk_graph_in_host_memory(LkGraph *graph, LkValue value)
{
    get_value(graph, value)->host = TRUE;
}

/* ---- operations ---- */

void lk_graph_begin_stage(LkGraph *graph, const char *name, guint modes)
{
    LkGraphStage stage = {.name = own(graph, name), .modes = modes, .first_op = graph->ops->len};

    g_array_append_val(graph->stages, stage);
}

static LkValue new_output(LkGraph *graph, const LkGraphOp *op)
{
    LkGraphValue x = *get_value(graph, op->x);
    guint outputs = op->weight ? get_value(graph, op->weight)->c : x.c;
    guint stride = MAX(op->stride, 1);

    switch (op->kind) {
    case LK_OP_CONV:
        return lk_graph_planes(graph, outputs, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride);
    case LK_OP_CONV_UP:
        return lk_graph_planes(graph, outputs, 2 * x.h, 2 * x.w);
    case LK_OP_LINEAR:
    case LK_OP_POOL:
        return lk_graph_vector(graph, outputs);
    case LK_OP_TO_RGB:
        return lk_graph_result(graph, 3, x.h, x.w, LK_F32);
    case LK_OP_SCALE_ADD:
    case LK_OP_GATE:
    case LK_OP_WARP:
    case LK_OP_MOVE:
    case LK_OP_BLEND:
        return lk_graph_result(graph, x.c, x.h, x.w, x.type);
    case LK_OP_IMAGE_IN:
        return lk_graph_planes(graph, 3, x.h, x.w);
    case LK_OP_IMAGE_OUT:
        return lk_graph_result(graph, 4, x.h, x.w, LK_U8);
    case LK_OP_UPSAMPLE:
    case LK_N_OPS:
        break;
    }
    g_assert_not_reached();
}

LkValue lk_graph_add(LkGraph *graph, const LkGraphOp *op)
{
    LkGraphOp added = *op;

    g_assert(graph->stages->len > 0);
    if (added.y == 0)
        added.y = new_output(graph, op);
    if (added.kind == LK_OP_CONV_UP && added.scratch == 0) {
        LkGraphValue y = *get_value(graph, added.y);
        added.scratch = add_value(
            graph,
            (LkGraphValue){.kind = LK_VALUE_SCRATCH, .c = y.c, .h = y.h, .w = y.w, .type = graph->storage});
    }
    g_array_append_val(graph->ops, added);
    g_array_index(graph->stages, LkGraphStage, graph->stages->len - 1).n_ops++;
    return added.y;
}

/* ---- reading ---- */

guint lk_graph_n_values(const LkGraph *graph)
{
    return graph->values->len;
}

const LkGraphValue *lk_graph_value(const LkGraph *graph, LkValue value)
{
    return get_value(graph, value);
}

guint lk_graph_n_ops(const LkGraph *graph)
{
    return graph->ops->len;
}

const LkGraphOp *lk_graph_op(const LkGraph *graph, guint index)
{
    g_assert(index < graph->ops->len);
    return &g_array_index(graph->ops, LkGraphOp, index);
}

guint lk_graph_n_stages(const LkGraph *graph)
{
    return graph->stages->len;
}

const LkGraphStage *lk_graph_stage(const LkGraph *graph, guint index)
{
    g_assert(index < graph->stages->len);
    return &g_array_index(graph->stages, LkGraphStage, index);
}

LkValue lk_graph_find(const LkGraph *graph, const char *name)
{
    for (LkValue value = 1; value <= graph->values->len; value++)
        if (g_strcmp0(get_value(graph, value)->name, name) == 0)
            return value;
    return 0;
}

guint lk_graph_op_reads(const LkGraphOp *op, LkValue reads[LK_MAX_READS])
{
    const LkValue all[LK_MAX_READS] = {op->x,         op->weight, op->bias, op->in_scale, op->in_shift,
                                       op->out_scale, op->noise,  op->add,  op->slopes};
    guint n = 0;

    for (guint i = 0; i < LK_MAX_READS; i++)
        if (all[i])
            reads[n++] = all[i];
    return n;
}

gboolean lk_graph_overlap(const LkGraph *graph, LkValue a, LkValue b)
{
    const LkGraphValue *p = get_value(graph, a), *q = get_value(graph, b);

    return p->root == q->root && p->offset < q->offset + (gsize)q->c * q->h * q->w &&
           q->offset < p->offset + (gsize)p->c * p->h * p->w;
}

/* Whether the elements of a value are all written by the given outputs (each written value is whole). */
static gboolean is_written(const LkGraph *graph, LkValue value, const GArray *written)
{
    const LkGraphValue *v = get_value(graph, value);
    gsize missing = (gsize)v->c * v->h * v->w;

    for (guint i = 0; i < written->len; i++) {
        LkValue id = g_array_index(written, LkValue, i);
        const LkGraphValue *w = get_value(graph, id);
        gsize first, end;
        if (!lk_graph_overlap(graph, value, id))
            continue;
        first = MAX(v->offset, w->offset);
        end = MIN(v->offset + (gsize)v->c * v->h * v->w, w->offset + (gsize)w->c * w->h * w->w);
        missing -= MIN(missing, end - first);
    }
    return missing == 0;
}

static gboolean check_op(const LkGraph *graph, const char *stage, const LkGraphOp *op, GArray *written,
                         GError **error)
{
    LkValue reads[LK_MAX_READS];
    guint n = lk_graph_op_reads(op, reads);

    for (guint i = 0; i < n; i++) {
        if (get_value(graph, reads[i])->kind != LK_VALUE_RESULT || is_written(graph, reads[i], written))
            continue;
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID,
                    "stage %s: %s reads value %u, which was not written", stage, lk_op_name(op->kind),
                    reads[i]);
        return FALSE;
    }
    for (guint i = 0; i < written->len; i++)
        if (g_array_index(written, LkValue, i) == op->y)
            return TRUE;
    g_array_append_val(written, op->y);
    return TRUE;
}

gboolean lk_graph_check(const LkGraph *graph, GError **error)
{
    for (guint mode = LK_MODE_STYLERES; mode <= LK_MODE_INVERSION; mode <<= 1) {
        g_autoptr(GArray) written = g_array_new(FALSE, FALSE, sizeof(LkValue));
        for (guint s = 0; s < graph->stages->len; s++) {
            const LkGraphStage *stage = lk_graph_stage(graph, s);
            for (guint i = 0; i < stage->n_ops && (stage->modes & mode); i++)
                if (!check_op(graph, stage->name, lk_graph_op(graph, stage->first_op + i), written, error))
                    return FALSE;
        }
    }
    return TRUE;
}
