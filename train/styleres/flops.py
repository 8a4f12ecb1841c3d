# SPDX-License-Identifier: GPL-3.0-or-later
"""Floating-point operations (2 per multiply-add) of an inversion and of a slider step, as the program computes them."""
import torch


def _conv(inputs, outputs, kernel, side):
    return 2 * inputs * outputs * kernel * kernel * side * side


class _Counter:
    """Adds up the convolutions and linear layers of modules by forward hooks; batch 1."""

    def __init__(self, model):
        from .networks import Conv, EqualLinear, SynthesisConv, ToRgb
        self.total, self.handles = 0, []
        hooks = {Conv: self._on_conv, EqualLinear: self._on_linear, SynthesisConv: self._on_synthesis,
                 ToRgb: self._on_rgb}
        for module in model.modules():
            if type(module) in hooks:
                self.handles.append(module.register_forward_hook(hooks[type(module)]))

    def _on_conv(self, module, inputs, output):
        self.total += _conv(module.in_channels, module.out_channels, module.kernel_size[0], output.shape[2])

    def _on_linear(self, module, inputs, output):
        self.total += 2 * module.weight.numel()

    def _on_synthesis(self, module, inputs, output):
        outputs, channels = module.weight.shape[:2]
        # A transposed convolution works at the input's side; the FIR after it is separable, 4 taps per axis.
        self.total += _conv(channels, outputs, 3, inputs[0].shape[2])
        if module.upsample:
            self.total += 2 * 2 * 4 * outputs * output.shape[2] ** 2

    def _on_rgb(self, module, inputs, output):
        self.total += _conv(module.weight.shape[1], 3, 1, output.shape[2])

    def take(self):
        total, self.total = self.total, 0
        return round(total / 1e9, 3)

    def close(self):
        for handle in self.handles:
            handle.remove()


@torch.no_grad()
def count(model):
    """-> {"inversion", "slider_step", and their stages} in GFLOP."""
    counter, synthesis = _Counter(model), model.synthesis
    side = model.config["input"]
    w_plus, enc_feat = model.encode(torch.zeros(1, 3, side, side))
    result = {"e0": counter.take()}
    feats, rgb = synthesis.low(w_plus)
    result["g_low"] = counter.take()
    residual = model.residual(enc_feat, feats)
    result["e1"] = counter.take()
    motion = model.motion(feats, feats)
    fused, _ = model.fuse(feats, residual, motion)
    result["e2"] = counter.take()
    own = synthesis.high(fused, rgb, w_plus)
    result["g_high"] = counter.take()
    result["carry"] = 0.0
    if model.config.get("carry_channels"):
        model.carry(fused, rgb, w_plus, own, motion)
        result["carry"] = round(counter.take() - result["g_high"], 3)
    model.e4e.features(torch.zeros(1, 3, side, side), 2)
    features = counter.take()
    counter.close()
    picture = result["g_low"] + result["e2"] + result["g_high"]
    result["slider_step"] = round(picture + result["carry"], 3)
    result["refinements"] = round(model.config.get("refinements", 0) * (picture + features + result["e1"]), 3)
    result["inversion"] = round(result["e0"] + result["g_low"] + result["e1"] + result["refinements"], 3)
    return result
