# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo pairs of real portraits: the same photo with another yaw, smile, age or hair, as far as a picture can be bent and
painted.

A wide smile closes convincingly (the target's lip pixels look up the source's lips and the teeth vanish); used the
other way round, from the closed mouth to the photo, such a pair teaches real smiles with real teeth. So smiles are
mostly taken away here.
"""
import numpy as np
from PIL import Image

from .age import Portrait
from .bend import Bend
from .fields import Fields, nearest
from .relief import Relief

YAWS = list(range(-16, 17, 4))          # degrees; photos are taken to have one of these
SMILES = [0, .25, .5, .75, 1., 1.25, 1.5]
WIDEST, OPEN, CLOSED = 4, 3, 2          # SMILES that photos are taken to have: at most, from where teeth show, up to where they do not
MEAN_AGE = .5
FULL_AGE = .8                           # label difference of the strongest ageing
HAIR = 1.3                              # label difference of a change of the hair's luma by 1 (heads.labels.hair_lightness)
MOUTH = .2                              # how much wider a smile of 1 makes the mouth, beyond the mean head's
SMALL_TURNS = ((-18, -8), (8, 18))      # degrees that a portrait is bent by
LARGE_TURNS = ((-21, -14), (14, 21))    # degrees of a relief's label
RELIEF = 1.3                            # a relief turned by so much more reads, by landmarks, as a head turned by 1
SMILE_PAIRS = 3


def bend_label(degrees):
    """What a portrait bent by so much reads as, by landmarks: yaw / 30 (48 portraits at 11, 22 and 34 degrees: .22, .43, .55)."""
    return degrees * (.022 - .00016 * abs(degrees))


def to_u8(image):
    return np.clip(image + .5, 0, 255).astype(np.uint8)


def reduced(image, size):
    return np.asarray(Image.fromarray(to_u8(image)).resize((size, size), Image.LANCZOS))


def smile_jobs(labels, yaw, random):
    """(source state, target state, label change) of a photo's smile pairs; labels: age, smile, yaw / 30."""
    smile = nearest(range(WIDEST + 1), np.clip(labels[1], 0, 1) * WIDEST)
    others = list(random.permutation([k for k in range(WIDEST) if k < smile or k <= CLOSED and k != smile]))
    if smile >= CLOSED:
        others = [0] + [k for k in others if k != 0]
    others = (others * SMILE_PAIRS)[:SMILE_PAIRS]
    if smile >= OPEN:
        others.append(smile + 2)
    return [((yaw, SMILES[smile], MEAN_AGE), (yaw, SMILES[other], MEAN_AGE), (0, SMILES[other] - SMILES[smile], 0, 0)) for other in others]


def pose_pairs(photo, landmarks, labels, fields, random):
    """-> [(picture at fields.size, label change)] of one photo: turned a little by bending, turned more as a relief, where it has a
    plain backdrop, and with other smiles. landmarks in pixels of fields.size."""
    photo = photo.astype(np.float32)
    yaw = int(nearest(YAWS, labels[2] * 30))
    bend, relief = Bend(photo, landmarks, yaw), Relief(photo, landmarks, yaw)
    small, large = ([random.uniform(*interval) for interval in turns] for turns in (SMALL_TURNS, LARGE_TURNS))
    result = [(reduced(bend.turned(turn), fields.size), (0, 0, bend_label(turn), 0)) for turn in small]
    result += [(reduced(relief.turned(RELIEF * turn), fields.size), (0, 0, turn / 30, 0)) for turn in large if relief.ok]
    for source, target, change in smile_jobs(labels, yaw, random):
        warped = fields.warp(photo, landmarks, source, target, 1 + MOUTH * change[1])
        result.append((reduced(warped, fields.size), change))
    return result


def age_pairs(photo, landmarks, labels, fields, random):
    """-> [(picture at the photo's size, label change)]: older, a little older, younger, a little younger, one of each two with
    its hair as it is; then lighter and darker hair, where there is any."""
    portrait = Portrait(photo / 255., landmarks)
    yaw, smile = int(nearest(range(-24, 25, 8), labels[2] * 30)), nearest((0, .5, 1.), labels[1])
    result = []
    for sign in (1, -1):
        hair_too = random.permutation(2)
        for amount, hair in zip((1., .35 + .3 * random.rand()), hair_too):
            amount = round(amount * 5) / 5      # few states of the mean head
            edited = portrait.older(amount, random, hair) if sign > 0 else portrait.younger(amount, random, hair)
            ages = (.4, round(.4 + .6 * amount, 2)) if sign > 0 else (.7, round(.7 - .6 * amount, 2))
            warped = fields.warp(edited * 255, landmarks, (yaw, smile, ages[0]), (yaw, smile, ages[1]))
            result.append((to_u8(warped), (FULL_AGE * sign * amount, 0, 0, HAIR * portrait.lightness(edited))))
    for lighter in (True, False):
        edited = portrait.other_hair(lighter, random)
        if edited is not None:
            result.append((to_u8(edited * 255), (0, 0, 0, HAIR * portrait.lightness(edited))))
    return result


def all_pairs(kind, real, report=print):
    """Pairs of every portrait that is not held out. real: {128: arrays, 256: arrays} of align.py -> arrays of the file."""
    large = real[256]["img"]
    rows = [i for i in range(len(large)) if not real[128]["hold"][i]]
    fields = Fields(128) if kind == "pose" else Fields(256, softness=2.5)
    sources, images, changes = [], [], []
    for number, i in enumerate(rows):
        labels, random = real[128]["par"][i], np.random.RandomState(1000 + i)
        landmarks = real[fields.size]["lm"][i].astype(float)
        for image, change in (pose_pairs if kind == "pose" else age_pairs)(large[i], landmarks, labels, fields, random):
            sources.append(i), images.append(image), changes.append(change)
        if number % 20 == 19:
            report(f"{kind} pairs: {number + 1} of {len(rows)} portraits")
    return dict(src=np.array(sources), img=np.stack(images), delta=np.array(changes, np.float32))
