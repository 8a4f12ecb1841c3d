# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 3: the residual networks E1 and E2, trained on StyleRes' two paths (arXiv 2212.14359, sections 3.2 to 3.4).

usage: python3 -m styleres.residual OUT.pt --data SOURCE... --from ENCODER.pt [--config FILE] [--minutes M] [--resume]

No editing: the photo is decoded from its own w+ with its residual features. Cycle translation: w+ moves alpha / 10 of the way
to a random code's, the edited picture is encoded anew, the move is undone with the edited picture's residual features, and the
photo has to come back. Both pictures of the first pass must also please the discriminator, which goes on from stage 1's.
E0 and G stay as they are. Ablations: residual.cycle = false, residual.transform = false (no E2).
"""
import math

import torch

from .adversary import generator_loss
from .engine import AdversarialStage, main
from .objectives import Reconstruction
from .paths import Paths, back, towards


def size_of(features):
    """Root mean square over each sample's features, mean over the samples."""
    return (features.float().square().flatten(1).mean(1) + 1e-12).sqrt().mean()


class Residual(AdversarialStage):
    __doc__ = __doc__
    NAME = "residual"

    def __init__(self, config, processes, sources):
        super().__init__(config, processes, sources)
        self.model.transform = self.settings["transform"]
        self.paths = Paths(self.model, self.side)
        self.reconstruction = Reconstruction(self.settings, config, self.side).to(processes.device)
        if processes.rank == 0 and self.reconstruction.absent():
            print(self.reconstruction.absent(), flush=True)

    def choose_parameters(self):
        unused = () if self.settings["transform"] else ("modify_feature_gates",)
        names = lambda name: "modify_feature" in name and not any(part in name for part in unused)
        return {"player": self.pick("model.generator.", names), "critic": self.pick("critics.")}

    def start_from(self, path):
        has_mapping = super().start_from(path, ("modify_feature",) if self.settings["fresh"] else ())
        if not has_mapping and self.settings["codes"] != "photos":
            raise SystemExit(f'{path}: no mapping network in it; residual.codes = "photos" goes without')

    def train_step(self, pictures):
        settings = self.settings
        adversarial = settings["lambda_adversarial"] > 0
        self.turn("player")
        with self.precision():
            outputs, targets, invented, added = self.walk(pictures)
            parts = {"feature": sum(map(size_of, added)) / len(added)}
            if adversarial:
                fakes = torch.cat([picture.float() for picture in invented])
                parts["G"] = generator_loss(self.judge(fakes))
        loss, terms = self.reconstruction(torch.cat(outputs), torch.cat(targets))
        loss = loss + settings["lambda_feature"] * parts["feature"]
        if adversarial:
            loss = loss + settings["lambda_adversarial"] * parts["G"]
        self.update("player", loss)
        if adversarial:
            parts["D"] = self.critic_step(pictures, fakes.detach())
        return {**terms, **parts}

    def walk(self, pictures):
        """Both paths -> pictures, what they should be, pictures that must look real, added features."""
        settings, edits = self.settings, 0
        if settings["cycle"]:       # which share of the photos is edited; a fraction of a photo by chance
            edits = min(len(pictures), math.floor(len(pictures) * settings["edited"] + float(torch.rand(()))))
        inversion = self.paths.invert(pictures)
        kept = len(pictures) - edits
        outputs, targets, invented, added = [], [], [], []
        if kept:
            first = inversion.of(slice(kept))
            output = self.paths.decode(first.w_plus, first, (first.feats, first.rgb))
            outputs.append(output.picture), targets.append(pictures[:kept]), invented.append(output.picture), added.append(output.added)
        if edits:
            smallest, largest = settings["strength"]
            strength = smallest + (largest - smallest) * torch.rand(edits, 1, 1, device=pictures.device)
            second = inversion.of(slice(kept, None))
            with torch.no_grad():
                w_random = inversion.w_plus.roll(1, 0)[kept:] if settings["codes"] == "photos" else self.random_w(edits)[:, None]
            edited = self.paths.decode(towards(second.w_plus, w_random, strength), second)
            returned = self.paths.undo(edited.picture, lambda w: back(w, w_random, strength))
            outputs.append(returned.picture), targets.append(pictures[kept:]), invented.append(edited.picture)
            added += [edited.added, returned.added]
        return outputs, targets, invented, added


if __name__ == "__main__":
    main(Residual)
