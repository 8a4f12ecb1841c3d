/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * landmark_net.c - see the header. Every crop of a run has its own activations and its own recorded stream.
 */
#include "landmark_net.h"

#include "model.h"
#include "weights.h"

#include <string.h>

#define MAX_CONVS 12
#define N_VALUES  (2 * LK_N_LANDMARKS)
#define MAX_WIDTH 4096

enum { CROP_BYTES = LK_LANDMARK_CROP * LK_LANDMARK_CROP * 4 };

typedef struct {
    LkTensor weight, bias;
    guint stride;
} Layer;

typedef struct {
    LkTensor crop;   /* bytes in */
    LkTensor values; /* landmarks out */
    LkStream *stream;
} Slot;

struct _LkLandmarkNet {
    LkGpu *gpu;
    LkArena *weights, *activations, *host;
    guint n_convs;
    Layer convs[MAX_CONVS], fc, landmarks;
    Slot slots[LK_LANDMARK_MAX_CROPS];
};

void lk_landmark_net_free(LkLandmarkNet *net)
{
    if (!net)
        return;
    for (guint i = 0; i < LK_LANDMARK_MAX_CROPS; i++)
        lk_stream_free(net->slots[i].stream);
    lk_arena_free(net->weights);
    lk_arena_free(net->activations);
    lk_arena_free(net->host);
    g_free(net);
}

/* Reserves bytes of an arena that is laid out from *offset on. */
static gsize reserve(gsize *offset, gsize bytes)
{
    gsize at = *offset;

    *offset = (at + bytes + LK_ARENA_ALIGN - 1) / LK_ARENA_ALIGN * LK_ARENA_ALIGN;
    return at;
}

static LkTensor reserve_tensor(gsize *offset, guint c, guint h, guint w, LkType type)
{
    LkTensor tensor = {.c = c, .h = h, .w = w, .type = type};

    tensor.offset = reserve(offset, lk_tensor_bytes(&tensor));
    return tensor;
}

static gboolean set_bad(GError **error, const char *what)
{
    g_set_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_CONFIG, "%s is not what a landmark network has", what);
    return FALSE;
}

/* "2,2,1" (brackets and spaces do not matter) into layers' strides. */
static gboolean read_strides(LkLandmarkNet *net, const LkWeights *weights, GError **error)
{
    const char *text = lk_weights_metadata(weights, "strides");

    if (!text)
        return set_bad(error, "metadata \"strides\"");
    for (; *text; text++) {
        if (!g_ascii_isdigit(*text))
            continue;
        if (net->n_convs == MAX_CONVS || (*text != '1' && *text != '2') || g_ascii_isdigit(text[1]))
            return set_bad(error, "metadata \"strides\"");
        net->convs[net->n_convs++].stride = (guint)(*text - '0');
    }
    return net->n_convs > 0 || set_bad(error, "metadata \"strides\"");
}

/* First dimension of a tensor, 0 where there is none. */
static guint n_outputs(const LkWeights *weights, const char *name)
{
    const LkWeight *weight = lk_weights_find(weights, name);

    return weight && weight->n_dims > 0 && weight->shape[0] <= MAX_WIDTH ? (guint)weight->shape[0] : 0;
}

static void place_layer(Layer *layer, gsize weight_bytes, guint o, guint i, guint kernel, gsize *offset)
{
    layer->weight =
        (LkTensor){.offset = reserve(offset, weight_bytes), .c = o, .h = i, .w = kernel, .type = LK_F32};
    layer->bias = reserve_tensor(offset, o, 1, 1, LK_F32);
}

