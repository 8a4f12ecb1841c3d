# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds directions in a model's w+ and adds them to its file: InterfaceGAN (arXiv 2005.09635) and GANSpace (arXiv 2004.02546).

usage: python3 -m styleres.directions MODEL.safetensors OUT_FOLDER --data DATA [--renders RENDERS] [--judges DIR]
           [--components N] [--add NAME ... --to OUT.safetensors]

The codes are E0's for portraits (DATA/real256.npz, those not held out) and renders; the first attribute network labels them. For every
attribute a linear SVM separates the codes with low readings from those with high ones; the direction changes that SVM's score and
none of the others'. GANSpace's are the principal components of the codes. How far a slider goes is measured on
held-out portraits with the second attribute network: identity similarity 0.6 or more, own reading in order. OUT_FOLDER gets
directions.json and contact sheets of portraits (not for publishing); --add puts those that please into a model file.
"""
import argparse
import glob
import json
import os

import numpy as np
import torch
from PIL import Image
from scipy.optimize import minimize

from . import export
from .attributes import NAMES, Attributes
from .evaluate import JUDGES, LIKE, Panel, Portraits, load_portraits, network_input

LABELS = {"age": "Age", "smile": "Smile", "yaw": "Pose", "gender": "Gender", "beard": "Beard", "hair": "Hair lightness",
          "hair_length": "Hair length", "glasses": "Glasses"}
TAIL = 0.3              # share of the codes on either side that the SVM learns from
LENGTHS = (1.0, 2.0, 3.0, 4.0, 6.0)     # standard deviations of the codes along a direction, tried as the slider's end
STEPS = (-5.0, -2.5, 2.5, 5.0)


# ---------------------------------------------------------------- codes and their labels


@torch.no_grad()
def codes_of(model, attributes, pictures, batch=32):
    """uint8 N x S x S x 3 -> w+ N x rows x w_dim, readings N x len(NAMES)."""
    codes, readings = [], []
    for begin in range(0, len(pictures), batch):
        part = pictures[begin:begin + batch]
        codes.append(model.encode(network_input(part, model.config["input"]))[0].numpy())
        readings.append(attributes.values(torch.from_numpy(part).permute(0, 3, 1, 2).float() / 127.5 - 1).numpy())
    return np.concatenate(codes), np.concatenate(readings)


def centred(sets):
    """Several (codes, readings) as one; each set's codes around their own mean, so that no direction leads from renders to photos."""
    return (np.concatenate([codes - codes.mean(0) for codes, _ in sets]),
            np.concatenate([readings - np.median(readings, 0) for _, readings in sets]))


def read_renders(folder, limit):
    files = sorted(glob.glob(os.path.join(folder, "[0-9]*[0-9].npz")))[:limit]
    return np.concatenate([np.load(name)["img"] for name in files])


# ---------------------------------------------------------------- InterfaceGAN


