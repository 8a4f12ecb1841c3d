/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether written model files hold what was given, bit for bit, and appear whole or not at all.
 */
#include "f16.h"
#include "model.h"
#include "new_file.h"
#include "tiny_model.h"
#include "writer.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *folder, *tiny_path, *out_path;

static LkWeights *open_weights(const char *path)
{
    g_autoptr(GError) error = NULL;
    LkWeights *weights = lk_weights_open(path, &error);

    g_assert_no_error(error);
    return weights;
}

/* What is in the test's folder besides the tiny model, hidden files included. */
static guint count_files(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir) != NULL)
        n++;
    return n - 1;
}

static void remove_output(void)
{
    g_unlink(out_path);
    g_assert_cmpuint(count_files(), ==, 0);
}

static void write_all(LkModelWriter *writer)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(lk_model_writer_write(writer, out_path, NULL, NULL, NULL, &error));
    g_assert_no_error(error);
}

static void assert_fails(LkModelWriter *writer, GCancellable *cancellable, GQuark domain, int code,
                         const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(lk_model_writer_write(writer, out_path, NULL, NULL, cancellable, &error));
    g_assert_error(error, domain, code);
    g_assert_nonnull(strstr(error->message, part));
}

/* ---- contents ---- */

static void assert_same_tensor(const LkWeights *a, const LkWeights *b, const char *name)
{
    static const gsize sizes[] = {[LK_DTYPE_F16] = 2, [LK_DTYPE_F32] = 4, [LK_DTYPE_I64] = 8};
    const LkWeight *first = lk_weights_find(a, name), *second = lk_weights_find(b, name);

    g_assert_nonnull(second);
    g_assert_true(first->dtype == second->dtype);
    g_assert_cmpmem(first->shape, first->n_dims * sizeof *first->shape, second->shape,
                    second->n_dims * sizeof *second->shape);
    g_assert_cmpmem(first->data, first->n_elements * sizes[first->dtype], second->data,
                    second->n_elements * sizes[second->dtype]);
}

static void test_copy(void)
{
    g_autoptr(LkWeights) tiny = open_weights(tiny_path), copy = NULL;
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();
    g_autoptr(GPtrArray) names = lk_weights_list_tensors(tiny), keys = lk_weights_list_metadata(tiny);

    lk_model_writer_add_file(writer, tiny);
    write_all(writer);
    copy = open_weights(out_path);
    g_assert_cmpuint(lk_weights_n_tensors(copy), ==, names->len);
    for (guint i = 0; i < names->len; i++)
        assert_same_tensor(tiny, copy, g_ptr_array_index(names, i));
    for (guint i = 0; i < keys->len; i++)
        g_assert_cmpstr(lk_weights_metadata(copy, g_ptr_array_index(keys, i)), ==,
                        lk_weights_metadata(tiny, g_ptr_array_index(keys, i)));
    remove_output();
}

static float pattern(guint64 i)
{
    return (float)((double)(i * 2654435761u % 100003) / 50000 - 1);
}

static gboolean give_pattern(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    guint64 *expected = data;

    g_assert_cmpuint(first, ==, *expected); /* from front to back, each once */
    *expected += n;
    for (gsize i = 0; i < n; i++)
        values[i] = pattern(first + i);
    return TRUE;
}

static void assert_pattern(const LkWeights *weights, const char *name, gboolean half)
{
    const LkWeight *weight = lk_weights_find(weights, name);

    g_assert_true(weight->dtype == (half ? LK_DTYPE_F16 : LK_DTYPE_F32));
    for (guint64 i = 0; i < weight->n_elements; i++) {
        float value = pattern(i), stored;
        guint16 bits;
        if (half) {
            memcpy(&bits, (const guint8 *)weight->data + 2 * i, 2);
            stored = lk_f16_to_float(bits);
            value = lk_f16_to_float(lk_f16_from_float(value));
        } else {
            memcpy(&stored, (const guint8 *)weight->data + 4 * i, 4);
        }
        g_assert_true(stored == value);
    }
}

/* More than one chunk and more than one buffer, odd sizes, and both types. */
static void test_values(void)
{
    static const guint64 large[] = {3, 1001, 701}, small[] = {5}, scalar[] = {0};
    g_autoptr(LkWeights) tiny = open_weights(tiny_path), written = NULL;
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();
    guint64 at[3] = {0, 0, 0};
    const float number = 0.3f;

    lk_model_writer_add_file(writer, tiny);
    lk_model_writer_add(writer, "half", LK_DTYPE_F16, 3, large, give_pattern, &at[0], NULL);
    lk_model_writer_add(writer, "single", LK_DTYPE_F32, 3, large, give_pattern, &at[1], NULL);
    lk_model_writer_add(writer, "odd", LK_DTYPE_F16, 1, small, give_pattern, &at[2], NULL);
    lk_model_writer_add_values(writer, "scalar", LK_DTYPE_F32, 0, scalar, &number);
    write_all(writer);
    written = open_weights(out_path);
    assert_pattern(written, "half", TRUE);
    assert_pattern(written, "single", FALSE);
    assert_pattern(written, "odd", TRUE);
    g_assert_cmpmem(lk_weights_find(written, "scalar")->data, 4, &number, 4);
    remove_output();
}

