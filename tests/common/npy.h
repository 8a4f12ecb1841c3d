/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * npy.h - reads NumPy's .npy files (version 1.0, little-endian, C order) of float32, float16 and uint8 as floats.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint n_dims;
    gsize dims[8];
    gsize n;       /* elements */
    gboolean half; /* the file has float16 */
    float *data;
} LkNpy;

/* Reads a file; the test that asks ends with a message where it cannot. */
LkNpy *lk_npy_read(const char *path);
/* The same, of the file called name in the golden folder tests/golden/ops/<op>. */
LkNpy *lk_npy_golden(const char *op, const char *name);
gboolean lk_npy_golden_exists(const char *op, const char *name);
void lk_npy_free(LkNpy *npy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkNpy, lk_npy_free)
