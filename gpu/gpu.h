/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * gpu.h - a compute device, its memory, and recorded work.
 *
 * The only header of gpu/ that others include. It names no graphics API: operations are data (LkOp), so that an
 * engine of another kind can stand behind the same functions. The engine behind it today is Vulkan (gpu/vulkan_*.c).
 *
 * Use:   gpu = lk_gpu_open(NULL, 0, &error);
 *        arena = lk_arena_new(gpu, LK_ARENA_DEVICE, size, &error);
 *        stream = lk_stream_new(gpu, "b64", ops, n_ops, &error);      recorded once
 *        lk_gpu_run(gpu, &stream, 1, cancellable, NULL, &error);      replayed as often as wanted
 *
 * Threads: an LkGpu and everything made from it is used by one thread at a time. Two LkGpu are independent.
 * Tensors are dense, planar (channel, row, column), batch 1. Sizes are in elements unless they say bytes.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* ---- errors ------------------------------------------------------------------------------------------------- */

#define LK_GPU_ERROR (lk_gpu_error_quark())
typedef enum {
    LK_GPU_ERROR_NO_DEVICE,     /* no driver, or nothing fits the selector */
    LK_GPU_ERROR_OUT_OF_MEMORY, /* the device or the host has no room for an arena */
    LK_GPU_ERROR_DEVICE_LOST,   /* the driver gave up; the LkGpu can only be freed */
    LK_GPU_ERROR_INVALID,       /* an op or tensor that does not fit together: a bug of the caller */
    LK_GPU_ERROR_FAILED,
} LkGpuError;
GQuark lk_gpu_error_quark(void);

/* ---- device ------------------------------------------------------------------------------------------------- */

typedef struct _LkGpu LkGpu;
typedef struct _LkArena LkArena;
typedef struct _LkStream LkStream;

typedef enum { /* in order of preference */
               LK_GPU_DISCRETE,
               LK_GPU_INTEGRATED,
               LK_GPU_VIRTUAL,
               LK_GPU_SOFTWARE, /* a driver that computes on the processor, such as llvmpipe */
} LkGpuKind;

typedef struct {
    guint index;  /* position in lk_gpu_list() */
    char *name;   /* as the driver says it */
    char *engine; /* "vulkan" */
    char *driver; /* driver name and version */
    char *api;    /* e.g. "1.3.230" */
    LkGpuKind kind;
    gboolean half_storage;  /* tensors may be LK_F16 */
    guint64 memory;         /* bytes of device memory */
    guint64 max_binding;    /* bytes one tensor can have at most */
    guint64 max_allocation; /* bytes one arena can have at most */
    guint shared_memory;    /* bytes per work group */
    guint subgroup_size;
} LkGpuInfo;

/* All usable devices, best first: a GPtrArray of LkGpuInfo (owned by the array). Empty without error where a Vulkan
 * loader is there but no device; NULL with LK_GPU_ERROR_NO_DEVICE where there is no driver at all. */
GPtrArray *lk_gpu_list(GError **error);
const char *lk_gpu_kind_name(LkGpuKind kind); /* "discrete", "integrated", "virtual", "software" */

typedef enum {
    LK_GPU_VALIDATE =
        1 << 0, /* load the validation layer with synchronisation validation; see lk_gpu_n_messages */
    LK_GPU_NO_CACHE = 1 << 1, /* do not read or write the disk cache of programs */
} LkGpuFlags;

/* Opens a device. selector: NULL or "auto" (best of the list; a software driver only when nothing else is there),
 * "vulkan" (same), "cpu" (a software driver), a decimal index of the list, or a part of a device's name (any case).
 * The environment variable LIKENESS_VALIDATE=1 acts like LK_GPU_VALIDATE; LIKENESS_TILES = discrete, integrated or
 * software has the programs of that kind of device run, so that tests see them all; LIKENESS_MAX_MEMORY (of all
 * arenas), LIKENESS_MAX_ALLOCATION and LIKENESS_MAX_BINDING, in bytes, make it believe in a smaller device, again for
 * tests. Errors: LK_GPU_ERROR_NO_DEVICE with a sentence for the user; LK_GPU_ERROR_FAILED. */
LkGpu *lk_gpu_open(const char *selector, LkGpuFlags flags, GError **error);
void lk_gpu_free(LkGpu *gpu); /* NULL is fine; arenas and streams must be gone */
const LkGpuInfo *lk_gpu_info(const LkGpu *gpu);

/* Messages of the validation layer so far (warnings and errors; each is also printed to stderr). */
guint lk_gpu_n_messages(const LkGpu *gpu);

