/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "torch_private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

G_DEFINE_QUARK(likeness - import - error - quark, lk_import_error)

/* ---- bytes ---- */

static gboolean fail(int number, GError **error)
{
    g_set_error_literal(error, G_FILE_ERROR, (int)g_file_error_from_errno(number), g_strerror(number));
    return FALSE;
}

gboolean lk_torch_read_file(LkTorchFile *file, guint64 offset, void *bytes, gsize n, GError **error)
{
    guint8 *to = bytes;

    while (n > 0) {
        const gssize got = pread(file->fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(errno, error);
        if (got == 0)
            return refuse(error, "it became shorter while it was read");
        to += got;
        offset += (guint64)got;
        n -= (gsize)got;
    }
    return TRUE;
}

gboolean lk_torch_read_storage(LkTorchFile *file, const LkTorchStorage *storage, guint64 offset, void *bytes,
                               gsize n, GError **error)
{
    g_assert(storage->placed && offset <= storage->n_bytes && n <= storage->n_bytes - offset);
    return file->zip ? lk_torch_zip_read(file->zip, storage, offset, bytes, n, error)
                     : lk_torch_read_file(file, storage->place + offset, bytes, n, error);
}

/* ---- what the file is ---- */

/* Sentences for what people take for a checkpoint. NULL for everything else. */
static const char *find_fault(const guint8 *start, gsize n)
{
    static const char *const pages[] = {"<!doctype", "<html"};

    if (n == 0)
        return "it is empty";
    if (g_str_has_prefix((const char *)start, "version https://git-lfs"))
        return "it is a git-lfs pointer to the file, not the file; get the file with \"git lfs pull\"";
    for (guint i = 0; i < G_N_ELEMENTS(pages); i++)
        if (g_ascii_strncasecmp((const char *)start, pages[i], strlen(pages[i])) == 0)
            return "it is a web page, not a file of PyTorch (was the download refused?)";
    if (n >= 262 && memcmp(start + 257, "ustar", 5) == 0)
        return "it is of PyTorch's format before 0.1.10 (a tar archive), which is not read";
    return NULL;
}

static gboolean read_tree(LkTorchFile *file, GError **error)
{
    guint8 start[513] = {0};
    const gsize n = (gsize)MIN(file->size, sizeof start - 1);
    const char *fault;

    if (!lk_torch_read_file(file, 0, start, n, error))
        return FALSE;
    fault = find_fault(start, n);
    if (fault != NULL)
        return refuse(error, "%s", fault);
    if (!(memcmp(start, "PK\3\4", 4) == 0 ? lk_torch_open_zip(file, error)
                                          : lk_torch_open_stream(file, error)))
        return FALSE;
    return lk_torch_tree_check(&file->tree, file->root, error);
}

static gboolean open_file(LkTorchFile *file, GError **error)
{
    struct stat status;

    /* Opening a pipe would block. */
    file->fd = g_open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (file->fd < 0 || fstat(file->fd, &status) != 0)
        return fail(errno, error);
    if (!S_ISREG(status.st_mode))
        return refuse(error, "it is not a file");
    file->size = (guint64)status.st_size;
    return TRUE;
}

/* ---- public ---- */

LkTorchFile *lk_torch_open(const char *path, GError **error)
{
    g_autoptr(LkTorchFile) file = g_new0(LkTorchFile, 1);

    file->path = g_strdup(path);
    lk_torch_tree_init(&file->tree);
    if (!open_file(file, error) || !read_tree(file, error)) {
        g_autofree char *shown = g_filename_display_name(path);
        g_prefix_error(error, "%s: ", shown);
        return NULL;
    }
    return g_steal_pointer(&file);
}

void lk_torch_free(LkTorchFile *file)
{
    if (file == NULL)
        return;
    lk_torch_pages_free(file->pages);
    lk_torch_zip_free(file->zip);
    if (file->fd >= 0)
        close(file->fd);
    lk_torch_tree_clear(&file->tree);
    g_free(file->path);
    g_free(file);
}

const char *lk_torch_path(const LkTorchFile *file)
{
    return file->path;
}

const LkTorchValue *lk_torch_root(const LkTorchFile *file)
{
    return file->root;
}
