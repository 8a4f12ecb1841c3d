# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmark network: 64 x 64 face crop -> 68 landmarks (300-W order) and three attributes, learned from renders
alone.

It aligns the training portraits, and the program uses the same weights to align a user's photo
(data/landmarks/landmarks.safetensors).
"""
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from styleres.export import read, write

N_LANDMARKS = 68
ATTRIBUTES = ("age", "smile", "yaw")    # 0..1, 0..1, units of 30 degrees
INPUT = 64
WIDTHS = (24, 48, 72, 96, 96, 144)
STRIDES = (2, 2, 1, 2, 1, 2)
HIDDEN = 256

# where each landmark goes when the picture is mirrored
MIRROR = (list(range(16, -1, -1)) + list(range(26, 16, -1)) + [27, 28, 29, 30, 35, 34, 33, 32, 31]
          + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
          + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65])


class LandmarkNetwork(nn.Module):
    """Six 3 x 3 convolutions with batch normalisation and ReLU, one hidden linear layer, two linear heads."""

    def __init__(self):
        super().__init__()
        inputs = (3,) + WIDTHS[:-1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride, 1, bias=False) for i, o, stride in zip(inputs, WIDTHS, STRIDES))
        self.normalisations = nn.ModuleList(nn.BatchNorm2d(o) for o in WIDTHS)
        side = INPUT // math.prod(STRIDES)
        self.hidden = nn.Linear(WIDTHS[-1] * side * side, HIDDEN)
        self.landmarks = nn.Linear(HIDDEN, 2 * N_LANDMARKS)
        self.attributes = nn.Linear(HIDDEN, len(ATTRIBUTES))

    def forward(self, crops):
        """crops: N x 3 x 64 x 64 in -1..1 -> landmarks N x 68 x 2 (x, y; the crop spans -1..1), attributes N x 3."""
        x = crops
        for convolution, normalisation in zip(self.convolutions, self.normalisations):
            x = F.relu(normalisation(convolution(x)))
        x = F.relu(self.hidden(x.flatten(1)))
        return self.landmarks(x).view(-1, N_LANDMARKS, 2), self.attributes(x)

    def folded(self):
        """Tensors for inference as numpy arrays: conv0..5, fc, landmarks, attributes; batch normalisation folded into the
        convolutions, matrices float16."""
        tensors = {}
        for k, (convolution, norm) in enumerate(zip(self.convolutions, self.normalisations)):
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            tensors[f"conv{k}.weight"] = convolution.weight * scale[:, None, None, None]
            tensors[f"conv{k}.bias"] = norm.bias - norm.running_mean * scale
        for name, layer in (("fc", self.hidden), ("landmarks", self.landmarks), ("attributes", self.attributes)):
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = layer.weight, layer.bias
        return {name: value.detach().float().numpy().astype(np.float16 if value.ndim > 1 else np.float32)
                for name, value in tensors.items()}


def from_trial_checkpoint(state):
    """Network from the state dict of the first trial, which was one nn.Sequential called f with heads lm and at."""
    renamed = {}
    for name, value in state.items():
        part, *rest = name.split(".")
        if part == "f":
            index, leaf = int(rest[0]), rest[1]
            kind = "hidden" if index == 19 else ("convolutions", "normalisations")[index % 3] + f".{index // 3}"
            renamed[f"{kind}.{leaf}"] = value
        else:
            renamed[{"lm": "landmarks", "at": "attributes"}[part] + "." + rest[0]] = value
    network = LandmarkNetwork()
    network.load_state_dict(renamed)
    return network.eval()


def load(path):
    state = torch.load(path, map_location="cpu")
    if "f.0.weight" in state:
        return from_trial_checkpoint(state)
    network = LandmarkNetwork()
    network.load_state_dict(state)
    return network.eval()


def save_folded(network, path):
    """Writes the program's weights; returns the size in bytes."""
    meta = {"format": "likeness-landmarks", "version": "1", "name": "Likeness landmarks", "licence": "CC0-1.0",
            "input": str(INPUT), "strides": json.dumps(STRIDES), "attributes": json.dumps(ATTRIBUTES)}
    return write(path, network.folded(), meta)


def run_folded(path, crops):
    """What the program computes, from its own file: crops N x 3 x 64 x 64 -> landmarks, attributes (numpy)."""
    arrays, meta = read(path)
    tensor = {name: torch.as_tensor(value) for name, value in arrays.items()}
    x = torch.as_tensor(crops)
    for k, stride in enumerate(json.loads(meta["strides"])):
        x = F.relu(F.conv2d(x, tensor[f"conv{k}.weight"], tensor[f"conv{k}.bias"], stride, 1))
    x = F.relu(F.linear(x.flatten(1), tensor["fc.weight"], tensor["fc.bias"]))
    head = lambda name: F.linear(x, tensor[f"{name}.weight"], tensor[f"{name}.bias"])
    return head("landmarks").view(-1, N_LANDMARKS, 2).numpy(), head("attributes").numpy()


