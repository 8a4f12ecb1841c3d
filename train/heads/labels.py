# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a rendered stranger beyond a picture's age, smile and yaw."""
import numpy as np

from .identity import identity

LOOKS = ("gender", "beard", "hair_length")
LONG_HAIR = {None: 0.0, "short01": .4, "short02": .4, "short03": .4, "short04": .4, "afro01": .6, "ponytail01": .5, "braid01": .6,
             "bob01": 1.0, "bob02": 1.0, "long01": 1.0}
BALD_LIGHTNESS = .5     # of the hair that is not there
GREY_LUMA = .55


def hair_lightness(head):
    """0..1: dark to light or grey hair; about as the square root of its (linear) luma, as pictures are stored."""
    if head["hair"] is None:
        return BALD_LIGHTNESS
    luma = float(np.dot(head["haircol"], [.21, .72, .07])) * (1 - head["grey"]) + GREY_LUMA * head["grey"]
    return min(1, (luma / .6) ** .5)


def looks(seed, targets=None):
    """-> LOOKS of a seed, each 0..1: woman to man, shaven to bearded, bald to long hair. Nothing is rendered."""
    head = identity(seed, targets)
    return np.array([head["gender"], head["beard"], LONG_HAIR[head["hair"]]], np.float32)