/* Bytes now held, and most bytes ever held, by this device's arenas (and their staging). */
void lk_gpu_memory(const LkGpu *gpu, guint64 *held, guint64 *peak);

/* ---- memory ------------------------------------------------------------------------------------------------- */

#define LK_ARENA_ALIGN 256 /* every tensor starts at a multiple of this many bytes in its arena */

typedef enum {
    LK_ARENA_DEVICE, /* weights and activations; written and read through staging */
    LK_ARENA_HOST,   /* small and often written or read: inputs, codes, pictures; host-visible, coherent */
} LkArenaUse;

/* One allocation of size bytes (> 0, at most info->max_allocation), contents undefined. */
LkArena *lk_arena_new(LkGpu *gpu, LkArenaUse use, gsize size, GError **error);
void lk_arena_free(LkArena *arena); /* NULL is fine; no stream that uses it may be run after */
gsize lk_arena_size(const LkArena *arena);

/* Copies size bytes to or from offset (multiple of 4 bytes). Blocks until done; orders with lk_gpu_run. */
gboolean lk_arena_write(LkArena *arena, gsize offset, gconstpointer data, gsize size, GError **error);
gboolean lk_arena_read(LkArena *arena, gsize offset, gpointer data, gsize size, GError **error);

typedef enum { LK_F32, LK_F16, LK_U8 } LkType;

typedef struct {
    LkArena *arena; /* NULL: absent */
    gsize
        offset; /* bytes, multiple of LK_ARENA_ALIGN (LK_OP_LINEAR's and vectors' x may be a multiple of 4) */
    guint c, h, w; /* vectors: c, 1, 1 */
    LkType type;
} LkTensor;

gsize lk_type_size(LkType type);
gsize lk_tensor_bytes(const LkTensor *tensor); /* of the plain layout, not rounded up */

/* Convolution weights are stored in the engine's own layout. Size in bytes of o x i x k x k weights stored as type,
 * and the packing of plain row-major float weights (o, i, k, k) into dst, which then is written to an arena.
 * op: LK_OP_CONV or LK_OP_CONV_UP. The tensor's c, h, w are then o, i, k*k. The size is larger than o * i * k * k
 * elements where o is not a multiple of the engine's tile. */
typedef enum {
    LK_OP_CONV,
    LK_OP_CONV_UP,
    LK_OP_LINEAR,
    LK_OP_POOL,
    LK_OP_SCALE_ADD,
    LK_OP_UPSAMPLE,
    LK_OP_TO_RGB,
    LK_OP_GATE,
    LK_OP_WARP,
    LK_OP_MOVE,
    LK_OP_BLEND,
    LK_OP_IMAGE_IN,
    LK_OP_IMAGE_OUT,
    LK_N_OPS
} LkOpKind;
gsize lk_gpu_weights_size(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type);
void lk_gpu_weights_pack(const LkGpu *gpu, LkOpKind op, guint o, guint i, guint k, LkType type,
                         const float *weights, gpointer dst);

/* ---- operations --------------------------------------------------------------------------------------------- */

typedef enum {
    LK_ACT_NONE,
    LK_ACT_LRELU, /* slope (0: ReLU) */
    LK_ACT_PRELU, /* slopes[c] */
    LK_ACT_SIGMOID,
    LK_ACT_RSQRT, /* 1 / sqrt(v + 1e-8): demodulation */
} LkActivation;

