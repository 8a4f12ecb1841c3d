# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait whose head can be turned as the rendered ones are (heads/scene.py), on still shoulders, in the photo's own frame: the mean
head's depth under the photo's own pixels. The photo stays one sheet that never tears: what a turn uncovers is stretched, no more than
so much, and what it hides folds away behind what is nearer; around the person the motion fades out. So the picture is the photo,
resampled once.
"""
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from heads.model import LANDMARKS, head_model
from heads.raster import fragments
from heads.scene import CAMERA_DISTANCE, ffhq_frame, flattened, turned
from . import masks
from .fields import MEAN_HAIR, lookup, mean_head, pixels, scattered

GRID = 128          # vertices along each side of the sheet
ROUND = .45         # decimetres: radius with which outlines bend backwards
FADE = .12          # of the side: how far around the person the surroundings follow,
BEHIND = 4          # and decimetres by which those that do not lie farther back
STRETCH = 2.        # the most that the motion may change across the picture, by cells per cell; where it falls by more than 1, it folds
SHEAR = 2.          # and the motion across, down the picture
ROUNDS = 150        # of smoothing where it is more, at most
PIXELS = pixels(GRID)
SMILE, AGE = .25, .5


def _sheet():
    number = np.arange(GRID * GRID).reshape(GRID, GRID)
    a, b, c, d = (corner.ravel() for corner in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
    return np.vstack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])


FACES = _sheet()


@lru_cache(None)
def mean_depth(yaw):
    """The mean head looking `yaw` degrees aside, framed as a photo: its depth (decimetres towards the viewer; NaN beside it), its 68
    landmarks (decimetres), and where the head joint and a decimetre are in the frame: pixel position, pixels."""
    positions, faces = mean_head(yaw, SMILE, AGE, [head_model().pack.proxies[MEAN_HAIR]])
    flat, depth = flattened(positions)
    centre, x, _ = ffhq_frame(flat[LANDMARKS])
    scale = GRID / 2 / np.hypot(*x)
    joint = GRID / 2 - centre * scale
    pixel, _, _, near, _ = fragments(joint + flat * scale, depth, faces, GRID, GRID)
    nearest = np.full(GRID * GRID, np.inf)
    np.minimum.at(nearest, pixel, near)
    z = np.where(np.isfinite(nearest), CAMERA_DISTANCE - nearest, np.nan).reshape(GRID, GRID)
    return z, positions[LANDMARKS], joint, scale


def filled(image, known, widths):
    """Where `known` (S x S, bool) is false, smooth values from around; the narrowest of the Gaussians that reaches anything."""
    result, missing = image.copy(), ~known
    for width in widths:
        weight = gaussian_filter(known.astype(np.float32), width)
        reached = missing & (weight > .02)
        result[reached] = (gaussian_filter(np.where(known, image, 0), width) / np.maximum(weight, 1e-6))[reached]
        missing = missing & ~reached
    return result


def depth_inside(mask):
    """How many pixels it is to the outline; the picture's border is none."""
    margin = GRID // 2
    return distance_transform_edt(np.pad(mask, margin, mode="edge"))[margin:-margin, margin:-margin]


def bounded(motion):
    """S x S x 2, smoothed where it changes faster than STRETCH and SHEAR allow. The picture's border is not drawn inwards."""
    motion = np.clip(motion, -STRETCH * (GRID - PIXELS), STRETCH * PIXELS)
    for _ in range(ROUNDS):
        across, down = np.gradient(motion[..., 0], axis=1), np.gradient(motion[..., 0], axis=0)
        steep = (across > STRETCH) | (np.abs(down) > SHEAR)
        if not steep.any():
            break
        share = np.clip(gaussian_filter(steep.astype(float), 1.5) * 3, 0, 1)[..., None]
        motion = motion * (1 - share) + gaussian_filter(motion, (1.5, 1.5, 0)) * share
    return motion


