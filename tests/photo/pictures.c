/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pictures.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

LkPhoto *test_picture(guint width, guint height)
{
    g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);

    for (guint y = 0; y < height; y++) {
        for (guint x = 0; x < width; x++) {
            guint8 *pixel = pixels + ((gsize)y * width + x) * 4;
            double u = (double)x / width, v = (double)y / height;

            pixel[0] = (guint8)lround(25.0 + 200.0 * u);
            pixel[1] = (guint8)lround(230.0 - 190.0 * v);
            pixel[2] = (guint8)lround(128.0 + 90.0 * sin(7.0 * u + 3.0 * v) * cos(4.0 * v));
            pixel[3] = 0xff;
        }
    }
    return lk_photo_new(width, height, pixels);
}

const guint8 *test_pixel(const LkPhoto *photo, guint x, guint y)
{
    return lk_photo_pixels(photo) + ((gsize)y * lk_photo_width(photo) + x) * 4;
}

static gsize n_bytes(const LkPhoto *a, const LkPhoto *b)
{
    g_assert_cmpuint(lk_photo_width(a), ==, lk_photo_width(b));
    g_assert_cmpuint(lk_photo_height(a), ==, lk_photo_height(b));
    return (gsize)lk_photo_width(a) * lk_photo_height(a) * 4;
}

int test_max_difference(const LkPhoto *a, const LkPhoto *b)
{
    const guint8 *p = lk_photo_pixels(a), *q = lk_photo_pixels(b);
    gsize n = n_bytes(a, b);
    int most = 0;

    for (gsize i = 0; i < n; i++)
        most = MAX(most, abs(p[i] - q[i]));
    return most;
}

double test_mean_difference(const LkPhoto *a, const LkPhoto *b)
{
    const guint8 *p = lk_photo_pixels(a), *q = lk_photo_pixels(b);
    gsize n = n_bytes(a, b);
    double sum = 0.0;

    for (gsize i = 0; i < n; i++)
        sum += abs(p[i] - q[i]);
    return sum / (double)n;
}

static const J_COLOR_SPACE input_space[] = {JCS_EXT_RGBX, JCS_GRAYSCALE, JCS_CMYK, JCS_CMYK};
static const J_COLOR_SPACE file_space[] = {JCS_YCbCr, JCS_GRAYSCALE, JCS_CMYK, JCS_YCCK};

/* Orientation as the only entry of an EXIF block's first directory. */
static void write_exif(struct jpeg_compress_struct *cinfo, guint orientation)
{
    guint8 exif[] = {'E', 'x', 'i', 'f',  0,    0, 'M', 'M', 0, 42, 0, 0, 0,
                     8,   0,   1,   0x01, 0x12, 0, 3,   0,   0, 0,  1, 0, (guint8)orientation,
                     0,   0,   0,   0,    0,    0};

    jpeg_write_marker(cinfo, JPEG_APP0 + 1, exif, sizeof exif);
}

static void convert_row(const guint8 *from, guint width, TestJpegKind kind, guint8 *to)
{
    for (guint x = 0; x < width; x++, from += 4) {
        if (kind == TEST_GREY) {
            *to++ = from[1];
        } else {
            memcpy(to, from, 3);
            to[3] = 0xff; /* inverted: no black */
            to += 4;
        }
    }
}

GByteArray *test_jpeg(const LkPhoto *photo, const TestJpeg *how)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    guint width = lk_photo_width(photo);
    g_autofree guint8 *row = g_malloc((gsize)width * 4);
    unsigned char *data = NULL;
    unsigned long size = 0;
    GByteArray *file;

    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &data, &size);
    cinfo.image_width = width;
    cinfo.image_height = lk_photo_height(photo);
    cinfo.input_components = how->kind == TEST_GREY ? 1 : 4;
    cinfo.in_color_space = input_space[how->kind];
    jpeg_set_defaults(&cinfo);
    jpeg_set_colorspace(&cinfo, file_space[how->kind]);
    jpeg_set_quality(&cinfo, 97, TRUE);
    cinfo.comp_info[0].h_samp_factor = cinfo.comp_info[0].v_samp_factor = 1;
    if (how->kind == TEST_YCCK)
        cinfo.comp_info[3].h_samp_factor = cinfo.comp_info[3].v_samp_factor = 1;
    if (how->progressive)
        jpeg_simple_progression(&cinfo);
    jpeg_start_compress(&cinfo, TRUE);
    if (how->orientation)
        write_exif(&cinfo, how->orientation);
    if (how->icc)
        jpeg_write_icc_profile(&cinfo, g_bytes_get_data(how->icc, NULL),
                               (unsigned int)g_bytes_get_size(how->icc));
    while (cinfo.next_scanline < cinfo.image_height) {
        convert_row(test_pixel(photo, 0, cinfo.next_scanline), width, how->kind, row);
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    file = g_byte_array_append(g_byte_array_new(), data, (guint)size);
    free(data);
    return file;
}

char *test_folder(void)
{
    g_autoptr(GError) error = NULL;
    char *folder = g_dir_make_tmp("likeness-photo-XXXXXX", &error);

    g_assert_no_error(error);
    return folder;
}

void test_folder_remove(char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_free(folder);
}

guint test_folder_count(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

char *test_write_bytes(const char *folder, const char *name, const guint8 *data, gsize size)
{
    char *path = g_build_filename(folder, name, NULL);

    /* Without CONSISTENT, GLib does not shorten a longer file. */
    g_unlink(path);
    g_assert_true(g_file_set_contents_full(path, (const char *)data, (gssize)size, G_FILE_SET_CONTENTS_NONE,
                                           0600, NULL));
    return path;
}

LkPhoto *test_open_bytes(const char *folder, const char *name, const guint8 *data, gsize size, GError **error)
{
    g_autofree char *path = test_write_bytes(folder, name, data, size);

    return lk_photo_open(path, error);
}

void test_assert_fails(const char *folder, const char *name, const guint8 *data, gsize size,
                       LkPhotoError code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) photo = test_open_bytes(folder, name, data, size, &error);

    g_assert_null(photo);
    g_assert_error(error, LK_PHOTO_ERROR, (int)code);
    g_assert_true(g_str_has_prefix(error->message, name));
    g_assert_true(g_str_has_suffix(error->message, "."));
}

void test_put_be32(guint8 *at, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(at, &value, sizeof value);
}

static void place_sample(guint8 *pixels, guint stride, const char *name, guint width, guint x)
{
    g_autofree char *path = g_build_filename(g_getenv("LIKENESS_DATA"), "samples", name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(LkPhoto) sample = lk_photo_open(path, &error), resized = NULL;

    g_assert_no_error(error);
    resized = lk_photo_resize(sample, width, width * lk_photo_height(sample) / lk_photo_width(sample));
    for (guint y = 0; y < lk_photo_height(resized); y++)
        memcpy(pixels + ((gsize)y * stride + x) * 4, test_pixel(resized, 0, y), (gsize)width * 4);
}

LkPhoto *test_picture_of_two(guint gap)
{
    const guint left = 340, right = 460, width = left + gap + right, height = 600;
    g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);

    for (gsize i = 0; i < (gsize)width * height * 4; i++)
        pixels[i] = i % 4 == 3 ? 0xff : 0x80;
    place_sample(pixels, width, "portrait-1.jpg", left, 0);
    place_sample(pixels, width, "portrait-2.jpg", right, left + gap);
    return lk_photo_new(width, height, pixels);
}
