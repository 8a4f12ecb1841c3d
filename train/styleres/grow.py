# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the last block of G alone, on top of a checkpoint that was trained at half the resolution.

usage: python3 -m styleres.grow CHECKPOINT OUT.pt --data DIR [--steps N | --minutes M]

Everything else is frozen, so the features that enter the block are computed once per portrait; the block then learns on cuts
of them. Its toRGB starts at zero (unless --keep): at first the picture is the plain upsampling of the smaller one.
"""
import argparse
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from . import config as configuration
from .engine import HERE, Processes
from .evaluate import network_input
from .export import learned_edits, load_checkpoint
from .losses import picture_loss
from .networks import StyleRes


class Cuts:
    """Features and pictures before the last block, for every training portrait, and cuts of them with their target."""

    MARGIN = 2      # cells at a cut's border whose neighbours are missing

    def __init__(self, model, folder, share=slice(None), batch=8):
        """share: which of the training portraits this process uses."""
        with np.load(os.path.join(folder, f"real{model.config['resolution']}.npz")) as data:
            self.targets = data["img"][~data["hold"].astype(bool)][share]
        parts = [self._features(model, self.targets[k:k + batch]) for k in range(0, len(self.targets), batch)]
        self.features, self.pictures, self.codes = (torch.cat(part) for part in zip(*parts))

    @staticmethod
    @torch.no_grad()
    def _features(model, pictures):
        side = model.config["resolution"] // 2
        inversion = model.invert(network_input(pictures, model.config["input"]))
        fused, _ = model.fuse(inversion.feats, inversion.residual, model.motion(inversion.feats, inversion.feats))
        x, rgb = model.synthesis.features_at(fused, inversion.rgb, inversion.w_plus, side)
        return x.half(), rgb.half(), inversion.w_plus

    def batch(self, rng, count, side):
        cuts = []
        for _ in range(count):
            k = rng.integers(len(self.targets))
            top, left = rng.integers(0, self.features.shape[2] - side + 1, 2)
            area = (slice(None), slice(top, top + side), slice(left, left + side))
            target = self.targets[k, 2 * top:2 * (top + side), 2 * left:2 * (left + side)]
            cut = [self.features[k][area].float(), self.pictures[k][area].float(), self.codes[k],
                   torch.from_numpy(target).permute(2, 0, 1).float() / 127.5 - 1]
            if rng.random() < 0.5:
                cut = [part if part.ndim == 2 else part.flip(2) for part in cut]
            cuts.append(cut)
        return [torch.stack(parts) for parts in zip(*cuts)]

    def inner(self, picture):
        edge = 2 * self.MARGIN
        return picture[:, :, edge:-edge, edge:-edge]


def block_parameters(model):
    return list(model.synthesis.block(model.config["resolution"]).parameters())


def train_block(model, cuts, settings, loss, processes, minutes=None, steps=None):
    """As long as one of them says. -> steps"""
    parameters = block_parameters(model)
    optimizer = torch.optim.Adam(parameters, lr=settings["learning_rate"], betas=(0.9, 0.99))
    started, step, share, last, total_sum = time.monotonic(), 0, 0.0, time.monotonic(), 0.0
    average = [parameter.detach().clone() for parameter in parameters]
    weights = torch.ones(1, 1, 1, 1).expand(1, 1, *[2 * settings["crop"] - 4 * cuts.MARGIN] * 2)
    while share < 1:
        rate = settings["learning_rate"] * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = max(rate, 1e-5)
        x, rgb, w_plus, target = cuts.batch(np.random.default_rng([processes.rank, step]), settings["batch"],
                                            settings["crop"])
        output = model.synthesis.last_block(x.contiguous(memory_format=torch.channels_last), rgb, w_plus)
        total = picture_loss(cuts.inner(output), cuts.inner(target), weights, loss).mean()
        smaller = F.avg_pool2d(output, 2) - rgb
        total = total + settings["consistent"] * cuts.inner(F.interpolate(smaller, scale_factor=2)).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        with torch.no_grad():
            processes.average([parameter.grad for parameter in parameters])
            optimizer.step()
            for mean, parameter in zip(average, parameters):
                mean.lerp_(parameter, 1 - min(0.99, 1 - 1 / (step + 2)))
        step, total_sum = step + 1, total_sum + float(total.detach())
        elapsed = (time.monotonic() - started) / 60
        share = processes.agree(step / steps if steps else elapsed / minutes)
        if time.monotonic() - last > 30 and processes.rank == 0:
            print(f"{elapsed:5.1f} min  step {step}  loss {total_sum / step:.4f}", flush=True)
            last = time.monotonic()
    with torch.no_grad():
        for mean, parameter in zip(average, parameters):
            parameter.copy_(mean)
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="or a model file")
    parser.add_argument("out")
    parser.add_argument("--data", required=True, help="folder with the portraits at full resolution (real256.npz)")
    parser.add_argument("--config", default=os.path.join(HERE, "config.toml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="overrides a setting")
    parser.add_argument("--minutes", type=float, help="overrides grow.minutes")
    parser.add_argument("--steps", type=int, help="instead of minutes: the same block every time")
    parser.add_argument("--keep", action="store_true", help="go on with the block as it is, after the rest was trained further")
    options = parser.parse_args()
    processes = Processes()
    settings = configuration.load(options.config, options.set)
    checkpoint = load_checkpoint(options.checkpoint)
    # Refinements have no weights of their own: as the configuration says, however many there were in training.
    checkpoint["config"]["model"]["refinements"] = settings["model"]["refinements"]
    model = StyleRes(checkpoint["config"]["model"], list(learned_edits(checkpoint)))
    model.load_state_dict(checkpoint["ema"], strict=False)      # a model file has no counters of BatchNorm
    model.eval().requires_grad_(False)
    if not options.keep:
        torch.nn.init.zeros_(model.synthesis.block(model.config["resolution"]).torgb.weight)
        torch.nn.init.zeros_(model.synthesis.block(model.config["resolution"]).torgb.bias)
    for parameter in block_parameters(model):
        parameter.requires_grad_(True)
    cuts = Cuts(model, options.data, slice(processes.rank, None, processes.world))
    steps = train_block(model, cuts, settings["grow"], settings["loss"], processes,
                        options.minutes or settings["grow"]["minutes"], options.steps)
    if processes.rank == 0:
        torch.save(dict(checkpoint, ema=model.state_dict(), grown=steps), options.out)
    processes.close()


if __name__ == "__main__":
    main()
