# SPDX-License-Identifier: GPL-3.0-or-later
"""The head model: the pack plus everything that is computed once on the neutral head (fields, hair data, ambient
occlusion).
"""
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from .assets import HeadPack, pack_folder
from .raster import depth_map, fragments, vertex_normals
from .textures import smoothstep

# 68 landmarks in the 300-W order as vertices of the body
LANDMARKS = np.array([
    870, 868, 866, 911, 998, 999, 922, 918, 5296, 7620, 7624, 7693, 7692, 7613, 7571, 7573, 7575, 253, 179, 170, 174, 166, 6943, 6950,
    6946, 6955, 7022, 133, 5063, 291, 297, 358, 313, 317, 7076, 7119, 21, 6, 54, 66, 47, 36, 6850, 6838, 6790, 6805, 6820, 6831, 402,
    447, 457, 455, 7216, 7207, 7162, 7166, 7245, 496, 490, 406, 425, 470, 474, 7226, 7185, 7236, 493, 481])
LIP_GAP = (474, 493)                                          # inner edge of the upper and of the lower lip
EYE_JOINTS = (slice(13606, 13614), slice(13614, 13622))       # left, right
HEAD_JOINT = slice(14070, 14078)
N_BODY = 13380
HAIRS = ("afro01", "bob01", "bob02", "braid01", "long01", "ponytail01", "short01", "short02", "short03", "short04")


def _edges(faces):
    return np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _components(proxy):
    edges = np.vstack([proxy.faces[:, [0, 1]], proxy.faces[:, [1, 2]]])
    n = len(proxy.anchors)
    return connected_components(coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (n, n)), directed=False)


def _edge_graph(vertices, faces):
    """Sparse graph of edge lengths, and the vertices on open borders."""
    unique, count = np.unique(np.sort(_edges(faces), 1), axis=0, return_counts=True)
    border = np.unique(unique[count == 1])
    length = np.linalg.norm(vertices[unique[:, 0]] - vertices[unique[:, 1]], axis=1) + 1e-6
    n = len(vertices)
    graph = coo_matrix((np.r_[length, length], (np.r_[unique[:, 0], unique[:, 1]], np.r_[unique[:, 1], unique[:, 0]])), (n, n))
    return graph.tocsr(), border


class HairData:
    """Per vertex of a hair mesh: distance to its open border, size of its piece, strand direction; and a tint of the scalp below."""

    def __init__(self, proxy, model):
        vertices = proxy.fit(model.pack.base)
        graph, border = _edge_graph(vertices, proxy.faces)
        n, piece = connected_components(graph, directed=False)
        distance = dijkstra(graph, indices=border, min_only=True) if len(border) else np.full(len(vertices), 1.)
        self.edge = np.where(np.isfinite(distance), distance, 1.0)
        widest = np.zeros(n)
        np.maximum.at(widest, piece, self.edge)
        self.edge_share = self.edge / np.maximum(widest[piece], 1e-6)
        self.is_shell = (np.bincount(piece, minlength=n)[piece] > 150).astype(float)
        self.piece_tone = np.random.RandomState(3).rand(n)[piece]
        nearest, _ = cKDTree(vertices).query(model.pack.base[:N_BODY])
        self.scalp = np.zeros(len(model.pack.base))
        self.scalp[:N_BODY] = np.clip(1 - (nearest - .035) / .07, 0, 1)
        self.scalp *= model.scalp
        self.tangent = self._tangents(vertices, proxy)

    @staticmethod
    def _tangents(vertices, proxy):
        """Unit vectors along texture v, which runs along the strands."""
        corners, uv = vertices[proxy.faces], proxy.uvs[proxy.face_uvs]
        d1, d2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        det = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
        det = np.where(np.abs(det) < 1e-9, 1e-9, det)
        face = (e2 * d1[:, :1] - e1 * d2[:, :1]) / det[:, None]
        face /= np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-9)
        tangent = np.zeros_like(vertices)
        for corner in range(3):
            for axis in range(3):
                tangent[:, axis] += np.bincount(proxy.faces[:, corner], face[:, axis], len(vertices))
        return tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)


