#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Transposed 3x3 convolution with stride 2, the first half of CONV_UP, for GPUs: like conv_shared.comp, an invocation
// makes 2 x 4 elements of 8 channels from 2 places of the input and their neighbours. y is as in transpose_lanes.comp.

#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(constant_id = 4) const uint tile_channels = 32;

const uint WIDTH = 2, ACROSS = 8;
const uint channel_groups = tile_channels / 8;
const uint tile_w = WIDTH * ACROSS, tile_h = gl_WorkGroupSize.x / channel_groups / ACROSS;
const uint window_w = tile_w + 1, window_h = tile_h + 1, n_taps = 9;

#include "tile.glsl"

void main()
{
    uint tiles_across = (p.in_w + tile_w) / tile_w, tile = group_index();
    uint tile_x = tile % tiles_across * tile_w, tile_y = tile / tiles_across * tile_h;
    if (tile_y > p.in_h)
        return;
    uint me = gl_LocalInvocationID.x, group = me % channel_groups, place = me / channel_groups;
    uint column = place % ACROSS * WIDTH, row = place / ACROSS;
    uint first = layer_index() * tile_channels;

    vec4 sum[2][2 * WIDTH][2];
    [[unroll]] for (uint v = 0; v < 2; v++)
        [[unroll]] for (uint u = 0; u < 2 * WIDTH; u++)
            sum[v][u][0] = sum[v][u][1] = vec4(0.0);

    for (uint i = 0; i < p.in_c; i += CHUNK) {
        barrier();
        load_window(i, int(tile_y) - 1, int(tile_x) - 1);
        load_weights(i, p.first_channel + first, p.first_channel + p.out_c);
        barrier();
        for (uint j = 0; j < CHUNK; j++)
            [[unroll]] for (uint k = 0; k < 9; k++) {
                uint ky = k / 3, kx = k % 3, weight_at = ((j * 9 + k) * tile_channels + group * 8) / 4;
                uint at = j * window_size + (row + (ky == 2 ? 0 : 1)) * window_w + column + (kx == 2 ? 0 : 1);
                vec4 low = window_weights[weight_at], high = window_weights[weight_at + 1];
                [[unroll]] for (uint u = 0; u < WIDTH; u++) {
                    float v = window[at + u];
                    sum[ky % 2][2 * u + kx % 2][0] += low * v;
                    sum[ky % 2][2 * u + kx % 2][1] += high * v;
                }
            }
    }

    [[unroll]] for (uint o = 0; o < 8; o++)
        [[unroll]] for (uint v = 0; v < 2; v++) {
            uint channel = first + group * 8 + o, y = 2 * (tile_y + row) + v, x = 2 * (tile_x + column);
            if (channel < p.out_c && y < p.out_h && x < p.out_w)
                store_y4(((channel * p.out_h + y) * p.out_w + x) / 4,
                         vec4(sum[v][0][o / 4][o % 4], sum[v][1][o / 4][o % 4], sum[v][2][o / 4][o % 4],
                              sum[v][3][o / 4][o % 4]));
        }
}
