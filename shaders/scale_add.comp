#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// y = x * in_scale + add[:, ::stride, ::stride]

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

void main()
{
    uint pixel = flat_index(), c = layer_index(), plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    float v = load_x(c * plane + pixel);
    if (is_present(BIND_IN_SCALE))
        v *= in_scale[c + p.base[BIND_IN_SCALE]];
    if (is_present(BIND_ADD)) {
        uint row = pixel / p.out_w * p.stride, column = pixel % p.out_w * p.stride;
        v += load_add((c * p.add_h + row) * p.add_w + column);
    }
    store_y(c * plane + pixel, v);
}
