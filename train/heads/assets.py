# SPDX-License-Identifier: GPL-3.0-or-later
"""The head pack: base mesh, shape targets and proxies (hair, brows, lashes, eyes, teeth, tongue) as arrays.

The pack's folder is ../shared/assets/makehuman-cc0 beside the source tree, or $MAKEHUMAN_DIR. Units are decimetres;
x is the person's left, y up, z forward. Vertex numbers are those of base.obj, 0-based.
"""
import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SOURCE_TREE = Path(__file__).resolve().parents[2]


def pack_folder():
    return Path(os.environ.get("MAKEHUMAN_DIR", SOURCE_TREE.parent / "shared" / "assets" / "makehuman-cc0"))


def is_available():
    return (pack_folder() / "base" / "base.obj").exists()


def triangles(polygons):
    """Fans of triangles of polygons given as lists of indices."""
    fans = [(p[0], p[i], p[i + 1]) for p in polygons for i in range(1, len(p) - 1)]
    return np.array(fans, int).reshape(-1, 3)


def load_obj(path):
    """-> vertices V x 3, texture coordinates T x 2, polygons, their texture indices, and each polygon's group name"""
    vertices, uvs, polygons, polygon_uvs, groups, group = [], [], [], [], [], ""
    with open(path, errors="replace") as lines:
        for line in lines:
            if line.startswith("v "):
                vertices.append([float(x) for x in line.split()[1:4]])
            elif line.startswith("vt "):
                uvs.append([float(x) for x in line.split()[1:3]])
            elif line.startswith("g "):
                group = line.split()[1]
            elif line.startswith("f "):
                corners = [corner.split("/") for corner in line.split()[1:]]
                polygons.append([int(c[0]) - 1 for c in corners])
                polygon_uvs.append([int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners])
                groups.append(group)
    return np.array(vertices), np.array(uvs) if uvs else np.zeros((1, 2)), polygons, polygon_uvs, groups


def load_target(path):
    """-> vertex numbers, offsets"""
    rows = [line.split() for line in Path(path).read_text().splitlines() if line.strip() and not line.startswith("#")]
    return np.array([int(r[0]) for r in rows], int), np.array([[float(x) for x in r[1:4]] for r in rows]).reshape(-1, 3)


@dataclass
class Proxy:
    """A mesh that is fitted onto the morphed base mesh (.mhclo)."""
    name: str
    scales: dict                # axis number -> (vertex, vertex, distance)
    anchors: np.ndarray         # V x 3 base vertices
    weights: np.ndarray         # V x 3
    offsets: np.ndarray         # V x 3
    uvs: np.ndarray
    faces: np.ndarray           # F x 3
    face_uvs: np.ndarray        # F x 3

    def fit(self, base):
        """Vertices on this shape of the base mesh."""
        scale = np.ones(3)
        for axis, (a, b, distance) in self.scales.items():
            scale[axis] = abs(base[a, axis] - base[b, axis]) / distance
        return (base[self.anchors] * self.weights[..., None]).sum(1) + self.offsets * scale


def load_proxy(path):
    scales, anchors, weights, offsets, in_list = {}, [], [], [], False
    for line in Path(path).read_text(errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("x_scale", "y_scale", "z_scale"):
            scales["xyz".index(words[0][0])] = (int(words[1]), int(words[2]), float(words[3]))
        elif words[0] == "verts":
            in_list = True
        elif in_list and re.match(r"^-?\d", words[0]):    # keyword lines may stand inside the list
            if len(words) == 1:
                anchors.append([int(words[0])] * 3), weights.append([1, 0, 0]), offsets.append([0, 0, 0])
            else:
                anchors.append([int(x) for x in words[:3]])
                weights.append([float(x) for x in words[3:6]])
                offsets.append([float(x) for x in words[6:9]] if len(words) >= 9 else [0, 0, 0])
    vertices, uvs, polygons, polygon_uvs, _ = load_obj(os.path.splitext(path)[0] + ".obj")
    if len(anchors) != len(vertices):
        raise ValueError(f"{path}: {len(anchors)} fitted vertices for a mesh of {len(vertices)}")
    return Proxy(os.path.basename(path)[:-6], scales, np.array(anchors), np.array(weights), np.array(offsets), uvs,
                 triangles(polygons), triangles(polygon_uvs))


class HeadPack:
    """Everything the renderer needs from the folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        if not (self.folder / "base" / "base.obj").exists():
            raise FileNotFoundError(f"{self.folder}: no MakeHuman head pack here (set MAKEHUMAN_DIR)")
        self.base, self.uvs, polygons, polygon_uvs, groups = load_obj(self.folder / "base" / "base.obj")
        kept = self._bust_vertices()
        chosen = {}
        for polygon, polygon_uv, group in zip(polygons, polygon_uvs, groups):
            if all(kept[i] for i in polygon):
                pair = chosen.setdefault(group, ([], []))
                pair[0].append(polygon), pair[1].append(polygon_uv)
        self.faces = {group: (triangles(p), triangles(u)) for group, (p, u) in chosen.items()}
        root = self.folder / "targets"
        self.targets = {os.path.relpath(path, root)[:-7]: load_target(path)
                        for path in sorted(glob.glob(f"{root}/**/*.target", recursive=True))}   # random draws go by this order
        self.proxies = {}
        for path in glob.glob(f"{self.folder}/*/*/*.mhclo"):
            proxy = load_proxy(path)
            self.proxies[proxy.name] = proxy

    def _bust_vertices(self):
        kept = np.zeros(len(self.base), bool)
        for line in (self.folder / "base" / "bust_vertices.txt").read_text().splitlines():
            if not line.startswith("#"):
                first, last = line.strip().split("-")
                kept[int(first):int(last) + 1] = True
        return kept

    def shape(self, ethnicity, gender, age, face=None, expression=None):
        """Vertices of a morphed base mesh.

        ethnicity: name -> weight, sum 1; gender 0 female .. 1 male; age 0 (25 years) .. 1 (90); face: target -> weight;
        expression: unit -> amount.
        """
        vertices = self.base.copy()

        def add(target, weight):
            if weight:
                rows, offsets = self.targets[target]
                vertices[rows] += weight * offsets

        for name, share in ethnicity.items():
            for sex, sex_share in (("female", 1 - gender), ("male", gender)):
                for period, period_share in (("young", 1 - age), ("old", age)):
                    add(f"macro/{name}-{sex}-{period}", share * sex_share * period_share)
            for unit, amount in (expression or {}).items():
                add(f"expression/{name}/{unit}", share * amount)
        for target, weight in (face or {}).items():
            add(target, weight)
        return vertices