class Fit:
    """The mean head laid under a photo: depth (GRID x GRID, decimetres, continued around the head), head (where it is, bool), and as
    mean_depth() has them points, scale and, in the photo's own place, origin (of the head joint)."""

    def __init__(self, landmarks, yaw):
        """landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has."""
        z, self.points, joint, self.scale = mean_depth(yaw)
        offset = landmarks - (joint + flattened(self.points)[0] * self.scale)
        self.origin = joint + np.median(offset, 0)
        known, places = np.isfinite(z), PIXELS - scattered(PIXELS, landmarks, offset, GRID * .07)
        depth = filled(np.where(known, z, 0), known, (3, 8, 20, 60))
        self.depth = gaussian_filter(lookup(depth[..., None], places, "nearest")[..., 0], 1.5)
        self.head = lookup(known[..., None].astype(float), places, "nearest")[..., 0] > .5

    def positions(self, depth):
        """N x 3 (decimetres, relative to the head joint) of what is seen at PIXELS with this depth."""
        flat = (PIXELS - self.origin) / self.scale * ((CAMERA_DISTANCE - depth) / CAMERA_DISTANCE)[..., None]
        return np.stack([flat[..., 0], -flat[..., 1], depth], -1).reshape(-1, 3)

    def turned(self, positions, degrees):
        """Positions after a turn of the head -> pixels of GRID and distance from the camera (decimetres), GRID x GRID each."""
        flat, depth = flattened(turned(positions, degrees, self.points))
        return (self.origin + flat * self.scale).reshape(GRID, GRID, 2), depth.reshape(GRID, GRID)


class Turn:
    def __init__(self, photo, landmarks, yaw):
        """photo: S x S x 3 float, 0..255, S a multiple of GRID; landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has."""
        self.photo, self.factor, self.fit = photo, len(photo) // GRID, Fit(landmarks, yaw)
        small = photo.reshape(GRID, self.factor, GRID, self.factor, 3).mean((1, 3))
        person, inside = masks.person(small / 255, landmarks), self.fit.head
        if person is not None:
            inside = inside | (person > .5)
        inner = np.minimum(depth_inside(inside) / self.fit.scale, ROUND)
        back = ROUND - np.sqrt(ROUND ** 2 - (ROUND - inner) ** 2)
        self.positions = self.fit.positions(gaussian_filter(self.fit.depth - back, 1))
        self.follows = np.exp(-(distance_transform_edt(~inside) / (FADE * GRID)) ** 2)

    def motion(self, degrees):
        """Where a turn of the head by so much moves every place of the photo: GRID x GRID x 2 cells, and how far from the camera it is then."""
        there, depth = self.fit.turned(self.positions, degrees)
        return bounded((there - PIXELS) * self.follows[..., None]), depth + (1 - self.follows) * BEHIND

    def source(self, degrees):
        """S x S x 2: the pixel position of the photo that is seen at every pixel after the turn."""
        motion, depth = self.motion(degrees)
        size = len(self.photo)
        pixel, face, weights, depth, area = fragments((PIXELS + motion).reshape(-1, 2) * self.factor, depth.ravel(), FACES, size, size)
        order = np.lexsort((depth, pixel))
        order = order[area[face[order]] < 0]
        order = order[np.r_[True, pixel[order][1:] != pixel[order][:-1]]]     # the nearest that faces the camera
        source, hole = np.zeros((size * size, 2)), np.ones(size * size, bool)
        source[pixel[order]] = (PIXELS.reshape(-1, 2)[FACES[face[order]]] * weights[order][..., None]).sum(1) * self.factor
        hole[pixel[order]] = False                                            # at the picture's border at most
        row, column = distance_transform_edt(hole.reshape(size, size), return_distances=False, return_indices=True)
        return source.reshape(size, size, 2)[row, column]

    def flows(self, degrees, source, cells):
        """source: of this turn. -> 2 x 2 x cells x cells: from where in the photo every cell (across, down; cells) of the turned picture
        is, and where every cell of the photo goes, be it behind something."""
        def pooled(way):
            step = len(way) // cells
            return (way.reshape(cells, step, cells, step, 2).mean((1, 3)) / step).transpose(2, 0, 1)

        places = pixels(len(source))
        return np.stack([pooled(source - places), pooled(self.motion(degrees)[0])])

    def turned(self, degrees):
        """S x S x 3 float: the head turned by so much."""
        return self.seen(self.source(degrees))

    def seen(self, source):
        """S x S x 3 float: the photo's colours at these pixel positions."""
        x, y = (source - .5).transpose(2, 0, 1)
        return np.stack([map_coordinates(self.photo[..., k], [y, x], order=3, mode="nearest") for k in range(3)], -1)
