/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net.h"
#include "hash.h"
#include "inversion.h"
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
    guint64 restored; /* hash of the inversion that was restored or refined, 0: none */
    guint64 refined;  /* and, if the latter, of its photo */
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

    if (stages == NULL || g_cancellable_set_error_if_cancelled(cancellable, error))
        return FALSE;
    return stages->len == 0 || run_stages(net, stages, cancellable, error);
}

/* What the caller asks for begins and ends. */
static void begin(LkNet *net)
{
    g_array_set_size(net->runs, 0);
}

static gboolean end(LkNet *net, gboolean good)
{
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

/* What follows from the encoder's results and is no stage: that they were given, and the picture that edits carry over. */
static void forget_restored(LkNet *net)
{
    net->restored = net->refined = 0;
    lk_schedule_take_back(net->schedule);
    for (guint i = 0; i < G_N_ELEMENTS(net->network->own) && net->network->own[i]; i++)
        lk_schedule_set_input(net->schedule, net->network->own[i], 0);
}

/* There is nothing to edit. */
static void forget_photo(LkNet *net)
{
    forget_restored(net);
    lk_schedule_set_input(net->schedule, net->network->crop, 0);
}

/* ---- inversions that were saved ---- */

static GBytes *read_bytes(const LkTensor *tensor, GError **error)
{
    const gsize n = (gsize)tensor->c * tensor->h * tensor->w, room = lk_numbers_bytes(tensor->type, n);
    g_autofree guint8 *bytes = g_malloc(room);

    if (!lk_arena_read(tensor->arena, tensor->offset, bytes, room, error))
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&bytes), n * lk_type_size(tensor->type));
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

static gboolean write_inversion(LkNet *net, const LkInversion *inversion, GError **error)
{
    const LkTensor w_plus = lk_resident_tensor(net->resident, net->network->w_plus);
    const LkTensor tensor = lk_resident_tensor(net->resident, net->network->enc_feat);
    const gsize n = (gsize)tensor.c * tensor.h * tensor.w;
    g_autofree gpointer features = lk_inversion_features(inversion, tensor.type);
    g_autofree float *rows = g_malloc0(lk_tensor_bytes(&w_plus));

    for (guint i = 0; i < inversion->rows; i++)
        memcpy(rows + (gsize)i * net->network->row_stride, inversion->w_plus + (gsize)i * inversion->width,
               inversion->width * sizeof(float));
    return lk_arena_write(w_plus.arena, w_plus.offset, rows, lk_tensor_bytes(&w_plus), error) &&
           lk_arena_write(tensor.arena, tensor.offset, features, lk_numbers_bytes(tensor.type, n), error);
}

static void give_restored(LkNet *net)
{
    lk_schedule_give(net->schedule, net->network->w_plus, net->restored);
    lk_schedule_give(net->schedule, net->network->enc_feat, net->restored);
}

/* From here on the photo is what inversion says. */
static gboolean give_inversion(LkNet *net, const LkInversion *inversion, GError **error)
{
    forget_photo(net);
    if (!write_inversion(net, inversion, error))
        return FALSE;
    net->restored = lk_inversion_hash(inversion);
    give_restored(net);
    return TRUE;
}

gboolean lk_net_restore(LkNet *net, const LkInversion *inversion, GError **error)
{
    const LkTensor tensor = lk_resident_tensor(net->resident, net->network->enc_feat);

    begin(net);
    if (fits(net, inversion, &tensor))
        return give_inversion(net, inversion, error);
    forget_photo(net);
    g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "the saved inversion has not the model's sizes");
    return FALSE;
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

static gboolean make_picture(LkNet *net, const float *w_plus, const float *style_offsets, guint mode,
                             guint8 *rgba, GCancellable *cancellable, GError **error)
{
    LkTensor picture = lk_resident_tensor(net->resident, net->network->picture);

    return write_rows(net, w_plus, error) && write_biases(net, style_offsets, error) &&
           run(net, &net->network->picture, 1, mode, cancellable, error) &&
           lk_arena_read(picture.arena, picture.offset, rgba, lk_tensor_bytes(&picture), error);
}

/* A square image of three planes with half the side: means of four. */
static float *halve(const float *image, gsize side)
{
    const gsize half = side / 2;
    float *result = g_new(float, 3 * half * half);

    for (gsize i = 0; i < 3 * half * half; i++) {
        const float *corner = image + i / half * 2 * side + i % half * 2;
        result[i] = (corner[0] + corner[1] + corner[side] + corner[side + 1]) / 4;
    }
    return result;
}

/* Makes the image of the photo's own code for edits to carry over. */
static gboolean make_own(LkNet *net, const float *w_plus, GCancellable *cancellable, GError **error)
{
    const LkValue *own = net->network->own;
    const LkTensor image = lk_resident_tensor(net->resident, net->network->image);
    const gsize size = lk_tensor_bytes(&image);
    g_autofree float *whole = g_malloc(size), *half = NULL;

    if (!write_rows(net, w_plus, error) || !write_biases(net, NULL, error) ||
        !run(net, &net->network->image, 1, LK_MODE_INVERSION, cancellable, error) ||
        !lk_arena_read(image.arena, image.offset, whole, size, error))
        return FALSE;
    half = halve(whole, image.w);
    return write_input(net, own[0], whole, size, error) && write_input(net, own[1], half, size / 4, error);
}

static gboolean are_zero(const float *values, guint n)
{
    for (guint i = 0; i < n; i++)
        if (values[i] != 0)
            return FALSE;
    return TRUE;
}

