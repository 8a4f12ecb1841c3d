#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Convolution, one output element per invocation.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "finish.glsl"

layout(constant_id = 4) const uint kernel = 3;
layout(constant_id = 5) const uint stride = 1;

float tap(uint i, int row, int column, float scale, float shift)
{
    if (row < 0 || row >= int(p.in_h) || column < 0 || column >= int(p.in_w))
        return 0.0;
    return load_x((i * p.in_h + uint(row)) * p.in_w + uint(column)) * scale + shift;
}

void main()
{
    uint pixel = flat_index(), o = layer_index(), plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    int row = int(pixel / p.out_w * stride) - int(kernel / 2), column = int(pixel % p.out_w * stride) - int(kernel / 2);
    float sum = 0.0;
    for (uint i = 0; i < p.in_c; i++) {
        float scale = is_present(BIND_IN_SCALE) ? in_scale[i + p.base[BIND_IN_SCALE]] : 1.0;
        float shift = is_present(BIND_IN_SHIFT) ? in_shift[i + p.base[BIND_IN_SHIFT]] : 0.0;
        for (uint k = 0; k < kernel * kernel; k++)
            sum += load_weight((o * p.in_c + i) * kernel * kernel + k) *
                   tap(i, row + int(k / kernel), column + int(k % kernel), scale, shift);
    }
    store_y(o * plane + pixel, finish(sum, o, pixel, o * plane + pixel));
}
