# SPDX-License-Identifier: GPL-3.0-or-later
"""Random strangers: a seed -> the parameters of a head.

Parameters (a dict): eth {african, asian, caucasian: weights}, gender 0..1, age 0..1, face {target: weight}; skin,
haircol, iris, lip, browcol, cloth, bg, bg2 (linear RGB); hair, brow, lash (proxy names; hair may be None),
browthick, browin, browup, lashden, beard, stubble, hairfade, blush, freckle, grey 0..1; smile 0..1, open, blink;
yaw, pitch, roll, turn (of the head alone, after those; not drawn here), gaze (degrees); key (direction), keyint, keycol, amb (light); bgkind, bgang; neck (height of the
neckline); seed, noise.
"""
import re

import numpy as np

from .model import head_model
from .textures import linear

OPPOSITES = (("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("compress", "uncompress"),
             ("concave", "convex"))
HEAD_FORMS = ("oval", "round", "square", "rectangular", "diamond", "triangular", "invertedtriangular")
SKIPPED = ("head-trans", "head-age", "neck-trans", "mouth-trans-in", "nose-trans-in", "head-angle", "neck-scale-vert",
           "-trans-in", "head-scale")
HAIR_COLOURS = ([.08, .07, .07], [.16, .11, .08], [.30, .20, .13], [.45, .30, .18], [.70, .55, .36], [.50, .24, .12])
IRIS_COLOURS = ([.30, .19, .10], [.20, .12, .07], [.35, .42, .50], [.35, .45, .30], [.45, .36, .20])
MALE_HAIR = ("short01", "short02", "short04", "short04", "afro01")
FEMALE_HAIR = ("bob01", "bob02", "long01", "ponytail01", "braid01", "short03", "afro01")
HAIR_ODDS = {   # (male, african): odds in the order of the tuples above
    (True, False): (.26, .22, .22, .2, .1), (True, True): (.15, .1, .2, .15, .4),
    (False, False): (.04, .12, .32, .28, .12, .1, .02), (False, True): (.03, .08, .14, .25, .12, .08, .3)}


def opposite_targets(targets):
    """Targets that are two sides of one slider: {one: other}."""
    found = {}
    for name in targets:
        if name.split("/")[0] in ("macro", "expression", "asym"):
            continue
        for one, other in OPPOSITES:
            if name.endswith("-" + one) and name[:-len(one)] + other in targets:
                found[name] = name[:-len(one)] + other
    return found


def random_face(random, targets):
    """Weights of the shape targets; left and right get the same."""
    face, weight_of = {}, {}
    for one, other in sorted(opposite_targets(targets).items()):
        if any(part in one for part in SKIPPED):
            continue
        slider = re.sub(r"/(l|r)-", "/", one)
        if slider not in weight_of:
            spread = .30 if any(part in one for part in ("eyes/", "mouth/", "nose/")) else .32
            weight_of[slider] = random.randn() * spread * (random.rand() < .6)
        weight = np.clip(weight_of[slider], -.8, .8)
        if "scale" in one or "volume" in one:
            weight *= .8
        if weight < 0:
            face[one] = -weight
        elif weight > 0:
            face[other] = weight
    forms = [name for name in targets if name.startswith("head/head-") and name.split("-")[-1] in HEAD_FORMS]
    for name in random.choice(forms, 2, replace=False):
        face[name] = random.rand() * .6
    for name in targets:
        if name.startswith("asym/") and random.rand() < .2:
            face[name] = random.rand() * .25
    return face


def random_skin(random, ethnicity):
    tone = random.rand()
    dark = linear([.33, .21, .15]) * (1 - .4 * tone) + linear([.52, .35, .26]) * .4 * tone
    tan = linear([.79, .64, .53]) * (.8 + .25 * tone)
    pale = linear([.84, .69, .62]) * (.8 + .2 * tone)
    return (ethnicity["african"] * dark + ethnicity["asian"] * tan + ethnicity["caucasian"] * pale) * (1 + random.randn(3) * .03)


def _pick_colour(random, colours, odds, spread):
    odds = np.array(odds)
    return linear(colours[random.choice(len(colours), p=odds / odds.sum())]) * np.exp(random.randn() * spread)


def _backdrop(random):
    level = random.rand() ** 1.5 * .6 + .015
    return np.clip(level * (1 + .35 * random.randn(3) * random.rand()), .005, 1)


def identity(seed, targets=None):
    """The head of a seed. The order of the draws is part of the data: changing it changes every identity."""
    targets = targets or head_model().pack.targets
    random = np.random.RandomState(seed)
    face = random_face(random, targets)
    shares = np.array([random.gamma(.35) for _ in range(3)]) + 1e-3
    ethnicity = dict(zip(("african", "asian", "caucasian"), shares / shares.sum()))
    gender = float(random.rand() < .5)
    gender = np.clip(gender * .8 + .1 + random.randn() * .08, 0, 1)
    male = gender > .5
    skin = random_skin(random, ethnicity)
    european = ethnicity["caucasian"] >= .5
    hair_colour = _pick_colour(random, HAIR_COLOURS, [.6, 1, 1.3, 1, .9, .35] if european else [1, 1, .3, .1, .03, .02], .12)
    iris = _pick_colour(random, IRIS_COLOURS, [.8, .5, .9, .5, .5] if european else [1, 1.2, .05, .05, .3], .15)
    hair = random.choice(MALE_HAIR if male else FEMALE_HAIR, p=HAIR_ODDS[bool(male), bool(ethnicity["african"] >= .4)])
    if male and random.rand() < .12:
        hair = None
    head = dict(
        eth=ethnicity, gender=gender, age=np.clip(random.beta(1, 1.6), 0, 1), face=face, skin=skin, haircol=hair_colour, iris=iris,
        hair=hair, browcol=hair_colour * .55,
        brow="eyebrow%03d" % random.choice([1, 2, 3, 4, 8, 9, 12] if male else [1, 2, 5, 8, 10, 11]),
        browthick=1.15 if male else 1.0, browin=.35 + .3 * random.rand(), browup=.15 + .3 * random.rand(),
        lash="eyelashes01", lashden=.3 if male else .5, beard=(random.rand() < .45) * random.rand() * .9 * male + .12 * male,
        stubble=.35 if hair is None else 0, hairfade=.3 if hair == "short02" else .16,
        blush=.4 + .6 * random.rand(), freckle=(random.rand() < .25) * random.rand(), smile=max(0, random.rand() * 1.3 - .3),
        yaw=random.randn() * 14, pitch=random.randn() * 6, roll=random.randn() * 3, gaze=(random.randn() * 4, random.randn() * 3),
        key=[random.randn() * .6, .25 + .6 * random.rand(), .9], keyint=1.3 + .8 * random.rand(),
        keycol=[1, .97 - .05 * random.rand(), .93 - .15 * random.rand()], amb=.4 + .3 * random.rand(), bg=_backdrop(random),
        bg2=_backdrop(random), bgkind=random.randint(3), bgang=random.rand() * 6.28, cloth=_backdrop(random),
        neck=5.55 + .2 * random.rand(), seed=seed)
    if not male and random.rand() < .6:
        head["lip"] = skin * np.array([.95, .42, .45]) * (.8 + .3 * random.rand())
    head["grey"] = np.clip((head["age"] - .35) * 1.8 * random.rand() * 1.4, 0, 1)
    return head
