/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * reference.h - every operation of gpu.h in plain loops, straight from its definition.
 */
#pragma once

#include "gpu.h"

/* Runs the op on memory, a copy of the one arena all its tensors are in. weights: the plain row-major weights of a
 * CONV or CONV_UP (the arena has them in the engine's layout), NULL for other ops. */
void lk_reference_run(const LkOp *op, const float *weights, guint8 *memory);

/* Element i of a tensor in memory. */
float lk_reference_get(const LkTensor *tensor, const guint8 *memory, gsize i);
void lk_reference_set(const LkTensor *tensor, guint8 *memory, gsize i, float value);
