/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * tiny_model.h - model files with a few thousand random weights, for tests that need some model and not good pictures.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
    guint resolution; /* 0: 32 */
    guint w_dim;      /* 0: 24; the input is 32 x 32, embed_res 8 */
    gboolean noise;
    gboolean projection; /* gate_channels that make E2's first units project */
    guint refinements;
    guint seed;
    const char *config; /* instead of the right one, for tests of the reader */
    const char *directions;
    const char *without; /* leave this tensor out */
} LkTinyOptions;

/* Directions: age and smile on all rows, pose on the last two thirds. options: NULL is fine. */
gboolean lk_tiny_model_write(const char *path, const LkTinyOptions *options, GError **error);

/* The config of such a file. Free with g_free. */
char *lk_tiny_model_config(const LkTinyOptions *options);
