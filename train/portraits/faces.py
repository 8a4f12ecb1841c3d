# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders for the landmark network: one picture of each stranger, with wider poses, looks and light than training pairs for
the generator want.
"""
import os

import numpy as np
from PIL import Image

from heads.identity import identity
from heads.render import render

SMALL_UNITS = ("eyebrows-{}-down", "eyebrows-{}-up", "eyebrows-{}-inner-up", "eye-{}-slit", "eye-{}-opened-up", "nose-{}-elevation")
MOUTH_UNITS = ("mouth-compression", "mouth-corner-puller", "mouth-depression", "mouth-elevation", "mouth-open", "mouth-parling",
               "mouth-part-later", "mouth-protusion", "mouth-pursing", "mouth-retraction", "mouth-upward-retraction",
               "mouth-depression-retraction", "mouth-eversion")


def expression(random):
    """Some units of the face at random; both sides mostly alike."""
    units = {}
    for name in SMALL_UNITS:
        amount = random.rand() ** 2 * (random.rand() < .4)
        for side in ("left", "right"):
            units[name.format(side)] = amount * (1 if random.rand() < .8 else random.rand())
    for name in MOUTH_UNITS:
        units[name] = random.rand() ** 1.5 * .8 * (random.rand() < .15)
    return units


def face(seed):
    head = identity(seed)
    random = np.random.RandomState(seed + 2000003)
    head.update(smile=max(0, random.rand() * 1.5 - .5), yaw=float(np.clip(random.randn() * 16, -42, 42)),
                pitch=float(np.clip(random.randn() * 9, -22, 22)), roll=0, age=random.rand(), dist=float(random.uniform(6, 16)),
                gaze=(random.randn() * 10, random.randn() * 6), blink=random.rand() ** 2 * .6 * (random.rand() < .3),
                expr=expression(random), open=random.rand() * .5 * (random.rand() < .2), exposure=float(np.exp(random.randn() * .25)))
    head["key"] = [random.randn() * 1.0, random.randn() * .6 + .5, .9]
    head["keyint"], head["amb"] = .8 + 1.6 * random.rand(), .2 + .7 * random.rand()
    head["grey"] = float(np.clip((head["age"] - .35) * 1.8 * random.rand() * 1.6, 0, 1))
    return head


def write_faces(folder, first, count, step=1, size=128, report=print):
    """FOLDER/<seed>.npz as heads.quads writes them, one picture in each; those that exist are left alone."""
    os.makedirs(folder, exist_ok=True)
    for done, seed in enumerate(range(first, first + count * step, step)):
        path = os.path.join(folder, f"{seed:06d}.npz")
        if not os.path.exists(path):
            head = face(seed)
            picture, points = render(head, size * 3 // 2, supersampling=1)
            picture = np.asarray(Image.fromarray(picture).resize((size, size), Image.LANCZOS))
            partial = f"{path}.{os.getpid()}.npz"
            np.savez(partial, img=picture[None], lm=np.float32(points * 2 / 3)[None],
                     par=np.float32([[head["age"], head["smile"], head["yaw"] / 30]]))
            os.rename(partial, path)
        if done % 100 == 99:
            report(f"{done + 1} of {count} faces")
