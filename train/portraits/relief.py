# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as a relief, so that its head can be turned: the mean head's depth under the photo's own pixels, the person cut out,
the backdrop filled in behind. The turn is the one of the rendered heads (heads/scene.py), in the photo's own frame.
"""
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from heads.model import HEAD_JOINT, LANDMARKS, head_model
from heads.raster import fragments
from heads.scene import CAMERA_DISTANCE, base_shape, ffhq_frame, rotation, turned
from . import masks
from .fields import MEAN_HAIR, MEAN_HEAD, lookup, resized, scattered

GRID = 128          # vertices along each side of the relief
ROUND = .45         # decimetres: radius with which outlines bend backwards
STEPS = 12          # vertices that do
SMILE, AGE = .25, .5


@lru_cache(None)
def mean_head(yaw):
    """The mean head looking `yaw` degrees aside, framed as a photo: its depth (decimetres towards the viewer; NaN beside it), its 68
    landmarks (decimetres), and where the head joint and a decimetre are in the frame: pixel position, pixels."""
    model = head_model()
    base = base_shape(model, dict(MEAN_HEAD, age=AGE, smile=SMILE))
    hair = model.pack.proxies[MEAN_HAIR]
    meshes = [(base, model.body_faces[0]), (hair.fit(base), hair.faces)]
    positions = (np.vstack([v for v, _ in meshes]) - base[HEAD_JOINT].mean(0)) @ rotation(yaw, 0, 0).T
    faces = np.vstack([meshes[0][1], meshes[1][1] + len(base)])
    flat, depth = flattened(positions)
    centre, x, _ = ffhq_frame(flat[LANDMARKS])
    scale = GRID / 2 / np.hypot(*x)
    joint = GRID / 2 - centre * scale
    pixel, _, _, near, _ = fragments(joint + flat * scale, depth, faces, GRID, GRID)
    nearest = np.full(GRID * GRID, np.inf)
    np.minimum.at(nearest, pixel, near)
    z = np.where(np.isfinite(nearest), CAMERA_DISTANCE - nearest, np.nan).reshape(GRID, GRID)
    return z, positions[LANDMARKS], joint, scale


def flattened(positions):
    """Decimetres on the plane through the head joint (y down) as the camera sees them, and distance from it."""
    depth = CAMERA_DISTANCE - positions[:, 2]
    return np.stack([positions[:, 0], -positions[:, 1]], 1) / depth[:, None] * CAMERA_DISTANCE, depth


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


class Relief:
    def __init__(self, photo, landmarks, yaw):
        """photo: S x S x 3 float, 0..255; landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has."""
        self.photo = photo
        self.z, self.points, self.joint, self.scale = mean_head(yaw)
        factor = len(photo) // GRID
        small = photo.reshape(GRID, factor, GRID, factor, 3).mean((1, 3))
        inside = masks.person(small / 255, landmarks)
        self.ok = inside is not None
        if self.ok:
            self._shape(landmarks, inside > .5)
            self._paint(inside, factor)

    def _shape(self, landmarks, inside):
        """3-D positions of the grid's vertices; beyond the outline they fold back behind it."""
        grid = (np.mgrid[0:GRID, 0:GRID] + .5)[::-1].transpose(1, 2, 0)
        mean_points = self.joint + flattened(self.points)[0] * self.scale
        fit = scattered(grid, landmarks, landmarks - mean_points, GRID * .07)
        offset = np.median(landmarks - mean_points, 0)
        known = np.isfinite(self.z)
        z = filled(np.where(known, self.z, 0), known, (3, 8, 20, 60))
        z = gaussian_filter(lookup(z[..., None], grid - fit, "nearest")[..., 0], 1)
        distance, nearest = distance_transform_edt(~inside, return_indices=True)
        depth = np.where(inside, z, z[nearest[0], nearest[1]])
        # inside, outlines bend back, too
        inner = np.minimum(distance_transform_edt(inside) / self.scale, ROUND)
        bend = ROUND - np.sqrt(np.maximum(ROUND ** 2 - (ROUND - inner) ** 2, 0))
        depth = depth - np.where(inside, .6 * bend, .6 * ROUND)
        edge = grid[nearest[0], nearest[1]]
        angle = np.minimum(distance / STEPS, 1)[..., None] * (np.pi / 3)
        outwards = (grid - edge) / np.maximum(distance, 1e-6)[..., None]
        at = np.where(inside[..., None], grid, edge - outwards * (1 - np.cos(angle)) * ROUND * self.scale)
        depth = depth - np.where(inside, 0, np.sin(angle[..., 0]) * ROUND)
        at, depth = (np.where(inside.reshape(GRID, GRID, *[1] * (a.ndim - 2)), a, gaussian_filter(a, (1.5, 1.5, 0)[:a.ndim])) for a in (at, depth))
        flat = (at - self.joint - offset) / self.scale * ((CAMERA_DISTANCE - depth) / CAMERA_DISTANCE)[..., None]
        self.positions = np.stack([flat[..., 0], -flat[..., 1], depth], -1).reshape(-1, 3)
        self.origin = self.joint + offset
        used = distance < STEPS
        number = np.arange(GRID * GRID).reshape(GRID, GRID)
        whole = used[:-1, :-1] & used[1:, :-1] & used[:-1, 1:] & used[1:, 1:]
        a, b, c, d = number[:-1, :-1][whole], number[:-1, 1:][whole], number[1:, :-1][whole], number[1:, 1:][whole]
        self.faces = np.vstack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])

    def _paint(self, inside, factor):
        """The person's colours continued outwards, the backdrop's inwards."""
        person = np.clip(resized(inside[..., None].astype(np.float32), len(self.photo))[..., 0], 0, 1)
        distance = distance_transform_edt(person > .5) - distance_transform_edt(person <= .5)
        self.person = filled(self.photo, distance > 1.2 * factor, (1.5 * factor, 4 * factor, 9 * factor))
        widths = tuple(w * factor for w in (2, 5, 12, 30, 60))
        self.backdrop = filled(self.photo, distance < -4 * factor, widths)

    def turned(self, degrees):
        """S x S x 3 float: the head turned by so much."""
        size = len(self.photo)
        factor = size / GRID
        landmarks = self.points
        flat, depth = flattened(turned(self.positions, degrees, landmarks))
        where = (self.origin + flat * self.scale) * factor
        pixel, face, weights, near, area = fragments(where, depth, self.faces, size, size)
        front = area[face] < 0
        pixel, face, weights, near = pixel[front], face[front], weights[front], near[front]
        order = np.lexsort((near, pixel))
        order = order[np.r_[True, pixel[order][1:] != pixel[order][:-1]]]
        source = ((np.mgrid[0:GRID, 0:GRID] + .5)[::-1].transpose(1, 2, 0) * factor).reshape(-1, 2)
        found = (source[self.faces[face[order]]] * weights[order][..., None]).sum(1)
        result = self.backdrop.reshape(-1, 3).copy()
        covered = np.zeros(size * size, bool)
        covered[pixel[order]] = True
        parts, _ = label(covered.reshape(size, size))     # what the turn has cut off, a far ear
        covered &= (parts == np.bincount(parts[parts > 0]).argmax()).ravel()
        colour = lookup(self.person, found[:, None], "nearest")[:, 0]
        picture = np.zeros((size * size, 3))
        picture[pixel[order]] = colour
        cover = covered.reshape(size, size)
        soft = gaussian_filter(cover.astype(np.float32), .4 * factor)
        picture = filled(picture.reshape(size, size, 3), cover, (1.5 * factor,))
        return result.reshape(size, size, 3) * (1 - soft[..., None]) + picture * soft[..., None]
