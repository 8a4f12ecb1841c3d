# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures model files on held-out portraits and draws contact sheets.

usage: python3 -m styleres.evaluate MODEL.safetensors PORTRAITS.npz OUT_FOLDER [--also MODEL ...] [--judges DIR]
           [--landmarks LANDMARKS.safetensors] [--pairs DATA]

PORTRAITS.npz: img (N x 256 x 256 x 3, aligned crops) and, if there, hold (only those rows are used; the others are what the
Frechet distance compares with). Writes scores.json, scores.md and, of the first model, sheet-*.png: one row per person; photo,
w+ alone, inversion, then -5, -2.5, 2.5, 5 of every slider. --also: further models for the table; those without sliders, ablations of the first one's E1 and E2 for example, are given the first one's. --pairs: how well the identity network
tells DATA's warped and pseudo-aged versions of portraits from other people.
"""
import argparse
import json
import os

import numpy as np
import torch
from PIL import Image

from . import flops, report
from .export import load_model
from .judges import Attributes, Identity, Perceptual
from .measures import between, frechet, mouth_widening, ms_ssim, psnr, separation, ssim
from .networks import upsample_rgb

VALUES = (-5.0, -2.5, 2.5, 5.0)
UNDONE = (-2.5, -1.0, 1.0, 2.5)     # of the cycle test
JUDGES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "judges")
LIKE = 0.6      # identity similarity that an edit should keep


def network_input(pictures, side):
    """uint8 N x H x W x 3 -> N x 3 x side x side in -1..1, resized as the program does it (bicubic, antialiased)."""
    small = [np.asarray(Image.fromarray(p).resize((side, side), Image.BICUBIC)) for p in pictures]
    return (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() - 127.5) / 127.5


def to_bytes(pictures):
    """N x 3 x H x W in -1..1 -> uint8 N x H x W x 3, rounded as the program does it."""
    return ((pictures + 1) * 127.5 + 0.5).floor().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


class Portraits:
    """One batch of people, inverted once; pictures for any slider values after that."""

    def __init__(self, model, pictures, stop=None):
        self.model, self.stop = model, stop
        self.inversion = model.invert(network_input(pictures, model.config["input"]), stop)

    def picture(self, values, use_residual=True, offset=None):
        """values: of the sliders; offset: rows x w_dim, added to w+ besides."""
        w_plus = self.inversion.w_plus
        w_plus = self.model.edit(w_plus, torch.tensor([values]).expand(len(w_plus), -1))
        if offset is not None:
            w_plus = w_plus + offset
        if not use_residual:
            picture = self.model.synthesis(w_plus, self.stop)
        elif self.inversion.picture is not None and offset is None and not any(values):     # no edit, nothing to carry
            picture = self.inversion.picture
        else:
            picture = self.model.decode(w_plus, self.inversion, self.stop).picture
        while picture.shape[2] < self.model.config["resolution"]:
            picture = upsample_rgb(picture)
        return to_bytes(picture)


def setting(model, name, value):
    """Slider values: one slider moved."""
    return [value * (edit == name) for edit in model.edits]


def in_batches(model, pictures, stop, requests, batch=10):
    """-> {key: uint8 N x H x W x 3} for requests {key: arguments of Portraits.picture}."""
    results = {key: [] for key in requests}
    for begin in range(0, len(pictures), batch):
        people = Portraits(model, pictures[begin:begin + batch], stop)
        for key, arguments in requests.items():
            results[key].append(people.picture(*arguments))
    return {key: np.concatenate(parts) for key, parts in results.items()}


def render_all(model, pictures, stop=None, use_residual=True):
    """-> {"w_only", "inversion", (edit, value): ...}, each uint8 N x H x W x 3; edits with or without residual features."""
    zero = setting(model, None, 0.0)
    requests = {"w_only": (zero, False), "inversion": (zero, True)}
    requests.update({(name, value): (setting(model, name, value), use_residual) for name in model.edits for value in sorted({*VALUES, *UNDONE})})
    return in_batches(model, pictures, stop, requests)


def undone(model, results, name, value, stop=None, use_residual=True):
    """The edited pictures as photos of their own: inverted anew, the same edit taken back."""
    return in_batches(model, results[name, value], stop, {"back": (setting(model, name, -value), use_residual)})["back"]


SIDED = "pose", "nose_shift"    # readings that change their sign in a mirror


class Panel:
    """The judging networks and what they say of pictures."""

    def __init__(self, folder, landmarks=None):
        self.perceptual = Perceptual(os.path.join(folder, "perceptual.safetensors"))
        self.identity = Identity(os.path.join(folder, "identity.safetensors"))
        self.attributes = Attributes(os.path.join(folder, "attributes-b.safetensors"))
        self.shape = FaceReader(landmarks) if landmarks else None

    @staticmethod
    def _apply(judge, *pictures, batch=16):
        parts = []
        for begin in range(0, len(pictures[0]), batch):
            parts.append(judge(*(as_input(p[begin:begin + batch]) for p in pictures)).numpy())
        return np.concatenate(parts)

    def vectors(self, pictures):
        return self._apply(self.identity.embed, pictures)

    def similarity(self, a, b):
        return (self.vectors(a) * self.vectors(b)).sum(1)

    def distance(self, a, b):
        return self._apply(self.perceptual, a, b)

    def features(self, pictures):
        return self._apply(self.perceptual.features, pictures)

    def readings(self, pictures):
        """-> {name: N}: the second attribute network's, and with landmarks what the landmark network finds (own names). The mean of the
        pictures and their mirror images: the networks do not read both the same."""
        plain, mirrored = self._readings(pictures), self._readings(np.ascontiguousarray(pictures[:, :, ::-1]))
        return {name: (value + (-1 if name.endswith(SIDED) else 1) * mirrored[name]) / 2 for name, value in plain.items()}

    def _readings(self, pictures):
        from .attributes import NAMES
        values = dict(zip(NAMES, self._apply(self.attributes.values, pictures).T))
        values["pose"] = values.pop("yaw")
        if self.shape:
            values.update({f"landmarks {name}": value for name, value in self.shape(pictures).items()})
        return values


def as_input(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def quality(pictures, reference, panel=None):
    p, s = psnr(pictures, reference), ssim(pictures, reference)
    figures = {"psnr_median": round(float(np.median(p)), 2), "psnr_min": round(float(p.min()), 2),
               "ssim_median": round(float(np.median(s)), 4)}
    if pictures.shape[1] >= 176:
        figures["ms_ssim_median"] = round(float(np.median(ms_ssim(pictures, reference))), 4)
    if panel:
        figures["perceptual_median"] = round(float(np.median(panel.distance(pictures, reference))), 4)
        figures["identity_median"] = round(float(np.median(panel.similarity(pictures, reference))), 3)
    return figures


class FaceReader:
    """Attributes and shape measures per person, read by the landmark network (trained on renders)."""

    def __init__(self, path):
        self.path = path

    def run(self, pictures):
        """-> landmarks N x 68 x 2 in -1..1, attributes N x ATTRIBUTES."""
        from portraits.landmarks import INPUT, run_folded
        return run_folded(self.path, network_input(pictures, INPUT))

    def __call__(self, pictures):
        from portraits.landmarks import ATTRIBUTES
        landmarks, attributes = self.run(pictures)
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

    def mouth_widening(self, before, after, side=128):
        """Share of the mouth's width, per person; seen in the pictures, since the network hardly notices it."""
        small = [np.stack([np.asarray(Image.fromarray(p).resize((side, side), Image.BOX)) for p in pictures]) for pictures in (before, after)]
        return mouth_widening(*small, (self.run(before)[0] + 1) / 2 * side)


