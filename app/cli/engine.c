/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <math.h>
#include <string.h>

/* ---- models ------------------------------------------------------------------------------------------------- */

static char *find_named_model(const char *name)
{
    g_autoptr(GPtrArray) paths = lk_model_list();
    g_autofree char *file_name = g_strconcat(name, LK_MODEL_SUFFIX, NULL);

    for (guint i = 0; i < paths->len; i++) {
        g_autofree char *base = g_path_get_basename(g_ptr_array_index(paths, i));
        if (strcmp(base, file_name) == 0)
            return g_strdup(g_ptr_array_index(paths, i));
    }
    return NULL;
}

char *cli_model_path(const char *model, GError **error)
{
    char *path;

    if (model == NULL)
        return lk_model_builtin_path();
    if (strchr(model, '/') != NULL || g_str_has_suffix(model, LK_MODEL_SUFFIX) ||
        g_file_test(model, G_FILE_TEST_EXISTS))
        return g_strdup(model);
    path = find_named_model(model);
    if (path == NULL)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: no file and no model of this name", model);
    return path;
}

LkModel *cli_open_model(const CliOptions *options, GError **error)
{
    g_autofree char *path = cli_model_path(options->model, error);

    return path ? lk_model_open(path, error) : NULL;
}

/* ---- editor ------------------------------------------------------------------------------------------------- */

LkEditor *cli_open_editor(const CliOptions *options, LkModel *model, LkNetFlags flags, GError **error)
{
    const LkEditorOptions editor_options = {
        .device = options->device,
        .storage = options->half ? LK_F16 : LK_F32,
        .net_flags = flags | (options->dump ? LK_NET_KEEP_STAGES : 0),
    };

    if (g_cancellable_set_error_if_cancelled(cli_cancellable(), error))
        return NULL;
    cli_progress(options, "Preparing the device …");
    return lk_editor_new_for_model(&editor_options, model, error);
}

gboolean cli_open_photo(const CliOptions *options, LkEditor *editor, const LkOriginal *original,
                        const char *path, GError **error)
{
    const LkOpenMode mode = options->aligned ? LK_OPEN_ALIGNED : LK_OPEN_DETECT;
    LkPhoto *photo = lk_original_photo(original);
    g_autoptr(GError) reason = NULL;

    cli_progress(options, "Inverting %s …", path);
    if (lk_editor_open(editor, photo, mode, options->face, cli_cancellable(), &reason))
        return TRUE;
    if (reason->domain == LK_PHOTO_ERROR) {
        g_autofree char *name = g_filename_display_basename(path);
        g_prefix_error(&reason, "%s: ", name);
    }
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* ---- slider values ------------------------------------------------------------------------------------------ */

/* Whether the slider is called name, or something-name. */
static gboolean ends_with_name(const LkDirection *slider, const char *name)
{
    const gsize length = strlen(slider->name), end = strlen(name);

    return length > end + 1 && slider->name[length - end - 1] == '-' &&
           strcmp(slider->name + length - end, name) == 0;
}

/* The sliders that name may mean, by index: the one that is called so, else those that end so. */
static GArray *find_candidates(LkModel *model, const char *name)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint k = 0; k < lk_model_n_directions(model); k++) {
        const LkDirection *slider = lk_model_direction(model, k);
        if (strcmp(slider->name, name) == 0) {
            g_array_set_size(found, 0);
            g_array_append_val(found, k);
            break;
        }
        if (ends_with_name(slider, name))
            g_array_append_val(found, k);
    }
    return found;
}

static char *list_sliders(LkModel *model, const GArray *chosen)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const guint n = chosen ? chosen->len : lk_model_n_directions(model);

    for (guint i = 0; i < n; i++) {
        const guint k = chosen ? g_array_index(chosen, guint, i) : i;
        g_ptr_array_add(names, lk_model_direction(model, k)->name);
    }
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **)names->pdata);
}

static guint find_slider(LkModel *model, const char *name, GError **error)
{
    g_autoptr(GArray) found = find_candidates(model, name);
    g_autofree char *sliders = NULL;

    if (found->len == 1)
        return g_array_index(found, guint, 0);
    sliders = list_sliders(model, found->len ? found : NULL);
    if (found->len > 1)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s may be any of %s", name, sliders);
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "the model has no slider %s; it has %s",
                    name, *sliders ? sliders : "none");
    return G_MAXUINT;
}

static gboolean read_value(const LkDirection *slider, const char *word, float *value, GError **error)
{
    char *end;
    double number = g_ascii_strtod(word, &end);

    if (*word == '\0' || g_ascii_isspace(*word) || *end != '\0' || !isfinite(number)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: %s is not a number", slider->name,
                    *word ? word : "nothing");
        return FALSE;
    }
    if (number < slider->minimum || number > slider->maximum) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s goes from %g to %g, not to %s",
                    slider->name, slider->minimum, slider->maximum, word);
        return FALSE;
    }
    *value = (float)number;
    return TRUE;
}

static gboolean set_value(LkModel *model, const char *word, float *values, GError **error)
{
    const char *equals = strchr(word, '=');
    g_autofree char *name = g_strndup(word, equals - word);
    const guint k = find_slider(model, name, error);

    return k != G_MAXUINT && read_value(lk_model_direction(model, k), equals + 1, &values[k], error);
}

float *cli_parse_values(LkModel *model, char *const *set, GError **error)
{
    const guint n = lk_model_n_directions(model);
    g_autofree float *values = g_new0(float, n + 1);

    for (guint k = 0; k < n; k++)
        values[k] = NAN;
    for (; set != NULL && *set != NULL; set++)
        if (!set_value(model, *set, values, error))
            return NULL;
    return g_steal_pointer(&values);
}

float *cli_photo_values(const LkEditor *editor, const float *set)
{
    const guint n = lk_model_n_directions(lk_editor_model(editor));
    float *values = g_new0(float, n + 1);

    lk_editor_neutral_values(editor, values);
    for (guint k = 0; set != NULL && k < n; k++)
        if (!isnan(set[k]))
            values[k] = set[k];
    return values;
}
