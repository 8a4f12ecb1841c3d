/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * apply-directions tiny MODEL RESOLUTION W_DIM: writes a model with random weights.
 * apply-directions apply MODEL W_PLUS.npy VALUES.npy OUT: OUT gets float32 numbers: the neutral values, then for each row of
 * VALUES (one value per direction; NaN: the neutral one) the edited code and the styles' offsets.
 *
 * For test_directions.py.
 */
#include "edit.h"
#include "npy.h"
#include "tiny_model.h"

#include <math.h>
#include <string.h>

static void check(GError *error)
{
    if (error != NULL)
        g_error("%s", error->message);
}

static int write_tiny(const char *path, const char *resolution, const char *w_dim)
{
    const LkTinyOptions options = {.resolution = (guint)atoi(resolution), .w_dim = (guint)atoi(w_dim)};
    GError *error = NULL;

    lk_tiny_model_write(path, &options, &error);
    check(error);
    return 0;
}

static void apply(LkEdit *edit, guint n_directions, const float *row, float *w_plus, float *styles)
{
    g_autofree float *values = g_new(float, n_directions + 1);
    GError *error = NULL;

    for (guint k = 0; k < n_directions; k++)
        values[k] = isnan(row[k]) ? lk_edit_neutral(edit, k) : row[k];
    lk_edit_apply(edit, values, w_plus, styles, &error);
    check(error);
}

static int apply_all(const char *path, const LkNpy *w_plus, const LkNpy *values, const char *out)
{
    GError *error = NULL;
    g_autoptr(LkModel) model = lk_model_open(path, &error);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    check(error);
    const guint n = lk_model_n_directions(model), n_styles = lk_config_n_styles(lk_model_config(model));
    g_autoptr(LkEdit) edit = lk_edit_new(model);
    g_autofree float *edited = g_new(float, w_plus->n), *styles = g_new(float, n_styles);
    lk_edit_set_code(edit, w_plus->data);
    for (guint k = 0; k < n; k++) {
        const float neutral = lk_edit_neutral(edit, k);
        g_byte_array_append(bytes, (const guint8 *)&neutral, sizeof neutral);
    }
    for (gsize row = 0; row < values->dims[0]; row++) {
        apply(edit, n, values->data + row * n, edited, styles);
        g_byte_array_append(bytes, (const guint8 *)edited, (guint)(w_plus->n * sizeof(float)));
        g_byte_array_append(bytes, (const guint8 *)styles, (guint)(n_styles * sizeof(float)));
    }
    g_file_set_contents(out, (const char *)bytes->data, bytes->len, &error);
    check(error);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "tiny") == 0)
        return write_tiny(argv[2], argv[3], argv[4]);
    if (argc == 6 && strcmp(argv[1], "apply") == 0) {
        g_autoptr(LkNpy) w_plus = lk_npy_read(argv[3]);
        g_autoptr(LkNpy) values = lk_npy_read(argv[4]);
        return apply_all(argv[2], w_plus, values, argv[5]);
    }
    return 2;
}
