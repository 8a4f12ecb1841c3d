# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples: a photo, some pictures that it should become, and the edits between them (age, smile, yaw, hair).

The pictures of one sample are of one person: renders of one synthetic identity, or a real portrait, its warps with another
smile or yaw, its pseudo-aged versions and those with other hair. Any of them may be the photo, any other (or the same) a target. One photo has
several targets because encoding it costs as much as two edits.

usage: python3 -m styleres.data OUT.npz --data DIR --renders DIR [--quality 92]     # everything in one small file, as JPEG
"""
import argparse
import glob
import io
import os

import numpy as np
import torch
from PIL import Image

LABELS = 4      # age 0..1, smile 0..1, yaw in units of 30 degrees, hair lightness 0..1 (heads/labels.py)
SMILE, YAW, HAIR = 1, 2, 3
SHAPE = slice(1, 3)     # the labels that move things: smile and yaw
# By how much more or less of it rendered heads are asked for, and from where on they cannot have less or more: label: by how much, from, to.
BEYOND = {SMILE: (1.0, 0.0, 1.0), HAIR: (0.5, 0.1, 0.93)}
VARIANTS = "turns.npz", "smiles.npz", "age.npz"
PICTURES = ("portraits", "variants", "renders")


def read_renders(folder):
    """-> pictures N x 4 x S x S x 3 (uint8), labels N x 4 x LABELS."""
    files = sorted(glob.glob(os.path.join(folder, "[0-9]*[0-9].npz")))
    if not files:
        raise SystemExit(f"{folder}: no renders (*.npz) there")
    pictures, labels = [], []
    for name in files:
        with np.load(name) as data:
            pictures.append(data["img"])
            labels.append(data["par"].astype(np.float32))
        if labels[-1].shape[1] != LABELS:
            raise SystemExit(f"{name}: {labels[-1].shape[1]} labels, not {LABELS}; made by an older `heads quads`")
    return np.stack(pictures), np.stack(labels)


def read_variants(path):
    """One of VARIANTS -> row of the portrait, picture, change of the labels of each variant; and where things are from and go, if known."""
    with np.load(path) as data:
        if data["delta"].ndim != 2 or data["delta"].shape[1] != LABELS:
            raise SystemExit(f"{path}: not {LABELS} labels; made by an older `portraits`")
        return data["src"], data["img"], data["delta"].astype(np.float32), data["flow"] if "flow" in data else None


def read(folder, renders):
    """The arrays of TrainingData, without the people that are held out: portraits P x S x S x 3; variants V x S x S x 3, their
    source V (row of portraits), delta V x LABELS and flow_row V (row of flow, -1: unknown); flow K x 2 x 2 x c x c, the way (across,
    down; c-ths of the side) from every cell of the variant to where it is in the portrait, and from every cell of the portrait to
    where it is in the variant; renders N x 4 x S x S x 3, their labels N x 4 x LABELS."""
    with np.load(os.path.join(folder, "real128.npz")) as data:
        portraits, kept = data["img"], ~data["hold"].astype(bool)
    number = np.cumsum(kept) - 1
    *parts, flows = zip(*(read_variants(os.path.join(folder, name)) for name in VARIANTS))
    source, variants, delta = map(np.concatenate, parts)
    has_flow = np.repeat([flow is not None for flow in flows], [len(rows) for rows in parts[0]])
    flows = [flow for flow in flows if flow is not None]
    used = kept[source]
    pictures, labels = read_renders(renders)
    return {"portraits": portraits[kept], "variants": variants[used], "source": number[source[used]], "delta": delta[used],
            "flow": np.concatenate(flows) if flows else np.zeros((0, 2, 2, 1, 1), np.float16),
            "flow_row": np.where(has_flow, np.cumsum(has_flow) - 1, -1)[used], "renders": pictures, "labels": labels}


def pack(arrays, path, quality):
    """One file, a sixth of the size or less: pictures as JPEG. -> bytes"""
    packed = {name: value for name, value in arrays.items() if name not in PICTURES}
    for name in PICTURES:
        encoded = []
        for picture in arrays[name].reshape(-1, *arrays[name].shape[-3:]):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=0, optimize=True)
            encoded.append(np.frombuffer(stream.getvalue(), np.uint8))
        packed[name] = np.concatenate(encoded)
        packed[f"{name}_ends"] = np.cumsum([len(part) for part in encoded])
    with open(f"{path}.part", "wb") as stream:
        np.savez(stream, **packed)
    os.replace(f"{path}.part", path)
    return os.path.getsize(path)


def unpack(path):
    """The arrays that pack() was given, but for JPEG's losses."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in ("source", "delta", "flow", "flow_row", "labels")}
        for name in PICTURES:
            parts = np.split(data[name], data[f"{name}_ends"][:-1])
            arrays[name] = np.stack([np.asarray(Image.open(io.BytesIO(part.tobytes()))) for part in parts])
    arrays["renders"] = arrays["renders"].reshape(*arrays["labels"].shape[:2], *arrays["renders"].shape[1:])
    return arrays


