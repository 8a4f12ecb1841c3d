/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What directions of all kinds do to a code, and that a model file whose directions are not as they should is refused. Whether
 * the numbers are PyTorch's is test_directions.py's.
 */
#include "edit.h"
#include "tiny_model.h"
#include "writer.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

enum { RESOLUTION = 64, W_DIM = 24, NUM_WS = 10, N_COMPONENTS = 6, HIDDEN = 5, N_CLASSIFIERS = 3 };

static char *folder, *tiny_path, *path;

/* Quotes are ' here, for people. */
static const char GOOD[] =
    "[{'name':'age','rows':[0,10],'range':[-5,5]},"
    "{'name':'pose','kind':'interfacegan','rows':[3,10],'range':[-5,5]},"
    "{'name':'bald','kind':'ganspace','component':2,'rows':[0,5],'range':[-25,25]},"
    "{'name':'light','kind':'ganspace','component':5,'rows':[8,9],'range':[-25,40]},"
    "{'name':'afro','kind':'mapper','levels':['coarse','medium','fine'],'range':[0,0.2],"
    "'step':0.01},"
    "{'name':'angry','kind':'mapper','levels':['medium'],'range':[0,0.2],'step':0.01},"
    "{'name':'glad','kind':'gradctrl','hidden':5,'classifier':0,'exclude':[[1,8],[2,3]],"
    "'rows':[2,8],"
    "'rate':0.5,'range':[-10,10]},"
    "{'name':'fringe','kind':'stylespace','range':[-10,10]},"
    "{'name':'beard','kind':'stylespace','range':[-10,10]}]";
enum { AGE, POSE, BALD, LIGHT, AFRO, ANGRY, GLAD, FRINGE, BEARD, N_SLIDERS };

/* ---- models --------------------------------------------------------------------------------------------- */

/* What is wrong with a model: a tensor that is not there (n = 0), or is n_rows x n (n_rows 0: n) instead, filled with value. */
typedef struct {
    const char *tensor;
    guint n_rows, n;
    float value;
} Fault;

static GRand *random_numbers;

static void add(LkModelWriter *writer, const Fault *fault, const char *name, guint n_rows, guint n,
                double scale)
{
    const gboolean wrong = fault && g_str_equal(fault->tensor, name);
    const guint rows = wrong ? fault->n_rows : n_rows, columns = wrong ? fault->n : n;
    const guint64 shape[] = {rows ? rows : columns, columns};
    const gsize count = (gsize)MAX(rows, 1) * columns;
    g_autofree float *values = g_new(float, count + 1);

    if (columns == 0)
        return;
    for (gsize i = 0; i < count; i++)
        values[i] = (float)(scale * g_rand_double_range(random_numbers, -1, 1));
    if (g_str_equal(name, "ganspace.std"))
        for (gsize i = 0; i < count; i++)
            values[i] = fabsf(values[i]) + 0.5f;
    for (gsize i = 0; wrong && fault->value != 0 && i < count; i++)
        values[i] = fault->value;
    lk_model_writer_add_values(writer, name, LK_DTYPE_F32, rows ? 2 : 1, shape, values);
}

static void add_mapper(LkModelWriter *writer, const Fault *fault, const char *name)
{
    for (guint level = 0; level < LK_N_LEVELS; level++) {
        for (guint layer = 0; layer < LK_MAPPER_LAYERS; layer++) {
            g_autofree char *weight = lk_mapper_tensor(name, level, layer, "weight");
            g_autofree char *bias = lk_mapper_tensor(name, level, layer, "bias");
            add(writer, fault, weight, W_DIM, W_DIM, 200);
            add(writer, fault, bias, 0, W_DIM, 20);
        }
    }
}

static void add_classifiers(LkModelWriter *writer, const Fault *fault)
{
    static const struct {
        const char *what;
        guint n_rows, n;
    } tensors[] = {
        {"0.weight", HIDDEN, W_DIM}, {"0.bias", 0, HIDDEN}, {"2.weight", 1, HIDDEN}, {"2.bias", 0, 1}};

    for (guint i = 0; i < N_CLASSIFIERS; i++) {
        for (guint k = 0; k < G_N_ELEMENTS(tensors); k++) {
            g_autofree char *name = lk_classifier_tensor(i, tensors[k].what);
            add(writer, fault, name, tensors[k].n_rows, tensors[k].n, 1);
        }
    }
}

