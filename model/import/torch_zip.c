/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The format since PyTorch 1.6: a zip archive of stored (not compressed) entries NAME/data.pkl, NAME/data/KEY for each
 * storage, NAME/version, and since 2.1 NAME/byteorder. libzip reads it, through a source of ours that bounds what an archive
 * can make it read and tells where an entry's bytes are.
 */
#include "pickle.h"
#include "torch_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#define MAX_DIRECTORY                                                                                        \
    (2 * 1024 * 1024) /* bytes read to find out what is in an archive: 10000 entries and more */
#define MAX_ENTRIES  (1 << 16)
#define ENTRY_HEADER 30 /* bytes before those of an entry, besides its name */
#define MAX_VERSION  10 /* PyTorch writes 3 */
#define TAIL                                                                                                 \
    (65535 + 22 + 20) /* the end of the directory, the longest comment before it, and zip64's locator */

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

/* What libzip reads from. */
typedef struct {
    int fd;
    guint64 size, at;
    guint64 budget;      /* bytes that may still be read */
    guint64 read_at;     /* where the last read began, */
    guint64 read_length; /* and how long it was */
    zip_error_t error;
} Input;

struct _LkTorchZip {
    Input input;
    zip_t *archive;
    char *folder; /* NAME/ */
    zip_file_t *entry;
    guint64 index, at; /* the open entry, and the place in it */
};

/* ---- the source ---- */

static zip_int64_t input_read(Input *input, guint8 *bytes, zip_uint64_t length)
{
    guint64 n = 0;

    length = input->at < input->size ? MIN(length, input->size - input->at) : 0;
    if (length > input->budget) {
        zip_error_set(&input->error, ZIP_ER_MEMORY, 0);
        return -1;
    }
    input->budget -= length;
    while (n < length) {
        const gssize got = pread(input->fd, bytes + n, (gsize)(length - n), (off_t)(input->at + n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            zip_error_set(&input->error, ZIP_ER_READ, got < 0 ? errno : 0);
            return -1;
        }
        n += (guint64)got;
    }
    input->read_at = input->at;
    input->read_length = length;
    input->at += length;
    return (zip_int64_t)length;
}

static zip_int64_t input_stat(const Input *input, void *data, zip_uint64_t length)
{
    zip_stat_t *status = data;

    if (length < sizeof *status)
        return -1;
    zip_stat_init(status);
    status->size = input->size;
    status->valid |= ZIP_STAT_SIZE;
    return sizeof *status;
}

static zip_int64_t input_seek(Input *input, void *data, zip_uint64_t length)
{
    const zip_int64_t at =
        zip_source_seek_compute_offset(input->at, input->size, data, length, &input->error);

    if (at < 0)
        return -1;
    input->at = (guint64)at;
    return 0;
}

static zip_int64_t input_serve(void *user_data, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    Input *input = user_data;

    switch (command) {
    case ZIP_SOURCE_OPEN:
        input->at = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return input_read(input, data, length);
    case ZIP_SOURCE_SEEK:
        return input_seek(input, data, length);
    case ZIP_SOURCE_TELL:
        return (zip_int64_t)input->at;
    case ZIP_SOURCE_STAT:
        return input_stat(input, data, length);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&input->error, data, length);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE: /* it belongs to the LkTorchZip */
        return 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_SEEK,
                                              ZIP_SOURCE_TELL, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
                                              ZIP_SOURCE_CLOSE, ZIP_SOURCE_FREE, -1);
    default:
        zip_error_set(&input->error, ZIP_ER_INVAL, 0);
        return -1;
    }
}

/* ---- opening the archive ---- */

static guint64 number_at(const guint8 *bytes, guint n)
{
    guint64 number = 0;

    for (guint i = 0; i < n; i++)
        number |= (guint64)bytes[i] << (8 * i);
    return number;
}

/* The locator of a zip64 directory stands before the directory's end: 4 bytes, a disk's number, the place. */
static gboolean check_locator(LkTorchFile *file, const guint8 *locator, GError **error)
{
    guint8 end[56];
    const guint64 at = number_at(locator + 8, 8);

    if (memcmp(locator, "PK\6\7", 4) != 0 || at > file->size || file->size - at < sizeof end)
        return TRUE; /* libzip's business */
    if (!lk_torch_read_file(file, at, end, sizeof end, error))
        return FALSE;
    return number_at(end + 32, 8) <= MAX_ENTRIES ||
           refuse(error, "it has more entries than a checkpoint has tensors");
}