def slider_effects(results, edits, measure):
    """Change of every reading against the inversion: median over people, and share of people with the right order."""
    base, effects = measure(results["inversion"]), {}
    for name in edits:
        readings = {value: measure(results[name, value]) for value in VALUES}
        effects[name] = {f"{value:+g}": {key: round(float(np.median(reading[key] - base[key])), 3) for key in base}
                         for value, reading in readings.items()}
        for key, figure in ((name, "monotonic_share"), (f"landmarks {name}", "monotonic_share_landmarks")):
            if key in base:
                ordered = np.stack([readings[-5.0][key], readings[-2.5][key], base[key], readings[2.5][key], readings[5.0][key]])
                effects[name][figure] = round(float((np.diff(ordered, axis=0) > 0).all(0).mean()), 3)
    return effects


def mouth_effects(results, reader):
    """{slider value: median widening of the mouth in percent of its width} of the smile slider."""
    return {f"{value:+g}": round(100 * float(np.median(reader.mouth_widening(results["inversion"], results["smile", value]))), 1)
            for value in VALUES}


def side_effects(effects):
    """{slider: {reading that another slider is for: its change, as a share of the change by its own slider}}, from end to end."""
    def span(slider, reading):
        return abs(effects[slider]["+5"][reading] - effects[slider]["-5"][reading])

    readings = [name for name in effects if name in effects[name]["+5"]]
    return {slider: {name: round(span(slider, name) / max(span(name, name), 1e-3), 2) for name in readings if name != slider}
            for slider in effects}