/* A model with these directions and the tensors of GOOD's. */
static gboolean write_model(const char *directions, const Fault *fault, GError **error)
{
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();
    g_autoptr(LkWeights) tiny = lk_weights_open(tiny_path, NULL);
    g_autoptr(LkModel) model = lk_model_open(tiny_path, NULL);
    g_autofree char *json = g_strdelimit(g_strdup(directions), "'", '"');
    const guint n_styles = lk_config_n_styles(lk_model_config(model));

    g_rand_set_seed(random_numbers, 7);
    lk_model_writer_add_file(writer, tiny);
    lk_model_writer_set_metadata(writer, "directions", json);
    add(writer, fault, "direction.age", 1, W_DIM, 0.5);
    add(writer, fault, "direction.pose", NUM_WS, W_DIM, 0.5);
    add(writer, fault, "ganspace.mean", 0, W_DIM, 1);
    add(writer, fault, "ganspace.comp", N_COMPONENTS, W_DIM, 0.3);
    add(writer, fault, "ganspace.std", 0, N_COMPONENTS, 2);
    add_mapper(writer, fault, "afro");
    add_mapper(writer, fault, "angry");
    add_classifiers(writer, fault);
    add(writer, fault, "direction.fringe", 0, n_styles, 1);
    add(writer, fault, "direction.beard", 0, n_styles, 1);
    return lk_model_writer_write(writer, path, NULL, NULL, NULL, error);
}

/* ---- edits ---------------------------------------------------------------------------------------------- */

typedef struct {
    LkModel *model;
    LkEdit *edit;
    gsize n, n_styles;
    float *code, *other;         /* two photos' */
    float values[N_SLIDERS + 1]; /* set to the neutral ones */
    float *edited, *styles;      /* of apply */
} Bench;

/* Values that any careless step would change: signed zeros, denormals. */
static float *make_code(gsize n, double phase)
{
    float *code = g_new(float, n);

    for (gsize i = 0; i < n; i++)
        code[i] = i % 5 == 0 ? -0.0f : i % 5 == 1 ? 1e-42f : (float)sin((double)i + phase) * 3;
    return code;
}

static void set_neutral(Bench *bench)
{
    for (guint k = 0; k < N_SLIDERS; k++)
        bench->values[k] = lk_edit_neutral(bench->edit, k);
}

static void set_code(Bench *bench, const float *code)
{
    lk_edit_set_code(bench->edit, code);
    set_neutral(bench);
}

static Bench *bench_new(void)
{
    Bench *bench = g_new0(Bench, 1);
    g_autoptr(GError) error = NULL;

    write_model(GOOD, NULL, &error);
    g_assert_no_error(error);
    bench->model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(lk_model_n_directions(bench->model), ==, N_SLIDERS);
    bench->edit = lk_edit_new(bench->model);
    bench->n = NUM_WS * W_DIM;
    bench->n_styles = lk_config_n_styles(lk_model_config(bench->model));
    bench->code = make_code(bench->n, 0);
    bench->other = make_code(bench->n, 1);
    bench->edited = g_new(float, bench->n);
    bench->styles = g_new(float, bench->n_styles);
    set_code(bench, bench->code);
    return bench;
}

static void bench_free(Bench *bench)
{
    lk_edit_free(bench->edit);
    lk_model_unref(bench->model);
    g_free(bench->code);
    g_free(bench->other);
    g_free(bench->edited);
    g_free(bench->styles);
    g_free(bench);
}

static void apply(Bench *bench)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(lk_edit_apply(bench->edit, bench->values, bench->edited, bench->styles, &error));
    g_assert_no_error(error);
}

