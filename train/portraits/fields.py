# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp fields from a mean head: where every pixel of the head in one state (yaw, smile, age) lies in another state.

Both states are framed as FFHQ crops, so a field moves an aligned portrait to another aligned portrait.
"""
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from heads.model import HEAD_JOINT, LANDMARKS, head_model
from heads.raster import fragments
from heads.scene import base_shape, flattened, frame_ffhq, rotation

MEAN_HEAD = dict(eth={"caucasian": .6, "african": .2, "asian": .2}, gender=.65)
MEAN_HAIR = "short02"
MOUTH_CORNERS = [48, 54]


@dataclass
class State:
    """The mean head in one pose: screen positions of all vertices, and per covered pixel the triangle in front."""
    screen: np.ndarray
    landmarks: np.ndarray
    pixel: np.ndarray
    corners: np.ndarray
    weights: np.ndarray


def mean_head(yaw, smile, age, proxies):
    """Positions (decimetres, relative to the head joint) and triangles of the turned head with these proxies on it; body first."""
    model = head_model()
    base = base_shape(model, dict(MEAN_HEAD, age=age, smile=smile))
    meshes = [(base, model.body_faces[0])] + [(proxy.fit(base), proxy.faces) for proxy in proxies]
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in meshes])
    positions = (np.vstack([v for v, _ in meshes]) - base[HEAD_JOINT].mean(0)) @ rotation(yaw, 0, 0).T
    return positions, np.vstack([f + start for (_, f), start in zip(meshes, starts)])


def mean_state(yaw, smile, age, size):
    model = head_model()
    hair = model.pack.proxies[MEAN_HAIR]
    positions, faces = mean_head(yaw, smile, age, (model.eyes, model.teeth, hair))
    flat, depth = flattened(positions)
    screen = frame_ffhq(flat, flat[LANDMARKS], size, size)
    pixel, face, weights, at, area = fragments(screen, depth, faces, size, size)
    front = (area[face] < 0) | (face >= len(faces) - len(hair.faces))      # hair is two-sided
    pixel, face, weights, at = pixel[front], face[front], weights[front], at[front]
    order = np.lexsort((at, pixel))
    pixel, face, weights = pixel[order], face[order], weights[order]
    first = np.r_[True, pixel[1:] != pixel[:-1]]
    return State(screen, screen[LANDMARKS], pixel[first], faces[face[first]], weights[first])


class Fields:
    """Displacement fields between states at one picture size; states and fields are kept once made.

    softness: pixels over which the field may change, in 1 / 128 of the side. Small keeps folds crisp, large keeps outlines whole.
    """

    def __init__(self, size, softness=1.0):
        self.size = size
        self.softness = softness
        self.grid = pixels(size)
        self.states, self.fields = {}, {}

    def state(self, key):
        """key: (yaw, smile, age)"""
        if key not in self.states:
            self.states[key] = mean_state(*key, self.size)
        return self.states[key]

    def shift(self, source, target):
        """How far the mean head's landmarks move."""
        return self.state(target).landmarks - self.state(source).landmarks

    def between(self, source, target):
        """size x size x 2: target pixel -> displacement to where it lies in the source, extended smoothly over the background."""
        if (source, target) not in self.fields:
            size, unit = self.size, self.size / 128 * self.softness
            here, there = self.state(target), self.state(source)
            displacement, covered = np.zeros((size * size, 2)), np.zeros(size * size)
            origin = (there.screen[here.corners] * here.weights[..., None]).sum(1)
            displacement[here.pixel] = origin - self.grid.reshape(-1, 2)[here.pixel]
            covered[here.pixel] = 1
            covered = covered.reshape(size, size)
            displacement = displacement.reshape(size, size, 2)
            far = gaussian_filter(displacement, (size / 10, size / 10, 0)) / (gaussian_filter(covered, size / 10)[..., None] + .08)
            near = gaussian_filter(displacement, (unit, unit, 0)) / np.maximum(gaussian_filter(covered, unit)[..., None], 1e-3)
            inside = np.clip((gaussian_filter(covered, 1.2 * unit)[..., None] - .3) / .6, 0, 1)
            self.fields[source, target] = (near * inside + far * (1 - inside)).astype(np.float32)
        return self.fields[source, target]

    def mouth(self, points, width):
        """size x size x 2: target pixel -> displacement to where it lies before the mouth of these landmarks became `width` times
        as wide; cheeks and chin follow a little."""
        left, right = points[MOUTH_CORNERS]
        axis = (right - left) / 2
        half = np.hypot(*axis)
        offset = self.grid - (left + right) / 2
        along = offset @ axis / half ** 2                                   # -1 and 1 at the corners
        across = offset @ np.array([-axis[1], axis[0]]) / half ** 2
        reach = np.exp((1 - along ** 2) / 1.8 ** 2 - (across / .9) ** 2)    # 1 at the corners
        return ((1 / width - 1) * along * reach)[..., None] * axis

    def warp(self, photo, landmarks, source, target, mouth=1.0):
        """An aligned photo (S x S x 3, S a multiple of self.size) moved from the source state to the target state -> float array.
        mouth: how much wider it becomes beyond that (MakeHuman's smiles hardly widen it)."""
        goal = landmarks + self.shift(source, target)
        fit = scattered(self.grid, goal, goal - self.state(target).landmarks, self.size * .07)     # this face -> mean head
        displacement = lookup(self.between(source, target), self.grid - fit, "nearest")
        if mouth != 1.0:
            inner = self.mouth(goal, mouth)
            displacement = inner + lookup(displacement, self.grid + inner, "nearest")
        factor = len(photo) // self.size
        if factor > 1:
            displacement = resized(displacement, len(photo)) * factor
        return lookup(photo, pixels(len(photo)) + displacement, "reflect")


def pixels(size):
    """size x size x 2: where the middle of every pixel is (x, y)."""
    return (np.mgrid[0:size, 0:size] + .5)[::-1].transpose(1, 2, 0)


def scattered(grid, points, values, sigma):
    """Smooth S x S x 2 field through values at the points (normalised Gaussian weights, fading to 0 far away); grid: S x S x 2 positions."""
    step = len(grid) // 32
    coarse = grid.reshape(32, step, 32, step, 2).mean((1, 3))
    weight = np.exp(-((coarse[:, :, None] - points[None, None]) ** 2).sum(-1) / (2 * sigma ** 2))
    value = (weight[..., None] * values).sum(2) / (weight.sum(2)[..., None] + .15)
    return resized(value, len(grid))


def resized(field, size):
    channels = [np.asarray(Image.fromarray(np.ascontiguousarray(field[..., k], np.float32)).resize((size, size), Image.BILINEAR))
                for k in range(field.shape[-1])]
    return np.stack(channels, -1)


def lookup(image, where, mode):
    """Bilinear values of an S x S x C image at pixel positions (x, y), pixel centres at half integers."""
    coordinates = [where[..., 1] - .5, where[..., 0] - .5]
    return np.stack([map_coordinates(image[..., k], coordinates, order=1, mode=mode) for k in range(image.shape[-1])], -1)


def nearest(options, value):
    return min(options, key=lambda option: abs(option - value))