def load(data, renders):
    """Arrays of a folder and one of renders, or of the one file that pack() wrote."""
    if data.endswith(".npz"):
        return unpack(data)
    if not renders:
        raise SystemExit("--renders is missing")
    return read(data, renders)


class TrainingData:
    """All training pictures in memory; `batch` is a pure function of the random generator it is given."""

    def __init__(self, arrays, settings):
        """arrays: what read() or unpack() returns."""
        self.mix, self.targets = dict(settings["mix"]), settings["targets"]
        self.reconstruct, self.favour = settings["reconstruct"], np.array(settings["favour"])
        self.portraits, self.renders, self.render_labels = arrays["portraits"], arrays["renders"], arrays["labels"]
        self.variants, self.flow_rows = ([[] for _ in self.portraits] for _ in range(2))
        for row, picture, delta, flow in zip(arrays["source"], arrays["variants"], arrays["delta"], arrays["flow_row"]):
            self.variants[row].append((picture, delta))
            self.flow_rows[row].append(flow)
        self.turned = settings["turned"]
        self.known = [(row, number) for row, flows in enumerate(self.flow_rows) for number, flow in enumerate(flows) if flow >= 0]
        self.flow, self.unknown = arrays["flow"], np.full(arrays["flow"].shape[2:], np.nan, np.float32)
        flat = self.portraits.reshape(len(self.portraits), -1, 3) / np.float32(127.5) - 1
        self.mean, self.deviation = flat.mean(1), flat.std(1)

    def __str__(self):
        return (f"{len(self.renders)} rendered identities, {len(self.portraits)} portraits, "
                f"{sum(map(len, self.variants))} warped or aged variants; batch {self.mix} x {self.targets}")

    def batch(self, rng):
        """-> photos N x 3 x S x S in -1..1, targets (N * targets) x 3 x S x S, label changes (N * targets) x LABELS; and where every
        cell of the target is in the photo, (N * targets) x 2 x c x c (in c-ths of the side), NaN where that is not known."""
        make = {"render": self._render, "portrait": self._portrait}
        photos, targets, deltas, flows = [], [], [], []
        for kind, count in self.mix.items():
            for _ in range(count):
                pictures, labels, ways = augment(*make[kind](rng), rng)
                photos.append(pictures[0])
                targets += pictures[1:]
                deltas += [label - labels[0] for label in labels[1:]]
                flows += ways
        return tuple(torch.from_numpy(np.stack(x).astype(np.float32)) for x in (photos, targets, deltas, flows))

    def turns(self, rng):
        """Portraits of which only the motion is wanted -> photos M x 3 x S x S, label changes M x LABELS, where every cell of the turned
        portrait is in the photo, M x 2 x c x c; or the way back. M: train.turned, 0 without known turns."""
        photos, deltas, flows = [], [], []
        for chosen in rng.choice(len(self.known), self.turned) if self.known else ():
            row, number = self.known[chosen]
            back, (picture, delta) = rng.integers(2), self.variants[row][number]
            source = picture if back else self.portraits[row]
            way = self.flow[self.flow_rows[row][number], back]
            (photo,), (delta,), (way,) = augment([normalise(source)], [delta * (1 - 2 * back)], [way], rng)
            photos.append(photo), deltas.append(delta), flows.append(way)
        side, cells = self.portraits.shape[1], self.unknown.shape[-1]
        shapes = (-1, 3, side, side), (-1, LABELS), (-1, 2, cells, cells)
        return tuple(torch.from_numpy(np.array(x, np.float32).reshape(shape)) for x, shape in zip((photos, deltas, flows), shapes))

    def originals(self, rng):
        """-> (N * targets) x 3 x S x S: renders and portraits as they are, as many as a batch has targets."""
        pictures = []
        for kind, count in self.mix.items():
            pool = {"render": self.renders.reshape(-1, *self.renders.shape[2:]), "portrait": self.portraits}[kind]
            for row in rng.integers(len(pool), size=count * self.targets):
                pictures += augment([normalise(pool[row])], [], [], rng)[0]
        return torch.from_numpy(np.stack(pictures))

    def _choose_targets(self, rng, source, labels, favourite=None):
        """Indices of the pictures to produce from picture `source`; sometimes itself, often the favourite, often what is favoured."""
        others = [k for k in range(len(labels)) if k != source]
        chance = np.array([1 + self.favour @ np.abs(labels[k] - labels[source]) for k in others])
        chosen = []
        for _ in range(self.targets):
            if favourite is not None and favourite != source and rng.random() < 0.3:
                chosen.append(favourite)
            else:
                chosen.append(rng.choice(others, p=chance / chance.sum()))
        if rng.random() < self.reconstruct:
            chosen[0] = source
        return chosen

    def _render(self, rng):
        """Renders of one identity."""
        identity = rng.integers(len(self.renders))
        pictures = [normalise(picture) for picture in self.renders[identity]]
        if rng.random() < 0.6:
            pictures = self._recolour(pictures, rng)
        order = [rng.integers(4)]
        order += self._choose_targets(rng, order[0], self.render_labels[identity])
        labels = self.render_labels[identity][order]
        for label, bounds in BEYOND.items():
            labels[1:, label] += self._wishes(rng, labels[1:, label], *bounds)
        return [pictures[k] for k in order], list(labels), [self.unknown] * self.targets

    @staticmethod
    def _wishes(rng, labels, beyond, least, most):
        """What may be asked for beyond these labels: of a closed mouth less of a smile, of a broad smile more, of black hair that it be
        darker, which changes nothing. What nobody was ever asked for breaks heads, and sliders do ask for it."""
        ends = np.where(labels <= least, -beyond, np.where(labels >= most, beyond, 0))
        return ends * rng.random(len(labels)) * (rng.random(len(labels)) < 0.5)

    def _recolour(self, pictures, rng):
        """Moves the colour statistics of renders some way towards those of a random portrait."""
        row, share = rng.integers(len(self.mean)), rng.random()
        mean, deviation = pictures[0].mean((0, 1)), pictures[0].std((0, 1))
        gain = 1 - share + share * self.deviation[row] / np.maximum(deviation, 0.1)
        offset = mean * (1 - share) + self.mean[row] * share
        return [(picture - mean) * gain + offset for picture in pictures]

    def _portrait(self, rng):
        """A portrait and its variants. Often the portrait itself is the target: then the output must be a real picture."""
        row = rng.integers(len(self.portraits))
        options = [(self.portraits[row], np.zeros(LABELS, np.float32))] + self.variants[row]
        order = [0 if len(options) == 1 or rng.random() < 0.5 else rng.integers(1, len(options))]
        labels = [label for _, label in options]
        order += self._choose_targets(rng, order[0], labels, 0) if len(options) > 1 else [0] * self.targets
        return [normalise(options[k][0]) for k in order], [labels[k] for k in order], [self._way(row, order[0], k) for k in order[1:]]

    def _way(self, row, source, target):
        """2 x c x c: where every cell of one picture of this portrait is in another (0: the portrait itself; then its variants)."""
        known = self.flow_rows[row][max(source, target) - 1] if (source == 0) != (target == 0) else -1
        return self.unknown if known < 0 else self.flow[known, 0 if source == 0 else 1]


