# SPDX-License-Identifier: GPL-3.0-or-later
"""The mean of several runs that went on from the same checkpoint: usually a little better than each of them (arXiv 2203.05482).

usage: python3 -m styleres.average RUN.pt RUN.pt ... OUT.pt

Of the averaged weights of styleres.train's checkpoints; everything else is the first one's. All but the first may be model files, whose
directions are read with the first one's edits: the mean of a run and what it went on from changes half as much, and forgets less (arXiv 2109.01903).
"""
import sys

import torch

from .export import load_weights


def average(checkpoints):
    """Checkpoints of one model's runs -> the first one with the mean of their averaged weights."""
    first, *others = checkpoints
    if any(other["config"]["model"] != first["config"]["model"] for other in others):
        raise SystemExit("the checkpoints are of different models")
    ema = {name: torch.stack([checkpoint["ema"][name] for checkpoint in checkpoints]).mean(0) if value.is_floating_point() else value
           for name, value in first["ema"].items()}
    return dict(first, ema=ema)


def read(path, first):
    """A checkpoint, or a model file as one that went on from what the first did."""
    if not path.endswith(".safetensors"):
        return torch.load(path, map_location="cpu")
    weights = load_weights(path, first["config"]["edits"])
    if any(weights[name].shape != value.shape for name, value in first["ema"].items() if value.is_floating_point()):
        raise SystemExit("the checkpoints are of different models")
    return {"config": first["config"], "ema": weights}


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) < 3:
        raise SystemExit(__doc__)
    first = torch.load(arguments[0], map_location="cpu")
    torch.save(average([first] + [read(path, first) for path in arguments[1:-1]]), arguments[-1])


if __name__ == "__main__":
    main()
