# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait bent until its head looks turned a little: the mean head's depth under the photo's own pixels says where a turn would
move them, and nothing tears. How fast the picture may be stretched or pressed together is bounded, and around the head the motion
fades out. So the picture is the photo, resampled once, without holes, and bending it back gives the photo.
"""
import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from .fields import lookup, resized
from .relief import GRID, PIXELS, Fit

FADE = .12                  # of the side: how far around the head the surroundings follow
SLOPES = (-.7, 1.2)         # change of the motion across the picture, by cells per cell; -1 would fold it
SHEAR = .8                  # and of the motion across, down the picture
ROUNDS = 100                # of smoothing where it is more, at most


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


class Bend:
    def __init__(self, photo, landmarks, yaw):
        """photo: S x S x 3 float, 0..255, S a multiple of GRID; landmarks: 68 x 2 in pixels of GRID; yaw: degrees, about what the head has."""
        self.photo, self.factor = photo, len(photo) // GRID
        self.fit = Fit(landmarks, yaw, 1.5)
        self.positions = self.fit.positions(PIXELS, self.fit.depth)
        self.follows = np.exp(-(distance_transform_edt(self.fit.head <= .5) / (FADE * GRID)) ** 2)

    def motion(self, degrees):
        """GRID x GRID x 2 cells: where a turn of the head by so much moves every place of the photo."""
        there = self.fit.turned(self.positions, degrees)[0].reshape(GRID, GRID, 2)
        return bounded((there - PIXELS) * self.follows[..., None])

    def turned(self, degrees):
        """S x S x 3 float: the head turned by so much; beyond some 20 degrees it looks it, but stretched."""
        motion, source, size = self.motion(degrees), PIXELS, len(self.photo)
        for _ in range(60):         # halved steps find the place that moves here also where slopes exceed 1
            source = source + (PIXELS - lookup(motion, source, "nearest") - source) / 2
        grid = (np.mgrid[0:size, 0:size] + .5)[::-1].transpose(1, 2, 0)
        x, y = (grid + resized(source - PIXELS, size) * self.factor - .5).transpose(2, 0, 1)
        return np.stack([map_coordinates(self.photo[..., k], [y, x], order=3, mode="nearest") for k in range(3)], -1)
