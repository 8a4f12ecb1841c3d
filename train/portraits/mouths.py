# SPDX-License-Identifier: GPL-3.0-or-later
"""Mouths of other portraits: what a warp cannot show, the teeth behind closed lips, is taken from a photo of somebody alike and put into
this one.

The other's mouth keeps its shape and is fitted to this face by nose, eyes and jaw; it is cloned by its gradients (Perez et al.,
"Poisson image editing", 2003), so that it takes on this skin.
"""
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from .fields import lookup, pixels, resized
from .landmarks import MIRROR
from .masks import face_frame, luma, polygon

JAW, NOSE, MOUTH = slice(0, 17), slice(31, 36), slice(48, 68)
OUTER_LIPS = slice(48, 60)
STABLE = list(range(27, 48)) + list(range(0, 5)) + list(range(12, 17))      # hardly moved by a smile: nose, eyes, jaw near the ears
FITTED = list(range(17)) + list(range(27, 60))      # places that the warp between two faces meets
INSIDE = .86            # of the way from the mouth to the jaw: what is replaced
BROAD = (.85, .2)       # a broad smile: at least this smile and this share of teeth
TRIED = 8               # donors that are tried, nearest first by describe(),
FOREIGN = .1            # and how foreign one may look at most (put)
LIPS = .3               # weight of the lips' colour in that


def similarity(points, goal):
    """-> function that moves points (N x 2) as these are best turned, scaled and shifted onto the goal."""
    start, end = points.mean(0), goal.mean(0)
    a, b = (points - start) @ [1, 1j], (goal - end) @ [1, 1j]
    factor = np.vdot(a, b) / np.vdot(a, a)

    def move(others):
        moved = (others - start) @ [1, 1j] * factor
        return np.stack([moved.real, moved.imag], -1) + end
    return move


def mirrored(photo, landmarks):
    flipped = landmarks[MIRROR].copy()
    flipped[:, 0] = photo.shape[1] - flipped[:, 0]
    return photo[:, ::-1], flipped


def above_lip(landmarks):
    _, _, down, height = face_frame(landmarks)
    return np.vstack([landmarks[31:36] + .04 * height * down, landmarks[53:48:-1]])


def chin(landmarks):
    _, _, down, height = face_frame(landmarks)
    return np.vstack([landmarks[7:10], landmarks[58:55:-1] + .05 * height * down])


def redness(rgb):
    return (rgb[..., 0] - rgb[..., 1]) / (rgb.sum(-1) + .05)


def lip_colour(photo, landmarks):
    """Of the reddest quarter of the mouth: no teeth are in it, however the landmarks are off."""
    mouth = photo[polygon(landmarks[OUTER_LIPS], len(photo)) > .5]
    return np.median(mouth[redness(mouth) >= np.quantile(redness(mouth), .75)], 0)


def describe(photo, landmarks, labels):
    """What must be alike for a mouth to fit, weighted so that distances compare; and the share of the mouth that shows teeth. photo:
    float 0..1; labels: age, smile, yaw / 30."""
    size = len(photo)
    eyes, right, down, height = face_frame(landmarks)
    l = landmarks

    def colour(points):
        inside = polygon(points, size) > .5
        return np.median(photo[inside], 0) if inside.any() else np.full(3, .5)

    left, other = colour([l[2], l[3], l[48], l[31], l[41] + down * .25 * height]), colour([l[14], l[13], l[54], l[35], l[46] + down * .25 * height])
    skin = (left + other) / 2
    detail = np.abs(luma(photo) - gaussian_filter(luma(photo), 2 * size / 256))
    rough = [detail[polygon(points, size) > .5].mean() for points in (above_lip(l), np.vstack([l[5:12:3], l[[54, 48]]]))]
    mouth = photo[polygon(l[OUTER_LIPS], size) > .5]
    teeth = ((redness(mouth) < .75 * redness(skin)) & (luma(mouth) > .55 * luma(skin))).mean()
    return np.concatenate([4 * skin, 4 * (left - other), 8 * (colour(above_lip(l)) - skin), 6 * (colour(chin(l)) - skin), 4 * (lip_colour(photo, l) - skin),
                           25 * np.array(rough), [4 * labels[2], 1.5 * labels[0], 6 * ((l[33] - eyes) @ down) / height]]), teeth


SIDED = [3, 4, 5, 17]       # of what describe() tells: change their sign in a mirror


