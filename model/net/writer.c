/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* sync_file_range */
#include "writer.h"
#include "f16.h"
#include "model_private.h"
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK       (1 << 16) /* elements asked for at once */
#define BUFFER      (4 << 20) /* bytes written at once; a multiple of 8 */
#define INFINITY_32 0x7f800000u
#define HALF_LIMIT  0x477ff000u /* 65520, the first that rounds to infinity */
#define DIGEST      "digest"
#define NO_DIGEST   "0000000000000000"

static const struct {
    const char *name;
    guint size;
} dtypes[] = {[LK_DTYPE_F16] = {"F16", 2}, [LK_DTYPE_F32] = {"F32", 4}, [LK_DTYPE_I64] = {"I64", 8}};

typedef struct {
    char *name;
    LkDtype dtype;
    guint n_dims;
    guint64 shape[4];
    guint64 n_elements;
    const guint8 *bytes; /* of another file, taken as they are; NULL: from the source */
    LkTensorSource source;
    gpointer data;
    GDestroyNotify free_data;
} Entry;

struct _LkModelWriter {
    JsonObject *metadata;
    GPtrArray *entries;  /* Entry */
    GHashTable *by_name; /* name -> Entry */
};

/* ---- what is to be written ---- */

static void entry_clear_source(Entry *entry)
{
    if (entry->free_data)
        entry->free_data(entry->data);
    entry->free_data = NULL;
}

static void entry_free(gpointer data)
{
    Entry *entry = data;

    entry_clear_source(entry);
    g_free(entry->name);
    g_free(entry);
}

LkModelWriter *lk_model_writer_new(void)
{
    LkModelWriter *writer = g_new0(LkModelWriter, 1);

    writer->metadata = json_object_new();
    writer->entries = g_ptr_array_new_with_free_func(entry_free);
    writer->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return writer;
}

void lk_model_writer_free(LkModelWriter *writer)
{
    if (writer == NULL)
        return;
    g_hash_table_unref(writer->by_name);
    g_ptr_array_unref(writer->entries);
    json_object_unref(writer->metadata);
    g_free(writer);
}

void lk_model_writer_set_metadata(LkModelWriter *writer, const char *key, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);

    json_object_set_string_member(writer->metadata, key, valid);
}

/* The entry of that name, without a source. */
static Entry *add_entry(LkModelWriter *writer, const char *name, LkDtype dtype, guint n_dims,
                        const guint64 *shape)
{
    Entry *entry = g_hash_table_lookup(writer->by_name, name);

    if (entry == NULL) {
        entry = g_new0(Entry, 1);
        entry->name = g_strdup(name);
        g_ptr_array_add(writer->entries, entry);
        g_hash_table_insert(writer->by_name, entry->name, entry);
    }
    entry_clear_source(entry);
    entry->bytes = NULL;
    entry->dtype = dtype;
    entry->n_dims = n_dims;
    entry->n_elements = 1;
    for (guint i = 0; i < n_dims; i++) {
        entry->shape[i] = shape[i];
        entry->n_elements *= shape[i];
    }
    return entry;
}

void lk_model_writer_add(LkModelWriter *writer, const char *name, LkDtype dtype, guint n_dims,
                         const guint64 *shape, LkTensorSource source, gpointer data, GDestroyNotify free_data)
{
    Entry *entry;

    g_return_if_fail(n_dims <= G_N_ELEMENTS(entry->shape) && dtype != LK_DTYPE_I64);
    entry = add_entry(writer, name, dtype, n_dims, shape);
    entry->source = source;
    entry->data = data;
    entry->free_data = free_data;
}

static gboolean copy_values(gpointer data, guint64 first, gsize n, float *values, GError **error)
{
    memcpy(values, (const float *)data + first, n * sizeof *values);
    return TRUE;
}

