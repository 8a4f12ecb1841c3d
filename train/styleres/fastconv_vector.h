// SPDX-License-Identifier: GPL-3.0-or-later
// Sixteen float lanes: one AVX-512 register, or what the compiler makes of it elsewhere.

#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

constexpr int LANES = 16;
typedef float Vec __attribute__((vector_size(LANES * sizeof(float))));

inline Vec broadcast(float x)
{
    return x - Vec{};
}

inline Vec load(const float *p)
{
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float *p, Vec v)
{
    std::memcpy(p, &v, sizeof v);
}

// The first `count` lanes only; the others read as zero.
inline Vec load(const float *p, int count)
{
    if (count == LANES)
        return load(p);
    Vec v = {};
    for (int i = 0; i < count; i++)
        v[i] = p[i];
    return v;
}

inline void store(float *p, Vec v, int count)
{
    if (count == LANES)
        store(p, v);
    else
        for (int i = 0; i < count; i++)
            p[i] = v[i];
}

// Calls work(count), count being a compile-time constant in the usual case of whole vectors.
template <class Work> inline void with_lanes(int64_t count, Work work)
{
    if (count >= LANES)
        work(std::integral_constant<int, LANES>{});
    else
        work(static_cast<int>(count));
}
