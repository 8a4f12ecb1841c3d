/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * bands.h - work on a picture's rows, on all processors. Private to model/photo.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef void (*LkBandFunc)(guint first, guint end, gpointer data);

/* Calls func for bands of rows that are 0 to n_rows together, in as many threads as there are processors, but for no less than
 * `least` rows each; returns when all are done. Rows must not depend on each other. */
void lk_bands(guint n_rows, guint least, LkBandFunc func, gpointer data);

/* Threads of one call from now on, the caller's included; 0: one for each processor, as at first. For tests. */
void lk_bands_set_threads(guint n_threads);

G_END_DECLS
