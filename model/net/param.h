/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * param.h - how a constant of the graph is made from the tensors of a model file.
 *
 * A parameter is only a recipe: the values are read one parameter at a time while they are uploaded, so that a large model
 * is never in memory twice.
 */
#pragma once

#include "gpu.h"
#include "weights.h"

G_BEGIN_DECLS

typedef enum {
    LK_PARAM_CONV,     /* o x i x k x k for LK_OP_CONV */
    LK_PARAM_CONV_UP,  /* the same for LK_OP_CONV_UP */
    LK_PARAM_MATRIX,   /* o x i, plain; k = 1: the file has o x i x 1 x 1 */
    LK_PARAM_ENERGY,   /* o x i: the sum of the squares of each k x k kernel, for demodulation */
    LK_PARAM_VECTOR,   /* o values times scale */
    LK_PARAM_BN_SCALE, /* BatchNorm as x * scale + shift: weight / sqrt(running_var + eps) */
    LK_PARAM_BN_SHIFT, /* bias - running_mean * scale */
    LK_PARAM_ROW_BIAS, /* o values plus row `row` of latent_avg (of `rows` rows) */
    LK_PARAM_PLANES,   /* o planes of k x k */
    LK_PARAM_NOISE,    /* one plane k x k: noise_const * noise_strength; name is the layer */
} LkParamKind;

typedef struct {
    LkParamKind kind;
    const char *name; /* of the tensor; of BatchNorm or noise: the prefix of its tensors */
    const char *also; /* CONV, VECTOR: a second tensor of the same shape whose outputs follow the first's */
    const char *bn;   /* CONV: BatchNorm behind the convolution, whose scale is folded in */
    guint o, i, k;    /* outputs (of both tensors), inputs used, side of the kernel */
    guint first_i;    /* CONV: first input channel used */
    guint file_i;     /* CONV: input channels in the file; 0: i */
    guint row, rows;
    float scale;      /* 0 reads as 1 */
    gboolean encoder; /* part of E0, whose weights can be freed once a photo is inverted */
} LkParam;

/* Whether the tensors are there with the right shapes. */
gboolean lk_param_check(const LkParam *param, const LkWeights *weights, GError **error);

/* The parameter's values (free with g_free), *n of them; convolutions as plain o x i x k x k. */
float *lk_param_read(const LkParam *param, const LkWeights *weights, gsize *n, GError **error);

/* Text that is equal for equal parameters only. Free with g_free. */
char *lk_param_key(const LkParam *param);

G_END_DECLS
