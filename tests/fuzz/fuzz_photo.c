/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening of photos: JPEG, PNG, TIFF, WebP and HEIF by what the bytes begin with, their metadata and their profiles.
 */
#include "fuzz_file.h"
#include "original.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size, 0);
    g_autofree char *name = g_path_get_basename(path);
    GError *error = NULL;
    g_autoptr(LkOriginal) original = lk_original_open(path, &error);
    const LkPhoto *photo;
    volatile guint8 last = 0;
    gsize n;

    if (original == NULL) {
        fuzz_check_error(error, name);
        return 0;
    }
    photo = lk_original_photo(original);
    n = (gsize)lk_photo_width(photo) * lk_photo_height(photo) * 4;
    for (gsize i = 0; i < n; i++)
        last = lk_photo_pixels(photo)[i];
    (void)last;
    return 0;
}