def membrane(difference, mask):
    """S x S x C: the difference around the mask, continued into it as a soap film."""
    inside = np.full(mask.shape, -1)
    y, x = np.nonzero(mask)
    inside[y, x] = np.arange(len(y))
    rows, columns, values = [np.arange(len(y))], [np.arange(len(y))], [np.full(len(y), 4.)]
    known = np.zeros((len(y), difference.shape[-1]))
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        neighbour = inside[y + dy, x + dx]
        there = neighbour >= 0
        rows.append(np.nonzero(there)[0]), columns.append(neighbour[there]), values.append(np.full(there.sum(), -1.))
        known[~there] += difference[y[~there] + dy, x[~there] + dx]
    matrix = coo_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))).tocsc()
    result = np.zeros_like(difference)
    result[y, x] = splu(matrix).solve(known)
    return result


def put(photo, landmarks, donor, donor_landmarks):
    """-> photo with the donor's mouth, and how foreign it looks there: change of the skin between nose and mouth and below it, and
    of the lips' colour. Both S x S x 3 float 0..1, landmarks in their pixels."""
    size = len(photo)
    fitted = similarity(donor_landmarks[STABLE], landmarks[STABLE])(donor_landmarks)
    goal = landmarks.copy()
    goal[MOUTH] = fitted[MOUTH] + (landmarks[NOSE] - fitted[NOSE]).mean(0)
    field = RBFInterpolator(goal[FITTED], (donor_landmarks - goal)[FITTED], kernel="thin_plate_spline", smoothing=30)
    step, grid = size // 64, pixels(size)
    coarse = grid.reshape(64, step, 64, step, 2).mean((1, 3))
    warped = lookup(donor, grid + resized(field(coarse.reshape(-1, 2)).reshape(64, 64, 2), size), "nearest")

    _, right, down, height = face_frame(landmarks)
    jaw, nose = landmarks[JAW], landmarks[NOSE]
    middle = goal[[48, 54]].mean(0)
    top = [.35 * jaw[13] + .65 * nose[4], nose[4] + .03 * height * right, nose[2] + .04 * height * down, nose[0] - .03 * height * right,
           .35 * jaw[3] + .65 * nose[0]]
    mask = polygon(np.vstack([middle + (jaw[3:14] - middle) * INSIDE, top]), size) > .5
    mask[[0, -1]] = mask[:, [0, -1]] = False
    cloned = warped + membrane(photo - warped, mask)
    soft = gaussian_filter(binary_erosion(mask, iterations=max(1, 3 * size // 256)).astype(float), 2 * size / 256)[..., None]
    result = np.clip(photo + soft * (cloned - photo), 0, 1)
    changed = np.abs(result - photo).mean(-1)
    lips = np.maximum(*(gaussian_filter(polygon(points[OUTER_LIPS], size), 2 * size / 256) for points in (goal, landmarks))) > .1
    skin = np.maximum(*(polygon(area(goal), size) for area in (above_lip, chin))) * ~lips
    lips_changed = np.abs(lip_colour(result, goal) - lip_colour(photo, landmarks)).mean()
    return result, (changed * skin).sum() / max(skin.sum(), 1) + LIPS * lips_changed


class Mouths:
    """The mouths of all portraits that may lend theirs."""

    def __init__(self, photos, landmarks, labels, rows):
        """photos: N x S x S x 3 u8, landmarks: N x 68 x 2 in their pixels, labels: N x (age, smile, yaw / 30); rows: those to use."""
        self.photos, self.landmarks, self.labels = photos, landmarks, labels
        told = {row: describe(photos[row] / 255., landmarks[row].astype(float), labels[row]) for row in rows}
        self.descriptions = {row: description for row, (description, _) in told.items()}
        self.broad = [row for row, (_, teeth) in told.items() if labels[row][1] >= BROAD[0] and teeth >= BROAD[1]]

    def alike(self, row):
        """-> [(donor, whether in the mirror)], TRIED of the broad ones whose descriptions are nearest."""
        found = []
        for donor in self.broad:
            if donor != row:
                flipped = self.descriptions[donor].copy()
                flipped[SIDED] *= -1
                distances = [np.linalg.norm(self.descriptions[row] - other) for other in (self.descriptions[donor], flipped)]
                found.append((min(distances), donor, distances[1] < distances[0]))
        return [(donor, flip) for _, donor, flip in sorted(found)[:TRIED]]

    def best(self, row, move, count):
        """-> [(picture, smile)] with the `count` best fitting mouths, fewer if too few fit. move(smile): the photo of that row (S x S x 3
        float, 0..255) and its landmarks, its cheeks and eyes as they are then."""
        tried = []
        for donor, flip in self.alike(row):
            smile = float(self.labels[donor][1])
            photo, landmarks = move(smile)
            other = self.photos[donor] / 255., self.landmarks[donor].astype(float)
            picture, foreign = put(photo / 255., landmarks, *(mirrored(*other) if flip else other))
            if foreign < FOREIGN:
                tried.append((foreign, donor, picture * 255, smile))
        return [found[2:] for found in sorted(tried, key=lambda found: found[:2])[:count]]
