/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * net_fixture.h - a device, a folder, the goldens, and a net with a photo, for the tests of the networks on a device.
 */
#pragma once

#include "net.h"
#include "npy.h"

G_BEGIN_DECLS

/* What fails here ends the test that asks: no function returns an error. */

/* The device (LIKENESS_TEST_DEVICE, or the software driver) and an empty folder, while net_test_main runs. */
extern LkGpu *net_gpu;
extern char *net_folder;

/* ---- the goldens ---- */

/* A file of tests/golden/tiny/<model>; a name without a dot is that of an .npy file. Free with g_free. */
char *net_golden_path(const char *model, const char *name);
/* Such an .npy file. Free with lk_npy_free. */
LkNpy *net_golden(const char *model, const char *name);

/* |values - expected| / |expected| of n values each; expected is not all zeros. */
double net_relative_error(const float *values, const float *expected, gsize n);

/* A net of the model of tests/golden/tiny/<name>. Free with lk_net_free. */
LkNet *net_golden_net(LkGpu *device, const char *name, LkType storage, LkNetFlags flags);

/* ---- a net and a photo ---- */

/* Side of photo and picture; rows of w+ and values in each; bytes of the photo and of a picture, both RGBA. */
enum { SIDE = 32, ROWS = 8, W_DIM = 24, PIXELS = SIDE * SIDE * 4 };

typedef struct {
    LkNet *net;
    guint8 crop[PIXELS];
    float w_plus[ROWS * W_DIM];
} NetFixture;

/* A net of a tiny model, with noise and E2's projections where projection is not NULL, and the photo of seed 0. */
void net_fixture_init(NetFixture *fixture, gconstpointer projection);
/* The same of a model of the goldens. */
void net_golden_init(NetFixture *fixture, gconstpointer name);
void net_fixture_clear(NetFixture *fixture, gconstpointer data);

/* Another photo for every seed. */
void net_set_crop(NetFixture *fixture, guint seed);

/* expected: the names of the last run's stages, a space between two. */
void net_assert_ran(const NetFixture *fixture, const char *expected);

/* The photo's code into w_plus. expected, here and below: as above, or NULL for whatever ran. */
void net_invert(NetFixture *fixture, const char *expected);

/* w_plus: ROWS x W_DIM; offsets: one for each style, or NULL; picture: PIXELS bytes. */
void net_generate_styles(NetFixture *fixture, const float *w_plus, const float *offsets, LkInversionMode mode,
                         guint8 *picture, const char *expected);
void net_generate(NetFixture *fixture, const float *w_plus, LkInversionMode mode, guint8 *picture,
                  const char *expected);

/* What runs for a photo's code, for an edit of row 0, and for a photo's first picture. */
#define CODE_STAGES  "image_in e0 heads"
#define EDIT_STAGES  "b4 b8.conv0 e2 b8.conv1 b16 b32 image_out"
#define FIRST_STAGES "f.b4 f.b8 e1.align e1.extract e2.photo " EDIT_STAGES

/* For g_thread_new: cancels a GCancellable, which the caller keeps, within some 30 ms. Returns NULL. */
gpointer net_cancel_soon(gpointer cancellable);

/* ---- the program ---- */

/* A test of a NetFixture, with a plain model and with one that has noise and projections. */
#define NET_ADD(name, test)                                                                                  \
    g_test_add("/net/" name, NetFixture, NULL, net_fixture_init, test, net_fixture_clear);                   \
    g_test_add("/net/projection/" name, NetFixture, "", net_fixture_init, test, net_fixture_clear)

/* All of main: the tests that add_tests adds, and no message of the validation layers. */
int net_test_main(int argc, char **argv, void (*add_tests)(void));

G_END_DECLS
