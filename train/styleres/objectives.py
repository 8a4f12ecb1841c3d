# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a picture is from the one it should be, for the encoder's and the residual networks' stages.

Two of the terms are judged by networks from files ([judges] in the configuration):

- perceptual: module(a, b) -> N, or one value: a distance of pictures N x 3 x S x S in -1..1
- identity: module.embed(x) -> N x D, unit vectors that are alike for pictures of one person

A .ts file is a TorchScript module of that kind (identity: calling it embeds); any other file is read by `load(path)` of
styleres.perceptual or styleres.identity. Without a file that term's weight is 0, which the log says.
"""
import importlib

import torch
import torch.nn.functional as F
from torch import nn

from .losses import face_weights, picture_loss

TERMS = ("l2", "pyramid", "perceptual", "identity")


def load_judge(kind, path):
    if not path:
        return None
    if path.endswith(".ts"):
        judge = torch.jit.load(path, map_location="cpu")
    else:
        judge = importlib.import_module(f".{kind}", __package__).load(path)
    for parameter in judge.parameters():        # a ScriptModule has no requires_grad_
        parameter.requires_grad_(False)
    return judge.eval()


class Reconstruction(nn.Module):
    """lambda_l2 L2 + lambda_pyramid picture_loss + lambda_perceptual perceptual + lambda_identity (1 - <A(x), A(x')>)."""

    def __init__(self, settings, config, side):
        super().__init__()
        self.weights = {term: settings[f"lambda_{term}"] for term in TERMS}
        self.pyramid = config.get("loss")
        self.judges = nn.ModuleDict()
        for kind in ("perceptual", "identity"):
            judge = load_judge(kind, config["judges"][kind]) if self.weights[kind] else None
            if judge is None:
                self.weights[kind] = 0.0
            else:
                self.judges[kind] = judge
        self.register_buffer("face", face_weights(side), persistent=False)

    def absent(self):
        """Terms that the configuration wants but has no network for, as a sentence for the log."""
        names = [kind for kind in ("perceptual", "identity") if kind not in self.judges]
        return f"no network for: {', '.join(names)} (weight 0)" if names else ""

    def forward(self, output, target):
        """-> weighted sum and {term: value}, both pictures N x 3 x side x side in -1..1."""
        output, parts = output.float(), {}
        if self.weights["l2"]:
            parts["l2"] = F.mse_loss(output, target)
        if self.weights["pyramid"]:
            parts["pyramid"] = picture_loss(output, target, self.face, self.pyramid).mean()
        if self.weights["perceptual"]:
            parts["perceptual"] = self.judges["perceptual"](output, target).mean()
        if self.weights["identity"]:
            parts["identity"] = (1 - (self.embed(output) * self.embed(target)).sum(1)).mean()
        return sum(self.weights[term] * value for term, value in parts.items()), parts

    def embed(self, pictures):
        judge = self.judges["identity"]
        return F.normalize(judge.embed(pictures) if hasattr(judge, "embed") else judge(pictures), dim=1)
