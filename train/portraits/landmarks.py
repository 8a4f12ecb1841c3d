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

# eyes, nose tip and mouth decide about the crop
WEIGHTS = torch.ones(N_LANDMARKS) * 0.6
WEIGHTS[[30] + list(range(36, 49)) + [54]] = 2.0

# Where people place points and where the mesh has its vertices is not the same. Medians over 18 portraits with points placed
# by hand (none of those that tests measure on), in half sides of the FFHQ square: eyes outwards, nose down, mouth's corners
# outwards and down. Everything symmetric: four numbers are all that is taken from photos.
EYES_OUT, NOSE_DOWN, MOUTH_OUT, MOUTH_DOWN = -0.0194, -0.0310, -0.0140, 0.0318

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


def unfolded(arrays):
    """Network from the tensors of folded(): its batch normalisations only add the convolutions' biases."""
    network, state = LandmarkNetwork(), {}
    for k, norm in enumerate(network.normalisations):
        state[f"convolutions.{k}.weight"] = arrays[f"conv{k}.weight"]
        state[f"normalisations.{k}.bias"] = arrays[f"conv{k}.bias"]
        state[f"normalisations.{k}.running_var"] = np.full(norm.num_features, 1 - norm.eps, np.float32)
    for stored, name in (("fc", "hidden"), ("landmarks", "landmarks"), ("attributes", "attributes")):
        for leaf in ("weight", "bias"):
            state[f"{name}.{leaf}"] = arrays[f"{stored}.{leaf}"]
    network.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()}, strict=False)
    return network.eval()


def load(path):
    """A network that training saved, or the program's weights."""
    if str(path).endswith(".safetensors"):
        return unfolded(read(path)[0])
    state = torch.load(path, map_location="cpu")
    if "f.0.weight" in state:
        return from_trial_checkpoint(state)
    network = LandmarkNetwork()
    network.load_state_dict(state)
    return network.eval()


def place_as_people_do(network):
    """Moves a network's answers from the mesh's vertices to where people place the points."""
    offsets = torch.zeros(N_LANDMARKS, 2)
    offsets[36:42, 0], offsets[42:48, 0] = -EYES_OUT, EYES_OUT
    offsets[27:36, 1], offsets[48:68, 1] = NOSE_DOWN, MOUTH_DOWN
    offsets[[48, 60], 0], offsets[[54, 64], 0] = -MOUTH_OUT, MOUTH_OUT
    with torch.no_grad():
        network.landmarks.bias += offsets.flatten()
    return network


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
    """A random similarity around each face, half of the time as loose as a detector's box, a little stretched and bent;
    mirrored half of the time.

    images: N x 3 x S x S in -1..1, landmarks N x 68 x 2 in -1..1 -> the same at 64 x 64, each pixel the mean of several
    lookups: as sharp as the program's crops.
    """
    count = len(images)
    loose = (torch.rand(count) < 0.5).float()
    scale = torch.exp((0.08 + 0.14 * loose) * torch.randn(count))
    angle = (0.05 + 0.12 * loose) * torch.randn(count)
    shift = (0.04 + 0.10 * loose)[:, None] * torch.randn(count, 2)
    stretch = torch.exp(0.06 * torch.randn(count))
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrix = torch.stack([torch.stack([cos * mirror * stretch, -sin, shift[:, 0]], 1),
                          torch.stack([sin * mirror * stretch, cos, shift[:, 1]], 1)], 1)    # output -> input
    finer = max(1, images.shape[-1] // INPUT)
    displacement = bend(count, finer * INPUT)
    grid = F.affine_grid(matrix, (count, 3, finer * INPUT, finer * INPUT), align_corners=False)
    grid = grid + torch.einsum("nij,njyx->nyxi", matrix[:, :, :2], displacement)
    crops = F.avg_pool2d(F.grid_sample(images, grid, align_corners=False, padding_mode="reflection"), finer)
    moved = torch.linalg.solve(matrix[:, :, :2], (landmarks - matrix[:, None, :, 2]).transpose(1, 2)).transpose(1, 2)
    moved = bend_points(moved, displacement)
    mirrored = mirror < 0
    moved[mirrored] = moved[mirrored][:, MIRROR]
    labels = labels.clone()
    labels[mirrored, 2] *= -1
    return crops, moved, labels


def bend(count, size=INPUT, strength=0.05):
    """Smooth random displacements, count x 2 x size x size in -1..1 units: faces that nobody rendered."""
    coarse = torch.randn(count, 2, 4, 4) * strength * torch.rand(count, 1, 1, 1)
    return F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)


