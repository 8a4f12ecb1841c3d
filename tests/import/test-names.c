/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a file is by its first bytes, and what a model made from it is called.
 */
#include "import.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder;

static char *make_file(const char *name, const char *bytes, gsize n)
{
    char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
    return path;
}

static void test_knows(void)
{
    static const struct {
        const char *bytes;
        gsize n;
        gboolean known;
    } cases[] = {{"PK\3\4....", 8, TRUE},
                 {"\x80\2\x8a\12\x6c", 5, TRUE},
                 {"\x80\4K*.", 5, TRUE},
                 {"\x93NUMPY\1", 7, TRUE},
                 {"\xff\xd8\xff\xe0", 4, FALSE},
                 {"\x89PNG\r\n", 6, FALSE},
                 {"\x80\xff....", 6, FALSE},
                 {"P", 1, FALSE},
                 {"", 0, FALSE},
                 {"\x93NUMP", 5, FALSE}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = make_file("file.pt", cases[i].bytes, cases[i].n);
        g_assert_true(lk_import_knows(path) == cases[i].known);
        g_assert_true(lk_import_knows(folder) == cases[i].known);
        g_unlink(path);
    }
    g_assert_false(lk_import_knows(folder));
    g_assert_false(lk_import_knows("/nonexistent"));
    g_assert_false(lk_import_knows("/dev/null"));
}

/* In a folder only names that say so are looked at, also those of inner folders, but not of hidden ones. */
static void test_folders(void)
{
    g_autofree char *archive = make_file("book.odt", "PK\3\4", 4), *inner = NULL, *hidden = NULL,
                    *file = NULL;

    g_assert_false(lk_import_knows(folder));
    inner = g_build_filename(folder, "a", "b", NULL);
    hidden = g_build_filename(folder, ".git", NULL);
    g_assert_cmpint(g_mkdir_with_parents(inner, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(hidden, 0700), ==, 0);
    file = make_file(".git/file.pt", "PK\3\4", 4);
    g_assert_false(lk_import_knows(folder));
    g_unlink(file);
    g_free(file);
    file = make_file("a/b/file.npy", "\x93NUMPY", 6);
    g_assert_true(lk_import_knows(folder));
    g_assert_false(lk_import_has_checkpoint((const char *const[]){folder, NULL}));
    g_unlink(file);
    g_unlink(archive);
    g_rmdir(inner);
    *strrchr(inner, '/') = '\0';
    g_rmdir(inner);
    g_rmdir(hidden);
}

static void test_names(void)
{
    static const struct {
        const char *path, *stem;
    } stems[] = {{"styleres_ffhq.pth", "styleres_ffhq"},
                 {"/a/b.c/d.e.pt", "d.e"},
                 {"name", "name"},
                 {"x/.hidden", ".hidden"},
                 {"/tmp/", "tmp"},
                 {"/tmp/.", "tmp"}};
    static const struct {
        const char *name, *file;
    } outputs[] = {{"styleres_ffhq", "styleres_ffhq.safetensors"},
                   {"../up", "-.-up.safetensors"},
                   {"a b", "a b.safetensors"},
                   {"", "model.safetensors"},
                   {".", "-.safetensors"}};

    for (guint i = 0; i < G_N_ELEMENTS(stems); i++) {
        g_autofree char *stem = lk_import_stem(stems[i].path);
        g_assert_cmpstr(stem, ==, stems[i].stem);
    }
    for (guint i = 0; i < G_N_ELEMENTS(outputs); i++) {
        g_autofree char *output = lk_import_default_output(outputs[i].name);
        g_autofree char *expected =
            g_build_filename(g_get_user_data_dir(), "likeness", "models", outputs[i].file, NULL);
        g_assert_cmpstr(output, ==, expected);
    }
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-names-XXXXXX", NULL);
    g_test_add_func("/import/knows", test_knows);
    g_test_add_func("/import/folders", test_folders);
    g_test_add_func("/import/names", test_names);
    status = g_test_run();
    g_rmdir(folder);
    return status;
}
