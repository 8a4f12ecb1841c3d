// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sums over the invocations of a work group, ROWS of them at once, in an order that never varies. Invocation i then has
// the sum of row i in partial[i][0].

shared float partial[ROWS][256];

void reduce(float v[ROWS])
{
    uint me = gl_LocalInvocationID.x;
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        partial[r][me] = v[r];
    barrier();
    for (uint half_size = gl_WorkGroupSize.x / 2; half_size > 0; half_size /= 2) {
        if (me < half_size)
            [[unroll]] for (uint r = 0; r < ROWS; r++)
                partial[r][me] += partial[r][me + half_size];
        barrier();
    }
}
