# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings of a face: age, smile, yaw and what else the renders' labels have. Two networks are trained on different strangers:
one may choose directions or be a loss, the other only judges.
"""
from torch import nn

from . import trunk

KIND = "attributes"
SIDE = 64
# Age and smile 0..1, yaw in units of 30 degrees, woman 0 to man 1, shaven 0 to bearded 1, dark 0 to light or grey hair 1,
# bald 0 to long hair 1, glasses 0 or 1.
NAMES = ("age", "smile", "yaw", "gender", "beard", "hair", "hair_length", "glasses")


class Attributes(nn.Module):
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
        self.hidden = nn.Linear(settings["widths"][-1] * side * side, settings["hidden"])
        self.readings = nn.Linear(settings["hidden"], settings["outputs"])
        if arrays is not None:
            trunk.fill(self, arrays)

    def values(self, pictures):
        """-> N x outputs, in the order of NAMES (and, while the perceptual network learns, landmarks after them)."""
        features = self.trunk(trunk.resized(pictures, SIDE))[-1]
        return self.readings(nn.functional.leaky_relu(self.hidden(features.flatten(1)), 0.2))

    def forward(self, pictures):
        """Aligned pictures N x 3 x S x S in -1..1 -> {name: N readings}."""
        return dict(zip(NAMES, self.values(pictures).unbind(1)))


def load(path):
    return Attributes(path)
