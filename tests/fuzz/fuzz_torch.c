/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of PyTorch's files. An input is a file; one that begins with a Z is instead the data.pkl of an archive that is
 * put around it, with a right checksum and some storages, so that changes reach the pickle.
 */
#include "fuzz_file.h"
#include "torch_file.h"

#include <string.h>
#include <zlib.h>

enum { PIECE = 4096, N_STORAGES = 10, STORAGE_SIZE = 256 };

/* ---- an archive ---- */

static void add_number(GByteArray *bytes, guint64 number, guint n)
{
    for (guint i = 0; i < n; i++)
        g_byte_array_append(bytes, &(guint8){(guint8)(number >> (8 * i))}, 1);
}

/* What the header of an entry and that of the directory have in common. */
static void add_header(GByteArray *bytes, const char *name, const guint8 *data, gsize size)
{
    add_number(bytes, 0, 4); /* flags, method */
    add_number(bytes, 0x21 << 16, 4);
    add_number(bytes, crc32(0, data, (uInt)size), 4);
    add_number(bytes, size, 4);
    add_number(bytes, size, 4);
    add_number(bytes, strlen(name), 2);
    add_number(bytes, 0, 2);
}

static void add_entry(GByteArray *archive, GByteArray *directory, const char *name, const guint8 *data,
                      gsize size)
{
    const guint place = archive->len;

    add_number(archive, 0x04034b50, 4);
    add_number(archive, 10, 2);
    add_header(archive, name, data, size);
    g_byte_array_append(archive, (const guint8 *)name, (guint)strlen(name));
    g_byte_array_append(archive, data, (guint)size);
    add_number(directory, 0x02014b50, 4);
    add_number(directory, 10, 2);
    add_number(directory, 10, 2);
    add_header(directory, name, data, size);
    add_number(directory, 0, 10); /* comment, disk, attributes */
    add_number(directory, place, 4);
    g_byte_array_append(directory, (const guint8 *)name, (guint)strlen(name));
}

static GByteArray *make_archive(const uint8_t *description, size_t size)
{
    GByteArray *archive = g_byte_array_new();
    g_autoptr(GByteArray) directory = g_byte_array_new();
    guint8 numbers[STORAGE_SIZE];
    guint place;

    for (guint i = 0; i < sizeof numbers; i++)
        numbers[i] = (guint8)(37 * i);
    add_entry(archive, directory, "a/data.pkl", description, size);
    for (guint i = 0; i < N_STORAGES; i++) {
        g_autofree char *name = g_strdup_printf("a/data/%u", i);
        add_entry(archive, directory, name, numbers, sizeof numbers);
    }
    place = archive->len;
    g_byte_array_append(archive, directory->data, directory->len);
    add_number(archive, 0x06054b50, 4);
    add_number(archive, 0, 4);
    add_number(archive, N_STORAGES + 1, 2);
    add_number(archive, N_STORAGES + 1, 2);
    add_number(archive, directory->len, 4);
    add_number(archive, place, 4);
    add_number(archive, 0, 2);
    return archive;
}

/* ---- all that a tree has ---- */

static void read_piece(LkTorchFile *file, const LkTorchValue *value, guint64 first, gsize n)
{
    float values[PIECE];
    GError *error = NULL;

    if (!lk_torch_read(file, value, first, n, values, &error))
        fuzz_check_error(error, lk_torch_path(file));
}

static void read_tensor(LkTorchFile *file, const LkTorchValue *value)
{
    const guint64 n = lk_torch_tensor(value)->n_elements;
    const gsize piece = (gsize)MIN(n, PIECE);

    read_piece(file, value, 0, piece);
    read_piece(file, value, n - piece, piece);
    read_piece(file, value, n / 2, piece / 2);
}

static void walk(LkTorchFile *file, const LkTorchValue *value, guint *left)
{
    if (*left == 0)
        return;
    (*left)--;
    lk_torch_int(value);
    lk_torch_float(value);
    if (lk_torch_type(value) == LK_TORCH_TENSOR)
        read_tensor(file, value);
    for (guint i = 0; i < lk_torch_n_items(value); i++) {
        if (lk_torch_type(value) == LK_TORCH_DICT)
            g_assert_true(lk_torch_find(value, lk_torch_key(value, i)) == lk_torch_item(value, i));
        walk(file, lk_torch_item(value, i), left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) archive = size > 0 && data[0] == 'Z' ? make_archive(data + 1, size - 1) : NULL;
    const char *path = archive ? fuzz_file(archive->data, archive->len, 0) : fuzz_file(data, size, 0);
    GError *error = NULL;
    g_autoptr(LkTorchFile) file = lk_torch_open(path, &error);
    guint left = 1000;

    if (file == NULL)
        fuzz_check_error(error, path);
    else
        walk(file, lk_torch_root(file), &left);
    return 0;
}
