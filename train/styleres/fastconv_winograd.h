// SPDX-License-Identifier: GPL-3.0-or-later
// 3x3 convolution, stride 1, padding 1, by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 36
// products per 16 outputs instead of 144. Maps are batch x height x width x channel, channels in multiples
// of 16. A group of tiles is transformed, multiplied and transformed back while it is in the second-level
// cache, so no transformed map is stored.

#pragma once

#include "fastconv_vector.h"

#include <algorithm>

namespace winograd
{

constexpr int POINTS = 36, TILE = 6, OUT = 4, ROWS = 8;

// The four one-dimensional transforms; names follow the paper's matrices.
constexpr auto input_transform = [](const Vec *d, Vec *o) {
    Vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
    o[0] = 4 * d[0] - 5 * d[2] + d[4];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = 4 * d[1] - 5 * d[3] + d[5];
};

constexpr auto output_transform = [](const Vec *m, Vec *y) {
    Vec s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = d1 + 2 * d2;
    y[2] = s1 + 4 * s2;
    y[3] = d1 + 8 * d2 + m[5];
};

constexpr auto output_gradient_transform = [](const Vec *y, Vec *m) {
    Vec even = y[0] + y[2], odd = y[1] + y[3], even2 = y[0] + 4 * y[2], odd2 = 2 * y[1] + 8 * y[3];
    m[0] = y[0];
    m[1] = even + odd;
    m[2] = even - odd;
    m[3] = even2 + odd2;
    m[4] = even2 - odd2;
    m[5] = y[3];
};

constexpr auto weight_transform = [](const Vec *w, Vec *u) {
    Vec even = (w[0] + w[2]) * (-1 / 6.f), odd = w[1] * (1 / 6.f);
    Vec even2 = w[0] * (1 / 24.f) + w[2] * (1 / 6.f), odd2 = w[1] * (1 / 12.f);
    u[0] = w[0] * 0.25f;
    u[1] = even - odd;
    u[2] = even + odd;
    u[3] = even2 + odd2;
    u[4] = even2 - odd2;
    u[5] = w[2];
};

constexpr auto weight_gradient_transform = [](const Vec *u, Vec *w) {
    Vec s1 = u[1] + u[2], s2 = u[3] + u[4];
    w[0] = u[0] * 0.25f - s1 * (1 / 6.f) + s2 * (1 / 24.f);
    w[1] = (u[2] - u[1]) * (1 / 6.f) + (u[3] - u[4]) * (1 / 12.f);
    w[2] = (s2 - s1) * (1 / 6.f) + u[5];
};

// Applies a one-dimensional transform to the columns, then to the rows. put(row, column, value) takes the
// result.
template <int FROM, int TO, class Transform, class Get, class Put>
inline void transform_2d(Transform transform, Get get, Put put)
{
    Vec half[TO][FROM];
#pragma GCC unroll 6
    for (int c = 0; c < FROM; c++) {
        Vec in[FROM], out[TO];
#pragma GCC unroll 6
        for (int r = 0; r < FROM; r++)
            in[r] = get(r, c);
        transform(in, out);
#pragma GCC unroll 6
        for (int r = 0; r < TO; r++)
            half[r][c] = out[r];
    }
#pragma GCC unroll 6
    for (int r = 0; r < TO; r++) {
        Vec out[TO];
        transform(half[r], out);
#pragma GCC unroll 6
        for (int c = 0; c < TO; c++)
            put(r, c, out[c]);
    }
}

// c[ROWS][16 WIDTH] (+)= sum over k of a[row, k] * b[k, column].
template <int WIDTH>
inline void multiply_block(const float *a, int64_t a_row, int64_t a_k, const float *b, int64_t b_k,
                           int64_t depth, float *c, int64_t c_row, bool add)
{
    Vec sum[ROWS][WIDTH];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int j = 0; j < WIDTH; j++)
            sum[r][j] = add ? load(c + r * c_row + j * LANES) : Vec{};
    for (int64_t k = 0; k < depth; k++) {
        Vec column[WIDTH];
#pragma GCC unroll 3
        for (int j = 0; j < WIDTH; j++)
            column[j] = load(b + k * b_k + j * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            Vec v = broadcast(a[r * a_row + k * a_k]);
#pragma GCC unroll 3
            for (int j = 0; j < WIDTH; j++)
                sum[r][j] += v * column[j];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int j = 0; j < WIDTH; j++)
            store(c + r * c_row + j * LANES, sum[r][j]);
}

// rows: a multiple of ROWS, columns: of LANES.
inline void multiply(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_row, int64_t a_k,
                     const float *b, int64_t b_k, float *c, int64_t c_row, bool add)
{
    for (int64_t j = 0; j < columns;) {
        int64_t left = (columns - j) / LANES, width = left == 1 ? 1 : left == 2 || left == 4 ? 2 : 3;
        auto block = width == 1 ? multiply_block<1> : width == 2 ? multiply_block<2> : multiply_block<3>;
        for (int64_t r = 0; r < rows; r += ROWS)
            block(a + r * a_row, a_row, a_k, b + j, b_k, depth, c + r * c_row + j, c_row, add);
        j += width * LANES;
    }
}

struct Map {
    int64_t n, h, w;
    int64_t tiles_y() const
    {
        return (h + OUT - 1) / OUT;
    }
    int64_t tiles_x() const
    {
        return (w + OUT - 1) / OUT;
    }
    int64_t tiles() const
    {
        return n * tiles_y() * tiles_x();
    }
};

struct Tile {
    int64_t image, y, x; // of its first output
    Tile(const Map &m, int64_t index)
    {
        x = index % m.tiles_x() * OUT;
        y = index / m.tiles_x() % m.tiles_y() * OUT;
        image = index / m.tiles_x() / m.tiles_y();
    }
};

// Distance between the 36 slabs of a transformed array: not a multiple of a page, which would thrash the
// cache.
inline int64_t slab(int64_t rows, int64_t columns)
{
    return rows * columns + LANES;
}

// Tiles per group: both transformed arrays in half the second-level cache.
inline int64_t group_size(int64_t ci, int64_t co)
{
    constexpr int64_t cache_floats = 200 * 1024;
    return std::clamp<int64_t>(cache_floats / (POINTS * (ci + co)) / ROWS * ROWS, ROWS, 6 * ROWS);
}

inline int64_t weights_floats(int64_t ci, int64_t co)
{
    return POINTS * slab(ci, co);
}

inline int64_t work_floats(int64_t ci, int64_t co)
{
    int64_t group = group_size(ci, co);
    return POINTS * (slab(group, ci) + slab(group, co));
}

// One tile's SIDE x SIDE values from (y, x) on, zero outside the map, through `transform` into row `row` of
// v's slabs.
template <int SIDE, class Transform>
inline void transform_tile(Transform transform, const float *map, const Map &m, const Tile &tile,
                           int64_t border, int64_t channels, const float *factor, float *v, int64_t v_slab)
{
    int64_t y0 = tile.y - border, x0 = tile.x - border;
    bool inside = y0 >= 0 && x0 >= 0 && y0 + SIDE <= m.h && x0 + SIDE <= m.w;
    int64_t row = m.w * channels;
    const float *corner = map + (tile.image * m.h + y0) * row + x0 * channels;
    for (int64_t c = 0; c < channels; c += LANES) {
        Vec f = factor ? load(factor + tile.image * channels + c) : broadcast(1);
        auto put = [&](int r, int k, Vec value) { store(v + (r * TILE + k) * v_slab + c, value); };
        const float *from = corner + c;
        if (inside)
            transform_2d<SIDE, TILE>(
                transform, [&](int r, int k) { return load(from + r * row + k * channels) * f; }, put);
        else
            transform_2d<SIDE, TILE>(
                transform,
                [&](int r, int k) {
                    bool in = y0 + r >= 0 && y0 + r < m.h && x0 + k >= 0 && x0 + k < m.w;
                    return in ? load(from + r * row + k * channels) * f : Vec{};
                },
                put);
    }
}

// u (36 slabs of ci x co) from w (3, 3, ci, co); flipped turns the kernel by 180 degrees.
inline void transform_weights(const float *w, int64_t ci, int64_t co, bool flipped, float *u)
{
    int64_t size = ci * co, distance = slab(ci, co);
    for (int64_t i = 0; i < size; i += LANES)
        transform_2d<3, TILE>(
            weight_transform,
            [&](int r, int k) { return load(w + (flipped ? 8 - r * 3 - k : r * 3 + k) * size + i); },
            [&](int r, int k, Vec v) { store(u + (r * TILE + k) * distance + i, v); });
}

// dw (3, 3, ci, co) from du.
inline void weights_gradient(const float *du, int64_t ci, int64_t co, float *dw)
{
    int64_t size = ci * co, distance = slab(ci, co);
    for (int64_t i = 0; i < size; i += LANES)
        transform_2d<TILE, 3>(
            weight_gradient_transform, [&](int r, int k) { return load(du + (r * TILE + k) * distance + i); },
            [&](int r, int k, Vec v) { store(dw + (r * 3 + k) * size + i, v); });
}

// The convolution of map * factor (factor: n x ci or null) with transformed weights u. emit(tile, channel,
// rows, columns, y[4][4]) takes 16 channels of one tile, of which `rows` x `columns` pixels lie in the map.
template <class Emit>
inline void convolve(const float *map, const Map &m, int64_t ci, const float *factor, const float *u,
                     int64_t co, float *work, Emit emit)
{
    int64_t group = group_size(ci, co), v_slab = slab(group, ci), m_slab = slab(group, co),
            u_slab = slab(ci, co);
    float *v = work, *products = work + POINTS * v_slab;
    for (int64_t first = 0; first < m.tiles(); first += group) {
        int64_t count = std::min(group, m.tiles() - first), rows = (count + ROWS - 1) / ROWS * ROWS;
        for (int64_t t = 0; t < count; t++)
            transform_tile<TILE>(input_transform, map, m, Tile(m, first + t), 1, ci, factor, v + t * ci,
                                 v_slab);
        for (int p = 0; p < POINTS; p++)
            multiply(rows, co, ci, v + p * v_slab, ci, 1, u + p * u_slab, co, products + p * m_slab, co,
                     false);
        for (int64_t t = 0; t < count; t++) {
            Tile tile(m, first + t);
            int rows_in = std::min<int64_t>(OUT, m.h - tile.y),
                columns_in = std::min<int64_t>(OUT, m.w - tile.x);
            for (int64_t c = 0; c < co; c += LANES) {
                const float *from = products + t * co + c;
                Vec y[OUT][OUT];
                transform_2d<TILE, OUT>(
                    output_transform, [&](int r, int k) { return load(from + (r * TILE + k) * m_slab); },
                    [&](int r, int k, Vec v) { y[r][k] = v; });
                emit(tile, c, rows_in, columns_in, y);
            }
        }
    }
}

// du (+)= transformed gradient of the weights, from the convolution's input map * factor and its output's
// gradient.
inline void correlate(const float *map, const Map &m, int64_t ci, const float *factor, const float *gradient,
                      int64_t co, float *work, float *du, bool add)
{
    int64_t group = group_size(ci, co), v_slab = slab(group, ci), g_slab = slab(group, co),
            u_slab = slab(ci, co);
    float *v = work, *g = work + POINTS * v_slab;
    for (int64_t first = 0; first < m.tiles(); first += group) {
        int64_t count = std::min(group, m.tiles() - first);
        for (int64_t t = 0; t < count; t++) {
            Tile tile(m, first + t);
            transform_tile<TILE>(input_transform, map, m, tile, 1, ci, factor, v + t * ci, v_slab);
            transform_tile<OUT>(output_gradient_transform, gradient, m, tile, 0, co, nullptr, g + t * co,
                                g_slab);
        }
        for (int p = 0; p < POINTS; p++)
            multiply(ci, co, count, v + p * v_slab, 1, ci, g + p * g_slab, co, du + p * u_slab, co,
                     add || first > 0);
    }
}

} // namespace winograd
