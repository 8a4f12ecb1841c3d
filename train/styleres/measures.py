# SPDX-License-Identifier: GPL-3.0-or-later
"""How alike pictures are, and how alike sets of pictures are. Pictures are uint8 N x H x W x 3."""
import numpy as np
import torch
import torch.nn.functional as F

LUMA = (0.299, 0.587, 0.114)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)     # exponents of the scales (Wang et al. 2003)


def mouth_widening(before, after, landmarks):
    """How much wider the mouth became between two pictures of one face, share of its width, per picture: the slope of the optical
    flow along the line between the mouth's corners. landmarks: N x 68 x 2 pixels, of `before`; rough ones will do.
    Of known widenings of 10, 20, 40 % it finds 8, 16, 28 % (widened by portraits/fields.py)."""
    from skimage.registration import optical_flow_tvl1
    slopes = []
    for one, other, points in zip(before, after, landmarks):
        flow = optical_flow_tvl1(*((picture @ np.array(LUMA) / 255).astype(np.float32) for picture in (one, other)))[::-1]
        left, right = points[48], points[54]
        axis = (right - left) / 2
        offset = np.mgrid[0:one.shape[0], 0:one.shape[1]][::-1] + 0.5 - ((left + right) / 2)[:, None, None]
        along, across = (np.tensordot(line, offset, 1) / (axis @ axis) for line in (axis, np.array([-axis[1], axis[0]])))
        mouth = (np.abs(along) < 1.1) & (np.abs(across) < 0.45)
        slopes.append(np.polyfit(along[mouth], (np.tensordot(axis, flow, 1) / (axis @ axis))[mouth], 1)[0])
    return np.array(slopes)


def psnr(a, b):
    error = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
    return 10 * np.log10(255.0 ** 2 / np.maximum(error, 1e-10))


def _luma(pictures):
    return (torch.from_numpy(pictures).double() @ torch.tensor(LUMA).double())[:, None]


def _structure(a, b):
    """SSIM and its factor of contrast and structure; Gaussian window 11 x 11 with sigma 1.5, per picture."""
    x = torch.arange(11.0).double() - 5
    line = torch.exp(-x * x / (2 * 1.5 ** 2))
    line = line / line.sum()

    def blur(p):
        return F.conv2d(F.conv2d(p, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a ** 2, blur(b * b) - mean_b ** 2
    structure = (2 * (blur(a * b) - mean_a * mean_b) + C2) / (var_a + var_b + C2)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a ** 2 + mean_b ** 2 + C1)
    return (luminance * structure).mean((1, 2, 3)), structure.mean((1, 2, 3))


def ssim(a, b):
    """SSIM of luma (Wang et al. 2004), per picture."""
    return _structure(_luma(a), _luma(b))[0].numpy()


def ms_ssim(a, b):
    """Multi-scale SSIM of luma, per picture; the side is at least 176 pixels."""
    a, b = _luma(a), _luma(b)
    result = torch.ones(len(a), dtype=torch.double)
    for scale, exponent in enumerate(SCALES):
        whole, structure = _structure(a, b)
        result = result * (whole if scale == len(SCALES) - 1 else structure).clamp(min=0) ** exponent
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result.numpy()


def frechet(one, other):
    """Frechet distance of the Gaussians that fit two sets of features (N x D, numpy)."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * shared)


def between(vectors):
    """Similarity of every two different vectors."""
    return (vectors @ vectors.t())[~torch.eye(len(vectors), dtype=torch.bool)]


def separation(same, other):
    """Figures of similarities of pictures of one person and of two: medians, and how often the first is greater (AUC)."""
    order = torch.cat([same, other]).argsort().argsort().double() + 1
    area = (order[:len(same)].sum() - len(same) * (len(same) + 1) / 2) / (len(same) * len(other))
    return {"same": round(float(same.median()), 3), "other": round(float(other.median()), 3),
            "other_95": round(float(other.quantile(0.95)), 3), "auc": round(float(area), 4)}
