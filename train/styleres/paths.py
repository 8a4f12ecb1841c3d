# SPDX-License-Identifier: GPL-3.0-or-later
"""StyleRes' two paths through the networks (arXiv 2212.14359, section 3.3)."""
import torch.nn.functional as F


def resized(pictures, side):
    """To the encoder's input, as the program does it (bicubic, antialiased). Differentiable."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures.float(), (side, side), mode="bicubic", align_corners=False, antialias=True)


def towards(w_plus, w_random, strength):
    """Equation 2: `strength` tenths of the way to a random code."""
    return w_plus + strength / 10 * (w_random - w_plus)


def back(w_plus, w_random, strength):
    """The code from which towards() leads to w_plus."""
    return (w_plus - strength / 10 * w_random) / (1 - strength / 10)


class Paths:
    """Encodes photos and decodes codes with residual features, at one side of output."""

    def __init__(self, model, side):
        self.model, self.side = model, side

    def invert(self, photo):
        """Photos of any side -> Inversion."""
        return self.model.invert(resized(photo, self.model.config["input"]), self.side)

    def decode(self, w_plus, inversion, low=None):
        """-> Decoded."""
        return self.model.decode(w_plus, inversion, self.side, low)

    def undo(self, edited, undo):
        """Second half of cycle translation: encodes an edited picture anew and takes back the edit of its w+ -> like decode."""
        inversion = self.invert(edited)
        return self.decode(undo(inversion.w_plus), inversion)
