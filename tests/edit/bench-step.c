/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a slider's step costs by the size of the face in the photo: the network's picture, its way back into the photo in full
 * and as it is shown while the slider moves. Milliseconds, the fastest of some runs. Argument: a model file; none: the
 * built-in one.
 */
#include "editor.h"
#include "pictures.h"

enum { RUNS = 5 };

static LkEditor *editor;
static float *values;
static GError *error;

static double now(void)
{
    return (double)g_get_monotonic_time() / 1e3;
}

static LkPhoto *step(guint run)
{
    values[0] = 1 + 0.1f * (float)run;

    LkPhoto *picture = lk_editor_generate(editor, values, LK_INVERSION_STYLERES, NULL, &error);
    g_assert_no_error(error);
    return picture;
}

static double time_picture(void)
{
    double best = G_MAXDOUBLE;

    for (guint run = 0; run < RUNS; run++) {
        const double start = now();
        g_autoptr(LkPhoto) picture = step(run);
        best = MIN(best, now() - start);
    }
    return best;
}

static double time_patch(void)
{
    double best = G_MAXDOUBLE;

    for (guint run = 0; run < RUNS; run++) {
        g_autoptr(LkPhoto) picture = step(run);
        const double start = now();
        g_autoptr(LkPatch) patch = lk_editor_patch(editor, picture, LK_INVERSION_STYLERES, 1, NULL, &error);
        g_auto(LkPiece) piece = lk_piece_of(lk_editor_photo(editor), patch);
        best = MIN(best, now() - start);
        g_assert_no_error(error);
    }
    return best;
}

static double time_preview(void)
{
    double best = G_MAXDOUBLE;

    for (guint run = 0; run < RUNS; run++) {
        g_autoptr(LkPhoto) picture = step(run);
        g_auto(LkPiece) piece = {0};
        const double start = now();
        lk_editor_preview(editor, picture, LK_INVERSION_STYLERES, 1, &piece, NULL, &error);
        best = MIN(best, now() - start);
        g_assert_no_error(error);
    }
    return best;
}

int main(int argc, char **argv)
{
    static const guint sides[] = {300, 600, 1200, 1600, 2400, 3600};
    const LkEditorOptions options = {.model = argc > 1 ? argv[1] : NULL};

    editor = lk_editor_new(&options, &error);
    g_assert_no_error(error);
    values = g_new0(float, lk_model_n_directions(lk_editor_model(editor)) + 1);
    g_print("%s\nface, px   picture    in full   moving\n", lk_gpu_info(lk_editor_gpu(editor))->name);
    for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
        g_autoptr(LkPhoto) sample = test_picture_of_two(0);
        g_autoptr(LkPhoto) face = lk_photo_cut(sample, 0, 0, 340, 340);
        g_autoptr(LkPhoto) photo = lk_photo_resize(face, sides[i], sides[i]);

        lk_editor_open(editor, photo, LK_OPEN_ALIGNED, 0, NULL, &error);
        g_assert_no_error(error);
        g_print("%8u %9.1f %10.1f", sides[i], time_picture(), time_patch());
        if (lk_editor_is_large(editor))
            g_print(" %8.1f", time_preview());
        g_print("\n");
    }
    g_free(values);
    lk_editor_free(editor);
    return 0;
}
