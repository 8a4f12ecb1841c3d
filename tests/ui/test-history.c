/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "history.h"

static const gint64 LATER = 10 * LK_HISTORY_MERGE;

static void test_steps(void)
{
    g_autoptr(LkHistory) history = lk_history_new(2, NULL);
    const float *values;

    g_assert_false(lk_history_can_undo(history) || lk_history_can_redo(history));
    g_assert_null(lk_history_undo(history));
    lk_history_record(history, (float[]){1, 0}, 0, 0);
    lk_history_record(history, (float[]){1, 2}, 1, 1);
    values = lk_history_undo(history);
    g_assert_cmpfloat(values[0], ==, 1);
    g_assert_cmpfloat(values[1], ==, 0);
    values = lk_history_undo(history);
    g_assert_cmpfloat(values[0], ==, 0);
    g_assert_false(lk_history_can_undo(history));
    values = lk_history_redo(history);
    g_assert_cmpfloat(values[0], ==, 1);
    /* Another way from here: the state that could be redone is forgotten. */
    lk_history_record(history, (float[]){1, 5}, 1, LATER);
    g_assert_false(lk_history_can_redo(history));
    values = lk_history_undo(history);
    g_assert_cmpfloat(values[1], ==, 0);
}

static void test_drag_is_one_step(void)
{
    g_autoptr(LkHistory) history = lk_history_new(1, NULL);

    for (int i = 1; i <= 50; i++)
        lk_history_record(history, (float[]){(float)i}, 0, i * LK_HISTORY_MERGE / 2);
    g_assert_cmpfloat(lk_history_undo(history)[0], ==, 0);
    g_assert_false(lk_history_can_undo(history));
    g_assert_cmpfloat(lk_history_redo(history)[0], ==, 50);
    /* After a pause, or a reset, the same slider begins a new step. */
    lk_history_record(history, (float[]){60}, 0, 25 * LK_HISTORY_MERGE + LATER);
    lk_history_record(history, (float[]){0}, -1, 25 * LK_HISTORY_MERGE + LATER);
    g_assert_cmpfloat(lk_history_undo(history)[0], ==, 60);
    g_assert_cmpfloat(lk_history_undo(history)[0], ==, 50);
}

static void test_same_values(void)
{
    g_autoptr(LkHistory) history = lk_history_new(1, NULL);

    lk_history_record(history, (float[]){0}, 0, 0);
    g_assert_false(lk_history_can_undo(history));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/history/steps", test_steps);
    g_test_add_func("/history/drag-is-one-step", test_drag_is_one_step);
    g_test_add_func("/history/same-values", test_same_values);
    return g_test_run();
}