class HeadModel:
    def __init__(self, folder):
        self.pack = HeadPack(folder)
        proxies = self.pack.proxies
        self.eyes, self.teeth, self.tongue = proxies["high-poly"], proxies["teeth_base"], proxies["tongue01"]
        self.body_faces, self.cloth_faces = self.pack.faces["body"], self.pack.faces["helper-tights"]
        self._drop_corneas()
        _, piece = _components(self.teeth)
        self.gum = (np.bincount(piece)[piece] > 400).astype(float)
        self.masks = {name: self._mask(name) for name in ("lips", "eyelids", "inside-mouth", "ears")}
        self.eye_texture = np.array(Image.open(self.pack.folder / "eyes/materials/brown_eye.png").convert("RGB"), np.float32) / 255
        self._fields()
        self.occlusion = self._cached_occlusion()
        self.hair = {name: HairData(proxies[name], self) for name in HAIRS}
        self.brow_edge = {name: self._brow_edge(proxy) for name, proxy in proxies.items() if name.startswith("eyebrow")}

    def _mask(self, name):
        return np.array(Image.open(self.pack.folder / f"masks/mpfb_{name}.jpg").convert("L"), np.float32) / 255

    def _drop_corneas(self):
        """Two of the four parts of the eyes are transparent shells, mapped to the bluish disc of the texture."""
        n, piece = _components(self.eyes)
        kept = np.ones(len(self.eyes.faces), bool)
        for k in range(n):
            faces = piece[self.eyes.faces[:, 0]] == k
            uv = self.eyes.uvs[self.eyes.face_uvs[faces]].reshape(-1, 2)
            if uv[:, 0].min() > .8 and uv[:, 1].max() < .2:
                kept[faces] = False
        self.eyes.faces, self.eyes.face_uvs = self.eyes.faces[kept], self.eyes.face_uvs[kept]

    def _fields(self):
        """Where on the neutral head the skin has a special colour, per vertex, 0..1."""
        base = self.pack.base
        x, y, z = base.T

        def blob(centre, radius, both_sides=True):
            value = np.exp(-((base - centre) ** 2).sum(1) / (2 * radius ** 2))
            if both_sides:
                value = np.maximum(value, np.exp(-((base - np.array(centre) * [-1, 1, 1]) ** 2).sum(1) / (2 * radius ** 2)))
            return value

        self.cheek = blob((.42, 6.92, 1.3), .16)
        self.nose = blob(base[297], .09, False)
        self.under_eye = blob((.3, 7.17, 1.42), .07)
        self.upper_lid = blob((.32, 7.36, 1.42), .09)
        beard_top = 6.35 + .62 * smoothstep(.25, .72, np.abs(x))
        beard = smoothstep(-.04, .1, beard_top + .12 - y) * smoothstep(.45, .65, z) * smoothstep(6.02, 6.2, y - (1.0 - z) * .28)
        moustache = np.exp(-((y - 6.745) / .035) ** 2) * smoothstep(.3, .22, np.abs(x)) * (z > 1.3)
        self.beard = np.clip(np.maximum(beard, moustache), 0, 1)
        hairline_z = np.array([-.6, -.2, 0, .5, .75, 1.0, 1.2, 1.45, 2])
        hairline_y = np.array([6.45, 6.5, 6.65, 7.02, 7.2, 7.55, 7.72, 7.86, 7.86])
        ear = (np.abs(x) > .735) & (z > .2) & (z < .75) & (y < 7.45)
        self.scalp = smoothstep(-.05, .06, y - np.interp(z, hairline_z, hairline_y)) * ~ear
        self.forehead = smoothstep(7.48, 7.56, y) * smoothstep(7.95, 7.8, y) * smoothstep(.55, .35, np.abs(x)) * (z > 1)

    def _brow_edge(self, proxy):
        vertices = proxy.fit(self.pack.base)
        graph, border = _edge_graph(vertices, proxy.faces)
        distance = dijkstra(graph, indices=border, min_only=True)
        return distance / distance.max()

    def _cached_occlusion(self):
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "likeness-train" / "occlusion-1.npz"
        names = ("skin", "eye", "teeth", "tongue")
        if cache.exists():
            stored = np.load(cache)
            return {name: stored[name] for name in names}
        occlusion = dict(zip(names, self._compute_occlusion()))
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **occlusion)
        partial.rename(cache)
        return occlusion

    def _compute_occlusion(self, directions=96, side=160):
        """Share of the sky each vertex of the neutral head sees, weighted by the cosine, by depth maps from many sides."""
        base = self.pack.base
        neutral = self.pack.shape({"caucasian": .4, "african": .3, "asian": .3}, .5, 0, {}, {"mouth-open": .12})
        shift = neutral[EYE_JOINTS[0]].mean(0) - base[EYE_JOINTS[0]].mean(0)
        neutral = neutral - [0, shift[1], shift[2]]
        meshes = [(neutral, self.body_faces[0])] + [(p.fit(neutral), p.faces) for p in (self.eyes, self.teeth, self.tongue)]
        starts = np.cumsum([0] + [len(v) for v, _ in meshes])
        vertices = np.vstack([v for v, _ in meshes])
        faces = np.vstack([f + start for (_, f), start in zip(meshes, starts)])
        normals = vertex_normals(vertices, faces)
        seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
        for k in range(directions):
            azimuth, height = k * 2.399963, 1 - 2 * (k + .5) / directions     # a Fibonacci sphere
            ring = np.sqrt(1 - height * height)
            light = np.array([ring * np.cos(azimuth), height, ring * np.sin(azimuth)])
            if light[1] < -.75:
                continue
            up = np.array([0, 1, 0]) if abs(light[1]) < .9 else np.array([1, 0, 0])
            right = np.cross(up, light)
            right /= np.linalg.norm(right)
            above = np.cross(light, right)
            q = vertices - np.array([0, 7, .5])
            scale = side / 5.2
            xy = np.stack([side / 2 + q @ right * scale, side / 2 + q @ above * scale], 1)
            depth = -(q @ light)
            pixel, _, _, at, _ = fragments(xy, depth, faces, side, side)
            nearest = depth_map(pixel, at, side * side)
            column = np.clip(xy.astype(int), 0, side - 1)
            cosine = np.maximum(normals @ light, 0)
            seen += cosine * (depth <= nearest[column[:, 1] * side + column[:, 0]] + .06)
            total += cosine
        visible = seen / np.maximum(total, 1e-6)
        return [visible[starts[i]:starts[i + 1]] for i in range(len(meshes))]


@lru_cache(maxsize=1)
def head_model():
    """The one model of the process; takes a few seconds the first time."""
    return HeadModel(pack_folder())
