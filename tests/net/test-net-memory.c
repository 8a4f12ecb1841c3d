/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The networks on a device: the memory that a net holds, and what it does where there is too little or its encoder is damaged.
 */
#include "net_fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static guint64 held_now(void)
{
    guint64 held;

    lk_gpu_memory(net_gpu, &held, NULL);
    return held;
}

/* Invert and generate hold the encoder's weights only while they compute with them. */
static void test_memory(NetFixture *fixture, gconstpointer data)
{
    LkNetMemory memory;
    guint8 first[PIXELS], second[PIXELS];
    guint64 held, peak;

    lk_net_memory(fixture->net, &memory);
    g_assert_cmpuint(memory.encoder, >, 50000);
    g_assert_cmpuint(memory.weights, >, 50000);
    g_assert_cmpuint(memory.activations, >, 10000);
    g_assert_cmpuint(memory.activations, <, 4000000);
    held = held_now();
    g_assert_cmpuint(held, >=, memory.weights + memory.activations);
    net_invert(fixture, CODE_STAGES);
    g_assert_cmpuint(held_now(), ==, held);
    lk_gpu_memory(net_gpu, NULL, &peak);
    g_assert_cmpuint(peak, >=, held + memory.encoder);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, first, FIRST_STAGES);
    lk_net_forget(fixture->net);
    net_generate(fixture, fixture->w_plus, LK_INVERSION_STYLERES, second, CODE_STAGES " " FIRST_STAGES);
    g_assert_cmpuint(held_now(), ==, held);
    g_assert_cmpmem(first, PIXELS, second, PIXELS);
}

static void test_kept_encoder(void)
{
    g_autoptr(LkNet) net = net_golden_net(net_gpu, "plain", LK_F32, LK_NET_KEEP_ENCODER);
    g_autoptr(GError) error = NULL;
    const guint64 before = held_now();
    guint8 crop[PIXELS] = {0};
    float w_plus[ROWS * W_DIM];
    LkNetMemory memory;

    lk_net_memory(net, &memory);
    for (guint photo = 0; photo < 2; photo++) {
        crop[0] = (guint8)photo;
        g_assert_true(lk_net_invert(net, crop, w_plus, NULL, &error));
        g_assert_cmpuint(held_now(), ==, before + memory.encoder);
    }
}

/* The first value of a tensor in a model file made not a number. */
static void damage(char *file, const char *tensor)
{
    g_autofree char *key = g_strdup_printf("\"%s\"", tensor);
    char *offsets = strstr(strstr(file + 8, key), "\"data_offsets\":[");
    guint64 header;

    memcpy(&header, file, sizeof header);
    header = GUINT64_FROM_LE(header);
    memset(file + 8 + header + g_ascii_strtoull(strchr(offsets, '[') + 1, NULL, 10), 0xff, 4);
}

/* What is wrong with the encoder's weights is found when a photo needs them; it names the file, and the rest works on. */
static void test_damaged_encoder(void)
{
    g_autofree char *from = net_golden_path("plain", "model.safetensors"), *file = NULL;
    g_autofree char *path = g_build_filename(net_folder, "damaged.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;
    g_autoptr(LkNet) net = NULL;
    guint8 picture[PIXELS] = {0};
    float w_plus[ROWS * W_DIM] = {0};
    guint64 held;
    gsize size;

    g_assert_true(g_file_get_contents(from, &file, &size, &error));
    damage(file, "e4e.styles.0.linear.weight");
    g_assert_true(g_file_set_contents(path, file, (gssize)size, &error));
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path);
    net = lk_net_new(net_gpu, model, LK_F32, 0, &error);
    g_assert_no_error(error);
    held = held_now();
    g_assert_false(lk_net_invert(net, picture, w_plus, NULL, &error));
    g_assert_error(error, LK_MODEL_ERROR, LK_MODEL_ERROR_TENSOR);
    g_assert_nonnull(strstr(error->message, "damaged.safetensors: "));
    g_assert_nonnull(strstr(error->message, "e4e.styles.0.linear.weight"));
    g_clear_error(&error);
    g_assert_cmpuint(held_now(), ==, held);
    lk_net_generate(net, w_plus, NULL, LK_INVERSION_WPLUS, picture, NULL, &error);
    g_assert_no_error(error);
}

