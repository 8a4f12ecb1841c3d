// SPDX-License-Identifier: GPL-3.0-or-later
// Convolution with its usual neighbours (style scaling before; demodulation, bias, leaky ReLU and 2x phase shuffle after)
// as one forward and one backward call for the CPU, on oneDNN. Tensors are float32, batch x height x width x channel in
// memory; fastconv.py holds the autograd side and documents the operation.
//
// A plan fixes the shapes and picks one of two internal forms:
//   direct    oneDNN reads and writes channels-last tensors, nothing is copied;
//   winograd  F(4x4, 3x3), twice as fast on larger maps, but only in oneDNN's 16-channel-blocked layout. Copying into
//             that layout does the style scaling on the way, copying out of it does the activation.

#include <dnnl.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>

using namespace dnnl;
using Desc = memory::desc;
using Tag = memory::format_tag;

namespace {

constexpr int LANES = 16;
typedef float Vec __attribute__((vector_size(LANES * sizeof(float))));

inline Vec load(const float *p, int count)
{
    Vec v = {};
    if (count == LANES)
        std::memcpy(&v, p, sizeof v);
    else
        for (int i = 0; i < count; i++)
            v[i] = p[i];
    return v;
}

inline void store(float *p, Vec v, int count)
{
    if (count == LANES)
        std::memcpy(p, &v, sizeof v);
    else
        for (int i = 0; i < count; i++)
            p[i] = v[i];
}

inline Vec broadcast(float x)
{
    return x - Vec{};
}

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

// Where 16 channels of one pixel lie: offset = image * n + pixel * p + block * b.
struct Layout {
    int64_t n, p, b;
    static Layout channels_last(int64_t pixels, int64_t channels) { return {pixels * channels, channels, LANES}; }
    static Layout blocked(int64_t pixels, int64_t channels)
    {
        int64_t blocks = (channels + LANES - 1) / LANES;
        return {blocks * pixels * LANES, LANES, pixels * LANES};
    }
};

// One oneDNN primitive with the weights brought into its layout and its scratch memory.
struct Pass {
    primitive conv;
    Desc weights, scratch;
    std::shared_ptr<reorder> to_pass[2], from_pass[2];  // indexed by the caller's weight layout
    size_t arena_bytes() const { return Arena::round_up(weights.get_size()) + Arena::round_up(scratch.get_size()); }
};

struct Plan {
    int64_t n, ci, h, w, co, oh, ow;
    bool winograd, upsample;
    Desc src, dst, bias, user_weights[2];
    Pass forward, forward_bias, data, weights, weights_bias;

