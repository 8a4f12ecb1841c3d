/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net.h"
#include "f16.h"
#include "hash.h"
#include "model_private.h"
#include "network.h"
#include "plan.h"
#include "schedule.h"
#include "upload.h"

struct _LkNet {
    LkGpu *gpu;
    LkModel *model;
    LkNetwork *network;
    LkPlan *plan;
    LkSchedule *schedule;
    GPtrArray *arenas;  /* LkArena, as in the plan */
    GPtrArray *streams; /* LkStream, one per stage of the graph */
    GArray *runs;       /* LkStageRun */
    float *biases;      /* of the affine layers, one after the other: lk_config_n_styles */
    float *bias;        /* room for the largest of them, with offsets */
};

static const char *const stage_names[] = {"w_plus", "enc_feat", "f_feats", "aligned", "extracted",
                                          "f_edit", "delta_f",  "gate",    "image",   NULL};

/* ---- construction ---- */

/* Where a value lies on the device. */
static LkTensor tensor_of(const LkNet *net, LkValue value)
{
    const LkGraphValue *v;
    const LkPlace *place;
    LkTensor tensor = {0};

    if (value == 0)
        return tensor;
    v = lk_graph_value(net->network->graph, value);
    place = lk_plan_place(net->plan, v->root);
    if (place->arena == G_MAXUINT) /* scratch that this engine does not need */
        return tensor;
    tensor.arena = g_ptr_array_index(net->arenas, place->arena);
    tensor.offset = place->offset + v->offset * lk_type_size(v->type);
    tensor.c = v->c;
    tensor.h = v->h;
    tensor.w = v->w;
    tensor.type = v->type;
    return tensor;
}

/* Scratch has a size, but no shape. */
static LkTensor scratch_of(const LkNet *net, LkValue value, const gsize *sizes)
{
    LkTensor tensor = tensor_of(net, value);

    if (tensor.arena) {
        tensor.c = tensor.h = 1;
        tensor.w = (guint)(sizes[value - 1] / lk_type_size(tensor.type));
    }
    return tensor;
}

static LkOp record_op(const LkNet *net, const LkGraphOp *op, const gsize *sizes)
{
    return (LkOp){.kind = op->kind,
                  .x = tensor_of(net, op->x),
                  .y = tensor_of(net, op->y),
                  .weight = tensor_of(net, op->weight),
                  .bias = tensor_of(net, op->bias),
                  .in_scale = tensor_of(net, op->in_scale),
                  .in_shift = tensor_of(net, op->in_shift),
                  .out_scale = tensor_of(net, op->out_scale),
                  .noise = tensor_of(net, op->noise),
                  .add = tensor_of(net, op->add),
                  .slopes = tensor_of(net, op->slopes),
                  .scratch = scratch_of(net, op->scratch, sizes),
                  .kernel = op->kernel,
                  .stride = op->stride,
                  .act = op->act,
                  .slope = op->slope,
                  .gain = op->gain,
                  .clamp = op->clamp,
                  .square = op->square};
}

static gboolean record_stage(LkNet *net, const LkGraphStage *stage, const gsize *sizes, GError **error)
{
    g_autofree LkOp *ops = g_new(LkOp, stage->n_ops);
    LkStream *stream;

    for (guint i = 0; i < stage->n_ops; i++)
        ops[i] = record_op(net, lk_graph_op(net->network->graph, stage->first_op + i), sizes);
    stream = lk_stream_new(net->gpu, stage->name, ops, stage->n_ops, error);
    if (stream == NULL)
        return FALSE;
    g_ptr_array_add(net->streams, stream);
    return TRUE;
}

static gboolean make_arenas(LkNet *net, GError **error)
{
    for (guint i = 0; i < lk_plan_n_arenas(net->plan); i++) {
        const LkPlanArena *planned = lk_plan_arena(net->plan, i);
        LkArenaUse use = planned->pool == LK_POOL_HOST ? LK_ARENA_HOST : LK_ARENA_DEVICE;
        LkArena *arena = lk_arena_new(net->gpu, use, planned->size, error);
        if (arena == NULL)
            return FALSE;
        g_ptr_array_add(net->arenas, arena);
    }
    return TRUE;
}

