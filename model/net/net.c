/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net.h"
#include "f16.h"
#include "hash.h"
#include "model_private.h"
#include "network.h"
#include "resident.h"
#include "schedule.h"

struct _LkNet {
    LkGpu *gpu;
    LkModel *model;
    LkNetwork *network;
    LkResident *resident;
    LkSchedule *schedule;
    LkNetFlags flags;
    guint mode;       /* LK_MODE_... of the last picture */
    GArray *runs;     /* LkStageRun */
    float *biases;    /* of the affine layers, one after the other: lk_config_n_styles */
    float *bias;      /* room for the largest of them, with offsets */
    guint64 restored; /* hash of the inversion that was restored, 0: none */
};

/* Not every model has the first. */
static const char *const stage_names[] = {"motion", "w_plus",  "enc_feat", "f_feats", "aligned", "extracted",
                                          "f_edit", "delta_f", "gate",     "fused",   "image",   NULL};

/* ---- construction ---- */

/* Where it is the file's fault, the message names the file. */
static gboolean fail(const LkNet *net, GError *reason, GError **error)
{
    g_autofree char *shown = g_filename_display_name(lk_model_path(net->model));

    if (reason->domain == LK_MODEL_ERROR)
        g_prefix_error(&reason, "%s: ", shown);
    g_propagate_error(error, reason);
    return FALSE;
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
        if (bias == NULL)
            return FALSE;
        g_assert(first + n <= n_styles);
        memcpy(net->biases + first, bias, n * sizeof(float));
        first += n;
    }
    g_assert(first == n_styles);
    return TRUE;
}

static gboolean prepare(LkNet *net, GError **error)
{
    const LkGraph *graph = net->network->graph;

    if (!lk_graph_check(graph, error) || !read_biases(net, error))
        return FALSE;
    net->resident = lk_resident_new(net->gpu, graph, lk_model_weights(net->model), error);
    if (net->resident == NULL)
        return FALSE;
    net->schedule = lk_schedule_new(graph);
    return TRUE;
}

LkNet *lk_net_new(LkGpu *gpu, LkModel *model, LkType storage, LkNetFlags flags, GError **error)
{
    g_autoptr(LkNet) net = NULL;
    GError *reason = NULL;

    if (storage != LK_F32 && (storage != LK_F16 || !lk_gpu_info(gpu)->half_storage)) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "%s cannot store half-precision numbers",
                    lk_gpu_info(gpu)->name);
        return NULL;
    }
    net = g_new0(LkNet, 1);
    net->gpu = gpu;
    net->model = lk_model_ref(model);
    net->flags = flags;
    net->mode = LK_MODE_STYLERES;
    net->runs = g_array_new(FALSE, TRUE, sizeof(LkStageRun));
    net->network = lk_network_new(lk_model_config(model), lk_model_weights(model), storage,
                                  (flags & LK_NET_KEEP_STAGES) != 0);
    if (prepare(net, &reason))
        return g_steal_pointer(&net);
    fail(net, reason, error);
    return NULL;
}

