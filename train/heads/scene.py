# SPDX-License-Identifier: GPL-3.0-or-later
"""From a head's parameters to visible fragments: shape, pose, projection, framing, transparency order.

A head is a dict of parameters; identity.py draws them at random and documents them.
"""
from dataclasses import dataclass, field

import numpy as np

from .model import EYE_JOINTS, HEAD_JOINT, LANDMARKS
from .raster import depth_map, fragments, vertex_normals
from .textures import noise2, noise3, smoothstep

MATERIALS = ("skin", "eye", "teeth", "tongue", "cloth", "brow", "lash", "hair")
TWO_SIDED = ("brow", "lash", "hair")
CAMERA_DISTANCE = 11.
LAYERS = 5                  # transparent fragments kept per pixel
OPAQUE = .96
TURN_AXIS = .54             # of a further turn: share of the way from the head joint to the face
NECK = .38                  # decimetres below the chin in which a further turn fades to nothing
PHONG_SHARE = .75
PORTRAIT_HEIGHT = 3.6       # decimetres from the top to the bottom of a plain portrait


def rotation(yaw, pitch, roll):
    """Degrees; positive yaw turns to the person's left, positive pitch down."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def flattened(positions, distance=CAMERA_DISTANCE):
    """Perspective: positions on the plane through the head joint (decimetres, y down), and depth. distance: the camera's from the joint."""
    depth = distance - positions[:, 2]
    return np.stack([positions[:, 0], -positions[:, 1]], 1) / depth[:, None] * distance, depth


def face_centre(landmarks):
    """Between eyes and mouth, of 68 x 2 or 68 x 3 landmarks."""
    return (landmarks[36:42].mean(0) + landmarks[42:48].mean(0) + landmarks[48] + landmarks[54]) / 4


def further_turn(degrees, landmarks):
    """A further turn of the head alone, about the vertical: rotation (3 x 3) and shift of positions (decimetres, relative to the head
    joint). The axis lies between the skull's middle and the face, so that neither moves far. landmarks: 68 x 3, before the turn."""
    turn, axis = rotation(degrees, 0, 0), face_centre(landmarks) * [TURN_AXIS, 0, TURN_AXIS]
    return turn, axis - turn @ axis


def turned(positions, degrees, landmarks):
    """N x 3 positions after such a turn; the neck follows less and less, the shoulders stay."""
    turn, shift = further_turn(degrees, landmarks)
    chin = landmarks[8, 1]
    share = smoothstep(chin - NECK, chin, positions[:, 1])[:, None]
    return positions + share * (positions @ turn.T + shift - positions)


def expression_of(head):
    """Amount of each expression unit. A smile closes first, bares the teeth later, and narrows the eyes; beyond 1 it only widens."""
    units = dict(head.get("expr", {}))

    def add(name, amount):
        units[name] = units.get(name, 0) + amount

    smile = head.get("smile", 0)
    if smile > 0:
        smile, broad = min(1, smile), max(0, smile - 1)
        add("mouth-corner-puller", min(1, smile * 1.1) * (.75 if smile < .5 else .75 - .5 * (smile - .5) * 2 * .6) + .7 * broad)
        add("mouth-upward-retraction", max(0, (smile - .35) / .65) * .8)
        for side in ("left", "right"):
            add(f"eye-{side}-slit", .35 * smile)
    if head.get("open", 0):
        units["mouth-open"] = head["open"]
    for side in ("left", "right"):      # without raised brows the neutral face looks stern
        add(f"eyebrows-{side}-inner-up", head.get("browin", .35))
        if head.get("blink", 0):
            units[f"eye-{side}-closure"] = head["blink"]
        units[f"eyebrows-{side}-up"] = head.get("browup", .25)
    return units


def base_shape(model, head):
    return model.pack.shape(head["eth"], head["gender"], head["age"], head.get("face", {}), expression_of(head))


def ffhq_frame(points):
    """Centre and half axes of the FFHQ square of 68 projected landmarks (arXiv 1812.04948, appendix A)."""
    left, right, mouth = points[36:42].mean(0), points[42:48].mean(0), (points[48] + points[54]) / 2
    eyes, across = (left + right) / 2, right - left
    down = mouth - eyes
    x = across - down[::-1] * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
    return eyes + down * .1, x, x[::-1] * [-1, 1]


