#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The mean of a plane: a work group sums one channel.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

const uint ROWS = 1;

#include "reduce.glsl"

void main()
{
    uint c = layer_index(), plane = p.in_h * p.in_w;
    float sum[ROWS] = float[](0.0);
    for (uint i = gl_LocalInvocationID.x; i < plane; i += gl_WorkGroupSize.x)
        sum[0] += load_x(c * plane + i);
    reduce(sum);
    if (gl_LocalInvocationID.x == 0)
        store_y(c, partial[0][0] / float(plane));
}
