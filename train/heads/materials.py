# SPDX-License-Identifier: GPL-3.0-or-later
"""What each surface is made of: albedo, gloss, ambient visibility and light wrap per fragment. Colours are linear
light.
"""
import numpy as np

from .model import EYE_JOINTS, LIP_GAP
from .textures import linear, noise2, noise3, sample, smoothstep

GREY_HAIR, GREY_BROW, GREY_BEARD = np.array([.55, .54, .53]), np.array([.4, .39, .38]), np.array([.5, .49, .48])


class Surface:
    """Geometry and material of every fragment; the arrays are filled by mesh."""

    def __init__(self, scene, at):
        self.scene, self.at = scene, at
        count = len(at.pixel)
        self.normal = at.blend(scene.normals)
        self.normal /= np.maximum(np.linalg.norm(self.normal, axis=1, keepdims=True), 1e-9)
        self.position = at.blend(scene.positions)
        self.uv = (scene.uvs[scene.face_uvs[at.face]] * at.weights[..., None]).sum(1)
        self.view = np.array([0, 0, scene.head.get("dist", 11.)]) - self.position
        self.view /= np.linalg.norm(self.view, axis=1, keepdims=True)
        self.two_sided = scene.is_mesh(at.mesh, ("hair", "brow", "lash"))
        self.normal[((self.normal * self.view).sum(1) < 0) & self.two_sided] *= -1
        self.albedo = np.full((count, 3), .5)
        self.specular = np.zeros(count)
        self.gloss = np.full(count, 20.)
        self.ambient = np.ones(count)           # ambient visibility
        self.wrap = np.zeros((count, 3))        # how far light reaches around the terminator, by colour
        self.strands = None                     # noise along the hair, reused by its highlight

    def chosen(self, name):
        if name not in self.scene.numbers:
            return np.array([], int)
        return np.where(self.at.mesh == self.scene.numbers[name])[0]

    def blend(self, field, chosen, name="skin"):
        return self.at.blend(field, chosen, self.scene.starts[name])


def greyed(colour, grey, amount, grey_share):
    share = np.clip(grey, 0, 1) * grey_share
    return colour * (1 - share) + amount * share


def _wrinkle_lines(q, forehead, age):
    """Painted forehead lines and crow's feet: darkening 0..0.4."""
    wave = np.sin((q[:, 1] * 1.0 + .02 * noise3(q + 2, 4) + .06 * q[:, 0] ** 2) * 2 * np.pi / .072)
    lines = forehead * np.maximum(wave, 0) ** 3 * (age - .2) * .5 * (.6 + .4 * noise3(q + 7, 5))
    out = np.abs(q[:, 0]) - .5
    angle = np.arctan2(q[:, 1] - 7.27, np.maximum(out + .12, 1e-3))
    crow = np.exp(-((out - .06) / .07) ** 2 - ((q[:, 1] - 7.26) / .1) ** 2) * np.maximum(np.sin(angle * 16), 0) ** 2
    return np.clip(lines + crow * (age - .1) * .4 * (q[:, 2] > .6), 0, .4)


def _complexion(surface, chosen, q):
    """Skin before beard, lips and hair: base tone, blotches, blush, freckles, age."""
    model, head = surface.scene.model, surface.scene.head
    at = lambda field: surface.blend(field, chosen)[:, None]
    tone, age = np.array(head["skin"]), head["age"]
    dark = 1 - np.clip(tone.mean() / .35, 0, 1)
    noise = noise3(q, 6) * .5 + noise3(q + 9, 17) * .35 + noise3(q + 3, 48) * .25
    colour = tone * (1 + .035 * noise[:, None] * [.6, 1, 1.1])
    red = np.array([1.03, .84, .84])
    colour *= 1 + (red - 1) * np.clip(at(model.cheek) * .9 * head.get("blush", .7) + at(model.nose) * .7, 0, 1) * (1 - .6 * dark)
    colour *= 1 - .16 * at(model.under_eye) * (0.6 + age) - .10 * at(model.upper_lid)
    freckled = surface.blend(model.cheek, chosen) + surface.blend(model.nose, chosen) + .3
    colour *= 1 - .25 * head.get("freckle", 0) * (smoothstep(1.1, 1.8, noise3(q + 20, 26)) * freckled)[:, None]
    colour *= 1 - .18 * age * (smoothstep(1.2, 2.0, noise3(q + 40, 9)))[:, None] * (1 - dark)
    if age > .2:
        colour *= 1 - _wrinkle_lines(q, surface.blend(model.forehead, chosen), age)[:, None]
    return colour