def frame_ffhq(projected, landmarks, width, height):
    """Screen positions in the aligned square crop; width = height."""
    centre, x, y = ffhq_frame(landmarks)
    d, square = projected - centre, x @ x
    return np.stack([(d @ x / square + 1) / 2 * width, (d @ y / square + 1) / 2 * height], 1)


def between_eyes(points):
    """Between the eyes, of 68 projected landmarks."""
    return (points[36:42].mean(0) + points[42:48].mean(0)) / 2


def framed_as(others):
    """-> frame_ffhq of another picture of the same person, whose projected landmarks these are: as large and as upright, the eyes in
    the same place. (By its own landmarks, a smile, which lifts the mouth, would enlarge the head.)"""
    return lambda projected, landmarks, width, height: frame_ffhq(projected - between_eyes(landmarks) + between_eyes(others), others, width, height)


def frame_portrait(projected, landmarks, width, height, visible=PORTRAIT_HEIGHT, eyes_at=.46):
    """Screen positions of a plain portrait, `visible` decimetres high, eyes at this share of the height."""
    scale = height / visible
    return np.stack([width / 2 + projected[:, 0] * scale, height * eyes_at + (projected[:, 1] - between_eyes(landmarks)[1] - .1) * scale], 1)


@dataclass
class Mesh:
    name: str
    vertices: np.ndarray
    faces: np.ndarray
    face_uvs: np.ndarray
    uvs: np.ndarray


def build_meshes(model, head):
    """The fitted meshes of a head in pack coordinates, in the order of MATERIALS (hair only where there is any)."""
    base = base_shape(model, head)
    fitted = lambda name, proxy, vertices=None: Mesh(
        name, proxy.fit(base) if vertices is None else vertices, proxy.faces, proxy.face_uvs, proxy.uvs)
    eyes = model.eyes.fit(base)
    gaze = rotation(*head.get("gaze", (0, 0)), 0)
    for joint in EYE_JOINTS:
        centre = base[joint].mean(0)
        ball = np.linalg.norm(eyes - centre, axis=1) < .19
        eyes[ball] = (eyes[ball] - centre) @ gaze.T + centre
    proxies = model.pack.proxies
    meshes = [Mesh("skin", base, *model.body_faces, model.pack.uvs), fitted("eye", model.eyes, eyes),
              fitted("teeth", model.teeth), fitted("tongue", model.tongue), Mesh("cloth", base, *model.cloth_faces, model.pack.uvs),
              fitted("brow", proxies[head.get("brow", "eyebrow001")]), fitted("lash", proxies[head.get("lash", "eyelashes01")])]
    if head.get("hair"):
        meshes.append(fitted("hair", proxies[head["hair"]]))
    return meshes


@dataclass
class Scene:
    """Posed geometry of all meshes in one set of arrays. Positions are relative to the head joint, turned, in decimetres."""
    model: object
    head: dict
    meshes: list
    base: np.ndarray            # the morphed base mesh in pack coordinates
    pivot: np.ndarray
    turn: np.ndarray            # 3 x 3: positions of the head = turn @ (pack coordinates - pivot) + shift
    shift: np.ndarray
    framed: np.ndarray          # landmarks by which the picture is framed: before a further turn
    positions: np.ndarray
    normals: np.ndarray
    neutral: np.ndarray         # base coordinates of skin and cloth vertices, for textures that stick to the skin
    faces: np.ndarray
    face_uvs: np.ndarray
    uvs: np.ndarray
    mesh_of_face: np.ndarray
    starts: dict = field(default_factory=dict)      # mesh name -> first vertex
    numbers: dict = field(default_factory=dict)     # mesh name -> number in mesh_of_face
    screen: np.ndarray = None
    depth: np.ndarray = None
    frame: object = None

    def flattened(self, positions):
        return flattened(positions, self.head.get("dist", CAMERA_DISTANCE))

    def framing(self):
        """The projected landmarks by which the picture is framed (decimetres)."""
        return self.flattened(self.framed)[0]

    def projected(self, positions, width, height):
        """Screen positions (pixels) and depth of further points, framed as project() did."""
        flat, depth = self.flattened(positions)
        return self.frame(flat, self.framing(), width, height), depth

    def is_mesh(self, mesh_numbers, names):
        return np.isin(mesh_numbers, [self.numbers[n] for n in names if n in self.numbers])


