# SPDX-License-Identifier: GPL-3.0-or-later
"""A rasteriser in numpy: all triangles at once, all fragments returned."""
import numpy as np


def fragments(xy, depth, triangles, width, height):
    """Every covered pixel of every triangle, hidden ones too.

    xy: V x 2 screen positions (pixels); depth: V, larger is farther; triangles: F x 3.
    -> pixel index (row * width + column), triangle, barycentric weights N x 3, depth at the pixel; and each triangle's signed area
    (y down: negative faces the viewer).
    """
    a, b, c = xy[triangles[:, 0]], xy[triangles[:, 1]], xy[triangles[:, 2]]
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    x0 = np.clip(np.ceil(low[:, 0] - .5), 0, width).astype(int)
    x1 = np.clip(np.floor(high[:, 0] - .5) + 1, 0, width).astype(int)
    y0 = np.clip(np.ceil(low[:, 1] - .5), 0, height).astype(int)
    y1 = np.clip(np.floor(high[:, 1] - .5) + 1, 0, height).astype(int)
    columns, rows = np.maximum(x1 - x0, 0), np.maximum(y1 - y0, 0)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    count = columns * rows
    count[np.abs(area) < 1e-9] = 0

    triangle = np.repeat(np.arange(len(triangles)), count)
    k = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    px = x0[triangle] + k % np.maximum(columns[triangle], 1)
    py = y0[triangle] + k // np.maximum(columns[triangle], 1)
    x, y = px + .5, py + .5
    a, b, c, doubled = a[triangle], b[triangle], c[triangle], area[triangle]
    w0 = ((b[:, 0] - x) * (c[:, 1] - y) - (b[:, 1] - y) * (c[:, 0] - x)) / doubled
    w1 = ((c[:, 0] - x) * (a[:, 1] - y) - (c[:, 1] - y) * (a[:, 0] - x)) / doubled
    w2 = 1 - w0 - w1
    inside = (w0 >= -1e-6) & (w1 >= -1e-6) & (w2 >= -1e-6)
    weights = np.stack([w0, w1, w2], 1)[inside]
    triangle = triangle[inside]
    return (py * width + px)[inside], triangle, weights, (depth[triangles[triangle]] * weights).sum(1), area


def depth_map(pixel, depth, n_pixels):
    """Nearest depth per pixel; 1e9 where nothing is."""
    nearest = np.full(n_pixels, 1e9)
    np.minimum.at(nearest, pixel, depth)
    return nearest


def vertex_normals(vertices, triangles):
    """Unit normals, the mean of the faces' around each vertex by area."""
    face = np.cross(vertices[triangles[:, 1]] - vertices[triangles[:, 0]], vertices[triangles[:, 2]] - vertices[triangles[:, 0]])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], face[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def smoothed_normals(normals, triangles, rounds=2):
    """Normals averaged with their neighbours': hides the creases of a coarse mesh in large pictures."""
    edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    for _ in range(rounds):
        total = normals.copy()
        for axis in range(3):
            total[:, axis] += np.bincount(edges[:, 0], normals[edges[:, 1], axis], len(normals))
            total[:, axis] += np.bincount(edges[:, 1], normals[edges[:, 0], axis], len(normals))
        normals = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return normals
