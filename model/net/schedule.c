/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "schedule.h"
#include "hash.h"

#define NO_STAGE G_MAXUINT

/* Something a stage reads and did not write itself. */
typedef struct {
    LkValue value; /* the input, or the other stage's output */
    guint writer;  /* the other stage; NO_STAGE: an input */
} Source;

typedef struct {
    GArray *sources; /* Source */
    guint64 wanted;  /* key in the mode asked for last */
    guint64 given;   /* key of what the host wrote in the stage's place, 0: nothing */
    gboolean run;
} Stage;

struct _LkSchedule {
    const LkGraph *graph;
    guint n_stages;
    Stage *stages;
    guint n_values;
    guint64 *inputs;   /* by value: key of its contents */
    guint64 *resident; /* by value: key of the stage that wrote it last, 0: nothing */
};

static void add_source(GArray *sources, LkValue value, guint writer)
{
    Source source = {value, writer};

    for (guint i = 0; i < sources->len; i++) {
        const Source *known = &g_array_index(sources, Source, i);
        if (known->value == value && known->writer == writer)
            return;
    }
    g_array_append_val(sources, source);
}

/* All outputs of other stages that share memory with value. */
static void add_writers(const LkSchedule *schedule, GArray *sources, LkValue value, guint reader)
{
    for (guint s = 0; s < schedule->n_stages; s++) {
        const LkGraphStage *stage = lk_graph_stage(schedule->graph, s);
        for (guint i = 0; i < stage->n_ops && s != reader; i++) {
            LkValue y = lk_graph_op(schedule->graph, stage->first_op + i)->y;
            if (lk_graph_overlap(schedule->graph, value, y))
                add_source(sources, y, s);
        }
    }
}

static void find_sources(LkSchedule *schedule, guint index)
{
    const LkGraphStage *stage = lk_graph_stage(schedule->graph, index);
    GArray *sources = g_array_new(FALSE, FALSE, sizeof(Source));

    for (guint i = 0; i < stage->n_ops; i++) {
        LkValue reads[LK_MAX_READS];
        guint n = lk_graph_op_reads(lk_graph_op(schedule->graph, stage->first_op + i), reads);
        for (guint j = 0; j < n; j++) {
            LkValueKind kind = lk_graph_value(schedule->graph, reads[j])->kind;
            if (kind == LK_VALUE_INPUT)
                add_source(sources, reads[j], NO_STAGE);
            else if (kind == LK_VALUE_RESULT)
                add_writers(schedule, sources, reads[j], index);
        }
    }
    schedule->stages[index].sources = sources;
}

LkSchedule *lk_schedule_new(const LkGraph *graph)
{
    LkSchedule *schedule = g_new0(LkSchedule, 1);

    schedule->graph = graph;
    schedule->n_stages = lk_graph_n_stages(graph);
    schedule->n_values = lk_graph_n_values(graph);
    schedule->stages = g_new0(Stage, schedule->n_stages);
    schedule->inputs = g_new0(guint64, schedule->n_values + 1);
    schedule->resident = g_new0(guint64, schedule->n_values + 1);
    for (guint s = 0; s < schedule->n_stages; s++)
        find_sources(schedule, s);
    return schedule;
}

void lk_schedule_free(LkSchedule *schedule)
{
    if (schedule == NULL)
        return;
    for (guint s = 0; s < schedule->n_stages; s++)
        g_array_unref(schedule->stages[s].sources);
    g_free(schedule->stages);
    g_free(schedule->inputs);
    g_free(schedule->resident);
    g_free(schedule);
}

void lk_schedule_set_input(LkSchedule *schedule, LkValue input, guint64 key)
{
    g_assert(input >= 1 && input <= schedule->n_values);
    schedule->inputs[input] = key;
}

guint64 lk_schedule_input(const LkSchedule *schedule, LkValue input)
{
    g_assert(input >= 1 && input <= schedule->n_values);
    return schedule->inputs[input];
}

static gboolean takes_part(const LkSchedule *schedule, guint stage, guint mode)
{
    return (lk_graph_stage(schedule->graph, stage)->modes & mode) != 0;
}

static void find_wanted_keys(LkSchedule *schedule, guint mode)
{
    for (guint s = 0; s < schedule->n_stages; s++) {
        Stage *stage = &schedule->stages[s];
        guint64 key = lk_hash_u64(LK_HASH_START, s);

        stage->run = FALSE;
        if (!takes_part(schedule, s, mode))
            continue;
        for (guint i = 0; i < stage->sources->len; i++) {
            const Source *source = &g_array_index(stage->sources, Source, i);
            if (source->writer == NO_STAGE)
                key = lk_hash_u64(key, schedule->inputs[source->value]);
            else if (takes_part(schedule, source->writer, mode))
                key = lk_hash_u64(key, schedule->stages[source->writer].wanted);
        }
        stage->wanted = stage->given ? stage->given : key ? key : 1;
    }
}

