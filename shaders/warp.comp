#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A picture moved: y(P) = x(P + motion(P)), bilinear. Each of its channels is stored as stride x stride channels of phases.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "cells.glsl"

float picture_at(uint channel, uint x, uint y)
{
    uint s = p.stride, phase = (channel * s + y % s) * s + x % s;
    return load_x((phase * p.in_h + y / s) * p.in_w + x / s);
}

void main()
{
    uint cell = flat_index(), layer = layer_index(), plane = p.in_h * p.in_w, s = p.stride;
    if (cell >= plane)
        return;
    uint channel = layer / (s * s);
    uvec2 at = s * uvec2(cell % p.in_w, cell / p.in_w) + uvec2(layer % s, layer / s % s);
    Pair x = cells_at(at.x, p.in_w), y = cells_at(at.y, p.in_h);
    vec2 motion = float(s) * vec2(cell_value(0, p.in_w, p.in_h, x, y), cell_value(1, p.in_w, p.in_h, x, y));
    x = pair_at(at.x, motion.x, s * p.in_w);
    y = pair_at(at.y, motion.y, s * p.in_h);
    store_y(layer * plane + cell,
            mix(mix(picture_at(channel, x.first, y.first), picture_at(channel, x.second, y.first), x.share),
                mix(picture_at(channel, x.first, y.second), picture_at(channel, x.second, y.second), x.share), y.share));
}