def fit_svm(x, positive, strength=1.0):
    """Linear SVM with squared hinge loss, both classes of equal weight. x: N x D, positive: N booleans -> unit normal D (towards
    the positive ones) and offset of the plane."""
    sign = np.where(positive, 1.0, -1.0)
    weight = np.where(positive, 0.5 / positive.mean(), 0.5 / (1 - positive.mean())) / len(x)

    def objective(parameters):
        slack = np.maximum(0, 1 - sign * (x @ parameters[:-1] + parameters[-1]))
        slope = -2 * strength * weight * sign * slack
        value = 0.5 * parameters[:-1] @ parameters[:-1] + strength * (weight * slack ** 2).sum()
        return value, np.append(parameters[:-1] + x.T @ slope, slope.sum())

    found = minimize(objective, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return found[:-1] / np.linalg.norm(found[:-1]), found[-1] / np.linalg.norm(found[:-1])


def tails(readings):
    """-> rows with low, rows with high readings."""
    low, high = np.quantile(readings, [TAIL, 1 - TAIL])
    return np.flatnonzero(readings <= low), np.flatnonzero(readings >= high)


def attribute_normal(x, readings, strength, random):
    """An SVM of four fifths of both tails. -> unit normal, accuracy on the other fifth."""
    low, high = (random.permutation(rows) for rows in tails(readings))
    held = [rows[::5] for rows in (low, high)]
    used = [np.setdiff1d(rows, out) for rows, out in zip((low, high), held)]
    normal, offset = fit_svm(x[np.concatenate(used)], np.arange(sum(map(len, used))) >= len(used[0]), strength)
    accuracy = [((x[rows] @ normal + offset > 0) == positive).mean() for rows, positive in zip(held, (False, True))]
    return normal, float(np.mean(accuracy))


def independent(x, normals):
    """Directions that each change one normal's score by a standard deviation and no other's: of all such, those that the codes
    themselves vary along most, since they lie in the span of covariance times normals. x: N x D around 0, normals: K x D -> K x D."""
    scores = x @ normals.T
    shared = scores.T @ scores / len(x)
    patterns = x.T @ scores / len(x)
    return (patterns @ np.linalg.inv(shared) * np.sqrt(np.diag(shared))).T


def interfacegan(codes, readings, names, strength=1.0, seed=1):
    """-> {attribute: (direction rows x w_dim, one standard deviation of the SVM's score long, figures)}."""
    x = codes.reshape(len(codes), -1).astype(np.float64)
    scale = x.std()     # the SVM's strength means the same for every model
    random = np.random.default_rng(seed)
    fitted = [attribute_normal(x / scale, readings[:, NAMES.index(name)], strength, random) for name in names]
    directions = independent(x, np.stack([normal for normal, _ in fitted]))
    return {name: (direction.reshape(codes.shape[1:]), {"accuracy": round(accuracy, 3)})
            for name, direction, (_, accuracy) in zip(names, directions, fitted)}


# ---------------------------------------------------------------- GANSpace


def ganspace(codes, count):
    """-> [(component rows x w_dim of one standard deviation, share of the variance)]."""
    x = codes.reshape(len(codes), -1).astype(np.float64)
    _, deviations, components = np.linalg.svd(x - x.mean(0), full_matrices=False)
    shares = deviations ** 2 / (deviations ** 2).sum()
    return [((components[k] * deviations[k] / np.sqrt(len(x))).reshape(codes.shape[1:]), float(shares[k])) for k in range(count)]


# ---------------------------------------------------------------- how far


class Trial:
    """People on whom directions are tried."""

    def __init__(self, model, pictures, panel):
        self.model, self.panel, self.people = model, panel, Portraits(model, pictures)
        self.plain = self.people.picture([0.0] * len(model.edits))
        self.vectors, self.readings = panel.vectors(pictures), panel.readings(self.plain)

    @torch.no_grad()
    def picture(self, offset):
        """Everyone with w+ + offset (rows x w_dim)."""
        return self.people.picture([0.0] * len(self.model.edits), offset=torch.from_numpy(offset).float())

    def at(self, offset):
        """-> pictures, similarity with the photo (median), median change of every reading."""
        pictures = self.picture(offset)
        readings = self.panel.readings(pictures)
        change = {name: readings[name] - self.readings[name] for name in readings}
        return pictures, float(np.median((self.panel.vectors(pictures) * self.vectors).sum(1))), change

    def length(self, direction, longest):
        """The longest of LENGTHS, but at most `longest`, at which both ends keep the identity; the shortest if none does."""
        kept = [length for length in LENGTHS if length <= longest and all(self.at(sign * length * direction)[1] >= LIKE for sign in (-1, 1))]
        return max(kept, default=LENGTHS[0])

    def figures(self, direction, reading):
        """Slider values -5 to 5 of a direction (in units of a slider): what changes, and the safe range.

        Safe is where the identity stays and, if the direction has a reading, that still grows for more than half of the people."""
        figures, sheet, safe = {}, [self.plain], [0.0, 0.0]
        before = {-1: 0.0, 1: 0.0}
        going = {-1: True, 1: True}
        for value in sorted(STEPS, key=abs):
            pictures, kept, change = self.at(value * direction)
            sign = 1 if value > 0 else -1
            grows = True if reading is None else float(np.mean(sign * (change[reading] - before[sign]) > 0)) > 0.5
            before[sign] = change[reading] if reading else 0.0
            going[sign] = going[sign] and kept >= LIKE and grows
            if going[sign]:
                safe[sign > 0] = value
            figures[f"{value:+g}"] = dict({name: round(float(np.median(x)), 3) for name, x in change.items()}, identity=round(kept, 3))
            sheet.append(pictures)
        order = sorted(range(len(STEPS)), key=lambda k: sorted(STEPS, key=abs)[k])
        columns = [sheet[1 + k] for k in order]
        return dict(figures, safe=safe), columns[:2] + [self.plain] + columns[2:]


def reading_of(name):
    return "pose" if name == "yaw" else name


def save_sheet(path, columns, side=112):
    rows = []
    for person in zip(*columns):
        rows.append(np.hstack([np.asarray(Image.fromarray(p).resize((side, side), Image.LANCZOS)) for p in person]))
    Image.fromarray(np.vstack(rows)).save(path)


def find(codes, readings, trial, names, components, longest, report=print):
    """-> {name: (direction in slider units, figures, columns of the sheet)}."""
    found = {}
    for name, (direction, figures) in interfacegan(codes, readings, names).items():
        found[name] = (direction, dict(figures, method="interfacegan"), reading_of(name))
    for index, (direction, share) in enumerate(ganspace(codes, components)):
        found[f"pc{index + 1}"] = (direction, {"method": "ganspace", "variance": round(share, 4)}, None)
    results = {}
    for name, (direction, figures, reading) in found.items():
        length = trial.length(direction, longest)
        direction = direction * (length / export.FULL_VALUE)
        more, columns = trial.figures(direction, reading)
        results[name] = (direction, dict(figures, deviations=length, **more), columns)
        report(f"{name}: {json.dumps(results[name][1])}")
    return results


# ---------------------------------------------------------------- the model file


def add(arrays, meta, directions):
    """Puts directions {name: (rows x w_dim, label, group, safe)} into a model file's content; one of the same name is replaced."""
    entries = [entry for entry in json.loads(meta["directions"]) if entry["name"] not in directions]
    for name, (direction, label, group, safe) in directions.items():
        arrays[f"direction.{name}"] = direction.astype(np.float32)
        entries.append({"name": name, "label": label, "kind": "interfacegan", "group": group, "rows": [0, len(direction)],
                        "range": [-export.FULL_VALUE, export.FULL_VALUE], "safe": safe, "default": 0, "step": 0.1})
    arrays = {name: value.astype(np.float16 if value.ndim > 1 else np.float32) for name, value in arrays.items()}
    return arrays, dict(meta, directions=json.dumps(entries, separators=(",", ":")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", help="folder")
    parser.add_argument("--data", required=True)
    parser.add_argument("--renders")
    parser.add_argument("--render-limit", type=int, default=300, help="strangers whose renders are used")
    parser.add_argument("--judges", default=JUDGES)
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="attributes (default: all)")
    parser.add_argument("--components", type=int, default=6)
    parser.add_argument("--longest", type=float, default=LENGTHS[-1], help="of LENGTHS, if the sheets say that less is better")
    parser.add_argument("--people", type=int, default=16, help="on whom directions are tried")
    parser.add_argument("--add", nargs="+", default=[], metavar="NAME", help="attributes and pcN to add; NAME=OTHER calls them otherwise, NAME:LOW:HIGH has another safe range than the measured one")
    parser.add_argument("--to", help="the model file to write")
    parser.add_argument("--card", help="text file: its model card, if it is to have another")
    options = parser.parse_args()
    if bool(options.add) != bool(options.to):
        parser.error("--add and --to belong together")
    os.makedirs(options.out, exist_ok=True)
    torch.set_grad_enabled(False)
    model, meta = export.load_model(options.model)
    held_out, portraits = load_portraits(os.path.join(options.data, "real256.npz"))
    first = Attributes(os.path.join(options.judges, "attributes-a.safetensors"))
    sets = [codes_of(model, first, portraits)]
    if options.renders:
        sets.append(codes_of(model, first, read_renders(options.renders, options.render_limit)))
    codes, readings = centred(sets)
    trial = Trial(model, held_out[:options.people], Panel(options.judges))
    results = find(codes, readings, trial, options.names, options.components, options.longest, lambda line: print(line, flush=True))
    with open(os.path.join(options.out, "directions.json"), "w", encoding="utf-8") as stream:
        json.dump({name: figures for name, (_, figures, _) in results.items()}, stream, indent=1)
    for name, (_, _, columns) in results.items():
        save_sheet(os.path.join(options.out, f"{name}.png"), columns)
    if options.add:
        chosen = {}
        for text in options.add:
            text, *safe = text.split(":")
            name, _, called = text.partition("=")
            direction, figures, _ = results[name]
            safe = [float(value) for value in safe] or figures["safe"]
            chosen[(called or name).replace("_", "-")] = (direction, LABELS.get(name, called or name), "face", safe)
        arrays, _ = export.read(options.model)
        if options.card:
            with open(options.card, encoding="utf-8") as stream:
                meta["card"] = stream.read()
        print(f"{options.to}: {export.write(options.to, *add(arrays, meta, chosen))} bytes")


if __name__ == "__main__":
    main()