/* A device that has room for all but the encoder says so, and is left as it was. */
static void test_no_room(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *limit = NULL;
    guint64 held, needed;
    guint8 crop[PIXELS] = {0};
    float w_plus[ROWS * W_DIM];
    LkNetMemory memory;
    LkNet *net = net_golden_net(net_gpu, "plain", LK_F32, 0);
    LkGpu *small;

    lk_net_memory(net, &memory);
    lk_net_free(net);
    needed = memory.weights + memory.activations + memory.encoder;
    limit = g_strdup_printf("%" G_GUINT64_FORMAT, needed - 1 + ((guint64)16 << 20)); /* and the copies */
    g_setenv("LIKENESS_MAX_MEMORY", limit, TRUE);
    small = lk_gpu_open(g_getenv("LIKENESS_TEST_DEVICE") ?: "cpu", LK_GPU_VALIDATE, &error);
    g_unsetenv("LIKENESS_MAX_MEMORY");
    g_assert_no_error(error);
    net = net_golden_net(small, "plain", LK_F32, 0);
    lk_gpu_memory(small, &held, NULL);
    for (guint i = 0; i < 2; i++) {
        guint64 after;
        g_assert_false(lk_net_invert(net, crop, w_plus, NULL, &error));
        g_assert_error(error, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY);
        g_clear_error(&error);
        lk_gpu_memory(small, &after, NULL);
        g_assert_cmpuint(after, ==, held);
    }
    lk_net_free(net);
    lk_gpu_memory(small, &held, NULL);
    g_assert_cmpuint(held, <=, 16 << 20);
    g_assert_cmpuint(lk_gpu_n_messages(small), ==, 0);
    lk_gpu_free(small);
}

/* Allocations of a few KiB instead of one for each use: the same picture. */
static void test_small_allocations(void)
{
    g_autoptr(GError) error = NULL;
    guint8 crop[PIXELS], pictures[2][PIXELS];
    float w_plus[ROWS * W_DIM];

    for (guint i = 0; i < PIXELS; i++)
        crop[i] = (guint8)(i * 7);
    for (guint i = 0; i < 2; i++) {
        LkGpu *device;
        LkNet *net;
        if (i == 1)
            g_setenv("LIKENESS_MAX_ALLOCATION", "50000", TRUE);
        device = lk_gpu_open(g_getenv("LIKENESS_TEST_DEVICE") ?: "cpu", LK_GPU_VALIDATE, &error);
        g_unsetenv("LIKENESS_MAX_ALLOCATION");
        g_assert_no_error(error);
        g_assert_true(i == 0 || lk_gpu_info(device)->max_allocation == 50000);
        net = net_golden_net(device, "plain", LK_F32, 0);
        lk_net_invert(net, crop, w_plus, NULL, &error);
        g_assert_no_error(error);
        lk_net_generate(net, w_plus, NULL, LK_INVERSION_STYLERES, pictures[i], NULL, &error);
        g_assert_no_error(error);
        lk_net_free(net);
        g_assert_cmpuint(lk_gpu_n_messages(device), ==, 0);
        lk_gpu_free(device);
    }
    g_assert_cmpmem(pictures[0], PIXELS, pictures[1], PIXELS);
}

static void add_tests(void)
{
    NET_ADD("memory", test_memory);
    g_test_add_func("/net/kept-encoder", test_kept_encoder);
    g_test_add_func("/net/damaged-encoder", test_damaged_encoder);
    g_test_add_func("/net/no-room", test_no_room);
    g_test_add_func("/net/small-allocations", test_small_allocations);
}

int main(int argc, char **argv)
{
    return net_test_main(argc, argv, add_tests);
}
