/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * hash.h - FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv), for keys of cached results.
 */
#pragma once

#include <glib.h>

#define LK_HASH_START G_GUINT64_CONSTANT(0xcbf29ce484222325)

static inline guint64 lk_hash_bytes(guint64 hash, gconstpointer data, gsize size)
{
    const guint8 *bytes = data;

    for (gsize i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * G_GUINT64_CONSTANT(0x100000001b3);
    return hash;
}

static inline guint64 lk_hash_u64(guint64 hash, guint64 value)
{
    return lk_hash_bytes(hash, &value, sizeof value);
}
