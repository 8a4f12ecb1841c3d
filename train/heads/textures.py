# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural noise, image lookups and small functions shared by the materials."""
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

_random = np.random.RandomState(7)


def _noise_volume(side, sigma):
    volume = gaussian_filter(_random.randn(side, side, side), sigma, mode="wrap")
    return ((volume - volume.mean()) / volume.std()).astype(np.float32)


_VOLUME = _noise_volume(64, 1.0)
_PLANE = gaussian_filter(_random.randn(256, 256), (0.6, 0.6), mode="wrap")
_PLANE /= _PLANE.std()


def noise3(points, frequency):
    """Noise of unit variance at N x 3 points; one period is 64 / frequency."""
    return map_coordinates(_VOLUME, (points * frequency).T % 64, order=1, mode="grid-wrap")


def noise2(u, v):
    """Noise of unit variance with period 1 in both directions."""
    return map_coordinates(_PLANE, [(u * 256) % 256, (v * 256) % 256], order=1, mode="grid-wrap")


def smoothstep(low, high, x):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def linear(colour):
    """Display colour 0..1 -> linear light."""
    return np.power(np.asarray(colour, float), 2.2)


def sample(image, uv):
    """Bilinear lookup with the origin at the bottom left."""
    height, width = image.shape[:2]
    where = [np.clip((1 - uv[:, 1]) * height - .5, 0, height - 1), np.clip(uv[:, 0] * width - .5, 0, width - 1)]
    if image.ndim == 2:
        return map_coordinates(image, where, order=1)
    return np.stack([map_coordinates(image[..., k], where, order=1) for k in range(image.shape[2])], 1)
