# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of StyleRes (arXiv 2212.14359): e4e encoder E0, StyleGAN2 generator G, residual networks E1 and E2.

Every size comes from a model configuration (see config.py); the parameter names are those of the released checkpoint, so
that a state dict of `StyleRes` is the content of a model file. Tensors are N x C x H x W, pictures are in -1..1.
"""
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .config import MOTION_PHASES
from .fastconv import half_precision, prelu, styled_conv2d

CLAMP = 256.0
SQRT2 = math.sqrt(2.0)


class Conv(nn.Conv2d):
    """A convolution and the leaky ReLU after it (slope 1: none), in one pass where the fast library is built."""

    def __init__(self, inputs, outputs, kernel, stride=1, padding=0, bias=True, slope=1.0):
        super().__init__(inputs, outputs, kernel, stride, padding, bias=bias)
        self.slope = slope

    def forward(self, x):
        return styled_conv2d(x, self.weight, bias=self.bias, slope=self.slope, stride=self.stride[0],
                             padding=self.padding[0])


class PRelu(nn.PReLU):
    def forward(self, x):
        return prelu(x, self.weight)


class EqualLinear(nn.Module):
    """Equalised linear layer: y = (W / sqrt(in)) x + b."""

    def __init__(self, inputs, outputs, bias=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.gain = 1.0 / math.sqrt(inputs)

    def forward(self, x):
        return F.linear(x, self.weight * self.gain, self.bias)


def upsample_bilinear(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


# ---------------------------------------------------------------- E0


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x):
        pooled = x.mean((2, 3))
        hidden = F.relu(F.linear(pooled, self.fc1.weight.flatten(1)))
        return x * torch.sigmoid(F.linear(hidden, self.fc2.weight.flatten(1)))[:, :, None, None]


def batch_norm(channels):
    # Small batches: a slow running average is what the encoder is later used with.
    return nn.BatchNorm2d(channels, momentum=0.03)


class Bottleneck(nn.Module):
    """bottleneck_IR_SE: the stride is on the second 3 x 3 convolution."""

    def __init__(self, inputs, outputs, stride, hidden):
        super().__init__()
        self.stride = stride
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                Conv(inputs, outputs, 1, bias=False), batch_norm(outputs))
        else:
            self.shortcut_layer = None
        self.res_layer = nn.Sequential(
            batch_norm(inputs),
            Conv(inputs, outputs, 3, 1, 1, bias=False), PRelu(outputs),
            Conv(outputs, outputs, 3, stride, 1, bias=False), batch_norm(outputs),
            SqueezeExcitation(outputs, hidden))

    def forward(self, x):
        # Left to a 1 x 1 convolution of that stride, oneDNN 2.7 may write past its buffers with so few channels as the tests have.
        shortcut = x[:, :, ::self.stride, ::self.stride] if self.stride > 1 else x
        return self.res_layer(x) + (shortcut if self.shortcut_layer is None else self.shortcut_layer(shortcut))


class StyleHead(nn.Module):
    """GradualStyleBlock: stride-2 convolutions down to 1 x 1, then one row of w+."""

    def __init__(self, channels, steps, w_dim):
        super().__init__()
        layers = []
        for _ in range(steps):
            layers += [Conv(channels, channels, 3, 2, 1, slope=0.01), nn.Identity()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(channels, w_dim)

    def forward(self, x):
        return self.linear(self.convs(x).flatten(1))


class Encoder(nn.Module):
    """E0. Returns w+ without latent_avg (N x rows x w_dim) and enc_feat (output of group 2)."""

    SIDE_DIVISOR = {"p1": 4, "p2": 8, "c3": 16}

    def __init__(self, config):
        super().__init__()
        encoder = config["encoder"]
        stem, groups, self.heads = encoder["stem"], encoder["groups"], encoder["heads"]
        self.input_layer = nn.Sequential(
            Conv(3, stem, 3, 1, 1, bias=False), batch_norm(stem), PRelu(stem))
        units, self.group_ends = [], []
        for inputs, outputs, count in groups:
            for index in range(count):
                first = index == 0
                units.append(Bottleneck(inputs if first else outputs, outputs, 2 if first else 1,
                                        max(outputs // encoder.get("se_ratio", 8), 4)))
            self.group_ends.append(len(units) - 1)
        self.body = nn.ModuleList(units)
        width = groups[3][1]
        self.latlayer1 = Conv(groups[2][1], width, 1)
        self.latlayer2 = Conv(groups[1][1], width, 1)
        self.styles = nn.ModuleList([
            StyleHead(width, int(math.log2(config["input"] // self.SIDE_DIVISOR[source])), config["w_dim"])
            for source in self.heads])

    def features(self, x, groups=4):
        """Outputs of the groups from the second on; `groups`: how many to compute."""
        x = self.input_layer(x)
        taps = []
        for index, unit in enumerate(self.body[:self.group_ends[groups - 1] + 1]):
            x = unit(x)
            if index in self.group_ends[1:]:
                taps.append(x)
        return taps

    def forward(self, x, rows=None):
        c1, c2, c3 = self.features(x)
        sources = {"c3": c3}
        sources["p2"] = upsample_bilinear(c3, c2.shape[2:]) + self.latlayer1(c2)
        if "p1" in self.heads[:rows]:
            sources["p1"] = upsample_bilinear(sources["p2"], c1.shape[2:]) + self.latlayer2(c1)
        codes = [head(sources[source]) for head, source in zip(self.styles[:rows], self.heads)]
        return torch.stack([codes[0]] + [codes[0] + code for code in codes[1:]], 1), c1


# ---------------------------------------------------------------- G


def _phase_matrix():
    """M[phase, t, k], one axis of "transposed convolution with stride 2, then FIR [1,3,3,1]/4" as two ordinary ones:

    out[2y + phase] = sum_t x[y + t - 1] * sum_k M[phase, t, k] * W[k].
    """
    fir = [0.25, 0.75, 0.75, 0.25]
    first_tap = [[1, -1, -3], [2, 0, -2]]
    matrix = torch.zeros(2, 3, 3)
    for phase in range(2):
        for tap in range(3):
            for k in range(3):
                j = k - first_tap[phase][tap]
                if 0 <= j < 4:
                    matrix[phase, tap, k] = fir[j]
    return matrix


PHASES = _phase_matrix()


def polyphase_weight(weight):
    """Kernel O x I x 3 x 3 of an upsampling convolution -> 4O x I x 3 x 3, phase by phase."""
    outputs, inputs = weight.shape[:2]
    phases = PHASES.to(weight)
    return torch.einsum("ptk,qsl,oikl->pqoits", phases, phases, weight).reshape(outputs * 4, inputs, 3, 3)


class SynthesisConv(nn.Module):
    """Modulated, demodulated 3 x 3 convolution with noise, bias, leaky ReLU, gain sqrt 2 and clamp (StyleGAN2)."""

    def __init__(self, inputs, outputs, w_dim, upsample, resolution, noise):
        super().__init__()
        self.upsample = upsample
        # Demodulation cancels the scale of the weight; its size only sets the effective learning rate.
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) * 0.1)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.affine = EqualLinear(w_dim, inputs, 1.0)
        self.noise, self.fresh_noise = noise, False
        if noise:
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros([]))

    def forward(self, x, w):
        styles, kernel, half = self.affine(w), self.weight, half_precision(x.device.type)
        if half:    # Demodulation cancels any scale, so take one at which half floats neither overflow nor vanish.
            styles = styles.float() / styles.float().abs().amax(1, keepdim=True).clamp(min=1e-6)
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        with torch.autocast(x.device.type, enabled=False):
            # sqrt(2) is the activation's gain; leaky ReLU commutes with it.
            demodulation = (styles.square() @ kernel.square().sum((2, 3)).t() + 1e-8).rsqrt() * SQRT2
            weight = polyphase_weight(kernel) if self.upsample else kernel
        if self.noise:
            x = styled_conv2d(x, weight, styles, demodulation, padding=1, upsample=self.upsample)
            plane = torch.randn_like(x[:, :1]) if self.fresh_noise else self.noise_const
            x = F.leaky_relu(x + ((plane * self.noise_strength + self.bias[:, None, None]) * SQRT2).to(x.dtype), 0.2)
        else:
            x = styled_conv2d(x, weight, styles, demodulation, self.bias * SQRT2, 0.2, padding=1, upsample=self.upsample)
        # In full precision training never reaches the clamp; skipping it there saves a pass over memory.
        return x if self.training and not half else x.clamp(-CLAMP, CLAMP)


class ToRgb(nn.Module):
    """1 x 1 modulated convolution without demodulation."""

    def __init__(self, inputs, w_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.affine = EqualLinear(w_dim, inputs, 1.0)
        self.gain = 1.0 / math.sqrt(inputs)

    def forward(self, x, w):
        styles = self.affine(w) * self.gain
        weight = self.weight.flatten(1)[None] * styles[:, None]
        n, c, height, width = x.shape
        rgb = torch.bmm(weight, x.reshape(n, c, height * width)).view(n, 3, height, width)
        rgb = rgb.float() if half_precision(x.device.type) else rgb
        return (rgb + self.bias[:, None, None]).clamp(-CLAMP, CLAMP)


def upsample_rgb(x):
    """Zero insertion, then FIR outer([1,3,3,1])/16, padding (2,1): each axis mixes neighbours 1/4 and 3/4."""
    for axis in (2, 3):
        padding = [0, 0, 1, 1] if axis == 2 else [1, 1]
        padded, size = F.pad(x, padding), x.shape[axis]
        before, here, after = (padded.narrow(axis, k, size) for k in range(3))
        x = torch.stack([0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after], axis + 1).flatten(axis, axis + 1)
    return x


# ---------------------------------------------------------------- E1, E2


class ResLayers(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        if inputs != outputs or stride != 1:
            self.shortcut_layer = nn.Sequential(Conv(inputs, outputs, 1, stride, bias=False))
        else:
            self.shortcut_layer = None
        self.res_layer = nn.Sequential(
            Conv(inputs, outputs, 3, 1, 1, slope=0.2), nn.Identity(), Conv(outputs, outputs, 3, stride, 1))
        # Chains of these start close to the identity.
        nn.init.normal_(self.res_layer[2].weight, 0.0, 0.3 / math.sqrt(9 * outputs))
        nn.init.zeros_(self.res_layer[2].bias)

    def forward(self, x):
        return self.res_layer(x) + (x if self.shortcut_layer is None else self.shortcut_layer(x))


class FeatureAlignment(nn.Module):
    """First half of E1: what the photo's features hold beyond F."""

    def __init__(self, encoder_channels, channels):
        super().__init__()
        c = channels
        self.first_layer = Conv(encoder_channels + c, c, 1)
        self.conv1 = nn.Sequential(ResLayers(c, c))
        self.conv2 = nn.Sequential(ResLayers(c, c, 2), ResLayers(c, c))
        self.conv3 = nn.Sequential(ResLayers(c, c, 2), ResLayers(c, c))
        self.dconv1 = nn.Sequential(ResLayers(c, c), ResLayers(c, c))
        self.dconv2 = nn.Sequential(ResLayers(c, c), ResLayers(c, c))
        self.out_layer = Conv(c, c, 1)

    def forward(self, enc_feat, feats):
        f1 = self.conv1(self.first_layer(torch.cat([enc_feat, feats], 1)))
        f2 = self.conv2(f1)
        f3 = self.conv3(f2)
        d2 = upsample_bilinear(self.dconv1(upsample_bilinear(f3, f2.shape[2:]) + f2), f1.shape[2:])
        return self.out_layer(self.dconv2(d2 + f1))


