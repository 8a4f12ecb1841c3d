/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs the networks at the released size and prints, stage by stage, how far they are from PyTorch (README.md in this
 * folder). Exit status: 0 all within the limits, 1 not, 2 wrong use, 77 skipped.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "goldens.h"
#include "net.h"
#include "official.h"
#include "photo.h"

#define SIDE 1024 /* of the picture */
#define SKIP 77
#define GIBI ((guint64)1 << 30)

typedef struct {
    double stage, picture; /* largest relative error, smallest dB */
} Limits;

typedef struct {
    const Goldens *goldens;
    LkNet *net;
    Limits limits;
    float *w_plus; /* of the input */
    guint n_stages, n_pictures, n_wrong;
    double worst_stage, worst_picture;
} Comparison;

static char *golden_folder, *model_path, *work_folder, *weights = (char *)"f32", *storage = (char *)"f32";
static char **only_inputs, **only_strengths;
static gint64 seed = -1;

static const GOptionEntry entries[] = {
    {"golden", 0, 0, G_OPTION_ARG_FILENAME, &golden_folder,
     "Folder of goldens (default: $LIKENESS_GOLDEN, or ../shared/golden beside the source tree)", "DIR"},
    {"input", 0, 0, G_OPTION_ARG_STRING_ARRAY, &only_inputs, "Only this input; may be given several times",
     "NAME"},
    {"strength", 0, 0, G_OPTION_ARG_STRING_ARRAY, &only_strengths,
     "Only this strength; may be given several times", "NAME"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Seed of the weights (default: as stats.json says, else 1)",
     "N"},
    {"weights", 0, 0, G_OPTION_ARG_STRING, &weights, "Kernels in the model file: f32 or f16", "TYPE"},
    {"storage", 0, 0, G_OPTION_ARG_STRING, &storage, "Kernels and features on the device: f32 or f16",
     "TYPE"},
    {"model", 0, 0, G_OPTION_ARG_FILENAME, &model_path, "This model file, instead of one made from the seed",
     "FILE"},
    {"work", 0, 0, G_OPTION_ARG_FILENAME, &work_folder, "Where the model file is made (default: here)",
     "DIR"},
    {NULL},
};

/* ---- is there room? ---- */

static guint64 free_disk(const char *folder)
{
    g_autoptr(GFile) file = g_file_new_for_path(folder);
    g_autoptr(GFileInfo) info =
        g_file_query_filesystem_info(file, G_FILE_ATTRIBUTE_FILESYSTEM_FREE, NULL, NULL);

    return info ? g_file_info_get_attribute_uint64(info, G_FILE_ATTRIBUTE_FILESYSTEM_FREE) : 0;
}

static guint64 free_memory(void)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL) || !(line = strstr(text, "MemAvailable:")))
        return G_MAXUINT64; /* nobody knows; try */
    return g_ascii_strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024;
}

static gboolean has_room(const char *folder)
{
    if (free_memory() < 6 * GIBI)
        g_print("skipped: less than 6 GiB of memory are free\n");
    else if (model_path == NULL && free_disk(folder) < 4 * GIBI)
        g_print("skipped: less than 4 GiB are free in %s\n", folder);
    else
        return TRUE;
    return FALSE;
}

/* ---- the model ---- */

/* The file lives as long as the model only: it is mapped, its name is gone at once. */
static LkModel *make_model(const char *folder, guint64 weights_seed, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "compare-official-XXXXXX", NULL);
    LkModel *model = NULL;

    if (g_mkdtemp(path) == NULL) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: cannot make a folder", folder);
        return NULL;
    }
    g_autofree char *file = g_build_filename(path, "golden.safetensors", NULL);
    if (lk_official_write(file, weights_seed, strcmp(weights, "f16") == 0 ? LK_DTYPE_F16 : LK_DTYPE_F32,
                          error))
        model = lk_model_open(file, error);
    g_unlink(file);
    g_rmdir(path);
    return model;
}

