// SPDX-License-Identifier: GPL-3.0-or-later
// Plans of fastconv.cc: shapes, the chosen algorithm, oneDNN's primitives and the layouts of weights; work
// memory.

#pragma once

#include "fastconv_winograd.h"

#include <dnnl.hpp>

#include <cstdlib>
#include <memory>
#include <new>

namespace fastconv
{

using namespace dnnl;
using Desc = memory::desc;
using Tag = memory::format_tag;

inline engine &cpu()
{
    static engine e(engine::kind::cpu, 0);
    return e;
}

inline stream &queue()
{
    static stream s(cpu());
    return s;
}

// Work memory that only grows; every call carves its buffers from it and leaves nothing behind.
class Arena
{
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
    static size_t round_up(size_t bytes)
    {
        return (bytes + ALIGN - 1) / ALIGN * ALIGN;
    }

  private:
    static constexpr size_t ALIGN = 4096;
    char *base = nullptr;
    size_t capacity = 0, used = 0;
};

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
    size_t bytes() const
    {
        return Arena::round_up(own.get_size());
    }
};

// One oneDNN primitive with its weights' layout and its scratch memory.
struct Pass {
    primitive conv;
    Weights weights;
    Desc scratch;
    size_t bytes() const
    {
        return scratch.get_size() ? weights.bytes() + Arena::round_up(scratch.get_size()) : weights.bytes();
    }
};

struct Plan {
    int64_t n, ci, h, w, co, oh, ow;
    bool winograd, upsample;
    Desc src, dst, bias, user_weights[2];
    Pass forward, forward_bias, data, weights, weights_bias; // direct only
    Weights inputs_first, outputs_first;                     // winograd only: 3, 3, I, O and 3, 3, O, I

    int64_t phases() const
    {
        return upsample ? 4 : 1;
    }
    int64_t out_channels() const
    {
        return co / phases();
    }
    winograd::Map map() const
    {
        return {n, h, w};
    }
    size_t work_bytes() const
    {
        return Arena::round_up(winograd::work_floats(ci, co) * sizeof(float));
    }
    size_t transformed_bytes() const
    {
        return Arena::round_up(std::max(winograd::weights_floats(ci, co), winograd::weights_floats(co, ci)) *
                               sizeof(float));
    }
    // The backward pass goes through the batch in parts whose gradient stays in the second-level cache.
    int64_t part_images() const
    {
        return std::clamp<int64_t>(200 * 1024 / (co * oh * ow), 1, n);
    }
    size_t part_bytes() const
    {
        return Arena::round_up(part_images() * co * oh * ow * sizeof(float));
    }
    size_t arena_bytes() const
    {
        if (winograd)
            return part_bytes() + work_bytes() + (transformed_bytes() + inputs_first.bytes()) * 2;
        size_t maps = Arena::round_up(src.get_size()) * 2 + Arena::round_up(dst.get_size());
        return maps + forward.bytes() + forward_bias.bytes() + data.bytes() + weights.bytes() +
               weights_bias.bytes();
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
inline Operands from_image(const Plan &plan, const Operands &in, int64_t i)
{
    return {in.x + i * plan.h * plan.w * plan.ci,       in.weights, in.layout, shifted(in.style, i * plan.ci),
            shifted(in.scale, i * plan.out_channels()), in.bias,    in.slope};
}

inline Gradients from_image(const Plan &plan, const Gradients &to, int64_t i)
{
    int64_t out = plan.oh * plan.ow * plan.co;
    return {to.dy + i * out, shifted(to.y, i * out),          shifted(to.dx, i * plan.h * plan.w * plan.ci),
            to.dweights,     shifted(to.dstyle, i * plan.ci), shifted(to.dscale, i * plan.out_channels()),
            to.dbias};
}

// ---------------------------------------------------------------- plans

template <class Primitive, class PrimitiveDesc>
Pass make_pass(const PrimitiveDesc &pd, const Desc &weights, const Desc user[2])
{
    return {Primitive(pd), Weights(weights, user), pd.scratchpad_desc()};
}

inline void build_direct(Plan &plan, int64_t kernel, int64_t stride, int64_t pad)
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

inline void build_winograd(Plan &plan)
{
    memory::dims shape = {plan.co, plan.ci, 3, 3};
    int64_t taps = plan.co * plan.ci;
    auto f32 = memory::data_type::f32;
    plan.inputs_first =
        Weights(Desc(shape, f32, memory::dims{1, plan.co, 3 * taps, taps}), plan.user_weights);
    plan.outputs_first =
        Weights(Desc(shape, f32, memory::dims{plan.ci, 1, 3 * taps, taps}), plan.user_weights);
}

// Transforming the weights must pay: more tiles are needed when the transformed weights overflow the
// second-level cache.
inline bool winograd_pays(const Plan &plan)
{
    bool weights_fit = plan.ci * plan.co <= 20000;
    return plan.ci % LANES == 0 && plan.out_channels() % LANES == 0 &&
           plan.map().tiles() >= (weights_fit ? 16 : 96);
}

inline std::unique_ptr<Plan> new_plan(const int64_t *v, bool allow_winograd)
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
    plan->winograd = allow_winograd && kernel == 3 && stride == 1 && pad == 1 && winograd_pays(*plan);
    if (plan->winograd)
        build_winograd(*plan);
    else
        build_direct(*plan, kernel, stride, pad);
    return plan;
}

} // namespace fastconv
