# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples: a photo, the picture it should become, and the edit between them (age, smile, yaw).

Four kinds: two renders of one identity; a real portrait and its warps with another smile or yaw; a real portrait and a
pseudo-aged version of it; each also the other way round. `python3 -m portraits` and `python3 -m heads` make the files.
"""
import glob
import os

import numpy as np
import torch

LABELS = 3      # age 0..1, smile 0..1, yaw in units of 30 degrees
YAW = 2


def load_renders(folder):
    """-> pictures N x 4 x S x S x 3 (uint8), labels N x 4 x 3."""
    files = sorted(glob.glob(os.path.join(folder, "[0-9]*[0-9].npz")))
    if not files:
        raise SystemExit(f"{folder}: no renders (*.npz) there")
    pictures, labels = [], []
    for name in files:
        with np.load(name) as data:
            pictures.append(data["img"])
            labels.append(data["par"].astype(np.float32))
    return np.stack(pictures), np.stack(labels)


def load_variants(path, keep):
    """warps.npz or age.npz -> {row of the portrait: [(picture, label change), ...]} for the rows in keep."""
    variants = {}
    with np.load(path) as data:
        deltas = data["delta"].astype(np.float32)
        if deltas.ndim == 1:
            deltas = np.stack([deltas, 0 * deltas, 0 * deltas], 1)
        for row, picture, delta in zip(data["src"], data["img"], deltas):
            if row in keep:
                variants.setdefault(int(row), []).append((picture, delta))
    return variants


class TrainingData:
    """All training pictures in memory; `batch` is a pure function of the random generator it is given."""

    def __init__(self, folder, renders, mix):
        self.mix = dict(mix)
        with np.load(os.path.join(folder, "real128.npz")) as data:
            self.portraits, held_out = data["img"], data["hold"].astype(bool)
        self.rows = np.flatnonzero(~held_out)
        keep = set(self.rows.tolist())
        self.warps = self._variants(folder, "warps.npz", keep, "warp")
        self.ages = self._variants(folder, "age.npz", keep, "age")
        self.renders, self.render_labels = load_renders(renders)
        flat = self.portraits[self.rows].reshape(len(self.rows), -1, 3) / np.float32(127.5) - 1
        self.mean, self.deviation = flat.mean(1), flat.std(1)

    def _variants(self, folder, name, keep, kind):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return load_variants(path, keep)
        # Portraits alone (no pairs yet) still train the inversion.
        self.mix["portrait"] = self.mix.get("portrait", 0) + self.mix.pop(kind, 0)
        return {}

    def __str__(self):
        def count(variants):
            return sum(map(len, variants.values()))
        return (f"{len(self.renders)} rendered identities, {len(self.rows)} portraits, {count(self.warps)} warps, "
                f"{count(self.ages)} age pairs; batch {self.mix}")

    def batch(self, rng):
        """-> photo, target (N x 3 x S x S in -1..1), label change (N x 3)."""
        make = {"render": self._render_pair, "warp": self._warp_pair, "age": self._age_pair,
                "portrait": self._portrait}
        samples = [make[kind](rng) for kind, count in self.mix.items() for _ in range(count)]
        photos, targets, deltas = zip(*(augment(*sample, rng) for sample in samples))
        return tuple(torch.from_numpy(np.stack(x).astype(np.float32)) for x in (photos, targets, deltas))

    def _render_pair(self, rng):
        identity = rng.integers(len(self.renders))
        first, second = rng.permutation(4)[:2]
        pictures, labels = self.renders[identity], self.render_labels[identity]
        photo, target = normalise(pictures[first]), normalise(pictures[second])
        if rng.random() < 0.6:
            photo, target = self._recolour(photo, target, rng)
        return photo, target, labels[second] - labels[first]

    def _recolour(self, photo, target, rng):
        """Moves the colour statistics of a render some way towards those of a random portrait."""
        row, share = rng.integers(len(self.mean)), rng.random()
        mean, deviation = photo.mean((0, 1)), photo.std((0, 1))
        gain = 1 - share + share * self.deviation[row] / np.maximum(deviation, 0.1)
        offset = mean * (1 - share) + self.mean[row] * share
        return (photo - mean) * gain + offset, (target - mean) * gain + offset

    def _choose(self, variants, rng):
        rows = list(variants)
        row = rows[rng.integers(len(rows))]
        return normalise(self.portraits[row]), variants[row]

    def _warp_pair(self, rng):
        """Two of {portrait, its warps}. Often the portrait is the target: then the output must be a real picture."""
        portrait, warps = self._choose(self.warps, rng)
        options = [(portrait, np.zeros(LABELS, np.float32))] + [(normalise(p), d) for p, d in warps]
        first, second = rng.permutation(len(options))[:2]
        if rng.random() < 0.4:
            first, second = rng.integers(1, len(options)), 0
        return options[first][0], options[second][0], options[second][1] - options[first][1]

    def _age_pair(self, rng):
        portrait, aged = self._choose(self.ages, rng)
        options = [(portrait, np.zeros(LABELS, np.float32))] + [(normalise(p), d) for p, d in aged]
        first, second = rng.permutation(len(options))[:2]
        if rng.random() < 0.6:
            first, second = sorted((first, second)) if 0 in (first, second) else (0, second)
        return options[first][0], options[second][0], options[second][1] - options[first][1]

    def _portrait(self, rng):
        portrait = normalise(self.portraits[self.rows[rng.integers(len(self.rows))]])
        return portrait, portrait, np.zeros(LABELS, np.float32)


def normalise(picture):
    return picture.astype(np.float32) / 127.5 - 1


def augment(photo, target, delta, rng):
    """The same flip and colour change for both pictures; -> C x H x W."""
    delta = np.array(delta, np.float32)
    if rng.random() < 0.5:
        photo, target = photo[:, ::-1], target[:, ::-1]
        delta[YAW] *= -1
    if rng.random() < 0.3:
        gain = (1 + 0.15 * rng.random() * rng.standard_normal(3) + 0.12 * rng.standard_normal()).astype(np.float32)
        offset = np.float32(0.08 * rng.standard_normal())
        photo, target = (photo + 1) * gain + offset - 1, (target + 1) * gain + offset - 1
    photo, target = np.clip(photo, -1, 1), np.clip(target, -1, 1)
    return np.ascontiguousarray(photo.transpose(2, 0, 1)), np.ascontiguousarray(target.transpose(2, 0, 1)), delta
