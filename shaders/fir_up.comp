#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The filter [1,3,3,1] x [1,3,3,1] / 16 with padding 1 and finish: the second half of CONV_UP. An invocation makes
// 4 x 4 elements. x is the scratch of transpose_*.comp: rows padded with zeros to a multiple of four.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "finish.glsl"

layout(constant_id = 4) const bool aligned = false; // rows of y are multiples of four long
layout(constant_id = 5) const bool has_curve = false;

const int SIZE = 4;

// A row of x, filtered along x for output columns x to x + 3.
vec4 filtered_row(uint channel, int row, int x)
{
    if (row < 0 || row >= int(p.in_h))
        return vec4(0.0);
    uint start = (channel * p.in_h + uint(row)) * p.in_w;
    float before = x > 0 ? load_x(start + uint(max(x, 1) - 1)) : 0.0;
    vec4 a = load_x4((start + uint(x)) / 4);
    vec4 b = x + 4 < int(p.in_w) ? load_x4((start + uint(min(x + 4, int(p.in_w) - 4))) / 4) : vec4(0.0);
    return 0.25 * vec4(before, a.xyz) + 0.75 * (a + vec4(a.yzw, b.x)) + 0.25 * vec4(a.zw, b.xy);
}

void main()
{
    uint tiles_across = (p.out_w + SIZE - 1) / SIZE, tile = flat_index(), layer = layer_index();
    uint x = tile % tiles_across * SIZE, y = tile / tiles_across * SIZE;
    if (y >= p.out_h)
        return;
    vec4 rows[SIZE + 3];
    [[unroll]] for (int j = 0; j < SIZE + 3; j++)
        rows[j] = filtered_row(layer, int(y) - 1 + j, int(x));
    Channel channel = load_channel(p.first_channel + layer);
    [[unroll]] for (int v = 0; v < SIZE; v++)
        if (y + v < p.out_h)
            finish_row(0.25 * (rows[v] + rows[v + 3]) + 0.75 * (rows[v + 1] + rows[v + 2]), p.first_channel + layer,
                       channel, y + v, x, min(4, p.out_w - x), aligned, has_curve);
}
