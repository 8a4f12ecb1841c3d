/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan.h"

typedef struct {
    LkValue value;
    LkPool pool;
    gsize size;
    guint first, last; /* operations; first > last: never used */
    guint stage;       /* that touches it; G_MAXUINT: none so far */
    LkPlace place;
} Item;

typedef struct {
    LkPlanArena arena;
    GPtrArray *items; /* Item, by offset; not owned */
} Bin;

struct _LkPlan {
    guint n_items;
    Item *items; /* by value - 1; only roots have a size */
    GArray *bins;
};

/* ---- lifetimes ---- */

static void live_for_good(Item *item)
{
    item->first = 0;
    item->last = G_MAXUINT;
}

static void touch(LkPlan *plan, const LkGraph *graph, LkValue value, guint stage, guint op)
{
    Item *item;

    if (value == 0)
        return;
    item = &plan->items[lk_graph_value(graph, value)->root - 1];
    if (item->stage != G_MAXUINT && item->stage != stage)
        live_for_good(item);
    item->stage = stage;
    item->first = MIN(item->first, op);
    item->last = MAX(item->last, op);
}

static LkPool choose_pool(const LkGraphValue *value)
{
    if (value->host)
        return LK_POOL_HOST;
    if (value->kind == LK_VALUE_PARAM)
        return value->param.encoder ? LK_POOL_ENCODER : LK_POOL_WEIGHTS;
    return LK_POOL_ACTIVATIONS;
}

static void find_lifetimes(LkPlan *plan, const LkGraph *graph, const gsize *bytes)
{
    for (guint i = 0; i < plan->n_items; i++) {
        const LkGraphValue *value = lk_graph_value(graph, i + 1);
        Item *item = &plan->items[i];
        gsize size = (bytes[i] + LK_ARENA_ALIGN - 1) / LK_ARENA_ALIGN * LK_ARENA_ALIGN;

        *item = (Item){.value = i + 1,
                       .pool = choose_pool(value),
                       .first = G_MAXUINT,
                       .stage = G_MAXUINT,
                       .place.arena = G_MAXUINT};
        if (value->root != i + 1)
            continue;
        item->size = size;
        if (value->host || value->keep || value->kind == LK_VALUE_INPUT || value->kind == LK_VALUE_PARAM)
            live_for_good(item);
    }
    for (guint s = 0; s < lk_graph_n_stages(graph); s++) {
        const LkGraphStage *stage = lk_graph_stage(graph, s);
        for (guint i = stage->first_op; i < stage->first_op + stage->n_ops; i++) {
            const LkGraphOp *op = lk_graph_op(graph, i);
            LkValue reads[LK_MAX_READS];
            guint n = lk_graph_op_reads(op, reads);
            for (guint j = 0; j < n; j++)
                touch(plan, graph, reads[j], s, i);
            touch(plan, graph, op->y, s, i);
            touch(plan, graph, op->scratch, s, i);
        }
    }
}

/* ---- placing ---- */

/* Those that always live first, so that they lie together; then large before small. */
static int compare_items(gconstpointer a, gconstpointer b)
{
    const Item *p = *(Item *const *)a, *q = *(Item *const *)b;
    gboolean p_always = p->last == G_MAXUINT, q_always = q->last == G_MAXUINT;

    if (p_always != q_always)
        return p_always ? -1 : 1;
    if (p->size != q->size)
        return p->size > q->size ? -1 : 1;
    return p->value < q->value ? -1 : 1;
}

static gboolean try_bin(Bin *bin, guint index, Item *item, gsize max_arena)
{
    gsize offset = 0;
    guint at = 0;

    for (guint i = 0; i < bin->items->len; i++) {
        const Item *other = g_ptr_array_index(bin->items, i);
        if (other->last < item->first || item->last < other->first)
            continue;
        if (other->place.offset >= offset + item->size)
            break;
        offset = MAX(offset, other->place.offset + other->size);
    }
    if (offset + item->size > max_arena)
        return FALSE;
    item->place = (LkPlace){index, offset};
    while (at < bin->items->len && ((Item *)g_ptr_array_index(bin->items, at))->place.offset < offset)
        at++;
    g_ptr_array_insert(bin->items, (int)at, item);
    bin->arena.size = MAX(bin->arena.size, offset + item->size);
    return TRUE;
}

static gboolean place_item(LkPlan *plan, Item *item, gsize max_arena, GError **error)
{
    Bin bin = {.arena.pool = item->pool};

    if (item->size > max_arena) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY,
                    "the model needs a block of %" G_GSIZE_FORMAT
                    " MiB, the device gives at most %" G_GSIZE_FORMAT " MiB",
                    item->size >> 20, max_arena >> 20);
        return FALSE;
    }
    for (guint i = 0; i < plan->bins->len; i++) {
        Bin *candidate = &g_array_index(plan->bins, Bin, i);
        if (candidate->arena.pool == item->pool && try_bin(candidate, i, item, max_arena))
            return TRUE;
    }
    bin.items = g_ptr_array_new();
    g_array_append_val(plan->bins, bin);
    return try_bin(&g_array_index(plan->bins, Bin, plan->bins->len - 1), plan->bins->len - 1, item,
                   max_arena);
}

LkPlan *lk_plan_new(const LkGraph *graph, const gsize *bytes, gsize max_arena, GError **error)
{
    g_autoptr(LkPlan) plan = g_new0(LkPlan, 1);
    g_autoptr(GPtrArray) order = g_ptr_array_new();

    plan->n_items = lk_graph_n_values(graph);
    plan->items = g_new0(Item, plan->n_items);
    plan->bins = g_array_new(FALSE, TRUE, sizeof(Bin));
    find_lifetimes(plan, graph, bytes);
    for (guint i = 0; i < plan->n_items; i++)
        if (plan->items[i].size > 0 && plan->items[i].first <= plan->items[i].last)
            g_ptr_array_add(order, &plan->items[i]);
    g_ptr_array_sort(order, compare_items);
    max_arena -= max_arena % LK_ARENA_ALIGN;
    for (guint i = 0; i < order->len; i++)
        if (!place_item(plan, g_ptr_array_index(order, i), max_arena, error))
            return NULL;
    return g_steal_pointer(&plan);
}

void lk_plan_free(LkPlan *plan)
{
    if (plan == NULL)
        return;
    for (guint i = 0; i < plan->bins->len; i++)
        g_ptr_array_unref(g_array_index(plan->bins, Bin, i).items);
    g_array_unref(plan->bins);
    g_free(plan->items);
    g_free(plan);
}

guint lk_plan_n_arenas(const LkPlan *plan)
{
    return plan->bins->len;
}

const LkPlanArena *lk_plan_arena(const LkPlan *plan, guint index)
{
    g_assert(index < plan->bins->len);
    return &g_array_index(plan->bins, Bin, index).arena;
}

const LkPlace *lk_plan_place(const LkPlan *plan, LkValue root)
{
    g_assert(root >= 1 && root <= plan->n_items);
    return &plan->items[root - 1].place;
}

void lk_plan_lifetime(const LkPlan *plan, LkValue root, guint *first, guint *last)
{
    g_assert(root >= 1 && root <= plan->n_items);
    *first = plan->items[root - 1].first;
    *last = plan->items[root - 1].last;
}
