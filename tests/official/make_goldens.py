#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goldens of another seed, model or picture: what train/styleres/networks.py computes on a model file.

usage: python3 tests/official/make_goldens.py MODEL.safetensors OUT PICTURE.png... [--seed N] [--values 0 2 -3] [--double] [--time]

Each picture is an aligned crop of the encoder's size; its name names the folder. OUT can be given to compare-official
--golden; README.md in this folder has the commands. --double takes an hour for each picture; single precision is exact to
about 3e-6. --time tells how long PyTorch takes for one photo and one edit.
"""
import argparse
import json
import os
import sys
import time

import numpy as np
import torch
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "train"))
os.environ["FASTCONV"] = "off"  # PyTorch's own operators
from styleres import export, networks  # noqa: E402

STATISTICS = {"aligned": "E1.aligned", "extracted": "E1.extracted", "deltaF": "E2.deltaF", "gate": "E2.gate", "fused": "g.fused"}


def load(path):
    arrays, meta = export.read(path)
    config = json.loads(meta["config"])
    fc1 = next(array for name, array in arrays.items() if name.endswith("fc1.weight"))
    config["encoder"]["se_ratio"] = fc1.shape[1] // fc1.shape[0]
    model = networks.StyleRes(config, [direction["name"] for direction in json.loads(meta["directions"])])
    missing, _ = model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise SystemExit(f"{path}: {missing[0]} is missing")
    return model.eval()


def photo_stages(model, x):
    w_plus, enc_feat = model.encode(x)
    feats, _ = model.synthesis.low(w_plus)
    aligned = model.residual_block.modify_feature_alignment(enc_feat, feats)
    extracted = model.residual_block.modify_feature_extraction(aligned)
    return {"w_plus": w_plus, "enc_feat": enc_feat, "F_feats": feats, "aligned": aligned, "extracted": extracted}


def edit_stages(model, photo, value):
    """value None: the generator alone."""
    edited = photo["w_plus"] if value is None else photo["w_plus"] + value * model.direction["test"]
    feats, rgb = model.synthesis.low(edited)
    if value is None:
        return {"image": model.synthesis.high(feats, rgb, edited)}
    delta, gate = model.gate(feats, photo["extracted"])
    fused = feats + gate * delta
    return {"F_edit": feats, "deltaF": delta, "gate": gate, "fused": fused, "image": model.synthesis.high(fused, rgb, edited)}


def figures(array):
    return {"shape": list(array.shape), "mean": array.mean(), "std": array.std(), "min": array.min(), "max": array.max(),
            "sum_abs": np.abs(array).sum()}


def save(folder, stages, prefix, statistics):
    os.makedirs(folder, exist_ok=True)
    for name, tensor in stages.items():
        array = tensor.double().numpy()
        statistics[prefix + STATISTICS.get(name, name)] = figures(array)
        array = array[0]
        path = os.path.join(folder, name)
        if name in ("w_plus", "gate"):
            np.save(path + ".npy", array.reshape(array.shape[-2:]).astype(np.float32))
        elif name == "image":
            np.save(path + ".stride16.npy", array[:, ::16, ::16].astype(np.float32))
            rounded = np.trunc(np.clip((array + 1) * 127.5 + 0.5, 0, 255)).astype(np.uint8)
            Image.fromarray(rounded.transpose(1, 2, 0)).save(path + ".png")
        else:
            step = 4 if name == "enc_feat" else 16
            np.save(path + ".sub.npy", array[::step, ::4, ::4].astype(np.float32))


def read_picture(path, side):
    picture = Image.open(path).convert("RGB")
    if picture.size != (side, side):
        raise SystemExit(f"{path}: not {side} x {side} pixels")
    values = (np.asarray(picture, np.float32) - np.float32(127.5)) / np.float32(127.5)
    return picture, torch.from_numpy(values).permute(2, 0, 1)[None]


def make(model, path, out, values):
    name = os.path.splitext(os.path.basename(path))[0]
    folder, statistics = os.path.join(out, name), {}
    picture, x = read_picture(path, model.config["input"])
    photo = photo_stages(model, x.to(model.latent_avg.dtype))
    save(folder, photo, "", statistics)
    picture.save(os.path.join(folder, "input.png"))
    for value in [None, *values]:
        strength = "wplus" if value is None else "s0" if value == 0 else f"s{'m' if value < 0 else 'p'}{abs(value):g}"
        save(os.path.join(folder, strength), edit_stages(model, photo, value), strength + "/", statistics)
    return name, statistics


def measure(model, path):
    """Seconds of the second run."""
    _, x = read_picture(path, model.config["input"])
    for _ in range(2):
        begin = time.monotonic()
        photo = photo_stages(model, x)
        middle = time.monotonic()
        edit_stages(model, photo, 2.0)
        end = time.monotonic()
    print(f"PyTorch {torch.__version__}, float32, {torch.get_num_threads()} threads: photo {middle - begin:.1f} s, "
          f"edit {end - middle:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--seed", type=int, default=1, help="seed of make-official that the model was made with")
    parser.add_argument("--values", type=float, nargs="+", default=[0.0, 2.0, -3.0])
    parser.add_argument("--double", action="store_true")
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    with torch.no_grad():
        model = load(arguments.model)
        if arguments.time:
            measure(model, arguments.pictures[0])
        if arguments.double:
            model = model.double()
        inputs = dict(make(model, path, arguments.out, arguments.values) for path in arguments.pictures)
    with open(os.path.join(arguments.out, "stats.json"), "w", encoding="utf-8") as stream:
        json.dump({"seed": arguments.seed, "inputs": inputs}, stream, indent=0)


if __name__ == "__main__":
    main()
