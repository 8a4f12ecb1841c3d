#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// A picture moved, kept sharp: y(P) = x(P + stride * motion(P)), by cubic convolution (Keys 1981) with a = -0.75.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "cells.glsl"

// Of the samples at -1, 0, 1, 2, for a place between 0 and 1.
vec4 cubic(float at)
{
    const float a = -0.75;
    vec2 near = vec2(at, 1.0 - at), far = 1.0 + near;
    near = ((a + 2.0) * near - (a + 3.0)) * near * near + 1.0;
    far = ((a * far - 5.0 * a) * far + 8.0 * a) * far - 4.0 * a;
    return vec4(far.x, near.x, near.y, far.y);
}

float row_at(uint first, int column, vec4 weights)
{
    vec4 v;
    [[unroll]] for (int k = 0; k < 4; k++)
        v[k] = load_x(first + uint(clamp(column + k, 0, int(p.in_w) - 1)));
    return dot(v, weights);
}

void main()
{
    uint pixel = flat_index(), c = layer_index(), plane = p.in_h * p.in_w;
    if (pixel >= plane)
        return;
    uvec2 at = uvec2(pixel % p.in_w, pixel / p.in_w), cells = uvec2(p.in_w, p.in_h) / p.stride;
    Pair x = cells_at(at.x, cells.x), y = cells_at(at.y, cells.y);
    vec2 motion = float(p.stride) * vec2(cell_value(0, cells.x, cells.y, x, y), cell_value(1, cells.x, cells.y, x, y));
    ivec2 first = ivec2(at) + ivec2(floor(motion)) - 1;
    vec4 across = cubic(fract(motion.x)), down = cubic(fract(motion.y)), rows;
    [[unroll]] for (int k = 0; k < 4; k++)
        rows[k] = row_at((c * p.in_h + uint(clamp(first.y + k, 0, int(p.in_h) - 1))) * p.in_w, first.x, across);
    store_y(c * plane + pixel, dot(rows, down));
}
