#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pictures that test_resize.c compares with: a synthetic one, and what Pillow's bicubic makes of it.

usage: make_resize_goldens.py FOLDER"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = [(64, 64), (17, 90), (140, 20), (130, 100), (93, 40), (30, 71), (1, 1)]


def pattern(width: int, height: int) -> Image.Image:
    """Smooth waves, hard edges, single bright pixels and noise, so that overshoot is clipped at both ends."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(5)
    planes = np.stack([
        127 + 128 * np.sin(x * x / 90.0 + y / 5.0),
        255.0 * ((x // 7 + y // 5) % 2),
        rng.integers(0, 256, (height, width)),
    ], axis=-1)
    planes[height // 2, ::9] = 255
    return Image.fromarray(planes.clip(0, 255).astype(np.uint8))


def main() -> None:
    folder = Path(sys.argv[1])
    source = pattern(93, 71)
    source.save(folder / 'source.png', optimize=True)
    for width, height in SIZES:
        result = source.resize((width, height), Image.BICUBIC)
        # The test's reader refuses pictures too small for a face: tiny results are stored enlarged without change.
        if min(width, height) < 16:
            result = result.resize((width * 16, height * 16), Image.NEAREST)
        result.save(folder / f'{width}x{height}.png', optimize=True)


if __name__ == '__main__':
    main()