void lk_model_writer_add_values(LkModelWriter *writer, const char *name, LkDtype dtype, guint n_dims,
                                const guint64 *shape, const float *values)
{
    gsize n = 1;

    for (guint i = 0; i < n_dims; i++)
        n *= (gsize)shape[i];
    lk_model_writer_add(writer, name, dtype, n_dims, shape, copy_values,
                        g_memdup2(values, n * sizeof *values), g_free);
}

void lk_model_writer_add_file(LkModelWriter *writer, const LkWeights *weights)
{
    g_autoptr(GPtrArray) names = lk_weights_list_tensors(weights);
    g_autoptr(GPtrArray) keys = lk_weights_list_metadata(weights);

    for (guint i = 0; i < keys->len; i++) {
        const char *key = g_ptr_array_index(keys, i);
        lk_model_writer_set_metadata(writer, key, lk_weights_metadata(weights, key));
    }
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        const LkWeight *weight = lk_weights_find(weights, name);
        add_entry(writer, name, weight->dtype, weight->n_dims, weight->shape)->bytes = weight->data;
    }
}

/* ---- the header ---- */

static guint64 entry_size(const Entry *entry)
{
    return entry->n_elements * dtypes[entry->dtype].size;
}

/* Large elements first, so that each tensor lies at a multiple of its elements' size. */
static GPtrArray *sort_entries(const LkModelWriter *writer)
{
    static const LkDtype order[] = {LK_DTYPE_I64, LK_DTYPE_F32, LK_DTYPE_F16};
    GPtrArray *sorted = g_ptr_array_new();

    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        for (guint k = 0; k < writer->entries->len; k++) {
            Entry *entry = g_ptr_array_index(writer->entries, k);
            if (entry->dtype == order[i])
                g_ptr_array_add(sorted, entry);
        }
    }
    return sorted;
}

static JsonArray *numbers(guint n, const guint64 *values)
{
    JsonArray *array = json_array_sized_new(n);

    for (guint i = 0; i < n; i++)
        json_array_add_int_element(array, (gint64)values[i]);
    return array;
}

/* The header's text, padded with spaces so that the data start at a multiple of 8. */
static GString *make_header(const LkModelWriter *writer, const GPtrArray *sorted)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *header = json_object_new();
    guint64 offsets[2] = {0, 0};
    g_autofree char *text = NULL;
    GString *padded;

    json_node_take_object(root, header);
    json_object_set_object_member(header, "__metadata__", json_object_ref(writer->metadata));
    for (guint i = 0; i < sorted->len; i++) {
        const Entry *entry = g_ptr_array_index(sorted, i);
        JsonObject *object = json_object_new();
        offsets[1] = offsets[0] + entry_size(entry);
        json_object_set_string_member(object, "dtype", dtypes[entry->dtype].name);
        json_object_set_array_member(object, "shape", numbers(entry->n_dims, entry->shape));
        json_object_set_array_member(object, "data_offsets", numbers(2, offsets));
        json_object_set_object_member(header, entry->name, object);
        offsets[0] = offsets[1];
    }
    text = json_to_string(root, FALSE);
    padded = g_string_new(text);
    while (padded->len % 8)
        g_string_append_c(padded, ' ');
    return padded;
}

/* ---- writing ---- */

typedef struct {
    const char *path;
    int fd;
    guint8 *buffer;
    gsize used;
    guint64 start;          /* of the tensors in the file */
    guint64 written, total; /* bytes of tensors */
    guint64 digest;
    LkWriteProgress progress;
    gpointer data;
    GCancellable *cancellable;
} Sink;

static gboolean fail(const Sink *sink, int number, GError **error)
{
    g_autofree char *shown = g_filename_display_name(sink->path);

    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "%s cannot be written: %s", shown,
                g_strerror(number));
    return FALSE;
}

static gboolean write_bytes(const Sink *sink, gconstpointer bytes, gsize n, guint64 place, GError **error)
{
    const guint8 *at = bytes;

    while (n > 0) {
        const gssize done = pwrite(sink->fd, at, n, (off_t)place);
        if (done < 0 && errno != EINTR)
            return fail(sink, errno, error);
        if (done > 0) {
            at += done;
            place += (guint64)done;
            n -= (gsize)done;
        }
    }
    return TRUE;
}

