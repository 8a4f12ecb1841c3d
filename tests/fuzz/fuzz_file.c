/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* memfd_create */
#include "fuzz_file.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *fuzz_file(const void *bytes, size_t size, size_t zeros)
{
    static int fd = -1;
    static char path[64];

    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size ||
        ftruncate(fd, (off_t)(size + zeros)) != 0)
        g_error("no file in memory");
    return path;
}

static char *output_folder;

static void remove_output(void)
{
    g_autoptr(GDir) dir = g_dir_open(output_folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(output_folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(output_folder);
    g_free(output_folder);
}

char *fuzz_output(const char *name)
{
    if (output_folder == NULL) {
        output_folder = g_dir_make_tmp("fuzz-XXXXXX", NULL);
        atexit(remove_output);
    }
    return g_build_filename(output_folder, name, NULL);
}

void fuzz_check_error(GError *error, const char *path)
{
    if (error == NULL || error->message == NULL || !g_utf8_validate(error->message, -1, NULL) ||
        strchr(error->message, '\n') != NULL || strlen(error->message) > 600 ||
        (path != NULL && !g_str_has_prefix(error->message, path)))
        g_error("a bad error: %s", error ? error->message : "none");
    g_error_free(error);
}
