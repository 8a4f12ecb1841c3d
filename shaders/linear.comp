#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fully connected layer: a work group sums one output.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "finish.glsl"
#include "reduce.glsl"

layout(constant_id = 4) const bool square = false;

void main()
{
    uint o = group_index();
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; o < p.out_c && i < p.in_c; i += gl_WorkGroupSize.x) {
        float v = load_x(i);
        sum += load_weight(o * p.in_c + i) * (square ? v * v : v);
    }
    sum = reduce(sum);
    if (gl_LocalInvocationID.x != 0 || o >= p.out_c)
        return;
    sum *= p.gain;
    if (is_present(BIND_BIAS))
        sum += bias[o + p.base[BIND_BIAS]];
    store_y(o, activate(sum, o));
}
