/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening of photos: JPEG, PNG, TIFF, WebP and HEIF by what the bytes begin with, their metadata and their profiles. Small ones
 * are exported, too, with some pixels changed, in a format and depth that the last byte says.
 */
#include "fuzz_file.h"
#include "original.h"

#define MAX_EXPORTED 4096 /* pixels */

static void export(const LkOriginal *original, guint choice)
{
    static const char *const names[] = {"out.png", "out.jpg", "out.tif", "out.webp"};
    const LkPhoto *photo = lk_original_photo(original);
    float change[3] = {0.25f, -0.25f, 0};
    const LkPatch patch = {lk_photo_width(photo) / 2, lk_photo_height(photo) / 2, 1, 1, change};
    LkExportOptions how = {.depth = choice & 4 ? 16 : 0,
                           .quality = choice & 8 ? 60 : 0,
                           .full_chroma = (choice & 16) != 0,
                           .strip_location = (choice & 32) != 0};
    g_autofree char *path = fuzz_output(names[choice % 4]);
    GError *error = NULL;

    g_assert_true(lk_file_format_from_path(path, &how.format));
    if (how.format != LK_FILE_PNG && how.format != LK_FILE_TIFF)
        how.depth = 0;
    if (!lk_original_save(original, &(const LkPatch *){&patch}, 1, path, &how, &error))
        fuzz_check_error(error, NULL);
}

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
    if (n <= MAX_EXPORTED * 4)
        export(original, data[size - 1]);
    return 0;
}