/* ---- rows of the table ---- */

static void append_error(GString *row, double error)
{
    if (isnan(error))
        g_string_append_printf(row, " %10s", "");
    else
        g_string_append_printf(row, " %10.1e", error);
}

static void judge(Comparison *comparison, GString *row, gboolean good)
{
    comparison->n_wrong += !good;
    g_print("%s%s\n", row->str, good ? "" : "  WRONG");
}

static void compare_stage(Comparison *comparison, const char *input, const char *strength, const char *stage,
                          const char *file, const char *statistic)
{
    g_autoptr(GString) row = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Computed computed = {0};
    g_autofree float *values = lk_net_read_stage(comparison->net, stage, computed.shape, &error);
    Errors errors;
    double worst;

    g_string_printf(row, "  %-6s %-10s", strength ? strength : "", file);
    if (values == NULL) {
        g_string_append_printf(row, " %s", error->message);
        judge(comparison, row, FALSE);
        return;
    }
    computed.values = values;
    errors = goldens_compare(comparison->goldens, input, strength, file, statistic, &computed);
    worst = fmax(fmax(errors.exact, errors.half), errors.statistics);
    append_error(row, errors.exact);
    append_error(row, errors.half);
    append_error(row, errors.statistics);
    comparison->n_stages++;
    comparison->worst_stage = fmax(comparison->worst_stage, worst);
    judge(comparison, row, worst <= comparison->limits.stage); /* NAN, nothing to compare with, is wrong */
}

/* Without an edit the edited code's feature is the photo's. */
static void compare_unedited(Comparison *comparison, const char *strength)
{
    g_autoptr(GString) row = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    guint shape[3];
    g_autofree float *feature = lk_net_read_stage(comparison->net, "f_feats", shape, &error);
    g_autofree float *edited = feature ? lk_net_read_stage(comparison->net, "f_edit", shape, &error) : NULL;
    gboolean same;

    if (edited == NULL)
        g_error("f_edit: %s", error->message);
    same = memcmp(feature, edited, (gsize)shape[0] * shape[1] * shape[2] * sizeof(float)) == 0;
    g_string_printf(row, "  %-6s %-10s %s F_feats bit by bit", strength, "F_edit",
                    same ? "equals" : "differs from");
    judge(comparison, row, same);
}

static void compare_picture(Comparison *comparison, const char *input, const char *strength,
                            const guint8 *rgba)
{
    g_autoptr(GString) row = g_string_new(NULL);
    guint n_different, largest;
    double psnr =
        goldens_compare_picture(comparison->goldens, input, strength, rgba, SIDE, &n_different, &largest);

    g_string_printf(row, "  %-6s %-10s %10.1f dB, %u values of the 8-bit picture differ, by %u at most",
                    strength, "picture", psnr, n_different, largest);
    comparison->n_pictures++;
    comparison->worst_picture = fmin(comparison->worst_picture, psnr);
    judge(comparison, row, psnr >= comparison->limits.picture);
}

/* ---- one photo ---- */

static guint8 *read_crop(const Goldens *goldens, const char *input)
{
    g_autofree char *path = g_build_filename(goldens->folder, input, "input.png", NULL);
    guint side = lk_released_config.input;
    gsize size = (gsize)side * side * 4;
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) photo = NULL;
    guint8 *rgba = g_malloc(size);

    if (strcmp(input, "synthetic") == 0) {
        lk_official_synthetic(rgba);
        return rgba;
    }
    photo = lk_photo_open(path, &error);
    if (photo == NULL || lk_photo_width(photo) != side || lk_photo_height(photo) != side)
        g_error("%s: %s", path, error ? error->message : "not 256 x 256 pixels");
    memcpy(rgba, lk_photo_pixels(photo), size);
    return rgba;
}

