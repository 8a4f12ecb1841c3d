// SPDX-License-Identifier: GPL-3.0-or-later
//
// Maps in weight that are coarser than what they are read for: one cell for p.stride elements of both axes, bilinear between the
// cells' centres.

// Two neighbours on an axis and the second one's share.
struct Pair {
    uint first, second;
    float share;
};

// Those around base + offset; what lies outside is the nearest inside. Far from 0 a sum of both would lose the fraction.
Pair pair_at(uint base, float offset, uint n)
{
    int first = int(base) + int(floor(offset));
    if (first < 0)
        return Pair(0, 0, 0.0);
    uint last = n - 1;
    return Pair(min(uint(first), last), min(uint(first) + 1, last), fract(offset));
}

// The cells around an element of an axis of n cells.
Pair cells_at(uint element, uint n)
{
    return pair_at(element / p.stride, (float(element % p.stride) + 0.5) / float(p.stride) - 0.5, n);
}

// Channel c of cells of the given width and height, between four of them.
float cell_value(uint c, uint width, uint height, Pair x, Pair y)
{
    uint upper = (c * height + y.first) * width, lower = (c * height + y.second) * width;
    return mix(mix(load_weight(upper + x.first), load_weight(upper + x.second), x.share),
               mix(load_weight(lower + x.first), load_weight(lower + x.second), x.share), y.share);
}