/* What one slider adds to the code and then to the styles; free with g_free. */
static double *change(Bench *bench, guint slider, float value)
{
    double *result = g_new(double, bench->n + bench->n_styles);

    set_neutral(bench);
    bench->values[slider] = value;
    apply(bench);
    for (gsize i = 0; i < bench->n; i++)
        result[i] = (double)bench->edited[i] - (double)bench->code[i];
    for (gsize i = 0; i < bench->n_styles; i++)
        result[bench->n + i] = bench->styles[i];
    return result;
}

static const float moved[N_SLIDERS] = {2.5f, -1.25f, 7, 30, 0.15f, 0.08f, -3.5f, 4, -2.25f};

static void assert_keeps_every_bit(Bench *bench, const float *code)
{
    apply(bench);
    g_assert_cmpmem(bench->edited, bench->n * sizeof(float), code, bench->n * sizeof(float));
    for (gsize i = 0; i < bench->n_styles; i++)
        g_assert_true(bench->styles[i] == 0 && !signbit(bench->styles[i]));
}

static void test_neutral(void)
{
    Bench *bench = bench_new();

    assert_keeps_every_bit(bench, bench->code);
    for (guint k = 0; k < N_SLIDERS; k++)
        if (k != BALD && k != LIGHT)
            g_assert_true(bench->values[k] == 0 && !signbit(bench->values[k]));
    g_assert_true(bench->values[BALD] != 0);
    g_assert_true(bench->values[BALD] != bench->values[LIGHT]);
    /* At 0, which is not neutral for it, it does something. */
    bench->values[BALD] = 0;
    apply(bench);
    g_assert_true(memcmp(bench->edited, bench->code, bench->n * sizeof(float)) != 0);
    bench_free(bench);
}

static void test_rows_outside_stay(void)
{
    Bench *bench = bench_new();

    for (guint k = 0; k < N_SLIDERS; k++) {
        const LkDirection *direction = lk_model_direction(bench->model, k);
        g_autofree double *of_one = change(bench, k, moved[k]);
        for (guint row = 0; row < NUM_WS; row++) {
            const gboolean inside =
                k == ANGRY ? row >= 4 && row < 8 : row >= direction->first_row && row < direction->end_row;
            const gsize at = (gsize)row * W_DIM, size = W_DIM * sizeof(float);
            g_assert_cmpint(memcmp(bench->edited + at, bench->code + at, size) != 0, ==, inside);
        }
        g_assert_cmpint(of_one[bench->n] != 0, ==, k == FRINGE || k == BEARD);
    }
    bench_free(bench);
}

static void test_additive(void)
{
    Bench *bench = bench_new();
    g_autofree double *sum = g_new0(double, bench->n + bench->n_styles);

    for (guint k = 0; k < N_SLIDERS; k++) {
        g_autofree double *of_one = change(bench, k, moved[k]);
        for (gsize i = 0; i < bench->n + bench->n_styles; i++)
            sum[i] += of_one[i];
    }
    memcpy(bench->values, moved, sizeof moved);
    apply(bench);
    for (gsize i = 0; i < bench->n; i++)
        g_assert_cmpfloat_with_epsilon((double)bench->edited[i], (double)bench->code[i] + sum[i], 2e-5);
    for (gsize i = 0; i < bench->n_styles; i++)
        g_assert_cmpfloat_with_epsilon((double)bench->styles[i], sum[bench->n + i], 2e-6);
    bench_free(bench);
}

/* The same values give the same bits, whatever was computed before, and after another photo. */
static void test_repeatable(void)
{
    Bench *bench = bench_new();
    g_autofree float *first = g_new(float, bench->n), *other = g_new(float, bench->n);

    memcpy(bench->values, moved, sizeof moved);
    apply(bench);
    memcpy(first, bench->edited, bench->n * sizeof(float));
    for (guint k = 0; k < N_SLIDERS; k++)
        g_free(change(bench, k, moved[k] / 2));
    memcpy(bench->values, moved, sizeof moved);
    apply(bench);
    g_assert_cmpmem(bench->edited, bench->n * sizeof(float), first, bench->n * sizeof(float));

    set_code(bench, bench->other);
    assert_keeps_every_bit(bench, bench->other);
    memcpy(bench->values, moved, sizeof moved);
    apply(bench);
    memcpy(other, bench->edited, bench->n * sizeof(float));
    g_autoptr(LkEdit) fresh = lk_edit_new(bench->model);
    lk_edit_set_code(fresh, bench->other);
    g_assert_true(lk_edit_apply(fresh, moved, bench->edited, bench->styles, NULL));
    g_assert_cmpmem(bench->edited, bench->n * sizeof(float), other, bench->n * sizeof(float));

    set_code(bench, bench->code);
    memcpy(bench->values, moved, sizeof moved);
    apply(bench);
    g_assert_cmpmem(bench->edited, bench->n * sizeof(float), first, bench->n * sizeof(float));
    bench_free(bench);
}

