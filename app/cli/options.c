/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include "likeness-config.h"

#include <stdlib.h>
#include <string.h>

/* Not a number that an option takes. */
#define NOT_GIVEN G_MININT

/* GOption writes through addresses known when its table is made, so that there is one set of options per program. */
static CliOptions options = {.runs = 5, .detail = LK_DETAIL_DEFAULT};
static int face = 1, runs = 5, quality = NOT_GIVEN, depth = NOT_GIVEN;

static gboolean print_version(const char *name, const char *value, gpointer data, GError **error)
{
    g_print("likeness-cli %s\n", LK_VERSION);
    exit(CLI_DONE);
}

static gboolean read_inversion(const char *name, const char *value, gpointer data, GError **error)
{
    options.has_inversion = TRUE;
    if (strcmp(value, "styleres") == 0)
        options.inversion = LK_INVERSION_STYLERES;
    else if (strcmp(value, "e4e") == 0)
        options.inversion = LK_INVERSION_WPLUS;
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--inversion is styleres or e4e, not %s",
                    value);
    return *error == NULL;
}

static gboolean read_format(const char *name, const char *value, gpointer data, GError **error)
{
    static const char *const names[] = {
        [LK_FILE_PNG] = "png", [LK_FILE_JPEG] = "jpeg", [LK_FILE_TIFF] = "tiff", [LK_FILE_WEBP] = "webp"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            options.export.format = (LkFileFormat)i;
            options.has_format = TRUE;
            return TRUE;
        }
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--format is png, jpeg, tiff or webp, not %s", value);
    return FALSE;
}

static gboolean read_detail(const char *name, const char *value, gpointer data, GError **error)
{
    char *end;

    options.detail = g_ascii_strtod(value, &end);
    options.has_detail = TRUE;
    if (*value != '\0' && *end == '\0' && options.detail >= 0.0 && options.detail <= 1.0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--detail is between 0 and 1, not %s",
                value);
    return FALSE;
}

/* clang-format off */
static const GOptionEntry common_entries[] = {
    {"model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, "Model file, or a model's name (default: the built-in one)", "FILE|NAME"},
    {"device", 0, 0, G_OPTION_ARG_STRING, &options.device, "auto, vulkan, cpu, a number of info's list, or a part of a name", "DEVICE"},
    {"f16", 0, 0, G_OPTION_ARG_NONE, &options.half, "Store weights and features in half precision", NULL},
    {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL},
    {"version", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, print_version, "Print the version and exit", NULL},
    G_OPTION_ENTRY_NULL,
};

static const struct {
    CliTakes takes;
    GOptionEntry entry;
} command_entries[] = {
    {CLI_TAKES_FILE, {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, "File to write: .png, .jpg, .tif or .webp", "OUT"}},
    {CLI_TAKES_FOLDER, {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, "Folder to write to, made if missing", "DIR"}},
    {CLI_TAKES_SET, {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &options.set, "Set a slider; may be given several times", "NAME=VALUE"}},
    {CLI_TAKES_PHOTO, {"aligned", 0, 0, G_OPTION_ARG_NONE, &options.aligned, "PHOTO is an aligned crop; write the bare network picture", NULL}},
    {CLI_TAKES_PHOTO, {"face", 0, 0, G_OPTION_ARG_INT, &face, "Edit the N-th largest face (default: 1)", "N"}},
    {CLI_TAKES_INVERSION, {"inversion", 0, 0, G_OPTION_ARG_CALLBACK, read_inversion, "styleres (default), or e4e: without residual features", "MODE"}},
    {CLI_TAKES_DETAIL, {"detail", 0, 0, G_OPTION_ARG_CALLBACK, read_detail, "How much of the photo's own detail stays in the face, 0 to 1 (default: 1)", "VALUE"}},
    {CLI_TAKES_BATCH, {"format", 0, 0, G_OPTION_ARG_CALLBACK, read_format, "png, jpeg, tiff or webp (default: the photo's own, or png)", "FORMAT"}},
    {CLI_TAKES_BATCH, {"overwrite", 0, 0, G_OPTION_ARG_NONE, &options.overwrite, "Write files again that are there already", NULL}},
    {CLI_TAKES_EXPORT, {"quality", 0, 0, G_OPTION_ARG_INT, &quality, "Of JPEG, 1 to 100 (default: 95); of WebP (default: lossless)", "N"}},
    {CLI_TAKES_EXPORT, {"full-chroma", 0, 0, G_OPTION_ARG_NONE, &options.export.full_chroma, "JPEG without subsampled colours (4:4:4)", NULL}},
    {CLI_TAKES_EXPORT, {"depth", 0, 0, G_OPTION_ARG_INT, &depth, "Bits per channel of PNG and TIFF (default: the photo's own)", "8|16"}},
    {CLI_TAKES_EXPORT, {"strip-location", 0, 0, G_OPTION_ARG_NONE, &options.export.strip_location, "Leave out where the photo was taken", NULL}},
    {CLI_TAKES_DUMP, {"dump", 0, 0, G_OPTION_ARG_FILENAME, &options.dump, "Write every stage to DIR as float32 .npy", "DIR"}},
    {CLI_TAKES_PROJECT, {"project", 0, 0, G_OPTION_ARG_FILENAME, &options.project, "Write the edit to FILE" LK_PROJECT_SUFFIX ", too, to be taken up again", "FILE"}},
    {CLI_TAKES_JSON, {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL}},
    {CLI_TAKES_RUNS, {"runs", 0, 0, G_OPTION_ARG_INT, &runs, "Runs to take the median of (default: 5)", "N"}},
    {CLI_TAKES_IMPORT, {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, "Model file to write (default: one that --model NAME finds)", "OUT"}},
    {CLI_TAKES_IMPORT, {"name", 0, 0, G_OPTION_ARG_STRING, &options.name, "Name of the model, or of the direction (default: the file's)", "NAME"}},
    {CLI_TAKES_IMPORT, {"f32", 0, 0, G_OPTION_ARG_NONE, &options.full, "Keep a checkpoint's matrices and kernels in single precision", NULL}},
    {0, {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.photos, NULL, NULL}},
};
/* clang-format on */

static GOptionContext *context_new(const CliCommand *command)
{
    GOptionContext *context = g_option_context_new(command->arguments);
    g_autofree char *summary = g_strconcat(command->summary, ".", NULL);

    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, command->details);
    for (gsize i = 0; i < G_N_ELEMENTS(command_entries); i++) {
        const GOptionEntry entry[] = {command_entries[i].entry, G_OPTION_ENTRY_NULL};
        if ((command->takes & command_entries[i].takes) == command_entries[i].takes)
            g_option_context_add_main_entries(context, entry, NULL);
    }
    g_option_context_add_main_entries(context, common_entries, NULL);
    return context;
}

