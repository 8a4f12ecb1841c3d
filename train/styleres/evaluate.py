# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a model file on held-out portraits and draws contact sheets.

usage: python3 -m styleres.evaluate MODEL.safetensors PORTRAITS.npz OUT_FOLDER [--landmarks LANDMARKS.safetensors]

PORTRAITS.npz: img (N x 256 x 256 x 3, aligned crops) and, if there, hold (only those rows are used). Writes scores.json and
sheet-*.png: one row per person; photo, w+ alone, inversion, then -5, -2.5, 2.5, 5 of every slider.
"""
import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from . import flops
from .export import load_model
from .networks import upsample_rgb

VALUES = (-5.0, -2.5, 2.5, 5.0)


def network_input(pictures, side):
    """uint8 N x H x W x 3 -> N x 3 x side x side in -1..1, resized as the program does it (bicubic, antialiased)."""
    small = [np.asarray(Image.fromarray(p).resize((side, side), Image.BICUBIC)) for p in pictures]
    return (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() - 127.5) / 127.5


def to_bytes(pictures):
    """N x 3 x H x W in -1..1 -> uint8 N x H x W x 3, rounded as the program does it."""
    return ((pictures + 1) * 127.5 + 0.5).floor().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def psnr(a, b):
    error = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
    return 10 * np.log10(255.0 ** 2 / np.maximum(error, 1e-10))


def ssim(a, b):
    """SSIM of luma, Gaussian window 11 x 11 with sigma 1.5 (Wang et al. 2004), per picture."""
    x = torch.arange(11.0) - 5
    kernel = torch.exp(-x * x / (2 * 1.5 ** 2))
    kernel = (kernel / kernel.sum()).outer(kernel / kernel.sum())[None, None].double()
    luma = torch.tensor([0.299, 0.587, 0.114]).double()
    a, b = ((torch.from_numpy(p).double() @ luma)[:, None] for p in (a, b))

    def blur(p):
        return F.conv2d(p, kernel)

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a ** 2, blur(b * b) - mean_b ** 2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)
             / ((mean_a ** 2 + mean_b ** 2 + c1) * (var_a + var_b + c2)))
    return value.mean((1, 2, 3)).numpy()


class Portraits:
    """One batch of people, inverted once; pictures for any slider values after that."""

    def __init__(self, model, pictures, stop=None):
        self.model, self.stop = model, stop
        self.w_plus, enc_feat = model.encode(network_input(pictures, model.config["input"]))
        self.residual = model.residual(enc_feat, model.synthesis.low(self.w_plus)[0])

    def picture(self, values, use_residual=True):
        w_plus = self.model.edit(self.w_plus, torch.tensor([values]).expand(len(self.w_plus), -1))
        feats, rgb = self.model.synthesis.low(w_plus)
        if use_residual:
            feats, _ = self.model.fuse(feats, self.residual)
        picture = self.model.synthesis.high(feats, rgb, w_plus, self.stop)
        while picture.shape[2] < self.model.config["resolution"]:
            picture = upsample_rgb(picture)
        return to_bytes(picture)


def render_all(model, pictures, stop=None, batch=10):
    """-> {"w_only", "inversion", (edit, value): ...}, each uint8 N x H x W x 3."""
    zero = [0.0] * len(model.edits)
    requests = {"w_only": (zero, False), "inversion": (zero, True)}
    for index, name in enumerate(model.edits):
        for value in VALUES:
            requests[name, value] = ([value * (k == index) for k in range(len(zero))], True)
    results = {key: [] for key in requests}
    for begin in range(0, len(pictures), batch):
        people = Portraits(model, pictures[begin:begin + batch], stop)
        for key, (values, use_residual) in requests.items():
            results[key].append(people.picture(values, use_residual))
    return {key: np.concatenate(parts) for key, parts in results.items()}


def quality(pictures, reference):
    p, s = psnr(pictures, reference), ssim(pictures, reference)
    return {"psnr_median": round(float(np.median(p)), 2), "psnr_min": round(float(p.min()), 2),
            "ssim_median": round(float(np.median(s)), 4)}


def face_reader(path):
    """-> function: pictures -> attributes and shape measures per person, read by the landmark network (trained on renders)."""
    from portraits.landmarks import ATTRIBUTES, INPUT, run_folded

    def read(pictures):
        landmarks, attributes = run_folded(path, network_input(pictures, INPUT))
        readings = dict(zip(ATTRIBUTES, attributes.T))
        readings["pose"] = readings.pop("yaw")
        eyes = (landmarks[:, 36:42].mean(1) + landmarks[:, 42:48].mean(1)) / 2
        scale = np.linalg.norm(landmarks[:, 42:48].mean(1) - landmarks[:, 36:42].mean(1), axis=1)
        corners, centre = landmarks[:, [48, 54]], (landmarks[:, 51] + landmarks[:, 57]) / 2
        readings["mouth_width"] = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1) / scale
        readings["mouth_corner_lift"] = (centre - corners.mean(1))[:, 1] / scale
        readings["mouth_opening"] = (landmarks[:, 66] - landmarks[:, 62])[:, 1] / scale
        readings["nose_shift"] = (landmarks[:, 30] - eyes)[:, 0] / scale
        return readings

    return read


def slider_effects(results, edits, measure):
    """Change of every measured attribute against the inversion: median over people, and share with the right order."""
    base, effects = measure(results["inversion"]), {}
    for name in edits:
        readings = {value: measure(results[name, value]) for value in VALUES}
        effects[name] = {f"{value:+g}": {key: round(float(np.median(reading[key] - base[key])), 3) for key in base}
                         for value, reading in readings.items()}
        if name in base:
            ordered = np.stack([readings[-5.0][name], readings[-2.5][name], base[name], readings[2.5][name],
                                readings[5.0][name]])
            effects[name]["monotonic_share"] = round(float((np.diff(ordered, axis=0) > 0).all(0).mean()), 3)
    return effects


def contact_sheet(path, originals, results, edits, rows, side=128):
    """One row of the sheet per index in rows."""
    columns = [originals, results["w_only"], results["inversion"]]
    columns += [results[name, value] for name in edits for value in VALUES]

    def tile(picture):
        return np.asarray(Image.fromarray(picture).resize((side, side), Image.LANCZOS))

    lines = [np.hstack([tile(column[row]) for column in columns]) for row in rows]
    Image.fromarray(np.vstack(lines)).save(path, optimize=True)


def load_portraits(path, limit=None):
    with np.load(path) as data:
        pictures = data["img"]
        if "hold" in data:
            pictures = pictures[data["hold"].astype(bool)]
    return pictures[:limit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("portraits")
    parser.add_argument("out")
    parser.add_argument("--landmarks", help="the landmark network's model file: measures the sliders' effect")
    parser.add_argument("--stop", type=int, help="output side of the last block to use, the rest by plain upsampling")
    parser.add_argument("--limit", type=int, help="only so many people")
    parser.add_argument("--rows", type=int, default=8, help="people per sheet")
    parser.add_argument("--sheets", type=int, default=2)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    os.makedirs(options.out, exist_ok=True)
    model, meta = load_model(options.model)
    originals = load_portraits(options.portraits, options.limit)
    results = render_all(model, originals, options.stop)
    scores = {"model": meta["name"], "people": len(originals), "w_only": quality(results["w_only"], originals),
              "inversion": quality(results["inversion"], originals), "gflop": flops.count(model)}
    if options.landmarks:
        scores["sliders"] = slider_effects(results, model.edits, face_reader(options.landmarks))
    with open(os.path.join(options.out, "scores.json"), "w", encoding="utf-8") as stream:
        json.dump(scores, stream, indent=1)
    print(json.dumps(scores, indent=1))
    for sheet in range(options.sheets):
        rows = range(sheet * options.rows, min((sheet + 1) * options.rows, len(originals)))
        if len(rows):
            contact_sheet(os.path.join(options.out, f"sheet-{sheet + 1}.png"), originals, results, model.edits, rows)


if __name__ == "__main__":
    main()
