/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Photos as their files have them: HEIF, damage of every kind, disks that fill up. What is in the exported files is
 * check-export.py's business.
 */
#include "original.h"
#include "pictures.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#ifdef LK_HAVE_HEIF
#include <libheif/heif.h>
#endif

typedef struct {
    char *folder;
    LkPhoto *picture;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->folder = test_folder();
    f->picture = test_picture(90, 64);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    lk_photo_unref(f->picture);
    test_folder_remove(f->folder);
}

static char *in_folder(const Fixture *f, const char *name)
{
    return g_build_filename(f->folder, name, NULL);
}

static LkOriginal *open_file(const Fixture *f, const char *name)
{
    g_autofree char *path = in_folder(f, name);
    g_autoptr(GError) error = NULL;
    LkOriginal *original = lk_original_open(path, &error);

    g_assert_no_error(error);
    return original;
}

static void save(const Fixture *f, const LkOriginal *original, const LkPatch *patch, const char *name,
                 LkExportOptions options)
{
    g_autofree char *path = in_folder(f, name);
    g_autoptr(GError) error = NULL;

    g_assert_true(lk_file_format_from_path(name, &options.format));
    g_assert_true(
        lk_original_save(original, (const LkPatch *const *)&patch, patch ? 1 : 0, path, &options, &error));
    g_assert_no_error(error);
}

/* The fixture's picture as a file of this name, by way of a PNG. */
static void make_file(Fixture *f, const char *name, LkExportOptions options)
{
    g_autofree char *path = in_folder(f, "source.png");
    g_autoptr(LkOriginal) original = NULL;

    g_assert_true(lk_photo_save_png(f->picture, path, NULL));
    original = open_file(f, "source.png");
    save(f, original, NULL, name, options);
}

static LkPatch *new_patch(guint x, guint y, guint width, guint height, float change)
{
    LkPatch *patch = g_new0(LkPatch, 1);

    *patch = (LkPatch){x, y, width, height, g_new(float, 3 * (gsize)width * height)};
    for (gsize i = 0; i < 3 * (gsize)width * height; i++)
        patch->change[i] = change;
    return patch;
}

/* Without a profile and 8 bits the view is the pixels themselves, and what a patch does is what it does to the view. */
static void test_patches(Fixture *f, gconstpointer data)
{
    g_autoptr(LkOriginal) original = NULL, saved = NULL;
    g_autoptr(LkPatch) first = new_patch(10, 10, 30, 20, 0.1f), second = new_patch(30, 20, 30, 44, -0.06f);
    const LkPatch *patches[] = {first, second};
    g_autofree char *path = in_folder(f, "patched.png");
    g_autoptr(LkPhoto) applied = NULL;

    make_file(f, "plain.png", (LkExportOptions){0});
    original = open_file(f, "plain.png");
    g_assert_cmpint(test_max_difference(lk_original_photo(original), f->picture), ==, 0);
    g_assert_true(
        lk_original_save(original, patches, 2, path, &(LkExportOptions){.format = LK_FILE_PNG}, NULL));
    saved = open_file(f, "patched.png");
    applied = lk_patch_apply(lk_original_photo(original), patches, 2);
    g_assert_cmpint(test_max_difference(lk_original_photo(saved), applied), <=, 1);
    for (guint y = 0; y < 64; y++)
        for (guint x = 0; x < 90; x++)
            if (!(x >= 10 && x < 40 && y >= 10 && y < 30) && !(x >= 30 && x < 60 && y >= 20))
                g_assert_cmpmem(test_pixel(lk_original_photo(saved), x, y), 4, test_pixel(f->picture, x, y),
                                4);
    g_assert_cmpint(test_pixel(lk_original_photo(saved), 15, 15)[0], >, test_pixel(f->picture, 15, 15)[0]);
}

static void test_properties(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"a.PNG", "b.jpeg", "c.tif", "d.webp", "e.tiff", "g.JPG"};
    static const LkFileFormat expected[] = {LK_FILE_PNG,  LK_FILE_JPEG, LK_FILE_TIFF,
                                            LK_FILE_WEBP, LK_FILE_TIFF, LK_FILE_JPEG};
    g_autoptr(LkOriginal) original = NULL, second = NULL;
    LkFileFormat format;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_true(lk_file_format_from_path(names[i], &format));
        g_assert_cmpint(format, ==, expected[i]);
    }
    g_assert_false(lk_file_format_from_path("folder.png/picture", &format));
    g_assert_false(lk_file_format_from_path("picture.gif", &format));
    make_file(f, "deep.tif", (LkExportOptions){.depth = 16});
    original = open_file(f, "deep.tif");
    g_assert_cmpuint(lk_original_depth(original), ==, 16);
    g_assert_false(lk_original_has_alpha(original));
    g_assert_cmpint(test_max_difference(lk_original_photo(original), f->picture), ==, 0);
    second = lk_original_ref(original);
    lk_original_unref(NULL);
}