    int64_t in_pixels() const { return h * w; }
    int64_t out_pixels() const { return oh * ow; }
    int64_t phases() const { return upsample ? 4 : 1; }
    int64_t out_channels() const { return co / phases(); }
    Layout src_layout() const
    {
        return winograd ? Layout::blocked(in_pixels(), ci) : Layout::channels_last(in_pixels(), ci);
    }
    Layout dst_layout() const
    {
        return winograd ? Layout::blocked(out_pixels(), co) : Layout::channels_last(out_pixels(), co);
    }
};

primitive_attr user_scratch()
{
    primitive_attr a;
    a.set_scratchpad_mode(scratchpad_mode::user);
    return a;
}

template <class PrimitiveDesc> Pass make_pass(const PrimitiveDesc &pd, const primitive &conv, const Desc &weights)
{
    Pass pass;
    pass.conv = conv;
    pass.weights = weights;
    pass.scratch = pd.scratchpad_desc();
    return pass;
}

void add_reorders(Pass &pass, const Desc user[2], bool into)
{
    for (int i = 0; i < 2; i++) {
        const Desc &a = into ? user[i] : pass.weights, &b = into ? pass.weights : user[i];
        auto r = std::make_shared<reorder>(reorder::primitive_desc(cpu(), a, cpu(), b));
        (into ? pass.to_pass : pass.from_pass)[i] = r;
    }
}

void build_passes(Plan &plan, int64_t kernel, int64_t stride, int64_t pad)
{
    auto f32 = memory::data_type::f32;
    auto algorithm = plan.winograd ? algorithm::convolution_winograd : algorithm::convolution_direct;
    Tag tag = plan.winograd ? Tag::nChw16c : Tag::nhwc;
    plan.src = Desc({plan.n, plan.ci, plan.h, plan.w}, f32, tag);
    plan.dst = Desc({plan.n, plan.co, plan.oh, plan.ow}, f32, tag);
    plan.bias = Desc({plan.co}, f32, Tag::x);
    memory::dims wdims = {plan.co, plan.ci, kernel, kernel}, s = {stride, stride}, p = {pad, pad};
    Desc any(wdims, f32, Tag::any);
    plan.user_weights[0] = Desc(wdims, f32, Tag::oihw);
    plan.user_weights[1] = Desc(wdims, f32, Tag::ohwi);
    auto attr = user_scratch();
    auto training = prop_kind::forward_training;

    convolution_forward::primitive_desc f({training, algorithm, plan.src, any, plan.dst, s, p, p}, attr, cpu());
    plan.forward = make_pass(f, convolution_forward(f), f.weights_desc());
    add_reorders(plan.forward, plan.user_weights, true);
    convolution_backward_data::primitive_desc d({algorithm, plan.src, any, plan.dst, s, p, p}, attr, cpu(), f);
    plan.data = make_pass(d, convolution_backward_data(d), d.weights_desc());
    add_reorders(plan.data, plan.user_weights, true);
    convolution_backward_weights::primitive_desc w({algorithm, plan.src, any, plan.dst, s, p, p}, attr, cpu(), f);
    plan.weights = make_pass(w, convolution_backward_weights(w), w.diff_weights_desc());
    add_reorders(plan.weights, plan.user_weights, false);
    if (plan.winograd)
        return;  // its bias always rides on the copy out of the blocked layout
    convolution_forward::primitive_desc fb({training, algorithm, plan.src, any, plan.bias, plan.dst, s, p, p}, attr,
                                           cpu());
    plan.forward_bias = make_pass(fb, convolution_forward(fb), fb.weights_desc());
    add_reorders(plan.forward_bias, plan.user_weights, true);
    convolution_backward_weights::primitive_desc wb({algorithm, plan.src, any, plan.bias, plan.dst, s, p, p}, attr,
                                                    cpu(), f);
    plan.weights_bias = make_pass(wb, convolution_backward_weights(wb), wb.diff_weights_desc());
    add_reorders(plan.weights_bias, plan.user_weights, false);
}

memory view(const Desc &d, const float *p)
{
    return memory(d, cpu(), const_cast<float *>(p));
}

memory scratch_for(const Pass &pass)
{
    return view(pass.scratch, arena.take(pass.scratch.get_size()));
}

memory weights_for(const Pass &pass, const Plan &plan, const float *weights, int layout)
{
    memory user = view(plan.user_weights[layout], weights);
    if (pass.weights == plan.user_weights[layout])
        return user;
    memory own = view(pass.weights, arena.take(pass.weights.get_size()));
    pass.to_pass[layout]->execute(queue(), user, own);
    return own;
}

// to = from * style[image][channel] (style may be null); blocked targets get zeros in their unused channels.
void scale_channels(const float *from, Layout lf, float *to, Layout lt, const float *style, int64_t n, int64_t pixels,
                    int64_t channels)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t b = 0, c = 0; c < channels; b++, c += LANES) {
            int count = std::min<int64_t>(LANES, channels - c), out = lt.p == LANES ? LANES : count;
            const float *f = from + i * lf.n + b * lf.b;
            float *t = to + i * lt.n + b * lt.b;
            Vec s = style ? load(style + i * channels + c, count) : broadcast(1);
            if (count == LANES)
                for (int64_t p = 0; p < pixels; p++)
                    store(t + p * lt.p, load(f + p * lf.p, LANES) * s, LANES);
            else
                for (int64_t p = 0; p < pixels; p++)
                    store(t + p * lt.p, load(f + p * lf.p, count) * s, out);
        }
}

// The gradient of scale_channels: dx = g * style, dstyle[image][channel] = sum of g * x over the map.
void scale_channels_backward(const float *g, Layout lg, const float *x, float *dx, Layout lx, const float *style,
                             float *dstyle, int64_t n, int64_t pixels, int64_t channels)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t b = 0, c = 0; c < channels; b++, c += LANES) {
            int count = std::min<int64_t>(LANES, channels - c);
            const float *gp = g + i * lg.n + b * lg.b;
            int64_t o = i * lx.n + b * lx.b;
            Vec s = load(style + i * channels + c, count), sum = {};
            for (int64_t p = 0; p < pixels; p++) {
                Vec v = load(gp + p * lg.p, count);
                sum += v * load(x + o + p * lx.p, count);
                store(dx + o + p * lx.p, v * s, count);
            }
            store(dstyle + i * channels + c, sum, count);
        }
}