def pose(model, head):
    """Builds and turns the head; -> Scene without screen positions. head["turn"]: degrees that it turns further where it is."""
    meshes = build_meshes(model, head)
    base = meshes[0].vertices
    pivot = base[HEAD_JOINT].mean(0)
    turn = rotation(head.get("yaw", 0), head.get("pitch", 0), head.get("roll", 0))
    positions = [(mesh.vertices - pivot) @ turn.T for mesh in meshes]
    framed, shift = positions[0][LANDMARKS], np.zeros(3)
    if head.get("turn"):
        positions = [turned(p, head["turn"], framed) for p in positions]
        further, shift = further_turn(head["turn"], framed)
        turn = further @ turn
    first = np.cumsum([0] + [len(p) for p in positions])
    first_uv = np.cumsum([0] + [len(mesh.uvs) for mesh in meshes])
    scene = Scene(
        model, head, meshes, base, pivot, turn, shift, framed, np.vstack(positions),
        np.vstack([vertex_normals(p, mesh.faces) for p, mesh in zip(positions, meshes)]), np.zeros((first[-1], 3)),
        np.vstack([mesh.faces + start for mesh, start in zip(meshes, first)]),
        np.vstack([mesh.face_uvs + start for mesh, start in zip(meshes, first_uv)]), np.vstack([mesh.uvs for mesh in meshes]),
        np.concatenate([np.full(len(mesh.faces), k) for k, mesh in enumerate(meshes)]),
        {mesh.name: int(start) for mesh, start in zip(meshes, first)}, {mesh.name: k for k, mesh in enumerate(meshes)})
    for name in ("skin", "cloth"):
        start = scene.starts[name]
        scene.neutral[start:start + len(model.pack.base)] = model.pack.base
    return scene


def project(scene, width, height, frame):
    """Perspective projection and framing: fills screen (pixels) and depth."""
    scene.frame = frame
    scene.screen, scene.depth = scene.projected(scene.positions, width, height)


@dataclass
class Fragments:
    """Visible fragments sorted by pixel, nearest first. weights are barycentric, corners the triangle's vertex numbers."""
    pixel: np.ndarray
    face: np.ndarray
    weights: np.ndarray
    depth: np.ndarray
    alpha: np.ndarray
    layer: np.ndarray = None
    corners: np.ndarray = None
    mesh: np.ndarray = None

    def keep(self, chosen):
        for name in ("pixel", "face", "weights", "depth", "alpha", "layer"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value[chosen])

    def blend(self, per_vertex, chosen=slice(None), start=0):
        """Interpolates a per-vertex field (of a mesh that starts at vertex `start`) at the chosen fragments."""
        values = per_vertex[self.corners[chosen] - start]
        weights = self.weights[chosen]
        return (values * (weights[..., None] if values.ndim == 3 else weights)).sum(1)


def _hair_alpha(scene, at, chosen, uv):
    hair = scene.model.hair[scene.head["hair"]]
    start = scene.starts["hair"]
    edge, share = at.blend(hair.edge, chosen, start), at.blend(hair.edge_share, chosen, start)
    shell = hair.is_shell[at.corners[chosen][:, 0] - start] > 0
    if scene.head["hair"] == "afro01":
        q = at.blend(scene.positions, chosen)
        noise = noise3(q + 5, 14) * .5 + noise3(q, 30) * .5
        cover = np.where(shell, np.minimum(edge / .14, 1), np.minimum(share * 1.6, 1))
        return smoothstep(0, .5, cover * 1.7 - .6 + noise * .4)
    strands = noise2(uv[:, 0] * 2.1, uv[:, 1] * .05) * .5 + noise2(uv[:, 0] * .7 + .3, uv[:, 1] * .03) * .5
    cover = np.where(shell, np.minimum(edge / scene.head.get("hairfade", .18), 1), np.minimum(share * 1.4, 1))
    return smoothstep(0, .55, cover * 2.1 - .75 + strands * .38) * np.where(shell, 1, .85)


def _alpha(scene, at, usable):
    """Coverage of brows, lashes and hair, which thin out towards their edges."""
    alpha = np.ones(len(at.pixel))
    head = scene.head
    for name in TWO_SIDED:
        if name not in scene.numbers:
            continue
        chosen = np.where((at.mesh == scene.numbers[name]) & usable)[0]
        if not len(chosen):
            continue
        uv = (scene.uvs[scene.face_uvs[at.face[chosen]]] * at.weights[chosen][..., None]).sum(1)
        if name == "hair":
            alpha[chosen] = _hair_alpha(scene, at, chosen, uv)
        elif name == "brow":
            edge = at.blend(scene.model.brow_edge[head.get("brow", "eyebrow001")], chosen, scene.starts["brow"])
            strands = noise2(uv[:, 0] * .6 + uv[:, 1] * .3, uv[:, 1] * .15)
            alpha[chosen] = head.get("browden", .8) * smoothstep(.12, .75, edge * head.get("browthick", 1.) + strands * .12)
        else:
            alpha[chosen] = np.clip(head.get("lashden", .35) + .2 * noise2(uv[:, 0] * 1.3, uv[:, 1] * .1), 0, .9)
    return alpha