/* An edit's mode, or the inversion's where nothing is edited. */
static gboolean choose_mode(LkNet *net, const float *w_plus, const float *style_offsets,
                            GCancellable *cancellable, GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    const gsize n = (gsize)config->num_ws * config->w_dim;
    g_autofree float *own = g_new(float, n);

    net->mode = LK_MODE_STYLERES;
    if (config->carry_channels == 0)
        return TRUE;
    if (!run(net, &net->network->w_plus, 1, LK_MODE_INVERSION, cancellable, error) ||
        !read_w_plus(net, own, error) ||
        (lk_schedule_input(net->schedule, net->network->own[1]) == 0 &&
         !make_own(net, own, cancellable, error)))
        return FALSE;
    if (memcmp(own, w_plus, n * sizeof(float)) == 0 &&
        (style_offsets == NULL || are_zero(style_offsets, lk_config_n_styles(config))))
        net->mode = LK_MODE_INVERSION;
    return TRUE;
}

gboolean lk_net_generate(LkNet *net, const float *w_plus, const float *style_offsets, LkInversionMode mode,
                         guint8 *rgba, GCancellable *cancellable, GError **error)
{
    begin(net);
    net->mode = LK_MODE_WPLUS;
    return end(net,
               (mode == LK_INVERSION_WPLUS || choose_mode(net, w_plus, style_offsets, cancellable, error)) &&
                   make_picture(net, w_plus, style_offsets, net->mode, rgba, cancellable, error));
}

/* ---- inversion ---- */

/* Runs E0 on a crop up to the targets. */
static gboolean encode(LkNet *net, const guint8 *rgba, const LkValue *targets, guint n_targets,
                       GCancellable *cancellable, GError **error)
{
    const gsize side = lk_model_config(net->model)->input;

    forget_restored(net);
    return write_input(net, net->network->crop, rgba, side * side * 4, error) &&
           run(net, targets, n_targets, net->mode, cancellable, error);
}

/* A picture as E0 reads it: every pixel the mean of factor x factor. */
static guint8 *shrink(const guint8 *rgba, guint side, guint factor)
{
    guint8 *small = g_malloc((gsize)side * side * 4);

    for (guint i = 0; i < side * side * 4; i++) {
        const guint row = i / 4 / side * factor, column = i / 4 % side * factor;
        guint sum = factor * factor / 2;
        for (guint k = 0; k < factor * factor; k++)
            sum += rgba[4 * ((gsize)(row + k / factor) * side * factor + column + k % factor) + i % 4];
        small[i] = (guint8)(sum / (factor * factor));
    }
    return small;
}

/* What E0 finds in the picture of the photo's own code (enc_feat). */
static GBytes *find_again(LkNet *net, const LkInversion *photo, GCancellable *cancellable, GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    const LkTensor tensor = lk_resident_tensor(net->resident, net->network->enc_feat);
    g_autofree guint8 *picture = g_malloc((gsize)config->resolution * config->resolution * 4);
    g_autofree guint8 *crop = NULL;

    if (!make_picture(net, photo->w_plus, NULL, LK_MODE_INVERSION, picture, cancellable, error))
        return NULL;
    crop = shrink(picture, config->input, config->resolution / config->input);
    if (!encode(net, crop, &net->network->enc_feat, 1, cancellable, error))
        return NULL;
    return read_bytes(&tensor, error);
}

static gboolean refine(LkNet *net, GCancellable *cancellable, GError **error)
{
    const guint times = lk_model_config(net->model)->refinements;
    g_autoptr(LkInversion) photo = times ? lk_net_save(net, error) : NULL;
    g_autoptr(LkInversion) refined = photo ? lk_inversion_copy(photo) : NULL;

    if (times && photo == NULL)
        return FALSE;
    for (guint i = 0; i < times; i++) {
        g_autoptr(GBytes) found = find_again(net, photo, cancellable, error);
        if (found == NULL)
            return FALSE;
        lk_inversion_add_missing(refined, photo, g_bytes_get_data(found, NULL));
        if (!give_inversion(net, refined, error))
            return FALSE;
    }
    return TRUE;
}

gboolean lk_net_invert(LkNet *net, const guint8 *rgba, float *w_plus, GCancellable *cancellable,
                       GError **error)
{
    const LkConfig *config = lk_model_config(net->model);
    /* All that needs the encoder; R is computed when it is first wanted. */
    const LkValue targets[] = {net->network->w_plus, net->network->enc_feat};
    const guint64 key = lk_hash_bytes(LK_HASH_START, rgba, (gsize)config->input * config->input * 4) | 1;

    begin(net);
    if (net->refined == key)
        return read_w_plus(net, w_plus, error);
    if (end(net, encode(net, rgba, targets, G_N_ELEMENTS(targets), cancellable, error) &&
                     refine(net, cancellable, error) && read_w_plus(net, w_plus, error))) {
        net->refined = config->refinements ? key : 0;
        return TRUE;
    }
    /* A photo whose code the caller does not have must not be edited. */
    forget_photo(net);
    return FALSE;
}

void lk_net_forget(LkNet *net)
{
    guint64 photo = lk_schedule_input(net->schedule, net->network->crop);

    lk_schedule_forget(net->schedule);
    /* The photo's bytes are an input, not a result: the next edit computes everything from them again. */
    lk_schedule_set_input(net->schedule, net->network->crop, photo);
    net->refined = 0;
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
    g_autoptr(GBytes) bytes = read_bytes(tensor, error);
    const gsize n = (gsize)tensor->c * tensor->h * tensor->w;

    return bytes ? lk_numbers_convert(g_bytes_get_data(bytes, NULL), tensor->type, LK_F32, n) : NULL;
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

    begin(net);
    if (value != 0 && !end(net, run(net, &value, 1, net->mode, NULL, error)))
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
