// SPDX-License-Identifier: GPL-3.0-or-later
//
// What every program shares: bindings, push constants (LkPush in gpu/vulkan.h), loads and stores of float or half.
// Built twice: with HALF defined it can read and write 16-bit floats, chosen per binding by the constant `halves`.

#extension GL_EXT_control_flow_attributes : require
#ifdef HALF
#extension GL_EXT_shader_16bit_storage : require
#endif

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 3) const uint halves = 0;

const uint BIND_X = 0, BIND_Y = 1, BIND_WEIGHT = 2, BIND_BIAS = 3, BIND_IN_SCALE = 4, BIND_IN_SHIFT = 5,
           BIND_OUT_SCALE = 6, BIND_NOISE = 7, BIND_ADD = 8, BIND_SLOPES = 9;

layout(push_constant) uniform Push {
    uint in_c, in_h, in_w;
    uint out_c, out_h, out_w;
    uint present;
    uint act;
    float slope, gain, clamp;
    uint first_channel;
    uint first_group;
    uint stride;
    uint add_h, add_w;
    uint base[10];
} p;

layout(binding = 0) readonly buffer X32 { float x32[]; };
layout(binding = 1) writeonly buffer Y32 { float y32[]; };
layout(binding = 2) readonly buffer Weight32 { float weight32[]; };
layout(binding = 3) readonly buffer Bias { float bias[]; };
layout(binding = 4) readonly buffer InScale { float in_scale[]; };
layout(binding = 5) readonly buffer InShift { float in_shift[]; };
layout(binding = 6) readonly buffer OutScale { float out_scale[]; };
layout(binding = 7) readonly buffer Noise { float noise[]; };
layout(binding = 8) readonly buffer Add32 { float add32[]; };
layout(binding = 9) readonly buffer Slopes { float slopes[]; };

// The same bindings once more, four elements at a time.
layout(binding = 0) readonly buffer X32v { vec4 x32v[]; };
layout(binding = 1) writeonly buffer Y32v { vec4 y32v[]; };
layout(binding = 2) readonly buffer Weight32v { vec4 weight32v[]; };
layout(binding = 7) readonly buffer NoiseV { vec4 noise_v[]; };
layout(binding = 8) readonly buffer Add32v { vec4 add32v[]; };

#ifdef HALF
// And as halves.
layout(binding = 0) readonly buffer X16 { float16_t x16[]; };
layout(binding = 1) writeonly buffer Y16 { float16_t y16[]; };
layout(binding = 2) readonly buffer Weight16 { float16_t weight16[]; };
layout(binding = 8) readonly buffer Add16 { float16_t add16[]; };
layout(binding = 0) readonly buffer X16v { f16vec4 x16v[]; };
layout(binding = 1) writeonly buffer Y16v { f16vec4 y16v[]; };
layout(binding = 2) readonly buffer Weight16v { f16vec4 weight16v[]; };
layout(binding = 8) readonly buffer Add16v { f16vec4 add16v[]; };
#define LOAD(name, BIND, i) ((halves & (1u << BIND)) != 0 ? float(name##16[i]) : name##32[i])
#define LOAD4(name, BIND, i) ((halves & (1u << BIND)) != 0 ? vec4(name##16v[i]) : name##32v[i])
#else
#define LOAD(name, BIND, i) name##32[i]
#define LOAD4(name, BIND, i) name##32v[i]
#endif

float load_x(uint i) { return LOAD(x, BIND_X, i + p.base[BIND_X]); }
float load_weight(uint i) { return LOAD(weight, BIND_WEIGHT, i + p.base[BIND_WEIGHT]); }
float load_add(uint i) { return LOAD(add, BIND_ADD, i + p.base[BIND_ADD]); }

void store_y(uint i, float v)
{
    i += p.base[BIND_Y];
#ifdef HALF
    if ((halves & (1u << BIND_Y)) != 0) {
        y16[i] = float16_t(v);
        return;
    }
#endif
    y32[i] = v;
}

// The same for elements 4 i to 4 i + 3 of tensors that start at their binding, which all maps do.
vec4 load_x4(uint i) { return LOAD4(x, BIND_X, i); }
vec4 load_weight4(uint i) { return LOAD4(weight, BIND_WEIGHT, i); }
vec4 load_add4(uint i) { return LOAD4(add, BIND_ADD, i); }

void store_y4(uint i, vec4 v)
{
#ifdef HALF
    if ((halves & (1u << BIND_Y)) != 0) {
        y16v[i] = f16vec4(v);
        return;
    }
#endif
    y32v[i] = v;
}

bool is_present(uint binding) { return (p.present & (1u << binding)) != 0; }

// A grid may be folded from x into y. The index of the work group and of the invocation in it, and the layer in z.
uint group_index() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
uint flat_index() { return group_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x; }
uint layer_index() { return gl_WorkGroupID.z + p.first_group; }
