/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LkEdit: slider values to an edited code.
 */
#include "fixture.h"

#include <math.h>
#include <string.h>

static EditFixture *fixture;

typedef struct {
    gsize n;
    float *w_plus, *edited, *values;
} Codes;

/* w_plus with values that any careless step would change: signed zeros, denormals, large ones. */
static Codes codes_new(void)
{
    const LkConfig *config = lk_model_config(fixture->model);
    Codes codes = {.n = (gsize)config->num_ws * config->w_dim};

    codes.w_plus = g_new(float, codes.n);
    codes.edited = g_new(float, codes.n);
    codes.values = g_new0(float, lk_model_n_directions(fixture->model));
    for (gsize i = 0; i < codes.n; i++)
        codes.w_plus[i] = i % 5 == 0 ? -0.0f : i % 5 == 1 ? 1e-42f : (float)sin((double)i) * 3;
    return codes;
}

/* The edited code, which goes to edited. */
static void apply(const Codes *codes, float *edited)
{
    g_autoptr(LkEdit) edit = lk_edit_new(fixture->model);
    g_autofree float *styles = g_new(float, lk_config_n_styles(lk_model_config(fixture->model)));
    GError *error = NULL;

    lk_edit_set_code(edit, codes->w_plus);
    lk_edit_apply(edit, codes->values, edited, styles, &error);
    g_assert_no_error(error);
}

static void codes_free(Codes *codes)
{
    g_free(codes->w_plus);
    g_free(codes->edited);
    g_free(codes->values);
}

static void test_zero_keeps_every_bit(void)
{
    Codes codes = codes_new();

    apply(&codes, codes.edited);
    g_assert_cmpmem(codes.edited, codes.n * sizeof(float), codes.w_plus, codes.n * sizeof(float));
    codes_free(&codes);
}

static float expected(const Codes *codes, gsize i)
{
    const LkConfig *config = lk_model_config(fixture->model);
    const guint row = (guint)(i / config->w_dim);
    float value = codes->w_plus[i];

    for (guint k = 0; k < lk_model_n_directions(fixture->model); k++) {
        const LkDirection *direction = lk_model_direction(fixture->model, k);
        if (row >= direction->first_row && row < direction->end_row)
            value += codes->values[k] * direction->vector[i];
    }
    return value;
}

static void test_sum_of_directions(void)
{
    Codes codes = codes_new();
    gsize changed = 0;

    codes.values[0] = 2.5f;
    codes.values[1] = -1.25f;
    codes.values[2] = 0.7f;
    apply(&codes, codes.edited);
    for (gsize i = 0; i < codes.n; i++) {
        g_assert_cmpfloat_with_epsilon(codes.edited[i], expected(&codes, i), 1e-5);
        changed += codes.edited[i] != codes.w_plus[i];
    }
    g_assert_cmpuint(changed, >, codes.n / 2);
    codes_free(&codes);
}

static void test_rows_outside_stay(void)
{
    const LkConfig *config = lk_model_config(fixture->model);
    const LkDirection *pose = lk_model_find_direction(fixture->model, "pose");
    Codes codes = codes_new();

    g_assert_cmpuint(pose->first_row, >, 0);
    for (guint k = 0; k < lk_model_n_directions(fixture->model); k++)
        if (lk_model_direction(fixture->model, k) == pose)
            codes.values[k] = 5;
    apply(&codes, codes.edited);
    g_assert_cmpmem(codes.edited, pose->first_row * config->w_dim * sizeof(float), codes.w_plus,
                    pose->first_row * config->w_dim * sizeof(float));
    const gsize first = (gsize)pose->first_row * config->w_dim, n = config->w_dim * sizeof(float);
    g_assert_true(memcmp(codes.edited + first, codes.w_plus + first, n) != 0);
    codes_free(&codes);
}

static void test_in_place(void)
{
    Codes codes = codes_new();

    codes.values[0] = -3;
    apply(&codes, codes.edited);
    apply(&codes, codes.w_plus);
    g_assert_cmpmem(codes.edited, codes.n * sizeof(float), codes.w_plus, codes.n * sizeof(float));
    codes_free(&codes);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture = edit_fixture_new();
    g_test_add_func("/edit/zero", test_zero_keeps_every_bit);
    g_test_add_func("/edit/sum", test_sum_of_directions);
    g_test_add_func("/edit/rows", test_rows_outside_stay);
    g_test_add_func("/edit/in-place", test_in_place);
    const int status = g_test_run();
    edit_fixture_free(fixture);
    return status;
}