static void test_replacement(void)
{
    static const guint64 shape[] = {2};
    const float first[] = {1, 2}, second[] = {3, 4};
    g_autoptr(LkWeights) tiny = open_weights(tiny_path), written = NULL;
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();

    lk_model_writer_add_file(writer, tiny);
    lk_model_writer_set_metadata(writer, "name", "first");
    lk_model_writer_set_metadata(writer, "name", "a \"second\" \xff");
    lk_model_writer_add_values(writer, "extra", LK_DTYPE_F32, 1, shape, first);
    lk_model_writer_add_values(writer, "extra", LK_DTYPE_F32, 1, shape, second);
    write_all(writer);
    written = open_weights(out_path);
    g_assert_cmpmem(lk_weights_find(written, "extra")->data, 8, second, 8);
    g_assert_cmpstr(lk_weights_metadata(written, "name"), ==, "a \"second\" \357\277\275");
    remove_output();
}

/* Files that differ in their values alone are different models to caches. */
static void test_digest(void)
{
    static const guint64 shape[] = {2};
    const float values[3][2] = {{1, 2}, {1, -2}, {1, 2}};
    guint64 hashes[3];

    for (guint i = 0; i < 3; i++) {
        g_autoptr(LkWeights) tiny = open_weights(tiny_path), written = NULL;
        g_autoptr(LkModelWriter) writer = lk_model_writer_new();
        lk_model_writer_add_file(writer, tiny);
        lk_model_writer_add_values(writer, "extra", LK_DTYPE_F32, 1, shape, values[i]);
        write_all(writer);
        written = open_weights(out_path);
        hashes[i] = lk_weights_hash(written);
        g_assert_cmpuint(strlen(lk_weights_metadata(written, "digest")), ==, 16);
        remove_output();
    }
    g_assert_cmpuint(hashes[0], !=, hashes[1]);
    g_assert_cmpuint(hashes[0], ==, hashes[2]);
}

/* ---- what fails ---- */

static void test_bad_values(void)
{
    static const guint64 shape[] = {1, 3};
    const struct {
        float value;
        gboolean half_works, single_works;
    } cases[] = {{65519, TRUE, TRUE}, {-65520, FALSE, TRUE},    {3e38f, FALSE, TRUE},
                 {NAN, FALSE, FALSE}, {INFINITY, FALSE, FALSE}, {-INFINITY, FALSE, FALSE},
                 {1e-40f, TRUE, TRUE}};

    for (guint i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        const float values[] = {1, cases[i / 2].value, 2};
        const gboolean half = i % 2;
        g_autoptr(LkWeights) tiny = open_weights(tiny_path);
        g_autoptr(LkModelWriter) writer = lk_model_writer_new();
        lk_model_writer_add_file(writer, tiny);
        lk_model_writer_add_values(writer, "extra", half ? LK_DTYPE_F16 : LK_DTYPE_F32, 2, shape, values);
        if (half ? cases[i / 2].half_works : cases[i / 2].single_works)
            write_all(writer);
        else
            assert_fails(writer, NULL, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR,
                         isfinite(values[1]) ? "--f32" : "extra is not finite");
        remove_output();
    }
}

static gboolean give_nothing(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, "no more");
    return FALSE;
}

static gboolean give_and_cancel(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    memset(values, 0, n * sizeof *values);
    g_cancellable_cancel(data);
    return TRUE;
}

/* An older file stays as it was. */
static void test_failures(void)
{
    static const guint64 shape[] = {8, 1 << 20};
    g_autoptr(LkWeights) tiny = open_weights(tiny_path);
    g_autoptr(LkModelWriter) writer = lk_model_writer_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autofree char *contents = NULL;

    g_assert_true(g_file_set_contents(out_path, "older", -1, NULL));
    lk_model_writer_add_file(writer, tiny);
    lk_model_writer_add(writer, "extra", LK_DTYPE_F16, 2, shape, give_nothing, NULL, NULL);
    assert_fails(writer, NULL, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, "no more");
    lk_model_writer_add(writer, "extra", LK_DTYPE_F16, 2, shape, give_and_cancel, cancellable, NULL);
    assert_fails(writer, cancellable, G_IO_ERROR, G_IO_ERROR_CANCELLED, "");
    g_clear_pointer(&writer, lk_model_writer_free);
    writer = lk_model_writer_new();
    lk_model_writer_add_file(writer, tiny);
    lk_model_writer_set_metadata(writer, "config", "{}");
    assert_fails(writer, NULL, LK_MODEL_ERROR, LK_MODEL_ERROR_CONFIG, "would not be a model: config");
    g_assert_true(g_file_get_contents(out_path, &contents, NULL, NULL));
    g_assert_cmpstr(contents, ==, "older");
    g_assert_cmpuint(count_files(), ==, 1);
    remove_output();
}

