#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The mean of a plane: a work group sums one channel.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "reduce.glsl"

void main()
{
    uint c = layer_index(), plane = p.in_h * p.in_w;
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < plane; i += gl_WorkGroupSize.x)
        sum += load_x(c * plane + i);
    sum = reduce(sum);
    if (gl_LocalInvocationID.x == 0)
        store_y(c, sum / float(plane));
}
