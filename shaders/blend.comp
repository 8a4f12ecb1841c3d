#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// y = x + share * (add - x)

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "cells.glsl"

void main()
{
    uint pixel = flat_index(), plane = p.in_h * p.in_w, index = layer_index() * plane + pixel;
    if (pixel >= plane)
        return;
    uvec2 at = uvec2(pixel % p.in_w, pixel / p.in_w), cells = uvec2(p.in_w, p.in_h) / p.stride;
    float share = cell_value(0, cells.x, cells.y, cells_at(at.x, cells.x), cells_at(at.y, cells.y));
    store_y(index, mix(load_x(index), load_add(index), share));
}
