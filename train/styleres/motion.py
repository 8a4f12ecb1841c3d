# SPDX-License-Identifier: GPL-3.0-or-later
"""Teaches the network that finds where an edit moves things what is known of turned portraits, alone, everything else frozen.

usage: python3 -m styleres.motion CHECKPOINT.pt OUT.pt --data DIR --renders DIR [--set motion.steps=N]

Training sees few turned portraits in a step, and the network needs many. Here F and F' are made once for many portraits and edits; where
nobody knows what goes where, the motion shall stay what it was. OUT.pt is a checkpoint of styleres.train as before, to be resumed: only
training on makes the ways there and back cancel again.
"""
import argparse
import copy
import math
import os

import numpy as np
import torch

from . import config as configuration
from .data import TrainingData, load
from .engine import HERE
from .networks import StyleRes, known_motion

PREFIX = "modify_feature_motion"


class Samples:
    """F, F' and the motion there should be, for batches of photos and edits."""

    def __init__(self, model, data, settings):
        parts = [self._batch(model, *data.batch(np.random.default_rng([settings["seed"], k]))) for k in range(settings["batches"])]
        self.before, self.after, self.motion, self.known = (torch.cat(part) for part in zip(*parts))

    @staticmethod
    @torch.no_grad()
    def _batch(model, photo, _, delta, flow):
        before, after, motion = model.motion_of(photo, delta, model.config["input"])
        way, known = known_motion(flow, motion.shape[2])
        return before.half(), after.half(), torch.where(known[:, None, None, None], way, motion), known

    def astray(self, network, rows):
        """N: by how many cells the motion is not what it should be."""
        return (network(self.before[rows].float(), self.after[rows].float()) - self.motion[rows]).abs().mean((1, 2, 3))


def learn(network, samples, settings):
    """-> how far it was astray where the motion is known, before and after (cells)."""
    turned = samples.known.nonzero()[:256, 0]

    def missed():
        with torch.no_grad():
            return float(samples.astray(network.eval(), turned).mean())

    first, random = missed(), np.random.default_rng(settings["seed"])
    optimizer = torch.optim.Adam(network.train().parameters(), settings["rate"])
    for step in range(settings["steps"]):
        optimizer.param_groups[0]["lr"] = settings["rate"] * (0.5 + 0.5 * math.cos(math.pi * step / settings["steps"]))
        rows = torch.from_numpy(random.integers(len(samples.known), size=settings["batch"]))
        optimizer.zero_grad(set_to_none=True)
        samples.astray(network, rows).mean().backward()
        optimizer.step()
    return first, missed()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--data", required=True, help="as of styleres.train")
    parser.add_argument("--renders", help="as of styleres.train")
    parser.add_argument("--config", default=os.path.join(HERE, "config.toml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="overrides a setting")
    options = parser.parse_args()
    config = configuration.load(options.config, options.set)
    settings = config["motion"]
    state = torch.load(options.checkpoint, map_location="cpu")
    model = StyleRes(state["config"]["model"], list(state["config"]["edits"]))
    model.load_state_dict(state["ema"])
    model.eval()
    data = TrainingData(load(options.data, options.renders), dict(config["train"], mix={"portrait": 8}, targets=6, favour=settings["favour"]))
    samples = Samples(model, data, settings)
    network = copy.deepcopy(model.residual_block.modify_feature_motion)
    before, after = learn(network, samples, settings)
    print(f"{len(samples.known)} edits, {int(samples.known.sum())} known: astray by {before:.3f} cells before, {after:.3f} after", flush=True)
    for name, value in network.state_dict().items():
        for weights in (state["model"], state["ema"]):
            weights[f"generator.synthesis.b{model.config['embed_res']}.{PREFIX}.{name}"].copy_(value)
    torch.save(state, f"{options.out}.part")
    os.replace(f"{options.out}.part", options.out)


if __name__ == "__main__":
    main()
