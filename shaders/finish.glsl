// SPDX-License-Identifier: GPL-3.0-or-later
//
// What follows a sum: `finish` of gpu.h.

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

// o: output channel, pixel: in its plane, at: in the whole of y.
float finish(float v, uint o, uint pixel, uint at)
{
    if (is_present(BIND_OUT_SCALE))
        v *= out_scale[o + p.base[BIND_OUT_SCALE]];
    if (is_present(BIND_NOISE))
        v += noise[pixel + p.base[BIND_NOISE]];
    if (is_present(BIND_BIAS))
        v += bias[o + p.base[BIND_BIAS]];
    if (is_present(BIND_ADD))
        v += load_add(at);
    v = activate(v, o) * p.gain;
    return p.clamp > 0.0 ? clamp(v, -p.clamp, p.clamp) : v;
}
