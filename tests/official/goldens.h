/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * goldens.h - a folder of goldens (README.md): per input w_plus.npy, enc_feat.sub.npy ..., per strength image.stride16.npy ...,
 * and stats.json with figures of complete stages. Nothing of it has to be there, but something for every stage.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct {
    char *folder;
    JsonNode *stats; /* NULL if there is no stats.json */
    guint64 seed;    /* of the weights, as stats.json says; else 1 */
} Goldens;

/* A tensor that the networks computed. */
typedef struct {
    const float *values;
    guint shape[3]; /* c, h, w */
} Computed;

/* Relative errors ||ours - golden|| / ||golden||; NAN: there is no such golden. */
typedef struct {
    double exact; /* of float32 samples */
    double half;  /* of float16 samples, beyond what their rounding may have changed */
    double
        statistics; /* the largest of mean, standard deviation, mean of absolute values, minimum, maximum */
} Errors;

/* NULL with a G_FILE_ERROR or a JSON_PARSER_ERROR. */
Goldens *goldens_open(const char *folder, GError **error);
void goldens_free(Goldens *goldens); /* NULL is fine */

/* Names of the folders with inputs, sorted: owned by the array. */
GPtrArray *goldens_inputs(const Goldens *goldens);
/* Folders s0, sp2, sm3, wplus ... of an input, sorted. */
GPtrArray *goldens_strengths(const Goldens *goldens, const char *input);
/* Value of the edit for such a folder: 0, 2, -3; FALSE for wplus, the generator alone. */
gboolean goldens_strength_value(const char *strength, float *value);

/* strength: NULL for the stages of the photo. file and statistic: the stage's names in the folder and in stats.json. */
Errors goldens_compare(const Goldens *goldens, const char *input, const char *strength, const char *file,
                       const char *statistic, const Computed *computed);

/* Compares 8-bit RGBA with image.png, or where there is none with what image.stride16.npy is in 8 bits. Returns the peak
 * signal-to-noise ratio in dB (INFINITY if all are the same), NAN if there is neither. */
double goldens_compare_picture(const Goldens *goldens, const char *input, const char *strength,
                               const guint8 *rgba, guint side, guint *n_different, guint *largest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Goldens, goldens_free)

G_END_DECLS
