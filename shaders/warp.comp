#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A picture moved: y(P) = x(P + motion(P)), bilinear. Each of its channels is stored as stride x stride channels of phases.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Two neighbours on an axis and the second one's share.
struct Pair {
    uint first, second;
    float share;
};

// Those around base + offset; what lies outside is the nearest inside. Far from 0 a sum of both would lose the fraction.
Pair pair_at(uint base, float offset, uint n)
{
    int first = int(base) + int(floor(offset));
    if (first < 0)
        return Pair(0, 0, 0.0);
    uint last = n - 1;
    return Pair(min(uint(first), last), min(uint(first) + 1, last), fract(offset));
}

float motion_at(uint axis, Pair x, Pair y)
{
    uint upper = (axis * p.in_h + y.first) * p.in_w, lower = (axis * p.in_h + y.second) * p.in_w;
    return mix(mix(load_weight(upper + x.first), load_weight(upper + x.second), x.share),
               mix(load_weight(lower + x.first), load_weight(lower + x.second), x.share), y.share);
}

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
    uint column = cell % p.in_w, row = cell / p.in_w, channel = layer / (s * s);
    uvec2 phase = uvec2(layer % s, layer / s % s);
    vec2 off_centre = (vec2(phase) + 0.5) / float(s) - 0.5;
    Pair x = pair_at(column, off_centre.x, p.in_w), y = pair_at(row, off_centre.y, p.in_h);
    vec2 motion = float(s) * vec2(motion_at(0, x, y), motion_at(1, x, y));
    x = pair_at(s * column + phase.x, motion.x, s * p.in_w);
    y = pair_at(s * row + phase.y, motion.y, s * p.in_h);
    store_y(layer * plane + cell,
            mix(mix(picture_at(channel, x.first, y.first), picture_at(channel, x.second, y.first), x.share),
                mix(picture_at(channel, x.first, y.second), picture_at(channel, x.second, y.second), x.share), y.share));
}
