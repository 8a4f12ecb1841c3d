#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Convolution for GPUs: a work group makes a tile of pixels, 16 across, of some output channels, its input and weights
// in shared memory; an invocation makes 8 neighbours of 8 channels in registers.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "finish.glsl"

layout(constant_id = 4) const uint kernel = 3;
layout(constant_id = 5) const uint stride = 1;
layout(constant_id = 6) const bool aligned = false; // rows of y are multiples of four long
layout(constant_id = 7) const bool has_curve = false;
layout(constant_id = 8) const uint tile_channels = 32;

const uint WIDTH = 8, ACROSS = 2; // pixels of an invocation, invocations across a tile
const uint channel_groups = tile_channels / 8;
const uint tile_w = WIDTH * ACROSS, tile_h = gl_WorkGroupSize.x / channel_groups / ACROSS;
const uint window_w = (tile_w - 1) * stride + kernel, window_h = (tile_h - 1) * stride + kernel;
const uint n_taps = kernel * kernel, pad = kernel / 2;

#include "tile.glsl"

void main()
{
    uint tiles_across = (p.out_w + tile_w - 1) / tile_w, tile = group_index();
    uint tile_x = tile % tiles_across * tile_w, tile_y = tile / tiles_across * tile_h;
    if (tile_y >= p.out_h)
        return;
    uint me = gl_LocalInvocationID.x, group = me % channel_groups, place = me / channel_groups;
    uint column = place % ACROSS * WIDTH, row = place / ACROSS;
    uint first = layer_index() * tile_channels;

    vec4 sum[WIDTH][2];
    [[unroll]] for (uint u = 0; u < WIDTH; u++)
        sum[u][0] = sum[u][1] = vec4(0.0);

    for (uint i = 0; i < p.in_c; i += CHUNK) {
        barrier();
        load_window(i, int(tile_y * stride) - int(pad), int(tile_x * stride) - int(pad));
        load_weights(i, first, p.out_c);
        barrier();
        for (uint j = 0; j < CHUNK; j++)
            for (uint ky = 0; ky < kernel; ky++) {
                uint at = j * window_size + (row * stride + ky) * window_w + column * stride;
                [[unroll]] for (uint kx = 0; kx < kernel; kx++) {
                    uint weight_at = ((j * n_taps + ky * kernel + kx) * tile_channels + group * 8) / 4;
                    vec4 low = window_weights[weight_at], high = window_weights[weight_at + 1];
                    [[unroll]] for (uint u = 0; u < WIDTH; u++) {
                        float v = window[at + u * stride + kx];
                        sum[u][0] += low * v;
                        sum[u][1] += high * v;
                    }
                }
            }
    }

    uint y = tile_y + row;
    [[unroll]] for (uint o = 0; o < 8; o++) {
        uint channel_index = first + group * 8 + o;
        if (channel_index >= p.out_c || y >= p.out_h)
            continue;
        Channel channel = load_channel(channel_index);
        [[unroll]] for (uint u = 0; u < WIDTH; u += 4) {
            uint x = tile_x + column + u;
            if (x < p.out_w)
                finish_row(vec4(sum[u][o / 4][o % 4], sum[u + 1][o / 4][o % 4], sum[u + 2][o / 4][o % 4],
                                sum[u + 3][o / 4][o % 4]),
                           channel_index, channel, y, x, min(4, p.out_w - x), aligned, has_curve);
        }
    }
}
