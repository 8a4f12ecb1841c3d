// SPDX-License-Identifier: GPL-3.0-or-later
//
// For GPUs: a work group keeps a window of CHUNK input channels and the weights that belong to them in shared memory.
// Expects: window_w, window_h, n_taps and tile_channels (output channels of a work group, a multiple of 8).

const uint CHUNK = 4;
const uint window_size = window_w * window_h, weights_size = n_taps * tile_channels;

shared float window[CHUNK * window_size];
shared vec4 window_weights[CHUNK * weights_size / 4];

// The window begins at the given row and column of x; what lies outside is zero.
void load_window(uint first_channel, int row, int column)
{
    for (uint j = gl_LocalInvocationID.x; j < CHUNK * window_size; j += gl_WorkGroupSize.x) {
        uint i = first_channel + j / window_size;
        int y = row + int(j % window_size / window_w), x = column + int(j % window_w);
        float v = 0.0;
        if (i < p.in_c && y >= 0 && y < int(p.in_h) && x >= 0 && x < int(p.in_w)) {
            v = load_x((i * p.in_h + uint(y)) * p.in_w + uint(x));
            if (is_present(BIND_IN_SCALE))
                v *= in_scale[i + p.base[BIND_IN_SCALE]];
            if (is_present(BIND_IN_SHIFT))
                v += in_shift[i + p.base[BIND_IN_SHIFT]];
        }
        window[j] = v;
    }
}

// In memory weights are [o / 8][i][tap][o % 8], here [i][tap][o]; channels that do not exist have zeros.
void load_weights(uint first_channel, uint first_output, uint n_outputs)
{
    for (uint j = gl_LocalInvocationID.x; j < CHUNK * weights_size / 4; j += gl_WorkGroupSize.x) {
        uint o = j * 4 % tile_channels + first_output, tap = j * 4 / tile_channels % n_taps;
        uint i = first_channel + j * 4 / weights_size;
        window_weights[j] = i < p.in_c && o < n_outputs
                               ? load_weight4((((o / 8) * p.in_c + i) * n_taps + tap) * 2 + o % 8 / 4)
                               : vec4(0.0);
    }
}