static void print_time(const Comparison *comparison, const char *what)
{
    gsize n;
    const LkStageRun *runs = lk_net_last_run(comparison->net, &n);
    double seconds = 0, flops = 0;

    for (gsize i = 0; i < n; i++) {
        seconds += runs[i].seconds;
        flops += (double)runs[i].flops;
    }
    g_print("  %-6s %.0f GFLOP in %.1f s\n", what, flops * 1e-9, seconds);
}

static void compare_strength(Comparison *comparison, const char *input, const char *strength)
{
    const LkDirection *direction =
        lk_model_find_direction(lk_net_model(comparison->net), LK_OFFICIAL_DIRECTION);
    gsize n = lk_released_config.num_ws * lk_released_config.w_dim;
    g_autofree float *edited = g_new(float, n);
    g_autofree guint8 *rgba = g_malloc(SIDE * SIDE * 4);
    g_autoptr(GError) error = NULL;
    float value;
    gboolean styleres = goldens_strength_value(strength, &value);

    if (direction == NULL || direction->vector == NULL)
        g_error("the model has no direction called " LK_OFFICIAL_DIRECTION);
    for (gsize i = 0; i < n; i++)
        edited[i] = styleres ? comparison->w_plus[i] + value * direction->vector[i] : comparison->w_plus[i];
    if (!lk_net_generate(comparison->net, edited, NULL, styleres ? LK_INVERSION_STYLERES : LK_INVERSION_WPLUS,
                         rgba, NULL, &error))
        g_error("%s", error->message);
    print_time(comparison, strength);
    if (styleres) {
        if (value == 0)
            compare_unedited(comparison, strength);
        else
            compare_stage(comparison, input, strength, "f_edit", "F_edit", "F_edit");
        compare_stage(comparison, input, strength, "delta_f", "deltaF", "E2.deltaF");
        compare_stage(comparison, input, strength, "gate", "gate", "E2.gate");
        compare_stage(comparison, input, strength, "fused", "fused", "g.fused");
    }
    compare_stage(comparison, input, strength, "image", "image", "image");
    compare_picture(comparison, input, strength, rgba);
}

static gboolean is_wanted(char *const *only, const char *name)
{
    return only == NULL || g_strv_contains((const char *const *)only, name);
}

static void compare_input(Comparison *comparison, const char *input)
{
    g_autoptr(GPtrArray) strengths = goldens_strengths(comparison->goldens, input);
    g_autofree guint8 *rgba = read_crop(comparison->goldens, input);
    g_autoptr(GError) error = NULL;

    g_print("%s: largest relative error of\n  %-17s %10s %10s %10s\n", input, "", "float32", "float16",
            "figures");
    if (!lk_net_invert(comparison->net, rgba, comparison->w_plus, NULL, &error))
        g_error("%s: %s", input, error->message);
    print_time(comparison, "photo");
    compare_stage(comparison, input, NULL, "enc_feat", "enc_feat", "enc_feat");
    compare_stage(comparison, input, NULL, "w_plus", "w_plus", "w_plus");
    compare_stage(comparison, input, NULL, "f_feats", "F_feats", "F_feats");
    compare_stage(comparison, input, NULL, "aligned", "aligned", "E1.aligned");
    compare_stage(comparison, input, NULL, "extracted", "extracted", "E1.extracted");
    for (guint i = 0; i < strengths->len; i++)
        if (is_wanted(only_strengths, g_ptr_array_index(strengths, i)))
            compare_strength(comparison, input, g_ptr_array_index(strengths, i));
}

/* ---- all ---- */

