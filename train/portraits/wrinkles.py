# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrinkles and folds drawn along curves that hang on the 68 landmarks.

`draw()` returns the change of log luminance of the skin: a fine dark groove with a broader bright roll on its
bulging side, as soft frontal light shows a fold. Every face gets the same set, the same on both sides: where another wrinkle
would be as likely a network learns neither.
"""
import numpy as np
from scipy.ndimage import gaussian_filter

from .masks import face_frame


def bezier(points, n=160):
    """Polyline of a quadratic or cubic Bezier curve."""
    t = np.linspace(0, 1, n)[:, None]
    p = [np.asarray(q, float) for q in points]
    if len(p) == 3:
        return (1 - t) ** 2 * p[0] + 2 * t * (1 - t) * p[1] + t ** 2 * p[2]
    return (1 - t) ** 3 * p[0] + 3 * t * (1 - t) ** 2 * p[1] + 3 * t ** 2 * (1 - t) * p[2] + t ** 3 * p[3]


class Grooves:
    """Collects curves on a size x size plane."""

    def __init__(self, size, width):
        self.size = size
        self.width = width
        self.change = np.zeros((size, size), np.float32)

    def add(self, curve, depth, bulge, width=1.0, taper=0.25):
        """depth: log-luminance at the deepest point; bulge: unit vector towards the raised side; width in units of self.width."""
        t = np.linspace(0, 1, len(curve))
        weight = np.clip(np.minimum(t, 1 - t) / taper, 0, 1) ** 0.7
        sigma = self.width * width
        dark = self._line(curve, weight, sigma)
        light = self._line(curve + np.asarray(bulge) * sigma * 2.6, weight, sigma * 1.9)
        self.change += depth * (0.3 * light - dark)

    def _line(self, curve, weight, sigma):
        plane = np.zeros((self.size, self.size), np.float32)
        x, y = (curve - 0.5).T
        x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
        for dx in (0, 1):
            for dy in (0, 1):
                w = weight * (1 - np.abs(x - x0 - dx)) * (1 - np.abs(y - y0 - dy))
                ok = (x0 + dx >= 0) & (x0 + dx < self.size) & (y0 + dy >= 0) & (y0 + dy < self.size)
                np.maximum.at(plane, (y0[ok] + dy, x0[ok] + dx), w[ok])
        # a straight line of ones blurred by a Gaussian peaks at 1 / (sigma sqrt(2 pi)); the splat loses about a quarter
        return gaussian_filter(plane, sigma) * sigma * np.sqrt(2 * np.pi) * 1.3


def _side(landmarks, side):
    """Points of one half of the face: side -1 is image left, +1 image right."""
    pick = {-1: dict(outer=36, inner=39, lid=(40, 41), wing=31, mouth=48, lip=59, brow=(17, 21), jaw=(6, 4, 3)),
            1: dict(outer=45, inner=42, lid=(46, 47), wing=35, mouth=54, lip=55, brow=(26, 22), jaw=(10, 12, 13))}[side]
    take = lambda i: landmarks[list(i)] if isinstance(i, tuple) else landmarks[i]
    return {name: take(index) for name, index in pick.items()}


def _folds(grooves, landmarks):
    """Nasolabial folds, marionette lines, bags under the eyes, crow's feet."""
    _, right, down, height = face_frame(landmarks)
    for side in (-1, 1):
        p = _side(landmarks, side)
        out = right * side
        start = p["wing"] + out * 0.06 * height - down * 0.12 * height
        end = p["mouth"] + out * 0.17 * height + down * 0.12 * height
        bend = (start + end) / 2 + out * 0.125 * height - down * 0.04 * height
        grooves.add(bezier([start, bend, end]), 0.22, out, 1.9)
        grooves.add(bezier([start, bend, end]), 0.13, out, 1.0)

        corner = p["mouth"] + out * 0.06 * height + down * 0.05 * height
        chin = p["mouth"] + out * 0.13 * height + down * 0.39 * height
        grooves.add(bezier([corner, (corner + chin) / 2 - out * 0.01 * height, chin]), 0.16, out, 1.3)

        lid = p["lid"].mean(0)
        for drop, depth, width in ((0.16, 0.13, 1.1), (0.25, 0.15, 1.8)):
            a = p["inner"] + down * 0.07 * height - out * 0.02 * height
            c = p["outer"] + down * (drop * 0.75) * height
            b = lid + down * (drop * 1.65) * height
            grooves.add(bezier([a, b, c]), depth, -down, width, 0.35)

        for k in range(4):
            angle = -0.55 + 0.42 * k
            ray = out * np.cos(angle) + down * np.sin(angle)
            a = p["outer"] + ray * 0.12 * height
            b = a + ray * 0.19 * height
            grooves.add(bezier([a, (a + b) / 2 + down * 0.015 * height, b]), 0.16, down, 0.8)


def _forehead(grooves, landmarks):
    """Lines across the forehead and two between the brows."""
    _, right, down, height = face_frame(landmarks)
    left, mid, end = landmarks[18], (landmarks[21] + landmarks[22]) / 2, landmarks[25]
    for k in range(3):
        rise = -down * (0.24 + 0.21 * k) * height
        inset = 0.085 + 0.05 * k
        a = left + rise + (end - left) * inset
        c = end + rise - (end - left) * inset
        m = (a + c) / 2
        wave = down * 0.075 * height
        curve = bezier([a, a * 0.6 + m * 0.4 - wave, c * 0.6 + m * 0.4 - wave, c])
        curve = curve + np.outer(np.cos(np.linspace(-4.5, 4.5, len(curve))), down) * 0.012 * height
        grooves.add(curve, 0.15, down, 0.8, 0.5)
    for side in (-1, 1):
        a = mid + right * side * 0.075 * height + down * 0.05 * height
        b = a - down * 0.23 * height + right * side * 0.02 * height
        grooves.add(bezier([a, (a + b) / 2 + right * side * 0.012 * height, b]), 0.15, right * side, 0.9)


def draw(landmarks, size):
    """Log-luminance change of full ageing for a face with these landmarks, size x size."""
    height = face_frame(landmarks)[3]
    grooves = Grooves(size, 0.025 * height)
    _folds(grooves, landmarks)
    _forehead(grooves, landmarks)
    return grooves.change
