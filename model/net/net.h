/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * net.h - the StyleRes networks of a model file, ready to run on a device (arXiv 2212.14359; shapes: docs and model.h).
 *
 * The graph is built once from the model's config; every stage's streams are recorded once. Each stage's result carries the
 * hash of everything it was computed from, so a run executes only the stages whose inputs changed: a slider step re-runs
 * neither the encoder, nor E1, nor the part of E2 that sees only the photo, nor leading generator blocks whose rows of w+
 * stayed the same. A partial run's picture is bit-identical to a full run's.
 *
 * An LkNet belongs to one thread at a time, the one that uses its LkGpu.
 */
#pragma once

#include "gpu.h"
#include "model.h"

G_BEGIN_DECLS

typedef struct _LkNet LkNet;

typedef enum {
    LK_INVERSION_STYLERES, /* w+ with residual features */
    LK_INVERSION_WPLUS,    /* w+ alone: the basic encoder's inversion (e4e), neither E1 nor E2 */
} LkInversionMode;

typedef enum {
    LK_NET_KEEP_STAGES = 1 << 0,  /* every dumpable tensor keeps its own memory, for lk_net_read_stage */
    LK_NET_KEEP_ENCODER = 1 << 1, /* the encoder's weights stay on the device, for many photos in a row */
} LkNetFlags;

/* Uploads the weights, but for the encoder's, and records the streams. storage: LK_F32, or LK_F16 where the device has
 * half_storage. The net keeps a reference of model; gpu must outlive it. */
LkNet *lk_net_new(LkGpu *gpu, LkModel *model, LkType storage, LkNetFlags flags, GError **error);
void lk_net_free(LkNet *net); /* NULL is fine */
LkModel *lk_net_model(const LkNet *net);

/* Inverts an aligned crop: rgba is input x input x 4 bytes (alpha ignored). w_plus receives num_ws x w_dim floats.
 * A model with refinements then makes the inversion's picture, encodes that (shrunk to the input's side), and adds to enc_feat
 * what it finds less of there than in the photo; so often.
 * After it, lk_net_generate edits this photo; the residual features are computed by the first picture that has them.
 * The encoder's weights are uploaded for the call and freed after it (LK_NET_KEEP_ENCODER: after lk_net_free).
 * Cancelled: G_IO_ERROR_CANCELLED. After that or another error no photo is there to edit until one is inverted, which costs
 * nothing if it was inverted before, without refinements, and the call that failed had not begun to compute. */
gboolean lk_net_invert(LkNet *net, const guint8 *rgba, float *w_plus, GCancellable *cancellable,
                       GError **error);

/* All that the encoder found in a photo, as it is on the device: what is needed to edit the photo again without it. */
typedef struct {
    guint rows, width; /* num_ws, w_dim */
    float *w_plus;
    guint c, h, w; /* of enc_feat */
    LkType type;   /* LK_F32, or LK_F16: the storage of the net that it is from */
    GBytes *enc_feat;
} LkInversion;
LkInversion *lk_inversion_copy(const LkInversion *inversion);
void lk_inversion_free(LkInversion *inversion); /* NULL is fine */

/* Of the photo that was inverted or restored last. LK_GPU_ERROR_INVALID where there is none. */
LkInversion *lk_net_save(LkNet *net, GError **error);

/* In place of lk_net_invert: no stage runs and none of the encoder's weights are uploaded. The pictures are those of the net
 * that saved it, to the last bit where device, model and storage are the same; in another storage enc_feat is converted. Sizes
 * of another model: LK_GPU_ERROR_INVALID. After an error no photo is there to edit. */
gboolean lk_net_restore(LkNet *net, const LkInversion *inversion, GError **error);

/* The picture of the (edited) code w_plus (num_ws x w_dim): rgba receives resolution x resolution x 4 bytes.
 * style_offsets: NULL, or lk_config_n_styles() numbers that are added to the outputs of the affine layers (to_rgb's after their
 * gain 1 / sqrt(channels)) of the edited picture; F and E1 see the photo's own styles. With w_plus as lk_net_invert gave it
 * and no offsets, or all 0, it is the inversion itself. */
gboolean lk_net_generate(LkNet *net, const float *w_plus, const float *style_offsets, LkInversionMode mode,
                         guint8 *rgba, GCancellable *cancellable, GError **error);

/* Forgets all cached results, so that the next calls run every stage (but the encoder's, where the photo was restored). */
void lk_net_forget(LkNet *net);

/* The stages that the last call ran, in order; times are the device's. Owned by the net until the next call. Names: of
 * lk_net_invert "image_in", "e0", "heads", and for each refinement what a picture needs, "image_in", "e0"; once per photo with
 * residual features "f.b4" ... "f.b64" (generator on the unedited
 * code up to F), "e1.align", "e1.extract", "e2.photo" (the part of E2 that sees only the photo; in a model that moves R
 * "motion.photo", the part of the motion network that does); per edit "b4" ... "b64.conv0" (F'), there "motion", "e2" (F''), "b64.conv1", "b128", ..., "image_out".
 * A model whose edits carry over the inversion's image makes that first, if it has not yet, in the same stages but "uncarried" before
 * "image_out"; then "carry.photo" once, and per edit "carry" (where to carry it over) and "carried". */
typedef struct {
    const char *name;
    double seconds;
    guint64 flops;
} LkStageRun;
const LkStageRun *lk_net_last_run(const LkNet *net, gsize *n);

/* The float values of a stage, for checks (LK_NET_KEEP_STAGES): w_plus (1 x num_ws x w_dim), enc_feat, f_feats, aligned,
 * extracted, f_edit, motion (only of models that move R), delta_f, gate, fused (F''), image (c x h x w). What is not yet there
 * for the photo and the last picture is computed. motion, delta_f, gate and fused: only after a picture with residual features. shape gets c, h, w. Free with g_free. */
float *lk_net_read_stage(LkNet *net, const char *stage, guint shape[3], GError **error);
const char *const *lk_net_stage_names(
    const LkNet *net); /* NULL-terminated list of the names above that this model has */

/* Bytes of device memory; what is held at a time is lk_gpu_memory's to say. */
typedef struct {
    guint64 encoder; /* weights of E0: held only while a photo is inverted */
    guint64 weights; /* all others */
    guint64 activations;
} LkNetMemory;
void lk_net_memory(const LkNet *net, LkNetMemory *memory);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkNet, lk_net_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkInversion, lk_inversion_free)

G_END_DECLS
