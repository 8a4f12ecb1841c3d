#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Transposed 3x3 convolution with stride 2, the first half of CONV_UP, made like conv_lanes.comp: an invocation makes
// 2 x 8 elements of 8 channels from 4 places of the input and their neighbours above and to the left. y is the scratch:
// a part of the channels of the output, first_channel the first of them, 2h+1 rows of out_w = 2w+1 rounded up to four.

#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "common.glsl"

layout(constant_id = 4) const bool aligned = false; // rows of x are multiples of four long
layout(constant_id = 5) const uint lanes = 8;

const int WIDTH = 4, QUADS = 2, MAX_PARTS = 5;
const uint n_weights = 9 * QUADS, n_parts = (n_weights + lanes - 1) / lanes;

float line[2][WIDTH + 1]; // rows y - 1 and y, from column x - 1 on

// The load is not conditional: a branch costs more.
float load_column(uint start, int column, float scale)
{
    float v = load_x(start + uint(clamp(column, 0, int(p.in_w) - 1))) * scale;
    return column >= 0 && column < int(p.in_w) ? v : 0.0;
}

void load_line(int at, uint i, int row, int x, float scale)
{
    bool is_inside = row >= 0 && row < int(p.in_h);
    uint start = (i * p.in_h + uint(clamp(row, 0, int(p.in_h) - 1))) * p.in_w;
    scale = is_inside ? scale : 0.0;
    line[at][0] = load_column(start, x - 1, scale);
    if (aligned) {
        vec4 v = load_x4((start + uint(min(x, int(p.in_w) - 4))) / 4) * (x < int(p.in_w) ? scale : 0.0);
        [[unroll]] for (int j = 0; j < 4; j++)
            line[at][1 + j] = v[j];
    } else {
        [[unroll]] for (int j = 0; j < WIDTH; j++)
            line[at][1 + j] = load_column(start, x + j, scale);
    }
}

void main()
{
    uint tiles_across = (p.in_w + WIDTH) / WIDTH, tiles = tiles_across * (p.in_h + 1);
    uint tile = flat_index(), me = gl_SubgroupInvocationID;
    bool is_tile = tile < tiles;
    tile = min(tile, tiles - 1);
    int x = int(tile % tiles_across) * WIDTH, y = int(tile / tiles_across);
    uint first = layer_index() * 4 * QUADS;
    uint weights = (p.first_channel + first) / (4 * QUADS) * p.in_c * n_weights;

    vec4 sum[2][2 * WIDTH][QUADS];
    [[unroll]] for (int v = 0; v < 2; v++)
        [[unroll]] for (int u = 0; u < 2 * WIDTH; u++)
            [[unroll]] for (int q = 0; q < QUADS; q++)
                sum[v][u][q] = vec4(0.0);

    for (uint i = 0; i < p.in_c; i++, weights += n_weights) {
        vec4 part[MAX_PARTS];
        [[unroll]] for (uint j = 0; j < n_parts; j++)
            part[j] = load_weight4(weights + min(j * lanes + me, n_weights - 1));
        float scale = is_present(BIND_IN_SCALE) ? in_scale[i + p.base[BIND_IN_SCALE]] : 1.0;
        load_line(0, i, y - 1, x, scale);
        load_line(1, i, y, x, scale);
        [[unroll]] for (int k = 0; k < 9; k++)
            [[unroll]] for (int q = 0; q < QUADS; q++) {
                // Element 2y + ky has the term of row y; ky = 2 is element 2(y + 1), where that row is the one above.
                int ky = k / 3, kx = k % 3;
                uint j = uint(k * QUADS + q);
                vec4 weight = subgroupShuffle(part[j / lanes], j % lanes);
                [[unroll]] for (int u = 0; u < WIDTH; u++)
                    sum[ky % 2][2 * u + kx % 2][q] += weight * line[ky == 2 ? 0 : 1][kx == 2 ? u : u + 1];
            }
    }

    if (!is_tile)
        return;
    [[unroll]] for (int o = 0; o < 4 * QUADS; o++) {
        if (first + o >= p.out_c)
            continue;
        [[unroll]] for (int v = 0; v < 2; v++)
            [[unroll]] for (int u = 0; u < 2 * WIDTH; u += 4) {
                uint row = 2 * y + v, column = 2 * x + u;
                if (row < p.out_h && column < p.out_w)
                    store_y4((((first + o) * p.out_h + row) * p.out_w + column) / 4,
                             vec4(sum[v][u][o / 4][o % 4], sum[v][u + 1][o / 4][o % 4], sum[v][u + 2][o / 4][o % 4],
                                  sum[v][u + 3][o / 4][o % 4]));
            }
    }
}
