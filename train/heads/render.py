# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders one head to an 8-bit sRGB picture with its 68 landmarks."""
import numpy as np
from scipy.ndimage import zoom

from .lighting import light
from .materials import surface_of
from .model import LANDMARKS, head_model
from .raster import smoothed_normals
from .scene import LAYERS, frame_ffhq, pose, project, visible_fragments


def background(head, width, height, random):
    """Backdrop in linear light: a straight (0) or round (1) gradient or soft blobs (2)."""
    near = np.array(head.get("bg", [.2, .22, .25]))
    far = np.array(head.get("bg2", near * .5))
    kind, longest = head.get("bgkind", 0), max(width, height)
    row, column = np.mgrid[0:height, 0:width] / longest
    if kind == 0:
        angle = head.get("bgang", .5)
        t = np.clip(.5 + (column - .5) * np.cos(angle) + (row - .5) * np.sin(angle), 0, 1)
    elif kind == 1:
        t = np.clip(np.hypot(column - .5, row - .4) * 1.3, 0, 1)
    else:
        blobs = np.pad(random.rand(9, 9), 1, mode="edge")
        t = zoom(blobs, longest / 8 + 1, order=3)[:longest, :longest][:height, :width]
        t = np.clip((t - t.min()) / (np.ptp(t) + 1e-6), 0, 1)
    return (near * (1 - t[..., None]) + far * t[..., None]).astype(float)


def composite(at, colour, picture):
    """Lays the fragments over the picture (height x width x 3), farthest layer first."""
    flat = picture.reshape(-1, 3)
    for layer in range(LAYERS - 1, -1, -1):
        here = at.layer == layer
        alpha = at.alpha[here, None]
        flat[at.pixel[here]] = flat[at.pixel[here]] * (1 - alpha) + colour[here] * alpha
    return picture


def develop(picture, head, random):
    """Linear light -> 8 bit: exposure, a soft shoulder, gamma, sensor noise."""
    height, width = picture.shape[:2]
    picture = picture * head.get("exposure", 1.)
    picture = np.where(picture < .55, picture, .55 + .45 * (1 - np.exp(-(picture - .55) / .45)))
    picture = np.clip(picture, 0, 1) ** (1 / 2.2)
    grain = random.randn(height, width, 1) * .006 + random.randn(height, width, 3) * .004
    return (np.clip(picture + grain * head.get("noise", 1), 0, 1) * 255 + .5).astype(np.uint8)


def render(head, width, height=None, supersampling=2, frame=frame_ffhq, detail=1, model=None):
    """-> picture (height x width x 3 uint8), landmarks (68 x 2, pixels).

    `frame` places the projected head on the screen; detail > 1 rounds the meshes and refines the shadows for large pictures.
    """
    height = height or width
    model = model or head_model()
    random = np.random.RandomState(head.get("seed", 0))
    w, h = width * supersampling, height * supersampling
    scene = pose(model, head)
    if detail > 1:
        scene.normals = smoothed_normals(scene.normals, scene.faces)
    project(scene, w, h, frame)
    at = visible_fragments(scene, w, h, detail)
    colour = light(scene, surface_of(scene, at), detail)
    picture = composite(at, colour, background(head, w, h, random))
    picture = picture.reshape(height, supersampling, width, supersampling, 3).mean((1, 3))
    return develop(picture, head, random), scene.screen[LANDMARKS] / supersampling
