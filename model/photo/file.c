/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * file.c - files whole into memory, and onto the disk whole or not at all.
 */
#include "photo-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* More than any picture of LK_PHOTO_MAX_PIXELS needs; keeps a wrong choice of file from filling the memory. */
#define MAX_FILE_SIZE (G_GINT64_CONSTANT(1) << 31)

static void set_errno(GError **error, int code, const char *name, const char *what)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "%s cannot be %s: %s.", name, what,
                g_strerror(code));
}

GBytes *lk_file_read(const char *path, const char *name, GError **error)
{
    GStatBuf info;
    char *data;
    gsize size;

    if (g_stat(path, &info) != 0) {
        set_errno(error, errno, name, "read");
        return NULL;
    }
    if (!S_ISREG(info.st_mode) || info.st_size > MAX_FILE_SIZE) {
        g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_FORMAT, "%s is not a picture.", name);
        return NULL;
    }
    if (!g_file_get_contents(path, &data, &size, NULL)) {
        set_errno(error, errno, name, "read");
        return NULL;
    }
    return g_bytes_new_take(data, size);
}

gboolean lk_file_ends_with(GBytes *file, const void *end, gsize size)
{
    gsize have;
    const guint8 *data = g_bytes_get_data(file, &have);

    return have >= size && memcmp(data + have - size, end, size) == 0;
}

/* Takes the descriptor over. */
static gboolean encode_into(int fd, LkEncode encode, const LkRows *rows, const LkExportOptions *options)
{
    FILE *stream = fdopen(fd, "wb");
    gboolean written;

    if (!stream) {
        close(fd);
        return FALSE;
    }
    errno = 0;
    written = encode(rows, options, stream) && fflush(stream) == 0;
    if (fclose(stream) != 0)
        written = FALSE;
    return written;
}

/* On the disk before the name changes: a power cut leaves the old file or the new one. */
static gboolean sync_and_rename(const char *temporary, const char *path)
{
    const int fd = g_open(temporary, O_RDONLY | O_CLOEXEC, 0);
    const gboolean synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return synced && g_rename(temporary, path) == 0;
}

gboolean lk_file_write(const char *path, LkEncode encode, const LkRows *rows, const LkExportOptions *options,
                       LkFinish finish, gpointer data, GError **error)
{
    g_autofree char *name = g_filename_display_basename(path);
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0666), code;
    g_autoptr(GError) reason = NULL;

    if (fd < 0) {
        set_errno(error, errno, name, "written");
        return FALSE;
    }
    if (encode_into(fd, encode, rows, options) && (!finish || finish(temporary, name, data, &reason)) &&
        sync_and_rename(temporary, path))
        return TRUE;
    code = errno ? errno : EIO;
    g_unlink(temporary);
    if (!reason)
        set_errno(&reason, code, name, "written");
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}
