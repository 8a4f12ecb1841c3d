# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo age pairs: an aged and a rejuvenated version of a real portrait; and the same photo with hair of another colour.

There is no photo of the same person at two ages to learn from, so one is made, within the limits of picture
processing: what older and younger people differ by in colour and detail (prototype.py), shape by the young-to-old morph of the mean head,
folds and wrinkles by shading, greying of hair and brows; the other way round, smoothing of the skin and darkening of grey hair. Skin and hair
change separately, so that pairs can tell them apart. Nothing is left to chance: what cannot be told from the photo a network learns as crackle.
"""
import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from . import masks, prototype, wrinkles
from .masks import LUMA, luma


def masked_blur(image, mask, sigma):
    """Gaussian blur that takes colour only from where the mask is."""
    sigma = (sigma, sigma, 0) if image.ndim == 3 else sigma
    weight = mask[..., None] if image.ndim == 3 else mask
    return gaussian_filter(image * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-3)


OLDER, YOUNGER = 50, -35        # years of the prototype in a whole change: it knows youth from people of some 47 years,
SMOOTHED = 0.75                 # so that the rest of it are lines lifted, by so much
DEEPENED = np.array([0.4, 1.1, 2.0])            # what of the change of the bands' strength is made: fine detail is mostly noise
DARKEST_LINE, LIGHTEST_LINE = -0.2, 0.1         # of the detail that becomes stronger


def with_years(rgb, skin, hair, landmarks, years, changes):
    """A face older or younger by so many years of a prototype's changes, which are for these landmarks."""
    size = len(rgb)
    colour, strength = changes
    inside = gaussian_filter(masks.face_oval(landmarks, size), 2) * masks.features(landmarks, size)
    face = np.maximum(skin, inside * (1 - hair)) * (1 - 0.85 * masks.eyes_and_mouth(landmarks, size))      # of them a prototype knows only the blur
    face = face * (1 - np.clip(gaussian_filter(maximum_filter(hair, 9), 3), 0, 1))
    detail = np.clip(prototype.bands(rgb), DARKEST_LINE, LIGHTEST_LINE).transpose(1, 2, 0)
    detail = ((np.exp(np.clip(strength * years * DEEPENED, -1.2, 1.2)) - 1) * detail).sum(-1)
    return np.clip(rgb * np.exp(years * colour * face[..., None] + (detail * skin)[..., None]), 0, 1)


def wrinkled(rgb, mask, landmarks, amount):
    """Folds and wrinkles drawn on the skin; amount 0..1."""
    return rgb * np.exp(wrinkles.draw(landmarks, len(rgb)) * amount * mask)[..., None]


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


HAIR_AREA = 0.05        # of the picture; less is no hair, a fringe, or a mask that found a part of it only: nothing to colour.
SOLID = 0.4             # How much of a mask is surely hair; less is the rim of a bald head, or again only a part
DARKEST = 0.11          # luma of hair
DARKER, LIGHTER = 1.3, 0.75     # contrast of strands beside what they had: dark hair shines here and there or is a black shape
SOFT = 0.05             # luma over which a wish for darker or lighter hair meets what hair can be
DARK_HAIR, LIGHT_HAIR = np.array([1.22, 0.97, 0.74]), np.array([1.22, 0.96, 0.68])     # tints


def enough(mask):
    return mask.sum() > HAIR_AREA * mask.size and (mask > 0.9).sum() > SOLID * (mask > 0.1).sum()


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


def darken_hair(rgb, mask, brow_mask, amount):
    """Grey or white hair gets a dark pigment back; hair that has its colour only deepens a little."""
    if enough(mask):
        level, saturation = hair_level(rgb, mask)
        greyness = np.clip((0.38 - saturation) / 0.2, 0, 1) * np.clip((level - 0.22) / 0.15, 0, 1)
        target = 0.2 * greyness + level * 0.88 * (1 - greyness)
        tint = DARK_HAIR * greyness + (1 - greyness)
        if greyness > 0.15:
            rgb = _recolour(rgb, mask, target, tint, amount * greyness, 0.8)
    dark = rgb * np.array([0.62, 0.57, 0.52])
    return rgb + (dark - rgb) * (brow_mask * 0.7 * amount)[..., None]


def colour_hair(rgb, mask, brow_mask, target, tint):
    """Hair and, less so, brows of another natural colour with the mean luma `target`."""
    painted = _recolour(rgb, mask, target, tint, 1.0, LIGHTER if target > hair_level(rgb, mask)[0] else DARKER)
    brows = luma(rgb)[..., None] * 0.5 + 0.3 * target * np.asarray(tint)
    return painted + (brows - painted) * (brow_mask * 0.5)[..., None]


def as_hair_can_be(wish, level, lightest):
    """The luma that hair of this level gets for a wish: between DARKEST and lightest, as far as it was not beyond them before."""
    if wish < level:
        return min(level, DARKEST + SOFT * np.log1p(np.exp((wish - DARKEST) / SOFT)))
    return max(level, lightest - SOFT * np.log1p(np.exp((lightest - wish) / SOFT)))


class Portrait:
    """A photo with its masks, ready to be made older or younger, or given other hair, several times."""

    def __init__(self, rgb, landmarks, changes):
        """rgb: S x S x 3 in 0..1; landmarks: 68 x 2 pixels; changes: of colour and detail by a year, S x S x 3 and
        S x S x bands (prototype.Prototype.changes)."""
        self.rgb = rgb
        self.landmarks = landmarks
        self.changes = changes
        self.hair = masks.own_hair(rgb, landmarks)
        self.has_hair = enough(self.hair)
        self.skin = masks.skin(rgb, landmarks) * (1 - self.hair)
        self.skin_level = float((luma(rgb) * self.skin).sum() / (self.skin.sum() + 1e-6))
        self.brows = masks.brows(rgb, landmarks) * (1 - self.hair)

    def _with_years(self, years):
        return with_years(self.rgb, self.skin, self.hair, self.landmarks, years, self.changes)

    def older(self, amount, grey=True):
        """amount 0..1. Colour only: the shape is the caller's (fields.py)."""
        aged = wrinkled(self._with_years(OLDER * amount), self.skin, self.landmarks, amount)
        return np.clip(grey_hair(aged, self.hair, self.brows, amount, self.skin_level) if grey else aged, 0, 1)

    def younger(self, amount, dark=True):
        """amount 0..1. Colour only."""
        young = rejuvenate_skin(self._with_years(YOUNGER * amount), self.skin, self.landmarks, SMOOTHED * amount)
        return np.clip(darken_hair(young, self.hair, self.brows, amount) if dark else young, 0, 1)

    def other_hair(self, wish):
        """The same photo with hair lighter by `wish` (mean luma; darker below 0) as far as hair can be that. Only if it has_hair."""
        level, _ = hair_level(self.rgb, self.hair)
        target = as_hair_can_be(level + wish, level, min(0.72, 1.05 * self.skin_level + 0.02))
        tint = LIGHT_HAIR if target > 0.4 else DARK_HAIR
        return np.clip(colour_hair(self.rgb, self.hair, self.brows, target, tint), 0, 1)

    def lightness(self, edited):
        """How much lighter the hair of an edited version is: mean luma, 0 where there is next to no hair."""
        if not self.has_hair:
            return 0.0
        return hair_level(edited, self.hair)[0] - hair_level(self.rgb, self.hair)[0]
