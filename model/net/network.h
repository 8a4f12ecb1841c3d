/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * network.h - the whole StyleRes graph (arXiv 2212.14359) of a model's configuration, and its parts.
 *
 *     crop -> E0 -> w+, enc_feat      w+ -> G up to F      enc_feat, F -> E1 -> R        once per photo
 *     edited (w+, biases) -> G up to F'      F', R -> E2 -> F''      F'' -> rest of G -> picture      per edit
 *
 * In a model with motion_channels R first moves as the edit moves things, found from F and F'. With carry_channels the
 * inversion's own picture moves, too, and is the edit's where it is better.
 */
#pragma once

#include "graph.h"
#include "model.h"

G_BEGIN_DECLS

enum { LK_MAX_AFFINES = 3 * LK_MAX_BLOCKS - 1 };

/* What decides the styles of a pass through G. */
typedef struct {
    LkValue rows[LK_MAX_WS]; /* of w+: w_dim floats each */
    LkValue biases
        [LK_MAX_AFFINES]; /* of the affine layers, with what is added to their outputs; 0: the file's own */
} LkCode;

typedef struct {
    LkGraph *graph;
    LkValue crop;                          /* input: 4 x input x input bytes */
    LkCode edited;                         /* inputs */
    LkParam affine_biases[LK_MAX_AFFINES]; /* what the edited code's biases are without offsets */
    guint n_affines;
    LkValue w_plus;   /* the encoder's code: num_ws rows of row_stride floats */
    guint row_stride; /* floats; a multiple of LK_ARENA_ALIGN bytes */
    LkValue enc_feat; /* what E1 reads of the photo */
    LkValue picture;  /* 4 x resolution x resolution bytes */
    LkValue image;    /* the same as planes of -1 to 1, rather more where G overshoots */
    LkValue own[2];   /* inputs, only with carry_channels: the inversion's image, whole and halved */
} LkNetwork;

/* Builds the graph. keep: the values with names live on after a run. The tensors' names and shapes are not checked here, but
 * by lk_network_check. Free with lk_network_free. */
LkNetwork *lk_network_new(const LkConfig *config, const LkWeights *weights, LkType storage, gboolean keep);
void lk_network_free(LkNetwork *network);

/* Whether the file has every tensor that the graph needs, in the right shape. */
gboolean lk_network_check(const LkNetwork *network, const LkWeights *weights, GError **error);

/* ---- the parts ---- */

typedef struct {
    LkGraph *graph;
    const LkConfig *config;
    const LkWeights *weights; /* for the one size that is not in the configuration: SE's hidden width */
    gboolean encoder;         /* marks the parameters made meanwhile as E0's */
} LkBuilder;

LkValue lk_build_conv_weight(LkBuilder *builder, const char *name, guint o, guint i, guint k);
LkValue lk_build_vector(LkBuilder *builder, const char *name, guint n, float scale);
LkValue lk_build_matrix(LkBuilder *builder, const char *name, guint o, guint i, gboolean has_kernel);

/* E0: the features that the style heads and E1 read. p2 and p1 are absent where no head reads them. */
typedef struct {
    LkValue c1, c3, p2, p1;
} LkTaps;
LkTaps lk_build_encoder(LkBuilder *builder, LkValue picture);
/* E0's heads: writes the rows of w+, latent_avg added. */
void lk_build_heads(LkBuilder *builder, const LkTaps *taps, const LkValue rows[LK_MAX_WS]);

/* G: block k has the resolution 4 << k and reads rows 2k - 1 (conv0), 2k (conv1), 2k + 1 (to_rgb). y = 0: a new value. */
LkValue lk_build_const(LkBuilder *builder);
LkValue lk_build_conv0(LkBuilder *builder, guint block, LkValue x, const LkCode *code);
LkValue lk_build_conv1(LkBuilder *builder, guint block, LkValue x, const LkCode *code, LkValue y);
LkValue lk_build_to_rgb(LkBuilder *builder, guint block, LkValue x, LkValue smaller, const LkCode *code,
                        LkValue y);

/* G's affine layers, in the order of lk_config_n_styles: how many, and the bias of each, to_rgb's times its gain. */
guint lk_n_affines(const LkConfig *config);
LkParam lk_affine_bias(LkBuilder *builder, guint index);

/* E1. */
LkValue lk_build_alignment(LkBuilder *builder, LkValue enc_feat, LkValue f_feats);
LkValue lk_build_extraction(LkBuilder *builder, LkValue aligned);

/* Where an edit moves things, so that R can move along: from F and F' to how far to go back from each element of F' to where
 * it came from in F, across and down (2 x embed_res x embed_res, elements). First the part that sees only the photo. Only
 * where the configuration has motion_channels; the paper's R stays where it is. */
LkValue lk_build_motion_photo(LkBuilder *builder, LkValue f_feats);
LkValue lk_build_motion(LkBuilder *builder, LkValue photo, LkValue f_edit);
/* R moved. Its channels are the phases of a picture of LK_MOTION_PHASES times its size, and move as that picture. */
LkValue lk_build_moved(LkBuilder *builder, LkValue residual, LkValue motion);

/* A picture moved, see lk_build_motion; of a side that is a multiple of the motion's. */
LkValue lk_build_moved_picture(LkBuilder *builder, LkValue picture, LkValue motion);
/* Where an edit's picture is better had by moving the inversion's: its share, 1 x side x side, from G's features and picture of
 * half the resolution, the inversion's picture of that side, moved, and the motion. */
LkValue lk_build_carry(LkBuilder *builder, LkValue x, LkValue rgb, LkValue carried, LkValue motion);
/* rgb where share is 0, carried where it is 1; share is half as large. */
LkValue lk_build_blend(LkBuilder *builder, LkValue rgb, LkValue carried, LkValue share);

/* E2, in two halves. A convolution is linear in its input channels, so the half of convs[0] and convs2[0] that reads R is
 * computed once per photo; both read the same x, so their first convolutions are one with twice the outputs. */
typedef struct {
    LkValue
        x; /* concat(g, y): only its second half is written per photo; absent if convs[0] has a projection */
    LkValue first;    /* first convolutions of convs[0] and convs2[0] on y, with bias */
    LkValue shortcut; /* their shortcuts on y; absent if the shortcut is x itself */
} LkGatePhoto;
LkGatePhoto lk_build_gate_photo(LkBuilder *builder, LkValue residual);
/* Returns F'' = F' + gate * delta F. */
LkValue lk_build_gate(LkBuilder *builder, const LkGatePhoto *photo, LkValue f_edit, LkValue *delta_f,
                      LkValue *gate);

G_END_DECLS
