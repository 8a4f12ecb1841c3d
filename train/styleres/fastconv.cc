// SPDX-License-Identifier: GPL-3.0-or-later
// Convolution with its usual neighbours (style scaling before; demodulation, bias, leaky ReLU and 2x phase shuffle after)
// as one forward and one backward call for the CPU. Tensors are float32, batch x height x width x channel in memory;
// fastconv.py holds the autograd side and documents the operation.
//
// A plan fixes the shapes and picks the algorithm: Winograd's (fastconv_winograd.h) for 3x3 convolutions of stride 1 with
// whole blocks of channels, else oneDNN's direct one, with the scaling and the activation in passes of their own.

#include "fastconv_winograd.h"

#include <dnnl.hpp>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>

using namespace dnnl;
using Desc = memory::desc;
using Tag = memory::format_tag;

namespace {

engine &cpu()
{
    static engine e(engine::kind::cpu, 0);
    return e;
}

stream &queue()
{
    static stream s(cpu());
    return s;
}

// Work memory that only grows; every call carves its buffers from it and leaves nothing behind.
class Arena {
public:
    void begin(size_t bytes)
    {
        if (bytes > capacity) {
            std::free(base);
            base = static_cast<char *>(std::aligned_alloc(ALIGN, round_up(bytes)));
            capacity = base ? round_up(bytes) : 0;
            if (!base)
                throw std::bad_alloc();
        }
        used = 0;
    }
    float *take(size_t bytes)
    {
        char *p = base + used;
        used += round_up(bytes);
        return reinterpret_cast<float *>(p);
    }
    static size_t round_up(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

private:
    static constexpr size_t ALIGN = 4096;
    char *base = nullptr;
    size_t capacity = 0, used = 0;
};

Arena arena;
std::mutex lock;

// A layout of the weights and the copies between it and the caller's two (0: O,I,H,W in memory, 1: O,H,W,I).
struct Weights {
    Desc own;
    reorder into[2], out_of[2];
    Weights() = default;
    Weights(const Desc &layout, const Desc user[2]) : own(layout)
    {
        for (int i = 0; i < 2; i++) {
            into[i] = reorder(reorder::primitive_desc(cpu(), user[i], cpu(), own));
            out_of[i] = reorder(reorder::primitive_desc(cpu(), own, cpu(), user[i]));
        }
    }
    size_t bytes() const { return Arena::round_up(own.get_size()); }
};

// One oneDNN primitive with its weights' layout and its scratch memory.
struct Pass {
    primitive conv;
    Weights weights;
    Desc scratch;
    size_t bytes() const { return scratch.get_size() ? weights.bytes() + Arena::round_up(scratch.get_size()) : weights.bytes(); }
};

struct Plan {
    int64_t n, ci, h, w, co, oh, ow;
    bool winograd, upsample;
    Desc src, dst, bias, user_weights[2];
    Pass forward, forward_bias, data, weights, weights_bias;  // direct only
    Weights inputs_first, outputs_first;                      // winograd only: 3, 3, I, O and 3, 3, O, I