static void test_places(void)
{
    g_autofree char *nowhere = g_build_filename(folder, "nowhere", "out.safetensors", NULL);
    const struct {
        const char *path;
        int code;
    } cases[] = {
        {nowhere, G_FILE_ERROR_NOENT}, {folder, G_FILE_ERROR_ISDIR}, {"/dev/null", G_FILE_ERROR_EXIST}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(lk_new_file_open(cases[i].path, 0, &error));
        g_assert_error(error, G_FILE_ERROR, cases[i].code);
        g_assert_nonnull(strstr(error->message, cases[i].path));
    }
}

/* ---- appearing ---- */

static void assert_output(const char *expected)
{
    g_autofree char *contents = NULL;

    g_assert_true(g_file_get_contents(out_path, &contents, NULL, NULL));
    g_assert_cmpstr(contents, ==, expected);
    g_assert_cmpuint(count_files(), ==, 1);
}

static void publish(LkNewFileFlags flags, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkNewFile) file = lk_new_file_open(out_path, flags, &error);
    g_autofree char *seen = NULL;

    g_assert_no_error(error);
    g_assert_cmpint(write(lk_new_file_fd(file), text, strlen(text)), ==, (gssize)strlen(text));
    g_assert_true(g_file_get_contents(lk_new_file_interim_path(file), &seen, NULL, NULL));
    g_assert_cmpstr(seen, ==, text);
    g_assert_true(lk_new_file_publish(file, &error));
    g_assert_no_error(error);
}

static void test_appearing(gconstpointer data)
{
    const LkNewFileFlags flags = GPOINTER_TO_UINT(data);
    LkNewFile *dropped;
    GStatBuf status;

    dropped = lk_new_file_open(out_path, flags, NULL);
    g_assert_false(g_file_test(out_path, G_FILE_TEST_EXISTS));
    lk_new_file_free(dropped);
    g_assert_cmpuint(count_files(), ==, 0);
    publish(flags, "first");
    assert_output("first");
    publish(flags, "second");
    assert_output("second");
    g_assert_cmpint(g_stat(out_path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0644);
    dropped = lk_new_file_open(out_path, flags, NULL);
    lk_new_file_free(dropped);
    assert_output("second");
    remove_output();
}

/* A process that is killed with its file open. */
static void die_writing(LkNewFileFlags flags)
{
    const pid_t child = fork();

    if (child == 0) {
        LkNewFile *file = lk_new_file_open(out_path, flags, NULL);
        if (file != NULL && write(lk_new_file_fd(file), "half", 4) == 4)
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status));
}

static void test_killed(void)
{
    die_writing(LK_NEW_FILE_DEFAULT);
    g_assert_false(g_file_test(out_path, G_FILE_TEST_EXISTS));
    if (count_files() > 0)
        g_test_message("this file system has no files without a name");
    die_writing(LK_NEW_FILE_NAMED);
    g_assert_false(g_file_test(out_path, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(count_files(), ==, 1);
    publish(LK_NEW_FILE_DEFAULT, "whole"); /* tidies up */
    assert_output("whole");
    remove_output();
}

/* Two at once: neither removes the other's, and one of them wins. */
static void test_two_writers(void)
{
    g_autoptr(LkNewFile) first = lk_new_file_open(out_path, LK_NEW_FILE_NAMED, NULL);

    g_assert_cmpint(write(lk_new_file_fd(first), "one", 3), ==, 3);
    publish(LK_NEW_FILE_NAMED, "two");
    g_assert_true(lk_new_file_publish(first, NULL));
    assert_output("one");
    remove_output();
}

int main(int argc, char **argv)
{
    int status;

    umask(022);
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("likeness-writer-XXXXXX", NULL);
    tiny_path = g_build_filename(folder, "tiny.safetensors", NULL);
    out_path = g_build_filename(folder, "out.safetensors", NULL);
    g_assert_true(lk_tiny_model_write(tiny_path, NULL, NULL));
    g_test_add_func("/writer/copy", test_copy);
    g_test_add_func("/writer/values", test_values);
    g_test_add_func("/writer/replacement", test_replacement);
    g_test_add_func("/writer/digest", test_digest);
    g_test_add_func("/writer/bad-values", test_bad_values);
    g_test_add_func("/writer/failures", test_failures);
    g_test_add_func("/new-file/places", test_places);
    g_test_add_data_func("/new-file/nameless", GUINT_TO_POINTER(LK_NEW_FILE_DEFAULT), test_appearing);
    g_test_add_data_func("/new-file/named", GUINT_TO_POINTER(LK_NEW_FILE_NAMED), test_appearing);
    g_test_add_func("/new-file/killed", test_killed);
    g_test_add_func("/new-file/two-writers", test_two_writers);
    status = g_test_run();
    g_unlink(tiny_path);
    g_rmdir(folder);
    return status;
}
