#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The FFHQ crop against a plain computation of its definition (arXiv 1812.04948, appendix A) with NumPy, SciPy and Pillow: on
our rendered samples, and on 30 portraits where ../shared has them; turned, scaled and cut off at random.

usage: check-crop.py PHOTO-CROP"""
import csv
import math
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    from PIL import Image
    from scipy.ndimage import gaussian_filter
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

CROP = sys.argv[1]
ROOT = Path(__file__).resolve().parents[2]
PORTRAITS = ROOT.parent / "shared" / "portraits"
MOST = 1.5          # mean absolute difference, of 255
SUPERSAMPLING = 4


def square(points):
    """Centre and half axes of the square of (eye, eye, nose, mouth corner, mouth corner)."""
    eyes, mouth, across = (points[0] + points[1]) / 2, (points[3] + points[4]) / 2, points[1] - points[0]
    down = mouth - eyes
    x = across - down[::-1] * [-1, 1]
    x = x / np.hypot(*x) * max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
    return eyes + down * 0.1, x, x[::-1] * [-1, 1]


def bounds(corners):
    return np.concatenate([np.floor(corners.min(0)), np.ceil(corners.max(0))]).astype(int)


def fade(image, room, blur):
    """The padded picture: mirrored, more and more blurred towards its edges, and there nothing but the median."""
    left, top, right, bottom = room
    padded = np.pad(np.asarray(image, np.float32), ((top, bottom), (left, right), (0, 0)), "reflect")
    height, width = padded.shape[:2]
    row, column = np.mgrid[:height, :width].astype(np.float32)[..., None]
    mask = np.maximum(1 - np.minimum(column / left, (width - 1 - column) / right),
                      1 - np.minimum(row / top, (height - 1 - row) / bottom))
    padded += (gaussian_filter(padded, [blur, blur, 0]) - padded) * np.clip(mask * 3 + 1, 0, 1)
    padded += (np.median(padded, axis=(0, 1)) - padded) * np.clip(mask, 0, 1)
    return Image.fromarray(np.clip(np.rint(padded), 0, 255).astype(np.uint8))


def reference(image, centre, x, y, size):
    """-> crop, and what it took: (shrink, padded)"""
    corners = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]) - 0.5     # pixel centres are whole
    side = 2 * np.hypot(*x)
    shrink = int(side / size * 0.5)
    if shrink > 1:
        image = image.resize(tuple(round(v / shrink) for v in image.size), Image.LANCZOS)
        corners, side = corners / shrink, side / shrink
    border = max(round(side * 0.1), 3)
    box = bounds(corners) + np.array([-1, -1, 1, 1]) * border
    box = np.concatenate([np.maximum(box[:2], 0), np.minimum(box[2:], image.size)])
    image, corners = image.crop(tuple(box)), corners - box[:2]
    box = bounds(corners)
    room = np.maximum(np.concatenate([-box[:2], box[2:] - image.size]) + border, 0)
    padded = room.max() > border - 4
    if padded:
        room = np.maximum(room, round(side * 0.3))
        image, corners = fade(image, room, side * 0.02), corners + room[:2]
    image = image.transform((SUPERSAMPLING * size,) * 2, Image.QUAD, (corners + 0.5).flatten(), Image.BILINEAR)
    return image.resize((size, size), Image.LANCZOS), (shrink, padded)


def vary(image, points, random, largest):
    """Scaled, turned about the face, and put on a canvas whose edges may cut the square."""
    scale, angle = math.exp(random.uniform(math.log(0.6), math.log(largest))), random.uniform(-math.pi, math.pi) / 3
    image, points = image.resize(tuple(int(v * scale) for v in image.size), Image.BICUBIC), points * scale
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    canvas = (np.hypot(*(points[1] - points[0])) * random.uniform(3, 8, 2)).astype(int)
    face, place = points.mean(0), canvas * random.uniform(0.35, 0.65, 2)
    start = face - turn.T @ place
    coefficients = np.column_stack([turn.T, start]).flatten()
    return image.transform(tuple(canvas), Image.AFFINE, coefficients, Image.BICUBIC), (points - face) @ turn.T + place


def compare(image, points, size, folder):
    centre, x, y = square(points)
    expected, how = reference(image, centre, x, y, size)
    image.save(folder / "photo.png", compress_level=1)
    subprocess.run([CROP, folder / "photo.png", folder / "crop.png", str(size)] +
                   [repr(float(v)) for v in (*centre, *x, *y)], check=True)
    found = Image.open(folder / "crop.png").convert("RGB")
    return np.abs(np.float32(found) - np.float32(expected)).mean(), how


def check(number, name, pictures, folder):
    random, differences, kinds = np.random.RandomState(number), [], set()
    for path, points, size, largest in pictures:
        image, moved = vary(Image.open(path).convert("RGB"), points, random, largest)
        difference, how = compare(image, moved, size, folder)
        differences.append(difference)
        kinds.add(how)
        print(f"# {path.stem}: shrunk {how[0]}, padded {how[1]}, mean absolute difference {difference:.3f}")
    print(f"# mean {np.mean(differences):.3f}, worst {max(differences):.3f}")
    good = max(differences) <= MOST and any(shrink > 1 for shrink, _ in kinds) and any(padded for _, padded in kinds)
    print(f"{'ok' if good else 'not ok'} {number} {name}", flush=True)


def main():
    faces = {"portrait-1": (420, 420), "portrait-2": (420, 420), "portrait-3": (420, 420)}
    shape = np.array([[-80, 0], [80, 0], [0, 100], [-60, 170], [60, 170]])
    samples = [(ROOT / "data" / "samples" / f"{name}.jpg", np.array(at) + shape, size, 1.4)
               for name, at in faces.items() for size in (256, 128, 48)]
    with tempfile.TemporaryDirectory() as folder:
        print("1..2")
        check(1, "samples", samples, Path(folder))
        if not PORTRAITS.is_dir():
            print("ok 2 portraits # SKIP ../shared/portraits is not here")
            return
        with open(Path(__file__).with_name("portrait_points.csv")) as table:
            rows = list(csv.reader(line for line in table if not line.startswith("#")))[1:31]
        portraits = [(PORTRAITS / f"{row[0]}.jpg", np.array(row[1:], float).reshape(5, 2), 256 if number % 3 == 0 else 128, 6)
                     for number, row in enumerate(rows)]
        check(2, "portraits", portraits, Path(folder))


main()
