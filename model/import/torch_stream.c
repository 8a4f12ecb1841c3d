/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The format before PyTorch 1.6: pickles of a magic number, of a version, of facts about the machine, of the object, and of
 * its storages' keys; then each storage's number of elements and its bytes. A file of one pickle is plain data.
 */
#include "pickle.h"
#include "torch_private.h"

#include <string.h>

#define VERSION 1001

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

typedef struct {
    LkTorchFile *file;
    guint8 *bytes; /* the file's start, which has the pickles */
    gsize size, at;
    GError **error;
} Stream;

static LkTorchValue *load(Stream *stream, gboolean storages)
{
    g_autoptr(GError) reason = NULL;
    gsize used = 0;
    LkTorchValue *value = lk_pickle_load(&stream->file->tree, stream->bytes + stream->at,
                                         stream->size - stream->at, storages, &used, &reason);

    stream->at += used;
    if (value == NULL && stream->at == stream->size && stream->size < stream->file->size)
        refuse(stream->error, "the description of its tensors is too long");
    else if (value == NULL)
        g_propagate_error(stream->error, g_steal_pointer(&reason));
    return value;
}

static gboolean is_magic(const LkTorchValue *value)
{
    static const guint8 magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

    return value->type == LK_TORCH_LONG && value->n_bytes == sizeof magic &&
           memcmp(value->bytes, magic, sizeof magic) == 0;
}

static gboolean check_version(Stream *stream)
{
    const LkTorchValue *version = load(stream, FALSE);

    if (version == NULL)
        return FALSE;
    return (version->type == LK_TORCH_INT && version->integer == VERSION) ||
           refuse(stream->error, "it is of a version of PyTorch's older format that is not known");
}

static gboolean check_machine(Stream *stream)
{
    LkTorchValue *facts = load(stream, FALSE);
    const LkTorchValue *little;

    if (facts == NULL || !lk_torch_tree_check(&stream->file->tree, facts, stream->error))
        return FALSE;
    little = lk_torch_find(facts, "little_endian");
    if (little == NULL || little->type != LK_TORCH_BOOL)
        return refuse(stream->error, "it does not say in which order its bytes are");
    return little->integer || refuse(stream->error, "it was written by a big-endian machine");
}

/* One storage at the stream's place: the number of elements, and the elements. */
static gboolean place_storage(Stream *stream, guint64 *at, const LkTorchValue *key)
{
    LkTorchFile *file = stream->file;
    LkTorchStorage *storage =
        key->type == LK_TORCH_STRING ? g_tree_lookup(file->tree.storages, key->text) : NULL;
    guint8 bytes[8];
    guint64 n = 0;

    if (storage == NULL)
        return refuse(stream->error, "it has a storage that no tensor is in");
    if (storage->placed)
        return refuse(stream->error, "it has the storage %s twice", storage->key);
    if (file->size - *at < sizeof bytes)
        return refuse(stream->error, "it ends before the numbers of its tensors (is it truncated?)");
    if (!lk_torch_read_file(file, *at, bytes, sizeof bytes, stream->error))
        return FALSE;
    for (guint i = 0; i < sizeof bytes; i++)
        n |= (guint64)bytes[i] << (8 * i);
    *at += sizeof bytes;
    if (n != storage->n_elements)
        return refuse(stream->error, "the storage %s has not the size that it should have", storage->key);
    if (storage->n_bytes > file->size - *at)
        return refuse(stream->error,
                      "it ends in the middle of the numbers of its tensors (is it truncated?)");
    storage->placed = TRUE;
    storage->place = *at;
    *at += storage->n_bytes;
    return TRUE;
}

static gboolean find_unplaced(gpointer key, gpointer value, gpointer data)
{
    const LkTorchStorage *storage = value;

    if (!storage->placed)
        *(const LkTorchStorage **)data = storage;
    return !storage->placed;
}

static gboolean place_storages(Stream *stream)
{
    LkTorchTree *tree = &stream->file->tree;
    const LkTorchValue *keys = load(stream, FALSE);
    const LkTorchStorage *unplaced = NULL;
    guint64 at = stream->at;

    if (keys == NULL)
        return FALSE;
    if (keys->type != LK_TORCH_LIST)
        return refuse(stream->error, "it has no list of its storages");
    for (guint i = 0; i < keys->n_items; i++)
        if (!place_storage(stream, &at, keys->items[i]))
            return FALSE;
    g_tree_foreach(tree->storages, find_unplaced, &unplaced);
    if (unplaced != NULL)
        return refuse(stream->error, "the storage %s is missing", unplaced->key);
    return at == stream->file->size || refuse(stream->error, "there is something behind its last tensor");
}

static gboolean read_stream(Stream *stream)
{
    LkTorchFile *file = stream->file;

    file->root = load(stream, FALSE);
    if (file->root == NULL)
        return FALSE;
    if (!is_magic(file->root))
        return stream->at == file->size || refuse(stream->error, "there is something behind its pickle");
    if (!check_version(stream) || !check_machine(stream))
        return FALSE;
    file->root = load(stream, TRUE);
    return file->root && place_storages(stream);
}

gboolean lk_torch_open_stream(LkTorchFile *file, GError **error)
{
    const gsize size = (gsize)MIN(file->size, LK_PICKLE_MAX_SIZE);
    g_autofree guint8 *bytes = g_malloc(size);
    Stream stream = {.file = file, .bytes = bytes, .size = size, .error = error};

    return lk_torch_read_file(file, 0, bytes, size, error) && read_stream(&stream);
}
