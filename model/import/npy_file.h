/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * npy_file.h - reading NumPy's .npy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
 * versions 1 to 3, little-endian float16, float32 and float64, C and Fortran order. Object arrays are refused.
 */
#pragma once

#include "torch_file.h"

G_BEGIN_DECLS

enum { LK_NPY_MAX_ELEMENTS = 1 << 24 };

/* The array's values as float32 in C order (free with g_free); shape gets n_dims sizes. NULL with LK_IMPORT_ERROR or a
 * G_FILE_ERROR; the message names the file. */
float *lk_npy_load(const char *path, guint64 shape[LK_TORCH_MAX_DIMS], guint *n_dims, GError **error);

G_END_DECLS
