/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * half.h - IEEE 754 binary16 to and from float. Private to gpu/ and its tests.
 */
#pragma once

#include <glib.h>

guint16 lk_half_from_float(float value); /* to nearest, ties to even; too large becomes infinite */
float lk_half_to_float(guint16 half);