def normalise(picture):
    return picture.astype(np.float32) / 127.5 - 1


def augment(pictures, labels, ways, rng):
    """The same flip and colour change for all pictures of one person; -> C x H x W."""
    labels = [np.array(label, np.float32) for label in labels]
    if rng.random() < 0.5:
        pictures = [picture[:, ::-1] for picture in pictures]
        for label in labels:
            label[YAW] *= -1
        ways = [way[..., ::-1] * np.array([-1, 1], np.float32)[:, None, None] for way in ways]
    if rng.random() < 0.3:
        gain = (1 + 0.15 * rng.random() * rng.standard_normal(3) + 0.12 * rng.standard_normal()).astype(np.float32)
        offset = np.float32(0.08 * rng.standard_normal())
        pictures = [(picture + 1) * gain + offset - 1 for picture in pictures]
    return [np.ascontiguousarray(np.clip(picture, -1, 1).transpose(2, 0, 1)) for picture in pictures], labels, ways


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--data", required=True, help="folder with real128.npz, turns.npz, smiles.npz, age.npz")
    parser.add_argument("--renders", required=True, help="folder of rendered identities (*.npz)")
    parser.add_argument("--quality", type=int, default=92)
    options = parser.parse_args()
    print(f"{options.out}: {pack(read(options.data, options.renders), options.out, options.quality)} bytes")


if __name__ == "__main__":
    main()