def bend_points(points, displacement):
    """Where points lie after a picture was resampled at x + displacement(x): the solution of x + displacement(x) = point."""
    found = points
    for _ in range(4):
        found = points - F.grid_sample(displacement, found[:, :, None], padding_mode="border", align_corners=False)[..., 0].transpose(1, 2)
    return found


def relight(crops):
    """Uneven light: a smooth factor over each picture, sometimes with a hard edge as a shadow has."""
    count, size = len(crops), crops.shape[-1]
    field = F.interpolate(torch.randn(count, 1, 3, 3), (size, size), mode="bicubic", align_corners=False)
    sharp = torch.tanh(field * torch.exp(2 * torch.rand(count, 1, 1, 1)))
    field = torch.where(torch.rand(count, 1, 1, 1) < 0.3, sharp, field)
    factor = torch.exp(0.45 * torch.rand(count, 1, 1, 1) * field)
    return ((crops + 1) / 2 * factor).clamp(0, 1) * 2 - 1


def put_on_glasses(crops, points, worn=None):
    """Rims, a bridge and tinted lenses on a quarter of the faces, or where `worn` is 1; the renders have none."""
    count, size = len(crops), crops.shape[-1]
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    place = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]            # 1 x S x S x 2
    left, right = points[:, 36:42].mean(1), points[:, 42:48].mean(1)
    across = right - left
    distance = across.norm(dim=1).clamp(min=1e-3)
    unit = across / distance[:, None]
    radius = distance * (0.32 + 0.12 * torch.rand(count))
    flat, power = 0.6 + 0.35 * torch.rand(count), 2 + 3 * torch.rand(count)
    width = distance * (0.015 + 0.05 * torch.rand(count) ** 2)
    lens, rim = torch.zeros(count, size, size), torch.zeros(count, size, size)
    for eye in (left, right):
        d = place - (eye + torch.stack([-unit[:, 1], unit[:, 0]], 1) * (distance * (0.02 + 0.1 * torch.rand(count)))[:, None])[:, None, None]
        u = (d * unit[:, None, None]).sum(-1) / radius[:, None, None]
        v = (d[..., 1] * unit[:, 0, None, None] - d[..., 0] * unit[:, 1, None, None]) / (radius * flat)[:, None, None]
        r = ((u.abs() ** power[:, None, None] + v.abs() ** power[:, None, None]).clamp(min=1e-6)) ** (1 / power[:, None, None])
        lens = torch.maximum(lens, (r < 1).float())
        rim = torch.maximum(rim, torch.exp(-((r - 1) * (radius / width)[:, None, None]) ** 2))
    middle = place - ((left + right) / 2)[:, None, None]
    u = (middle * unit[:, None, None]).sum(-1).abs() / (distance / 2 - radius).clamp(min=0.02)[:, None, None]
    v = middle[..., 1] * unit[:, 0, None, None] - middle[..., 0] * unit[:, 1, None, None]
    rim = torch.maximum(rim, (u < 1) * torch.exp(-(v / width[:, None, None]) ** 2))
    worn = ((torch.rand(count) < 0.25).float() if worn is None else worn)[:, None, None, None]
    colour, tint = torch.rand(count, 3, 1, 1) * 1.6 - 1, torch.randn(count, 3, 1, 1) * 0.15
    crops = crops + worn * lens[:, None] * (tint - 0.15 * crops * torch.rand(count, 1, 1, 1))
    return crops + worn * rim[:, None] * (0.3 + 0.7 * torch.rand(count, 1, 1, 1)) * (colour - crops)


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
        crops, points, attributes = jitter_box(photos, landmarks[chosen], labels[chosen])
        if step % 3 == 0:
            crops = occlude(crops)
        crops = put_on_glasses(relight(crops), points)
        found, guessed = network(jitter_colours(crops))
        loss_points = ((found - points).abs() * WEIGHTS[:, None]).mean()
        loss_attributes = (guessed - attributes).abs().mean()
        optimiser.zero_grad()
        (4 * loss_points + loss_attributes).backward()
        optimiser.step()
        if step % 100 == 0 or step == iterations - 1:
            report(f"step {step}  landmarks {loss_points:.4f}  attributes {loss_attributes:.4f}  {time.time() - start:.0f} s")
    return network.eval()