void lk_net_free(LkNet *net)
{
    if (net == NULL)
        return;
    lk_resident_free(net->resident);
    g_array_unref(net->runs);
    lk_schedule_free(net->schedule);
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

static gboolean run_stages(LkNet *net, const GArray *stages, GCancellable *cancellable, GError **error)
{
    g_autofree LkStream **streams = g_new(LkStream *, stages->len);
    g_autofree double *seconds = g_new0(double, stages->len);
    GError *reason = NULL;

    if (!lk_resident_streams(net->resident, stages, streams, cancellable, &reason))
        return fail(net, reason, error);
    lk_schedule_begin(net->schedule, stages);
    if (!lk_gpu_run(net->gpu, streams, stages->len, cancellable, seconds, error))
        return FALSE;
    lk_schedule_done(net->schedule, stages);
    for (guint i = 0; i < stages->len; i++) {
        const LkGraphStage *stage = lk_graph_stage(net->network->graph, g_array_index(stages, guint, i));
        LkStageRun ran = {stage->name, seconds[i], lk_stream_flops(streams[i])};
        g_array_append_val(net->runs, ran);
    }
    return TRUE;
}

static gboolean run(LkNet *net, const LkValue *targets, guint n_targets, guint mode,
                    GCancellable *cancellable, GError **error)
{
    g_autoptr(GArray) stages = lk_schedule_stages(net->schedule, targets, n_targets, mode, error);
    gboolean good;

    g_array_set_size(net->runs, 0);
    if (stages == NULL || g_cancellable_set_error_if_cancelled(cancellable, error))
        return FALSE;
    if (stages->len == 0)
        return TRUE;
    good = run_stages(net, stages, cancellable, error);
    if (!(net->flags & LK_NET_KEEP_ENCODER))
        lk_resident_drop_encoder(net->resident);
    return good;
}

/* Writes an input if it holds something else. */
static gboolean write_input(LkNet *net, LkValue input, gconstpointer data, gsize size, GError **error)
{
    LkTensor tensor = lk_resident_tensor(net->resident, input);
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
    LkTensor tensor = lk_resident_tensor(net->resident, net->network->w_plus);
    g_autofree float *rows = g_malloc(lk_tensor_bytes(&tensor));

    if (!lk_arena_read(tensor.arena, tensor.offset, rows, lk_tensor_bytes(&tensor), error))
        return FALSE;
    for (guint i = 0; i < config->num_ws; i++)
        memcpy(w_plus + (gsize)i * config->w_dim, rows + (gsize)i * net->network->row_stride,
               config->w_dim * sizeof(float));
    return TRUE;
}

static void forget_restored(LkNet *net)
{
    net->restored = 0;
    lk_schedule_take_back(net->schedule);
}

gboolean lk_net_invert(LkNet *net, const guint8 *rgba, float *w_plus, GCancellable *cancellable,
                       GError **error)
{
    const LkNetwork *network = net->network;
    /* All that needs the encoder; R is computed when it is first wanted. */
    const LkValue targets[] = {network->w_plus, network->enc_feat};
    guint side = lk_model_config(net->model)->input;

    forget_restored(net);
    if (write_input(net, network->crop, rgba, (gsize)side * side * 4, error) &&
        run(net, targets, G_N_ELEMENTS(targets), net->mode, cancellable, error) &&
        read_w_plus(net, w_plus, error))
        return TRUE;
    /* A photo whose code the caller does not have must not be edited. */
    lk_schedule_set_input(net->schedule, network->crop, 0);
    return FALSE;
}

/* ---- inversions that were saved ---- */

void lk_inversion_free(LkInversion *inversion)
{
    if (inversion == NULL)
        return;
    g_free(inversion->w_plus);
    g_clear_pointer(&inversion->enc_feat, g_bytes_unref);
    g_free(inversion);
}

LkInversion *lk_inversion_copy(const LkInversion *inversion)
{
    LkInversion *copy = g_memdup2(inversion, sizeof *inversion);

    copy->w_plus =
        g_memdup2(inversion->w_plus, (gsize)inversion->rows * inversion->width * sizeof *inversion->w_plus);
    g_bytes_ref(copy->enc_feat);
    return copy;
}

/* What is read from and written to an arena is whole words. */
static gsize whole_words(gsize size)
{
    return (size + 3) / 4 * 4;
}

static GBytes *read_bytes(const LkTensor *tensor, GError **error)
{
    const gsize size = lk_tensor_bytes(tensor);
    g_autofree guint8 *bytes = g_malloc(whole_words(size));

    if (!lk_arena_read(tensor->arena, tensor->offset, bytes, whole_words(size), error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&bytes), size);
}

LkInversion *lk_net_save(LkNet *net, GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    const LkTensor tensor = lk_resident_tensor(net->resident, net->network->enc_feat);
    g_autoptr(LkInversion) inversion = g_new0(LkInversion, 1);

    if (!lk_schedule_has(net->schedule, net->network->w_plus, net->mode) ||
        !lk_schedule_has(net->schedule, net->network->enc_feat, net->mode)) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "no photo has been inverted");
        return NULL;
    }
    *inversion = (LkInversion){.rows = config->num_ws,
                               .width = config->w_dim,
                               .w_plus = g_new(float, (gsize)config->num_ws * config->w_dim),
                               .c = tensor.c,
                               .h = tensor.h,
                               .w = tensor.w,
                               .type = tensor.type};
    inversion->enc_feat = read_bytes(&tensor, error);
    if (inversion->enc_feat == NULL || !read_w_plus(net, inversion->w_plus, error))
        return NULL;
    return g_steal_pointer(&inversion);
}

static gboolean fits(const LkNet *net, const LkInversion *inversion, const LkTensor *tensor)
{
    const LkConfig *config = lk_model_config(net->model);
    const gsize size = (gsize)tensor->c * tensor->h * tensor->w * lk_type_size(inversion->type);

    return inversion->rows == config->num_ws && inversion->width == config->w_dim &&
           inversion->c == tensor->c && inversion->h == tensor->h && inversion->w == tensor->w &&
           g_bytes_get_size(inversion->enc_feat) == size;
}

/* enc_feat's n numbers in the type that the device has; free with g_free. */
static gpointer convert(const LkInversion *inversion, LkType type, gsize n)
{
    const guint8 *from = g_bytes_get_data(inversion->enc_feat, NULL);
    guint8 *to = g_malloc0(whole_words(n * lk_type_size(type)));

    if (type == inversion->type)
        return memcpy(to, from, n * lk_type_size(type));
    for (gsize i = 0; i < n; i++) {
        float value;
        guint16 half;
        if (type == LK_F16) {
            memcpy(&value, from + 4 * i, sizeof value);
            half = lk_f16_from_float(value);
            memcpy(to + 2 * i, &half, sizeof half);
        } else {
            memcpy(&half, from + 2 * i, sizeof half);
            value = lk_f16_to_float(half);
            memcpy(to + 4 * i, &value, sizeof value);
        }
    }
    return to;
}

