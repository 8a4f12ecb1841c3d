/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan_cache.c - the driver's pipeline cache on disk.
 *
 * File: 8 bytes of magic, 32 bytes SHA-256 of the rest, the driver's data. What does not fit is ignored: the programs
 * are then compiled anew and the file is replaced.
 */
#include <string.h>

#include "vulkan.h"

#define MAGIC "LKPIPE01"
enum { MAGIC_SIZE = 8, DIGEST_SIZE = 32, HEADER_SIZE = MAGIC_SIZE + DIGEST_SIZE };

char *lk_cache_path(const VkPhysicalDeviceProperties *properties, const guint8 *device_uuid)
{
    g_autoptr(GString) name = g_string_new("pipelines-");

    for (guint i = 0; i < VK_UUID_SIZE; i++)
        g_string_append_printf(name, "%02x", device_uuid[i]);
    g_string_append_printf(name, "-%08x-%.16s.bin", properties->driverVersion, lk_shaders_digest());
    return g_build_filename(g_get_user_cache_dir(), "likeness", name->str, NULL);
}

static void digest(gconstpointer data, gsize size, guint8 out[DIGEST_SIZE])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize length = DIGEST_SIZE;

    g_checksum_update(checksum, data, (gssize)size);
    g_checksum_get_digest(checksum, out, &length);
}

GBytes *lk_cache_read(const char *path)
{
    g_autofree char *data = NULL;
    guint8 expected[DIGEST_SIZE];
    gsize size;

    if (!g_file_get_contents(path, &data, &size, NULL) || size <= HEADER_SIZE ||
        memcmp(data, MAGIC, MAGIC_SIZE) != 0)
        return NULL;
    digest(data + HEADER_SIZE, size - HEADER_SIZE, expected);
    if (memcmp(data + MAGIC_SIZE, expected, DIGEST_SIZE) != 0)
        return NULL;
    return g_bytes_new(data + HEADER_SIZE, size - HEADER_SIZE);
}

/* A cache that cannot be written costs time at the next start, nothing else, so errors are not reported. */
void lk_cache_write(const char *path, gconstpointer data, gsize size)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree guint8 *file = g_malloc(HEADER_SIZE + size);

    memcpy(file, MAGIC, MAGIC_SIZE);
    digest(data, size, file + MAGIC_SIZE);
    memcpy(file + HEADER_SIZE, data, size);
    if (g_mkdir_with_parents(directory, 0700) == 0)
        g_file_set_contents_full(path, (const char *)file, (gssize)(HEADER_SIZE + size),
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
}