def kept_identity(model, meta, results, originals, panel, stop):
    """{slider: median similarity with the photo at both ends and at the ends of the safe range}."""
    photo, kept = panel.vectors(originals), {}
    safe = {entry["name"]: entry.get("safe", entry["range"]) for entry in json.loads(meta["directions"])}
    for name in model.edits:
        pictures = {"low": results[name, -5.0], "high": results[name, 5.0]}
        pictures.update(in_batches(model, originals, stop, {
            "safe_low": (setting(model, name, safe[name][0]), True), "safe_high": (setting(model, name, safe[name][1]), True)}))
        kept[name] = {key: round(float(np.median((panel.vectors(p) * photo).sum(1))), 3) for key, p in pictures.items()}
    return kept


def separations(panel, originals, versions):
    """{name: similarity of the photos with their own versions and with each other; how often the first is greater}."""
    photos = torch.from_numpy(panel.vectors(originals))
    return {name: separation((photos * torch.from_numpy(panel.vectors(pictures))).sum(1), between(photos))
            for name, pictures in versions.items()}


def pair_separations(panel, folder):
    """The same for the warped and aged versions in a folder, of portraits that no judge was trained on."""
    with np.load(os.path.join(folder, "real128.npz")) as data:
        portraits = data["img"]
    photos, figures = torch.from_numpy(panel.vectors(portraits)), {}
    for name in ("warps", "age"):
        with np.load(os.path.join(folder, f"{name}.npz")) as data:
            versions, source = torch.from_numpy(panel.vectors(data["img"])), torch.from_numpy(data["src"].astype(np.int64))
        figures[name] = separation((photos[source] * versions).sum(1), between(photos))
    return figures


def cycles(model, results, originals, stop, use_residual):
    """Edit, invert the result anew, undo: median loss of PSNR against plain inversion in dB, per slider."""
    plain = psnr(results["inversion" if use_residual else "w_only"], originals)
    return {name: {f"{value:+g}": round(float(np.median(
        plain - psnr(undone(model, results, name, value, stop, use_residual), originals))), 2) for value in UNDONE}
        for name in model.edits}


def encoded_again(model, results, originals, stop):
    """What the cycle test loses without any edit: the inversion as a photo of its own, inverted anew. Median loss of PSNR in dB."""
    again = in_batches(model, results["inversion"], stop, {"again": (setting(model, None, 0.0), True)})["again"]
    return round(float(np.median(psnr(results["inversion"], originals) - psnr(again, originals))), 2)


