/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bands.h"

enum { MAX_BANDS = 16 };

typedef struct {
    guint first, end;
    LkBandFunc func;
    gpointer data;
} Band;

static guint n_threads_set;

static gpointer run(gpointer data)
{
    const Band *band = data;

    band->func(band->first, band->end, band->data);
    return NULL;
}

void lk_bands(guint n_rows, guint least, LkBandFunc func, gpointer data)
{
    const guint set = (guint)g_atomic_int_get(&n_threads_set), most = set ? set : g_get_num_processors();
    const guint n = CLAMP(n_rows / MAX(least, 1), 1, MIN(most, MAX_BANDS));
    GThread *threads[MAX_BANDS] = {NULL};
    Band bands[MAX_BANDS];

    for (guint i = 0; i < n; i++) {
        bands[i] =
            (Band){(guint)((guint64)n_rows * i / n), (guint)((guint64)n_rows * (i + 1) / n), func, data};
        if (i > 0)
            threads[i] = g_thread_try_new("band", run, &bands[i], NULL);
    }
    /* The first one, and what no thread could be had for. */
    for (guint i = 0; i < n; i++)
        if (threads[i] == NULL)
            run(&bands[i]);
    for (guint i = 1; i < n; i++)
        if (threads[i] != NULL)
            g_thread_join(threads[i]);
}

void lk_bands_set_threads(guint n_threads)
{
    g_atomic_int_set(&n_threads_set, n_threads);
}