static double coordinate(const LkDirection *direction, const float *w)
{
    double sum = -direction->centre;

    for (guint i = 0; i < W_DIM; i++)
        sum += (double)w[i] * (double)direction->vector[i];
    return sum / (double)direction->std;
}

/* Published components have length 1; then the slider's value is the coordinate that row 0 gets. */
static void test_ganspace_target(void)
{
    Bench *bench = bench_new();
    const LkDirection *bald = lk_model_direction(bench->model, BALD);
    double squares = 0;

    for (guint i = 0; i < W_DIM; i++)
        squares += (double)bald->vector[i] * (double)bald->vector[i];
    g_assert_cmpfloat_with_epsilon(coordinate(bald, bench->code), (double)bench->values[BALD], 1e-6);
    const double before = (double)bench->values[BALD];
    g_free(change(bench, BALD, 12));
    g_assert_cmpfloat_with_epsilon(coordinate(bald, bench->edited), before + (12 - before) * squares, 1e-5);
    bench_free(bench);
}

/* The length of what a slider adds to one row. */
static double row_length(const double *of_one, const double *minus, guint row)
{
    double squares = 0;

    for (guint i = 0; i < W_DIM; i++) {
        const double x = of_one[row * W_DIM + i] - (minus ? minus[row * W_DIM + i] : 0);
        squares += x * x;
    }
    return sqrt(squares);
}

static void test_gradctrl_steps(void)
{
    Bench *bench = bench_new();
    g_autofree double *part = change(bench, GLAD, 0.25f), *one = change(bench, GLAD, 1);
    g_autofree double *three = change(bench, GLAD, 3), *more = change(bench, GLAD, 3.5f);
    g_autofree double *back = change(bench, GLAD, -1);

    g_assert_cmpfloat_with_epsilon(row_length(part, NULL, 2), 0.125, 1e-6);
    g_assert_cmpfloat_with_epsilon(row_length(one, NULL, 2), 0.5, 1e-6);
    g_assert_cmpfloat_with_epsilon(row_length(more, three, 7), 0.25, 1e-6);
    for (guint i = 0; i < W_DIM; i++) {
        g_assert_cmpfloat_with_epsilon(one[2 * W_DIM + i], -back[2 * W_DIM + i], 1e-6);
        g_assert_cmpfloat_with_epsilon(part[2 * W_DIM + i] * 4, one[2 * W_DIM + i], 2e-6);
    }
    bench_free(bench);
}

/* ---- what is refused ------------------------------------------------------------------------------------ */

static void assert_refused(const char *directions, const Fault *fault, int code, const char *part)
{
    g_autoptr(GError) error = NULL;

    if (write_model(directions, fault, &error))
        g_error("a model was accepted that should say: %s", part);
    g_assert_error(error, LK_MODEL_ERROR, code);
    if (strstr(error->message, part) == NULL || strchr(error->message, '\n') != NULL)
        g_error("\"%s\" does not say: %s", error->message, part);
}

