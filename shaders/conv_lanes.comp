#version 450
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Convolution for drivers that run a subgroup as the lanes of one vector register, such as llvmpipe. A load whose
// address varies by lane costs them as much as dozens of multiplications, shared memory no less; so an invocation makes
// 4 x 2 pixels of 8 channels in registers, and every lane loads another part of the weights and broadcasts it.
// A work group is one subgroup. Weights: [o / 8][i][k][o % 8].

#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "common.glsl"
#include "finish.glsl"

layout(constant_id = 4) const int kernel = 3;
layout(constant_id = 5) const int stride = 1;
layout(constant_id = 6) const bool aligned = false; // rows of y are multiples of four long, rows of x stride times that
layout(constant_id = 7) const bool has_shift = false;
layout(constant_id = 8) const bool has_curve = false;
layout(constant_id = 9) const uint lanes = 8;

// An invocation's tile: pixels across and down, output channels / 4. Rows that are not aligned are those of tiny maps,
// for which one pixel does; more would take seconds to compile.
const int MAX_WIDTH = 4, MAX_HEIGHT = 2, QUADS = 2;
const int WIDTH = aligned ? MAX_WIDTH : 1, HEIGHT = aligned ? MAX_HEIGHT : 1;
const int MAX_LINE = 9, MAX_LINES = 5, MAX_PARTS = 5;
const int line_size = (WIDTH - 1) * stride + kernel, n_lines = (HEIGHT - 1) * stride + kernel, pad = kernel / 2;
const uint n_weights = uint(kernel * kernel * QUADS), n_parts = (n_weights + lanes - 1) / lanes;

float line[MAX_LINES][MAX_LINE];

float scaled(float v, float scale, float shift) { return has_shift ? v * scale + shift : v * scale; }
vec4 scaled(vec4 v, float scale, float shift) { return has_shift ? v * scale + shift : v * scale; }

// The load is not conditional: a branch costs more.
float load_column(uint start, int column, float scale, float shift)
{
    float v = scaled(load_x(start + uint(clamp(column, 0, int(p.in_w) - 1))), scale, shift);
    return column >= 0 && column < int(p.in_w) ? v : 0.0;
}

// The input of channel i that output columns from x on see in one line; zero outside of the map.
void load_line(int at, uint i, int row, int x, float scale, float shift)
{
    bool is_inside = row >= 0 && row < int(p.in_h);
    uint start = (i * p.in_h + uint(clamp(row, 0, int(p.in_h) - 1))) * p.in_w;
    int first = x * stride - pad;
    scale = is_inside ? scale : 0.0;
    shift = is_inside ? shift : 0.0;
    if (aligned) {
        [[unroll]] for (int quad = 0; quad < stride; quad++) {
            vec4 v = scaled(load_x4((start + uint(x * stride)) / 4 + quad), scale, shift);
            [[unroll]] for (int j = 0; j < 4; j++)
                if (pad + quad * 4 + j < line_size)
                    line[at][pad + quad * 4 + j] = v[j];
        }
        if (pad > 0)
            line[at][0] = load_column(start, first, scale, shift);
        if (pad > 0 && stride == 1)
            line[at][line_size - 1] = load_column(start, x + WIDTH, scale, shift);
    } else {
        [[unroll]] for (int j = 0; j < line_size; j++)
            line[at][j] = load_column(start, first + j, scale, shift);
    }
}

void main()
{
    uint tiles_across = (p.out_w + WIDTH - 1) / WIDTH, tiles = tiles_across * ((p.out_h + HEIGHT - 1) / HEIGHT);
    uint tile = flat_index(), me = gl_SubgroupInvocationID;
    bool is_tile = tile < tiles;
    tile = min(tile, tiles - 1);
    int x = int(tile % tiles_across) * WIDTH, y = int(tile / tiles_across) * HEIGHT;
    uint weights = layer_index() * p.in_c * n_weights;

    vec4 sum[MAX_HEIGHT][MAX_WIDTH][QUADS];
    [[unroll]] for (int v = 0; v < HEIGHT; v++)
        [[unroll]] for (int u = 0; u < WIDTH; u++)
            [[unroll]] for (int q = 0; q < QUADS; q++)
                sum[v][u][q] = vec4(0.0);

    for (uint i = 0; i < p.in_c; i++, weights += n_weights) {
        vec4 part[MAX_PARTS];
        [[unroll]] for (uint j = 0; j < n_parts; j++)
            part[j] = load_weight4(weights + min(j * lanes + me, n_weights - 1));
        float scale = is_present(BIND_IN_SCALE) ? in_scale[i + p.base[BIND_IN_SCALE]] : 1.0;
        float shift = has_shift ? in_shift[i + p.base[BIND_IN_SHIFT]] : 0.0;
        [[unroll]] for (int j = 0; j < n_lines; j++)
            load_line(j, i, y * stride - pad + j, x, scale, shift);
        [[unroll]] for (int k = 0; k < kernel * kernel; k++)
            [[unroll]] for (int q = 0; q < QUADS; q++) {
                uint j = uint(k * QUADS + q);
                vec4 weight = subgroupShuffle(part[j / lanes], j % lanes);
                [[unroll]] for (int v = 0; v < HEIGHT; v++)
                    [[unroll]] for (int u = 0; u < WIDTH; u++)
                        sum[v][u][q] += weight * line[v * stride + k / kernel][u * stride + k % kernel];
            }
    }

    if (!is_tile)
        return;
    [[unroll]] for (int o = 0; o < 4 * QUADS; o++) {
        uint channel_index = layer_index() * 4 * QUADS + o;
        if (channel_index >= p.out_c)
            continue;
        Channel channel = load_channel(channel_index);
        if (!aligned)
            finish_one(sum[0][0][o / 4][o % 4], channel_index, channel, y * p.out_w + x, has_curve);
        [[unroll]] for (int v = 0; aligned && v < HEIGHT; v++)
            if (y + v < int(p.out_h))
                finish_row(vec4(sum[v][0][o / 4][o % 4], sum[v][1][o / 4][o % 4], sum[v][2][o / 4][o % 4],
                                sum[v][3][o / 4][o % 4]),
                           channel_index, channel, y + v, x, 4, true, has_curve);
    }
}
