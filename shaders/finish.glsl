// SPDX-License-Identifier: GPL-3.0-or-later
//
// What follows a sum: `finish` of gpu.h, for one element or for four neighbours in a row.

const uint ACT_NONE = 0, ACT_LRELU = 1, ACT_PRELU = 2, ACT_SIGMOID = 3, ACT_RSQRT = 4;

float activate(float v, uint o)
{
    if (p.act == ACT_LRELU)
        return v < 0.0 ? v * p.slope : v;
    if (p.act == ACT_PRELU)
        return v < 0.0 ? v * slopes[o + p.base[BIND_SLOPES]] : v;
    if (p.act == ACT_SIGMOID)
        return 1.0 / (1.0 + exp(-v));
    if (p.act == ACT_RSQRT)
        return 1.0 / sqrt(v + 1e-8);
    return v;
}

// What finish needs of an output channel, loaded once. The leaky activations share one form, in which no activation is
// a slope of 1; has_curve says whether there may be another one.
struct Channel {
    float scale, bias, slope;
};

Channel load_channel(uint o)
{
    Channel channel = Channel(1.0, 0.0, 1.0);
    if (is_present(BIND_OUT_SCALE))
        channel.scale = out_scale[o + p.base[BIND_OUT_SCALE]];
    if (is_present(BIND_BIAS))
        channel.bias = bias[o + p.base[BIND_BIAS]];
    if (p.act == ACT_PRELU)
        channel.slope = slopes[o + p.base[BIND_SLOPES]];
    else if (p.act == ACT_LRELU)
        channel.slope = p.slope;
    return channel;
}

vec4 finish4(vec4 v, Channel channel, vec4 plus, bool has_curve)
{
    v = v * channel.scale + (plus + channel.bias);
    v = mix(v, v * channel.slope, lessThan(v, vec4(0.0)));
    if (has_curve && p.act == ACT_SIGMOID)
        v = 1.0 / (1.0 + exp(-v));
    if (has_curve && p.act == ACT_RSQRT)
        v = inversesqrt(v + 1e-8);
    float bound = p.clamp > 0.0 ? p.clamp : 3.4e38;
    return clamp(v * p.gain, -bound, bound);
}

// One element of output channel o.
void finish_one(float v, uint o, Channel channel, uint pixel, bool has_curve)
{
    uint at = o * p.out_h * p.out_w + pixel;
    float plus = is_present(BIND_NOISE) ? noise[pixel + p.base[BIND_NOISE]] : 0.0;
    if (is_present(BIND_ADD))
        plus += load_add(at);
    store_y(at, finish4(vec4(v), channel, vec4(plus), has_curve).x);
}

// Four neighbours of output channel o that begin at column x of row y, the first `count` of which exist. aligned: rows
// are multiples of four long and x is one.
void finish_row(vec4 v, uint o, Channel channel, uint y, uint x, uint count, bool aligned, bool has_curve)
{
    uint pixel = y * p.out_w + x, at = o * p.out_h * p.out_w + pixel;
    if (aligned) {
        vec4 plus = vec4(0.0);
        if (is_present(BIND_NOISE))
            plus = noise_v[pixel / 4];
        if (is_present(BIND_ADD))
            plus += load_add4(at / 4);
        store_y4(at / 4, finish4(v, channel, plus, has_curve));
    } else {
        [[dont_unroll]] for (uint i = 0; i < count; i++, v = v.yzwx)
            finish_one(v.x, o, channel, pixel + i, has_curve);
    }
}
