# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo age pairs: an aged and a rejuvenated version of a real portrait; and the same photo with hair of another colour.

There is no photo of the same person at two ages to learn from, so one is made, within the limits of picture
processing: shape by the young-to-old morph of the mean head, folds and wrinkles by shading, spots, greying of hair
and brows; the other way round, smoothing of the skin and darkening of grey hair. Skin and hair change separately, so that
pairs can tell them apart.
"""
import numpy as np
from scipy.ndimage import gaussian_filter

from . import masks, wrinkles
from .masks import LUMA, luma


def masked_blur(image, mask, sigma):
    """Gaussian blur that takes colour only from where the mask is."""
    sigma = (sigma, sigma, 0) if image.ndim == 3 else sigma
    weight = mask[..., None] if image.ndim == 3 else mask
    return gaussian_filter(image * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-3)


def spots(size, height, random):
    """Blotchy pigment of old skin, about 0..1."""
    coarse = gaussian_filter(random.randn(size, size), 0.09 * height)
    fine = gaussian_filter(random.randn(size, size), 0.028 * height)
    blotch = coarse / coarse.std() * 0.5 + fine / fine.std() * 0.7
    return np.clip(blotch - 0.8, 0, 1.5) / 1.5


def age_skin(rgb, mask, landmarks, amount, random):
    """Folds, spots and stronger own lines on the skin; amount 0..1."""
    size = len(rgb)
    height = masks.face_frame(landmarks)[3]
    y = np.maximum(luma(rgb), 0.02)
    # what lines the face has already become deeper; the finest detail is noise and stays
    log_y = np.log(y)
    own = gaussian_filter(log_y, 0.012 * height) - masked_blur(log_y, mask + 1e-3, 0.09 * height)
    own = np.clip(own, -0.25, 0.12)
    change = wrinkles.draw(landmarks, size, random) + 0.7 * own * (1 - masks.features(landmarks, size))
    change = np.clip(change, -0.5, 0.16) * amount
    texture = gaussian_filter(random.randn(size, size), 0.012 * height)
    change = change + 0.018 * amount * texture / texture.std()
    pigment = spots(size, height, random)[..., None] * np.array([0.07, 0.12, 0.14]) * amount
    aged = rgb * np.exp(change)[..., None] * (1 - pigment)
    grey = luma(aged)[..., None]
    aged = grey + (aged - grey) * (1 - 0.12 * amount)
    return rgb + (aged - rgb) * mask[..., None]


def rejuvenate_skin(rgb, mask, landmarks, amount):
    """Lines and folds are lifted towards the smooth skin around them; amount 0..1."""
    size = len(rgb)
    _, _, down, height = masks.face_frame(landmarks)
    log_rgb = np.log(np.maximum(rgb, 0.02))
    y = log_rgb @ LUMA
    weight = mask + 1e-3
    soft = masked_blur(y, weight, 0.05 * height)
    fine, middle = y - soft, soft - masked_blur(y, weight, 0.14 * height)
    # the shading of nose, jaw and temples is shape, not age
    nose = masks.polygon(np.vstack([landmarks[27:28], landmarks[31:36] + down * 0.05 * height]), size)
    shape = np.clip(gaussian_filter(nose, 0.06 * height) * 1.3, 0, 1)
    inner = np.clip(gaussian_filter((mask > 0.5).astype(np.float32), 0.10 * height) * 2 - 1, 0, 1)
    lift = np.where(fine < 0, 0.80, 0.55) * fine + np.where(middle < 0, 0.75, 0.25) * middle * (1 - shape) * inner
    own_colour = log_rgb - y[..., None]
    smooth_colour = masked_blur(own_colour, weight, 0.04 * height)
    colour = own_colour + (smooth_colour - own_colour) * 0.7 * amount
    young = np.exp((y - lift * amount)[..., None] + colour)
    grey = luma(young)[..., None]
    young = np.clip((grey + (young - grey) * (1 + 0.04 * amount)), 0, 1)
    return rgb + (young - rgb) * mask[..., None]


def _recolour(rgb, mask, level, tint, amount, contrast):
    """Hair of another pigment: its own light and dark around a new mean level."""
    y = np.maximum(luma(rgb), 0.01)
    size = len(rgb)
    base = masked_blur(y, mask + 1e-4, size / 20)
    detail = np.clip(y / np.maximum(base, 0.02), 0.2, 2.2) ** contrast
    slow = np.clip(base / max(float((base * mask).sum() / (mask.sum() + 1e-6)), 0.02), 0.6, 1.5)
    painted = np.clip((level * slow * detail)[..., None] * np.asarray(tint), 0, 1)
    return rgb + (painted - rgb) * (mask * amount)[..., None]


HAIR_AREA = 0.012       # of the picture; less is nothing to colour


def enough(mask):
    return mask.sum() > HAIR_AREA * mask.size


def hair_level(rgb, mask):
    """Mean luma and mean saturation of the hair."""
    total = mask.sum() + 1e-6
    saturation = (rgb.max(-1) - rgb.min(-1)) / np.maximum(rgb.max(-1), 0.05)
    return float((luma(rgb) * mask).sum() / total), float((saturation * mask).sum() / total)


def grey_hair(rgb, mask, brow_mask, amount, skin_level):
    """Amount 0..1; dark hair turns grey, grey hair white, as bright as the light on the face (skin_level, luma) allows."""
    if enough(mask):
        level, _ = hair_level(rgb, mask)
        target = level + (max(min(0.68, 1.1 * skin_level + 0.06), level + 0.08) - level) * (0.35 + 0.65 * amount)
        rgb = _recolour(rgb, mask, min(target, 0.82), [1.0, 0.995, 0.985], min(1, amount * 1.15), 0.55)
    pale = luma(rgb)[..., None] * 0.35 + 0.40
    return rgb + (pale - rgb) * (brow_mask * 0.6 * amount)[..., None]


DARK_HAIR = np.array([[1.22, 0.97, 0.74], [1.32, 0.94, 0.64], [1.12, 0.98, 0.84]])
LIGHT_HAIR = np.array([[1.22, 0.97, 0.66], [1.17, 0.97, 0.80], [1.28, 0.94, 0.62]])


def darken_hair(rgb, mask, brow_mask, amount, random):
    """Grey or white hair gets a dark pigment back; hair that has its colour only deepens a little."""
    if enough(mask):
        level, saturation = hair_level(rgb, mask)
        greyness = np.clip((0.38 - saturation) / 0.2, 0, 1) * np.clip((level - 0.22) / 0.15, 0, 1)
        target = (0.15 + 0.11 * random.rand()) * greyness + level * 0.88 * (1 - greyness)
        tint = DARK_HAIR[random.randint(len(DARK_HAIR))] * greyness + (1 - greyness)
        if greyness > 0.15:
            rgb = _recolour(rgb, mask, target, tint, amount * greyness, 0.8)
    dark = rgb * np.array([0.62, 0.57, 0.52])
    return rgb + (dark - rgb) * (brow_mask * 0.7 * amount)[..., None]


def colour_hair(rgb, mask, brow_mask, target, tint):
    """Hair and, less so, brows of another natural colour with the mean luma `target`."""
    painted = _recolour(rgb, mask, target, tint, 1.0, 0.6 if target > hair_level(rgb, mask)[0] else 0.8)
    brows = luma(rgb)[..., None] * 0.5 + 0.3 * target * np.asarray(tint)
    return painted + (brows - painted) * (brow_mask * 0.5)[..., None]


class Portrait:
    """A photo with its masks, ready to be made older or younger, or given other hair, several times."""

    def __init__(self, rgb, landmarks):
        """rgb: S x S x 3 in 0..1; landmarks: 68 x 2 pixels."""
        self.rgb = rgb
        self.landmarks = landmarks
        self.hair = masks.hair(rgb, landmarks)
        self.skin = masks.skin(rgb, landmarks) * (1 - self.hair)
        self.skin_level = float((luma(rgb) * self.skin).sum() / (self.skin.sum() + 1e-6))
        self.brows = masks.brows(rgb, landmarks) * (1 - self.hair)

    def older(self, amount, random, grey=True):
        """amount 0..1. Colour only: the shape is the caller's (fields.py)."""
        aged = age_skin(self.rgb, self.skin, self.landmarks, amount, random)
        if grey:
            aged = grey_hair(aged, self.hair, self.brows, amount * (0.75 + 0.25 * random.rand()), self.skin_level)
        return np.clip(aged, 0, 1)

    def younger(self, amount, random, dark=True):
        """amount 0..1. Colour only."""
        young = rejuvenate_skin(self.rgb, self.skin, self.landmarks, amount)
        if dark:
            young = darken_hair(young, self.hair, self.brows, amount * (0.9 + 0.1 * random.rand()), random)
        return np.clip(young, 0, 1)

    def other_hair(self, lighter, random):
        """The same photo with clearly lighter or darker hair, None if it has no hair or has such hair already."""
        if not enough(self.hair):
            return None
        level, _ = hair_level(self.rgb, self.hair)
        lightest = min(0.72, 1.05 * self.skin_level + 0.02)
        target = level + (0.5 + 0.5 * random.rand()) * (lightest - level) if lighter else level * (0.3 + 0.35 * random.rand())
        target = max(target, 0.07)
        if abs(target - level) < 0.08:
            return None
        tints = LIGHT_HAIR if target > 0.4 else DARK_HAIR
        return np.clip(colour_hair(self.rgb, self.hair, self.brows, target, tints[random.randint(len(tints))]), 0, 1)

    def lightness(self, edited):
        """How much lighter the hair of an edited version is: mean luma, 0 where there is next to no hair."""
        if not enough(self.hair):
            return 0.0
        return hair_level(edited, self.hair)[0] - hair_level(self.rgb, self.hair)[0]
