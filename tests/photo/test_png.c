/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PNG files: what we write, every kind we read, and all the ways to be broken.
 */
#include "pictures.h"

#include <glib/gstdio.h>
#include <png.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

typedef struct {
    char *folder, *path;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->folder = test_folder();
    f->path = g_build_filename(f->folder, "picture.png", NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->path);
    test_folder_remove(f->folder);
}

static LkPhoto *open_picture(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    LkPhoto *photo = lk_photo_open(f->path, &error);

    g_assert_no_error(error);
    return photo;
}

static GByteArray *read_picture(Fixture *f)
{
    char *data;
    gsize size;

    g_assert_true(g_file_get_contents(f->path, &data, &size, NULL));
    return g_byte_array_new_take((guint8 *)data, size);
}

static void save(const LkPhoto *photo, const char *path)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(lk_photo_save_png(photo, path, &error));
    g_assert_no_error(error);
}

static void test_round_trip(Fixture *f, gconstpointer data)
{
    g_autoptr(LkPhoto) picture = test_picture(41, 33), again = NULL;
    g_autoptr(GByteArray) file = NULL;

    save(picture, f->path);
    save(picture, f->path); /* over itself */
    again = open_picture(f);
    file = read_picture(f);
    g_assert_cmpint(test_max_difference(picture, again), ==, 0);
    g_assert_cmpuint(test_folder_count(f->folder), ==, 1);
    g_assert_cmpmem(file->data + 37, 4, "sRGB", 4);
}

static void test_alpha(Fixture *f, gconstpointer data)
{
    g_autofree guint8 *pixels = g_malloc(20 * 20 * 4);
    g_autoptr(LkPhoto) picture = NULL, again = NULL;

    for (guint i = 0; i < 20 * 20 * 4; i++)
        pixels[i] = (guint8)(i * 37 % 256);
    picture = lk_photo_new(20, 20, pixels);
    save(picture, f->path);
    again = open_picture(f);
    g_assert_cmpint(test_max_difference(picture, again), ==, 0);
}