static void compare_all(Comparison *comparison)
{
    g_autoptr(GPtrArray) inputs = goldens_inputs(comparison->goldens);
    LkNetMemory memory;

    comparison->w_plus = g_new(float, lk_released_config.num_ws *lk_released_config.w_dim);
    lk_net_memory(comparison->net, &memory);
    g_print(
        "weights %s, computed with %s; limits: stages %.0e, pictures %.0f dB; weights %.0f MiB and features "
        "%.0f MiB on the device (every stage kept)\n",
        weights, storage, comparison->limits.stage, comparison->limits.picture,
        (double)(memory.encoder + memory.weights) / (1 << 20), (double)memory.activations / (1 << 20));
    for (guint i = 0; i < inputs->len; i++)
        if (is_wanted(only_inputs, g_ptr_array_index(inputs, i)))
            compare_input(comparison, g_ptr_array_index(inputs, i));
    g_print("%u stages, largest error %.1e; %u pictures, at least %.1f dB; %u wrong\n", comparison->n_stages,
            comparison->worst_stage, comparison->n_pictures, comparison->worst_picture, comparison->n_wrong);
    g_free(comparison->w_plus);
}

static int compare(LkGpu *gpu, LkModel *model, const Goldens *goldens, GError **error)
{
    gboolean half = strcmp(storage, "f16") == 0, exact = !half && strcmp(weights, "f32") == 0;
    g_autoptr(LkNet) net = NULL;

    if (half && !lk_gpu_info(gpu)->half_storage) {
        g_print("skipped: %s has no half-precision storage\n", lk_gpu_info(gpu)->name);
        return SKIP;
    }
    net = lk_net_new(gpu, model, half ? LK_F16 : LK_F32, LK_NET_KEEP_STAGES, error);
    if (net == NULL)
        return 1;

    Comparison comparison = {.goldens = goldens,
                             .net = net,
                             .limits = exact ? (Limits){1e-4, 50} : (Limits){2e-2, 38},
                             .worst_picture = INFINITY};
    compare_all(&comparison);
    return comparison.n_stages > 0 && comparison.n_pictures > 0 && comparison.n_wrong == 0 ? 0 : 1;
}

static char *default_goldens(void)
{
    const char *own = g_getenv("LIKENESS_GOLDEN"), *tests = g_getenv("LIKENESS_TEST_DATA");

    return own ? g_strdup(own)
               : g_build_filename(tests ? tests : "tests", "..", "..", "shared", "golden", NULL);
}

static int run(GError **error)
{
    const char *device = g_getenv("LIKENESS_TEST_DEVICE");
    const char *folder = work_folder ? work_folder : ".";
    g_autoptr(Goldens) goldens = NULL;
    g_autoptr(LkModel) model = NULL;
    g_autoptr(LkGpu) gpu = NULL;
    int status;

    if (!g_file_test(golden_folder, G_FILE_TEST_IS_DIR)) {
        g_print("skipped: %s is not here\n", golden_folder);
        return SKIP;
    }
    if (!has_room(folder))
        return SKIP;
    goldens = goldens_open(golden_folder, error);
    gpu = goldens ? lk_gpu_open(device ? device : "cpu", LK_GPU_VALIDATE, error) : NULL;
    if (gpu == NULL)
        return 1;
    model = model_path ? lk_model_open(model_path, error)
                       : make_model(folder, seed >= 0 ? (guint64)seed : goldens->seed, error);
    if (model == NULL)
        return 1;
    g_print("%s, %s\n", lk_gpu_info(gpu)->name, model_path ? model_path : "weights made for this run");
    status = compare(gpu, model, goldens, error);
    if (lk_gpu_n_messages(gpu) > 0) {
        g_print("the validation layers complained\n");
        return 1;
    }
    return status;
}

static gboolean is_type(const char *word)
{
    return strcmp(word, "f32") == 0 || strcmp(word, "f16") == 0;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    int status;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 1 || !is_type(weights) ||
        !is_type(storage)) {
        g_printerr("compare-official: %s\n",
                   error ? error->message : "options only; --weights and --storage are f32 or f16");
        return 2;
    }
    if (golden_folder == NULL)
        golden_folder = default_goldens();
    status = run(&error);
    if (error != NULL)
        g_printerr("compare-official: %s\n", error->message);
    return status;
}
