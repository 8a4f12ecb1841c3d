// SPDX-License-Identifier: GPL-3.0-or-later
// Convolution with its usual neighbours (style scaling before; demodulation, bias, leaky ReLU and 2x phase
// shuffle after) as one forward and one backward call for the CPU. Tensors are float32, batch x height x
// width x channel in memory; fastconv.py holds the autograd side and documents the operation.
//
// A plan fixes the shapes and picks the algorithm: Winograd's (fastconv_winograd.h) for 3x3 convolutions of
// stride 1 with whole blocks of channels, else oneDNN's direct one, with the scaling and the activation in
// passes of their own.

#include "fastconv_plan.h"

#include <mutex>
#include <unordered_map>

using namespace fastconv;

namespace
{

Arena arena;
std::mutex lock;

// ---------------------------------------------------------------- passes around a direct convolution

// to = from * style[image][channel]
void scale_channels(const Plan &plan, const float *from, const float *style, float *to)
{
    int64_t pixels = plan.h * plan.w, channels = plan.ci;
    for (int64_t i = 0; i < plan.n; i++)
        for (int64_t p = 0; p < pixels; p++) {
            int64_t o = (i * pixels + p) * channels;
            for (int64_t c = 0; c < channels; c++)
                to[o + c] = from[o + c] * style[i * channels + c];
        }
}

// The gradient of scale_channels, g: dx = g * style, dstyle[image][channel] = sum of g * x over the map.
void scale_channels_backward(const Plan &plan, const float *g, const float *x, const float *style, float *dx,
                             float *dstyle)
{
    int64_t pixels = plan.h * plan.w, channels = plan.ci;
    for (int64_t i = 0; i < plan.n; i++)
        for (int64_t c = 0; c < channels; c += LANES)
            with_lanes(channels - c, [=](auto count) {
                Vec s = load(style + i * channels + c, count), sum = {};
                for (int64_t p = 0; p < pixels; p++) {
                    int64_t o = (i * pixels + p) * channels + c;
                    Vec v = load(g + o, count);
                    sum += v * load(x + o, count);
                    store(dx + o, v * s, count);
                }
                store(dstyle + i * channels + c, sum, count);
            });
}

// Walks the convolution's output, n images, row by row, up to 16 channels at a time, next to the operation's
// output: with upsampling, channel phase * C + c of pixel (y, x) belongs to channel c of pixel (2y + phase /
// 2, 2x + phase % 2).
template <class Row> void for_each_row(const Plan &plan, int64_t n, Row row)
{
    int64_t channels = plan.out_channels(), grid = plan.upsample ? 2 : 1;
    for (int64_t line = 0; line < n * plan.oh; line++)
        for (int64_t phase = 0; phase < plan.phases(); phase++)
            for (int64_t c = 0; c < channels; c += LANES) {
                int64_t in_conv = line * plan.ow * plan.co + phase * channels + c;
                int64_t pixel = (line * grid + phase / 2) * plan.ow * grid + phase % 2;
                row(line / plan.oh, c, in_conv, pixel * channels + c, grid * channels);
            }
}

// y = lrelu(conv * scale + bias)
void activate(const Plan &plan, const float *conv, const float *scale, const float *bias, float slope,
              float *out)
{
    int64_t channels = plan.out_channels(), from_step = plan.co;
    for_each_row(plan, plan.n, [=, &plan](int64_t i, int64_t c, int64_t from, int64_t to, int64_t to_step) {
        with_lanes(channels - c, [=, &plan](auto count) {
            Vec d = scale ? load(scale + i * channels + c, count) : broadcast(1);
            Vec b = bias ? load(bias + c, count) : Vec{};
            for (int64_t x = 0; x < plan.ow; x++) {
                Vec z = load(conv + from + x * from_step, count) * d + b;
                store(out + to + x * to_step, z > 0 ? z : z * slope, count);
            }
        });
    });
}

// One row of activate_backward: dconv from dy, and the two sums that dscale and dbias are made of.
template <bool NEEDS_Y, class Count>
void activate_row(const float *dy, const float *y, int64_t step, float *dconv, int64_t conv_step,
                  int64_t width, Vec scale, Vec bias, float slope, Count count, Vec &sum, Vec &dot)
{
    float inverse = 1 / slope;
    Vec row_sum = {}, row_dot = {};
    for (int64_t x = 0; x < width; x++) {
        Vec g = load(dy + x * step, count);
        if (NEEDS_Y) {
            Vec v = load(y + x * step, count);
            g = v > 0 ? g : g * slope;
            row_dot += g * ((v > 0 ? v : v * inverse) - bias);
        }
        row_sum += g;
        store(dconv + x * conv_step, g * scale, count);
    }
    sum += row_sum;
    dot += row_dot;
}

// The gradient of activate, n images, from its output y: y with the activation undone is conv * scale + bias.
// Sums go over all pixels and phases; dscale and dbias must start at zero. Without scale and activation y is
// not read.
void activate_backward(const Plan &plan, int64_t n, const Operands &in, const Gradients &to, float *dconv)
{
    int64_t channels = plan.out_channels();
    bool needs_y = in.scale || in.slope != 1;
    for_each_row(plan, n, [&](int64_t i, int64_t c, int64_t conv, int64_t out, int64_t step) {
        with_lanes(channels - c, [&](auto count) {
            Vec d = in.scale ? load(in.scale + i * channels + c, count) : broadcast(1);
            Vec b = in.bias ? load(in.bias + c, count) : Vec{}, sum = {}, dot = {};
            auto row = needs_y ? activate_row<true, decltype(count)> : activate_row<false, decltype(count)>;
            row(to.dy + out, to.y + out, step, dconv + conv, plan.co, plan.ow, d, b, in.slope, count, sum,
                dot);
            if (in.scale)
                store(to.dscale + i * channels + c, load(to.dscale + i * channels + c, count) + dot / d,
                      count);
            if (to.dbias)
                store(to.dbias + c, load(to.dbias + c, count) + sum, count);
        });
    });
}

// dbias[channel] += sum of dy
void sum_channels(const Plan &plan, int64_t n, const float *dy, float *dbias)
{
    for (int64_t c = 0; c < plan.co; c += LANES)
        with_lanes(plan.co - c, [&](auto count) {
            Vec sum = {};
            for (int64_t p = 0; p < n * plan.oh * plan.ow; p++)
                sum += load(dy + p * plan.co + c, count);
            store(dbias + c, load(dbias + c, count) + sum, count);
        });
}

// ---------------------------------------------------------------- direct

memory view(const Desc &d, const float *p)
{
    return memory(d, cpu(), const_cast<float *>(p));
}

memory take(const Desc &d)
{
    return view(d, arena.take(d.get_size()));
}

memory weights_for(const Pass &pass, const Plan &plan, const Operands &in)
{
    memory user = view(plan.user_weights[in.layout], in.weights), own = take(pass.weights.own);
    pass.weights.into[in.layout].execute(queue(), user, own);
    return own;
}

bool has_finish(const Plan &plan, const Operands &in)
{
    return in.scale || in.slope != 1 || plan.upsample;
}

const float *styled_input(const Plan &plan, const Operands &in)
{
    if (!in.style)
        return in.x;
    float *copy = arena.take(plan.src.get_size());
    scale_channels(plan, in.x, in.style, copy);
    return copy;
}

void direct_forward(const Plan &plan, const Operands &in, float *y)
{
    bool finish = has_finish(plan, in), bias_inside = in.bias && !finish;
    const Pass &pass = bias_inside ? plan.forward_bias : plan.forward;
    memory src = view(plan.src, styled_input(plan, in));
    memory dst = finish ? take(plan.dst) : view(plan.dst, y);
    std::unordered_map<int, memory> args = {{DNNL_ARG_SRC, src},
                                            {DNNL_ARG_WEIGHTS, weights_for(pass, plan, in)},
                                            {DNNL_ARG_DST, dst},
                                            {DNNL_ARG_SCRATCHPAD, take(pass.scratch)}};
    if (bias_inside)
        args[DNNL_ARG_BIAS] = view(plan.bias, in.bias);
    pass.conv.execute(queue(), args);
    queue().wait();
    if (finish)
        activate(plan, static_cast<float *>(dst.get_data_handle()), in.scale, in.bias, in.slope, y);
}

void direct_weights(const Plan &plan, const Operands &in, const Gradients &to, const float *ddst,
                    bool bias_inside)
{
    const Pass &pass = bias_inside ? plan.weights_bias : plan.weights;
    memory dw = take(pass.weights.own);
    std::unordered_map<int, memory> args = {{DNNL_ARG_SRC, view(plan.src, styled_input(plan, in))},
                                            {DNNL_ARG_DIFF_DST, view(plan.dst, ddst)},
                                            {DNNL_ARG_DIFF_WEIGHTS, dw},
                                            {DNNL_ARG_SCRATCHPAD, take(pass.scratch)}};
    if (bias_inside)
        args[DNNL_ARG_DIFF_BIAS] = view(plan.bias, to.dbias);
    pass.conv.execute(queue(), args);
    if (to.dweights) {
        memory user = view(plan.user_weights[in.layout], to.dweights);
        pass.weights.out_of[in.layout].execute(queue(), dw, user);
    }
    queue().wait();
}

void direct_data(const Plan &plan, const Operands &in, const Gradients &to, const float *ddst)
{
    float *dsrc = in.style ? arena.take(plan.src.get_size()) : to.dx;
    plan.data.conv.execute(queue(), {{DNNL_ARG_DIFF_DST, view(plan.dst, ddst)},
                                     {DNNL_ARG_WEIGHTS, weights_for(plan.data, plan, in)},
                                     {DNNL_ARG_DIFF_SRC, view(plan.src, dsrc)},
                                     {DNNL_ARG_SCRATCHPAD, take(plan.data.scratch)}});
    queue().wait();
    if (in.style)
        scale_channels_backward(plan, dsrc, in.x, in.style, to.dx, to.dstyle);
}

void direct_backward(const Plan &plan, const Operands &in, const Gradients &to)
{
    const float *ddst = to.dy;
    bool finish = has_finish(plan, in), bias_inside = to.dbias && !finish;
    if (finish) {
        float *copy = arena.take(plan.dst.get_size());
        activate_backward(plan, plan.n, in, to, copy);
        ddst = copy;
    }
    if (to.dweights || bias_inside)
        direct_weights(plan, in, to, ddst, bias_inside);
    if (to.dx)
        direct_data(plan, in, to, ddst);
}

// ---------------------------------------------------------------- winograd

float *transformed_weights(const Plan &plan, const Operands &in, bool backward)
{
    const Weights &layout = backward ? plan.outputs_first : plan.inputs_first;
    memory user = view(plan.user_weights[in.layout], in.weights), own = take(layout.own);
    layout.into[in.layout].execute(queue(), user, own);
    queue().wait();
    float *u = arena.take(plan.transformed_bytes());
    const float *w = static_cast<float *>(own.get_data_handle());
    if (backward)
        winograd::transform_weights(w, plan.co, plan.ci, true, u);
    else
        winograd::transform_weights(w, plan.ci, plan.co, false, u);
    return u;
}

void winograd_forward(const Plan &plan, const Operands &in, float *out)
{
    int64_t channels = plan.out_channels(), grid = plan.upsample ? 2 : 1, ow = plan.ow * grid;
    const float *u = transformed_weights(plan, in, false);
    float *work = arena.take(plan.work_bytes());
    winograd::convolve(in.x, plan.map(), plan.ci, in.style, u, plan.co, work,
                       [&](const winograd::Tile &t, int64_t all, int rows, int columns, Vec y[4][4]) {
                           int64_t phase = all / channels, c = all % channels;
                           Vec d = in.scale ? load(in.scale + t.image * channels + c) : broadcast(1);
                           Vec b = in.bias ? load(in.bias + c) : Vec{};
                           for (int r = 0; r < rows; r++) {
                               int64_t line = (t.image * plan.oh + t.y + r) * grid + phase / 2;
                               float *to = out + (line * ow + t.x * grid + phase % 2) * channels + c;
                               for (int k = 0; k < columns; k++) {
                                   Vec z = y[r][k] * d + b;
                                   store(to + k * grid * channels, z > 0 ? z : z * in.slope);
                               }
                           }
                       });
}

// dx and dstyle of n images from the convolution's gradient; u: the transformed weights for the backward
// direction.
void winograd_data(const Plan &plan, int64_t n, const Operands &in, const Gradients &to, const float *ddst,
                   const float *u, float *work)
{
    if (in.style)
        std::fill_n(to.dstyle, n * plan.ci, 0.f);
    winograd::convolve(ddst, {n, plan.h, plan.w}, plan.co, nullptr, u, plan.ci, work,
                       [&](const winograd::Tile &t, int64_t c, int rows, int columns, Vec g[4][4]) {
                           int64_t first = ((t.image * plan.h + t.y) * plan.w + t.x) * plan.ci + c;
                           Vec s = in.style ? load(in.style + t.image * plan.ci + c) : broadcast(1), sum = {};
                           for (int r = 0; r < rows; r++)
                               for (int k = 0; k < columns; k++) {
                                   int64_t o = first + (r * plan.w + k) * plan.ci;
                                   if (in.style)
                                       sum += g[r][k] * load(in.x + o);
                                   store(to.dx + o, g[r][k] * s);
                               }
                           if (in.style) {
                               float *total = to.dstyle + t.image * plan.ci + c;
                               store(total, load(total) + sum);
                           }
                       });
}

void winograd_backward(const Plan &plan, const Operands &all_in, const Gradients &all_to)
{
    const float *u = all_to.dx ? transformed_weights(plan, all_in, true) : nullptr;
    float *du = arena.take(plan.transformed_bytes()), *work = arena.take(plan.work_bytes());
    float *part = arena.take(plan.part_bytes());
    bool finish = has_finish(plan, all_in);
    for (int64_t i = 0; i < plan.n; i += plan.part_images()) {
        int64_t n = std::min(plan.part_images(), plan.n - i);
        Operands in = from_image(plan, all_in, i);
        Gradients to = from_image(plan, all_to, i);
        const float *ddst = finish ? part : to.dy;
        if (finish)
            activate_backward(plan, n, in, to, part);
        else if (to.dbias)
            sum_channels(plan, n, to.dy, to.dbias);
        if (to.dweights)
            winograd::correlate(in.x, {n, plan.h, plan.w}, plan.ci, in.style, ddst, plan.co, work, du, i > 0);
        if (to.dx)
            winograd_data(plan, n, in, to, ddst, u, work);
    }
    if (!all_to.dweights)
        return;
    memory dw = take(plan.inputs_first.own), user = view(plan.user_weights[all_in.layout], all_to.dweights);
    winograd::weights_gradient(du, plan.ci, plan.co, static_cast<float *>(dw.get_data_handle()));
    plan.inputs_first.out_of[all_in.layout].execute(queue(), dw, user);
    queue().wait();
}

template <class Work> int guarded(const Plan *plan, Work work)
{
    std::lock_guard<std::mutex> guard(lock);
    try {
        arena.begin(plan->arena_bytes());
        work();
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

} // namespace

extern "C" {

// shape: n, ci, h, w, co, kernel, stride, pad, upsample. Null if oneDNN cannot do it. Plans live as long as
// the process.
Plan *fastconv_plan(const int64_t *shape, int allow_winograd)
{
    std::lock_guard<std::mutex> guard(lock);
    try {
        return new_plan(shape, allow_winograd).release();
    } catch (const std::exception &) {
        return nullptr;
    }
}

int fastconv_is_winograd(const Plan *plan)
{
    return plan->winograd;
}

// y = shuffle(lrelu(conv(x * style) * scale + bias)). style (n, ci), scale (n, C) and bias (C) may be null,
// slope 1 means no activation. layout: 0 weights are O,I,H,W in memory, 1 O,H,W,I. Returns 0, or -1 when
// oneDNN fails.
int fastconv_forward(const Plan *plan, const float *x, const float *weights, int layout, const float *style,
                     const float *scale, const float *bias, float slope, float *y)
{
    Operands in = {x, weights, layout, style, scale, bias, slope};
    return guarded(plan, [&] { (plan->winograd ? winograd_forward : direct_forward)(*plan, in, y); });
}

// Gradients of fastconv_forward. dx, dweights, dbias may be null when not needed; dstyle and dscale go with
// style and scale. dweights uses the weights' layout. dscale and dbias must be zero on entry.
int fastconv_backward(const Plan *plan, const float *dy, const float *y, const float *x, const float *weights,
                      int layout, const float *style, const float *scale, const float *bias, float slope,
                      float *dx, float *dweights, float *dstyle, float *dscale, float *dbias)
{
    Operands in = {x, weights, layout, style, scale, bias, slope};
    Gradients to = {dy, y, dx, dweights, dstyle, dscale, dbias};
    return guarded(plan, [&] { (plan->winograd ? winograd_backward : direct_backward)(*plan, in, to); });
}

} // extern "C"
