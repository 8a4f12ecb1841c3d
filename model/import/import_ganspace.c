/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "direction_set.h"

#include <math.h>
#include <string.h>

#define TABLE "ganspace_configs.csv"

enum {
    GANSPACE_RANGE = 25, /* of the published demonstration */
    MAX_COMPONENTS = 4096,
    MAX_TABLE = 1 << 20,  /* bytes */
    N_WITHOUT_TABLE = 10, /* components that become sliders */
    SAFE_WITHOUT_TABLE = 3,
    MAX_STRENGTH = 1000,
};

typedef struct {
    guint n; /* components */
    float *std;
} Components;

gboolean lk_is_ganspace(const LkTorchValue *root)
{
    return lk_torch_find(root, "comp") != NULL && lk_torch_find(root, "mean") != NULL &&
           lk_torch_find(root, "std") != NULL;
}

static gboolean check_components(const LkDirectionBatch *batch, const LkTorchValue *root, guint *n,
                                 GError **error)
{
    const LkTorchTensor *comp = lk_torch_tensor(lk_torch_find(root, "comp"));
    const LkTorchTensor *mean = lk_torch_tensor(lk_torch_find(root, "mean"));
    const LkTorchTensor *std = lk_torch_tensor(lk_torch_find(root, "std"));
    const guint64 w_dim = batch->config->w_dim;
    guint64 size;

    if (comp == NULL || mean == NULL || std == NULL || comp->n_dims < 2)
        return lk_direction_batch_refuse(batch, error, "mean, comp and std are not the tensors of a PCA");
    size = comp->shape[comp->n_dims - 1];
    if (size != w_dim)
        return lk_direction_batch_refuse(batch, error,
                                         "its components have %" G_GUINT64_FORMAT
                                         " values, but a row of this model's code has %" G_GUINT64_FORMAT,
                                         size, w_dim);
    *n = (guint)MIN(comp->shape[0], MAX_COMPONENTS + 1);
    if (*n < 1 || *n > MAX_COMPONENTS || comp->n_elements != *n * w_dim || mean->n_elements != w_dim ||
        std->n_elements != *n) {
        g_autofree char *of_comp = lk_shape_text(comp->n_dims, comp->shape);
        g_autofree char *of_mean = lk_shape_text(mean->n_dims, mean->shape);
        g_autofree char *of_std = lk_shape_text(std->n_dims, std->shape);
        return lk_direction_batch_refuse(batch, error, "comp, mean and std do not go together: %s, %s and %s",
                                         of_comp, of_mean, of_std);
    }
    return TRUE;
}

/* components->std belongs to the batch. */
static gboolean read_components(LkDirectionBatch *batch, LkTorchFile *file, Components *components,
                                GError **error)
{
    const LkTorchValue *root = lk_torch_root(file);
    const guint64 w_dim = batch->config->w_dim;
    float *values;

    if (!check_components(batch, root, &components->n, error))
        return FALSE;
    values = lk_direction_batch_read(batch, file, lk_torch_find(root, "mean"), "mean", error);
    if (values == NULL)
        return FALSE;
    lk_direction_batch_add_tensor(batch, g_strdup("ganspace.mean"), 1, 1, w_dim, values);
    values = lk_direction_batch_read(batch, file, lk_torch_find(root, "comp"), "comp", error);
    if (values == NULL)
        return FALSE;
    lk_direction_batch_add_tensor(batch, g_strdup("ganspace.comp"), 2, components->n, w_dim, values);
    components->std = lk_direction_batch_read(batch, file, lk_torch_find(root, "std"), "std", error);
    if (components->std == NULL)
        return FALSE;
    lk_direction_batch_add_tensor(batch, g_strdup("ganspace.std"), 1, 1, components->n, components->std);
    return TRUE;
}

typedef struct {
    const char *name;
    guint component, first_row, end_row;
    double safe_minimum, safe_maximum;
} Coordinate;

