# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of evaluate.py as JSON and as the Markdown tables of docs/model.md."""
import json
import os

ENDS = ("-5", "-2.5", "+2.5", "+5")
READINGS = {"smile": ("smile", "landmarks mouth_corner_lift"), "pose": ("pose", "landmarks pose", "landmarks nose_shift")}     # else a slider's own
CALLED = {"landmarks mouth_corner_lift": "mouth corners' lift, landmarks, eye distances", "landmarks pose": "pose, landmark network",
          "landmarks nose_shift": "nose's shift, landmarks, eye distances"}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in rows])


def figure(value, digits, unit=""):
    return None if value is None else f"{value:.{digits}f}{unit}"


def percent(share):
    return None if share is None else f"{100 * share:.0f} %"


def reconstruction(all_scores):
    """Both tables of how well photos come back, one row per model and way."""
    pictures, judged = [], []
    for scores in all_scores:
        for way, name in (("w_only", "w+ alone"), ("inversion", "inversion")):
            quality, name = scores[way], name if len(all_scores) == 1 else f"{scores['file']}, {name}"
            pictures.append([name, figure(quality.get("psnr_median"), 2, " dB"), figure(quality.get("psnr_min"), 2, " dB"),
                             figure(quality.get("ssim_median"), 4)])
            judged.append([name, *(figure(quality.get(f"{key}_median"), 3) for key in ("ms_ssim", "perceptual", "identity")),
                           figure(scores.get("frechet_own_features", {}).get(way), 2)])
    return [table(["", "PSNR, median", "lowest", "SSIM (luma), median"], pictures),
            table(["", "MS-SSIM", "perceptual distance (1: two unrelated renders)", "identity similarity", "Frechet distance, own features"], judged)]


def readings(scores):
    """What sliders change in what they are for, and the share of people for whom that is in order."""
    rows = []
    for name, effect in scores["sliders"].items():
        for key in READINGS.get(name, (name,)):
            share = {name: "monotonic_share", f"landmarks {name}": "monotonic_share_landmarks"}.get(key)
            if any(key in effect[end] for end in ENDS):
                rows.append([name, CALLED.get(key, key), *(f"{effect[end][key]:+.3f}" for end in ENDS), percent(effect.get(share))])
        if name == "smile" and "mouth_wider_percent" in scores:
            rows.append([name, "mouth's width, optical flow", *(f"{scores['mouth_wider_percent'][end]:+.1f} %" for end in ENDS), None])
    return table(["slider", "reads", *(end.lstrip("+") for end in ENDS), "in order"], rows)


def prices(scores):
    """What sliders cost: identity, other readings, what does not come back when an edit is undone."""
    rows = []
    for name in scores["sliders"]:
        kept = scores["identity_kept"][name]
        other, share = max(scores["side_effects"][name].items(), key=lambda item: item[1], default=("", None))
        rows.append([name, f"{kept['low']:.2f}, {kept['high']:.2f}", f"{kept['safe_low']:.2f}, {kept['safe_high']:.2f}",
                     f"{other} {figure(share, 2) or ''}", ", ".join(f"{x:.2f}" for x in scores["cycle_loss_db"][name].values()) + " dB"])
    values = ", ".join(value.lstrip("+") for value in next(iter(scores["cycle_loss_db"].values())))
    return table(["slider", "identity at -5, 5", "at the safe ends", "side effect", f"undone at {values}, loss"], rows)


def markdown(all_scores):
    parts = reconstruction(all_scores)
    for scores in all_scores:
        if scores.get("sliders"):
            parts += [f"{scores['file']}:", readings(scores), prices(scores), f"Encoded again without an edit: {scores['encoded_again_loss_db']} dB lost."]
    return "\n\n".join(parts)


def write(folder, all_scores):
    with open(os.path.join(folder, "scores.json"), "w", encoding="utf-8") as stream:
        json.dump(all_scores, stream, indent=1)
    with open(os.path.join(folder, "scores.md"), "w", encoding="utf-8") as stream:
        stream.write(markdown(all_scores) + "\n")