static const char *const kinds[] = {"cut.png", "cut.jpg", "cut.tif", "cut.webp"};

static LkOriginal *open_bytes(const Fixture *f, const char *name, const guint8 *data, gsize size,
                              GError **error)
{
    g_autofree char *path = test_write_bytes(f->folder, name, data, size);

    return lk_original_open(path, error);
}

static void assert_sentence(const GError *error, const char *name)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == LK_PHOTO_ERROR);
    g_assert_true(g_str_has_prefix(error->message, name));
    g_assert_true(g_str_has_suffix(error->message, "."));
    g_assert_null(strchr(error->message, '\n'));
}

static void check_damage(const Fixture *f, const char *name)
{
    g_autofree char *path = in_folder(f, name), *text = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    g_autofree guint8 *broken = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &text, &size, NULL));
    for (gsize cut = 0; cut < size - 1; cut += cut < 64 ? 3 : size / 60 + 1) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkOriginal) original = open_bytes(f, name, (const guint8 *)text, cut, &error);

        /* A TIFF's directory may lie before its pixels' end, a WebP's last byte may be padding: else a cut is noticed. */
        if (!original)
            assert_sentence(error, name);
        else
            g_assert_cmpuint(cut + 4, >, size * 9 / 10);
    }
    broken = g_malloc(size);
    for (int i = 0; i < 300; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(LkOriginal) original = NULL;

        memcpy(broken, text, size);
        for (int k = 0; k < 1 + i % 8; k++)
            broken[g_rand_int_range(rand, i % 2 ? 0 : (gint32)MAX(size, 300) - 300, (gint32)size)] ^=
                (guint8)(1 << g_rand_int_range(rand, 0, 8));
        original = open_bytes(f, name, broken, size, &error);
        if (!original)
            assert_sentence(error, name);
        else if (i % 10 == 0)
            save(f, original, NULL, "again.tif", (LkExportOptions){0});
    }
}

static void test_damage(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        make_file(f, kinds[i], (LkExportOptions){0});
        check_damage(f, kinds[i]);
    }
}

/* A disk that fills up half way, by the limit on a file's size: nothing is left behind, and the old file stays. */
static void test_disk_full(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"full.png", "full.jpg", "full.tif", "full.webp"};
    g_autoptr(LkPhoto) large = test_picture(600, 500);
    g_autofree char *source = in_folder(f, "large.png");
    g_autoptr(LkOriginal) original = NULL;
    struct rlimit limit, small;

    g_assert_true(lk_photo_save_png(large, source, NULL));
    original = open_file(f, "large.png");
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    small = (struct rlimit){.rlim_cur = 3000, .rlim_max = limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = in_folder(f, names[i]), *left = NULL;
        g_autoptr(GError) error = NULL;
        LkExportOptions options = {0};
        gboolean saved;

        g_assert_true(g_file_set_contents(path, "old", 3, NULL));
        g_assert_true(lk_file_format_from_path(path, &options.format));
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
        saved = lk_original_save(original, NULL, 0, path, &options, &error);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        g_assert_false(saved);
        g_assert_true(g_str_has_prefix(error->message, names[i]));
        g_assert_true(g_file_get_contents(path, &left, NULL, NULL));
        g_assert_cmpstr(left, ==, "old");
    }
    g_assert_cmpuint(test_folder_count(f->folder), ==, 1 + G_N_ELEMENTS(names));
}

static gpointer open_and_save(gpointer data)
{
    Fixture *f = data;
    g_autofree char *name = g_strdup_printf("thread-%p.tif", (void *)g_thread_self());

    for (int i = 0; i < 8; i++) {
        g_autoptr(LkOriginal) original = open_file(f, "shared.jpg");

        save(f, original, NULL, name, (LkExportOptions){0});
    }
    return NULL;
}