class FeatureExtraction(nn.Module):
    """Second half of E1; its output is the residual features R."""

    def __init__(self, channels):
        super().__init__()
        self.first_layer = Conv(channels, channels, 1)
        self.convs = nn.Sequential(*[ResLayers(channels, channels) for _ in range(3)])

    def forward(self, x):
        return self.convs(self.first_layer(x))


class GateNetwork(nn.Module):
    """E2: from F' and R to delta F and the gate (one channel, 0..1)."""

    def __init__(self, channels, hidden):
        super().__init__()
        c = channels
        self.down1 = Conv(c, hidden, 3, 1, 1)
        self.down2 = Conv(c, hidden, 3, 1, 1)
        self.convs = nn.Sequential(ResLayers(2 * hidden, c), ResLayers(c, c), ResLayers(c, c))
        self.convs2 = nn.Sequential(ResLayers(2 * hidden, c), ResLayers(c, c), ResLayers(c, 1))
        # An open gate at the start: a gate that shuts early never opens again.
        nn.init.constant_(self.convs2[2].res_layer[2].bias, 1.5)

    def forward(self, feats, residual):
        x = torch.cat([self.down1(feats), self.down2(residual)], 1)
        return self.convs(x), torch.sigmoid(self.convs2(x))


class MotionNetwork(nn.Module):
    """Where an edit moves things: from F and F' to the way back to the photo from every cell of F (across, down; cells)."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.first_layer = Conv(2 * channels, hidden, 3, 1, 1, slope=0.2)
        self.convs = nn.Sequential(ResLayers(hidden, hidden), ResLayers(hidden, hidden))
        self.out_layer = Conv(hidden, 2, 3, 1, 1)
        nn.init.normal_(self.out_layer.weight, 0.0, 0.01)
        nn.init.zeros_(self.out_layer.bias)

    def forward(self, feats, edited):
        return self.out_layer(self.convs(self.first_layer(torch.cat([feats, edited], 1))))


def moved(pictures, motion, mode="bilinear"):
    """pictures(x + motion(x)): motion (N x 2 x s x s, in s-ths of the side) is interpolated; beyond the border is the border.
    mode: of the pictures' own interpolation, "bicubic" keeps them sharper."""
    side, cells, exact = pictures.shape[2], motion.shape[2], torch.promote_types(motion.dtype, torch.float32)
    motion = F.interpolate(motion.to(exact), (side, side), mode="bilinear", align_corners=False)
    axis = (torch.arange(side, device=pictures.device, dtype=exact) + 0.5) * (2 / side) - 1     # places do not fit into 16 bits
    grid = torch.stack([axis.expand(side, side), axis[:, None].expand(side, side)]) + motion * (2 / cells)
    return F.grid_sample(pictures.to(exact), grid.permute(0, 2, 3, 1), mode, "border", align_corners=False).to(pictures.dtype)