/* libzip believes a zip64 directory its number of entries, and takes memory for as many. */
static gboolean check_directory(LkTorchFile *file, GError **error)
{
    const gsize length = (gsize)MIN(file->size, TAIL);
    g_autofree guint8 *tail = g_malloc(length);

    if (!lk_torch_read_file(file, file->size - length, tail, length, error))
        return FALSE;
    for (gsize at = 20; at + 4 <= length; at++)
        if (memcmp(tail + at, "PK\5\6", 4) == 0 && !check_locator(file, tail + at - 20, error))
            return FALSE;
    return TRUE;
}

static gboolean refuse_archive(int code, GError **error)
{
    switch (code) {
    case ZIP_ER_EXISTS:
        return refuse(error, "its archive has two entries of the same name");
    case ZIP_ER_MEMORY:
        return refuse(error, "its archive has more entries than a checkpoint has tensors");
    default:
        return refuse(error, "its archive is damaged or incomplete (is it truncated?)");
    }
}

static gboolean open_archive(LkTorchFile *file, LkTorchZip *zip, GError **error)
{
    zip_source_t *source;
    zip_error_t reason;

    zip->input = (Input){.fd = file->fd, .size = file->size, .budget = MAX_DIRECTORY};
    zip_error_init(&zip->input.error);
    zip_error_init(&reason);
    source = zip_source_function_create(input_serve, &zip->input, &reason);
    if (source != NULL)
        zip->archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &reason);
    if (zip->archive == NULL) {
        refuse_archive(zip_error_code_zip(&reason), error);
        zip_source_free(source);
    }
    zip_error_fini(&reason);
    zip->input.budget = G_MAXUINT64;
    return zip->archive != NULL;
}

void lk_torch_zip_free(LkTorchZip *zip)
{
    if (zip == NULL)
        return;
    if (zip->entry != NULL)
        zip_fclose(zip->entry);
    if (zip->archive != NULL)
        zip_discard(zip->archive);
    zip_error_fini(&zip->input.error);
    g_free(zip->folder);
    g_free(zip);
}

/* ---- entries ---- */

static gboolean check_entry(const char *shown, const zip_stat_t *entry, guint64 file_size, GError **error)
{
    const guint needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;

    if ((entry->valid & needed) != needed)
        return refuse(error, "the entry %s of its archive has no size", shown);
    if (entry->encryption_method != ZIP_EM_NONE)
        return refuse(error, "the entry %s of its archive is encrypted", shown);
    if (entry->comp_method != ZIP_CM_STORE)
        return refuse(error, "the entry %s of its archive is compressed, which PyTorch does not do", shown);
    if (entry->size != entry->comp_size || entry->size > file_size)
        return refuse(error, "the entry %s of its archive has a wrong size", shown);
    return TRUE;
}

/* The index of NAME/name; -1 with an error if there is none that can be read. */
static zip_int64_t find_entry(LkTorchZip *zip, const char *name, guint64 *size, GError **error)
{
    g_autofree char *path = g_strconcat(zip->folder, name, NULL);
    g_autofree char *shown = lk_torch_shown(path, strlen(path));
    const zip_int64_t index = zip_name_locate(zip->archive, path, ZIP_FL_ENC_RAW);
    zip_stat_t entry;

    if (index < 0 || zip_stat_index(zip->archive, (zip_uint64_t)index, 0, &entry) != 0) {
        refuse(error, "its archive lacks the entry %s", shown);
        return -1;
    }
    *size = entry.size;
    return check_entry(shown, &entry, zip->input.size, error) ? index : -1;
}

static gboolean open_entry(LkTorchZip *zip, guint64 index, GError **error)
{
    if (zip->entry != NULL && zip->index == index)
        return TRUE;
    g_clear_pointer(&zip->entry, zip_fclose);
    zip->entry = zip_fopen_index(zip->archive, index, 0);
    zip->index = index;
    zip->at = 0;
    return zip->entry != NULL || refuse(error, "an entry of its archive is damaged");
}

