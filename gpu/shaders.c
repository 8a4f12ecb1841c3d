/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * shaders.c - the programs, compiled from shaders/ by the build.
 */
#include "shaders.h"

#include "shaders-embedded.h"

#define BOTH(name)                                                                                           \
    {                                                                                                        \
        {name##_f32, sizeof name##_f32},                                                                     \
        {                                                                                                    \
            name##_f16, sizeof name##_f16                                                                    \
        }                                                                                                    \
    }

const LkShaderCode lk_shaders[LK_N_PROGRAMS][2] = {
    [LK_PROGRAM_CONV_LANES] = BOTH(conv_lanes),
    [LK_PROGRAM_CONV_SHARED] = BOTH(conv_shared),
    [LK_PROGRAM_TRANSPOSE_LANES] = BOTH(transpose_lanes),
    [LK_PROGRAM_TRANSPOSE_SHARED] = BOTH(transpose_shared),
    [LK_PROGRAM_FIR_UP] = BOTH(fir_up),
    [LK_PROGRAM_LINEAR] = BOTH(linear),
    [LK_PROGRAM_POOL] = BOTH(pool),
    [LK_PROGRAM_SCALE_ADD] = BOTH(scale_add),
    [LK_PROGRAM_UPSAMPLE] = BOTH(upsample),
    [LK_PROGRAM_TO_RGB] = BOTH(to_rgb),
    [LK_PROGRAM_GATE] = BOTH(gate),
    [LK_PROGRAM_WARP] = BOTH(warp),
    [LK_PROGRAM_MOVE] = BOTH(move),
    [LK_PROGRAM_BLEND] = BOTH(blend),
    [LK_PROGRAM_IMAGE_IN] = BOTH(image_in),
    [LK_PROGRAM_IMAGE_OUT] = BOTH(image_out),
};
