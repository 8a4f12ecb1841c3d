# SPDX-License-Identifier: GPL-3.0-or-later
"""How faces change with the years: what older and younger people differ by, from many aligned portraits whose years of birth are known
(Rowland and Perrett, Manipulating facial appearance through shape and color, 1995; with the strength of detail as in Tiddeman, Burt and
Perrett, Prototyping and transforming facial textures, 2001). Shape is not among it: jaws are where the landmark network is least sure.
"""
import csv
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from . import masks
from .fields import lookup, pixels, resized, scattered
from .landmarks import MIRROR
from .masks import luma

SIDE = 256                                      # of the portraits
COLOUR_CELL, DETAIL_CELL = 2, 4                 # pixels along the sides of the cells that they are found for
BANDS = (0., 1.2), (1.2, 2.5), (2.5, 5.)        # of detail: between two Gaussian blurs, pixels
NEAR = 5                                        # pixels over which the strength of detail is one
FLOOR = .004                                    # detail (of log luma) weaker than this is none
SNUG = .03 * SIDE                               # how far a landmark pulls where faces are laid over each other
ENOUGH = .75, .95                               # share of the people whose skin is seen in a place, from nothing to the whole change
ROUNDS, CLOSE = 8, .02                          # of least absolute deviations; so small ones count as none
YEAR = 2013                                     # of the photos, about
GRID = pixels(SIDE)


def read_labels(path, ids):
    """-> ages (about), and who is a woman (0 or 1), of the people with these ids. A CSV file: id, birth_year, gender (F, M)."""
    with open(path, newline="") as file:
        rows = csv.DictReader(file)
        if not {"id", "birth_year", "gender"} <= set(rows.fieldnames or ()):
            raise SystemExit(f"{path}: no CSV file with the columns id, birth_year and gender")
        known = {row["id"]: row for row in rows}
    missing = [name for name in ids if name not in known]
    if missing:
        raise SystemExit(f"{path}: no years of birth of {', '.join(missing[:5])} ({len(missing)} in all)")
    return (np.array([YEAR - int(known[name]["birth_year"]) for name in ids], np.float32),
            np.array([known[name]["gender"] == "F" for name in ids], np.float32))


def log(values):
    return np.log(np.maximum(values, .03))


def bands(rgb):
    """-> len(BANDS) x SIDE x SIDE: detail of the log luma, fine to coarse."""
    y = log(luma(rgb))
    blurred = lambda sigma: gaussian_filter(y, sigma) if sigma else y
    return np.stack([blurred(fine) - blurred(coarse) for fine, coarse in BANDS])


def strength(detail):
    return np.log(np.sqrt(gaussian_filter(detail ** 2, (0, NEAR, NEAR))) + FLOOR)


def shrunk(image, factor):
    """H x W x C, means of factor x factor."""
    side = len(image) // factor
    return image.reshape(side, factor, side, factor, -1).mean((1, 3))


def on(landmarks, points, field):
    """A field on a face with these points (SIDE x SIDE x C) laid over a face with these landmarks."""
    return lookup(field, GRID - scattered(GRID, landmarks, landmarks - points, SNUG), "nearest")


def slopes(values, known, weights=1., rounds=1):
    """Of values (N x P) what they change by where one of `known` (N x K) grows by one; weights: N x P. After some rounds by least absolute
    deviations, which do not mind what is so of fewer than half."""
    known = np.c_[known, np.ones(len(known))].astype(np.float32)
    products = (known[:, :, None] * known[:, None]).reshape(len(known), -1)
    weighted = np.broadcast_to(np.float32(weights), values.shape)
    for _ in range(rounds):
        matrices = (weighted.T @ products).reshape(-1, known.shape[1], known.shape[1]) + 1e-6 * np.eye(known.shape[1])
        found = np.linalg.solve(matrices, (weighted * values).T @ known)
        weighted = weights / np.maximum(np.abs(values - known @ found.T.astype(np.float32)), CLOSE)
    return found[:, :-1].T


def both(values):
    """People and their mirror images."""
    return np.concatenate([values, values[:, :, ::-1]])


@dataclass
class Prototype:
    """Changes by one year on a mean face, which is symmetric."""
    points: np.ndarray      # 68 x 2 pixels: its landmarks
    colour: np.ndarray      # SIDE x SIDE x 3, natural logarithm
    detail: np.ndarray      # SIDE x SIDE x len(BANDS), natural logarithm of the strength

    def changes(self, landmarks):
        """-> colour, detail: by one year of a face with these landmarks."""
        laid = on(landmarks, self.points, np.dstack([self.colour, self.detail]))
        return laid[..., :3], laid[..., 3:]


def fit(photos, landmarks, ages, others):
    """-> Prototype. photos: N x SIDE x SIDE x 3 bytes; landmarks: N x 68 x 2 pixels; others: N x K, what is no matter of age but goes with it by chance
    (the last changes sides in the mirror). Colour is fitted by least absolute deviations, so that glasses, which fewer than half wear, are no
    part of it."""
    mean = landmarks.mean(0)
    points = (mean + mean[MIRROR] * [-1, 1] + [SIDE, 0]) / 2
    face = masks.features(points, SIDE) * masks.face_oval(points, SIDE)     # no skin, but of the face
    colours, seen, details = [], [], []
    for photo, marks in zip(photos, landmarks.astype(float)):
        rgb = photo / 255
        laid = on(points, marks, np.dstack([rgb, masks.skin(rgb, marks)]))
        rgb, skin = laid[..., :3], laid[..., 3:]
        colours.append(shrunk(log(rgb) - (log(rgb) * skin).sum((0, 1)) / skin.sum(), COLOUR_CELL).astype(np.float32))
        seen.append(shrunk(np.maximum(skin[..., 0], face)[..., None], COLOUR_CELL)[..., 0] > .5)
        details.append(shrunk(strength(bands(rgb)).transpose(1, 2, 0), DETAIL_CELL).astype(np.float32))
    known = np.c_[ages, others]
    known = known - known.mean(0)
    known = np.concatenate([known, known * np.r_[np.ones(known.shape[1] - 1), -1]])
    colours, seen, details = both(np.stack(colours)), both(np.stack(seen)), both(np.stack(details))
    sure = np.clip((gaussian_filter(seen.mean(0), 2) - ENOUGH[0]) / (ENOUGH[1] - ENOUGH[0]), 0, 1)
    inside, colour = sure > 0, np.zeros(colours.shape[1:], np.float32)
    for channel in range(3):
        colour[inside, channel] = slopes(colours[:, inside, channel], known, seen[:, inside].astype(np.float32), ROUNDS)[0]
    colour *= sure[..., None]
    detail = slopes(details.reshape(len(details), -1), known)[0].reshape(details.shape[1:])
    return Prototype(points, gaussian_filter(resized(colour, SIDE), (1.5, 1.5, 0)), resized(detail, SIDE))
