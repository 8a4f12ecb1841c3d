/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * support.h - a device, one arena filled from the bottom, and comparisons, for the tests of gpu/.
 */
#pragma once

#include "gpu.h"

typedef struct {
    LkGpu *gpu;
    LkArena *arena;
    gsize used;
} TestBench;

/* The software driver, or the device LIKENESS_TEST_DEVICE selects, with validation; ends the test where it fails. */
void test_bench_open(TestBench *bench, LkArenaUse use, gsize size);
/* Also asserts that validation said nothing. */
void test_bench_close(TestBench *bench);
void test_bench_reset(TestBench *bench); /* forgets all tensors */

/* A tensor at the next free place, undefined or with the values. */
LkTensor test_tensor(TestBench *bench, guint c, guint h, guint w, LkType type);
LkTensor test_tensor_from(TestBench *bench, guint c, guint h, guint w, LkType type, const float *values);
/* Convolution weights in the engine's layout, c = o, h = i, w = k * k. */
LkTensor test_weights_from(TestBench *bench, LkOpKind op, guint o, guint i, guint k, LkType type,
                           const float *weights);
LkTensor test_scratch(TestBench *bench, guint o, guint h, guint w, LkType type);

float *test_read(TestBench *bench, const LkTensor *tensor); /* as floats, to be freed */
void test_run(TestBench *bench, const LkOp *ops, gsize n);

/* Largest absolute difference over the root mean square of what is expected. */
double test_error(const float *values, const float *expected, gsize n);
