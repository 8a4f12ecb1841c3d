# SPDX-License-Identifier: GPL-3.0-or-later
"""FFHQ alignment (arXiv 1812.04948, appendix A): from a photo to the square crop that encoder and generator know.

A quad is (centre, x, y): the square's centre and its half axes to the right and down, in photo pixels.
"""
import glob
import hashlib
import os

import numpy as np
import torch
from PIL import Image

from .landmarks import INPUT

SIZES = (128, 256)
HOLD_OUT = 50
MAX_SPREAD = 0.028      # above it the landmarks disagree between jittered crops: the alignment failed
ROUNDS = 5
JITTER = ((0, 0, 1), (0.06, 0, 1.06), (-0.06, 0, 0.95), (0, 0.06, 1), (0, -0.06, 1))   # shift right, shift down, scale


def quad_of(landmarks):
    """The FFHQ square of 68 landmarks."""
    left, right = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    mouth = (landmarks[48] + landmarks[54]) / 2
    eyes = (left + right) / 2
    eye_to_eye, eye_to_mouth = right - left, mouth - eyes
    x = eye_to_eye - eye_to_mouth[::-1] * [-1, 1]
    x = x / np.hypot(*x)
    x = x * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    return eyes + eye_to_mouth * 0.1, x, x[::-1] * [-1, 1]


def crop(image, quad, size):
    """The quad's content of a PIL image at size x size; outside of the photo it is mirrored."""
    centre, x, y = quad
    corners = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    pad = int(np.ceil(max(0, -corners.min(), (corners.max(0) - image.size).max()))) + 4
    padded = np.pad(np.asarray(image), ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    corners = (corners + pad).reshape(-1)
    return Image.fromarray(padded).transform((2 * size, 2 * size), Image.QUAD, tuple(corners), Image.BICUBIC).resize(
        (size, size), Image.LANCZOS)


def to_crop(points, quad, size):
    """Photo coordinates -> pixels of the crop."""
    centre, x, y = quad
    d = np.asarray(points) - centre
    return np.stack([(d @ x / (x @ x) + 1) / 2, (d @ y / (y @ y) + 1) / 2], -1) * size


def first_quad(image, cascade):
    """A rough square from the LBP face detector, or where a portrait usually has its face."""
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    found = cascade.detect_multi_scale(img=pixels, scale_factor=1.2, step_ratio=1.5, min_size=(width // 4, width // 4),
                                       max_size=(int(width * 0.8),) * 2)
    if found:
        box = max(found, key=lambda b: b["width"])
        centre = np.array([box["c"] + box["width"] / 2, box["r"] + box["height"] * 0.52])
        half = box["width"] * 0.82
    else:
        centre, half = np.array([width * 0.5, height * 0.4]), width * 0.31
    return (centre, np.array([half, 0.0]), np.array([0.0, half])), bool(found)


def refine(image, quad, network):
    """One round: landmarks (photo pixels) as the median over jittered crops, attributes, and how much the crops disagree."""
    centre, x, y = quad
    quads = [(centre + x * right + y * down, x * scale, y * scale) for right, down, scale in JITTER]
    crops = np.stack([np.asarray(crop(image, q, INPUT)) for q in quads])
    with torch.no_grad():
        found, attributes = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1)
    points = np.stack([c + p[:, :1] * u + p[:, 1:] * v for p, (c, u, v) in zip(found.numpy(), quads)])
    landmarks = np.median(points, 0)
    return landmarks, attributes.numpy().mean(0), np.abs(points - landmarks).mean() / np.hypot(*x)


def align_photo(image, network, cascade):
    """-> (landmarks in photo pixels, quad, attributes, spread)"""
    quad, _ = first_quad(image, cascade)
    for _ in range(ROUNDS):
        landmarks, attributes, spread = refine(image, quad, network)
        quad = quad_of(landmarks)
    return landmarks, quad, attributes, spread


def hold_out(ids, count=HOLD_OUT):
    """Boolean mask of the `count` ids with the smallest SHA-256."""
    order = sorted(range(len(ids)), key=lambda i: hashlib.sha256(str(ids[i]).encode()).hexdigest())
    held = np.zeros(len(ids), bool)
    held[order[:count]] = True
    return held


def align_folder(folder, network, leave_out=(), report=print):
    """All photos (*.jpg) of a folder -> {size: arrays}. Failed alignments and the ids in leave_out are dropped."""
    from skimage import data
    from skimage.feature import Cascade
    cascade = Cascade(data.lbp_frontal_face_cascade_filename())
    rows, dropped = [], []
    paths = sorted(glob.glob(os.path.join(folder, "*.jpg")))
    for number, path in enumerate(paths):
        name = os.path.splitext(os.path.basename(path))[0]
        image = Image.open(path).convert("RGB")
        landmarks, quad, attributes, spread = align_photo(image, network, cascade)
        if name in leave_out or spread > MAX_SPREAD:
            dropped.append(name)
            continue
        crops = {size: np.asarray(crop(image, quad, size)) for size in SIZES}
        rows.append((name, landmarks, quad, attributes, spread, crops))
        if number % 50 == 0:
            report(f"aligned {number + 1} of {len(paths)}")
    report(f"{len(rows)} aligned, dropped: {' '.join(dropped) or 'none'}")
    ids = np.array([row[0] for row in rows])
    common = dict(id=ids, hold=hold_out(ids), ok=np.ones(len(rows), bool), quad=np.array([np.stack(row[2]) for row in rows]),
                  par=np.array([row[3] for row in rows], np.float32), spread=np.array([row[4] for row in rows], np.float32))
    return {size: dict(common, img=np.stack([row[5][size] for row in rows]),
                       lm=np.stack([to_crop(row[1], row[2], size) for row in rows]).astype(np.float32)) for size in SIZES}
