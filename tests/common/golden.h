/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * golden.h - the weights of the goldens: a value depends on the tensor's name, the seed and the element's index only.
 */
#pragma once

#include <glib.h>

/* n values of the tensor called name: float32(k * 2^-23) * scale + offset, two roundings, k of 24 bits from a
 * splitmix64 generator that starts at FNV-1a(name) xor seed. */
void lk_golden_values(const char *name, guint64 seed, float scale, float offset, float *values, gsize n);

/* The same, elements first ... first + n - 1. */
void lk_golden_range(const char *name, guint64 seed, float scale, float offset, guint64 first, float *values,
                     gsize n);

/* The scale of the rule "fan gain": gain * sqrt(3 / fan_in). */
float lk_golden_fan(double gain, gsize fan_in);

/* Sum of the bit pattern of value i times 2i + 1, modulo 2^64. */
guint64 lk_golden_digest(const float *values, gsize n);
/* What elements first ... first + n - 1 add to it. */
guint64 lk_golden_digest_range(guint64 first, const float *values, gsize n);
