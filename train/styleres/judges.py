# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks that judge pictures, each read from its file: Perceptual(path), Identity(path), Attributes(path).

`python3 -m styleres.judge_training` makes the files; train/judges has those that the figures of the docs were measured with.
"""
from .attributes import Attributes
from .identity import Identity
from .perceptual import Perceptual

__all__ = ["Attributes", "Identity", "Perceptual"]
