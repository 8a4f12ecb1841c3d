#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The picture of a resolution: 1x1 convolution to three channels, clamped, plus the smaller picture, upsampled by
// zero-insertion and the filter [1,3,3,1] x [1,3,3,1] / 16 with padding (2,1).

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(constant_id = 4) const bool quads = false; // four pixels of a row at once, else two

// Row 2y of the upsampled picture has (1,3)/4 of rows y-1 and y, row 2y+1 has (3,1)/4 of rows y and y+1; columns too.
// One smaller row, filtered along columns: the pixels from x on, which is even.
vec4 upsampled_row(uint o, int row, int x)
{
    int h = int(p.out_h / 2), w = int(p.out_w / 2), first = x / 2 - 1;
    float v[4];
    [[unroll]] for (int j = 0; j < 4; j++)
        v[j] = row >= 0 && row < h && first + j >= 0 && first + j < w && (quads || j < 3)
                   ? load_add(uint((int(o) * h + clamp(row, 0, h - 1)) * w + clamp(first + j, 0, w - 1)))
                   : 0.0;
    return vec4(0.25 * v[0] + 0.75 * v[1], 0.75 * v[1] + 0.25 * v[2], 0.25 * v[1] + 0.75 * v[2],
                0.75 * v[2] + 0.25 * v[3]);
}

vec4 upsampled(uint o, int y, int x)
{
    int above = (y + 1) / 2 - 1;
    float share = (y & 1) == 0 ? 0.25 : 0.75;
    return share * upsampled_row(o, above, x) + (1.0 - share) * upsampled_row(o, above + 1, x);
}

void main()
{
    uint size = quads ? 4 : 2, plane = p.out_h * p.out_w, pixel = flat_index() * size;
    if (pixel >= plane)
        return;
    vec4 sum[3] = vec4[](vec4(0.0), vec4(0.0), vec4(0.0));
    for (uint i = 0; i < p.in_c; i++) {
        uint at = i * plane + pixel;
        vec4 v = quads ? load_x4(at / 4) : vec4(load_x(at), load_x(at + 1), 0.0, 0.0);
        v *= in_scale[i + p.base[BIND_IN_SCALE]];
        [[unroll]] for (uint o = 0; o < 3; o++)
            sum[o] += load_weight(o * p.in_c + i) * v;
    }
    [[unroll]] for (uint o = 0; o < 3; o++) {
        float bound = p.clamp > 0.0 ? p.clamp : 3.4e38;
        vec4 v = clamp(sum[o] + bias[o + p.base[BIND_BIAS]], -bound, bound);
        if (is_present(BIND_ADD))
            v += upsampled(o, int(pixel / p.out_w), int(pixel % p.out_w));
        if (quads) {
            store_y4((o * plane + pixel) / 4, v);
        } else {
            store_y(o * plane + pixel, v.x);
            if (pixel + 1 < plane)
                store_y(o * plane + pixel + 1, v.y);
        }
    }
}