def shade_skin(surface):
    scene, chosen = surface.scene, surface.chosen("skin")
    model, head = scene.model, scene.head
    q = surface.at.blend(scene.neutral, chosen)
    tone = np.array(head["skin"])
    colour = _complexion(surface, chosen, q)

    hair_colour = greyed(np.array(head["haircol"]), head.get("grey", 0), GREY_BEARD, .85)
    beard = surface.blend(model.beard, chosen) * head.get("beard", 0)
    beard = np.clip(beard * (1 + .5 * (noise3(q + 11, 62) * .45 + noise3(q, 30) * .12)), 0, 1)
    colour = colour * (1 - beard[:, None] * .75) + (hair_colour * .55 + tone * .12) * beard[:, None] * .75
    uv = surface.uv[chosen]
    lip = sample(model.masks["lips"], uv)[:, None]
    lip_colour = np.array(head.get("lip", tone * [.86, .52, .52]))
    colour = colour * (1 - lip * .8) + lip_colour * lip * .8 * (1 + .06 * noise3(q * [1, .3, 1], 40)[:, None])
    lid = sample(model.masks["eyelids"], uv)[:, None]
    colour = colour * (1 - lid * .35) + np.array(head.get("lidcol", tone * .85)) * lid * .35
    inside = sample(model.masks["inside-mouth"], uv)[:, None]
    colour = colour * (1 - inside) + np.array([.22, .05, .045]) * inside
    if head.get("hair"):
        scalp = surface.blend(model.hair[head["hair"]].scalp, chosen)
        scalp = np.clip(scalp * 1.2 + .25 * noise3(q, 35) * (scalp > .05) * (scalp < .9), 0, 1)[:, None]
        colour = colour * (1 - scalp * .9) + hair_colour * .6 * scalp * .9
    elif head.get("stubble", 0):
        scalp = np.clip((surface.blend(model.scalp, chosen) * head["stubble"] * (.7 + .3 * noise3(q, 50)))[:, None], 0, 1)
        colour = colour * (1 - scalp) + (hair_colour * .5 + tone * .15) * scalp

    surface.albedo[chosen] = colour
    surface.ambient[chosen] = np.clip(surface.blend(model.occlusion["skin"], chosen) * 1.15, 0, 1) ** 1.1
    surface.specular[chosen] = .30 * (1 + .35 * surface.blend(model.nose, chosen)) * (1 - .5 * beard) + lip[:, 0] * .25
    surface.gloss[chosen] = 18 + lip[:, 0] * 30
    surface.wrap[chosen] = [.34, .14, .10]      # blood: red light travels farther under the skin
    here = noise3(q, 42)
    bump = np.stack([noise3(q + step, 42) - here for step in np.eye(3) * .004], 1)
    surface.normal[chosen] += bump * .35 * (.6 + head["age"])
    surface.normal[chosen] /= np.linalg.norm(surface.normal[chosen], axis=1, keepdims=True)


def shade_eyes(surface):
    """Iris and pupil are discs in the texture; the lids' shade is painted by height in the socket."""
    scene, chosen = surface.scene, surface.chosen("eye")
    if not len(chosen):
        return
    texel = sample(scene.model.eye_texture, surface.uv[chosen])
    place = surface.uv[chosen] * 1024
    place[:, 1] = 1024 - place[:, 1]
    radius = np.minimum(np.hypot(place[:, 0] - 721, place[:, 1] - 305), np.hypot(place[:, 0] - 297, place[:, 1] - 727))
    iris, pupil = smoothstep(121, 112, radius)[:, None], smoothstep(40, 34, radius)[:, None]
    tint = np.array(scene.head["iris"]) * (.35 + 1.5 * texel.max(1)[:, None]) * (.55 + .45 * smoothstep(118, 95, radius))[:, None]
    white = linear(np.clip(texel * 1.0, 0, 1)) * [1, .96, .94]
    surface.albedo[chosen] = (white * (1 - iris) + tint * iris) * (1 - pupil * .97)

    position = surface.position[chosen]
    centres = np.array([(scene.base[joint].mean(0) - scene.pivot) @ scene.turn.T + scene.shift for joint in EYE_JOINTS])
    own = centres[np.argmin([((position - centre) ** 2).sum(1) for centre in centres], 0)]
    up, side = position[:, 1] - own[:, 1], np.abs(position[:, 0] - own[:, 0])
    shade = 1 - .55 * smoothstep(0.0, .085, up) - .25 * smoothstep(-.03, -.09, up)
    surface.ambient[chosen] = shade * (1 - .35 * smoothstep(.07, .15, side)) * .9
    surface.gloss[chosen], surface.wrap[chosen] = 300, .25