def measured(model, meta, results, w_results, originals, others, panel, stop):
    """All figures of one model. results, w_results: of render_all with and without residual features."""
    scores = {"model": meta["name"], "people": len(originals), "gflop": flops.count(model),
              "w_only": quality(results["w_only"], originals, panel), "inversion": quality(results["inversion"], originals, panel)}
    if panel is None:
        return scores
    scores["sliders"] = slider_effects(results, model.edits, panel.readings)
    if panel.shape and "smile" in model.edits:
        scores["mouth_wider_percent"] = mouth_effects(results, panel.shape)
    scores["sliders_w_only"] = slider_effects(dict(w_results, inversion=results["w_only"]), model.edits, panel.readings)
    scores["side_effects"] = side_effects(scores["sliders"])
    scores["identity_kept"] = kept_identity(model, meta, results, originals, panel, stop)
    scores["encoded_again_loss_db"] = encoded_again(model, results, originals, stop)
    scores["cycle_loss_db"] = cycles(model, results, originals, stop, True)
    scores["cycle_loss_db_w_only"] = cycles(model, w_results, originals, stop, False)
    versions = {"w_only": results["w_only"], "inversion": results["inversion"]}
    versions.update({f"{name} {value:+g}": results[name, value] for name in model.edits for value in (-5.0, 5.0)})
    scores["identity_separation"] = separations(panel, originals, versions)
    if len(others) > 1:
        reference = panel.features(others)
        sets = {"photos": originals, "w_only": results["w_only"], "inversion": results["inversion"],
                "edits": np.concatenate([results[name, value] for name in model.edits for value in VALUES]),
                "edits_w_only": np.concatenate([w_results[name, value] for name in model.edits for value in VALUES])}
        scores["frechet_own_features"] = {key: round(frechet(reference, panel.features(pictures)), 2) for key, pictures in sets.items()}
    return scores


def contact_sheet(path, originals, results, edits, rows, side=128):
    """One row of the sheet per index in rows."""
    columns = [originals, results["w_only"], results["inversion"]]
    columns += [results[name, value] for name in edits for value in VALUES]

    def tile(picture):
        return np.asarray(Image.fromarray(picture).resize((side, side), Image.LANCZOS))

    lines = [np.hstack([tile(column[row]) for column in columns]) for row in rows]
    Image.fromarray(np.vstack(lines)).save(path, optimize=True)


def load_portraits(path, limit=None):
    """-> the people kept out, the others."""
    with np.load(path) as data:
        pictures = data["img"]
        hold = data["hold"].astype(bool) if "hold" in data else np.ones(len(pictures), bool)
    return pictures[hold][:limit], pictures[~hold]


def lend_sliders(lender, model, meta, lent):
    """Another model of the same generator gets the lender's directions; -> its metadata with them."""
    model.edits, model.direction = lender.edits, lender.direction
    return dict(meta, directions=lent["directions"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("portraits")
    parser.add_argument("out")
    parser.add_argument("--also", nargs="+", default=[], metavar="MODEL", help="further models for the table")
    parser.add_argument("--judges", default=JUDGES, help="folder of the judging networks; '' measures without them")
    parser.add_argument("--landmarks", help="the landmark network's model file: measures shapes")
    parser.add_argument("--pairs", metavar="DATA", help="folder with real128.npz, turns.npz, smiles.npz, age.npz")
    parser.add_argument("--stop", type=int, help="output side of the last block to use, the rest by plain upsampling")
    parser.add_argument("--limit", type=int, help="only so many people")
    parser.add_argument("--rows", type=int, default=8, help="people per sheet")
    parser.add_argument("--sheets", type=int, default=2)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    os.makedirs(options.out, exist_ok=True)
    panel = Panel(options.judges, options.landmarks) if options.judges else None
    originals, others = load_portraits(options.portraits, options.limit)
    all_scores = []
    for path in [options.model, *options.also]:
        model, meta = load_model(path)
        if path == options.model:
            first = model, meta
        elif not model.edits:
            meta = lend_sliders(first[0], model, meta, first[1])
        results = render_all(model, originals, options.stop)
        w_results = render_all(model, originals, options.stop, use_residual=False) if panel else {}
        if path == options.model:
            for sheet in range(options.sheets):
                rows = range(sheet * options.rows, min((sheet + 1) * options.rows, len(originals)))
                if len(rows):
                    contact_sheet(os.path.join(options.out, f"sheet-{sheet + 1}.png"), originals, results, model.edits, rows)
        all_scores.append(dict(measured(model, meta, results, w_results, originals, others, panel, options.stop),
                               file=os.path.basename(path)))
        report.write(options.out, all_scores)
    if panel and options.pairs:
        all_scores[0]["identity_separation_pairs"] = pair_separations(panel, options.pairs)
        report.write(options.out, all_scores)
    print(report.markdown(all_scores))


if __name__ == "__main__":
    main()