def jitter_colours(x):
    """Exposure, tint, contrast, saturation, blur and noise, strong enough to reach from renders to photos. x in -1..1."""
    count = len(x)
    one = lambda: torch.rand(count, 1, 1, 1)
    normal = lambda: torch.randn(count, 1, 1, 1)
    y = ((x + 1) / 2).clamp(1e-4, 1) ** torch.exp(0.45 * normal())
    y = y * (1 + 0.25 * torch.randn(count, 3, 1, 1) * one())
    mean = y.mean((1, 2, 3), keepdim=True)
    y = (y - mean) * torch.exp(0.3 * normal()) + mean + 0.08 * normal()
    grey = (y * torch.tensor([0.3, 0.59, 0.11])[None, :, None, None]).sum(1, keepdim=True)
    saturation = torch.where(one() < 0.15, torch.zeros(count, 1, 1, 1), (one() * 1.5).clamp(max=1))
    y = grey + (y - grey) * saturation
    blurred = F.avg_pool2d(F.pad(y, (1, 1, 1, 1), mode="replicate"), 3, 1)
    y = y + (blurred - y) * torch.where(one() < 0.5, one() * 2 - 0.6, torch.zeros(count, 1, 1, 1))
    return (y + torch.randn_like(y) * 0.06 * one()).clamp(0, 1) * 2 - 1


def jitter_box(images, landmarks, labels):
    """A random similarity around each face, half of the time as loose as a detector's box; mirrored half of the time.

    images: N x 3 x S x S in -1..1, landmarks N x 68 x 2 in -1..1 -> the same at 64 x 64.
    """
    count = len(images)
    loose = (torch.rand(count) < 0.5).float()
    scale = torch.exp((0.08 + 0.14 * loose) * torch.randn(count))
    angle = (0.05 + 0.12 * loose) * torch.randn(count)
    shift = (0.04 + 0.10 * loose)[:, None] * torch.randn(count, 2)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrix = torch.stack([torch.stack([cos * mirror, -sin, shift[:, 0]], 1),
                          torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1)    # output -> input
    grid = F.affine_grid(matrix, (count, 3, INPUT, INPUT), align_corners=False)
    crops = F.grid_sample(images, grid, align_corners=False, padding_mode="reflection")
    moved = torch.linalg.solve(matrix[:, :, :2], (landmarks - matrix[:, None, :, 2]).transpose(1, 2)).transpose(1, 2)
    mirrored = mirror < 0
    moved[mirrored] = moved[mirrored][:, MIRROR]
    labels = labels.clone()
    labels[mirrored, 2] *= -1
    return crops, moved, labels


def occlude(crops):
    """A patch from another picture over each: hair, hands, glasses."""
    height, width = torch.randint(8, 24, (2,)).tolist()
    y, x = torch.randint(0, INPUT - 16, (2,)).tolist()
    crops[:, :, y:y + height, x:x + width] = crops.roll(1, 0)[:, :, y:y + height, x:x + width]
    return crops


def train(images, landmarks, labels, iterations, network=None, batch=48, rate=2e-3, report=print):
    """images N x S x S x 3 uint8, landmarks N x 68 x 2 pixels, labels N x 3 -> the trained network."""
    size = images.shape[1]
    images = torch.from_numpy(images).permute(0, 3, 1, 2)
    landmarks = torch.from_numpy(landmarks).float() / size * 2 - 1
    labels = torch.from_numpy(labels).float()
    network = (network or LandmarkNetwork()).train()
    optimiser = torch.optim.Adam(network.parameters(), rate)
    start = time.time()
    for step in range(iterations):
        for group in optimiser.param_groups:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * step / iterations)) + 1e-5
        chosen = torch.randint(len(images), (batch,))
        photos = images[chosen].float() / 127.5 - 1
        if size > INPUT:
            photos = F.avg_pool2d(photos, size // INPUT)
        crops, points, attributes = jitter_box(photos, landmarks[chosen], labels[chosen])
        if step % 3 == 0:
            crops = occlude(crops)
        found, guessed = network(jitter_colours(crops))
        loss_points = (found - points).abs().mean()
        loss_attributes = (guessed - attributes).abs().mean()
        optimiser.zero_grad()
        (4 * loss_points + loss_attributes).backward()
        optimiser.step()
        if step % 100 == 0 or step == iterations - 1:
            report(f"step {step}  landmarks {loss_points:.4f}  attributes {loss_attributes:.4f}  {time.time() - start:.0f} s")
    return network.eval()
