#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fully connected layer: a work group, which has at least as many invocations, sums eight outputs.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "finish.glsl"

const uint ROWS = 8;

#include "reduce.glsl"

layout(constant_id = 4) const bool square = false;
layout(constant_id = 5) const bool quads = false; // rows are multiples of four long and x begins at one

float sums[ROWS];

void sum_quads(uint first)
{
    for (uint i = gl_LocalInvocationID.x; i < p.in_c / 4; i += gl_WorkGroupSize.x) {
        vec4 v = load_x4(i + p.base[BIND_X] / 4);
        v = square ? v * v : v;
        [[unroll]] for (uint r = 0; r < ROWS; r++)
            sums[r] += dot(load_weight4(min(first + r, p.out_c - 1) * (p.in_c / 4) + i), v);
    }
}

void sum_singles(uint first)
{
    for (uint i = gl_LocalInvocationID.x; i < p.in_c; i += gl_WorkGroupSize.x) {
        float v = load_x(i);
        v = square ? v * v : v;
        [[unroll]] for (uint r = 0; r < ROWS; r++)
            sums[r] += load_weight(min(first + r, p.out_c - 1) * p.in_c + i) * v;
    }
}

void main()
{
    uint first = group_index() * ROWS, o = first + gl_LocalInvocationID.x;
    if (first >= p.out_c)
        return;
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        sums[r] = 0.0;
    if (quads)
        sum_quads(first);
    else
        sum_singles(first);
    reduce(sums);
    if (gl_LocalInvocationID.x >= ROWS || o >= p.out_c)
        return;
    float v = partial[gl_LocalInvocationID.x][0] * p.gain;
    if (is_present(BIND_BIAS))
        v += bias[o + p.base[BIND_BIAS]];
    store_y(o, activate(v, o));
}
