# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of every stage with paper.toml as it is: 1024 x 1024, all channels. Minutes and many GiB, so not among the usual tests.

usage: python3 tests/paper_size.py [gan encoder kept cycle]
"""
import os
import resource
import sys
import tempfile
import time

import numpy as np
import torch

import tiny
from styleres import config, engine
from styleres.encoder import E4e
from styleres.gan import Gan
from styleres.residual import Residual

RELEASED = 393.8e6                  # values in the released checkpoint,
UNUSED = 4 * (512 * 512 * 9 + 512)  # among them two ResLayers that no path reads
VARIANTS = {"gan": (Gan, {}), "encoder": (E4e, {"progressive_start": -1000000}),        # all rows free
            "kept": (Residual, {"edited": 0.0}), "cycle": (Residual, {"edited": 1.0})}


def step(name, path):
    kind, changes = VARIANTS[name]
    settings = config.load(tiny.TRAIN / "paper.toml")
    settings[kind.NAME].update(changes, batch=1)
    stage = kind(settings, engine.Processes(), [path])
    count = sum(value.numel() for part in (stage.model, stage.mapping) for value in part.state_dict().values()) + UNUSED
    trained = stage.parameters["player"]
    before = [parameter.detach().flatten()[:64].clone() for _, parameter in trained]
    begin = time.monotonic()
    stage.advance()
    seconds = time.monotonic() - begin
    figures = {name: float(value) for name, value in stage.figures.items()}
    assert all(np.isfinite(value) for value in figures.values()), figures
    moved = np.mean([not torch.equal(old, parameter.detach().flatten()[:64]) for old, (_, parameter) in zip(before, trained)])
    assert moved > 0.9, f"only {moved:.0%} of the parameters moved"
    assert abs(count - RELEASED) < 0.001 * RELEASED, count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20
    print(f"{name}: {count / 1e6:.1f} M values, step {seconds:.0f} s, peak {peak:.1f} GiB, {figures}", flush=True)


def main(names):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pictures.npz")
        np.savez(path, img=np.random.default_rng(1).integers(0, 256, (4, 1024, 1024, 3), dtype=np.uint8))
        for name in names or VARIANTS:
            step(name, path)


if __name__ == "__main__":
    main(sys.argv[1:])