def known_motion(flow, cells):
    """N x 2 x c x c (in c-ths of the side; NaN where nobody knows) -> the same for cells x cells, in their unit, 0 where nobody knows;
    N bool: whether somebody does."""
    known = ~flow.isnan().flatten(1).any(1)
    way = F.interpolate(flow.nan_to_num(), (cells, cells), mode="bilinear", align_corners=False)
    return way * (known[:, None, None, None] * (cells / flow.shape[2])), known


def shown(way):
    """How far every cell of the photo is to be seen in a picture that has it from there: N x 1 x c x c, 0..1. way: N x 2 x c x c, where
    every cell of the picture is in the photo (c-ths of the side)."""
    way = F.interpolate(way, scale_factor=2, mode="bilinear", align_corners=False) * 2      # what is stretched has no holes
    count, side = len(way), way.shape[2]
    axis = torch.arange(side, device=way.device)
    places = (way + torch.stack([axis.expand(side, side), axis[:, None].expand(side, side)])).clamp(0, side - 1)
    corner, cover = places.floor(), way.new_zeros(count, side * side)
    for step in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = (corner + corner.new_tensor(step)[:, None, None]).unbind(1)
        share = (1 - (places[:, 0] - x).abs()) * (1 - (places[:, 1] - y).abs())
        inside = (x.clamp(max=side - 1) + y.clamp(max=side - 1) * side).long()      # beyond the border the share is 0
        cover.scatter_add_(1, inside.flatten(1), share.flatten(1))
    return (4 * F.avg_pool2d(cover.view(count, 1, side, side), 2)).clamp(max=1)         # a quarter of a cell will do


