/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "half.h"

guint16 lk_half_from_float(float value)
{
    guint32 bits, sign, rest;
    gint exponent;

    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000)
        return (guint16)(sign | 0x7e00);
    if (bits >= 0x477ff000) /* rounds to 65536 or more */
        return (guint16)(sign | 0x7c00);
    exponent = (gint)(bits >> 23) - 127;
    if (exponent < -25)
        return (guint16)sign;
    if (exponent < -14) { /* subnormal: the unit is 2^-24 */
        guint shift = (guint)(-exponent - 1);
        guint32 mantissa = (bits & 0x7fffff) | 0x800000, half = mantissa >> shift;

        rest = mantissa & ((1u << shift) - 1);
        half += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (half & 1));
        return (guint16)(sign | half);
    }
    bits -= 112u << 23;
    rest = bits & 0x1fff;
    bits >>= 13;
    bits += rest > 0x1000 || (rest == 0x1000 && (bits & 1));
    return (guint16)(sign | bits);
}

float lk_half_to_float(guint16 half)
{
    guint32 sign = (guint32)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ff, bits;
    float value;

    if (exponent == 0) {
        value = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}
