/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The golden weights are what they are said to be: all tensors of the released network, each with its digest. Otherwise the
 * comparison with PyTorch would say nothing about the networks.
 */
#include <string.h>

#include "official.h"

/* "name digest" per line: what a model file needs of digests_seed1.txt, in any order. */
static GHashTable *read_digests(void)
{
    g_autofree char *path =
        g_build_filename(g_getenv("LIKENESS_TEST_DATA"), "golden", "official", "digests_seed1.txt", NULL);
    GHashTable *digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) lines = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL && lines[i][0] != 0; i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);
        g_assert_cmpuint(g_strv_length(words), ==, 2);
        g_hash_table_insert(digests, g_strdup(words[0]), g_strdup(words[1]));
    }
    return digests;
}

static void test_digests(void)
{
    g_autoptr(GHashTable) digests = read_digests();
    g_autoptr(GPtrArray) tensors = lk_official_tensors();

    g_assert_cmpuint(tensors->len, ==, g_hash_table_size(digests));
    for (guint i = 0; i < tensors->len; i++) {
        const LkExpectedTensor *tensor = g_ptr_array_index(tensors, i);
        g_autofree char *name = lk_official_rule_name(tensor->name);
        g_autofree char *digest =
            g_strdup_printf("%016" G_GINT64_MODIFIER "x", lk_official_digest(tensor, 1));
        const char *expected = g_hash_table_lookup(digests, name);
        if (expected == NULL || strcmp(digest, expected) != 0)
            g_test_message("%s", name);
        g_assert_cmpstr(digest, ==, expected);
    }
}

/* The sums that the goldens' description states. */
static void test_crop(void)
{
    g_autofree guint8 *rgba = g_malloc(256 * 256 * 4);
    const guint8 *pixel = rgba + 4 * (200 * 256 + 37);
    guint64 hash = 0xCBF29CE484222325u;
    guint sums[3] = {0};

    lk_official_synthetic(rgba);
    for (guint i = 0; i < 256 * 256 * 4; i++) {
        if (i % 4 == 3)
            continue;
        sums[i % 4] += rgba[i];
        hash = (hash ^ rgba[i]) * 0x00000100000001B3u;
    }
    g_assert_cmpuint(sums[0], ==, 9106283);
    g_assert_cmpuint(sums[1], ==, 8391876);
    g_assert_cmpuint(sums[2], ==, 6251136);
    g_assert_cmphex(hash, ==, 0x9726b3f6be474e34u);
    g_assert_cmpuint(pixel[0], ==, 118);
    g_assert_cmpuint(pixel[1], ==, 199);
    g_assert_cmpuint(pixel[2], ==, 28);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/official/digests", test_digests);
    g_test_add_func("/official/crop", test_crop);
    return g_test_run();
}