/* One operation. Fields an op does not name are ignored; a tensor marked ? may be absent. All sums are in float32
 * whatever the storage. `finish` means, in this order, for every output channel o and pixel p:
 *     v = sum * out_scale?[o] + noise?[p] + bias?[o] + add?[o,p];   v = act(v) * gain;   clamp to +-clamp if clamp > 0
 * gain 0 reads as 1. bias, in_scale, in_shift, out_scale, slopes and noise are always LK_F32; weights, x, add and y
 * may each be F32 or F16. Vectors are c, 1, 1.
 *
 * y may share no memory with what the op reads, except that it may be the very same tensor as add (BLEND, CONV, CONV_UP,
 * GATE, UPSAMPLE, SCALE_ADD without stride) or as x (BLEND, GATE, SCALE_ADD).
 *
 * CONV      y = finish(sum_ik weight[o,i,k] * pad0(x[i] * in_scale?[i] + in_shift?[i])); kernel 1 or 3, stride 1 or 2,
 *           padding kernel / 2. Correlation. Zero padding comes after scale and shift. With in_scale = styles and
 *           out_scale = demodulation it is StyleGAN2's modulated convolution (arXiv 1912.04958).
 * CONV_UP   3x3 transposed convolution with stride 2 (out[2y+ky,2x+kx] += weight * in), FIR [1,3,3,1]x[1,3,3,1]/64*4
 *           with padding 1, then finish; x h x w -> y 2h x 2w. scratch: arena, offset (multiple of LK_ARENA_ALIGN)
 *           and type of lk_gpu_scratch_size() bytes. in_scale, out_scale as above; no in_shift.
 * LINEAR    y[o] = act(gain * sum_i weight[o,i] * x[i] + bias?[o]); x is read as a flat vector (any c,h,w); weight is
 *           plain row-major, its c, h, w being o, i, 1; square: x[i]^2 instead of x[i].
 * POOL      y[c] = mean over the plane.
 * SCALE_ADD y[c,p] = x[c,p] * in_scale?[c] + add?[c, p * stride] (add is stride times as large).
 * UPSAMPLE  bilinear, align_corners = true, to y's size; + add?.
 * TO_RGB    y[o] = up2?(add) + clamped(sum_i weight[o,i] * in_scale[i] * x[i] + bias[o]), o < 3; add: the picture so
 *           far, half as large, upsampled by zero-insertion and FIR [1,3,3,1]x[1,3,3,1]/64*4 with padding (2,1). weight
 *           plain, 3 x i x 1. The size is even where there is an add.
 * GATE      y = x + gate * add; gate (in weight) is 1 x h x w.
 * WARP      y(P) = x(P + stride * motion(P)), bilinear; beyond the border is the border. x and y (c x h x w) are read as
 *           pictures of c / stride^2 channels and stride times the size, whose point (stride v + i, stride u + j) is the
 *           element (v, u) of channel stride i + j of its stride^2. motion (in weight) is 2 x h x w: across and down, in
 *           elements of x; bilinear between their centres.
 * MOVE      y(P) = x(P + stride * motion(P)), bicubic (cubic convolution, a = -0.75); beyond the border is the border.
 *           motion (in weight) is 2 x h / stride x w / stride: across and down, in its own cells; bilinear between their centres.
 * BLEND     y = x + share * (add - x); share (in weight) is 1 x h / stride x w / stride, bilinear between its cells' centres.
 * IMAGE_IN  y[3,h,w] = (v - 127.5) / 127.5 from x: interleaved RGBA bytes, U8 with c = 4.
 * IMAGE_OUT y: interleaved RGBA bytes = clamp(floor((v + 1) * 127.5 + 0.5), 0, 255), alpha 255, from x[3,h,w].
 */
typedef struct {
    LkOpKind kind;
    LkTensor x, y;
    LkTensor weight, bias, in_scale, in_shift, out_scale, noise, add, slopes, scratch;
    guint kernel, stride; /* stride 0 reads as 1 */
    LkActivation act;
    float slope, gain, clamp;
    gboolean square;
} LkOp;

const char *lk_op_name(LkOpKind kind);
guint64 lk_op_flops(const LkOp *op); /* 2 x multiply-adds of the definition */

/* Bytes of scratch CONV_UP needs for o output channels at input h x w. Never more than 128 MiB where o > 8: larger
 * layers are made in parts. */
gsize lk_gpu_scratch_size(const LkGpu *gpu, guint o, guint h, guint w, LkType type);

/* ---- work --------------------------------------------------------------------------------------------------- */

/* Records n ops that run in order. The ops are checked (shapes, types, overlaps, ranges of arenas: otherwise
 * LK_GPU_ERROR_INVALID) and copied. Programs not used before are compiled: up to a second each on a software driver,
 * at the latest when the stream first runs. */
LkStream *lk_stream_new(LkGpu *gpu, const char *name, const LkOp *ops, gsize n, GError **error);
void lk_stream_free(LkStream *stream);
const char *lk_stream_name(const LkStream *stream);
guint64 lk_stream_flops(const LkStream *stream);

/* Runs the streams one after the other and waits. The work goes to the device in bounded submits, also inside a
 * stream; before each the cancellable is looked at (G_IO_ERROR_CANCELLED; what was submitted is waited for).
 * seconds: NULL, or n doubles that get each stream's time on the device. */
gboolean lk_gpu_run(LkGpu *gpu, LkStream *const *streams, gsize n, GCancellable *cancellable, double *seconds,
                    GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkGpu, lk_gpu_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkArena, lk_arena_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkStream, lk_stream_free)

G_END_DECLS
