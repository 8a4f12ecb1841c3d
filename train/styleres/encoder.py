# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 2: the encoder E0, trained as e4e (arXiv 2102.02766) with G frozen.

usage: python3 -m styleres.encoder OUT.pt --data SOURCE... --from GAN.pt [--config FILE] [--minutes M] [--resume]

One code for all rows first; then one row after the other may differ from it, by as little as possible, and a discriminator of
latents keeps every row where the mapping network's codes lie.
"""
import torch

from .adversary import LatentDiscriminator, discriminator_loss, generator_loss, gradient_penalty
from .engine import Stage, main
from .objectives import Reconstruction
from .paths import resized


class E4e(Stage):
    __doc__ = __doc__
    NAME = "encoder"
    TO_COME = ("modify_feature",)

    def __init__(self, config, processes, sources):
        super().__init__(config, processes, sources)
        self.reconstruction = Reconstruction(self.settings, config, self.side).to(processes.device)
        self.rows = self.model.rows_for(self.side)
        if processes.rank == 0 and self.reconstruction.absent():
            print(self.reconstruction.absent(), flush=True)

    def build_critics(self):
        return {"latents": LatentDiscriminator(self.config["model"]["w_dim"])}

    def choose_parameters(self):
        return {"player": self.pick("model.e4e."), "critic": self.pick("critics.")}

    def follows_buffer(self, name):
        return name.startswith("model.e4e.")

    def start_from(self, path):
        if super().start_from(path):
            with torch.no_grad():       # codes count from the mean of the mapping network's
                self.model.latent_avg.copy_(self.mapping.w_avg.expand_as(self.model.latent_avg))
        elif self.settings["lambda_latent"]:
            raise SystemExit(f"{path}: no mapping network in it; encoder.lambda_latent = 0 goes without")

    def free_rows(self):
        """How many rows may differ from the first by now."""
        settings = self.settings
        return 1 + max(0, (self.step - settings["progressive_start"]) // settings["progressive_every"] + 1)

    def encode(self, pictures):
        """-> codes (rows behind the free ones equal to the first) and their differences from it."""
        codes, _ = self.model.encode(resized(pictures, self.model.config["input"]), self.rows)
        average = self.model.latent_avg[:self.rows]
        codes = codes - average
        differences = codes[:, 1:] - codes[:, :1]
        free = torch.arange(1, self.rows, device=codes.device) < self.free_rows()
        differences = differences * free[None, :, None]
        return torch.cat([codes[:, :1], codes[:, :1] + differences], 1) + average, differences

    def train_step(self, pictures):
        settings, figures = self.settings, {}
        self.model.e4e.train(self.step < settings["freeze_norm_from"] * settings["steps"])
        self.turn("player")
        with self.precision():
            codes, differences = self.encode(pictures)
            output = self.model.synthesis(codes, self.side)
        loss, parts = self.reconstruction(output, pictures)
        parts["delta"] = differences.float().norm(dim=2).mean()
        loss = loss + settings["lambda_delta"] * parts["delta"]
        if settings["lambda_latent"]:
            parts["latent"] = generator_loss(self.critics["latents"](codes))
            loss = loss + settings["lambda_latent"] * parts["latent"]
        self.update("player", loss)
        with torch.no_grad():       # running statistics see other pictures in every process
            self.processes.average([buffer for buffer in self.model.e4e.buffers() if buffer.is_floating_point()])
        if settings["lambda_latent"]:
            figures["judge"] = self.critic_step(codes.detach())
        return {**parts, **figures, "rows": min(self.rows, self.free_rows())}

    def critic_step(self, codes):
        settings, critic = self.settings, self.critics["latents"]
        self.turn("critic")
        with torch.no_grad():
            real = self.random_w(len(codes))
        loss = discriminator_loss(critic(real), critic(codes))
        figure = loss.detach()
        if self.step % settings["r1_every"] == 0:
            loss = loss + 0.5 * settings["r1_weight"] * settings["r1_every"] * gradient_penalty(critic, real)
        self.update("critic", loss)
        return figure


if __name__ == "__main__":
    main(E4e)
