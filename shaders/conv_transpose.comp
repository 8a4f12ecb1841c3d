#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Transposed 3x3 convolution with stride 2: the first half of CONV_UP. y is a part of the channels of the output,
// 2h+1 x 2w+1 each, from the channel first_channel on.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

void main()
{
    uint pixel = flat_index(), layer = layer_index(), o = layer + p.first_channel, plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    int row = int(pixel / p.out_w), column = int(pixel % p.out_w);
    float sum = 0.0;
    for (uint i = 0; i < p.in_c; i++) {
        float scale = is_present(BIND_IN_SCALE) ? in_scale[i + p.base[BIND_IN_SCALE]] : 1.0;
        // Output 2y + k has the terms whose k is even or odd as it is.
        for (int ky = row & 1; ky < 3; ky += 2) {
            int y = (row - ky) / 2;
            if (row < ky || y >= int(p.in_h))
                continue;
            for (int kx = column & 1; kx < 3; kx += 2) {
                int x = (column - kx) / 2;
                if (column < kx || x >= int(p.in_w))
                    continue;
                sum += load_weight((o * p.in_c + i) * 9 + uint(ky * 3 + kx)) *
                       load_x((i * p.in_h + uint(y)) * p.in_w + uint(x)) * scale;
            }
        }
    }
    store_y(layer * plane + pixel, sum);
}