// Walks the 16-channel runs of a convolution's output next to the matching runs of the operation's output: with
// upsampling, channel phase * C + c of pixel (y, x) belongs to channel c of pixel (2y + phase / 2, 2x + phase % 2).
template <class Row> void for_each_run(const Plan &plan, Row row)
{
    int64_t channels = plan.out_channels(), grid = plan.upsample ? 2 : 1;
    Layout lc = plan.dst_layout();
    Layout ly = Layout::channels_last(plan.out_pixels() * plan.phases(), channels);
    for (int64_t i = 0; i < plan.n; i++)
        for (int64_t phase = 0; phase < plan.phases(); phase++)
            for (int64_t c = 0; c < channels; c += LANES) {
                int64_t all = phase * channels + c;
                int64_t run = i * lc.n + (lc.p == LANES ? all / LANES * lc.b + all % LANES : all);
                for (int64_t y = 0; y < plan.oh; y++) {
                    int64_t pixel = (y * grid + phase / 2) * plan.ow * grid + phase % 2;
                    row(i, c, run + y * plan.ow * lc.p, lc.p, i * ly.n + pixel * ly.p + c, grid * ly.p);
                }
            }
}

// y = lrelu(conv * scale + bias)
void activate(const Plan &plan, const float *conv, const float *scale, const float *bias, float slope, float *out)
{
    int64_t channels = plan.out_channels();
    for_each_run(plan, [&](int64_t i, int64_t c, int64_t from, int64_t fstep, int64_t to, int64_t tstep) {
        int count = std::min<int64_t>(LANES, channels - c);
        Vec d = scale ? load(scale + i * channels + c, count) : broadcast(1);
        Vec b = bias ? load(bias + c, count) : Vec{};
        const float *f = conv + from;
        float *t = out + to;
        auto run = [&](int lanes) {
            for (int64_t x = 0; x < plan.ow; x++) {
                Vec z = load(f + x * fstep, lanes) * d + b;
                store(t + x * tstep, z > 0 ? z : z * slope, lanes);
            }
        };
        if (count == LANES)
            run(LANES);
        else
            run(count);
    });
}

// The gradient of activate, from its output y: z is y with the activation undone. Sums over all pixels and phases;
// dscale and dbias must start at zero.
void activate_backward(const Plan &plan, const float *dy, const float *y, const float *scale, const float *bias,
                       float slope, float *dconv, float *dscale, float *dbias)
{
    int64_t channels = plan.out_channels();
    float inverse = 1 / slope;
    bool identity = slope == 1;
    for_each_run(plan, [&](int64_t i, int64_t c, int64_t to, int64_t tstep, int64_t from, int64_t fstep) {
        int count = std::min<int64_t>(LANES, channels - c);
        Vec d = scale ? load(scale + i * channels + c, count) : broadcast(1);
        Vec b = bias ? load(bias + c, count) : Vec{};
        Vec sum = {}, dot = {};
        auto run = [&](int lanes) {
            for (int64_t x = 0; x < plan.ow; x++) {
                Vec g = load(dy + from + x * fstep, lanes);
                if (!identity || scale) {
                    Vec v = load(y + from + x * fstep, lanes);
                    g = v > 0 ? g : g * slope;
                    dot += g * ((v > 0 ? v : v * inverse) - b);
                }
                sum += g;
                store(dconv + to + x * tstep, g * d, lanes);
            }
        };
        if (count == LANES)
            run(LANES);
        else
            run(count);
        if (scale)
            store(dscale + i * channels + c, load(dscale + i * channels + c, count) + dot / d, count);
        if (dbias)
            store(dbias + c, load(dbias + c, count) + sum, count);
    });
}

bool winograd_pays(int64_t ci, int64_t co, int64_t h, int64_t w)
{
    return ci % LANES == 0 && co % LANES == 0 && ci >= 32 && co >= 32 && h >= 12 && w >= 12;
}

std::unique_ptr<Plan> new_plan(const int64_t *v, int algorithm)
{
    auto plan = std::make_unique<Plan>();
    int64_t kernel = v[5], stride = v[6], pad = v[7];
    plan->n = v[0], plan->ci = v[1], plan->h = v[2], plan->w = v[3], plan->co = v[4];
    plan->upsample = v[8];
    plan->oh = (plan->h + 2 * pad - kernel) / stride + 1;
    plan->ow = (plan->w + 2 * pad - kernel) / stride + 1;
    bool able = kernel == 3 && stride == 1 && pad == 1 && plan->out_channels() % LANES == 0;
    plan->winograd = able && (algorithm == 2 || (algorithm == 0 && winograd_pays(plan->ci, plan->co, plan->h, plan->w)));
    try {
        build_passes(*plan, kernel, stride, pad);
    } catch (const error &) {
        if (!plan->winograd)
            throw;
        plan->winograd = false;
        build_passes(*plan, kernel, stride, pad);
    }
    return plan;
}

}  // namespace

