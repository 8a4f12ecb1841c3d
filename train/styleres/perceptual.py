# SPDX-License-Identifier: GPL-3.0-or-later
"""A perceptual distance of our own: differences of a small CNN's features at several depths (the idea of LPIPS, arXiv 1801.03924).

The CNN learned on renders alone to find landmarks and to read what is known about the strangers (styleres.judge_training). The
layers' shares are such that each adds the same for two unrelated renders, whose distance is 1 on average.
"""
import torch
import torch.nn.functional as F
from torch import nn

from . import trunk

KIND = "perceptual"
SIDES = (128, 64)       # pictures are looked at in both sizes


class Perceptual(nn.Module):
    def __init__(self, path=None, settings=None):
        super().__init__()
        arrays = None
        if path is not None:
            arrays, settings = trunk.stored_settings(path, KIND)
        self.settings = settings
        self.trunk = trunk.Trunk(settings["widths"], settings["strides"])
        self.register_buffer("shares", torch.ones(len(SIDES) * len(settings["widths"])))
        if arrays is not None:
            trunk.fill(self, arrays)

    def layers(self, pictures):
        """Features of unit length in every place, all sizes and layers."""
        found = []
        for side in SIDES:
            found += [F.normalize(feature, dim=1, eps=1e-4) for feature in self.trunk(trunk.resized(pictures, side))]
        return found

    def distances(self, a, b):
        """-> N x layers, before the shares."""
        return torch.stack([(one - other).square().sum(1).mean((1, 2)) for one, other in zip(self.layers(a), self.layers(b))], 1)

    def forward(self, a, b):
        """Pictures N x 3 x S x S in -1..1 -> N distances: 0 for equal pictures."""
        return self.distances(a, b) @ self.shares

    def features(self, pictures):
        """N x D for the Frechet distance: the deepest layer's mean over the picture."""
        return self.trunk(trunk.resized(pictures, SIDES[0]))[-1].mean((2, 3))


def load(path):
    return Perceptual(path)