/* Tells files apart whose headers are otherwise the same; no protection against those who want two to look alike. */
static guint64 add_to_digest(guint64 digest, const guint8 *bytes, gsize n)
{
    for (gsize i = 0; i < n; i += 8) {
        guint64 word = 0;
        memcpy(&word, bytes + i, MIN(8, n - i));
        digest = (digest ^ word) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
        digest ^= digest >> 32;
    }
    return digest;
}

static gboolean flush(Sink *sink, GError **error)
{
    const guint64 place = sink->start + sink->written;

    if (g_cancellable_set_error_if_cancelled(sink->cancellable, error))
        return FALSE;
    sink->digest = add_to_digest(sink->digest, sink->buffer, sink->used);
    if (!write_bytes(sink, sink->buffer, sink->used, place, error))
        return FALSE;
    /* The disk works meanwhile, and not only once everything is there. */
    sync_file_range(sink->fd, (off_t)place, (off_t)sink->used, SYNC_FILE_RANGE_WRITE);
    sink->written += sink->used;
    sink->used = 0;
    if (sink->progress && sink->total)
        sink->progress((double)sink->written / (double)sink->total, sink->data);
    return TRUE;
}

static gboolean put(Sink *sink, gconstpointer bytes, gsize n, GError **error)
{
    const guint8 *at = bytes;

    while (n > 0) {
        const gsize part = MIN(n, BUFFER - sink->used);
        memcpy(sink->buffer + sink->used, at, part);
        sink->used += part;
        at += part;
        n -= part;
        if (sink->used == BUFFER && !flush(sink, error))
            return FALSE;
    }
    return TRUE;
}

/* Finite, and within the range of the type. */
static gboolean check_values(const Entry *entry, const float *values, gsize n, GError **error)
{
    guint32 largest = 0;
    float value;

    for (gsize i = 0; i < n; i++) {
        guint32 bits;
        memcpy(&bits, &values[i], sizeof bits);
        largest = MAX(largest, bits & 0x7fffffff);
    }
    if (largest >= INFINITY_32)
        return lk_model_refuse(error, LK_MODEL_ERROR_TENSOR, "the tensor %s is not finite", entry->name);
    if (entry->dtype != LK_DTYPE_F16 || largest < HALF_LIMIT)
        return TRUE;
    memcpy(&value, &largest, sizeof value);
    return lk_model_refuse(error, LK_MODEL_ERROR_TENSOR,
                           "the tensor %s has values up to %.6g, beyond half precision (--f32 keeps them)",
                           entry->name, (double)value);
}

static gboolean write_values(Sink *sink, const Entry *entry, GError **error)
{
    g_autofree float *values = g_new(float, CHUNK);
    g_autofree guint16 *halves = entry->dtype == LK_DTYPE_F16 ? g_new(guint16, CHUNK) : NULL;

    for (guint64 first = 0; first < entry->n_elements; first += CHUNK) {
        const gsize n = (gsize)MIN(CHUNK, entry->n_elements - first);
        if (!entry->source(entry->data, first, n, values, error) || !check_values(entry, values, n, error))
            return FALSE;
        for (gsize i = 0; halves != NULL && i < n; i++)
            halves[i] = lk_f16_from_float(values[i]);
        if (!put(sink, halves ? (gconstpointer)halves : values, n * dtypes[entry->dtype].size, error))
            return FALSE;
    }
    return TRUE;
}

/* Pages of a mapping count as the program's memory until they are given back. */
static void give_back(const guint8 *bytes, gsize n)
{
    const gsize page = (gsize)sysconf(_SC_PAGESIZE);
    const guintptr begin = (guintptr)bytes / page * page;

    madvise((void *)begin, (guintptr)bytes + n - begin, MADV_DONTNEED);
}