/* Exactly n bytes of an entry, at any place. The checksum is compared when the last are read, if they were read in order. */
static gboolean read_entry(LkTorchZip *zip, guint64 index, guint64 entry_size, guint64 offset, guint8 *bytes,
                           gsize n, GError **error)
{
    guint8 rest;

    if (!open_entry(zip, index, error))
        return FALSE;
    if (zip->at != offset && zip_fseek(zip->entry, (zip_int64_t)offset, SEEK_SET) != 0)
        return refuse(error, "an entry of its archive is damaged");
    zip->at = offset;
    while (n > 0) {
        const zip_int64_t got = zip_fread(zip->entry, bytes, n);
        if (got <= 0) {
            g_clear_pointer(&zip->entry, zip_fclose);
            return refuse(error, "an entry of its archive is damaged");
        }
        zip->at += (guint64)got;
        bytes += got;
        n -= (gsize)got;
    }
    if (zip->at == entry_size && zip_fread(zip->entry, &rest, 1) != 0) {
        g_clear_pointer(&zip->entry, zip_fclose);
        return refuse(error, "an entry of its archive is damaged (its checksum is wrong)");
    }
    return TRUE;
}

gboolean lk_torch_zip_read(LkTorchZip *zip, const LkTorchStorage *storage, guint64 offset, void *bytes,
                           gsize n, GError **error)
{
    return read_entry(zip, storage->place, storage->n_bytes, offset, bytes, n, error);
}

/* A small entry, whole. NULL with an error. */
static guint8 *load_entry(LkTorchZip *zip, const char *name, guint64 limit, gsize *size, GError **error)
{
    g_autofree guint8 *bytes = NULL;
    guint64 length;
    const zip_int64_t index = find_entry(zip, name, &length, error);

    if (index < 0)
        return NULL;
    if (length > limit) {
        refuse(error, "the entry %s of its archive is too large", name);
        return NULL;
    }
    bytes = g_malloc((gsize)length + 1);
    if (!read_entry(zip, (guint64)index, length, 0, bytes, (gsize)length, error))
        return NULL;
    bytes[length] = 0;
    *size = (gsize)length;
    return g_steal_pointer(&bytes);
}

/* ---- what PyTorch puts in ---- */

/* "NAME/" of "NAME/data.pkl"; NULL if name is something else. Free with g_free. */
static char *folder_of(const char *name)
{
    const char *slash = strchr(name, '/');

    return slash && slash != name && g_str_equal(slash + 1, "data.pkl")
               ? g_strndup(name, (gsize)(slash + 1 - name))
               : NULL;
}

static gboolean find_folder(LkTorchZip *zip, GError **error)
{
    const zip_int64_t n = zip_get_num_entries(zip->archive, 0);

    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(zip->archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        g_autofree char *folder = name ? folder_of(name) : NULL;
        if (folder == NULL)
            continue;
        if (zip->folder != NULL)
            return refuse(error, "its archive has two entries data.pkl");
        zip->folder = g_steal_pointer(&folder);
    }
    return zip->folder != NULL ||
           refuse(error, "it is an archive, but not one of PyTorch's (it has no data.pkl)");
}

static gboolean has_entry(LkTorchZip *zip, const char *name)
{
    g_autofree char *path = g_strconcat(zip->folder, name, NULL);

    return zip_name_locate(zip->archive, path, ZIP_FL_ENC_RAW) >= 0;
}

static gboolean check_version(LkTorchZip *zip, GError **error)
{
    g_autofree char *text = NULL;
    guint64 version;
    gsize size;

    if (!has_entry(zip, "version"))
        return TRUE;
    text = (char *)load_entry(zip, "version", 16, &size, error);
    if (text == NULL)
        return FALSE;
    return (g_ascii_string_to_unsigned(g_strchomp(text), 10, 1, MAX_VERSION, &version, NULL)) ||
           refuse(error, "it is of a version of PyTorch's format that is not known");
}

static gboolean check_byte_order(LkTorchZip *zip, GError **error)
{
    g_autofree char *text = NULL;
    gsize size;

    if (!has_entry(zip, "byteorder"))
        return TRUE;
    text = (char *)load_entry(zip, "byteorder", 16, &size, error);
    if (text == NULL)
        return FALSE;
    return g_str_equal(text, "little") || refuse(error, "it was written by a big-endian machine");
}

/* ---- the storages ---- */

typedef struct {
    LkTorchZip *zip;
    GError **error;
    gboolean good;
} Placing;