/* An option that cannot have an effect on what is written is a misunderstanding. Not so in a batch of all kinds of files. */
static const char *find_format_fault(void)
{
    const gboolean is_jpeg = options.export.format == LK_FILE_JPEG;
    const gboolean is_lossless =
        options.export.format == LK_FILE_PNG || options.export.format == LK_FILE_TIFF;

    if (quality != NOT_GIVEN && is_lossless)
        return "--quality is for JPEG and WebP";
    if (options.export.full_chroma && !is_jpeg)
        return "--full-chroma is for JPEG";
    if (depth == 16 && !is_lossless)
        return "--depth 16 is for PNG and TIFF";
    return NULL;
}

static const char *find_export_fault(const CliCommand *command)
{
    if (quality != NOT_GIVEN && (quality < 1 || quality > 100))
        return "--quality is between 1 and 100";
    if (depth != NOT_GIVEN && depth != 8 && depth != 16)
        return "--depth is 8 or 16";
    return !(command->takes & CLI_TAKES_BATCH) || options.has_format ? find_format_fault() : NULL;
}

static const char *find_project_fault(void)
{
    if (options.project != NULL && !g_str_has_suffix(options.project, LK_PROJECT_SUFFIX))
        return "the file of --project must end in " LK_PROJECT_SUFFIX;
    if (cli_is_project(&options) && (options.aligned || face != 1))
        return "the face is the project's; --face and --aligned do not go with it";
    return NULL;
}

/* NULL, or what is wrong. */
static const char *find_fault(const CliCommand *command)
{
    if ((command->takes & (CLI_TAKES_FILE | CLI_TAKES_FOLDER)) && options.output == NULL)
        return "say where to write with -o";
    if ((command->takes & CLI_TAKES_FILE) &&
        !lk_file_format_from_path(options.output, &options.export.format))
        return "the file to write must end in .png, .jpg, .tif or .webp";
    for (char **set = options.set; set != NULL && *set != NULL; set++)
        if (strchr(*set, '=') == NULL || **set == '=')
            return "--set wants NAME=VALUE";
    if (options.n_photos < command->min_photos)
        return command->takes & CLI_TAKES_IMPORT ? "say which files" : "say which photo";
    if (options.n_photos > command->max_photos)
        return command->max_photos == 0 ? "this command takes no photo" : "one photo at a time; see batch";
    if (options.name != NULL && *options.name == '\0')
        return "--name wants a name";
    if (options.full && options.half)
        return "--f16 and --f32 do not go together";
    if (face < 1)
        return "--face counts from 1";
    if (options.aligned && face != 1)
        return "an aligned crop has one face; --face and --aligned do not go together";
    if (options.aligned && (depth == 16 || options.has_detail))
        return "--aligned writes the bare picture, of 8 bits; --depth 16 and --detail do not go with it";
    if (runs < 1 || runs > 1000)
        return "--runs is between 1 and 1000";
    if ((command->takes & CLI_TAKES_PROJECT) && find_project_fault() != NULL)
        return find_project_fault();
    return command->takes & CLI_TAKES_EXPORT ? find_export_fault(command) : NULL;
}

const CliOptions *cli_options_read(const CliCommand *command, int argc, char **argv)
{
    g_autoptr(GOptionContext) context = context_new(command);
    g_autoptr(GError) error = NULL;
    g_autofree char *program = g_strdup_printf("likeness-cli %s", command->name);
    const char *fault = NULL;

    g_set_prgname(program); /* for the help's first line */
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fault = error->message;
    } else {
        options.n_photos = options.photos ? g_strv_length(options.photos) : 0;
        fault = find_fault(command);
    }
    if (fault != NULL) {
        cli_complain("%s: %s (see %s --help)", command->name, fault, program);
        return NULL;
    }
    options.face = (guint)face - 1;
    options.runs = (guint)runs;
    options.export.quality = quality == NOT_GIVEN ? 0 : (guint)quality;
    options.export.depth = depth == NOT_GIVEN ? 0 : (guint)depth;
    return &options;
}
