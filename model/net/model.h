/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * model.h - a model file: tensors, configuration, directions. The format is described in docs/model-file.md.
 *
 * The file is mapped and treated as hostile: every size is checked before use, nothing in it is executed, an error
 * names the offending key, and nothing is half-loaded. An LkModel is immutable and may be used from any thread.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define LK_MODEL_ERROR (lk_model_error_quark())
typedef enum {
    LK_MODEL_ERROR_FORMAT, /* not a safetensors file, or damaged */
    LK_MODEL_ERROR_CONFIG, /* metadata missing, wrong or out of bounds */
    LK_MODEL_ERROR_TENSOR, /* a tensor is missing, of a wrong shape or type, or not finite */
} LkModelError;
GQuark lk_model_error_quark(void);

enum {
    LK_MAX_BLOCKS = 10,   /* resolutions 4 ... 2048 */
    LK_MAX_WS = 20,       /* rows of w+ */
    LK_N_GROUPS = 4,      /* groups of encoder units */
    LK_MOTION_PHASES = 4, /* R moves as a picture so many times as large as F */
};

/* Where a style head reads: encoder taps c3 (input/16), p2 (input/8), p1 (input/4); networks.md, E0. */
typedef enum { LK_HEAD_C3, LK_HEAD_P2, LK_HEAD_P1 } LkHeadSource;

/* Sizes of the networks; everything the graph needs besides the tensors. */
typedef struct {
    guint input;      /* side of the encoder's input, 4 x embed_res */
    guint resolution; /* side of the picture */
    guint w_dim;
    guint num_ws;                  /* rows of w+: 2 log2(resolution) - 2 */
    guint embed_res;               /* side of F, R and the gate */
    guint n_blocks;                /* log2(resolution) - 1 */
    guint channels[LK_MAX_BLOCKS]; /* of block 4 << k */
    gboolean noise;                /* conv0 and conv1 add a constant noise plane */
    guint stem;
    struct {
        guint in, out, units;
    } groups[LK_N_GROUPS];
    LkHeadSource heads[LK_MAX_WS];
    guint gate_channels;   /* outputs of down1 and of down2 in E2 */
    guint motion_channels; /* width of the network that finds R's motion; 0: R does not move */
    guint carry_channels;  /* width of the network that finds what edits carry over; 0: nothing */
    guint refinements;     /* how often enc_feat is corrected by what the inversion lacks */
} LkConfig;

/* What a slider does to a code; edit.h has the formulas. */
typedef enum {
    LK_DIRECTION_INTERFACEGAN, /* InterfaceGAN, arXiv 2005.09635: a vector */
    LK_DIRECTION_GANSPACE,     /* GANSpace, arXiv 2004.02546: a coordinate of a principal component */
    LK_DIRECTION_MAPPER,       /* StyleCLIP's mapper, arXiv 2103.17249: small networks */
    LK_DIRECTION_GRADCTRL,     /* GradCtrl, arXiv 2207.10309: steps along a classifier's gradient */
    LK_DIRECTION_STYLESPACE, /* StyleSpace, arXiv 2011.12799, and StyleCLIP's global directions: a vector of styles */
} LkDirectionKind;

const char *lk_direction_kind_name(LkDirectionKind kind); /* as in the model file: "interfacegan", ... */

/* Whether text is an identifier: small letters, digits, - and _, a letter first. NULL is not. */
gboolean lk_direction_is_name(const char *text);

enum {
    LK_MAX_DIRECTIONS = 256,
    LK_MAX_EXCLUDED = 8,
};

/* The three networks of a mapper, which change the rows 0-3, 4-7 and the rest. */
typedef enum { LK_LEVEL_COARSE, LK_LEVEL_MEDIUM, LK_LEVEL_FINE, LK_N_LEVELS } LkMapperLevel;
enum { LK_MAPPER_LAYERS = 4 };

/* One slider. */
typedef struct {
    char *name;  /* identifier: "age" */
    char *label; /* for people, untranslated: "Age" */
    char *group; /* heading in the window: "face" */
    LkDirectionKind kind;
    guint first_row, end_row; /* rows of w+ that may change; STYLESPACE: none, MAPPER: all */
    float minimum, maximum, safe_minimum, safe_maximum, step;
    /* INTERFACEGAN: num_ws x w_dim, rows outside [first_row, end_row) are 0; GANSPACE: the component, w_dim;
     * STYLESPACE: one per style; else NULL. */
    float *vector;

    /* GANSPACE */
    guint component; /* which one of the model's it is */
    float std;       /* what one unit of the coordinate is along the component */
    double centre;   /* mean . component */

    gboolean levels[LK_N_LEVELS]; /* MAPPER: those that are there */

    /* GRADCTRL */
    guint hidden;     /* units between a classifier's two layers; 0: it has one layer */
    guint classifier; /* the one whose gradient is followed */
    guint n_excluded; /* for each of these, the channels with the largest gradient stay as they are */
    struct {
        guint classifier, channels;
    } excluded[LK_MAX_EXCLUDED];
    float rate; /* length of a step */
} LkDirection;

/* Names of a model file's tensors; free with g_free. "direction.NAME.coarse.0.weight", "gradctrl.0.2.bias". */
char *lk_mapper_tensor(const char *direction, LkMapperLevel level, guint layer, const char *what);
char *lk_classifier_tensor(guint classifier, const char *what);

/* The outputs of all affine layers, in the order b4.conv1, b4.torgb, b8.conv0, b8.conv1, b8.torgb, b16.conv0, ... */
guint lk_config_n_styles(const LkConfig *config);

typedef struct _LkModel LkModel;

#define LK_MODEL_SUFFIX ".safetensors"

/* Opens a model file. NULL with LK_MODEL_ERROR or a G_FILE_ERROR; the message names the file. */
LkModel *lk_model_open(const char *path, GError **error);
LkModel *lk_model_ref(LkModel *model);
void lk_model_unref(LkModel *model); /* NULL is fine */

/* Path of the built-in model: $LIKENESS_DATA, then the installed data folder, then the source tree's. Free with g_free.
 * The path is returned whether or not the file exists. */
char *lk_model_builtin_path(void);

/* The folder of a person's own models: XDG_DATA_HOME/likeness/models. It need not exist. Free with g_free. */
char *lk_model_own_folder(void);

/* Paths (char *) of the model files that are there: those beside the built-in one, then the person's own; by name. */
GPtrArray *lk_model_list(void);

const LkConfig *lk_model_config(const LkModel *model);
const char *lk_model_path(const LkModel *model);
const char *lk_model_name(const LkModel *model);
const char *lk_model_metadata(const LkModel *model, const char *key); /* NULL if absent */
guint lk_model_n_directions(const LkModel *model);
const LkDirection *lk_model_direction(const LkModel *model, guint index);
const LkDirection *lk_model_find_direction(const LkModel *model, const char *name); /* NULL if none */

/* A tensor's values as float32, in the file's order; shape gets n_dims sizes. NULL with LK_MODEL_ERROR_TENSOR where it is
 * missing or not finite; else free with g_free. */
float *lk_model_read(const LkModel *model, const char *tensor, guint64 shape[4], guint *n_dims,
                     GError **error);

/* The 64-bit hash of the file's header and size: identifies the file in caches. */
guint64 lk_model_hash(const LkModel *model);

/* A 64-bit hash of the networks: names, types and shapes of their tensors and a sample of the values. It stays when directions
 * are added or renamed, and identifies the networks that an inversion was made with. */
guint64 lk_model_network_hash(const LkModel *model);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkModel, lk_model_unref)

G_END_DECLS
