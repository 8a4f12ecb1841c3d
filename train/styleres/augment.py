# SPDX-License-Identifier: GPL-3.0-or-later
"""Adaptive discriminator augmentation (arXiv 2006.06676): the discriminator sees real and generated pictures only after the
same kinds of random changes, as often as it takes to keep it from learning the real ones by heart.

Changes that suit upright faces: mirroring, shifts, zoom, small rotations, stretching, brightness, contrast, hue and saturation.
"""
import math

import torch
import torch.nn.functional as F

LUMA = torch.full((3,), 1 / math.sqrt(3))


def sometimes(chance, values, neutral, device):
    """values (N x ...) where a coin of that chance falls right, else neutral."""
    coin = torch.rand(values.shape[0], device=device) < chance
    return torch.where(coin.view(-1, *[1] * (values.ndim - 1)), values, torch.full_like(values, neutral))


def random_places(count, chance, side, device):
    """N x 2 x 3: from places in the output to places in the input, both -1..1."""
    def normal(size):
        return torch.randn(count, device=device) * size

    mirror = sometimes(chance, torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0), 1.0, device)
    zoom = sometimes(chance, torch.exp2(normal(0.2)), 1.0, device)
    stretch = sometimes(chance, torch.exp2(normal(0.15)), 1.0, device)
    angle = sometimes(chance, normal(0.12), 0.0, device)
    shift = sometimes(chance, torch.randn(count, 2, device=device) * 0.12, 0.0, device)
    pixels = sometimes(chance, ((torch.rand(count, 2, device=device) * 2 - 1) * 0.125 * side).round() * (2 / side), 0.0, device)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([mirror * zoom * stretch * cos, -mirror * zoom * stretch * sin, (shift + pixels)[:, 0]], 1),
            torch.stack([zoom / stretch * sin, zoom / stretch * cos, (shift + pixels)[:, 1]], 1)]
    return torch.stack(rows, 1)


def random_colours(count, chance, device):
    """N x 3 x 4: from colours in -1..1 and 1 to colours."""
    identity = torch.eye(3, device=device).expand(count, 3, 3)
    axis = LUMA.to(device)
    along = axis.outer(axis)
    brightness = sometimes(chance, torch.randn(count, device=device) * 0.2, 0.0, device)
    contrast = sometimes(chance, torch.exp2(torch.randn(count, device=device) * 0.5), 1.0, device)
    saturation = sometimes(chance, torch.exp2(torch.randn(count, device=device)), 1.0, device)
    hue = sometimes(chance, (torch.rand(count, device=device) * 2 - 1) * math.pi, 0.0, device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    cos, sin = (f(hue)[:, None, None] for f in (torch.cos, torch.sin))
    turn = along + cos * (identity - along) + sin * cross
    pale = along + saturation[:, None, None] * (identity - along)
    matrix = pale @ turn * contrast[:, None, None]
    return torch.cat([matrix, brightness[:, None, None].expand(-1, 3, 1)], 2)


def augment(pictures, chance):
    """N x 3 x S x S in -1..1 -> the same shape; every change with the given chance (0..1). Differentiable."""
    if chance <= 0:
        return pictures
    count, side, device = pictures.shape[0], pictures.shape[-1], pictures.device
    pictures = pictures.float()
    with torch.autocast(device.type, enabled=False):
        grid = F.affine_grid(random_places(count, chance, side, device), pictures.shape, align_corners=False)
        pictures = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
        colours = random_colours(count, chance, device)
        return torch.einsum("nij,njyx->niyx", colours[:, :, :3], pictures) + colours[:, :, 3, None, None]


class Adaptive:
    """The chance of augmentation: raised while the discriminator is too sure of real pictures, r_t = mean sign(D(real)) above
    the target, and lowered below it. `speed` is how many pictures it takes to go from 0 to 1."""

    EVERY = 4       # steps between adjustments

    def __init__(self, target, speed):
        self.target, self.speed, self.chance = target, speed, 0.0
        self.signs, self.count, self.seen = 0.0, 0, 0

    def observe(self, logits, processes, batch):
        """logits of this process's real pictures; batch: pictures of all processes in this step."""
        self.signs += processes.mean(float(logits.detach().sign().mean()))
        self.count, self.seen = self.count + 1, self.seen + batch
        if self.target <= 0 or self.count < self.EVERY:
            return
        step = self.seen / self.speed * (1 if self.signs / self.count > self.target else -1)
        self.chance = min(1.0, max(0.0, self.chance + step))
        self.signs, self.count, self.seen = 0.0, 0, 0

    def state(self):
        return {"chance": self.chance, "signs": self.signs, "count": self.count, "seen": self.seen}

    def load(self, state):
        self.__dict__.update(state)
