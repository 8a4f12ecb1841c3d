/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "released.h"

#define C3 LK_HEAD_C3
#define P2 LK_HEAD_P2
#define P1 LK_HEAD_P1

const LkConfig lk_released_config = {
    .input = 256,
    .resolution = 1024,
    .w_dim = 512,
    .num_ws = 18,
    .embed_res = 64,
    .n_blocks = 9,
    .channels = {512, 512, 512, 512, 512, 256, 128, 64, 32},
    .noise = TRUE,
    .stem = 64,
    .groups = {{64, 64, 3}, {64, 128, 4}, {128, 256, 14}, {256, 512, 3}},
    .heads = {C3, C3, C3, P2, P2, P2, P2, P1, P1, P1, P1, P1, P1, P1, P1, P1, P1, P1},
    .gate_channels = 256,
};
