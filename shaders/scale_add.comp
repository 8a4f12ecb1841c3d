#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// y = x * in_scale + add[:, ::stride, ::stride]

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(constant_id = 4) const bool quads = false; // four pixels at once; the stride is 1

void main()
{
    uint index = flat_index(), c = layer_index(), plane = p.out_h * p.out_w;
    if (index >= (quads ? plane / 4 : plane))
        return;
    float scale = is_present(BIND_IN_SCALE) ? in_scale[c + p.base[BIND_IN_SCALE]] : 1.0;
    if (quads) {
        uint at = c * (plane / 4) + index;
        vec4 v = load_x4(at) * scale;
        if (is_present(BIND_ADD))
            v += load_add4(at);
        store_y4(at, v);
        return;
    }
    float v = load_x(c * plane + index) * scale;
    if (is_present(BIND_ADD)) {
        uint row = index / p.out_w * p.stride, column = index % p.out_w * p.stride;
        v += load_add((c * p.add_h + row) * p.add_w + column);
    }
    store_y(c * plane + index, v);
}