def shade_mouth(surface):
    scene = surface.scene
    chosen = surface.chosen("teeth")
    if len(chosen):
        gum = surface.blend(scene.model.gum, chosen, "teeth")[:, None]
        colour = linear([.93, .88, .79]) * (1 - gum) + linear([.70, .40, .40]) * gum
        depth = ((surface.position[chosen] - scene.shift) @ scene.turn + scene.pivot)[:, 2]
        lips = scene.base[list(LIP_GAP)]
        front, gap = lips.mean(0)[2] - .06, lips[0][1] - lips[1][1]
        # closed lips would show a white line: teeth darken with the gap and with depth
        surface.ambient[chosen] = .72 * np.exp(-np.maximum(front - depth, 0) / .28) * (.10 + .90 * smoothstep(.02, .10, gap))
        surface.albedo[chosen] = colour * (.25 + .75 * smoothstep(.015, .07, gap))
        surface.specular[chosen], surface.gloss[chosen], surface.wrap[chosen] = .25, 60, .3
    chosen = surface.chosen("tongue")
    if len(chosen):
        surface.albedo[chosen] = linear([.62, .32, .32])
        surface.ambient[chosen] = np.clip(surface.blend(scene.model.occlusion["tongue"], chosen, "tongue") * 1.5 + .06, 0, .8)
        surface.specular[chosen], surface.wrap[chosen] = .1, .3


def shade_cloth(surface):
    chosen, head = surface.chosen("cloth"), surface.scene.head
    if not len(chosen):
        return
    q = surface.at.blend(surface.scene.neutral, chosen)
    surface.albedo[chosen] = np.array(head.get("cloth", [.1, .12, .2])) * (1 + .06 * noise3(q, 30)[:, None])
    seam = head.get("neck", 5.62) + .35 * np.minimum(np.abs(q[:, 0]), .6) - .10 * q[:, 2] - q[:, 1]
    surface.albedo[chosen] *= (.6 + .4 * smoothstep(0, .03, seam))[:, None]
    surface.ambient[chosen] = .9


def shade_brows_and_lashes(surface):
    head = surface.scene.head
    chosen = surface.chosen("brow")
    if len(chosen):
        colour = np.array(head.get("browcol", np.array(head["haircol"]) * .7))
        surface.albedo[chosen] = greyed(colour, head.get("grey", 0), GREY_BROW, .6)
        surface.specular[chosen], surface.ambient[chosen], surface.wrap[chosen] = .03, .75, .3
    chosen = surface.chosen("lash")
    if len(chosen):
        surface.albedo[chosen], surface.ambient[chosen] = [.02, .015, .012], .6


def shade_hair(surface):
    chosen, head = surface.chosen("hair"), surface.scene.head
    if not len(chosen):
        return
    data, start = surface.scene.model.hair[head["hair"]], surface.scene.starts["hair"]
    u, v = surface.uv[chosen].T
    if head["hair"] == "afro01":
        strands = noise3(surface.position[chosen] + 5, 22) * .6
    else:
        strands = noise2(u * 1.6, v * .04) * .6 + noise2(u * .5 + .2, v * .02) * .5
    grey = head.get("grey", 0)
    single = noise2(u * 6.3, v * .06)       # grey hair comes strand by strand
    share = (np.clip(grey * 1.15 - .08 + .10 * strands + .16 * single, 0, 1) * min(1, grey * 4))[:, None]
    colour = np.array(head["haircol"]) * (1 - share) + GREY_HAIR * share
    tone = data.piece_tone[surface.at.corners[chosen][:, 0] - start]
    surface.albedo[chosen] = colour * np.clip(1 + .38 * strands + .12 * (tone - .5), .2, 2.2)[:, None]
    surface.wrap[chosen] = .35
    surface.ambient[chosen] = .62 + .38 * np.minimum(surface.blend(data.edge, chosen, "hair") / .3, 1)
    surface.strands = strands


def surface_of(scene, at):
    surface = Surface(scene, at)
    for shade in (shade_skin, shade_eyes, shade_mouth, shade_cloth, shade_brows_and_lashes, shade_hair):
        shade(surface)
    return surface
