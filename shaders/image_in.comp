#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Interleaved RGBA bytes to three planes of -1 to 1.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(binding = 0) readonly buffer Bytes { uint rgba[]; };

void main()
{
    uint pixel = flat_index(), plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    uint bytes = rgba[pixel];
    for (uint c = 0; c < 3; c++)
        store_y(c * plane + pixel, (float(bytes >> (8 * c) & 255) - 127.5) / 127.5);
}