/* Many at once, as a batch does. */
static void test_threads(Fixture *f, gconstpointer data)
{
    GThread *threads[4];

    make_file(f, "shared.jpg", (LkExportOptions){0});
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new(NULL, open_and_save, f);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

static void test_without_heif(Fixture *f, gconstpointer data)
{
    static const guint8 bytes[] = "\0\0\0\x18"
                                  "ftypheic\0\0\0\0mif1heic";
    g_autoptr(GError) error = NULL;
    g_autoptr(LkOriginal) original = open_bytes(f, "phone.heic", bytes, sizeof bytes - 1, &error);

    g_assert_null(original);
    assert_sentence(error, "phone.heic");
}

/* Sizes that overflow make exiv2 throw what gexiv2 does not catch. */
static void test_overflow(Fixture *f, gconstpointer data)
{
    guint8 file[400] = "RIFF\xff\xff\xff\xffWEBP";
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    memset(file + 12, 0xff, sizeof file - 12);
    path = test_write_bytes(f->folder, "overflow.webp", file, sizeof file);
    g_assert_null(lk_original_open(path, &error));
    g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_DAMAGED);
}

#ifdef LK_HAVE_HEIF
/* The picture's pixels with 8 or 10 bits, and with Display P3 said by numbers instead of a profile. */
static struct heif_image *heif_picture(const LkPhoto *photo, int bits, gboolean p3, int transfer)
{
    const int width = (int)lk_photo_width(photo), height = (int)lk_photo_height(photo);
    struct heif_color_profile_nclx *nclx = heif_nclx_color_profile_alloc();
    struct heif_image *image;
    guint8 *plane;
    int stride;

    heif_image_create(width, height, heif_colorspace_RGB,
                      bits > 8 ? heif_chroma_interleaved_RRGGBB_LE : heif_chroma_interleaved_RGB, &image);
    heif_image_add_plane(image, heif_channel_interleaved, width, height, bits);
    plane = heif_image_get_plane(image, heif_channel_interleaved, &stride);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const guint8 *pixel = test_pixel(photo, (guint)x, (guint)y);

            for (int c = 0; c < 3; c++) {
                if (bits == 8)
                    plane[y * stride + 3 * x + c] = pixel[c];
                else
                    ((guint16 *)(plane + y * stride))[3 * x + c] = (guint16)(pixel[c] << 2 | pixel[c] >> 6);
            }
        }
    }
    heif_nclx_color_profile_set_color_primaries(nclx, p3 ? 12 : 1);
    heif_nclx_color_profile_set_transfer_characteristics(nclx, (guint16)transfer);
    heif_nclx_color_profile_set_matrix_coefficients(nclx, 6);
    heif_image_set_nclx_color_profile(image, nclx);
    heif_nclx_color_profile_free(nclx);
    return image;
}

typedef struct {
    enum heif_compression_format format;
    int bits;
    gboolean p3;
    enum heif_orientation orientation;
    int transfer; /* 0: sRGB's */
} Heif;

/* EXIF claims orientation 6 in any case: in HEIF the file's own transformation counts, and this one does not. */
static const guint8 heif_exif[] =
    "MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x05\0\0\0\x26\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    "\0\0\0\0Make\0";

static gboolean write_heif(const Fixture *f, const char *name, const Heif *how)
{
    struct heif_context *context = heif_context_alloc();
    struct heif_image *image =
        heif_picture(f->picture, how->bits, how->p3, how->transfer ? how->transfer : 13);
    struct heif_encoding_options *options = heif_encoding_options_alloc();
    struct heif_image_handle *handle = NULL;
    struct heif_encoder *encoder = NULL;
    g_autofree char *path = in_folder(f, name);
    gboolean written =
        heif_context_get_encoder_for_format(context, how->format, &encoder).code == heif_error_Ok;

    options->image_orientation = how->orientation;
    options->macOS_compatibility_workaround_no_nclx_profile = 0;
    if (written) {
        heif_encoder_set_lossy_quality(encoder, 95);
        heif_encoder_set_parameter(encoder, "chroma", "444");
        written =
            heif_context_encode_image(context, image, encoder, options, &handle).code == heif_error_Ok &&
            heif_context_add_exif_metadata(context, handle, heif_exif, sizeof heif_exif - 1).code ==
                heif_error_Ok &&
            heif_context_write_to_file(context, path).code == heif_error_Ok;
        heif_encoder_release(encoder);
    }
    heif_image_handle_release(handle);
    heif_encoding_options_free(options);
    heif_image_release(image);
    heif_context_free(context);
    return written;
}