class CarryNetwork(nn.Module):
    """Where the picture of an edit is better had by moving the inversion's own: from G's features and picture at half the resolution,
    the inversion's picture of that side, moved, and the motion, to a share (one channel, 0..1)."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.first_layer = Conv(channels + 6, hidden, 3, 1, 1)
        self.motion_layer = Conv(2, hidden, 3, 1, 1, bias=False)
        self.out_layer = Conv(hidden, 1, 3, 1, 1)
        nn.init.constant_(self.out_layer.bias, -1.0)    # edits of colour come from G

    def forward(self, x, rgb, carried, motion):
        moves = upsample_bilinear(self.motion_layer(motion), x.shape[2:])
        return torch.sigmoid(self.out_layer(F.leaky_relu(self.first_layer(torch.cat([x, rgb, carried], 1)) + moves, 0.2)))


def shrink(picture, side):
    """Means of squares of pixels, where the picture is larger."""
    return F.avg_pool2d(picture, picture.shape[2] // side) if picture.shape[2] > side else picture


class SynthesisBlock(nn.Module):
    def __init__(self, inputs, outputs, resolution, config):
        super().__init__()
        w_dim, noise = config["w_dim"], config["noise"]
        if resolution == 4:
            self.const = nn.Parameter(torch.randn(outputs, 4, 4))
        else:
            self.conv0 = SynthesisConv(inputs, outputs, w_dim, True, resolution, noise)
        self.conv1 = SynthesisConv(outputs, outputs, w_dim, False, resolution, noise)
        self.torgb = ToRgb(outputs, w_dim)
        if resolution == config["embed_res"]:
            self.modify_feature_alignment = FeatureAlignment(config["encoder"]["groups"][1][1], outputs)
            self.modify_feature_extraction = FeatureExtraction(outputs)
            self.modify_feature_gates = GateNetwork(outputs, config["gate_channels"])
            if config.get("motion_channels"):
                self.modify_feature_motion = MotionNetwork(outputs, config["motion_channels"])
        if resolution == config["resolution"] // 2 and config.get("carry_channels"):
            self.modify_feature_carry = CarryNetwork(outputs, config["carry_channels"])


class Synthesis(nn.Module):
    """G in skip architecture, cut in two at the features F (embed_res, after that block's conv0)."""

    def __init__(self, config):
        super().__init__()
        self.embed_res = config["embed_res"]
        self.resolutions = [4 << k for k in range(int(math.log2(config["resolution"])) - 1)]
        previous = None
        for resolution in self.resolutions:
            channels = config["channels"][str(resolution)]
            setattr(self, f"b{resolution}", SynthesisBlock(previous, channels, resolution, config))
            previous = channels

    def block(self, resolution):
        return getattr(self, f"b{resolution}")

    def forward(self, w, stop=None):
        """w+ (N x rows x w_dim) -> picture of side `stop` (None: full resolution), without residual features."""
        return self.high(*self.low(w), w, stop)

    def low(self, w):
        """w+ (N x rows x w_dim) -> features F and the RGB picture so far (of half F's side)."""
        x = self.b4.const[None].expand(w.shape[0], -1, -1, -1)
        x = self.b4.conv1(x, w[:, 0])
        rgb = self.b4.torgb(x, w[:, 1])
        for index, resolution in enumerate(self.resolutions[1:]):
            block, row = self.block(resolution), 1 + 2 * index
            x = block.conv0(x, w[:, row])
            if resolution == self.embed_res:
                return x, rgb
            x = block.conv1(x, w[:, row + 1])
            rgb = upsample_rgb(rgb) + block.torgb(x, w[:, row + 2])
        raise ValueError("embed_res is above the output's resolution")

    def high(self, feats, rgb, w, stop=None):
        """Features F (or F'') and low()'s picture -> picture of side `stop` (None: full resolution)."""
        return self.features_at(feats, rgb, w, stop or self.resolutions[-1])[1]

    def features_at(self, feats, rgb, w, side):
        """Features F (or F'') and low()'s picture -> features and picture after the block of that side."""
        x, first = feats, self.resolutions.index(self.embed_res)
        for index, resolution in enumerate(self.resolutions[first:], first):
            block, row = self.block(resolution), 2 * index - 1
            if resolution != self.embed_res:
                x = block.conv0(x, w[:, row])
            x = block.conv1(x, w[:, row + 1])
            rgb = upsample_rgb(rgb) + block.torgb(x, w[:, row + 2])
            if resolution >= side:
                break
        return x, rgb

    def last_block(self, x, rgb, w):
        """features_at(half the full side), or a cut of it -> full-resolution picture."""
        block, row = self.block(self.resolutions[-1]), 2 * (len(self.resolutions) - 1) - 1
        x = block.conv1(block.conv0(x, w[:, row]), w[:, row + 1])
        return upsample_rgb(rgb) + block.torgb(x, w[:, row + 2])


class Generator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.synthesis = Synthesis(config)


class Inversion(NamedTuple):
    """What StyleRes.invert finds in photos."""
    w_plus: torch.Tensor
    residual: torch.Tensor      # R
    feats: torch.Tensor         # F, and
    rgb: torch.Tensor           # the picture so far, see Synthesis.low
    picture: torch.Tensor = None    # which edits carry over, see CarryNetwork; None: they do not

    def of(self, photos):
        """Only these of the photos (a slice or indices)."""
        return Inversion(*(part if part is None else part[photos] for part in self))

    def repeat(self, times):
        """Each photo so many times, one after the other."""
        return Inversion(*(part if part is None else part.repeat_interleave(times, 0) for part in self))


class Decoded(NamedTuple):
    """What StyleRes.decode makes of a w+."""
    picture: torch.Tensor
    added: torch.Tensor         # to F'
    motion: torch.Tensor        # of R, see MotionNetwork; None: it stayed
    share: torch.Tensor = None      # of the inversion's picture, see CarryNetwork; None: nothing is carried over


class StyleRes(nn.Module):
    """All networks of one model. `direction` holds one rows x w_dim tensor per edit, in units of the edit's own delta."""

    def __init__(self, config, edits=(), direction_size=0.15):
        super().__init__()
        rows, w_dim = config["num_ws"], config["w_dim"]
        self.config, self.edits = config, tuple(edits)
        self.transform = True       # False: an ablation without E2
        self.e4e = Encoder(config)
        self.generator = Generator(config)
        self.latent_avg = nn.Parameter(torch.zeros(rows, w_dim))
        # A direction that starts too small to move F never learns.
        self.direction = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(rows, w_dim) * direction_size) for name in self.edits})
        with torch.no_grad():
            for head in self.e4e.styles[1:]:
                head.linear.weight.mul_(0.3)
            # Rows that only the last block reads start as plain copies of head 0: that block is trained by itself.
            for row in range(self.rows_for(config["resolution"] // 2), rows):
                self.e4e.styles[row].linear.weight.zero_()
                for direction in self.direction.values():
                    direction[row].zero_()
            # That block starts as plain upsampling of the picture before it.
            self.synthesis.block(config["resolution"]).torgb.weight.zero_()

    @property
    def synthesis(self):
        return self.generator.synthesis

    @property
    def residual_block(self):
        return self.synthesis.block(self.config["embed_res"])

    def rows_for(self, resolution):
        """How many rows of w+ a picture of this side reads."""
        return 2 * int(math.log2(resolution)) - 2

    def encode(self, x, rows=None):
        """Crop of side config["input"] -> w+ (with latent_avg), enc_feat."""
        codes, enc_feat = self.e4e(x, rows)
        latent_avg = self.latent_avg.expand(self.config["num_ws"], -1)
        return codes + latent_avg[:rows], enc_feat

    def edit(self, w_plus, deltas):
        """deltas: N x len(edits)."""
        for index, name in enumerate(self.edits):
            w_plus = w_plus + deltas[:, index, None, None] * self.direction[name][:w_plus.shape[1]]
        return w_plus

    def residual(self, enc_feat, feats):
        """E1, once per photo."""
        block = self.residual_block
        return block.modify_feature_extraction(block.modify_feature_alignment(enc_feat, feats))

    def gate(self, feats, residual):
        """E2 -> delta F, gate."""
        return self.residual_block.modify_feature_gates(feats, residual)

    def motion(self, before, feats):
        """F of the photo and F' -> where the edit moved things, see MotionNetwork; None: this model does not move R."""
        return self.residual_block.modify_feature_motion(before, feats) if self.config.get("motion_channels") else None

    def motion_of(self, photo, deltas, side):
        """Edits of photos (deltas: N K x edits, K of each of N photos), no pictures -> N K motions. side: of the pictures that there would
        be; fewer rows of w+ are needed for smaller ones."""
        w_plus, _ = self.encode(photo, self.rows_for(side))
        times = len(deltas) // len(photo)
        before = self.synthesis.low(w_plus)[0].repeat_interleave(times, 0)
        feats = self.synthesis.low(self.edit(w_plus.repeat_interleave(times, 0), deltas))[0]
        return self.motion(before, feats)

    def moved_residual(self, residual, motion):
        """R, whose channels are the phases of a picture of MOTION_PHASES times its side, as that picture moves."""
        if motion is None:
            return residual
        picture = moved(F.pixel_shuffle(residual, MOTION_PHASES), motion)
        return F.pixel_unshuffle(picture, MOTION_PHASES).contiguous(memory_format=torch.channels_last)

    def fuse(self, feats, residual, motion):
        """F'' = F' + gate * delta F (without E2: + R), and the term that was added. R moves first."""
        residual = self.moved_residual(residual, motion)
        if not self.transform:
            return feats + residual, residual
        delta, gate = self.gate(feats, residual)
        added = gate * delta
        return feats + added, added

    def invert(self, x, side=None):
        """Crops of side config["input"] -> Inversion, for pictures of `side` (None: full resolution). With config["refinements"]
        (not for pictures smaller than the input) enc_feat is corrected so often: by what E0 finds less of in the inversion than in
        the photo."""
        w_plus, enc_feat = self.encode(x, side and self.rows_for(side))
        feats, rgb = self.synthesis.low(w_plus)
        inversion = Inversion(w_plus, self.residual(enc_feat, feats), feats, rgb)
        refined, size, side = enc_feat, self.config["input"], side or self.config["resolution"]
        for _ in range(self.config.get("refinements", 0) if side >= size else 0):
            picture = self.decode(w_plus, inversion, side, (feats, rgb)).picture.clamp(-1, 1)
            refined = refined + enc_feat - self.e4e.features(shrink(picture, size), 2)[0]
            inversion = inversion._replace(residual=self.residual(refined, feats))
        if self.config.get("carry_channels") and side >= self.config["resolution"] // 2:
            inversion = inversion._replace(picture=self.decode(w_plus, inversion, side, (feats, rgb)).picture)
        return inversion

    def decode(self, w_plus, inversion, side=None, low=None):
        """w+ and a photo's residual features -> Decoded. low: Synthesis.low(w_plus), if known."""
        feats, rgb = low or self.synthesis.low(w_plus)
        motion = self.motion(inversion.feats, feats)
        fused, added = self.fuse(feats, inversion.residual, motion)
        if inversion.picture is None:
            return Decoded(self.synthesis.high(fused, rgb, w_plus, side), added, motion)
        picture, share = self.carry(fused, rgb, w_plus, inversion.picture, motion)
        return Decoded(picture, added, motion, share)

    def carry(self, fused, rgb, w_plus, own, motion):
        """As Synthesis.high, but where the inversion's own picture (of the same side), moved, is the better one, it is carried over.
        -> picture, share"""
        half = self.config["resolution"] // 2
        x, rgb = self.synthesis.features_at(fused, rgb, w_plus, half)
        carried = moved(shrink(own, half), motion, "bicubic")
        share = self.synthesis.block(half).modify_feature_carry(x, rgb, carried, motion)
        if own.shape[2] > half:
            rgb, carried = self.synthesis.last_block(x, rgb, w_plus), moved(own, motion, "bicubic")
            share = F.interpolate(share, own.shape[2:], mode="bilinear", align_corners=False)
        return rgb + share * (carried - rgb), share