static gboolean add_coordinate(LkDirectionBatch *batch, const Components *components,
                               const Coordinate *coordinate, GError **error)
{
    const LkDirectionEntry entry = {
        .kind = LK_DIRECTION_GANSPACE,
        .prefix = "ganspace",
        .name = coordinate->name,
        .group = "ganspace",
        .first_row = coordinate->first_row,
        .end_row = MIN(coordinate->end_row, batch->config->num_ws),
        .minimum = MIN(-GANSPACE_RANGE, coordinate->safe_minimum),
        .maximum = MAX(GANSPACE_RANGE, coordinate->safe_maximum),
        .safe_minimum = coordinate->safe_minimum,
        .safe_maximum = coordinate->safe_maximum,
        .step = 0.1,
    };

    if (coordinate->component >= components->n)
        return lk_direction_batch_refuse(batch, error, "%s wants component %u, but there are %u",
                                         coordinate->name, coordinate->component, components->n);
    if (components->std[coordinate->component] <= 0)
        return lk_direction_batch_refuse(batch, error, "std of component %u is not above 0",
                                         coordinate->component);
    if (entry.first_row < entry.end_row) /* else it edits rows that only larger models have */
        json_object_set_int_member(lk_direction_batch_add(batch, &entry), "component", coordinate->component);
    return TRUE;
}

static gboolean read_uint(const char *text, guint maximum, guint *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, 0, maximum, &number, NULL))
        return FALSE;
    *value = (guint)number;
    return TRUE;
}

/* "name, component, first row, end row, strength", separated by tabs. */
static gboolean read_line(char **cells, Coordinate *coordinate)
{
    double strength;
    char *end;

    if (g_strv_length(cells) != 5 || *cells[0] == '\0' ||
        !read_uint(cells[1], MAX_COMPONENTS, &coordinate->component) ||
        !read_uint(cells[2], LK_MAX_WS, &coordinate->first_row) ||
        !read_uint(cells[3], LK_MAX_WS, &coordinate->end_row))
        return FALSE;
    strength = g_ascii_strtod(cells[4], &end);
    coordinate->name = cells[0];
    coordinate->safe_minimum = MIN(strength, 0);
    coordinate->safe_maximum = MAX(strength, 0);
    return end != cells[4] && *end == '\0' && fabs(strength) <= MAX_STRENGTH &&
           coordinate->first_row < coordinate->end_row;
}

static gboolean add_lines(LkDirectionBatch *batch, const Components *components, char *text, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) cells = g_strsplit(g_strchomp(lines[i]), "\t", 6);
        Coordinate coordinate = {0};
        if (*lines[i] == '\0')
            continue;
        if (!read_line(cells, &coordinate))
            return lk_direction_batch_refuse(
                batch, error,
                "line %u of %s beside it is not a name, a component, two rows and "
                "a strength with tabs between them",
                i + 1, TABLE);
        if (!add_coordinate(batch, components, &coordinate, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean add_table(LkDirectionBatch *batch, const Components *components, const char *path,
                          GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, &reason))
        return lk_direction_batch_refuse(batch, error, "%s beside it cannot be read: %s", TABLE,
                                         reason->message);
    if (length > MAX_TABLE || strlen(text) != length)
        return lk_direction_batch_refuse(batch, error, "%s beside it is not a table", TABLE);
    return add_lines(batch, components, text, error);
}

static gboolean add_first_components(LkDirectionBatch *batch, const Components *components, GError **error)
{
    for (guint i = 0; i < MIN(components->n, N_WITHOUT_TABLE); i++) {
        g_autofree char *name = g_strdup_printf("component_%u", i);
        const Coordinate coordinate = {
            .name = name,
            .component = i,
            .end_row = batch->config->num_ws,
            .safe_minimum = -SAFE_WITHOUT_TABLE,
            .safe_maximum = SAFE_WITHOUT_TABLE,
        };
        if (!add_coordinate(batch, components, &coordinate, error))
            return FALSE;
    }
    return TRUE;
}

gboolean lk_add_ganspace(LkDirectionBatch *batch, LkTorchFile *file, GError **error)
{
    g_autofree char *table = lk_direction_batch_beside(batch, TABLE);
    Components components;

    batch->shares = TRUE;
    batch->kind = LK_DIRECTION_GANSPACE;
    if (!read_components(batch, file, &components, error))
        return FALSE;
    return g_file_test(table, G_FILE_TEST_EXISTS) ? add_table(batch, &components, table, error)
                                                  : add_first_components(batch, &components, error);
}
