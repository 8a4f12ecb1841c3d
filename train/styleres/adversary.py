# SPDX-License-Identifier: GPL-3.0-or-later
"""What training needs beyond the model itself: StyleGAN2's mapping network and discriminator, and a discriminator of latents.

None of it goes into a model file. Plain PyTorch throughout, since R1 needs gradients of gradients.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

SQRT2 = math.sqrt(2.0)


class Dense(nn.Module):
    """Equalised linear layer; its stored weights are 1 / rate times as large, so that they learn `rate` times as fast."""

    def __init__(self, inputs, outputs, rate=1.0, activate=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain, self.rate, self.activate = rate / math.sqrt(inputs), rate, activate

    def forward(self, x):
        y = F.linear(x, self.weight * self.gain, self.bias * self.rate)
        return F.leaky_relu(y, 0.2) * SQRT2 if self.activate else y


class Mapping(nn.Module):
    """z -> w; the keys of its state dict are the released checkpoint's. `w_avg` follows the mean of w."""

    def __init__(self, z_dim, w_dim, layers, momentum=0.995):
        super().__init__()
        self.z_dim, self.layers, self.momentum = z_dim, layers, momentum
        for k in range(layers):
            setattr(self, f"fc{k}", Dense(z_dim if k == 0 else w_dim, w_dim, 0.01))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z):
        """N x z_dim -> N x w_dim, in full precision."""
        with torch.autocast(z.device.type, enabled=False):
            x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
            for k in range(self.layers):
                x = getattr(self, f"fc{k}")(x)
            return x

    @torch.no_grad()
    def follow(self, mean):
        self.w_avg.lerp_(mean, 1 - self.momentum)


class EqualConv(nn.Module):
    """Equalised convolution, leaky ReLU; with down (odd kernels), the picture is blurred and halved before it."""

    def __init__(self, inputs, outputs, kernel, down=False, bias=True, activate=True, stride=1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.padding = 1 / math.sqrt(inputs * kernel * kernel), (kernel - stride + 1) // 2
        self.down, self.activate, self.stride = down, activate, stride

    def forward(self, x):
        weight = (self.weight * self.gain).to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if self.down and self.padding:
            x = F.conv2d(blur(x, 2), weight, bias, stride=2)
        elif self.down:
            x = F.conv2d(blur(x, 1)[:, :, ::2, ::2], weight, bias)
        else:
            x = F.conv2d(x, weight, bias, self.stride, self.padding)
        return F.leaky_relu(x, 0.2) * SQRT2 if self.activate else x


def blur(x, padding):
    """FIR outer([1,3,3,1]) / 64, one axis after the other."""
    taps = torch.tensor([0.125, 0.375, 0.375, 0.125], device=x.device, dtype=x.dtype)
    channels = x.shape[1]
    x = F.conv2d(x, taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1), padding=(padding, 0), groups=channels)
    return F.conv2d(x, taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4), padding=(0, padding), groups=channels)


class DiscriminatorBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv0 = EqualConv(inputs, inputs, 3)
        self.conv1 = EqualConv(inputs, outputs, 3, down=True)
        self.skip = EqualConv(inputs, outputs, 1, down=True, bias=False, activate=False)

    def forward(self, x):
        return (self.conv1(self.conv0(x)) + self.skip(x)) / SQRT2


class Discriminator(nn.Module):
    """StyleGAN2's residual discriminator of pictures of one side."""

    def __init__(self, side, channels, group=4):
        """channels: per resolution as in [model]; group: pictures whose spread is compared (minibatch standard deviation)."""
        super().__init__()
        self.group = group
        widths = {int(resolution): count for resolution, count in channels.items()}
        self.from_rgb = EqualConv(3, widths[side], 1)
        blocks, resolution = [], side
        while resolution > 4:
            blocks.append(DiscriminatorBlock(widths[resolution], widths[resolution // 2]))
            resolution //= 2
        self.blocks = nn.Sequential(*blocks)
        self.conv = EqualConv(widths[4] + 1, widths[4], 3)
        self.dense = Dense(16 * widths[4], widths[4])
        self.out = Dense(widths[4], 1, activate=False)

    def forward(self, x):
        """N x 3 x side x side in -1..1 -> N, large for pictures taken as real."""
        x = self.blocks(self.from_rgb(x)).float()
        with torch.autocast(x.device.type, enabled=False):
            x = self.conv(torch.cat([x, self.spread(x)], 1))
            return self.out(self.dense(x.flatten(1)))[:, 0]

    def spread(self, x):
        """One channel: how much the pictures of a group differ, averaged over everything."""
        count = x.shape[0]
        size = math.gcd(count, self.group)
        groups = x.reshape(size, count // size, *x.shape[1:])
        deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        return deviation.repeat(size).view(count, 1, 1, 1).expand(-1, 1, *x.shape[2:])


class PatchDiscriminator(nn.Module):
    """Of every patch of a picture, whether it is a real one's (PatchGAN of Isola et al., arXiv 1611.07004, without normalisation): what
    edits spoil is texture here and there, in pictures that are mostly the photo still."""

    LUMA, AROUND = (0.299, 0.587, 0.114), 17    # pixels (odd) over which what is no detail is the mean

    def __init__(self, channels, colours=False):
        """channels: of as many layers, each of which halves the side; colours: it sees the picture, else the detail of its luma alone."""
        super().__init__()
        self.colours = colours
        halving = [EqualConv(inputs, outputs, 4, stride=2) for inputs, outputs in zip([3 if colours else 1, *channels], channels)]
        self.layers = nn.Sequential(*halving, EqualConv(channels[-1], channels[-1], 3), EqualConv(channels[-1], 1, 3, activate=False))

    def forward(self, x):
        """N x 3 x side x side in -1..1 -> N x s x s, large for patches taken as real."""
        return self.layers(x if self.colours else self.detail(x))[:, 0]

    def detail(self, x):
        luma = (x * x.new_tensor(self.LUMA)[:, None, None]).sum(1, keepdim=True)
        return luma - F.avg_pool2d(luma, self.AROUND, 1, self.AROUND // 2, count_include_pad=False)


class LatentDiscriminator(nn.Module):
    """Whether a row of w+ looks like an output of the mapping network (e4e's second discriminator)."""

    def __init__(self, w_dim, hidden=512, layers=3):
        super().__init__()
        self.layers = nn.Sequential(Dense(w_dim, hidden), *[Dense(hidden, hidden) for _ in range(layers - 1)],
                                    Dense(hidden, 1, activate=False))

    def forward(self, w):
        with torch.autocast(w.device.type, enabled=False):
            return self.layers(w.float())[..., 0]


def generator_loss(logits):
    return F.softplus(-logits).mean()


def discriminator_loss(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def gradient_penalty(discriminator, real):
    """R1: the squared gradient at real samples, mean over them."""
    real = real.detach().float().requires_grad_(True)
    with torch.autocast(real.device.type, enabled=False):
        gradient, = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()
