# SPDX-License-Identifier: GPL-3.0-or-later
"""The mean of several runs that went on from the same checkpoint: usually a little better than each of them (arXiv 2203.05482).

usage: python3 -m styleres.average RUN.pt RUN.pt ... OUT.pt

Of the averaged weights of styleres.train's checkpoints; everything else is the first one's.
"""
import sys

import torch


def average(checkpoints):
    """Checkpoints of one model's runs -> the first one with the mean of their averaged weights."""
    first, *others = checkpoints
    if any(other["config"]["model"] != first["config"]["model"] for other in others):
        raise SystemExit("the checkpoints are of different models")
    ema = {name: torch.stack([checkpoint["ema"][name] for checkpoint in checkpoints]).mean(0) if value.is_floating_point() else value
           for name, value in first["ema"].items()}
    return dict(first, ema=ema)


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    torch.save(average([torch.load(path, map_location="cpu") for path in sys.argv[1:-1]]), sys.argv[-1])


if __name__ == "__main__":
    main()
