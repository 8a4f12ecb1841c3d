# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as a relief, so that its head can be turned: the mean head's depth under the photo's own pixels. The turn is the one of
the rendered heads (heads/scene.py), in the photo's own frame, but everything bends and nothing tears: how fast the picture may be
stretched or pressed together is bounded, and away from the head the motion fades out. So a turned portrait is a resampled photo without
holes, and turning it back gives the photo.
"""
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from heads.model import LANDMARKS, head_model
from heads.raster import fragments
from heads.scene import CAMERA_DISTANCE, ffhq_frame, flattened, turned
from .fields import MEAN_HAIR, lookup, mean_head, resized, scattered

GRID = 128                  # cells along each side of the relief
FADE = .12                  # of the side: how far around the head the surroundings follow
SLOPES = (-.7, 1.2)         # change of the motion across the picture, by cells per cell; -1 would fold it
SHEAR = .8                  # and of the motion across, down the picture
ROUNDS = 100                # of smoothing where it is more, at most
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


def continued(image, known, widths):
    """Where `known` (S x S, bool) is false, smooth values from around; the narrowest of the Gaussians that reaches anything."""
    result, missing = image.copy(), ~known
    for width in widths:
        weight = gaussian_filter(known.astype(np.float32), width)
        reached = missing & (weight > .02)
        result[reached] = (gaussian_filter(np.where(known, image, 0), width) / np.maximum(weight, 1e-6))[reached]
        missing = missing & ~reached
    return result


def bounded(motion):
    """S x S x 2, smoothed where it changes faster than SLOPES and SHEAR allow."""
    for _ in range(ROUNDS):
        across, down = np.gradient(motion[..., 0], axis=1), np.gradient(motion[..., 0], axis=0)
        steep = (across < SLOPES[0]) | (across > SLOPES[1]) | (np.abs(down) > SHEAR)
        if not steep.any():
            break
        share = np.clip(gaussian_filter(steep.astype(float), 1.5) * 3, 0, 1)[..., None]
        motion = motion * (1 - share) + gaussian_filter(motion, (1.5, 1.5, 0)) * share
    return motion


class Relief:
    def __init__(self, photo, landmarks, yaw):
        """photo: S x S x 3 float, 0..255, S a multiple of GRID; landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has."""
        self.photo, self.factor = photo, len(photo) // GRID
        z, self.points, joint, self.scale = mean_depth(yaw)
        offset = landmarks - (joint + flattened(self.points)[0] * self.scale)
        self.origin = joint + np.median(offset, 0)
        fit, known = scattered(PIXELS, landmarks, offset, GRID * .07), np.isfinite(z)

        def fitted(image):
            return lookup(image[..., None], PIXELS - fit, "nearest")[..., 0]

        depth = gaussian_filter(fitted(continued(np.where(known, z, 0), known, (3, 8, 20, 60))), 1.5)
        self.follows = np.exp(-(distance_transform_edt(fitted(known.astype(float)) <= .5) / (FADE * GRID)) ** 2)
        flat = (PIXELS - self.origin) / self.scale * ((CAMERA_DISTANCE - depth) / CAMERA_DISTANCE)[..., None]
        self.positions = np.stack([flat[..., 0], -flat[..., 1], depth], -1).reshape(-1, 3)

    def motion(self, degrees):
        """GRID x GRID x 2 cells: where a turn of the head by so much moves every place of the photo."""
        flat, _ = flattened(turned(self.positions, degrees, self.points))
        there = (self.origin + flat * self.scale).reshape(GRID, GRID, 2)
        return bounded((there - PIXELS) * self.follows[..., None])

    def turned(self, degrees):
        """S x S x 3 float: the head turned by so much."""
        motion, source, size = self.motion(degrees), PIXELS, len(self.photo)
        for _ in range(60):         # halved steps find the place that moves here also where slopes exceed 1
            source = source + (PIXELS - lookup(motion, source, "nearest") - source) / 2
        grid = (np.mgrid[0:size, 0:size] + .5)[::-1].transpose(1, 2, 0)
        x, y = (grid + resized(source - PIXELS, size) * self.factor - .5).transpose(2, 0, 1)
        return np.stack([map_coordinates(self.photo[..., k], [y, x], order=3, mode="nearest") for k in range(3)], -1)