/* Sizes of all layers and where they lie; *inputs becomes the channels that go into fc, *side their side. */
static gboolean place_layers(LkLandmarkNet *net, const LkWeights *weights, gsize *bytes, GError **error)
{
    guint channels = 3, side = LK_LANDMARK_CROP, outputs;

    for (guint i = 0; i < net->n_convs; i++) {
        g_autofree char *name = g_strdup_printf("conv%u.weight", i);

        outputs = n_outputs(weights, name);
        if (outputs == 0)
            return set_bad(error, name);
        place_layer(&net->convs[i], lk_gpu_weights_size(net->gpu, LK_OP_CONV, outputs, channels, 3, LK_F32),
                    outputs, channels, 9, bytes);
        channels = outputs;
        side = (side - 1) / net->convs[i].stride + 1;
    }
    outputs = n_outputs(weights, "fc.weight");
    if (outputs == 0)
        return set_bad(error, "fc.weight");
    place_layer(&net->fc, sizeof(float) * outputs * channels * side * side, outputs, channels * side * side,
                1, bytes);
    place_layer(&net->landmarks, sizeof(float) * N_VALUES * outputs, N_VALUES, outputs, 1, bytes);
    return TRUE;
}

static gboolean upload_floats(LkArena *arena, LkTensor *tensor, const float *values, GError **error)
{
    tensor->arena = arena;
    return lk_arena_write(arena, tensor->offset, values, lk_tensor_bytes(tensor), error);
}

static gboolean upload_conv(LkLandmarkNet *net, Layer *layer, const float *values, GError **error)
{
    guint o = layer->weight.c, i = layer->weight.h;
    gsize size = lk_gpu_weights_size(net->gpu, LK_OP_CONV, o, i, 3, LK_F32);
    g_autofree guint8 *packed = g_malloc0(size);

    lk_gpu_weights_pack(net->gpu, LK_OP_CONV, o, i, 3, LK_F32, values, packed);
    layer->weight.arena = net->weights;
    return lk_arena_write(net->weights, layer->weight.offset, packed, size, error);
}

static gboolean upload_layer(LkLandmarkNet *net, Layer *layer, const LkWeights *weights, const char *prefix,
                             GError **error)
{
    g_autofree char *weight_name = g_strconcat(prefix, ".weight", NULL);
    g_autofree char *bias_name = g_strconcat(prefix, ".bias", NULL);
    gboolean conv = layer->stride != 0;
    guint conv_shape[] = {layer->weight.c, layer->weight.h, 3, 3, 0};
    guint linear_shape[] = {layer->weight.c, layer->weight.h, 0};
    guint bias_shape[] = {layer->weight.c, 0};
    g_autofree float *weight = lk_weights_read(weights, weight_name, conv ? conv_shape : linear_shape, error);
    g_autofree float *bias = weight ? lk_weights_read(weights, bias_name, bias_shape, error) : NULL;

    if (!bias || !upload_floats(net->weights, &layer->bias, bias, error))
        return FALSE;
    return conv ? upload_conv(net, layer, weight, error)
                : upload_floats(net->weights, &layer->weight, weight, error);
}

static gboolean load_weights(LkLandmarkNet *net, const LkWeights *weights, GError **error)
{
    gsize bytes = 0;

    if (!read_strides(net, weights, error) || !place_layers(net, weights, &bytes, error))
        return FALSE;
    net->weights = lk_arena_new(net->gpu, LK_ARENA_DEVICE, bytes, error);
    if (!net->weights)
        return FALSE;
    for (guint i = 0; i < net->n_convs; i++) {
        g_autofree char *prefix = g_strdup_printf("conv%u", i);

        if (!upload_layer(net, &net->convs[i], weights, prefix, error))
            return FALSE;
    }
    return upload_layer(net, &net->fc, weights, "fc", error) &&
           upload_layer(net, &net->landmarks, weights, "landmarks", error);
}