static void test_save_fails(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) picture = test_picture(20, 20);

    g_assert_false(lk_photo_save_png(picture, "/nowhere/out.png", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_true(g_str_has_prefix(error->message, "out.png cannot be written: "));
    g_clear_error(&error);
    /* A folder in the way: the temporary file must be gone again. */
    g_assert_cmpint(g_mkdir(f->path, 0700), ==, 0);
    g_assert_false(lk_photo_save_png(picture, f->path, &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(test_folder_count(f->folder), ==, 1);
    g_assert_cmpint(g_rmdir(f->path), ==, 0);
}

/* A disk that fills up half way, by the limit on a file's size. */
static void test_disk_full(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) picture = test_picture(300, 300);
    struct rlimit limit, small;
    gboolean saved;

    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    small = (struct rlimit){.rlim_cur = 5000, .rlim_max = limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    saved = lk_photo_save_png(picture, f->path, &error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(saved);
    g_assert_true(g_str_has_prefix(error->message, "picture.png cannot be written: "));
    g_assert_cmpuint(test_folder_count(f->folder), ==, 0);
}

typedef struct {
    int colour, depth, interlace;
    gboolean transparent; /* with a tRNS chunk */
    /* What pixels (0, 0) and (1, 0) become. */
    guint8 first[4], second[4];
} Kind;

/* Pixel (0, 0) all zero bits, pixel (1, 0) all one bits, the rest zero. In a palette: 0 is orange, 1 is blue. */
static const Kind kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1, 0, FALSE, {0, 0, 0, 255}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_GRAY, 2, 0, FALSE, {0, 0, 0, 255}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_GRAY, 4, 1, FALSE, {0, 0, 0, 255}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_GRAY, 8, 0, TRUE, {0, 0, 0, 0}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_GRAY, 16, 1, FALSE, {0, 0, 0, 255}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, FALSE, {0, 0, 0, 0}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0, FALSE, {0, 0, 0, 0}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_RGB, 8, 1, FALSE, {0, 0, 0, 255}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_RGB, 16, 0, TRUE, {0, 0, 0, 0}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_RGB_ALPHA, 8, 1, FALSE, {0, 0, 0, 0}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_RGB_ALPHA, 16, 0, FALSE, {0, 0, 0, 0}, {255, 255, 255, 255}},
    {PNG_COLOR_TYPE_PALETTE, 1, 0, FALSE, {250, 120, 10, 255}, {5, 6, 200, 255}},
    {PNG_COLOR_TYPE_PALETTE, 4, 1, TRUE, {250, 120, 10, 40}, {5, 6, 200, 255}},
    {PNG_COLOR_TYPE_PALETTE, 8, 0, TRUE, {250, 120, 10, 40}, {5, 6, 200, 255}},
};

static void fill_row(const Kind *kind, guint8 *row, gsize size)
{
    static const guint8 samples[] = {1, 0, 3, 1, 2, 0, 4}; /* per pixel, by colour type */
    guint bits = samples[kind->colour] * (guint)kind->depth;
    guint value = kind->colour == PNG_COLOR_TYPE_PALETTE ? 1u : (1u << kind->depth) - 1;

    memset(row, 0, size);
    if (bits < 8)
        row[0] = (guint8)(value << (8 - 2 * bits));
    else if (kind->colour == PNG_COLOR_TYPE_PALETTE)
        row[1] = 1;
    else
        memset(row + bits / 8, 0xff, bits / 8);
}

static void set_colours(const Kind *kind, png_structp png, png_infop info)
{
    const png_color palette[2] = {{250, 120, 10}, {5, 6, 200}};
    png_byte alpha[1] = {40};
    png_color_16 black = {0};

    if (kind->colour == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 2);
    if (kind->transparent)
        png_set_tRNS(png, info, alpha, kind->colour == PNG_COLOR_TYPE_PALETTE ? 1 : 0, &black);
}

static void write_kind(const Kind *kind, const char *path)
{
    FILE *stream = g_fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    guint8 first[32 * 8], blank[32 * 8] = {0};
    png_bytep rows[32];

    fill_row(kind, first, sizeof first);
    for (int y = 0; y < 32; y++)
        rows[y] = y == 0 ? first : blank;
    png_init_io(png, stream);
    png_set_IHDR(png, info, 32, 32, kind->depth, kind->colour, kind->interlace, 0, 0);
    set_colours(kind, png, info);
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(stream);
}

static void test_kinds(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(LkPhoto) photo = NULL;

        g_test_message("colour type %d, %d bits", kinds[i].colour, kinds[i].depth);
        write_kind(&kinds[i], f->path);
        photo = open_picture(f);
        g_assert_cmpuint(lk_photo_width(photo), ==, 32);
        g_assert_cmpmem(test_pixel(photo, 0, 0), 4, kinds[i].first, 4);
        g_assert_cmpmem(test_pixel(photo, 1, 0), 4, kinds[i].second, 4);
        g_assert_cmpmem(test_pixel(photo, 31, 31), 4, kinds[i].first, 4);
    }
}

static void test_truncated(Fixture *f, gconstpointer data)
{
    g_autoptr(LkPhoto) picture = test_picture(41, 33);
    g_autoptr(GByteArray) file = NULL;

    save(picture, f->path);
    file = read_picture(f);
    for (guint size = 8; size < file->len; size += size < 100 ? 1 : 11)
        test_assert_fails(f->folder, "cut.png", file->data, size, LK_PHOTO_ERROR_DAMAGED);
    test_assert_fails(f->folder, "cut.png", file->data, file->len - 1, LK_PHOTO_ERROR_DAMAGED);
    file->data[file->len / 2] ^= 0x40;
    test_assert_fails(f->folder, "bad.png", file->data, file->len, LK_PHOTO_ERROR_DAMAGED);
}

static guint32 crc32_of(const guint8 *data, gsize size)
{
    guint32 crc = 0xffffffff;

    for (gsize i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void test_sizes(Fixture *f, gconstpointer data)
{
    static const guint32 refused[][2] = {{1, 1}, {15, 99}, {99, 15}, {999999, 999999}, {20001, 10000}};
    g_autoptr(LkPhoto) picture = test_picture(41, 33);
    g_autoptr(GByteArray) file = NULL;

    save(picture, f->path);
    file = read_picture(f);
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        test_put_be32(file->data + 16, refused[i][0]);
        test_put_be32(file->data + 20, refused[i][1]);
        test_put_be32(file->data + 29, crc32_of(file->data + 12, 17));
        test_assert_fails(f->folder, "odd.png", file->data, file->len, LK_PHOTO_ERROR_SIZE);
    }
}

static void test_message(Fixture *f, gconstpointer data)
{
    g_autoptr(LkPhoto) picture = test_picture(1, 1), opened = NULL;
    g_autoptr(GError) error = NULL;

    save(picture, f->path);
    opened = lk_photo_open(f->path, &error);
    g_assert_null(opened);
    g_assert_cmpstr(error->message, ==, "picture.png is only 1 x 1 pixels.");
}

static void test_shared_bytes(void)
{
    LkPhoto *picture = test_picture(16, 16), *second = lk_photo_ref(picture);
    GBytes *bytes = lk_photo_bytes(picture);

    g_assert_true(g_bytes_get_data(bytes, NULL) == lk_photo_pixels(picture));
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, 16 * 16 * 4);
    lk_photo_unref(picture);
    lk_photo_unref(second);
    lk_photo_unref(NULL);
    g_assert_cmpuint(((const guint8 *)g_bytes_get_data(bytes, NULL))[3], ==, 0xff);
    g_bytes_unref(bytes);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/png/round-trip", Fixture, NULL, set_up, test_round_trip, tear_down);
    g_test_add("/png/alpha", Fixture, NULL, set_up, test_alpha, tear_down);
    g_test_add("/png/save-fails", Fixture, NULL, set_up, test_save_fails, tear_down);
    g_test_add("/png/disk-full", Fixture, NULL, set_up, test_disk_full, tear_down);
    g_test_add("/png/kinds", Fixture, NULL, set_up, test_kinds, tear_down);
    g_test_add("/png/truncated", Fixture, NULL, set_up, test_truncated, tear_down);
    g_test_add("/png/sizes", Fixture, NULL, set_up, test_sizes, tear_down);
    g_test_add("/png/message", Fixture, NULL, set_up, test_message, tear_down);
    g_test_add_func("/png/shared-bytes", test_shared_bytes);
    return g_test_run();
}
