# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample portraits that come with the program: three strangers, framed as a photographer would."""
import os

import numpy as np
from PIL import Image

from .identity import identity
from .render import render
from .scene import frame_portrait
from .textures import linear

WIDTH, HEIGHT = 840, 1050
VISIBLE = 3.5               # decimetres from the upper to the lower edge
EYES_AT = .45
JPEG_QUALITY = 90

# name -> seed of the identity, how much of its random face is kept, and what is set by hand
SAMPLES = {
    "portrait-1": (77, .45, dict(
        eth={"african": .1, "asian": .2, "caucasian": .7}, gender=.06, age=.1, smile=.34, hair="long01", browin=.7, lashden=.3,
        browthick=1.3, haircol=linear([.34, .20, .12]),
        skin=linear([.83, .66, .57]), iris=linear([.30, .24, .14]), lip=linear([.70, .40, .38]), brow="eyebrow001", yaw=-7,
        cloth=linear([.25, .38, .42]), bg=linear([.60, .63, .62]), bg2=linear([.33, .36, .38]), key=[.55, .6, .9])),
    "portrait-2": (57, .45, dict(
        eth={"african": .85, "asian": .05, "caucasian": .1}, gender=.88, age=.18, smile=.34, hair="afro01",
        haircol=linear([.09, .08, .07]),
        skin=linear([.47, .32, .24]), iris=linear([.20, .12, .07]), brow="eyebrow001", beard=.35, yaw=8,
        cloth=linear([.72, .72, .70]), bg=linear([.46, .52, .58]), bg2=linear([.22, .26, .32]), key=[-.5, .6, .9])),
    "portrait-3": (102, .45, dict(
        eth={"african": .05, "asian": .75, "caucasian": .2}, gender=.9, age=.32, smile=.34, hair="short01",
        browin=.6, haircol=linear([.12, .10, .09]),
        skin=linear([.78, .62, .50]), iris=linear([.20, .13, .08]), brow="eyebrow009", beard=.15, yaw=4,
        cloth=linear([.16, .19, .28]), bg=linear([.66, .60, .53]), bg2=linear([.40, .35, .31]), key=[.45, .55, .9])),
}


def sample_head(name):
    seed, keep, changes = SAMPLES[name]
    head = identity(seed)
    head["face"] = {target: weight * keep for target, weight in head["face"].items() if not target.startswith("asym/")}
    head.update(pitch=0, roll=0, gaze=(-changes["yaw"] * .35, 0), grey=0, freckle=0, blush=.8, keyint=1.65,
                keycol=[1, .96, .91], amb=.5,
                bgkind=1, noise=.6, neck=5.6)
    head.pop("lip", None)
    head.update(changes)
    head["browcol"] = np.asarray(head["haircol"]) * .55
    return head


def write_sample(name, folder, scale=1.0, supersampling=3):
    """Renders FOLDER/NAME.jpg; -> size in bytes"""
    frame = lambda *where: frame_portrait(*where, VISIBLE, EYES_AT)
    picture, _ = render(sample_head(name), int(WIDTH * scale), int(HEIGHT * scale), supersampling, frame, detail=3)
    path = os.path.join(folder, f"{name}.jpg")
    Image.fromarray(picture).save(path, quality=JPEG_QUALITY, optimize=True, subsampling=0)
    return os.path.getsize(path)
