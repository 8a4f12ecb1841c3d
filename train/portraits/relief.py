# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as a relief, so that its head can be turned: the mean head's depth under the photo's own pixels, the person cut out,
the backdrop filled in behind. The turn is the one of the rendered heads (heads/scene.py), in the photo's own frame.
"""
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from heads.model import LANDMARKS, head_model
from heads.raster import fragments
from heads.scene import CAMERA_DISTANCE, ffhq_frame, flattened, turned
from . import masks
from .fields import MEAN_HAIR, lookup, mean_head, resized, scattered

GRID = 128          # vertices along each side of the relief
ROUND = .45         # decimetres: radius with which outlines bend backwards
STEPS = 12          # vertices that do
PIXELS = (np.mgrid[0:GRID, 0:GRID] + .5)[::-1].transpose(1, 2, 0)
SMILE, AGE = .25, .5


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
    result = image.copy()
    missing, bands = ~known, image.reshape(*known.shape, -1)
    flat = result.reshape(*known.shape, -1)
    for width in widths:
        weight = gaussian_filter(known.astype(np.float32), width)
        reached = missing & (weight > .02)
        for band in range(bands.shape[-1]):
            flat[..., band][reached] = (gaussian_filter(np.where(known, bands[..., band], 0), width) / np.maximum(weight, 1e-6))[reached]
        missing = missing & ~reached
    return result


class Fit:
    """The mean head laid under a photo: depth (GRID x GRID, decimetres, continued around the head), head (where it is, 0..1), and as
    mean_depth() has them points, scale and, in the photo's own place, origin (of the head joint)."""

    def __init__(self, landmarks, yaw, softness):
        """landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has; softness: of the depth, pixels."""
        z, self.points, joint, self.scale = mean_depth(yaw)
        offset = landmarks - (joint + flattened(self.points)[0] * self.scale)
        self.origin = joint + np.median(offset, 0)
        known, places = np.isfinite(z), PIXELS - scattered(PIXELS, landmarks, offset, GRID * .07)
        depth = filled(np.where(known, z, 0), known, (3, 8, 20, 60))
        self.depth = gaussian_filter(lookup(depth[..., None], places, "nearest")[..., 0], softness)
        self.head = lookup(known[..., None].astype(float), places, "nearest")[..., 0]

    def positions(self, at, depth):
        """N x 3 (decimetres, relative to the head joint) of what is seen at these pixels (... x 2) with this depth."""
        flat = (at - self.origin) / self.scale * ((CAMERA_DISTANCE - depth) / CAMERA_DISTANCE)[..., None]
        return np.stack([flat[..., 0], -flat[..., 1], depth], -1).reshape(-1, 3)

    def turned(self, positions, degrees):
        """Positions after a turn of the head -> pixels of GRID (N x 2), depth."""
        flat, depth = flattened(turned(positions, degrees, self.points))
        return self.origin + flat * self.scale, depth


class Relief:
    """ok: whether the photo has a backdrop that the person can be told from; if not, nothing else can be asked."""

    def __init__(self, photo, landmarks, yaw):
        """photo: S x S x 3 float, 0..255, S a multiple of GRID; landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has."""
        self.photo, self.factor = photo, len(photo) // GRID
        small = photo.reshape(GRID, self.factor, GRID, self.factor, 3).mean((1, 3))
        person = masks.person(small / 255, landmarks)
        self.ok = person is not None
        if self.ok:
            self.fit = Fit(landmarks, yaw, 1)
            self._shape(self.fit.depth, person > .5)
            self._paint(person)

    def _shape(self, z, inside):
        """Positions (decimetres, relative to the head joint) of the grid's vertices, and triangles. Towards the outline they bend
        backwards, and beyond it they fold back behind it."""
        distance, nearest = distance_transform_edt(~inside, return_indices=True)
        edge = PIXELS[nearest[0], nearest[1]]
        inner = np.minimum(distance_transform_edt(inside) / self.fit.scale, ROUND)
        bend = ROUND - np.sqrt(np.maximum(ROUND ** 2 - (ROUND - inner) ** 2, 0))
        depth = np.where(inside, z - .6 * bend, z[nearest[0], nearest[1]] - .6 * ROUND)
        angle = np.minimum(distance / STEPS, 1) * (np.pi / 3)
        outwards = (PIXELS - edge) / np.maximum(distance, 1e-6)[..., None]
        at = np.where(inside[..., None], PIXELS, edge - outwards * (1 - np.cos(angle))[..., None] * ROUND * self.fit.scale)
        depth = depth - np.where(inside, 0, np.sin(angle) * ROUND)
        at = np.where(inside[..., None], at, gaussian_filter(at, (1.5, 1.5, 0)))
        depth = np.where(inside, depth, gaussian_filter(depth, 1.5))
        self.positions = self.fit.positions(at, depth)
        used, number = distance < STEPS, np.arange(GRID * GRID).reshape(GRID, GRID)
        whole = used[:-1, :-1] & used[1:, :-1] & used[:-1, 1:] & used[1:, 1:]
        a, b, c, d = (corner[whole] for corner in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
        self.faces = np.vstack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])

    def _paint(self, person):
        """The person's colours continued outwards, the backdrop's inwards."""
        factor = self.factor
        large = np.clip(resized(person[..., None].astype(np.float32), len(self.photo))[..., 0], 0, 1)
        depth = distance_transform_edt(large > .5) - distance_transform_edt(large <= .5)     # pixels inside the person
        self.person = filled(self.photo, depth > 1.2 * factor, [width * factor for width in (1.5, 4, 9)])
        self.backdrop = filled(self.photo, depth < -4 * factor, [width * factor for width in (2, 5, 12, 30, 60)])

    def turned(self, degrees):
        """S x S x 3 float: the head turned by so much."""
        size, factor = len(self.photo), self.factor
        at, depth = self.fit.turned(self.positions, degrees)
        pixel, face, weights, depth, area = fragments(at * factor, depth, self.faces, size, size)
        order = np.lexsort((depth, pixel))
        order = order[area[face[order]] < 0]
        order = order[np.r_[True, pixel[order][1:] != pixel[order][:-1]]]     # the nearest that faces the camera
        pixel, face, weights = pixel[order], face[order], weights[order]
        source = (PIXELS.reshape(-1, 2)[self.faces[face]] * weights[..., None]).sum(1) * factor
        colours, covered = np.zeros((size * size, 3)), np.zeros(size * size, bool)
        colours[pixel], covered[pixel] = lookup(self.person, source[:, None], "nearest")[:, 0], True
        parts, _ = label(covered.reshape(size, size))
        covered = parts == np.bincount(parts[parts > 0]).argmax()       # without what the turn has cut off, a far ear
        colours = filled(colours.reshape(size, size, 3), covered, (1.5 * factor,))
        soft = gaussian_filter(covered.astype(np.float32), .4 * factor)[..., None]
        return self.backdrop * (1 - soft) + colours * soft
