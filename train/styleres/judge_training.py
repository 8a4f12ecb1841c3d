# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the judging networks on renders alone.

usage: python3 -m styleres.judge_training perceptual|identity|attributes RENDERS OUT.safetensors [--minutes M] [--seed S]
           [--share even|odd] [--start JUDGE.safetensors]

RENDERS: what `heads quads` writes. Every twelfth stranger is kept out and tells how well it went. `--share` takes only every
second of the others: two attribute networks that have seen no common stranger. `--start`: takes the first layers
of another judge, and how wide they are, which spares a network for identity much time.
"""
import argparse
import glob
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from heads.labels import looks
from heads.model import head_model
from portraits.landmarks import MIRROR, jitter_colours, put_on_glasses, relight

from . import attributes, identity, perceptual, trunk
from .measures import between, separation

GLASSES = attributes.NAMES.index("glasses")
YAW = attributes.NAMES.index("yaw")
SIDE = 64
KEPT_OUT = 12
SETTINGS = {
    "perceptual": {"widths": [16, 32, 48, 64, 96], "strides": [1, 2, 2, 2, 2]},
    "identity": {"widths": [24, 48, 72, 96, 128], "strides": [2, 2, 2, 1, 2], "length": 64},
    "attributes": {"widths": [24, 48, 72, 96, 128], "strides": [2, 2, 2, 1, 2], "hidden": 128, "outputs": len(attributes.NAMES)}}
# The judge that is never a loss is built differently, too.
SETTINGS_OF_SHARE = {"odd": {"widths": [32, 40, 64, 80, 96, 112], "strides": [2, 1, 2, 2, 1, 2]}}


class Strangers:
    """Renders with labels: pictures P x 4 x 3 x S x S (uint8), points P x 4 x 68 x 2 in -1..1, labels P x 4 x NAMES."""

    def __init__(self, pictures, points, labels):
        self.pictures, self.points, self.labels = (
            torch.from_numpy(np.asarray(array, kind)) for array, kind in ((pictures, np.uint8), (points, np.float32), (labels, np.float32)))

    def draw(self, people, each, random):
        """`each` pictures of so many strangers: pictures, points, labels, who."""
        who = torch.from_numpy(random.choice(len(self.pictures), people, replace=people > len(self.pictures))).repeat_interleave(each)
        which = torch.from_numpy(np.concatenate([random.permutation(4)[:each] for _ in range(people)]))
        return self.pictures[who, which].float() / 127.5 - 1, self.points[who, which], self.labels[who, which].clone(), who


def read_renders(folder, kept_out=False, share=None):
    """The strangers in a folder: those kept out, or the others, or every second of the others."""
    files = sorted(glob.glob(os.path.join(folder, "[0-9]*[0-9].npz")))
    chosen = [k for k in range(len(files)) if (k % KEPT_OUT == 0) == kept_out and (share is None or k % 2 == (share == "odd"))]
    if not chosen:
        raise SystemExit(f"{folder}: too few renders (*.npz) there")
    targets, pictures, points, labels = head_model().pack.targets, [], [], []
    for k in chosen:
        with np.load(files[k]) as data:
            pictures.append(data["img"].transpose(0, 3, 1, 2))
            points.append(data["lm"] / data["img"].shape[1] * 2 - 1)
            known, seed = data["par"], int(os.path.basename(files[k])[:-4])
        gender, beard, hair_length = np.tile(looks(seed, targets), (len(known), 1)).T
        labels.append(np.stack([*known.T[:3], gender, beard, known[:, 3], hair_length, 0 * gender], 1))
    return Strangers(np.stack(pictures), np.stack(points), np.stack(labels))


def cut(pictures, points, labels, zoom=0.0):
    """Crops of SIDE x SIDE: a little moved, turned, scaled and stretched, half of them mirrored; zoom: up to so much closer."""
    count = len(pictures)
    scale = torch.exp(0.06 * torch.randn(count)) * (1 - zoom * torch.rand(count))
    angle, stretch = 0.05 * torch.randn(count), torch.exp(0.04 * torch.randn(count))
    shift = 0.04 * torch.randn(count, 2) + (1 - scale).clamp(min=0)[:, None] * (torch.rand(count, 2) * 1.2 - 0.6)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    linear = torch.stack([torch.stack([cos * mirror * stretch, -sin], 1), torch.stack([sin * mirror * stretch, cos], 1)], 1)
    grid = F.affine_grid(torch.cat([linear, shift[:, :, None]], 2), (count, 3, SIDE, SIDE), align_corners=False)
    if not zoom:
        pictures = trunk.resized(pictures, SIDE)
    crops = F.grid_sample(pictures, grid, align_corners=False, padding_mode="reflection")
    moved = torch.linalg.solve(linear, (points - shift[:, None]).transpose(1, 2)).transpose(1, 2)
    mirrored = mirror < 0
    moved[mirrored] = moved[mirrored][:, MIRROR]
    labels[mirrored, YAW] *= -1
    return crops, moved, labels


def other_surroundings(crops, points, odds):
    """Around some faces (closely or widely, so that hair goes too) another picture instead."""
    count = len(crops)
    axis = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    place = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]
    low, high = points.amin(1), points.amax(1)
    centre, half = (low + high) / 2, (high - low) / 2 * (1.1 + 0.7 * torch.rand(count, 1))
    half[:, 1] *= 1.15
    radius = ((place - centre[:, None, None]) / half[:, None, None]).square().sum(-1)[:, None].sqrt()
    inside = torch.sigmoid((1 - radius) * 12)
    replaced = (torch.rand(count, 1, 1, 1) < odds).float()
    return crops + replaced * (1 - inside) * (crops.roll(1, 0) - crops)


def occlude(crops, odds=0.3):
    """A patch of another picture over some."""
    height, width = (int(x) for x in torch.randint(8, 24, (2,)))
    y, x = (int(v) for v in torch.randint(0, SIDE - 24, (2,)))
    covered = (torch.rand(len(crops)) < odds).nonzero()[:, 0]
    crops[covered, :, y:y + height, x:x + width] = crops.roll(2, 0)[covered, :, y:y + height, x:x + width]
    return crops


def harder(crops, points, labels, surroundings):
    """What lies between renders and photos: other backgrounds, glasses, uneven light, colours, blur, noise, occlusion."""
    crops = other_surroundings(crops, points, surroundings)
    worn = (torch.rand(len(crops)) < 0.25).float()
    crops = put_on_glasses(crops, points, worn)
    labels[:, GLASSES] = worn
    return jitter_colours(occlude(relight(crops))), labels


class Margin(nn.Module):
    """Large-margin cosine loss (CosFace, arXiv 1801.09414): one direction per stranger."""

    def __init__(self, people, length, scale=16.0, margin=0.15):
        super().__init__()
        self.directions, self.scale, self.margin = nn.Parameter(0.1 * torch.randn(people, length)), scale, margin

    def forward(self, vectors, who):
        cosine = vectors @ F.normalize(self.directions, dim=1).t()
        return F.cross_entropy(self.scale * (cosine - self.margin * F.one_hot(who, cosine.shape[1])), who)


def contrast(vectors, who, temperature=0.1):
    """Supervised contrastive loss (arXiv 2004.11362) inside a batch."""
    logits = (vectors @ vectors.t() / temperature).fill_diagonal_(-1e4)
    same = (who[:, None] == who[None]).float().fill_diagonal_(0)
    return -(same * F.log_softmax(logits, 1)).sum() / same.sum()


class Task:
    """A network, what else learns with it, and the loss of a batch."""

    def __init__(self, kind, strangers, settings):
        self.kind, self.strangers, self.settings = kind, strangers, settings
        if kind == "identity":
            self.network = identity.Identity(settings=settings)
            self.margin = Margin(len(strangers.pictures), settings["length"])
            self.parameters = [*self.network.parameters(), *self.margin.parameters()]
            return
        if kind == "perceptual":    # the trunk below a head that is thrown away
            self.network = attributes.Attributes(settings=dict(settings, hidden=96, outputs=len(attributes.NAMES) + 136))
        else:
            self.network = attributes.Attributes(settings=settings)
        self.parameters = list(self.network.parameters())

    def loss(self, random):
        if self.kind == "identity":
            pictures, points, labels, who = self.strangers.draw(24, 2, random)
            vectors = self.network.embed(harder(*cut(pictures, points, labels), 0.4)[0])
            return self.margin(vectors, who) + contrast(vectors, who)
        pictures, points, labels, _ = self.strangers.draw(48, 1, random)
        if self.kind == "perceptual":
            crops, points, labels = cut(pictures, points, labels, zoom=0.5)
        else:
            crops, points, labels = cut(pictures, points, labels)
        crops, labels = harder(crops, points, labels, 0.3 if self.kind == "perceptual" else 0.0)
        found, names = self.network.values(crops), len(attributes.NAMES)
        loss = F.smooth_l1_loss(found[:, :names], labels, beta=0.2)
        if self.kind == "perceptual":
            loss = loss + 2 * F.smooth_l1_loss(found[:, names:], points.flatten(1), beta=0.1)
        return loss

    def finished(self, kept_out):
        """-> network to store, figures on the strangers kept out."""
        network = self.network.eval().requires_grad_(False)
        random = np.random.default_rng(1)
        if self.kind == "attributes":
            return network, attribute_figures(network, kept_out, random)
        if self.kind == "identity":
            return network, identity_figures(network, kept_out)
        judge = perceptual.Perceptual(settings=self.settings)
        judge.trunk = network.trunk
        pictures = kept_out.draw(min(64, len(kept_out.pictures)), 1, random)[0]
        typical = judge.distances(pictures, pictures.roll(1, 0)).mean(0)
        judge.shares.copy_(1 / (typical.clamp(min=1e-6) * len(typical)))
        return judge, perceptual_figures(judge, pictures)


def attribute_figures(network, strangers, random):
    """Correlation of every reading with the truth, pictures without and with what makes them harder."""
    pictures, points, labels, _ = strangers.draw(len(strangers.pictures), 4, random)
    figures = {}
    for name, (crops, truth) in {"plain": (pictures, labels), "hard": harder(*cut(pictures, points, labels.clone()), 0.0)}.items():
        found = network.values(crops)
        figures[name] = {label: round(float(np.corrcoef(found[:, k], truth[:, k])[0, 1]), 3) for k, label in enumerate(attributes.NAMES)
                         if truth[:, k].std() > 0}
    return figures


def identity_figures(network, strangers):
    """Similarities within and between strangers, and how often a pair of one is more alike than a pair of two."""
    vectors = torch.stack([network.embed(four.float() / 127.5 - 1) for four in strangers.pictures])
    return separation((vectors[:, :1] * vectors[:, 1:]).sum(-1).flatten(), between(vectors[:, 0]))


def perceptual_figures(judge, pictures):
    """Distances of a picture from worse and worse versions of itself."""
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    versions = {f"noise {k}": pictures + k / 127.5 * noise for k in (4, 8, 16, 32)}
    versions.update({f"blur {k}": F.interpolate(F.avg_pool2d(pictures, k), scale_factor=k, mode="bilinear") for k in (2, 4, 8)})
    versions.update({f"shift {k}": pictures.roll(k, 3) for k in (1, 2, 4)})
    return {name: round(float(judge(pictures, version).mean()), 4) for name, version in versions.items()}


def train(kind, strangers, kept_out, settings, seed, minutes=None, steps=None, rate=2e-3, start=None, report=print):
    """-> trained network, figures. By the clock, or so many steps. start: the state of another network's trunk."""
    torch.manual_seed(seed)
    task = Task(kind, strangers, settings)
    if start:
        task.network.trunk.load_state_dict(start)
    optimiser = torch.optim.Adam(task.parameters, rate)
    started, step, done, last = time.monotonic(), 0, 0.0, 0.0
    while done < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-5
        loss = task.loss(np.random.default_rng([seed, step]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(task.parameters, 5.0)
        optimiser.step()
        step += 1
        elapsed = time.monotonic() - started
        done = step / steps if steps else elapsed / 60 / minutes
        if elapsed - last > 20:
            last = elapsed
            report(f"{kind}  {elapsed / 60:.1f} min  step {step}  loss {float(loss):.4f}")
    network, figures = task.finished(kept_out)
    return network, dict(figures, steps=step)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=SETTINGS)
    parser.add_argument("renders")
    parser.add_argument("out")
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--steps", type=int, help="instead of --minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", choices=("even", "odd"))
    parser.add_argument("--start", metavar="JUDGE", help="file of another judge")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    start, layers = trunk.trunk_of(options.start) if options.start else (None, SETTINGS_OF_SHARE.get(options.share, {}))
    settings = dict(SETTINGS[options.kind], **layers)
    network, figures = train(
        options.kind, read_renders(options.renders, share=options.share), read_renders(options.renders, kept_out=True), settings,
        options.seed, options.minutes, options.steps, start=start,
        report=lambda line: print(line, flush=True))
    size = trunk.save(network, options.out, options.kind, settings)
    print(f"{options.out}: {size} bytes; {figures}")


if __name__ == "__main__":
    main()
