/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net_fixture.h"

#include "tiny_model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

LkGpu *net_gpu;
char *net_folder;

/* ---- the goldens ---- */

char *net_golden_path(const char *model, const char *name)
{
    g_autofree char *file = g_strdup_printf("%s%s", name, strchr(name, '.') ? "" : ".npy");

    return g_build_filename(g_getenv("LIKENESS_TEST_DATA"), "golden", "tiny", model, file, NULL);
}

LkNpy *net_golden(const char *model, const char *name)
{
    g_autofree char *path = net_golden_path(model, name);

    return lk_npy_read(path);
}

double net_relative_error(const float *values, const float *expected, gsize n)
{
    double difference = 0, size = 0;

    for (gsize i = 0; i < n; i++) {
        difference += ((double)values[i] - expected[i]) * ((double)values[i] - expected[i]);
        size += (double)expected[i] * expected[i];
    }
    g_assert_cmpfloat(size, >, 0);
    return sqrt(difference / size);
}

LkNet *net_golden_net(LkGpu *device, const char *name, LkType storage, LkNetFlags flags)
{
    g_autofree char *path = net_golden_path(name, "model.safetensors");
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = lk_model_open(path, &error);
    LkNet *net;

    g_assert_no_error(error);
    net = lk_net_new(device, model, storage, flags, &error);
    g_assert_no_error(error);
    return net;
}

/* ---- a net and a photo ---- */

void net_set_crop(NetFixture *fixture, guint seed)
{
    for (guint i = 0; i < PIXELS; i++)
        fixture->crop[i] = (guint8)((i * (seed + 3)) ^ (i / SIDE * 5));
}

void net_fixture_init(NetFixture *fixture, gconstpointer projection)
{
    g_autofree char *path = g_build_filename(net_folder, "a.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkModel) model = NULL;

    lk_tiny_model_write(path, &(LkTinyOptions){.projection = projection != NULL, .noise = projection != NULL},
                        &error);
    g_assert_no_error(error);
    model = lk_model_open(path, &error);
    g_assert_no_error(error);
    g_unlink(path);
    fixture->net = lk_net_new(net_gpu, model, LK_F32, 0, &error);
    g_assert_no_error(error);
    net_set_crop(fixture, 0);
}

void net_golden_init(NetFixture *fixture, gconstpointer name)
{
    fixture->net = net_golden_net(net_gpu, name, LK_F32, 0);
    net_set_crop(fixture, 0);
}

void net_fixture_clear(NetFixture *fixture, gconstpointer data)
{
    lk_net_free(fixture->net);
}

void net_assert_ran(const NetFixture *fixture, const char *expected)
{
    g_autoptr(GString) names = g_string_new(NULL);
    gsize n;
    const LkStageRun *runs = lk_net_last_run(fixture->net, &n);

    for (gsize i = 0; i < n; i++) {
        g_string_append_printf(names, "%s%s", i ? " " : "", runs[i].name);
        g_assert_cmpfloat(runs[i].seconds, >=, 0);
    }
    g_assert_cmpstr(names->str, ==, expected);
}

void net_invert(NetFixture *fixture, const char *expected)
{
    g_autoptr(GError) error = NULL;

    lk_net_invert(fixture->net, fixture->crop, fixture->w_plus, NULL, &error);
    g_assert_no_error(error);
    if (expected)
        net_assert_ran(fixture, expected);
}

void net_generate_styles(NetFixture *fixture, const float *w_plus, const float *offsets, LkInversionMode mode,
                         guint8 *picture, const char *expected)
{
    g_autoptr(GError) error = NULL;

    lk_net_generate(fixture->net, w_plus, offsets, mode, picture, NULL, &error);
    g_assert_no_error(error);
    if (expected)
        net_assert_ran(fixture, expected);
}

void net_generate(NetFixture *fixture, const float *w_plus, LkInversionMode mode, guint8 *picture,
                  const char *expected)
{
    net_generate_styles(fixture, w_plus, NULL, mode, picture, expected);
}

gpointer net_cancel_soon(gpointer cancellable)
{
    g_usleep(g_random_int_range(0, 30000));
    g_cancellable_cancel(cancellable);
    return NULL;
}

/* ---- the program ---- */

int net_test_main(int argc, char **argv, void (*add_tests)(void))
{
    const char *device = g_getenv("LIKENESS_TEST_DEVICE");
    g_autoptr(GError) error = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    net_gpu = lk_gpu_open(device ? device : "cpu", LK_GPU_VALIDATE, &error);
    g_assert_no_error(error);
    net_folder = g_dir_make_tmp("likeness-net-XXXXXX", &error);
    g_assert_no_error(error);

    add_tests();
    result = g_test_run();

    g_assert_cmpuint(lk_gpu_n_messages(net_gpu), ==, 0);
    lk_gpu_free(net_gpu);
    g_rmdir(net_folder);
    g_free(net_folder);
    return result;
}
