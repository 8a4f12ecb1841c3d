/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of NumPy's files. An input is a file; one that begins with a { is instead a header, which gets what stands before
 * it, and as many zeros behind it as one of a few shapes needs.
 */
#include "fuzz_file.h"
#include "npy_file.h"

#include <string.h>

static const char *make_file(const uint8_t *data, size_t size)
{
    static const size_t zeros[] = {0, 2, 4, 8, 48, 96, 1024, 2048, 4096};
    g_autofree guint8 *bytes = g_malloc(10 + size);

    if (size < 2 || size > 65535 || data[0] != '{')
        return fuzz_file(data, size, 0);
    memcpy(bytes, "\x93NUMPY\x01", 8);
    bytes[8] = (guint8)size;
    bytes[9] = (guint8)(size >> 8);
    memcpy(bytes + 10, data, size);
    return fuzz_file(bytes, 10 + size, zeros[data[size - 1] % G_N_ELEMENTS(zeros)]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    guint64 shape[LK_TORCH_MAX_DIMS], n = 1;
    const char *path = make_file(data, size);
    GError *error = NULL;
    guint n_dims;
    g_autofree float *values = lk_npy_load(path, shape, &n_dims, &error);
    volatile float last = 0;

    if (values == NULL) {
        fuzz_check_error(error, path);
        return 0;
    }
    g_assert_cmpuint(n_dims, <=, LK_TORCH_MAX_DIMS);
    for (guint i = 0; i < n_dims; i++)
        n *= shape[i];
    for (guint64 i = 0; i < n; i++)
        last = values[i];
    (void)last;
    return 0;
}
