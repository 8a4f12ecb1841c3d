// SPDX-License-Identifier: GPL-3.0-or-later
//
// The sum of one value of every invocation of a work group, in an order that never varies.

shared float partial[256];

float reduce(float v)
{
    uint me = gl_LocalInvocationID.x;
    partial[me] = v;
    barrier();
    for (uint half_size = gl_WorkGroupSize.x / 2; half_size > 0; half_size /= 2) {
        if (me < half_size)
            partial[me] += partial[me + half_size];
        barrier();
    }
    return partial[0];
}
