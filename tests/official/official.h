/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * official.h - StyleRes at the released size (arXiv 2212.14359: 256² in, 1024² out), with weights that anybody can make:
 * every value follows from the tensor's name, the seed and the element's index (tests/common/golden.h). README.md here says
 * what they are good for.
 */
#pragma once

#include "architecture.h"
#include "released.h"
#include "weights.h"

G_BEGIN_DECLS

#define LK_OFFICIAL_DIRECTION "test" /* the model's slider: w+ + value x direction, all rows */

/* The tensors that the model file has, a GPtrArray of LkExpectedTensor: the networks' and direction.test. */
GPtrArray *lk_official_tensors(void);

/* The name that the rule hashes: e4e/input_layer.0.weight, generator_smooth/..., latent_avg, edit/test. Free with g_free. */
char *lk_official_rule_name(const char *tensor);

/* lk_golden_digest of all values of a tensor. */
guint64 lk_official_digest(const LkExpectedTensor *tensor, guint64 seed);

/* Writes the model file: 1.5 GB with LK_DTYPE_F32, half of it with LK_DTYPE_F16 (vectors stay float32). */
gboolean lk_official_write(const char *path, guint64 seed, LkDtype dtype, GError **error);

/* The synthetic crop: input x input RGBA bytes from integers alone. */
void lk_official_synthetic(guint8 *rgba);

G_END_DECLS
