/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pictures.h - pictures and files that the photo tests make for themselves.
 */
#pragma once

#include "photo.h"

G_BEGIN_DECLS

/* A smooth, colourful, opaque picture in which no two neighbourhoods are the same. */
LkPhoto *test_picture(guint width, guint height);

/* Its pixel (x, y). */
const guint8 *test_pixel(const LkPhoto *photo, guint x, guint y);

/* Two of the sample portraits side by side with a gap, the right one the larger. */
LkPhoto *test_picture_of_two(guint gap);

/* Largest and mean absolute difference of two pictures of the same size, over all four channels. */
int test_max_difference(const LkPhoto *a, const LkPhoto *b);
double test_mean_difference(const LkPhoto *a, const LkPhoto *b);

typedef enum { TEST_YCC, TEST_GREY, TEST_CMYK, TEST_YCCK } TestJpegKind;

typedef struct {
    TestJpegKind kind;
    gboolean progressive;
    guint orientation; /* EXIF, 0: none */
    GBytes *icc;       /* or NULL */
} TestJpeg;

/* photo as a JPEG file's bytes, of high quality. CMYK and YCCK with Adobe's marker and inverted inks. */
GByteArray *test_jpeg(const LkPhoto *photo, const TestJpeg *how);

/* A path in a fresh folder that test_folder_remove removes with all that is in it. */
char *test_folder(void);
void test_folder_remove(char *folder); /* also frees it */
guint test_folder_count(const char *folder);

/* Writes a file and gives its path. */
char *test_write_bytes(const char *folder, const char *name, const guint8 *data, gsize size);

/* Writes a file and opens it as a photo. */
LkPhoto *test_open_bytes(const char *folder, const char *name, const guint8 *data, gsize size,
                         GError **error);

/* Whether the bytes fail to open with this code, the message naming the file. */
void test_assert_fails(const char *folder, const char *name, const guint8 *data, gsize size,
                       LkPhotoError code);

/* A chunk or marker's number, most significant byte first. */
void test_put_be32(guint8 *at, guint32 value);

G_END_DECLS