/* The network for one crop as ops; tensors' arenas are set by the caller once the sizes are known. */
static guint build_ops(const LkLandmarkNet *net, Slot *slot, gsize *device, gsize *host, LkOp *ops)
{
    guint n = 0, side = LK_LANDMARK_CROP;
    LkTensor x;

    slot->crop = reserve_tensor(host, 4, side, side, LK_U8);
    slot->values = reserve_tensor(host, N_VALUES, 1, 1, LK_F32);
    x = reserve_tensor(device, 3, side, side, LK_F32);
    ops[n++] = (LkOp){.kind = LK_OP_IMAGE_IN, .x = slot->crop, .y = x};
    for (guint i = 0; i < net->n_convs; i++) {
        const Layer *layer = &net->convs[i];
        LkTensor y;

        side = (side - 1) / layer->stride + 1;
        y = reserve_tensor(device, layer->weight.c, side, side, LK_F32);
        ops[n++] = (LkOp){.kind = LK_OP_CONV,
                          .x = x,
                          .y = y,
                          .weight = layer->weight,
                          .bias = layer->bias,
                          .kernel = 3,
                          .stride = layer->stride,
                          .act = LK_ACT_LRELU};
        x = y;
    }
    ops[n] = (LkOp){
        .kind = LK_OP_LINEAR, .x = x, .weight = net->fc.weight, .bias = net->fc.bias, .act = LK_ACT_LRELU};
    ops[n++].y = x = reserve_tensor(device, net->fc.weight.c, 1, 1, LK_F32);
    ops[n++] = (LkOp){.kind = LK_OP_LINEAR,
                      .x = x,
                      .y = slot->values,
                      .weight = net->landmarks.weight,
                      .bias = net->landmarks.bias};
    return n;
}

static gboolean record_slots(LkLandmarkNet *net, GError **error)
{
    LkOp ops[LK_LANDMARK_MAX_CROPS][MAX_CONVS + 3];
    gsize device = 0, host = 0;
    guint n = 0;

    for (guint i = 0; i < LK_LANDMARK_MAX_CROPS; i++)
        n = build_ops(net, &net->slots[i], &device, &host, ops[i]);
    net->activations = lk_arena_new(net->gpu, LK_ARENA_DEVICE, device, error);
    net->host = net->activations ? lk_arena_new(net->gpu, LK_ARENA_HOST, host, error) : NULL;
    if (!net->host)
        return FALSE;
    for (guint i = 0; i < LK_LANDMARK_MAX_CROPS; i++) {
        for (guint k = 0; k < n; k++) {
            ops[i][k].x.arena = k == 0 ? net->host : net->activations;
            ops[i][k].y.arena = k == n - 1 ? net->host : net->activations;
        }
        net->slots[i].stream = lk_stream_new(net->gpu, "landmarks", ops[i], n, error);
        if (!net->slots[i].stream)
            return FALSE;
    }
    return TRUE;
}

LkLandmarkNet *lk_landmark_net_new(LkGpu *gpu, const char *path, GError **error)
{
    g_autoptr(LkLandmarkNet) net = g_new0(LkLandmarkNet, 1);
    g_autoptr(LkWeights) weights = lk_weights_open(path, error);

    net->gpu = gpu;
    if (!weights)
        return NULL;
    if (!load_weights(net, weights, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    return record_slots(net, error) ? g_steal_pointer(&net) : NULL;
}

gboolean lk_landmark_net_run(LkLandmarkNet *net, LkPhoto *const *crops, guint n_crops,
                             float points[][LK_N_LANDMARKS][2], GCancellable *cancellable, GError **error)
{
    LkStream *streams[LK_LANDMARK_MAX_CROPS] = {NULL};

    g_return_val_if_fail(n_crops <= LK_LANDMARK_MAX_CROPS, FALSE);
    for (guint i = 0; i < n_crops; i++) {
        Slot *slot = &net->slots[i];

        g_return_val_if_fail(lk_photo_width(crops[i]) == LK_LANDMARK_CROP, FALSE);
        g_return_val_if_fail(lk_photo_height(crops[i]) == LK_LANDMARK_CROP, FALSE);
        if (!lk_arena_write(net->host, slot->crop.offset, lk_photo_pixels(crops[i]), CROP_BYTES, error))
            return FALSE;
        streams[i] = slot->stream;
    }
    if (!lk_gpu_run(net->gpu, streams, n_crops, cancellable, NULL, error))
        return FALSE;
    for (guint i = 0; i < n_crops; i++)
        if (!lk_arena_read(net->host, net->slots[i].values.offset, points[i], sizeof points[i], error))
            return FALSE;
    return TRUE;
}
