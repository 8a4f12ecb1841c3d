# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is it: pictures of one person get vectors that point the same way. Learned on renders alone, where identity is known."""
import torch.nn.functional as F
from torch import nn

from . import trunk

KIND = "identity"
SIDE = 64


class Identity(nn.Module):
    def __init__(self, path=None, settings=None):
        super().__init__()
        arrays = None
        if path is not None:
            arrays, settings = trunk.stored_settings(path, KIND)
        self.settings = settings
        self.trunk = trunk.Trunk(settings["widths"], settings["strides"])
        side = SIDE
        for stride in settings["strides"]:
            side //= stride
        self.vector = nn.Linear(settings["widths"][-1] * side * side, settings["length"])
        self.normalisation = nn.BatchNorm1d(settings["length"], affine=False)
        if arrays is not None:
            trunk.fill(self, arrays)

    def embed(self, pictures):
        """Aligned pictures N x 3 x S x S in -1..1 -> N x length, unit vectors."""
        features = self.trunk(trunk.resized(pictures, SIDE))[-1]
        return F.normalize(self.normalisation(self.vector(features.flatten(1))), dim=1)

    def forward(self, a, b):
        """Similarity -1..1 of two pictures each."""
        return (self.embed(a) * self.embed(b)).sum(1)


def load(path):
    return Identity(path)