static void test_wrong_members(void)
{
    static const struct {
        const char *members, *part;
    } cases[] = {
        {"'kind':'ganspace','rows':[0,5]", "config: component is missing"},
        {"'kind':'ganspace','rows':[0,5],'component':6", "config: component is 6"},
        {"'kind':'ganspace','rows':[0,5],'component':-1", "config: component is -1"},
        {"'kind':'ganspace','rows':[0,5],'component':1.5", "config: component is not a whole number"},
        {"'kind':'ganspace','component':1", "config: rows is not a list"},
        {"'kind':'ganspace','rows':[0,11],'component':1", "config: rows is 11"},
        {"'kind':'mapper'", "levels is not a list"},
        {"'kind':'mapper','levels':[]", "levels is not a list"},
        {"'kind':'mapper','levels':['fine','fine']", "levels has an entry"},
        {"'kind':'mapper','levels':['course']", "levels has an entry"},
        {"'kind':'mapper','levels':[7]", "levels has an entry"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0", "config: hidden is missing"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0,'hidden':1025", "config: hidden is 1025"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':256,'hidden':5", "config: classifier is 256"},
        {"'kind':'gradctrl','rows':[0,5],'rate':0,'classifier':0,'hidden':5", "rate is not"},
        {"'kind':'gradctrl','rows':[0,5],'classifier':0,'hidden':5", "rate is not"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0,'hidden':5,'exclude':3", "exclude"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0,'hidden':5,'exclude':[[0,1],[0,1],"
         "[0,1],[0,1],[0,1],[0,1],[0,1],[0,1],[0,1]]",
         "exclude is not a list of at most 8"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0,'hidden':5,'exclude':[[0]]",
         "exclude has an entry"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0,'hidden':5,'exclude':[[0,25]]",
         "config: exclude is 25"},
        {"'kind':'gradctrl','rows':[0,5],'rate':1,'classifier':0,'hidden':5,'exclude':[[0,-1]]",
         "config: exclude is -1"},
        {"'kind':'interfaceGAN','rows':[0,5]", "this kind of direction is not known"},
        {"'kind':7,'rows':[0,5]", "this kind of direction is not known"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdup_printf("[{'name':'hair','range':[-5,5],%s}]", cases[i].members);
        g_autofree char *part = g_strconcat("hair: ", cases[i].part, NULL);
        assert_refused(json, NULL, LK_MODEL_ERROR_CONFIG, part);
    }
    assert_refused("[{'name':'hair','range':[-101,5],'kind':'gradctrl','rows':[0,5],'rate':1,"
                   "'classifier':0,'hidden':5}]",
                   NULL, LK_MODEL_ERROR_CONFIG, "hair: range has more than 100 steps");
}

/* Classifiers and components that the file does not have. */
static void test_missing_tensors(void)
{
    assert_refused("[{'name':'hair','range':[-5,5],'kind':'gradctrl','rows':[0,5],'rate':1,"
                   "'classifier':3,'hidden':5}]",
                   NULL, LK_MODEL_ERROR_TENSOR, "hair: the tensor gradctrl.3.0.weight is missing");
    assert_refused("[{'name':'hair','range':[-5,5],'kind':'gradctrl','rows':[0,5],'rate':1,"
                   "'classifier':0,'hidden':0}]",
                   NULL, LK_MODEL_ERROR_TENSOR, "hair: the tensor gradctrl.0.0.weight: its shape is (5, 24)");
    assert_refused("[{'name':'hair','range':[-5,5],'kind':'gradctrl','rows':[0,5],'rate':1,"
                   "'classifier':0,'hidden':5,'exclude':[[9,1]]}]",
                   NULL, LK_MODEL_ERROR_TENSOR, "hair: the tensor gradctrl.9.0.weight is missing");
    assert_refused("[{'name':'hair','range':[-5,5],'kind':'mapper','levels':['fine']}]", NULL,
                   LK_MODEL_ERROR_TENSOR, "hair: the tensor direction.hair.fine.0.weight is missing");
    assert_refused("[{'name':'hair','range':[-5,5],'kind':'stylespace'}]", NULL, LK_MODEL_ERROR_TENSOR,
                   "hair: the tensor direction.hair is missing");
}

static void test_wrong_tensors(void)
{
    static const struct {
        Fault fault;
        const char *part;
    } cases[] = {
        {{"ganspace.comp", 0, 0, 0}, "bald: the tensor ganspace.comp is missing"},
        {{"ganspace.comp", N_COMPONENTS, W_DIM + 1, 0}, "bald: the tensor ganspace.comp: its shape"},
        {{"ganspace.comp", 0, W_DIM, 0}, "bald: the tensor ganspace.comp: its shape"},
        {{"ganspace.comp", 1, W_DIM, 0}, "bald: the tensor ganspace.std: its shape is (6) instead of (1)"},
        {{"ganspace.mean", 0, W_DIM - 1, 0}, "bald: the tensor ganspace.mean: its shape"},
        {{"ganspace.std", 0, N_COMPONENTS, -2}, "bald: ganspace.std of component 2 is not above 0"},
        {{"direction.afro.medium.2.weight", W_DIM, W_DIM - 1, 0},
         "afro: the tensor direction.afro.medium.2.weight"},
        {{"direction.afro.fine.3.bias", 0, 0, 0}, "afro: the tensor direction.afro.fine.3.bias is missing"},
        {{"gradctrl.1.2.weight", 1, HIDDEN + 1, 0}, "glad: the tensor gradctrl.1.2.weight: its shape"},
        {{"gradctrl.2.0.bias", 0, 0, 0}, "glad: the tensor gradctrl.2.0.bias is missing"},
        {{"direction.fringe", 0, 100, 0}, "fringe: the tensor direction.fringe: its shape"},
        {{"direction.pose", NUM_WS - 1, W_DIM, 0}, "pose: the tensor direction.pose: its shape"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(GOOD, &cases[i].fault, LK_MODEL_ERROR_TENSOR, cases[i].part);
}

/* The writer does not write what is not finite; what someone else wrote is patched in here. */
static void poison(const char *tensor)
{
    g_autofree char *contents = NULL, *quoted = g_strdup_printf("\"%s\"", tensor);
    guint64 header = 0;
    gsize length;
    const float bad = NAN;

    g_assert_true(g_file_get_contents(path, &contents, &length, NULL));
    memcpy(&header, contents, sizeof header);
    const char *entry = g_strstr_len(contents + 8, (gssize)header, quoted);
    g_assert_nonnull(entry);
    const char *offsets = strstr(entry, "\"data_offsets\":[");
    const guint64 begin = g_ascii_strtoull(offsets + strlen("\"data_offsets\":["), NULL, 10);
    memcpy(contents + 8 + header + begin, &bad, sizeof bad);
    g_assert_true(g_file_set_contents(path, contents, (gssize)length, NULL));
}

static void test_not_finite(void)
{
    static const char *const tensors[] = {"ganspace.mean",       "ganspace.comp",       "ganspace.std",
                                          "gradctrl.1.0.weight", "gradctrl.2.2.weight", "direction.fringe",
                                          "direction.pose"};

    for (guint i = 0; i < G_N_ELEMENTS(tensors); i++) {
        g_autofree char *part = g_strdup_printf("the tensor %s is not finite", tensors[i]);
        g_autoptr(GError) error = NULL;
        g_assert_true(write_model(GOOD, NULL, NULL));
        poison(tensors[i]);
        g_assert_null(lk_model_open(path, &error));
        g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
        g_assert_nonnull(strstr(error->message, part));
    }
}

/* A mapper's values are looked at when it is used; the model's other sliders work. */
static void test_damaged_mapper(void)
{
    Bench *bench = bench_new();
    g_autoptr(GError) error = NULL;

    poison("direction.afro.fine.2.weight");
    g_autoptr(LkModel) model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_autoptr(LkEdit) edit = lk_edit_new(model);
    lk_edit_set_code(edit, bench->code);
    bench->values[ANGRY] = 0.1f;
    g_assert_true(lk_edit_apply(edit, bench->values, bench->edited, bench->styles, &error));
    for (guint i = 0; i < 2; i++) {
        bench->values[AFRO] = 0.1f;
        g_assert_false(lk_edit_apply(edit, bench->values, bench->edited, bench->styles, &error));
        g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
        g_assert_nonnull(
            strstr(error->message, "afro: the tensor direction.afro.fine.2.weight is not finite"));
        g_clear_error(&error);
    }
    bench->values[AFRO] = 0;
    g_assert_true(lk_edit_apply(edit, bench->values, bench->edited, bench->styles, &error));
    bench_free(bench);
}

/* Values that are finite, but lead out of float32. */
static void test_overflow(void)
{
    static const Fault faults[] = {{"direction.age", 1, W_DIM, 3e38f},
                                   {"ganspace.comp", N_COMPONENTS, W_DIM, 3e38f},
                                   {"direction.fringe", 0, 0, 3e38f}};
    static const guint sliders[] = {AGE, BALD, FRINGE};

    for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
        Fault fault = faults[i];
        g_autoptr(GError) error = NULL;
        Bench *bench = bench_new();
        if (fault.n == 0)
            fault.n = (guint)bench->n_styles;
        g_assert_true(write_model(GOOD, &fault, NULL));
        g_autoptr(LkModel) model = lk_model_open(path, NULL);
        g_autoptr(LkEdit) edit = lk_edit_new(model);
        lk_edit_set_code(edit, bench->code);
        for (guint k = 0; k < N_SLIDERS; k++) {
            bench->values[k] = lk_edit_neutral(edit, k);
            g_assert_true(isfinite(bench->values[k]));
        }
        g_assert_true(lk_edit_apply(edit, bench->values, bench->edited, bench->styles, NULL));
        g_assert_cmpmem(bench->edited, bench->n * sizeof(float), bench->code, bench->n * sizeof(float));
        bench->values[sliders[i]] = lk_model_direction(model, sliders[i])->maximum;
        g_assert_false(lk_edit_apply(edit, bench->values, bench->edited, bench->styles, &error));
        g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
        g_assert_nonnull(strstr(error->message, "not finite"));
        bench_free(bench);
    }
}

static void test_many(void)
{
    g_autoptr(GString) json = g_string_new("[");
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < LK_MAX_DIRECTIONS; i++)
        g_string_append_printf(json,
                               "%s{'name':'s%u','kind':'ganspace','component':1,'rows':[0,1],'range':[0,1]}",
                               i ? "," : "", i);
    g_autofree char *most = g_strconcat(json->str, "]", NULL);
    g_autofree char *too_many = g_strconcat(
        json->str, ",{'name':'t','kind':'ganspace','component':1,'rows':[0,1],'range':[0,1]}]", NULL);
    write_model(most, NULL, &error);
    g_assert_no_error(error);
    assert_refused(too_many, NULL, LK_MODEL_ERROR_CONFIG, "there are more than 256");
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-kinds-XXXXXX", &error);
    g_assert_no_error(error);
    tiny_path = g_build_filename(folder, "tiny.safetensors", NULL);
    path = g_build_filename(folder, "a.safetensors", NULL);
    lk_tiny_model_write(tiny_path, &(LkTinyOptions){.resolution = RESOLUTION, .w_dim = W_DIM}, &error);
    g_assert_no_error(error);
    random_numbers = g_rand_new();

    g_test_add_func("/kinds/neutral", test_neutral);
    g_test_add_func("/kinds/rows", test_rows_outside_stay);
    g_test_add_func("/kinds/additive", test_additive);
    g_test_add_func("/kinds/repeatable", test_repeatable);
    g_test_add_func("/kinds/ganspace-target", test_ganspace_target);
    g_test_add_func("/kinds/gradctrl-steps", test_gradctrl_steps);
    g_test_add_func("/kinds/wrong-members", test_wrong_members);
    g_test_add_func("/kinds/missing-tensors", test_missing_tensors);
    g_test_add_func("/kinds/wrong-tensors", test_wrong_tensors);
    g_test_add_func("/kinds/not-finite", test_not_finite);
    g_test_add_func("/kinds/damaged-mapper", test_damaged_mapper);
    g_test_add_func("/kinds/overflow", test_overflow);
    g_test_add_func("/kinds/many", test_many);
    status = g_test_run();

    g_rand_free(random_numbers);
    g_unlink(tiny_path);
    g_unlink(path);
    g_rmdir(folder);
    g_free(tiny_path);
    g_free(path);
    g_free(folder);
    return status;
}