def _below_neckline(scene, q):
    return q[:, 1] < scene.head.get("neck", 5.62) + .35 * np.minimum(np.abs(q[:, 0]), .6) - .10 * q[:, 2]


def _lattice(parts):
    """A triangle cut into parts^2: barycentric coordinates of the lattice points, and the small triangles (same orientation)."""
    points = [(i, j) for i in range(parts + 1) for j in range(parts + 1 - i)]
    number = {point: k for k, point in enumerate(points)}
    small = [(number[i, j], number[i + 1, j], number[i, j + 1]) for i, j in points if i + j < parts]
    small += [(number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]) for i, j in points if i + j < parts - 1]
    coordinates = np.array([(1 - (i + j) / parts, i / parts, j / parts) for i, j in points])
    return coordinates, np.array(small)


def _curved_fragments(scene, width, height, parts):
    """Like fragments(), with triangles bulged by Phong tessellation (Boubekeur and Alexa 2008) for smooth outlines.

    Faces and weights returned are those of the flat triangles, so that everything else stays as it was.
    """
    coordinates, small = _lattice(parts)
    corners, normals = scene.positions[scene.faces], scene.normals[scene.faces]
    flat = np.einsum("pk,fkd->fpd", coordinates, corners)
    bulge = sum(coordinates[:, k, None] * -((flat - corners[:, None, k]) * normals[:, None, k]).sum(-1, keepdims=True)
                * normals[:, None, k] for k in range(3))
    curved = (flat + PHONG_SHARE * bulge).reshape(-1, 3)
    screen, depth = scene.projected(curved, width, height)
    first = np.arange(len(scene.faces))[:, None, None] * len(coordinates)
    pixel, face, weights, depth, area = fragments(screen, depth, (first + small).reshape(-1, 3), width, height)
    weights = np.einsum("nk,nkc->nc", weights, coordinates[small[face % len(small)]])
    return pixel, face // len(small), weights, depth, area[face] < 0


def visible_fragments(scene, width, height, parts=1):
    """Rasterises; removes back faces, what is transparent and what is hidden; orders what is left.

    parts > 1 cuts every triangle's sides into that many and rounds them, for large pictures.
    """
    if parts > 1:
        pixel, face, weights, depth, front = _curved_fragments(scene, width, height, parts)
    else:
        pixel, face, weights, depth, area = fragments(scene.screen, scene.depth, scene.faces, width, height)
        front = area[face] < 0
    at = Fragments(pixel, face, weights, depth, np.ones(len(pixel)))
    at.corners, at.mesh = scene.faces[face], scene.mesh_of_face[face]
    usable = front | scene.is_mesh(at.mesh, TWO_SIDED)
    cloth = np.where(at.mesh == scene.numbers["cloth"])[0]
    if len(cloth):
        usable[cloth] &= _below_neckline(scene, at.blend(scene.neutral, cloth))
    at.alpha = _alpha(scene, at, usable)
    at.keep(usable & (at.alpha > .04))

    opaque = at.alpha > OPAQUE
    nearest = depth_map(at.pixel[opaque], at.depth[opaque], width * height)
    mesh = scene.mesh_of_face[at.face]      # brows and lashes lie on the skin: pull them out of it
    order_depth = at.depth - np.where(mesh == scene.numbers["brow"], .03, 0) - np.where(mesh == scene.numbers["lash"], .02, 0)
    front = order_depth <= nearest[at.pixel]
    at.keep(front)
    at.keep(np.lexsort((order_depth[front], at.pixel)))
    first = np.r_[True, at.pixel[1:] != at.pixel[:-1]]
    at.layer = np.arange(len(at.pixel)) - np.where(first)[0][np.cumsum(first) - 1]
    at.keep(at.layer < LAYERS)
    at.corners, at.mesh = scene.faces[at.face], scene.mesh_of_face[at.face]
    return at
