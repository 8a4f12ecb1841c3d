/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* O_TMPFILE */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX   ".part"
#define ATTEMPTS 100

struct _LkNewFile {
    char *path, *folder;
    char *temporary; /* a name in the folder that is to be removed, or NULL */
    char *interim;
    int fd;
};

static gboolean fail(GError **error, const char *path, const char *what, int number)
{
    g_autofree char *shown = g_filename_display_name(path);

    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "%s%s: %s", shown, what,
                g_strerror(number));
    return FALSE;
}

/* folder/.NAME.MIDDLE.part */
static char *temporary_name(const LkNewFile *file, const char *middle)
{
    g_autofree char *base = g_path_get_basename(file->path);
    g_autofree char *name = g_strdup_printf(".%s.%s" SUFFIX, base, middle);

    return g_build_filename(file->folder, name, NULL);
}

/* ---- leftovers ---- */

/* Every writer holds a lock on its file as long as it lives. */
static void remove_if_left(const char *path)
{
    const int fd = g_open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        g_unlink(path);
    if (fd >= 0)
        close(fd);
}

static void remove_leftovers(const LkNewFile *file)
{
    g_autofree char *pattern = temporary_name(file, "");
    g_autofree char *base = g_path_get_basename(pattern);
    const gsize start = strlen(base) - strlen(SUFFIX);
    g_autoptr(GDir) folder = g_dir_open(file->folder, 0, NULL);
    const char *name;

    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        if (strncmp(name, base, start) == 0 && strlen(name) == strlen(base) + 6 &&
            g_str_has_suffix(name, SUFFIX)) {
            g_autofree char *path = g_build_filename(file->folder, name, NULL);
            remove_if_left(path);
        }
    }
}

/* ---- opening ---- */

static gboolean check_place(const LkNewFile *file, GError **error)
{
    struct stat status;

    if (lstat(file->path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode))
        return fail(error, file->path, " cannot be replaced", S_ISDIR(status.st_mode) ? EISDIR : EEXIST);
    if (g_access(file->folder, W_OK | X_OK) != 0)
        return fail(error, file->path, " cannot be written", errno);
    return TRUE;
}

/* A name that /proc gives to what has none. */
static gboolean open_nameless(LkNewFile *file)
{
    file->fd = open(file->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (file->fd < 0)
        return FALSE;
    file->interim = g_strdup_printf("/proc/self/fd/%d", file->fd);
    if (g_access(file->interim, R_OK) == 0)
        return TRUE;
    close(file->fd);
    file->fd = -1;
    g_clear_pointer(&file->interim, g_free);
    return FALSE;
}

static gboolean open_named(LkNewFile *file)
{
    file->temporary = temporary_name(file, "XXXXXX");
    file->fd = g_mkstemp_full(file->temporary, O_RDWR | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        const int saved = errno;
        g_clear_pointer(&file->temporary, g_free);
        errno = saved;
        return FALSE;
    }
    file->interim = g_strdup(file->temporary);
    return TRUE;
}

LkNewFile *lk_new_file_open(const char *path, LkNewFileFlags flags, GError **error)
{
    g_autoptr(LkNewFile) file = g_new0(LkNewFile, 1);

    file->path = g_strdup(path);
    file->folder = g_path_get_dirname(path);
    file->fd = -1;
    if (!check_place(file, error))
        return NULL;
    remove_leftovers(file);
    if (((flags & LK_NEW_FILE_NAMED) || !open_nameless(file)) && !open_named(file)) {
        fail(error, path, " cannot be written", errno);
        return NULL;
    }
    flock(file->fd, LOCK_EX | LOCK_NB);
    return g_steal_pointer(&file);
}

void lk_new_file_free(LkNewFile *file)
{
    if (file == NULL)
        return;
    if (file->temporary)
        g_unlink(file->temporary);
    if (file->fd >= 0)
        close(file->fd);
    g_free(file->path);
    g_free(file->folder);
    g_free(file->temporary);
    g_free(file->interim);
    g_free(file);
}

int lk_new_file_fd(const LkNewFile *file)
{
    return file->fd;
}

const char *lk_new_file_interim_path(const LkNewFile *file)
{
    return file->interim;
}

/* ---- publishing ---- */

static int link_as(const LkNewFile *file, const char *path)
{
    return linkat(AT_FDCWD, file->interim, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* linkat(2) cannot replace a file, rename(2) can. */
static gboolean link_temporary(LkNewFile *file)
{
    for (guint i = 0; i < ATTEMPTS; i++) {
        g_autofree char *middle = g_strdup_printf("%06x", g_random_int() & 0xffffff);
        g_autofree char *name = temporary_name(file, middle);
        if (link_as(file, name) == 0) {
            file->temporary = g_steal_pointer(&name);
            return TRUE;
        }
        if (errno != EEXIST)
            return FALSE;
    }
    return FALSE;
}

/* A name must last as long as what it stands for. A file system that cannot do it has other ways. */
static void sync_folder(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

gboolean lk_new_file_publish(LkNewFile *file, GError **error)
{
    if (fsync(file->fd) != 0)
        return fail(error, file->path, " cannot be written", errno);
    if (file->temporary == NULL && link_as(file, file->path) == 0) {
        sync_folder(file->folder);
        return TRUE;
    }
    if (file->temporary == NULL && (errno != EEXIST || !link_temporary(file)))
        return fail(error, file->path, " cannot be written", errno);
    if (g_rename(file->temporary, file->path) != 0)
        return fail(error, file->path, " cannot be written", errno);
    g_clear_pointer(&file->temporary, g_free);
    sync_folder(file->folder);
    return TRUE;
}
