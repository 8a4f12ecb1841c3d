# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 1: the generator G and its mapping network, trained as StyleGAN2 (arXiv 1912.04958) on pictures alone.

usage: python3 -m styleres.gan OUT.pt --data SOURCE... [--config FILE] [--minutes M] [--resume]

Non-saturating logistic loss, lazy R1, style mixing, optional lazy path length regularisation, averaged weights, adaptive
discriminator augmentation (augment.py). G is the one of the model file; what it learns goes there unchanged.
"""
import math

import torch
from torch import nn

from .adversary import generator_loss
from .engine import AdversarialStage, main
from .fastconv import plain
from .networks import SynthesisConv, ToRgb


class Gan(AdversarialStage):
    __doc__ = __doc__
    NAME = "gan"
    TO_COME = ("e4e.", "modify_feature")

    def __init__(self, config, processes, sources):
        super().__init__(config, processes, sources)
        self.path_mean = 0.0
        self.rows = self.model.rows_for(self.side)
        for resolution in self.model.synthesis.resolutions:
            for module in self.model.synthesis.block(resolution).modules():
                if isinstance(module, (SynthesisConv, ToRgb)) and resolution <= self.side:
                    nn.init.normal_(module.weight)      # the usual size for adversarial training
                if isinstance(module, SynthesisConv):
                    module.fresh_noise = True
        self.average = {name: value.detach().clone() for name, value in self.followed().items()}

    def choose_parameters(self):
        def reached(name):
            resolution = int(name.split(".b", 1)[1].split(".")[0])
            return "modify_feature" not in name and resolution <= self.side

        return {"player": self.pick("model.generator.", reached) + self.pick("mapping."), "critic": self.pick("critics.")}

    def follows_buffer(self, name):
        return name == "mapping.w_avg"

    def codes(self, count):
        """count x rows x w_dim; some change to another random w at some row."""
        w = self.random_w(count)
        mean = w.detach().mean(0)
        self.processes.average([mean])
        self.mapping.follow(mean)
        codes = w[:, None].expand(-1, self.rows, -1)
        other = self.random_w(count)[:, None]
        row = torch.arange(self.rows, device=w.device)[None, :, None]
        crossing = torch.randint(1, self.rows, (count, 1, 1), device=w.device)
        mixed = torch.rand(count, 1, 1, device=w.device) < self.settings["mixing"]
        return torch.where(mixed & (row >= crossing), other, codes)

    def train_step(self, pictures):
        figures = {"G": self.player_step(len(pictures))}
        with torch.no_grad(), self.precision():
            fakes = self.model.synthesis(self.codes(len(pictures)), self.side)
        figures.update(D=self.critic_step(pictures, fakes), chance=self.adaptive.chance)
        if self.settings["path_weight"] and self.step % self.settings["path_every"] == 0:
            figures["path"] = self.path_step(max(1, len(pictures) // 2))
        return figures

    def player_step(self, count):
        self.turn("player")
        with self.precision():
            loss = generator_loss(self.judge(self.model.synthesis(self.codes(count), self.side)))
        self.update("player", loss)
        return loss

    def path_step(self, count):
        """Lazy path length regularisation: a step in w should change the picture by the same amount everywhere."""
        self.turn("player")
        with plain():
            codes = self.codes(count)
            pictures = self.model.synthesis(codes, self.side)
            noise = torch.randn_like(pictures) / math.sqrt(pictures.shape[2] * pictures.shape[3])
            gradient, = torch.autograd.grad((pictures * noise).sum(), codes, create_graph=True)
            lengths = gradient.square().sum(2).mean(1).sqrt()
            self.path_mean += self.settings["path_decay"] * (self.processes.mean(float(lengths.detach().mean())) - self.path_mean)
            penalty = (lengths - self.path_mean).square().mean()
            self.update("player", self.settings["path_weight"] * self.settings["path_every"] * penalty)
        return penalty

    def extra_state(self):
        return dict(super().extra_state(), path_mean=self.path_mean)

    def load_extra(self, state):
        super().load_extra(state)
        self.path_mean = state["path_mean"]


if __name__ == "__main__":
    main(Gan)
