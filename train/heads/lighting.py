# SPDX-License-Identifier: GPL-3.0-or-later
"""Light on the surfaces: a key light with a shadow map, a fill light, a sky-and-ground ambient; highlights of skin,
eyes and hair.
"""
import numpy as np

from .raster import depth_map, fragments

SHADOW_SIDE = 288
SHADOW_REACH = 4.6                      # decimetres the shadow map covers
SHADOW_CENTRE = np.array([0, .1, .4])


def unit(vector):
    vector = np.asarray(vector, float)
    return vector / np.linalg.norm(vector)


def lit_by_key(scene, surface, key, detail):
    """Share of the key light that reaches each fragment: lookups around its place in the shadow map.

    detail 1 is a small map with five lookups; larger is a map so many times as wide and a blur of the same width in decimetres.
    """
    side = SHADOW_SIDE * detail
    scale = side / SHADOW_REACH
    taps = [(dx * 1.2, dy * 1.2) for dx, dy in ((-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1))]
    if detail > 1:
        steps = np.linspace(-2, 2, 5) * detail
        taps = [(dx, dy) for dx in steps for dy in steps if np.hypot(dx, dy) < 2.5 * detail]
    right = unit(np.cross(np.array([0, 1, 0.]), key))
    up = np.cross(key, right)
    casters = scene.is_mesh(scene.mesh_of_face, ("skin", "hair"))
    q = scene.positions - SHADOW_CENTRE
    xy = np.stack([side / 2 + q @ right * scale, side / 2 + q @ up * scale], 1)
    pixel, _, _, depth, _ = fragments(xy, -(q @ key), scene.faces[casters], side, side)
    nearest = depth_map(pixel, depth, side * side).reshape(side, side)

    q = surface.position - SHADOW_CENTRE
    column, row, depth = side / 2 + q @ right * scale - .5, side / 2 + q @ up * scale - .5, -(q @ key)
    bias = np.where(surface.two_sided, .06, .022 + .07 * np.clip(1 - (surface.normal * key).sum(1), 0, 1))
    lit = np.zeros(len(depth))
    for dx, dy in taps:
        i = np.clip((row + dy).round().astype(int), 0, side - 1)
        j = np.clip((column + dx).round().astype(int), 0, side - 1)
        lit += (depth < nearest[i, j] + bias) / len(taps)
    teeth = surface.chosen("teeth")
    lit[teeth] = np.maximum(lit[teeth], .55)
    return lit


def _add_eye_highlights(colour, surface, key, key_colour, half_cosine, lit):
    eyes = surface.chosen("eye")
    if not len(eyes):
        return
    colour[eyes] += (half_cosine[eyes] ** 260 * 1.1 * np.maximum(lit[eyes], .4))[:, None] * key_colour * .45
    window = unit([key[0] * .5, .45, .8])       # a sure catch-light
    half = window + surface.view[eyes]
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    colour[eyes] += (np.clip((surface.normal[eyes] * half).sum(1), 0, 1) ** 420 * .7)[:, None]


def _add_hair_highlights(colour, scene, surface, key, key_colour, cosine, lit):
    """Along the strands' tangents (Kajiya and Kay 1989)."""
    hair = surface.chosen("hair")
    if not len(hair):
        return
    head = scene.head
    tangent = surface.blend(scene.model.hair[head["hair"]].tangent, hair, "hair") @ scene.turn.T
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    half = key + surface.view[hair]
    along = np.abs((tangent * half / np.linalg.norm(half, axis=1, keepdims=True)).sum(1))
    across = np.sqrt(np.clip(1 - along * along, 0, 1))
    shine = head.get("shine", .5) * (0 if head["hair"] == "afro01" else 1)
    gleam = (across ** 40 * .30 + across ** 12 * .10) * shine * np.clip(1 + .8 * surface.strands, 0, 2)
    gleam = gleam * np.maximum(lit[hair], .15) * np.clip(cosine[hair] + .3, 0, 1)
    colour[hair] += gleam[:, None] * (surface.albedo[hair] * 1.5 + .06) * key_colour


def light(scene, surface, shadow_detail=1):
    """Linear colour of every fragment."""
    head, normal, ambient = scene.head, surface.normal, surface.ambient[:, None]
    key = unit(head["key"])
    key_colour = np.array(head.get("keycol", [1, .96, .9])) * head.get("keyint", 2.2)
    lit = lit_by_key(scene, surface, key, shadow_detail)
    cosine = normal @ key
    diffuse = np.clip((cosine[:, None] + surface.wrap) / (1 + surface.wrap), 0, 1)
    diffuse = diffuse * (lit[:, None] + (1 - lit[:, None]) * surface.wrap * .35)
    level = head.get("amb", .55)
    sky, ground = np.array(head.get("sky", [.55, .6, .7])) * level, np.array(head.get("gnd", [.35, .28, .22])) * level
    upward = normal[:, 1:2] * .5 + .5
    fill = unit(head.get("fill", [-.7, .1, .7]))
    filled = np.clip((normal @ fill)[:, None] * .8 + .2, 0, 1) * np.array(head.get("fillcol", [.25, .27, .32])) * ambient
    bounced = np.stack([surface.ambient ** .75, surface.ambient, surface.ambient], 1)     # crevices glow red
    colour = surface.albedo * (diffuse * key_colour * (.35 + .65 * bounced) + (sky * upward + ground * (1 - upward)) * ambient + filled)

    half = key + surface.view
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    half_cosine = np.clip((normal * half).sum(1), 0, 1)
    fresnel = .25 + .75 * (1 - np.clip((normal * surface.view).sum(1), 0, 1)) ** 4
    gloss = surface.specular * half_cosine ** surface.gloss * fresnel * lit * np.clip(cosine + .1, 0, 1) * surface.ambient * 1.3
    colour += gloss[:, None] * key_colour * .5
    half = fill + surface.view
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    colour += (surface.specular * np.clip((normal * half).sum(1), 0, 1) ** surface.gloss * .15 * surface.ambient)[:, None]
    _add_eye_highlights(colour, surface, key, key_colour, half_cosine, lit)
    _add_hair_highlights(colour, scene, surface, key, key_colour, cosine, lit)
    return colour
