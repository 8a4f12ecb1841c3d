# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo pairs of real portraits: the same photo with another yaw, smile, age or hair, as far as a picture can be bent and
painted.

Lips close over their own teeth (lips.py); teeth that nobody has seen are another portrait's (mouths.py); warps change smiles only as far as
lips stay as they are.
"""
import functools

import numpy as np
from PIL import Image

from . import lips, prototype
from .age import Portrait
from .fields import Fields, nearest
from .mouths import Mouths
from .turn import Turn

SIDE = 128                              # of the pictures, those of age excepted
CELLS = 32                              # where things move is told for so many cells along a side
YAWS = list(range(-16, 17, 4))          # degrees; photos are taken to have one of these
SMILES = [0, .25, .5, .75, 1., 1.25, 1.5]
OPEN, CLOSED = 3, 2                     # numbers into SMILES: from where teeth show, up to where they do not
MOUTHS = 2                              # of broad smiles,
LEAST = .15                             # unless they are no more of a change than this
SHUTS = 2.                              # so much less of a smile shuts a mouth that is half a mouth open: lips go the same way for everybody, until they meet
PARTLY = .35, .7                        # shares of the opening
SOBERS = 1.5                            # how much of the mean head's smile is taken back, once the lips have met, for the rest of a whole smile less
MEAN_AGE = .5
FULL_AGE = .8                           # label difference of the strongest ageing
HAIR = 1.3                              # label difference of a change of the hair's luma by 1 (heads.labels.hair_lightness)
WISHES = .1, .4                         # changes of the hair's luma; what hair cannot be is asked for, too, and not given
MOUTH = .2                              # how much wider a smile of 1 makes the mouth, beyond the mean head's
TURNS = ((-27, -16), (-16, -8), (8, 16), (16, 27))      # degrees, one of each


def to_u8(image):
    return np.clip(image + .5, 0, 255).astype(np.uint8)


def reduced(image, size):
    return np.asarray(Image.fromarray(to_u8(image)).resize((size, size), Image.LANCZOS))


def pose_pairs(photo, landmarks, labels, random):
    """-> [(picture of side SIDE, label change, flows)] of one photo with its head turned a little and far, to both sides. labels: age,
    smile, yaw / 30; landmarks in pixels of SIDE; flows: of Turn, CELLS wide."""
    head = Turn(photo.astype(np.float32), landmarks, int(nearest(YAWS, labels[2] * 30)))
    result = []
    for turn in [random.uniform(*interval) for interval in TURNS]:
        source = head.source(turn)
        result.append((reduced(head.seen(source), SIDE), (0, 0, turn / 30, 0), head.flows(turn, source, CELLS)))
    return result


def number_of(smile):
    """The number into SMILES that comes nearest."""
    return nearest(range(len(SMILES)), smile / SMILES[1])


def warped_smiles(smile):
    """The smiles that warps can give to a face with this one, numbers into SMILES."""
    return [smile - 1, smile + 2] if smile >= OPEN else [k for k in range(CLOSED + 1) if k != smile]


def smile_pairs(row, photo, landmarks, labels, mouths, fields):
    """-> [(picture of side SIDE, label change)] of the photo of that row among the mouths'. Teeth that are clearly seen are closed over;
    who shows none is given broad smiles of others. Else warps. Landmarks in pixels of the photo."""
    yaw, own, photo = int(nearest(YAWS, labels[2] * 30)), float(labels[1]), photo.astype(np.float32)
    smile = number_of(np.clip(own, 0, 1))       # photos are taken to have no more
    states = [(yaw, amount, MEAN_AGE) for amount in SMILES]

    @functools.lru_cache(maxsize=None)
    def smiling(number):
        state = states[number]
        return fields.warp(photo, landmarks, states[smile], state), landmarks + fields.shift(states[smile], state)

    opening, result = lips.opening(photo / 255, landmarks), []
    for other in warped_smiles(smile):
        change = SMILES[other] - SMILES[smile]
        if opening is None or change > 0:
            result.append((fields.warp(photo, landmarks, states[smile], states[other], 1 + MOUTH * change), change))
    if opening is None:
        found = [] if row in mouths.broad else mouths.best(row, lambda amount: smiling(number_of(amount)), MOUTHS)
        result += [(picture, amount - own) for picture, amount in found]
    else:
        shut = SHUTS * lips.height(opening)
        result += [(lips.closed(photo / 255, landmarks, opening, share) * 255, -shut * share) for share in (*PARTLY, 1)]
        less = nearest(SMILES[1:5], SOBERS * (1 - shut))
        sober = fields.warp(result[-1][0], landmarks, (yaw, 1., MEAN_AGE), (yaw, 1. - less, MEAN_AGE), 1 - MOUTH * less)
        result.append((sober, -1.))
    return [(reduced(picture, SIDE), (0, change, 0, 0)) for picture, change in result if abs(change) >= LEAST]


def age_pairs(photo, landmarks, labels, years, fields, random):
    """-> [(picture at the photo's size, label change)]: older, a little older, younger, a little younger, one of each two with
    its hair as it is; then lighter and darker hair, where there is any. years: prototype.Prototype."""
    portrait = Portrait(photo / 255., landmarks, years.changes(landmarks))
    yaw, smile = int(nearest(range(-24, 25, 8), labels[2] * 30)), nearest((0, .5, 1.), labels[1])
    result = []
    for sign in (1, -1):
        hair_too = random.permutation(2)
        for amount, hair in zip((1., .35 + .3 * random.rand()), hair_too):
            amount = round(amount * 5) / 5      # few states of the mean head
            edited = portrait.older(amount, hair) if sign > 0 else portrait.younger(amount, hair)
            ages = (.4, round(.4 + .6 * amount, 2)) if sign > 0 else (.7, round(.7 - .6 * amount, 2))
            warped = fields.warp(edited * 255, landmarks, (yaw, smile, ages[0]), (yaw, smile, ages[1]))
            result.append((to_u8(warped), (FULL_AGE * sign * amount, 0, 0, HAIR * portrait.lightness(edited))))
    for sign in (1, -1) if portrait.has_hair else ():
        wish = sign * random.uniform(*WISHES)
        result.append((to_u8(portrait.other_hair(wish) * 255), (0, 0, 0, HAIR * wish)))
    return result


def years_of(real, rows, people):
    """The prototype of these portraits. people: a file of years of birth."""
    ages, women = prototype.read_labels(people, real[256]["id"][rows])
    smiles, yaws = real[128]["par"][rows, 1:3].T
    return prototype.fit(real[256]["img"][rows], real[256]["lm"][rows], ages, np.stack([women, smiles, yaws], 1))


def maker(kind, real, rows, people=None):
    """-> function of a portrait's row and random numbers: its pairs of that kind (pose, smile, age; for age people is a file of years of birth)."""
    photos, labels = real[256]["img"], real[128]["par"]
    landmarks = {size: real[size]["lm"].astype(float) for size in real}
    if kind == "pose":
        return lambda row, random: pose_pairs(photos[row], landmarks[SIDE][row], labels[row], random)
    fields = Fields(256, softness=2.5)
    if kind == "age":
        years = years_of(real, rows, people)
        return lambda row, random: age_pairs(photos[row], landmarks[256][row], labels[row], years, fields, random)
    mouths = Mouths(photos, landmarks[256], labels, rows)
    return lambda row, random: smile_pairs(row, photos[row], landmarks[256][row], labels[row], mouths, fields)


def all_pairs(kind, real, people=None, report=print):
    """Pairs of every portrait that is not held out. real: {128: arrays, 256: arrays} of align.py -> arrays of the file; with flow where
    it is known what goes where."""
    rows = np.nonzero(~real[128]["hold"].astype(bool))[0].tolist()
    make = maker(kind, real, rows, people)
    sources, images, changes, flows = [], [], [], []
    for number, row in enumerate(rows):
        for image, change, *flow in make(row, np.random.RandomState(1000 + row)):
            sources.append(row), images.append(image), changes.append(change), flows.extend(flow)
        if number % 20 == 19:
            report(f"{kind} pairs: {number + 1} of {len(rows)} portraits")
    known = {"flow": np.stack(flows).astype(np.float16)} if flows else {}
    return dict(src=np.array(sources), img=np.stack(images), delta=np.array(changes, np.float32), **known)