static void name_file(const LkNet *net, GError **error)
{
    g_autofree char *shown = g_filename_display_name(lk_model_path(net->model));

    g_prefix_error(error, "%s: ", shown);
}

/* The biases stay with the host, which adds the offsets of an edit to them. */
static gboolean read_biases(LkNet *net, GError **error)
{
    const LkNetwork *network = net->network;
    const guint n_styles = lk_config_n_styles(lk_model_config(net->model));
    gsize n, first = 0;

    net->biases = g_new(float, n_styles);
    net->bias = g_new(float, n_styles);
    for (guint i = 0; i < network->n_affines; i++) {
        g_autofree float *bias =
            lk_param_read(&network->affine_biases[i], lk_model_weights(net->model), &n, error);
        if (bias == NULL) {
            name_file(net, error);
            return FALSE;
        }
        g_assert(first + n <= n_styles);
        memcpy(net->biases + first, bias, n * sizeof(float));
        first += n;
    }
    g_assert(first == n_styles);
    return TRUE;
}

static gboolean upload_weights(LkNet *net, GError **error)
{
    const LkGraph *graph = net->network->graph;
    const LkWeights *weights = lk_model_weights(net->model);

    for (LkValue value = 1; value <= lk_graph_n_values(graph); value++) {
        const LkGraphValue *v = lk_graph_value(graph, value);
        const LkPlace *place = lk_plan_place(net->plan, value);
        if (v->kind != LK_VALUE_PARAM)
            continue;
        if (!lk_upload_param(net->gpu, v, weights, g_ptr_array_index(net->arenas, place->arena),
                             place->offset, error)) {
            name_file(net, error);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean prepare(LkNet *net, GError **error)
{
    const LkGraph *graph = net->network->graph;
    g_autofree gsize *sizes = lk_value_sizes(net->gpu, graph);

    if (!lk_graph_check(graph, error))
        return FALSE;
    net->plan = lk_plan_new(graph, sizes, (gsize)lk_gpu_info(net->gpu)->max_allocation, error);
    if (net->plan == NULL || !make_arenas(net, error) || !read_biases(net, error) ||
        !upload_weights(net, error))
        return FALSE;
    for (guint i = 0; i < lk_graph_n_stages(graph); i++)
        if (!record_stage(net, lk_graph_stage(graph, i), sizes, error))
            return FALSE;
    net->schedule = lk_schedule_new(graph);
    return TRUE;
}

LkNet *lk_net_new(LkGpu *gpu, LkModel *model, LkType storage, LkNetFlags flags, GError **error)
{
    g_autoptr(LkNet) net = NULL;

    if (storage != LK_F32 && (storage != LK_F16 || !lk_gpu_info(gpu)->half_storage)) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "%s cannot store half-precision numbers",
                    lk_gpu_info(gpu)->name);
        return NULL;
    }
    net = g_new0(LkNet, 1);
    net->gpu = gpu;
    net->model = lk_model_ref(model);
    net->arenas = g_ptr_array_new_with_free_func((GDestroyNotify)lk_arena_free);
    net->streams = g_ptr_array_new_with_free_func((GDestroyNotify)lk_stream_free);
    net->runs = g_array_new(FALSE, TRUE, sizeof(LkStageRun));
    net->network = lk_network_new(lk_model_config(model), lk_model_weights(model), storage,
                                  (flags & LK_NET_KEEP_STAGES) != 0);
    return prepare(net, error) ? g_steal_pointer(&net) : NULL;
}

void lk_net_free(LkNet *net)
{
    if (net == NULL)
        return;
    g_ptr_array_unref(net->streams); /* before the arenas that they use */
    g_ptr_array_unref(net->arenas);
    g_array_unref(net->runs);
    lk_schedule_free(net->schedule);
    lk_plan_free(net->plan);
    lk_network_free(net->network);
    lk_model_unref(net->model);
    g_free(net->biases);
    g_free(net->bias);
    g_free(net);
}

LkModel *lk_net_model(const LkNet *net)
{
    return net->model;
}

/* ---- running ---- */

static gboolean run(LkNet *net, const LkValue *targets, guint n_targets, guint mode,
                    GCancellable *cancellable, GError **error)
{
    g_autoptr(GArray) stages = NULL;
    g_autofree LkStream **streams = NULL;
    g_autofree double *seconds = NULL;

    g_array_set_size(net->runs, 0);
    stages = lk_schedule_stages(net->schedule, targets, n_targets, mode, error);
    if (stages == NULL || g_cancellable_set_error_if_cancelled(cancellable, error))
        return FALSE;
    if (stages->len == 0)
        return TRUE;
    streams = g_new(LkStream *, stages->len);
    seconds = g_new0(double, stages->len);
    for (guint i = 0; i < stages->len; i++)
        streams[i] = g_ptr_array_index(net->streams, g_array_index(stages, guint, i));
    lk_schedule_begin(net->schedule, stages);
    if (!lk_gpu_run(net->gpu, streams, stages->len, cancellable, seconds, error))
        return FALSE;
    lk_schedule_done(net->schedule, stages);
    for (guint i = 0; i < stages->len; i++) {
        LkStageRun ran = {lk_stream_name(streams[i]), seconds[i], lk_stream_flops(streams[i])};
        g_array_append_val(net->runs, ran);
    }
    return TRUE;
}

/* Writes an input if it holds something else. */
static gboolean write_input(LkNet *net, LkValue input, gconstpointer data, gsize size, GError **error)
{
    LkTensor tensor = tensor_of(net, input);
    guint64 key = lk_hash_bytes(LK_HASH_START, data, size);

    if (key == 0)
        key = 1;
    if (lk_schedule_input(net->schedule, input) == key)
        return TRUE;
    lk_schedule_set_input(net->schedule, input, 0);
    if (!lk_arena_write(tensor.arena, tensor.offset, data, size, error))
        return FALSE;
    lk_schedule_set_input(net->schedule, input, key);
    return TRUE;
}

/* w_plus: num_ws x w_dim floats, from rows that lie row_stride apart. */
static gboolean read_w_plus(LkNet *net, float *w_plus, GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    LkTensor tensor = tensor_of(net, net->network->w_plus);
    g_autofree float *rows = g_malloc(lk_tensor_bytes(&tensor));

    if (!lk_arena_read(tensor.arena, tensor.offset, rows, lk_tensor_bytes(&tensor), error))
        return FALSE;
    for (guint i = 0; i < config->num_ws; i++)
        memcpy(w_plus + (gsize)i * config->w_dim, rows + (gsize)i * net->network->row_stride,
               config->w_dim * sizeof(float));
    return TRUE;
}

gboolean lk_net_invert(LkNet *net, const guint8 *rgba, float *w_plus, GCancellable *cancellable,
                       GError **error)
{
    const LkNetwork *network = net->network;
    const LkValue targets[] = {network->w_plus, network->residual_half};
    guint side = lk_model_config(net->model)->input;

    if (write_input(net, network->crop, rgba, (gsize)side * side * 4, error) &&
        run(net, targets, G_N_ELEMENTS(targets), LK_MODE_STYLERES, cancellable, error) &&
        read_w_plus(net, w_plus, error))
        return TRUE;
    /* A photo whose code the caller does not have must not be edited. */
    lk_schedule_set_input(net->schedule, network->crop, 0);
    return FALSE;
}

static gboolean write_rows(LkNet *net, const float *w_plus, GError **error)
{
    const LkConfig *config = lk_model_config(net->model);

    for (guint i = 0; i < config->num_ws; i++)
        if (!write_input(net, net->network->edited.rows[i], w_plus + (gsize)i * config->w_dim,
                         config->w_dim * sizeof(float), error))
            return FALSE;
    return TRUE;
}

static gboolean write_biases(LkNet *net, const float *offsets, GError **error)
{
    const LkNetwork *network = net->network;
    gsize first = 0;

    for (guint i = 0; i < network->n_affines; i++) {
        const guint n = network->affine_biases[i].o;
        for (guint j = 0; j < n; j++)
            net->bias[j] = net->biases[first + j] + (offsets ? offsets[first + j] : 0);
        if (!write_input(net, network->edited.biases[i], net->bias, n * sizeof(float), error))
            return FALSE;
        first += n;
    }
    return TRUE;
}

gboolean lk_net_generate(LkNet *net, const float *w_plus, const float *style_offsets, LkInversionMode mode,
                         guint8 *rgba, GCancellable *cancellable, GError **error)
{
    LkTensor picture = tensor_of(net, net->network->picture);

    return write_rows(net, w_plus, error) && write_biases(net, style_offsets, error) &&
           run(net, &net->network->picture, 1, mode == LK_INVERSION_WPLUS ? LK_MODE_WPLUS : LK_MODE_STYLERES,
               cancellable, error) &&
           lk_arena_read(picture.arena, picture.offset, rgba, lk_tensor_bytes(&picture), error);
}

void lk_net_forget(LkNet *net)
{
    guint64 photo = lk_schedule_input(net->schedule, net->network->crop);

    lk_schedule_forget(net->schedule);
    /* The photo's bytes are an input, not a result: the next edit computes everything from them again. */
    lk_schedule_set_input(net->schedule, net->network->crop, photo);
}

const LkStageRun *lk_net_last_run(const LkNet *net, gsize *n)
{
    *n = net->runs->len;
    return (const LkStageRun *)(gpointer)net->runs->data;
}

/* ---- reading ---- */

const char *const *lk_net_stage_names(void)
{
    return stage_names;
}

static float *read_floats(const LkTensor *tensor, GError **error)
{
    gsize n = (gsize)tensor->c * tensor->h * tensor->w, size = (lk_tensor_bytes(tensor) + 3) / 4 * 4;
    g_autofree float *values = g_new(float, n);
    g_autofree guint16 *halves = tensor->type == LK_F16 ? g_malloc(size) : NULL;

    if (!lk_arena_read(tensor->arena, tensor->offset, halves ? (gpointer)halves : (gpointer)values, size,
                       error))
        return NULL;
    for (gsize i = 0; i < n && halves; i++)
        values[i] = lk_f16_to_float(halves[i]);
    return g_steal_pointer(&values);
}

static LkValue find_stage(const LkNet *net, const char *stage)
{
    LkValue value = g_strv_contains(stage_names, stage) ? lk_graph_find(net->network->graph, stage) : 0;
    guint first, last;

    if (value == 0)
        return 0;
    lk_plan_lifetime(net->plan, value, &first, &last);
    return last == G_MAXUINT ? value : 0;
}

float *lk_net_read_stage(LkNet *net, const char *stage, guint shape[3], GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    LkValue value = find_stage(net, stage);
    LkTensor tensor = tensor_of(net, value);

    if (value == 0 || !lk_schedule_has(net->schedule, value)) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "there is no result called \"%s\"", stage);
        return NULL;
    }
    if (value == net->network->w_plus) {
        float *w_plus = g_new(float, (gsize)config->num_ws * config->w_dim);
        shape[0] = 1;
        shape[1] = config->num_ws;
        shape[2] = config->w_dim;
        if (!read_w_plus(net, w_plus, error))
            g_clear_pointer(&w_plus, g_free);
        return w_plus;
    }
    shape[0] = tensor.c;
    shape[1] = tensor.h;
    shape[2] = tensor.w;
    return read_floats(&tensor, error);
}

void lk_net_memory(const LkNet *net, guint64 *weights, guint64 *activations)
{
    *weights = *activations = 0;
    for (guint i = 0; i < lk_plan_n_arenas(net->plan); i++) {
        const LkPlanArena *arena = lk_plan_arena(net->plan, i);
        gboolean is_weights = arena->pool == LK_POOL_ENCODER || arena->pool == LK_POOL_WEIGHTS;
        *(is_weights ? weights : activations) += arena->size;
    }
}
