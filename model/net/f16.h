/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * f16.h - IEEE 754 binary16 to and from float. Written out because not every C compiler has _Float16.
 */
#pragma once

#include <glib.h>
#include <string.h>

static inline float lk_f16_to_float(guint16 half)
{
    guint32 sign = (guint32)(half & 0x8000) << 16;
    guint32 exponent = (half >> 10) & 31;
    guint32 mantissa = half & 1023;
    guint32 bits;
    float value;

    if (exponent == 0) { /* zero and subnormals: mantissa * 2^-24, exact in float */
        value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    if (exponent == 31)
        bits = sign | 0x7f800000 | mantissa << 13;
    else
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounds to nearest, ties to even; too large becomes infinity. */
static inline guint16 lk_f16_from_float(float value)
{
    guint32 bits, sign, magnitude;

    memcpy(&bits, &value, sizeof bits);
    sign = (bits >> 16) & 0x8000;
    magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (guint16)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520, half way between the largest half and 65536 */
        return (guint16)(sign | 0x7c00);
    if (magnitude <
        0x38800000) { /* below 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits */
        float shifted;
        memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        memcpy(&magnitude, &shifted, sizeof magnitude);
        return (guint16)(sign | (magnitude - 0x3f000000));
    }
    magnitude += 0xfff + ((magnitude >> 13) & 1);
    return (guint16)(sign | ((magnitude >> 13) - (112 << 10)));
}
