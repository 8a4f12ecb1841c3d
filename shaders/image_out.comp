#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Three planes of -1 to 1 to interleaved RGBA bytes.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(binding = 1) writeonly buffer Bytes { uint rgba[]; };

void main()
{
    uint pixel = flat_index(), plane = p.in_h * p.in_w;
    if (pixel >= plane)
        return;
    uint bytes = 0xff000000u;
    for (uint c = 0; c < 3; c++) {
        precise float v = (load_x(c * plane + pixel) + 1.0) * 127.5 + 0.5;
        bytes |= uint(clamp(floor(v), 0.0, 255.0)) << (8 * c);
    }
    rgba[pixel] = bytes;
}
