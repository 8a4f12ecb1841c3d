/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A loop shared among threads: each turn is done, once, and all are done when the call is back.
 */
#include "bands.h"

enum { MOST = 1000 };

static void count_turns(guint first, guint end, gpointer data)
{
    guint *turns = data;

    for (guint i = first; i < end; i++)
        g_atomic_int_inc(&turns[i]);
}

static void check_once(guint n, guint least)
{
    g_autofree guint *turns = g_new0(guint, MOST);

    lk_bands(n, least, count_turns, turns);
    for (guint i = 0; i < MOST; i++)
        g_assert_cmpuint(turns[i], ==, i < n);
}

static void test_once(void)
{
    static const guint counts[] = {0, 1, 2, 7, 8, 15, 16, 17, 63, 999, MOST};

    for (guint n_threads = 0; n_threads <= 9; n_threads++) {
        lk_bands_set_threads(n_threads);
        for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
            check_once(counts[i], 1);
            check_once(counts[i], 8);
        }
    }
    lk_bands_set_threads(0);
}

static void check_least(guint first, guint end, gpointer data)
{
    g_assert_cmpuint(end - first, >=, *(guint *)data);
}

static void test_least(void)
{
    lk_bands_set_threads(8);
    for (guint least = 1; least < 40; least++)
        lk_bands(100, least, check_least, &least);
    lk_bands_set_threads(0);
}

/* Which threads were there; each waits until there are as many as asked for. */
typedef struct {
    GMutex mutex;
    GCond changed;
    guint here, wanted;
} Meeting;

static void meet(guint first, guint end, gpointer data)
{
    Meeting *meeting = data;

    g_mutex_lock(&meeting->mutex);
    meeting->here++;
    g_cond_broadcast(&meeting->changed);
    while (meeting->here < meeting->wanted)
        g_cond_wait(&meeting->changed, &meeting->mutex);
    g_mutex_unlock(&meeting->mutex);
}

/* Three are at work at the same time, or this never ends. */
static void test_together(void)
{
    Meeting meeting = {.wanted = 3};

    g_mutex_init(&meeting.mutex);
    g_cond_init(&meeting.changed);
    lk_bands_set_threads(3);
    lk_bands(12, 1, meet, &meeting);
    g_assert_cmpuint(meeting.here, ==, 3);
    lk_bands_set_threads(0);
    g_mutex_clear(&meeting.mutex);
    g_cond_clear(&meeting.changed);
}

static void run_inner(guint first, guint end, gpointer data)
{
    for (guint i = first; i < end; i++)
        lk_bands(MOST, 1, count_turns, data);
}

static gpointer run_outer(gpointer turns)
{
    lk_bands(50, 1, run_inner, turns);
    return NULL;
}

/* From several threads at a time, and loops in loops: nobody waits forever. */
static void test_nested(void)
{
    g_autofree guint *turns = g_new0(guint, MOST);
    GThread *threads[4];

    lk_bands_set_threads(4);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("outer", run_outer, turns);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < MOST; i++)
        g_assert_cmpuint(turns[i], ==, 50 * G_N_ELEMENTS(threads));
    lk_bands_set_threads(0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bands/once", test_once);
    g_test_add_func("/bands/least", test_least);
    g_test_add_func("/bands/together", test_together);
    g_test_add_func("/bands/nested", test_nested);
    return g_test_run();
}
