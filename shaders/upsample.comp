#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Bilinear interpolation whose corners are the corners of the input.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

float sample_x(uint c, uint row, uint column) { return load_x((c * p.in_h + row) * p.in_w + column); }

void main()
{
    uint pixel = flat_index(), c = layer_index(), plane = p.out_h * p.out_w;
    if (pixel >= plane)
        return;
    uint row = pixel / p.out_w, column = pixel % p.out_w;
    float y = p.out_h > 1 ? float(row) * (float(p.in_h - 1) / float(p.out_h - 1)) : 0.0;
    float x = p.out_w > 1 ? float(column) * (float(p.in_w - 1) / float(p.out_w - 1)) : 0.0;
    uint y0 = min(uint(y), p.in_h - 1), x0 = min(uint(x), p.in_w - 1);
    uint y1 = min(y0 + 1, p.in_h - 1), x1 = min(x0 + 1, p.in_w - 1);
    float v = mix(mix(sample_x(c, y0, x0), sample_x(c, y0, x1), x - float(x0)),
                  mix(sample_x(c, y1, x0), sample_x(c, y1, x1), x - float(x0)), y - float(y0));
    if (is_present(BIND_ADD))
        v += load_add(c * plane + pixel);
    store_y(c * plane + pixel, v);
}
