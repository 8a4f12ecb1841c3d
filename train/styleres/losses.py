# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture losses, one value per sample."""
import torch
import torch.nn.functional as F


def face_weights(side, device=None):
    """1 x 1 x side x side: an FFHQ-aligned face weighs more than its surroundings, eyes and mouth most."""
    axis = (torch.arange(side, device=device) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")

    def blob(cx, cy, sx, sy):
        return torch.exp(-((x - cx) / sx) ** 2 - ((y - cy) / sy) ** 2)

    weights = 0.6 + 1.5 * blob(0.5, 0.52, 0.24, 0.3) + 2.5 * blob(0.5, 0.69, 0.13, 0.08)
    weights = weights + 1.5 * (blob(0.38, 0.48, 0.08, 0.05) + blob(0.62, 0.48, 0.08, 0.05))
    return (weights / weights.mean())[None, None]


def local_ssim(a, b):
    """Mean SSIM over 8 x 8 windows, stride 4, of pictures in -1..1."""
    def pool(x):
        return F.avg_pool2d(x, 8, 4)

    mean_a, mean_b = pool(a), pool(b)
    var_a, var_b = pool(a * a) - mean_a * mean_a, pool(b * b) - mean_b * mean_b
    covariance = pool(a * b) - mean_a * mean_b
    c1, c2 = 0.02 ** 2, 0.06 ** 2
    ssim = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)
            / ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2)))
    return ssim.mean((1, 2, 3))


def contrast(pictures):
    """How much each pixel's surroundings (5 x 5) vary about their own mean."""
    def pool(x):
        return F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)

    return (pool((pictures - pool(pictures)).square()) + 1e-4).sqrt()


def contrast_loss(output, target, weights):
    """How much less or more varied the output is than the target, place by place: where it is not sure what goes where, L1 asks for
    the blur that is in between, and this for edges, if need be in other places."""
    return ((contrast(output) - contrast(target)).abs() * weights).mean((1, 2, 3))


def picture_loss(output, target, weights, loss):
    """Face-weighted L1 at three scales, gradients and SSIM. loss: the configuration's [loss] section."""
    difference = output - target
    total = loss["l1"] * (difference.abs() * weights).mean((1, 2, 3))
    pooled = difference
    for _ in range(2):
        pooled = F.avg_pool2d(pooled, 2)
        total = total + loss["pooled"] * pooled.abs().mean((1, 2, 3))
    horizontal = (difference[..., 1:] - difference[..., :-1]).abs() * weights[..., 1:]
    vertical = (difference[:, :, 1:] - difference[:, :, :-1]).abs() * weights[:, :, 1:]
    total = total + loss["gradient"] * (horizontal.mean((1, 2, 3)) + vertical.mean((1, 2, 3)))
    return total + loss["ssim"] * (1 - local_ssim(output, target))