    int64_t phases() const { return upsample ? 4 : 1; }
    int64_t out_channels() const { return co / phases(); }
    winograd::Map map() const { return {n, h, w}; }
    size_t work_bytes() const { return Arena::round_up(winograd::work_floats(ci, co) * sizeof(float)); }
    size_t transformed_bytes() const
    {
        return Arena::round_up(std::max(winograd::weights_floats(ci, co), winograd::weights_floats(co, ci)) *
                               sizeof(float));
    }
    // The backward pass goes through the batch in parts whose gradient stays in the second-level cache.
    int64_t part_images() const { return std::clamp<int64_t>(200 * 1024 / (co * oh * ow), 1, n); }
    size_t part_bytes() const { return Arena::round_up(part_images() * co * oh * ow * sizeof(float)); }
    size_t arena_bytes() const
    {
        if (winograd)
            return part_bytes() + work_bytes() + (transformed_bytes() + inputs_first.bytes()) * 2;
        size_t maps = Arena::round_up(src.get_size()) * 2 + Arena::round_up(dst.get_size());
        return maps + forward.bytes() + forward_bias.bytes() + data.bytes() + weights.bytes() + weights_bias.bytes();
    }
};

// What a call passes through the library unchanged: see fastconv_forward.
struct Operands {
    const float *x, *weights;
    int layout;
    const float *style, *scale, *bias;
    float slope;
};

struct Gradients {
    const float *dy, *y;
    float *dx, *dweights, *dstyle, *dscale, *dbias;
};

template <class T> T *shifted(T *p, int64_t by)
{
    return p ? p + by : nullptr;
}

// The same operands and gradients from an image of the batch on.
Operands from_image(const Plan &plan, const Operands &in, int64_t i)
{
    return {in.x + i * plan.h * plan.w * plan.ci, in.weights, in.layout, shifted(in.style, i * plan.ci),
            shifted(in.scale, i * plan.out_channels()), in.bias, in.slope};
}

Gradients from_image(const Plan &plan, const Gradients &to, int64_t i)
{
    int64_t out = plan.oh * plan.ow * plan.co;
    return {to.dy + i * out, shifted(to.y, i * out), shifted(to.dx, i * plan.h * plan.w * plan.ci), to.dweights,
            shifted(to.dstyle, i * plan.ci), shifted(to.dscale, i * plan.out_channels()), to.dbias};
}

// ---------------------------------------------------------------- plans

template <class Primitive, class PrimitiveDesc>
Pass make_pass(const PrimitiveDesc &pd, const Desc &weights, const Desc user[2])
{
    return {Primitive(pd), Weights(weights, user), pd.scratchpad_desc()};
}

void build_direct(Plan &plan, int64_t kernel, int64_t stride, int64_t pad)
{
    auto direct = algorithm::convolution_direct;
    auto training = prop_kind::forward_training;
    const Desc &x = plan.src, &y = plan.dst, &b = plan.bias, *user = plan.user_weights;
    Desc any({plan.co, plan.ci, kernel, kernel}, memory::data_type::f32, Tag::any);
    memory::dims s = {stride, stride}, p = {pad, pad};
    primitive_attr attr;
    attr.set_scratchpad_mode(scratchpad_mode::user);

    convolution_forward::primitive_desc f({training, direct, x, any, y, s, p, p}, attr, cpu());
    convolution_forward::primitive_desc fb({training, direct, x, any, b, y, s, p, p}, attr, cpu());
    convolution_backward_data::primitive_desc d({direct, x, any, y, s, p, p}, attr, cpu(), f);
    convolution_backward_weights::primitive_desc w({direct, x, any, y, s, p, p}, attr, cpu(), f);
    convolution_backward_weights::primitive_desc wb({direct, x, any, b, y, s, p, p}, attr, cpu(), f);
    plan.forward = make_pass<convolution_forward>(f, f.weights_desc(), user);
    plan.forward_bias = make_pass<convolution_forward>(fb, fb.weights_desc(), user);
    plan.data = make_pass<convolution_backward_data>(d, d.weights_desc(), user);
    plan.weights = make_pass<convolution_backward_weights>(w, w.diff_weights_desc(), user);
    plan.weights_bias = make_pass<convolution_backward_weights>(wb, wb.diff_weights_desc(), user);
}

void build_winograd(Plan &plan)
{
    memory::dims shape = {plan.co, plan.ci, 3, 3};
    int64_t taps = plan.co * plan.ci;
    auto f32 = memory::data_type::f32;
    plan.inputs_first = Weights(Desc(shape, f32, memory::dims{1, plan.co, 3 * taps, taps}), plan.user_weights);
    plan.outputs_first = Weights(Desc(shape, f32, memory::dims{plan.ci, 1, 3 * taps, taps}), plan.user_weights);
}

std::unique_ptr<Plan> new_plan(const int64_t *v, bool allow_winograd)
{
    auto plan = std::make_unique<Plan>();
    auto f32 = memory::data_type::f32;
    int64_t kernel = v[5], stride = v[6], pad = v[7];
    plan->n = v[0], plan->ci = v[1], plan->h = v[2], plan->w = v[3], plan->co = v[4];
    plan->upsample = v[8];
    plan->oh = (plan->h + 2 * pad - kernel) / stride + 1;
    plan->ow = (plan->w + 2 * pad - kernel) / stride + 1;
    plan->src = Desc({plan->n, plan->ci, plan->h, plan->w}, f32, Tag::nhwc);
    plan->dst = Desc({plan->n, plan->co, plan->oh, plan->ow}, f32, Tag::nhwc);
    plan->bias = Desc({plan->co}, f32, Tag::x);
    plan->user_weights[0] = Desc({plan->co, plan->ci, kernel, kernel}, f32, Tag::oihw);
    plan->user_weights[1] = Desc({plan->co, plan->ci, kernel, kernel}, f32, Tag::ohwi);
    plan->winograd = allow_winograd && kernel == 3 && stride == 1 && pad == 1 && plan->ci % LANES == 0 &&
                     plan->out_channels() % LANES == 0 && plan->map().tiles() >= winograd::ROWS;
    if (plan->winograd)
        build_winograd(*plan);
    else
        build_direct(*plan, kernel, stride, pad);
    return plan;
}

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

// Walks the convolution's output, n images, row by row, up to 16 channels at a time, next to the operation's output: with
// upsampling, channel phase * C + c of pixel (y, x) belongs to channel c of pixel (2y + phase / 2, 2x + phase % 2).
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
void activate(const Plan &plan, const float *conv, const float *scale, const float *bias, float slope, float *out)
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
void activate_row(const float *dy, const float *y, int64_t step, float *dconv, int64_t conv_step, int64_t width, Vec scale,
                  Vec bias, float slope, Count count, Vec &sum, Vec &dot)
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

// The gradient of activate, n images, from its output y: y with the activation undone is conv * scale + bias. Sums go
// over all pixels and phases; dscale and dbias must start at zero. Without scale and activation y is not read.
void activate_backward(const Plan &plan, int64_t n, const Operands &in, const Gradients &to, float *dconv)
{
    int64_t channels = plan.out_channels();
    bool needs_y = in.scale || in.slope != 1;
    for_each_row(plan, n, [&](int64_t i, int64_t c, int64_t conv, int64_t out, int64_t step) {
        with_lanes(channels - c, [&](auto count) {
            Vec d = in.scale ? load(in.scale + i * channels + c, count) : broadcast(1);
            Vec b = in.bias ? load(in.bias + c, count) : Vec{}, sum = {}, dot = {};
            auto row = needs_y ? activate_row<true, decltype(count)> : activate_row<false, decltype(count)>;
            row(to.dy + out, to.y + out, step, dconv + conv, plan.co, plan.ow, d, b, in.slope, count, sum, dot);
            if (in.scale)
                store(to.dscale + i * channels + c, load(to.dscale + i * channels + c, count) + dot / d, count);
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

void direct_weights(const Plan &plan, const Operands &in, const Gradients &to, const float *ddst, bool bias_inside)
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
    winograd::convolve(
        in.x, plan.map(), plan.ci, in.style, u, plan.co, work,
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

// dx and dstyle of n images from the convolution's gradient; u: the transformed weights for the backward direction.
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

}  // namespace

extern "C" {

// shape: n, ci, h, w, co, kernel, stride, pad, upsample. Null if oneDNN cannot do it. Plans live as long as the process.
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

// y = shuffle(lrelu(conv(x * style) * scale + bias)). style (n, ci), scale (n, C) and bias (C) may be null, slope 1
// means no activation. layout: 0 weights are O,I,H,W in memory, 1 O,H,W,I. Returns 0, or -1 when oneDNN fails.
int fastconv_forward(const Plan *plan, const float *x, const float *weights, int layout, const float *style,
                     const float *scale, const float *bias, float slope, float *y)
{
    Operands in = {x, weights, layout, style, scale, bias, slope};
    return guarded(plan, [&] { (plan->winograd ? winograd_forward : direct_forward)(*plan, in, y); });
}

// Gradients of fastconv_forward. dx, dweights, dbias may be null when not needed; dstyle and dscale go with style and
// scale. dweights uses the weights' layout. dscale and dbias must be zero on entry.
int fastconv_backward(const Plan *plan, const float *dy, const float *y, const float *x, const float *weights,
                      int layout, const float *style, const float *scale, const float *bias, float slope, float *dx,
                      float *dweights, float *dstyle, float *dscale, float *dbias)
{
    Operands in = {x, weights, layout, style, scale, bias, slope};
    Gradients to = {dy, y, dx, dweights, dstyle, dscale, dbias};
    return guarded(plan, [&] { (plan->winograd ? winograd_backward : direct_backward)(*plan, in, to); });
}

}  // extern "C"
