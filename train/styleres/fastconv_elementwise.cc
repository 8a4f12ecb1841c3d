// SPDX-License-Identifier: GPL-3.0-or-later
// Passes over memory that PyTorch does slowly on a CPU: PReLU with its gradient, and Adam's update. float32.

#include "fastconv_vector.h"

#include <algorithm>
#include <cmath>

namespace
{

constexpr int64_t RUN = 128; // pixels per pass over the channels: what stays in the first-level cache

// Calls work(first pixel, last pixel, first channel, channel count) over blocks of a pixels x channels array.
template <class Work> void for_each_block(int64_t pixels, int64_t channels, Work work)
{
    for (int64_t p = 0; p < pixels; p += RUN)
        for (int64_t c = 0; c < channels; c += LANES) {
            int64_t end = std::min(pixels, p + RUN);
            with_lanes(channels - c, [&](auto count) { work(p, end, c, count); });
        }
}

} // namespace

extern "C" {

// y = x > 0 ? x : slope[channel] * x, on pixels x channels.
void fastconv_prelu(const float *x, const float *slope, int64_t pixels, int64_t channels, float *y)
{
    for_each_block(pixels, channels, [=](int64_t p, int64_t end, int64_t c, auto count) {
        Vec s = load(slope + c, count);
        for (; p < end; p++) {
            Vec v = load(x + p * channels + c, count);
            store(y + p * channels + c, v > 0 ? v : v * s, count);
        }
    });
}

// dx, and dslope[channel] (zero on entry) += sum of dy * min(x, 0).
void fastconv_prelu_backward(const float *dy, const float *x, const float *slope, int64_t pixels,
                             int64_t channels, float *dx, float *dslope)
{
    for_each_block(pixels, channels, [=](int64_t p, int64_t end, int64_t c, auto count) {
        Vec s = load(slope + c, count), sum = {};
        for (; p < end; p++) {
            Vec v = load(x + p * channels + c, count), g = load(dy + p * channels + c, count);
            store(dx + p * channels + c, v > 0 ? g : g * s, count);
            sum += v > 0 ? Vec{} : g * v;
        }
        store(dslope + c, load(dslope + c, count) + sum, count);
    });
}

// One Adam update (Kingma and Ba, arXiv 1412.6980) of `count` parameters. rate and epsilon already hold the
// bias corrections: parameter -= rate * mean / (sqrt(square) + epsilon).
void fastconv_adam(float *parameter, const float *gradient, float *mean, float *square, int64_t count,
                   float beta1, float beta2, float rate, float epsilon)
{
    for (int64_t i = 0; i < count; i++) {
        float g = gradient[i];
        mean[i] += (g - mean[i]) * (1 - beta1);
        square[i] = square[i] * beta2 + g * g * (1 - beta2);
        parameter[i] -= rate * mean[i] / (std::sqrt(square[i]) + epsilon);
    }
}

} // extern "C"