/* Marks the writer of a source if what it wrote last is not what is wanted. */
static void want(LkSchedule *schedule, const Source *source, guint mode)
{
    if (source->writer == NO_STAGE || !takes_part(schedule, source->writer, mode))
        return;
    if (schedule->resident[source->value] != schedule->stages[source->writer].wanted)
        schedule->stages[source->writer].run = TRUE;
}

static gboolean check_inputs(const LkSchedule *schedule, const Stage *stage, GError **error)
{
    for (guint i = 0; i < stage->sources->len; i++) {
        const Source *source = &g_array_index(stage->sources, Source, i);
        if (source->writer == NO_STAGE && schedule->inputs[source->value] == 0) {
            const char *name = lk_graph_value(schedule->graph, source->value)->name;
            g_set_error(error, LK_GPU_ERROR, LK_GPU_ERROR_INVALID, "there is no %s to compute from",
                        name ? name : "input");
            return FALSE;
        }
    }
    return TRUE;
}

GArray *lk_schedule_stages(LkSchedule *schedule, const LkValue *targets, guint n_targets, guint mode,
                           GError **error)
{
    g_autoptr(GArray) result = g_array_new(FALSE, FALSE, sizeof(guint));

    find_wanted_keys(schedule, mode);
    for (guint t = 0; t < n_targets; t++) {
        g_autoptr(GArray) writers = g_array_new(FALSE, FALSE, sizeof(Source));
        add_writers(schedule, writers, targets[t], NO_STAGE);
        for (guint i = 0; i < writers->len; i++)
            want(schedule, &g_array_index(writers, Source, i), mode);
    }
    for (guint s = schedule->n_stages; s-- > 0;) {
        Stage *stage = &schedule->stages[s];
        if (!stage->run)
            continue;
        if (!check_inputs(schedule, stage, error))
            return NULL;
        for (guint i = 0; i < stage->sources->len; i++)
            want(schedule, &g_array_index(stage->sources, Source, i), mode);
        g_array_prepend_val(result, s);
    }
    return g_steal_pointer(&result);
}

static void set_outputs(LkSchedule *schedule, const GArray *stages, gboolean done)
{
    for (guint i = 0; i < stages->len; i++) {
        guint s = g_array_index(stages, guint, i);
        const LkGraphStage *stage = lk_graph_stage(schedule->graph, s);
        for (guint j = 0; j < stage->n_ops; j++)
            schedule->resident[lk_graph_op(schedule->graph, stage->first_op + j)->y] =
                done ? schedule->stages[s].wanted : 0;
    }
}

void lk_schedule_begin(LkSchedule *schedule, const GArray *stages)
{
    set_outputs(schedule, stages, FALSE);
}

void lk_schedule_done(LkSchedule *schedule, const GArray *stages)
{
    set_outputs(schedule, stages, TRUE);
}

gboolean lk_schedule_has(LkSchedule *schedule, LkValue value, guint mode)
{
    g_autoptr(GArray) writers = g_array_new(FALSE, FALSE, sizeof(Source));
    gboolean written = FALSE;

    find_wanted_keys(schedule, mode);
    add_writers(schedule, writers, value, NO_STAGE);
    for (guint i = 0; i < writers->len; i++) {
        const Source *source = &g_array_index(writers, Source, i);
        if (!takes_part(schedule, source->writer, mode))
            continue;
        if (schedule->resident[source->value] != schedule->stages[source->writer].wanted)
            return FALSE;
        written = TRUE;
    }
    return written;
}

static gboolean writes(const LkSchedule *schedule, const LkGraphStage *stage, LkValue value)
{
    for (guint i = 0; i < stage->n_ops; i++)
        if (lk_graph_overlap(schedule->graph, value, lk_graph_op(schedule->graph, stage->first_op + i)->y))
            return TRUE;
    return FALSE;
}

void lk_schedule_give(LkSchedule *schedule, LkValue value, guint64 key)
{
    for (guint s = 0; s < schedule->n_stages; s++) {
        const LkGraphStage *stage = lk_graph_stage(schedule->graph, s);
        if (!writes(schedule, stage, value))
            continue;
        schedule->stages[s].given = key;
        for (guint i = 0; i < stage->n_ops; i++) {
            LkValue y = lk_graph_op(schedule->graph, stage->first_op + i)->y;
            schedule->resident[y] = lk_graph_overlap(schedule->graph, value, y) ? key : 0;
        }
    }
}

void lk_schedule_take_back(LkSchedule *schedule)
{
    for (guint s = 0; s < schedule->n_stages; s++)
        schedule->stages[s].given = 0;
}

void lk_schedule_forget(LkSchedule *schedule)
{
    lk_schedule_take_back(schedule);
    for (LkValue v = 1; v <= schedule->n_values; v++)
        schedule->inputs[v] = schedule->resident[v] = 0;
}
