/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * selftest.h - does this device compute what it should?
 */
#pragma once

#include "gpu.h"

G_BEGIN_DECLS

/* Runs a small styled convolution on the device and compares it with the processor's result. *error_max gets the
 * largest difference relative to the largest value (float32: below 1e-5). FALSE with LK_GPU_ERROR_FAILED where it is
 * larger, or with another error where the work could not be done. Takes milliseconds. */
gboolean lk_self_test(LkGpu *gpu, double *error_max, GError **error);

G_END_DECLS
