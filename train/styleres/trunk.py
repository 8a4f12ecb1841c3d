# SPDX-License-Identifier: GPL-3.0-or-later
"""What the judging networks (perceptual, identity, attributes) have in common: a small CNN and its file."""
import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .export import read, write
from .networks import Conv

FORMAT = "likeness-judge"


class Trunk(nn.Module):
    """3 x 3 convolutions with batch normalisation and leaky ReLU."""

    def __init__(self, widths, strides):
        super().__init__()
        inputs = [3, *widths[:-1]]
        self.convolutions = nn.ModuleList(
            Conv(i, o, 3, stride, 1, bias=False) for i, o, stride in zip(inputs, widths, strides))
        self.normalisations = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)

    def forward(self, x):
        """N x 3 x S x S -> the features after each convolution."""
        features = []
        for convolution, normalisation in zip(self.convolutions, self.normalisations):
            x = F.leaky_relu(normalisation(convolution(x)), 0.2)
            features.append(x)
        return features


def resized(pictures, side):
    """Pictures N x 3 x S x S averaged down, or enlarged, to the side that a network was trained with."""
    size = pictures.shape[-1]
    if size == side:
        return pictures
    if size % side == 0:
        return F.avg_pool2d(pictures, size // side)
    return F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False, antialias=size > side)


def save(network, path, kind, settings):
    """settings: what the network's constructor takes. -> bytes"""
    arrays = {}
    for name, value in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            array = value.detach().cpu().float().numpy()
            arrays[name] = array.astype(np.float16 if array.ndim > 1 else np.float32)
    meta = {"format": FORMAT, "version": "1", "name": f"Likeness {kind} judge", "licence": "GPL-3.0-or-later", "kind": kind,
            "settings": json.dumps(settings)}
    return write(path, arrays, meta)


def stored_settings(path, kind):
    arrays, meta = read(path)
    if meta.get("format") != FORMAT or meta.get("kind") != kind:
        raise ValueError(f"{path} is not a file of a judging network of the kind {kind}")
    return arrays, json.loads(meta["settings"])


def fill(network, arrays):
    """Stored weights into a network, which then only judges."""
    missing, unexpected = network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()}, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"weights of a judging network: missing {missing[:3]}, unknown {unexpected[:3]}")
    return network.eval().requires_grad_(False)


def trunk_of(path):
    """-> the state of the trunk in any judging network's file, its layers ("widths" and "strides")."""
    arrays, meta = read(path)
    settings = json.loads(meta["settings"])
    state = {name[len("trunk."):]: torch.from_numpy(value) for name, value in arrays.items() if name.startswith("trunk.")}
    counts = {name.replace("running_mean", "num_batches_tracked"): torch.tensor(0) for name in state if name.endswith("running_mean")}
    return {**state, **counts}, {name: settings[name] for name in ("widths", "strides")}