extern "C" {

// shape: n, ci, h, w, co, kernel, stride, pad, upsample. algorithm: 0 choose, 1 direct, 2 winograd where possible.
// Null if oneDNN cannot do it. Plans live as long as the process.
Plan *fastconv_plan(const int64_t *shape, int algorithm)
{
    std::lock_guard<std::mutex> guard(lock);
    try {
        return new_plan(shape, algorithm).release();
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
    std::lock_guard<std::mutex> guard(lock);
    try {
        bool finish = plan->winograd || scale || slope != 1 || plan->upsample;
        const Pass &pass = bias && !finish ? plan->forward_bias : plan->forward;
        arena.begin(pass.arena_bytes() + Arena::round_up(plan->src.get_size()) + Arena::round_up(plan->dst.get_size()));
        const float *src = x;
        if (style || plan->winograd) {
            float *copy = arena.take(plan->src.get_size());
            scale_channels(x, Layout::channels_last(plan->in_pixels(), plan->ci), copy, plan->src_layout(), style,
                           plan->n, plan->in_pixels(), plan->ci);
            src = copy;
        }
        float *dst = finish ? arena.take(plan->dst.get_size()) : y;
        std::unordered_map<int, memory> args = {{DNNL_ARG_SRC, view(plan->src, src)},
                                                {DNNL_ARG_WEIGHTS, weights_for(pass, *plan, weights, layout)},
                                                {DNNL_ARG_DST, view(plan->dst, dst)},
                                                {DNNL_ARG_SCRATCHPAD, scratch_for(pass)}};
        if (bias && !finish)
            args[DNNL_ARG_BIAS] = view(plan->bias, bias);
        pass.conv.execute(queue(), args);
        queue().wait();
        if (finish)
            activate(*plan, dst, scale, bias, slope, y);
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

// Gradients of fastconv_forward. dx, dweights, dbias may be null when not needed; dstyle and dscale go with style and
// scale. dweights uses the weights' layout. dscale and dbias must be zero on entry.
int fastconv_backward(const Plan *plan, const float *dy, const float *y, const float *x, const float *weights,
                      int layout, const float *style, const float *scale, const float *bias, float slope, float *dx,
                      float *dweights, float *dstyle, float *dscale, float *dbias)
{
    std::lock_guard<std::mutex> guard(lock);
    try {
        bool finish = plan->winograd || scale || slope != 1 || plan->upsample;
        const Pass &wpass = dbias && !finish ? plan->weights_bias : plan->weights;
        arena.begin(wpass.arena_bytes() + plan->data.arena_bytes() + 2 * Arena::round_up(plan->src.get_size()) +
                    Arena::round_up(plan->dst.get_size()) + Arena::round_up(plan->user_weights[0].get_size()));
        Layout user = Layout::channels_last(plan->in_pixels(), plan->ci), own = plan->src_layout();
        const float *ddst = dy;
        if (finish) {
            float *copy = arena.take(plan->dst.get_size());
            activate_backward(*plan, dy, y, scale, bias, slope, copy, dscale, dbias);
            ddst = copy;
        }
        if (dweights || (dbias && !finish)) {
            const float *src = x;
            if (style || plan->winograd) {
                float *copy = arena.take(plan->src.get_size());
                scale_channels(x, user, copy, own, style, plan->n, plan->in_pixels(), plan->ci);
                src = copy;
            }
            bool same = dweights && wpass.weights == plan->user_weights[layout];
            memory dw = view(wpass.weights, same ? dweights : arena.take(wpass.weights.get_size()));
            std::unordered_map<int, memory> args = {{DNNL_ARG_SRC, view(plan->src, src)},
                                                    {DNNL_ARG_DIFF_DST, view(plan->dst, ddst)},
                                                    {DNNL_ARG_DIFF_WEIGHTS, dw},
                                                    {DNNL_ARG_SCRATCHPAD, scratch_for(wpass)}};
            if (dbias && !finish)
                args[DNNL_ARG_DIFF_BIAS] = view(plan->bias, dbias);
            wpass.conv.execute(queue(), args);
            if (dweights && !same) {
                memory out = view(plan->user_weights[layout], dweights);
                wpass.from_pass[layout]->execute(queue(), dw, out);
            }
        }
        if (dx) {
            bool copy = style || plan->winograd;
            float *dsrc = copy ? arena.take(plan->src.get_size()) : dx;
            plan->data.conv.execute(queue(), {{DNNL_ARG_DIFF_DST, view(plan->dst, ddst)},
                                              {DNNL_ARG_WEIGHTS, weights_for(plan->data, *plan, weights, layout)},
                                              {DNNL_ARG_DIFF_SRC, view(plan->src, dsrc)},
                                              {DNNL_ARG_SCRATCHPAD, scratch_for(plan->data)}});
            queue().wait();
            if (style)
                scale_channels_backward(dsrc, own, x, dx, user, style, dstyle, plan->n, plan->in_pixels(), plan->ci);
            else if (copy)
                scale_channels(dsrc, own, dx, user, nullptr, plan->n, plan->in_pixels(), plan->ci);
        }
        queue().wait();
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

}  // extern "C"