static void check_heif(const Fixture *f, const Heif *how)
{
    const gboolean turned = how->orientation == heif_orientation_rotate_90_cw;
    g_autoptr(LkOriginal) original = open_file(f, "phone.heic"), again = NULL;
    LkPhoto *photo = lk_original_photo(original);
    int most = 0;

    g_assert_cmpuint(lk_original_depth(original), ==, how->bits > 8 ? 16 : 8);
    g_assert_cmpuint(lk_photo_width(photo), ==, turned ? 64 : 90);
    g_assert_cmpuint(lk_photo_height(photo), ==, turned ? 90 : 64);
    for (guint y = 0; y < 64; y++)
        for (guint x = 0; x < 90; x++)
            for (int c = 0; c < 3; c++)
                most = MAX(most, abs(test_pixel(photo, turned ? 63 - y : x, turned ? x : y)[c] -
                                     test_pixel(f->picture, x, y)[c]));
    /* The same numbers mean other colours in Display P3. */
    g_assert_true(how->p3 ? most > 14 : most < 14);
    save(f, original, NULL, "phone.png", (LkExportOptions){0});
    again = open_file(f, "phone.png");
    g_assert_cmpint(test_max_difference(photo, lk_original_photo(again)), ==, 0);
}

static void test_heif(Fixture *f, gconstpointer data)
{
    static const Heif hows[] = {
        {heif_compression_HEVC, 8, FALSE, heif_orientation_normal},
        {heif_compression_HEVC, 10, FALSE, heif_orientation_normal},
        {heif_compression_HEVC, 8, TRUE, heif_orientation_rotate_90_cw},
        {heif_compression_AV1, 8, FALSE, heif_orientation_rotate_90_cw},
        {heif_compression_AV1, 8, TRUE, heif_orientation_normal},
    };
    guint n = 0;

    for (guint i = 0; i < G_N_ELEMENTS(hows); i++) {
        g_test_message("kind %u", i);
        if (!write_heif(f, "phone.heic", &hows[i]))
            continue;
        n++;
        check_heif(f, &hows[i]);
    }
    if (n == 0)
        g_test_skip("libheif has no encoder here");
}

static void test_heif_hdr(Fixture *f, gconstpointer data)
{
    static const Heif hows[] = {
        {heif_compression_HEVC, 10, FALSE, heif_orientation_normal,
         heif_transfer_characteristic_ITU_R_BT_2100_0_PQ},
        {heif_compression_HEVC, 10, FALSE, heif_orientation_normal,
         heif_transfer_characteristic_ITU_R_BT_2100_0_HLG},
    };
    g_autofree char *path = in_folder(f, "hdr.heic");

    for (guint i = 0; i < G_N_ELEMENTS(hows); i++) {
        g_autoptr(GError) error = NULL;

        if (!write_heif(f, "hdr.heic", &hows[i])) {
            g_test_skip("libheif has no encoder here");
            return;
        }
        g_assert_null(lk_original_open(path, &error));
        g_assert_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT);
        g_assert_cmpstr(error->message, ==,
                        "hdr.heic is a picture in high dynamic range (PQ or HLG) and cannot be read.");
    }
}

static void test_heif_damage(Fixture *f, gconstpointer data)
{
    if (write_heif(f, "cut.heic", &(Heif){heif_compression_HEVC, 8, FALSE, heif_orientation_normal}))
        check_damage(f, "cut.heic");
    else
        g_test_skip("libheif has no encoder here");
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/original/patches", Fixture, NULL, set_up, test_patches, tear_down);
    g_test_add("/original/properties", Fixture, NULL, set_up, test_properties, tear_down);
    g_test_add("/original/overflow", Fixture, NULL, set_up, test_overflow, tear_down);
    g_test_add("/original/damage", Fixture, NULL, set_up, test_damage, tear_down);
    g_test_add("/original/disk-full", Fixture, NULL, set_up, test_disk_full, tear_down);
    g_test_add("/original/threads", Fixture, NULL, set_up, test_threads, tear_down);
    g_test_add("/original/heif-header-only", Fixture, NULL, set_up, test_without_heif, tear_down);
#ifdef LK_HAVE_HEIF
    g_test_add("/original/heif", Fixture, NULL, set_up, test_heif, tear_down);
    g_test_add("/original/heif-hdr", Fixture, NULL, set_up, test_heif_hdr, tear_down);
    g_test_add("/original/heif-damage", Fixture, NULL, set_up, test_heif_damage, tear_down);
#endif
    return g_test_run();
}