static gboolean place_storage(Placing *placing, LkTorchStorage *storage)
{
    g_autofree char *name = g_strconcat("data/", storage->key, NULL);
    zip_int64_t index;
    guint64 size;

    storage->placed = TRUE;
    if (storage->n_bytes == 0)
        return TRUE;
    index = find_entry(placing->zip, name, &size, placing->error);
    if (index < 0)
        return FALSE;
    if (size != storage->n_bytes)
        return refuse(placing->error, "the storage %s has not the size that it should have", storage->key);
    storage->place = (guint64)index;
    return TRUE;
}

static gboolean place_next(gpointer key, gpointer value, gpointer data)
{
    Placing *placing = data;

    placing->good = place_storage(placing, value);
    return !placing->good;
}

static gboolean place_storages(LkTorchFile *file, GError **error)
{
    Placing placing = {.zip = file->zip, .error = error, .good = TRUE};

    g_tree_foreach(file->tree.storages, place_next, &placing);
    return placing.good;
}

/* ---- entries within others ---- */

typedef struct {
    guint64 start, length;
} Place;

/* Where the entry's bytes begin in the file: where libzip looks for the first of them. Not known if a libzip to come reads
 * more at once; entries that are not stored are never read. */
static gboolean add_place(LkTorchZip *zip, guint64 index, GArray *places, GError **error)
{
    zip_stat_t entry;
    Place place;
    guint8 byte;

    if (zip_stat_index(zip->archive, index, 0, &entry) != 0)
        return refuse(error, "an entry of its archive is damaged");
    if (entry.size == 0 || !check_entry("", &entry, zip->input.size, NULL))
        return TRUE;
    g_clear_pointer(&zip->entry, zip_fclose);
    if (!open_entry(zip, index, error))
        return FALSE;
    zip->at = 1;
    if (zip_fread(zip->entry, &byte, 1) != 1)
        return refuse(error, "an entry of its archive is damaged");
    place = (Place){zip->input.read_at, entry.size};
    if (place.length > zip->input.size - place.start)
        return refuse(error, "an entry of its archive reaches beyond its end (is it truncated?)");
    if (zip->input.read_length == 1)
        g_array_append_val(places, place);
    return TRUE;
}

static int compare_places(gconstpointer a, gconstpointer b)
{
    const Place *first = a, *second = b;

    return first->start < second->start ? -1 : first->start > second->start;
}

static gboolean check_overlap(LkTorchZip *zip, GError **error)
{
    const zip_int64_t n = zip_get_num_entries(zip->archive, 0);
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Place));

    for (zip_int64_t i = 0; i < n; i++)
        if (!add_place(zip, (guint64)i, places, error))
            return FALSE;
    g_array_sort(places, compare_places);
    for (guint i = 1; i < places->len; i++) {
        const Place *before = &g_array_index(places, Place, i - 1), *place = before + 1;
        const guint64 distance = place->start - before->start;
        if (distance < before->length || distance - before->length < ENTRY_HEADER)
            return refuse(error, "entries of its archive overlap");
    }
    return TRUE;
}

/* ---- all of it ---- */

static gboolean read_archive(LkTorchFile *file, GError **error)
{
    g_autofree guint8 *description = NULL;
    gsize size, used;

    if (!find_folder(file->zip, error) || !check_overlap(file->zip, error))
        return FALSE;
    if (has_entry(file->zip, "constants.pkl"))
        return lk_torch_refuse(error, LK_IMPORT_ERROR_REFUSED,
                               "it is a program (TorchScript), which reading weights does not need");
    if (!check_version(file->zip, error) || !check_byte_order(file->zip, error))
        return FALSE;
    description = load_entry(file->zip, "data.pkl", LK_PICKLE_MAX_SIZE, &size, error);
    if (description == NULL)
        return FALSE;
    file->root = lk_pickle_load(&file->tree, description, size, TRUE, &used, error);
    if (file->root == NULL)
        return FALSE;
    if (used != size)
        return refuse(error, "there is something behind its description");
    return place_storages(file, error);
}

gboolean lk_torch_open_zip(LkTorchFile *file, GError **error)
{
    if (!check_directory(file, error))
        return FALSE;
    file->zip = g_new0(LkTorchZip, 1);
    return open_archive(file, file->zip, error) && read_archive(file, error);
}