static gboolean write_inversion(LkNet *net, const LkInversion *inversion, GError **error)
{
    const LkTensor w_plus = lk_resident_tensor(net->resident, net->network->w_plus);
    const LkTensor tensor = lk_resident_tensor(net->resident, net->network->enc_feat);
    const gsize n = (gsize)tensor.c * tensor.h * tensor.w;
    g_autofree gpointer features = convert(inversion, tensor.type, n);
    g_autofree float *rows = g_malloc0(lk_tensor_bytes(&w_plus));

    for (guint i = 0; i < inversion->rows; i++)
        memcpy(rows + (gsize)i * net->network->row_stride, inversion->w_plus + (gsize)i * inversion->width,
               inversion->width * sizeof(float));
    return lk_arena_write(w_plus.arena, w_plus.offset, rows, lk_tensor_bytes(&w_plus), error) &&
           lk_arena_write(tensor.arena, tensor.offset, features, whole_words(lk_tensor_bytes(&tensor)),
                          error);
}

static guint64 hash_inversion(const LkInversion *inversion)
{
    gsize size;
    const void *features = g_bytes_get_data(inversion->enc_feat, &size);
    guint64 hash = lk_hash_bytes(LK_HASH_START, inversion->w_plus,
                                 (gsize)inversion->rows * inversion->width * sizeof(float));

    hash = lk_hash_bytes(hash, features, size);
    return hash ? hash : 1;
}

static void give_restored(LkNet *net)
{
    lk_schedule_give(net->schedule, net->network->w_plus, net->restored);
    lk_schedule_give(net->schedule, net->network->enc_feat, net->restored);
}

gboolean lk_net_restore(LkNet *net, const LkInversion *inversion, GError **error)
{
    const LkTensor tensor = lk_resident_tensor(net->resident, net->network->enc_feat);

    forget_restored(net);
    lk_schedule_set_input(net->schedule, net->network->crop, 0);
    g_array_set_size(net->runs, 0);
    if (!fits(net, inversion, &tensor)) {
        g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID,
                    "the saved inversion has not the model's sizes");
        return FALSE;
    }
    if (!write_inversion(net, inversion, error))
        return FALSE;
    net->restored = hash_inversion(inversion);
    give_restored(net);
    return TRUE;
}

/* ---- pictures ---- */

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
    LkTensor picture = lk_resident_tensor(net->resident, net->network->picture);

    net->mode = mode == LK_INVERSION_WPLUS ? LK_MODE_WPLUS : LK_MODE_STYLERES;
    return write_rows(net, w_plus, error) && write_biases(net, style_offsets, error) &&
           run(net, &net->network->picture, 1, net->mode, cancellable, error) &&
           lk_arena_read(picture.arena, picture.offset, rgba, lk_tensor_bytes(&picture), error);
}

void lk_net_forget(LkNet *net)
{
    guint64 photo = lk_schedule_input(net->schedule, net->network->crop);

    lk_schedule_forget(net->schedule);
    /* The photo's bytes are an input, not a result: the next edit computes everything from them again. */
    lk_schedule_set_input(net->schedule, net->network->crop, photo);
    if (net->restored != 0)
        give_restored(net);
}

const LkStageRun *lk_net_last_run(const LkNet *net, gsize *n)
{
    *n = net->runs->len;
    return (const LkStageRun *)(gpointer)net->runs->data;
}

/* ---- reading ---- */

const char *const *lk_net_stage_names(const LkNet *net)
{
    return stage_names + (lk_model_config(net->model)->motion_channels == 0);
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
    lk_plan_lifetime(lk_resident_plan(net->resident), value, &first, &last);
    return last == G_MAXUINT ? value : 0;
}

float *lk_net_read_stage(LkNet *net, const char *stage, guint shape[3], GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    LkValue value = find_stage(net, stage);
    LkTensor tensor = lk_resident_tensor(net->resident, value);

    if (value != 0 && !run(net, &value, 1, net->mode, NULL, error))
        return NULL;
    if (value == 0 || !lk_schedule_has(net->schedule, value, net->mode)) {
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

void lk_net_memory(const LkNet *net, LkNetMemory *memory)
{
    const LkPlan *plan = lk_resident_plan(net->resident);

    *memory = (LkNetMemory){0};
    for (guint i = 0; i < lk_plan_n_arenas(plan); i++) {
        const LkPlanArena *arena = lk_plan_arena(plan, i);
        if (arena->pool == LK_POOL_ENCODER)
            memory->encoder += arena->size;
        else if (arena->pool == LK_POOL_WEIGHTS)
            memory->weights += arena->size;
        else
            memory->activations += arena->size;
    }
}
