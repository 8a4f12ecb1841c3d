/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A person's own dlib predictor: a tiny one that dlib itself wrote, and what is left of it after damage.
 */
#include <fstream>
#include <sstream>

#include <dlib/image_processing/shape_predictor.h>

extern "C" {
#include "pictures.h"
}
#include "predictor.h"

static std::string tiny_predictor(void)
{
    using Tree = dlib::impl::regression_tree;
    dlib::matrix<float, 0, 1> mean(2 * LK_N_LANDMARKS), step(2 * LK_N_LANDMARKS);
    std::vector<std::vector<dlib::vector<float, 2>>> pixels(2);
    std::vector<std::vector<Tree>> forests(2, std::vector<Tree>(3));
    std::ostringstream out;

    for (long i = 0; i < LK_N_LANDMARKS; i++) {
        mean(2 * i) = 0.2f + 0.6f * (float)(i % 9) / 8.0f;
        mean(2 * i + 1) = 0.2f + 0.6f * (float)(i / 9) / 7.0f;
    }
    step = 0.001f;
    for (auto &cascade : pixels)
        for (int i = 0; i < 4; i++)
            cascade.push_back(dlib::vector<float, 2>(0.3f + 0.1f * i, 0.5f));
    for (auto &forest : forests)
        for (auto &tree : forest) {
            dlib::impl::split_feature split;

            split.idx1 = 0;
            split.idx2 = 3;
            split.thresh = 5.0f;
            tree.splits = {split};
            tree.leaf_values = {step, -step};
        }
    dlib::serialize(dlib::shape_predictor(mean, forests, pixels), out);
    return out.str();
}

static LkPredictor *open_bytes(const std::string &bytes, GError **error)
{
    char *folder = test_folder();
    g_autofree char *path = g_build_filename(folder, "odd.dat", NULL);
    LkPredictor *predictor;

    g_assert_true(g_file_set_contents(path, bytes.data(), (gssize)bytes.size(), NULL));
    predictor = lk_predictor_open(path, error);
    test_folder_remove(folder);
    return predictor;
}

static bool find(LkPredictor *predictor, guint turn, double landmarks[LK_N_LANDMARKS][2])
{
    g_autoptr(LkPhoto) photo = test_picture(400, 300);
    const LkBox box = {100.0, 50.0, 120.0, 120.0, 1.0, turn};

    return lk_predictor_find(predictor, photo, &box, landmarks);
}

static void test_sound(void)
{
    g_autoptr(GError) error = NULL;
    LkPredictor *predictor = open_bytes(tiny_predictor(), &error);
    double upright[LK_N_LANDMARKS][2], turned[LK_N_LANDMARKS][2];

    g_assert_no_error(error);
    g_assert_true(find(predictor, 0, upright));
    g_assert_true(find(predictor, 2, turned));
    for (int i = 0; i < LK_N_LANDMARKS; i++) {
        g_assert_cmpfloat_with_epsilon(upright[i][0], 100.0 + 120.0 * (0.2 + 0.6 * (i % 9) / 8.0), 3.0);
        g_assert_cmpfloat_with_epsilon(upright[i][1], 50.0 + 120.0 * (0.2 + 0.6 * (i / 9) / 7.0), 3.0);
        g_assert_cmpfloat_with_epsilon(turned[i][0], 320.0 - upright[i][0], 4.0);
        g_assert_cmpfloat_with_epsilon(turned[i][1], 220.0 - upright[i][1], 4.0);
    }
    lk_predictor_free(predictor);
}

static void assert_refused(const std::string &bytes)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(open_bytes(bytes, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    g_assert_nonnull(strstr(error->message, "odd.dat"));
}

static void test_truncated(void)
{
    const std::string whole = tiny_predictor();

    for (size_t n = 0; n < whole.size(); n += 1 + n / 40)
        assert_refused(whole.substr(0, n));
}

/* A count of 2^40 where there were three trees; and another kind of file. */
static void test_hostile(void)
{
    const std::string whole = tiny_predictor();
    std::ostringstream huge;

    assert_refused("this is no predictor");
    assert_refused(std::string(5000, '\xff'));
    dlib::serialize(1, huge);
    dlib::serialize(1l << 40, huge);
    dlib::serialize(1l, huge);
    assert_refused(huge.str());
}

/* Whatever a byte becomes, the file is refused or does no harm. */
static void test_flipped(void)
{
    const std::string whole = tiny_predictor();
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    double landmarks[LK_N_LANDMARKS][2];

    for (int i = 0; i < 120; i++) {
        std::string bytes = whole;
        g_autoptr(GError) error = NULL;
        LkPredictor *predictor;

        bytes[(size_t)g_rand_int_range(random, 0, i % 2 ? (int)bytes.size() : 60)] =
            (char)g_rand_int_range(random, 0, 256);
        predictor = open_bytes(bytes, &error);
        if (predictor)
            find(predictor, 0, landmarks);
        else
            g_assert_nonnull(error);
        lk_predictor_free(predictor);
    }
}

static void test_missing(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(lk_predictor_open("/nowhere/odd.dat", &error));
    g_assert_nonnull(strstr(error->message, "odd.dat"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/predictor/sound", test_sound);
    g_test_add_func("/predictor/truncated", test_truncated);
    g_test_add_func("/predictor/hostile", test_hostile);
    g_test_add_func("/predictor/flipped", test_flipped);
    g_test_add_func("/predictor/missing", test_missing);
    return g_test_run();
}
