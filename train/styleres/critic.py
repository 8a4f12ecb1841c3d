# SPDX-License-Identifier: GPL-3.0-or-later
"""The discriminator of patches beside training from pairs (loss.adversarial), and what it must know before it is of use.

usage: python3 -m styleres.critic MODEL OUT.pt --data DIR --renders DIR [--config FILE] [--set SECTION.KEY=VALUE]

MODEL, a model file or a checkpoint, makes critic.pictures pictures by edits as training asks for them; from these and as many renders
and portraits as they are the discriminator learns for critic.steps steps.
"""
import argparse
import os

import numpy as np
import torch

from . import config as configuration
from .adversary import PatchDiscriminator, discriminator_loss, gradient_penalty
from .data import TrainingData, load
from .engine import HERE
from .export import load_weights
from .networks import StyleRes


class Critic:
    """A discriminator of the pictures, edited or not, against real ones; settings: [critic]."""

    def __init__(self, settings, device):
        self.settings = settings
        self.network = PatchDiscriminator(settings["channels"], settings["colours"]).to(device).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), settings["rate"], settings["betas"])

    def state_dict(self):
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def learn(self, made, real, step, average):
        """One step; average: mean of tensors over the processes that learn together."""
        self.network.requires_grad_(True)
        loss = discriminator_loss(self.network(real), self.network(made))
        figure = loss.detach()
        if step % self.settings["r1_every"] == 0:
            loss = loss + 0.5 * self.settings["r1_weight"] * self.settings["r1_every"] * gradient_penalty(self.network, real)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average([parameter.grad for parameter in self.network.parameters()])
        self.optimizer.step()
        self.network.requires_grad_(False)
        return figure


def as_bytes(pictures):
    return ((pictures.clamp(-1, 1) + 1) * 127.5 + 0.5).byte()


@torch.no_grad()
def made(model, data, count, random):
    """count x 3 x input x input (bytes): pictures that the model makes of training's photos and edits."""
    pictures, side = [], model.config["input"]
    while sum(map(len, pictures)) < count:
        photo, _, delta, _ = data.batch(random)
        inversion = model.invert(photo, side).repeat(data.targets)
        pictures.append(as_bytes(model.decode(model.edit(inversion.w_plus, delta), inversion, side).picture))
    return torch.cat(pictures)[:count]


def taught(critic, pictures, data, steps, random, report):
    """Steps of the critic's learning; report: function of step and loss."""
    for step in range(steps):
        real = data.originals(random)
        chosen = random.integers(len(pictures), size=len(real))
        report(step, float(critic.learn(pictures[chosen] / 127.5 - 1, real, step, lambda tensors: None)))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--data", required=True)
    parser.add_argument("--renders")
    parser.add_argument("--config", default=os.path.join(HERE, "config.toml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="overrides a setting")
    options = parser.parse_args(arguments)
    config = configuration.load(options.config, options.set)
    settings, random = config["critic"], np.random.default_rng(config["train"]["seed"])
    torch.manual_seed(config["train"]["seed"])
    data = TrainingData(load(options.data, options.renders), config["train"])
    model = StyleRes(config["model"], list(config["edits"])).eval()
    model.load_state_dict(load_weights(options.model, config["edits"]), strict=False)
    critic = Critic(settings, torch.device("cpu"))
    pictures = made(model, data, settings["pictures"], random)
    print(f"{len(pictures)} pictures made", flush=True)
    losses = []

    def report(step, loss):
        losses.append(loss)
        if step % 200 == 199:
            print(f"step {step + 1}  loss {np.mean(losses[-200:]):.4f}", flush=True)

    taught(critic, pictures, data, settings["steps"], random, report)
    torch.save({"critic": critic.state_dict()}, options.out)


if __name__ == "__main__":
    main()
