# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft masks of an aligned portrait: skin, hair, brows, and features that must stay untouched.

All functions take the photo as float RGB in 0..1 (S x S x 3) and its 68 landmarks (300-W order) in pixels, and
return S x S arrays in 0..1. They are statistical guesses for plain portraits (one person, quiet background), good
enough to make pseudo pairs, not matting.
"""
import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion, gaussian_filter, label, maximum_filter, uniform_filter

# a plain backdrop scatters this much in _colour_space(); the log of its Gaussian's peak follows
BACKGROUND_SPREAD = np.array([0.030, 0.022, 0.022])
BACKGROUND_LOG_PEAK = -np.log(BACKGROUND_SPREAD).sum()
LUMA = np.array([0.299, 0.587, 0.114])


def luma(rgb):
    return rgb @ LUMA


def polygon(points, size):
    """Filled polygon, antialiased by drawing it four times as large."""
    big = Image.new("L", (size * 4, size * 4))
    ImageDraw.Draw(big).polygon([tuple(p) for p in np.asarray(points, float) * 4], fill=255)
    return np.asarray(big.resize((size, size), Image.BOX), np.float32) / 255


def face_frame(landmarks):
    """Origin between the eyes, unit right and down vectors, and the distance from the eyes to the mouth."""
    eyes = (landmarks[36:42].mean(0) + landmarks[42:48].mean(0)) / 2
    across = landmarks[42:48].mean(0) - landmarks[36:42].mean(0)
    right = across / np.hypot(*across)
    down = np.array([-right[1], right[0]])
    height = (landmarks[[48, 54]].mean(0) - eyes) @ down
    return eyes, right, down, height


def brow_points(landmarks):
    return landmarks[17:22], landmarks[22:27]


def face_oval(landmarks, size):
    """Jaw line closed by an arc over the forehead."""
    eyes, right, down, height = face_frame(landmarks)
    jaw = landmarks[:17]
    left, rightmost = jaw[0], jaw[16]
    middle = (left + rightmost) / 2
    half = np.hypot(*(rightmost - left)) / 2
    angles = np.linspace(0, np.pi, 13)[1:-1]
    top = 1.25 * height + (middle - eyes) @ down
    arc = [middle + right * half * np.cos(a) - down * top * np.sin(a) for a in angles]
    return polygon(np.vstack([jaw, arc]), size)


def features(landmarks, size, grow=0.08):
    """Eyes, brows, nostrils, lips: kept as they are by every skin operation."""
    _, _, down, height = face_frame(landmarks)
    mask = np.zeros((size, size), np.float32)
    groups = [landmarks[36:42], landmarks[42:48], landmarks[48:60]]
    for brow in brow_points(landmarks):
        groups.append(np.vstack([brow - down * 0.05 * height, (brow + down * 0.10 * height)[::-1]]))
    groups.append(np.vstack([landmarks[31:36], landmarks[[35, 33, 31]] - down * 0.14 * height]))
    for points in groups:
        mask = np.maximum(mask, polygon(points, size))
    reach = max(1, int(round(grow * height)))
    return np.clip(gaussian_filter(maximum_filter(mask, 2 * reach + 1), reach * 0.5), 0, 1)


def eyes_and_mouth(landmarks, size):
    """Eyeballs and what lies between the lips."""
    inner = np.max([polygon(landmarks[part], size) for part in (slice(36, 42), slice(42, 48), slice(60, 68))], 0)
    return np.clip(gaussian_filter(maximum_filter(inner, 5), 2), 0, 1)


def _gaussian_model(samples):
    mean = np.median(samples, 0)
    spread = samples - mean
    keep = (np.abs(spread).sum(1) <= np.quantile(np.abs(spread).sum(1), 0.85))
    covariance = np.cov(samples[keep].T) + np.eye(samples.shape[1]) * 4e-4
    return mean, np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]


def _log_likelihood(values, model):
    mean, inverse, logdet = model
    d = values - mean
    return -0.5 * (np.einsum("...i,ij,...j->...", d, inverse, d) + logdet)


def _colour_space(rgb):
    """Luma with little weight and two opponent colours with more."""
    y = luma(rgb)
    return np.stack([y * 0.7, (rgb[..., 0] - rgb[..., 1]) * 1.6, (rgb[..., 1] - rgb[..., 2]) * 1.2], -1)


def guided_filter(guide, image, radius, epsilon):
    """He, Sun, Tang: Guided image filtering (TPAMI 2013), grey guide."""
    box = lambda a: uniform_filter(a, 2 * radius + 1, mode="nearest")
    mean_g, mean_i = box(guide), box(image)
    a = (box(guide * image) - mean_g * mean_i) / (box(guide * guide) - mean_g ** 2 + epsilon)
    return box(a) * guide + box(mean_i - a * mean_g)


def _background_distance(values):
    """Squared distance to the backdrop in units of its spread. The backdrop may change from top to bottom, and each side has its own."""
    size = len(values)
    strip = max(2, size // 24)
    rows = np.minimum(np.arange(size), int(0.62 * size))
    distances = []
    for edge in (values[:, :strip], values[:, -strip:]):
        colour = gaussian_filter(np.median(edge, 1), (size / 40, 0))[rows]
        distances.append((((values - colour[:, None]) / BACKGROUND_SPREAD) ** 2).sum(-1))
    return np.minimum(*distances)


def skin(rgb, landmarks):
    """Face skin by colour inside the oval, without the features."""
    size = len(rgb)
    oval = face_oval(landmarks, size)
    inside = (oval > 0.9) & (features(landmarks, size) < 0.05)
    below_brows = polygon(np.vstack([landmarks[:17], landmarks[26:16:-1]]), size) > 0.5
    if (inside & below_brows).sum() < 50:
        return np.zeros((size, size), np.float32)
    values = _colour_space(gaussian_filter(rgb, (1, 1, 0)))
    mean, inverse, _ = _gaussian_model(values[inside & below_brows])
    d = values - mean
    distance = np.einsum("...i,ij,...j->...", d, inverse, d)
    colour = 1 / (1 + np.exp(np.clip((distance - 26) / 5, -30, 30)))
    # below the brows skin is skin, however dark a wrinkle is; above them colour decides where the hair starts
    mask = np.maximum(colour, below_brows * 0.999) * gaussian_filter(oval, size / 128)
    return np.clip(gaussian_filter(mask, size / 170), 0, 1) * (1 - features(landmarks, size))


def hair(rgb, landmarks):
    """Hair: around the upper head, unlike the background and unlike the skin."""
    size = len(rgb)
    eyes, right, down, height = face_frame(landmarks)
    grid = np.mgrid[0:size, 0:size][::-1].transpose(1, 2, 0) + 0.5 - eyes
    u, v = grid @ right / height, grid @ down / height
    values = _colour_space(gaussian_filter(rgb, (0.8, 0.8, 0)))
    oval = face_oval(landmarks, size)

    d_back = _background_distance(values)
    below_brows = polygon(np.vstack([landmarks[:17], landmarks[26:16:-1]]), size) > 0.5
    skin_model = _gaussian_model(values[below_brows & (features(landmarks, size) < 0.05)])

    # a cap that follows the skull, wide enough for full hair; sides hang down to the jaw
    cap = ((u / 1.95) ** 2 + ((v + 0.25) / 2.1) ** 2 < 1) & (v < 0.9)
    cap &= ~(polygon(np.vstack([landmarks[:17], landmarks[26:16:-1] - down * 0.22 * height]), size) > 0.3)
    seed = (np.abs(u) < 1.15) & (v < -0.75) & cap
    d_skin = np.einsum("...i,ij,...j->...", values - skin_model[0], skin_model[1], values - skin_model[0])
    seed &= (d_back > 14) & (d_skin > 14)
    if seed.sum() < size * size * 0.004:
        return np.zeros((size, size), np.float32)
    hair_model = _gaussian_model(values[seed])
    l_hair = _log_likelihood(values, hair_model)
    l_other = np.maximum(BACKGROUND_LOG_PEAK - 0.5 * d_back, _log_likelihood(values, skin_model) - 1.0 * (oval < 0.1))
    probability = 1 / (1 + np.exp(np.clip(-(l_hair - l_other) / 2.5, -30, 30)))
    # inside the face only what is darker than the skin: a highlight on the forehead differs from skin as well
    darker = luma(rgb) < 0.95 * np.median(luma(rgb)[below_brows])
    probability = np.where((oval > 0.5) & ~darker, 0, probability)
    probability = probability * np.clip(gaussian_filter(cap.astype(np.float32), size / 64) * 1.1, 0, 1)

    solid = probability > 0.5
    parts, n = label(solid)
    if n:
        counts = np.bincount(parts.ravel())
        counts[0] = 0
        touching = np.bincount(parts.ravel(), (seed & solid).ravel())
        wanted = (counts > 0.05 * counts.max()) & (touching > 0)
        near = maximum_filter(wanted[parts], int(size / 32))
        probability = probability * near
    smooth = guided_filter(luma(rgb), gaussian_filter(probability, size / 256), max(2, size // 64), 1e-3)
    return np.clip((smooth - 0.08) / 0.84, 0, 1).astype(np.float32)


def brows(rgb, landmarks):
    """How much each pixel near a brow is darker or greyer hair over the skin."""
    size = len(rgb)
    _, _, down, height = face_frame(landmarks)
    area = np.zeros((size, size), np.float32)
    for brow in brow_points(landmarks):
        area = np.maximum(area, polygon(np.vstack([brow - down * 0.13 * height, (brow + down * 0.14 * height)[::-1]]), size))
    area = gaussian_filter(area, size / 100)
    y = luma(rgb)
    local = gaussian_filter(maximum_filter(gaussian_filter(y, size / 200), int(0.3 * height)), 0.1 * height)
    return np.clip((local - y - 0.06) / 0.22, 0, 1) * area


def person(rgb, landmarks):
    """The whole person against a plain backdrop, or None where no backdrop is found: a random walk from what surely is either."""
    from skimage.segmentation import random_walker
    size = len(rgb)
    eyes, right, down, height = face_frame(landmarks)
    grid = np.mgrid[0:size, 0:size][::-1].transpose(1, 2, 0) + 0.5 - eyes
    u, v = np.abs(grid @ right) / height, grid @ down / height
    values = _colour_space(gaussian_filter(rgb, (0.8, 0.8, 0)))
    distance = _background_distance(values)

    inner = polygon(np.vstack([landmarks[:17], landmarks[26:16:-1]]), size) > 0.5
    inner |= (hair(rgb, landmarks) > 0.95) & (u < 1.5)
    inner |= (face_oval(landmarks, size) > 0.5) & (v > -0.9)
    inner |= ((u < 0.45) & (v > 1.2)) | ((u < 1.0) & (v > 1.72))          # neck and collar
    inner = binary_erosion(inner, iterations=size // 64)

    parts, _ = label(distance < 6)
    border = np.zeros((size, size), bool)
    border[0] = border[:int(0.7 * size), 0] = border[:int(0.7 * size), -1] = True
    outer = np.isin(parts, np.unique(parts[border & (parts > 0)])) & ~((u < 0.8) & (v > 1.3))
    outer = binary_erosion(outer, iterations=size // 128) | ((v < -1.95) & (distance < 40))
    outer &= ~inner
    if outer.mean() < 0.05:
        return None
    seeds = np.where(inner, 1, np.where(outer, 2, 0))
    return np.clip(random_walker(np.clip(values * 2, -1, 1), seeds, beta=400, mode="cg_j", channel_axis=-1, return_full_prob=True,
                                 prob_tol=1)[0], 0, 1)


def own_hair(rgb, landmarks):
    """hair() without what beside it is like it, but backdrop (S even)."""
    found, half = hair(rgb, landmarks), len(rgb) // 2
    inside = person(rgb.reshape(half, 2, half, 2, 3).mean((1, 3)), landmarks / 2)
    if inside is None:
        return found
    inside = np.asarray(Image.fromarray(inside.astype(np.float32)).resize(found.shape, Image.BILINEAR))
    return np.minimum(found, np.clip(1.5 * inside - .25, 0, 1))