static gboolean copy_bytes(Sink *sink, const Entry *entry, GError **error)
{
    const guint64 size = entry_size(entry);

    for (guint64 first = 0; first < size; first += BUFFER) {
        const gsize n = (gsize)MIN(BUFFER, size - first);
        if (!put(sink, entry->bytes + first, n, error))
            return FALSE;
        give_back(entry->bytes + first, n);
    }
    return TRUE;
}

static gboolean write_data(Sink *sink, const GPtrArray *sorted, GError **error)
{
    for (guint i = 0; i < sorted->len; i++) {
        const Entry *entry = g_ptr_array_index(sorted, i);
        if (!(entry->bytes ? copy_bytes(sink, entry, error) : write_values(sink, entry, error)))
            return FALSE;
    }
    return flush(sink, error);
}

static gboolean write_header(Sink *sink, const GString *header, GError **error)
{
    guint8 length[8];

    for (guint i = 0; i < 8; i++)
        length[i] = (guint8)((guint64)header->len >> (8 * i));
    return write_bytes(sink, length, sizeof length, 0, error) &&
           write_bytes(sink, header->str, header->len, sizeof length, error);
}

/* The header was written with zeros for the digest, which is known only at the end. */
static gboolean write_digest(const Sink *sink, const GString *header, GError **error)
{
    static const char key[] = "\"" DIGEST "\":\"";
    const char *place = strstr(header->str, key);
    g_autofree char *digest = g_strdup_printf("%016" G_GINT64_MODIFIER "x", sink->digest);

    g_assert(place != NULL);
    place += strlen(key);
    return write_bytes(sink, digest, strlen(digest), 8 + (guint64)(place - header->str), error);
}

static gboolean write_file(Sink *sink, const LkModelWriter *writer, GError **error)
{
    g_autoptr(GPtrArray) sorted = sort_entries(writer);
    g_autoptr(GString) header = make_header(writer, sorted);

    sink->start = 8 + header->len;
    for (guint i = 0; i < sorted->len; i++)
        sink->total += entry_size(g_ptr_array_index(sorted, i));
    /* A disk that is too small says so at once, where the file system can tell. */
    if (fallocate(sink->fd, 0, 0, (off_t)(sink->start + sink->total)) != 0 && errno == ENOSPC)
        return fail(sink, ENOSPC, error);
    return write_header(sink, header, error) && write_data(sink, sorted, error) &&
           write_digest(sink, header, error);
}

/* A model that is not as it should be must not appear. */
static gboolean read_back(const LkNewFile *file, const char *path, GError **error)
{
    const char *interim = lk_new_file_interim_path(file);
    GError *reason = NULL;
    g_autoptr(LkModel) model = lk_model_open(interim, &reason);
    g_autofree char *shown = g_filename_display_name(path);
    const char *sentence;

    if (model != NULL)
        return TRUE;
    sentence = reason->message;
    if (g_str_has_prefix(sentence, interim) && g_str_has_prefix(sentence + strlen(interim), ": "))
        sentence += strlen(interim) + 2;
    g_set_error(error, reason->domain, reason->code, "%s would not be a model: %s", shown, sentence);
    g_error_free(reason);
    return FALSE;
}

gboolean lk_model_writer_write(LkModelWriter *writer, const char *path, LkWriteProgress progress,
                               gpointer data, GCancellable *cancellable, GError **error)
{
    g_autoptr(LkNewFile) file = lk_new_file_open(path, LK_NEW_FILE_DEFAULT, error);
    g_autofree guint8 *buffer = g_malloc(BUFFER);
    Sink sink = {
        .path = path, .buffer = buffer, .progress = progress, .data = data, .cancellable = cancellable};

    if (file == NULL)
        return FALSE;
    sink.fd = lk_new_file_fd(file);
    lk_model_writer_set_metadata(writer, DIGEST, NO_DIGEST);
    return write_file(&sink, writer, error) && read_back(file, path, error) &&
           !g_cancellable_set_error_if_cancelled(cancellable, error) && lk_new_file_publish(file, error);
}
