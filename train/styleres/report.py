# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of evaluate.py as JSON and as Markdown tables."""
import json
import os


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in rows])


def reconstruction(all_scores):
    keys = ("psnr_median", "psnr_min", "ssim_median", "ms_ssim_median", "perceptual_median", "identity_median")
    rows = []
    for scores in all_scores:
        for way, name in (("w_only", "w+ alone"), ("inversion", "StyleRes")):
            rows.append([scores["file"], name, *(scores[way].get(key) for key in keys), scores.get("frechet_own_features", {}).get(way)])
    return table(["model", "", "PSNR, median (dB)", "lowest", "SSIM", "MS-SSIM", "perceptual distance", "identity", "FID, own features"], rows)


def editing(scores):
    """One row per slider: readings at its ends, order, identity, the strongest side effect, cycle."""
    rows = []
    for name, effect in scores["sliders"].items():
        own = [effect[end].get(name) for end in ("-5", "+5")]
        shape = [effect[end].get(f"landmarks {name}") for end in ("-5", "+5")]
        kept, cycle = scores["identity_kept"][name], scores["cycle_loss_db"][name]
        strongest = max(scores["side_effects"][name].items(), key=lambda item: item[1], default=("", None))
        share = effect.get("monotonic_share")
        rows.append([name, " / ".join(f"{x:+.3f}" for x in own if x is not None), " / ".join(f"{x:+.3f}" for x in shape if x is not None),
                     None if share is None else f"{100 * share:.0f} %", f"{kept['low']} / {kept['high']}",
                     f"{kept['safe_low']} / {kept['safe_high']}", f"{strongest[0]} {strongest[1]}",
                     " / ".join(str(x) for x in cycle.values())])
    return table(["slider", "reading at -5 / 5", "landmark network's", "in order", "identity at -5 / 5", "at the safe ends",
                  "strongest side effect (share)", "cycle loss at -2.5 / -1 / 1 / 2.5 (dB)"], rows)


def markdown(all_scores):
    parts = [reconstruction(all_scores)]
    for scores in all_scores:
        if scores.get("sliders"):
            parts += [f"{scores['file']}:", editing(scores)]
            wider = scores.get("mouth_wider_percent", {})
            parts.append("; ".join(([f"Mouth wider by {', '.join(f'{x:+g}' for x in wider.values())} % at {', '.join(wider)} of smile"] if wider else [])
                                   + [f"encoded again without an edit: {scores['encoded_again_loss_db']} dB lost"]) + ".")
    return "\n\n".join(parts)


def write(folder, all_scores):
    with open(os.path.join(folder, "scores.json"), "w", encoding="utf-8") as stream:
        json.dump(all_scores, stream, indent=1)
    with open(os.path.join(folder, "scores.md"), "w", encoding="utf-8") as stream:
        stream.write(markdown(all_scores) + "\n")
