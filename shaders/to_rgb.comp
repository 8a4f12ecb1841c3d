#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The picture of a resolution: 1x1 convolution to three channels, clamped, plus the smaller picture, upsampled by
// zero-insertion and the filter [1,3,3,1] x [1,3,3,1] / 16 with padding (2,1).

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Row 2y of the upsampled picture has (1,3)/4 of rows y-1 and y, row 2y+1 has (3,1)/4 of rows y and y+1.
float upsampled(uint o, int row, int column)
{
    int h = int(p.out_h / 2), w = int(p.out_w / 2);
    int y0 = (row + 1) / 2 - 1, x0 = (column + 1) / 2 - 1;
    vec2 weight_y = (row & 1) == 0 ? vec2(0.25, 0.75) : vec2(0.75, 0.25);
    vec2 weight_x = (column & 1) == 0 ? vec2(0.25, 0.75) : vec2(0.75, 0.25);
    float sum = 0.0;
    for (int v = 0; v < 2; v++)
        for (int u = 0; u < 2; u++)
            if (y0 + v >= 0 && y0 + v < h && x0 + u >= 0 && x0 + u < w)
                sum += weight_y[v] * weight_x[u] * load_add((o * uint(h) + uint(y0 + v)) * uint(w) + uint(x0 + u));
    return sum;
}

void main()
{
    uint pixel = flat_index(), plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    vec3 sum = vec3(0.0);
    for (uint i = 0; i < p.in_c; i++) {
        float v = load_x(i * plane + pixel) * in_scale[i + p.base[BIND_IN_SCALE]];
        sum += v * vec3(load_weight(i), load_weight(p.in_c + i), load_weight(2 * p.in_c + i));
    }
    for (uint o = 0; o < 3; o++) {
        float v = sum[o] + bias[o + p.base[BIND_BIAS]];
        if (p.clamp > 0.0)
            v = clamp(v, -p.clamp, p.clamp);
        if (is_present(BIND_ADD))
            v += upsampled(o, int(pixel / p.out_w), int(pixel % p.out_w));
        store_y(o * plane + pixel, v);
    }
}
