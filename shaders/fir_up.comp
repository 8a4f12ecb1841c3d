#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The filter [1,3,3,1] x [1,3,3,1] / 16 with padding 1 and finish: the second half of CONV_UP.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "finish.glsl"

void main()
{
    const float tap[4] = float[](0.25, 0.75, 0.75, 0.25);
    uint pixel = flat_index(), layer = layer_index(), o = layer + p.first_channel, plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    int row = int(pixel / p.out_w) - 1, column = int(pixel % p.out_w) - 1;
    float sum = 0.0;
    for (int v = 0; v < 4; v++) {
        float line = 0.0;
        if (row + v < 0 || row + v >= int(p.in_h))
            continue;
        for (int u = 0; u < 4; u++)
            if (column + u >= 0 && column + u < int(p.in_w))
                line += tap[u] * load_x((layer * p.in_h + uint(row + v)) * p.in_w + uint(column + u));
        sum += tap[v] * line;
    }
    store_y(o * plane + pixel, finish(sum, o, pixel, o * plane + pixel));
}
