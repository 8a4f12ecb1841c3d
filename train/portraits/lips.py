# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips that close over the teeth of a smile: the person's own, pulled together over what shows between them.

Where that is, is found as a lens between two parabolas, since landmarks miss the inner edges of lips by as much as half their distance. Mouths whose
opening is not found clearly (moustaches, shadows, lips that are closed) are left alone.
"""
import itertools

import numpy as np
from scipy.optimize import minimize

from .fields import lookup, pixels
from .masks import luma, polygon
from .mouths import lip_colour, redness

CORNERS = [48, 54]
CHEEKS = [2, 3, 48, 31], [14, 13, 54, 35]
ALONG, DOWN = np.meshgrid(np.linspace(-1.2, 1.2, 61), np.linspace(-.6, 1, 41))      # half mouths, from the middle between the corners
USUAL = np.array([-.9, .02, .9, .02, .05, .3])      # of a lens: left and right end (along, down), how far the edges bow
SPREAD = np.array([.12, .08, .12, .08, .15, .2])
EDGE, RING = .03, .15       # how soft edges are, how far around a lens one looks for what it missed
LEAST_TEETH, LEAST_AREA, MOST_MISSED = .5, 90, .32
MARGIN = 1.1                # pixels of 256: the lips' rims, in part teeth, go, too
MEET = .4                   # of the way down from the upper lip is where the lips meet
REACH = .75, .95            # how far above and below skin follows them


def frame(landmarks):
    """Middle between the corners of the mouth, half the way from one to the other, the same turned downwards."""
    left, right = landmarks[CORNERS]
    half = (right - left) / 2
    return (left + right) / 2, half, np.array([-half[1], half[0]])


def showing(photo, landmarks):
    """How much what is around the mouth looks like teeth, and like the dark of a mouth: 0..1 at ALONG, DOWN."""
    middle, across, down = frame(landmarks)
    patch = lookup(photo, middle + ALONG[..., None] * across + DOWN[..., None] * down, "nearest")
    left, right = (np.median(photo[polygon(landmarks[cheek], len(photo)) > .5], 0) for cheek in CHEEKS)
    skin = left + (right - left) * np.clip((ALONG[..., None] + 1) / 2, 0, 1)
    usual, light = redness(skin), luma(patch) / luma(skin)
    teeth = np.clip((.85 * usual - redness(patch)) / (.3 * np.abs(usual) + .02) + .5, 0, 1) * np.clip((light - .45) / .2, 0, 1)
    return teeth, np.clip((.4 - light) / .15 + .5, 0, 1)


def edges(lens, along):
    """-> where the upper and lower edge of a lens are, and 1 in the middle between its ends, 0 at them, less beyond."""
    left, left_down, right, right_down, upper, lower = lens
    t = (2 * along - left - right) / (right - left)
    line, bow = left_down + (right_down - left_down) * (t + 1) / 2, 1 - t * t
    return line + upper * bow, line + lower * bow, bow


def inside(lens, wider=0.0):
    upper, lower, bow = edges(lens, ALONG)
    soft = [1 / (1 + np.exp(-np.clip((x + wider) / EDGE, -30, 30))) for x in (DOWN - upper, lower - DOWN)]
    return soft[0] * soft[1] * (bow > 0)


def opening(photo, landmarks):
    """The lens between the lips (six numbers, see USUAL) of a photo (S x S x 3, 0..1), None where it is not clear."""
    teeth, dark = showing(photo, landmarks)
    evidence = np.maximum(teeth, .65 * dark) - .45

    def cost(lens):
        if lens[5] - lens[4] < .03 or lens[2] - lens[0] < .8:
            return 10.
        return .06 * (((lens - USUAL) / SPREAD) ** 2).sum() - (inside(lens) * evidence).sum() / 60

    found = []
    for upper, height in itertools.product((-.1, .1, .2), (.15, .3)):
        start = USUAL + [0, 0, 0, 0, upper, upper + height - .25]
        simplex = start + np.vstack([np.zeros(6), np.diag(SPREAD) * .6])
        found.append(minimize(cost, start, method="Nelder-Mead", options=dict(maxfev=300, initial_simplex=simplex)))
    lens = min(found, key=lambda result: result.fun).x
    within = inside(lens)
    around = inside(lens, RING) * (1 - within)
    clear = (within * teeth).sum() > LEAST_TEETH * within.sum() and within.sum() > LEAST_AREA
    return lens if clear and (around * (evidence > 0)).sum() < MOST_MISSED * around.sum() else None


def height(lens):
    """How far open it is, in half mouths."""
    upper, lower, _ = edges(lens, np.array((lens[0] + lens[2]) / 2))
    return float(lower - upper)


def closed(photo, landmarks, lens, amount):
    """The photo (S x S x 3, 0..1) with this share of the opening closed; where all of it is, with a line where the lips meet."""
    size = len(photo)
    middle, across, down = frame(landmarks)
    half = np.hypot(*across)
    grid = pixels(size)
    u, v = ((grid - middle) @ axis / half ** 2 for axis in (across, down))
    upper, lower, bow = edges(lens, u)
    margin = MARGIN * size / 256 / half * np.clip(4 * bow, 0, 1)
    upper, lower = upper - margin, lower + margin
    height = np.where(bow > 0, lower - upper, 0) * amount
    falls, rises = MEET * height, (1 - MEET) * height
    upper, lower = upper + falls, lower - rises     # where the edges are afterwards

    def follows(distance, reach):
        share = np.clip(distance / reach, 0, 1)
        return (1 - share) ** 2 * (1 + 2 * share)

    between = np.clip((v - upper) / np.maximum(lower - upper, 1e-6), 0, 1)
    way = np.select([v < upper, v > lower], [-falls * follows(upper - v, REACH[0]), rises * follows(v - lower, REACH[1])],
                    rises * between - falls * (1 - between))
    result = lookup(photo, grid + way[..., None] * down, "nearest")
    if amount < 1:
        return result
    line = .5 * np.exp(-((v - upper) * half / (size / 256)) ** 2) * np.sqrt(np.clip(2.5 * bow, 0, 1))
    return result + line[..., None] * (np.array([.45, .35, .35]) * lip_colour(photo, landmarks) - result)
