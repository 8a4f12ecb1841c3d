#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// y = x + gate * add

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(constant_id = 4) const bool quads = false; // four pixels at once

void main()
{
    uint index = flat_index(), plane = p.out_h * p.out_w, n = quads ? plane / 4 : plane, at = layer_index() * n + index;
    if (index >= n)
        return;
    if (quads)
        store_y4(at, load_x4(at) + load_weight4(index) * load_add4(at));
    else
        store_y(at, load_x(at) + load_weight(index) * load_add(at));
}
