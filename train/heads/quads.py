# SPDX-License-Identifier: GPL-3.0-or-later
"""Training quadruples: one stranger as (base, other age, other smile, other yaw), with wide turns, with all kinds of smile or with other hair,
everything else the same; or with everything else another."""
import os

import numpy as np
from PIL import Image

from .identity import HAIR_COLOURS, identity
from .labels import hair_lightness
from .model import head_model
from .render import render
from .scene import frame_ffhq, framed_as, pose
from .textures import linear


def _other(random, value, low, high, least):
    while True:
        found = low + (high - low) * random.rand()
        if abs(found - value) > least:
            return found


def quadruple(seed):
    """Four heads of one identity. Hair greys with age at the identity's own pace."""
    head = identity(seed)
    random = np.random.RandomState(seed + 1000003)
    pace = .5 + random.rand()
    head.update(noise=0, age=random.rand(), smile=max(0, random.rand() * 1.25 - .25))
    head.update(yaw=float(np.clip(random.randn() * 10, -25, 25)), pitch=random.randn() * 4, roll=random.randn() * 2)
    age = _other(random, head["age"], 0, 1, .35)
    smile = _other(random, head["smile"], 0, 1, .4)
    while True:
        yaw = head["yaw"] + random.choice([-1, 1]) * (8 + 17 * random.rand())
        if abs(yaw) < 32:
            break
    variants = [dict(head, **change) for change in ({}, {"age": age}, {"smile": smile}, {"turn": yaw - head["yaw"]})]
    for variant in variants:
        variant["grey"] = float(np.clip((variant["age"] - .35) * 1.6 * pace, 0, 1))
    return variants


def turned(seed):
    """Four heads of one identity: looking ahead, turned far to either side, and with another smile."""
    head, random = quadruple(seed)[0], np.random.RandomState(seed + 3000017)
    head["yaw"] = float(random.uniform(-8, 8))
    left, right = (float(sign * random.uniform(14, 32)) for sign in (-1, 1))
    return [dict(head, **change) for change in
            ({}, {"turn": left - head["yaw"]}, {"turn": right - head["yaw"]}, {"smile": _other(random, head["smile"], 0, 1, .4)})]


def smiling(seed):
    """Four heads of one identity: hardly smiling, not at all, half and broadly."""
    head, random = quadruple(seed)[0], np.random.RandomState(seed + 9000011)
    return [dict(head, smile=float(smile)) for smile in (random.uniform(.1, .45), 0, random.uniform(.55, .85), random.uniform(1, 1.5))]


def _hair_colour(random):
    hair = linear(HAIR_COLOURS[random.randint(len(HAIR_COLOURS))]) * np.exp(random.randn() * .12)
    return {"haircol": hair, "browcol": hair * .55, "grey": float(random.rand() * (random.rand() < .4))}


def recoloured(seed):
    """Four heads of one identity: as it is, with hair of two other colours, and of another age. Here hair does not go with age."""
    head, random = quadruple(seed)[0], np.random.RandomState(seed + 5000011)
    head["hair"] = head["hair"] or "short02"
    head.update(_hair_colour(random))
    found = []
    while len(found) < 2:
        other = dict(head, **_hair_colour(random))
        if all(abs(hair_lightness(other) - hair_lightness(known)) > .12 for known in [head, *found]):
            found.append(other)
    return [head, *found, dict(head, age=_other(random, head["age"], 0, 1, .35))]


def mixed(seed):
    """Four heads of one identity, all labels of each drawn anew and independently: for judges, who must not take one for the other."""
    head, random = quadruple(seed)[0], np.random.RandomState(seed + 7000003)
    return [dict(head, age=random.rand(), smile=max(0, random.rand() * 1.25 - .25), yaw=random.uniform(-28, 28), pitch=random.randn() * 4,
                 **_hair_colour(random)) for _ in range(4)]


KINDS = {"plain": quadruple, "turned": turned, "smiling": smiling, "recoloured": recoloured, "mixed": mixed}


def yaw_of(head):
    return head["yaw"] + head.get("turn", 0)


def photographed_alike(head, other):
    return all(head[name] == other[name] for name in ("yaw", "pitch", "roll"))


def render_quadruple(seed, size=128, render_size=192, heads=quadruple):
    """-> img (4, size, size, 3) u8, lm (4, 68, 2) pixels, par (4, 4): age, smile, yaw / 30, hair lightness. Heads that are photographed
    alike are framed alike."""
    images, landmarks, labels = [], [], []
    first, *others = heads(seed)
    like_first = framed_as(pose(head_model(), first).framing())
    for head in (first, *others):
        picture, points = render(head, render_size, supersampling=1, frame=like_first if photographed_alike(head, first) else frame_ffhq)
        images.append(np.asarray(Image.fromarray(picture).resize((size, size), Image.LANCZOS)))
        landmarks.append(points * size / render_size)
        labels.append([head["age"], head["smile"], yaw_of(head) / 30, hair_lightness(head)])
    return dict(img=np.stack(images), lm=np.array(landmarks, np.float32), par=np.array(labels, np.float32))


def write_quadruples(folder, first, count, step=1, heads=quadruple, report=print):
    """One file per identity, FOLDER/<seed>.npz; those that exist are left alone, so a run can be resumed or shared."""
    os.makedirs(folder, exist_ok=True)
    for done, seed in enumerate(range(first, first + count * step, step)):
        path = os.path.join(folder, f"{seed:06d}.npz")
        if not os.path.exists(path):
            partial = f"{path}.{os.getpid()}.npz"
            np.savez(partial, **render_quadruple(seed, heads=heads))
            os.rename(partial, path)
        if done % 20 == 19:
            report(f"{done + 1} of {count} identities")
