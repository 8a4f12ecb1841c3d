/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "golden.h"

static guint64 name_hash(const char *name)
{
    guint64 hash = 0xCBF29CE484222325u;

    for (const guchar *byte = (const guchar *)name; *byte != 0; byte++)
        hash = (hash ^ *byte) * 0x00000100000001B3u;
    return hash;
}

static guint64 mix(guint64 z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void lk_golden_range(const char *name, guint64 seed, float scale, float offset, guint64 first, float *values,
                     gsize n)
{
    const guint64 step = 0x9E3779B97F4A7C15u;
    guint64 state = (name_hash(name) ^ seed) + first * step;

    for (gsize i = 0; i < n; i++) {
        gint32 k;
        float scaled;

        state += step;
        k = (gint32)(mix(state) >> 40) - 8388608;
        scaled = (float)k * 0x1p-23f * scale;
        values[i] = scaled + offset;
    }
}

void lk_golden_values(const char *name, guint64 seed, float scale, float offset, float *values, gsize n)
{
    lk_golden_range(name, seed, scale, offset, 0, values, n);
}

float lk_golden_fan(double gain, gsize fan_in)
{
    return (float)(gain * sqrt(3.0 / (double)fan_in));
}

guint64 lk_golden_digest_range(guint64 first, const float *values, gsize n)
{
    guint64 sum = 0;

    for (gsize i = 0; i < n; i++) {
        guint32 bits;

        memcpy(&bits, &values[i], sizeof bits);
        sum += bits * (2 * (first + i) + 1);
    }
    return sum;
}

guint64 lk_golden_digest(const float *values, gsize n)
{
    return lk_golden_digest_range(0, values, n);
}
