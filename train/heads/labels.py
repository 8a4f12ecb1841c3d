# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a rendered stranger beyond a picture's age, smile and yaw; follows from the seed, nothing is rendered."""
import numpy as np

from .identity import identity

LOOKS = ("gender", "beard", "hair", "hair_length")
LONG_HAIR = {None: 0.0, "short01": .4, "short02": .4, "short03": .4, "short04": .4, "afro01": .6, "ponytail01": .5, "braid01": .6,
             "bob01": 1.0, "bob02": 1.0, "long01": 1.0}
BALD_LIGHTNESS = .5     # of the hair that is not there


def looks(seed, ages, targets=None):
    """-> len(ages) x LOOKS, each 0..1: woman to man, shaven to bearded, dark to light or grey hair, bald to long.

    ages: of the pictures that heads.quads made of this seed; hair greys with them at the stranger's own pace."""
    head = identity(seed, targets)
    pace = .5 + np.random.RandomState(seed + 1000003).rand()
    rows = []
    for age in ages:
        grey = float(np.clip((age - .35) * 1.6 * pace, 0, 1))
        luma = float(np.dot(head["haircol"], [.21, .72, .07])) * (1 - grey) + .55 * grey
        lightness = BALD_LIGHTNESS if head["hair"] is None else min(1, (luma / .6) ** .5)
        rows.append([head["gender"], head["beard"], lightness, LONG_HAIR[head["hair"]]])
    return np.array(rows, np.float32)
