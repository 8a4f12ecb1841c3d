#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// y = x + gate * add

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

void main()
{
    uint pixel = flat_index(), c = layer_index(), plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    uint at = c * plane + pixel;
    store_y(at, load_x(at) + load_weight(pixel) * load_add(at));
}
