/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * shaders.h - the compiled programs. Private to gpu/.
 */
#pragma once

#include "vulkan.h"

typedef struct {
    const guint32 *words;
    gsize size; /* bytes */
} LkShaderCode;

/* [1] reads and writes halves where the specialisation constant says so and needs the device's 16-bit storage. */
extern const LkShaderCode lk_shaders[LK_N_PROGRAMS][2];
