#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes tests/golden/tiny: four models of a few thousand random weights, and what PyTorch computes with them.

usage: python3 tests/golden/make_tiny.py

Each folder has model.safetensors, input.npy (side x side x 4 bytes), and per stage the float32 result of the definition in
train/styleres/networks.py, evaluated in double precision on the weights as the file stores them. w_plus_edit is w_plus plus
some of each direction; f_edit, delta_f, gate, fused and image belong to it, image_inversion to w_plus and image_w_only to w_plus
without E1 and E2. style_offsets are added to the outputs of G's affine layers, in their order and after to_rgb's gain:
image_styles is image with them, image_w_only_styles image_w_only.
"""
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "train"))
from styleres import export, networks  # noqa: E402

EDITS = {"age": {"label": "Age", "full": 2.0, "safe": [-3.0, 3.0]}, "smile": {"label": "Smile", "full": 1.0, "safe": [-4.0, 4.0]}}
EDIT_VALUES = {"age": 2.5, "smile": -4.0}

SHARED = {"input": 32, "resolution": 32, "w_dim": 24, "num_ws": 8, "embed_res": 8}
MODELS = {
    # The shortcut of E2's first unit is its input, no noise, every unit of the encoder but the first ones projects.
    "plain": dict(SHARED, noise=False, gate_channels=6, channels={"4": 16, "8": 12, "16": 10, "32": 8},
                  encoder={"stem": 8, "groups": [[8, 8, 1], [8, 12, 1], [12, 16, 2], [16, 20, 1]], "se_ratio": 4,
                           "heads": ["c3", "c3", "p2", "p2", "p2", "c3", "p2", "c3"]}),
    # It is a projection, there is noise, and style heads read every level.
    "noise": dict(SHARED, noise=True, gate_channels=4, channels={"4": 12, "8": 14, "16": 8, "32": 6},
                  encoder={"stem": 6, "groups": [[6, 10, 2], [10, 10, 1], [10, 16, 1], [16, 16, 2]], "se_ratio": 4,
                           "heads": ["c3", "p2", "p1", "p1", "c3", "p1", "p2", "p1"]}),
    # The residual features move.
    "motion": dict(SHARED, noise=False, gate_channels=8, motion_channels=6, channels={"4": 12, "8": 16, "16": 10, "32": 8},
                   encoder={"stem": 8, "groups": [[8, 8, 1], [8, 12, 1], [12, 16, 1], [16, 16, 1]], "se_ratio": 4,
                            "heads": ["c3", "c3", "p2", "p2", "p2", "c3", "p2", "c3"]}),
    # And so does the inversion's picture, which edits carry over.
    "carry": dict(SHARED, noise=True, gate_channels=8, motion_channels=4, carry_channels=6, channels={"4": 12, "8": 16, "16": 10, "32": 6},
                  encoder={"stem": 6, "groups": [[6, 8, 1], [8, 10, 1], [10, 12, 1], [12, 16, 1]], "se_ratio": 4,
                           "heads": ["c3", "c3", "p2", "p2", "p2", "p1", "c3", "c3"]}),
}


def plain_conv2d(x, weight, bias=None, stride=1, padding=0, **_):
    return F.conv2d(x, weight, bias, stride, padding)


def randomise(model):
    """Weights with which every stage depends visibly on the one before."""
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn_like(value)
        if name.endswith("running_var"):
            value.copy_(1 + 0.3 * torch.rand_like(value))
        elif value.ndim == 4 and name.startswith("e4e") or "modify_feature" in name and value.ndim == 4:
            value.copy_(noise / math.sqrt(value[0].numel()))
        elif name.endswith("affine.bias") or name.endswith("res_layer.4.weight"):
            value.copy_(1 + 0.1 * noise)
        elif value.ndim == 1 and ("res_layer.0.weight" in name or "input_layer.1.weight" in name
                                  or "shortcut_layer.1.weight" in name):
            value.copy_(1 + 0.1 * noise)
        elif name.endswith("noise_strength"):
            value.copy_(0.3 + 0.1 * noise)
        elif name.endswith("linear.weight"):
            value.copy_(noise * (1.0 if ".0.linear" in name else 0.4))
        elif name.endswith("torgb.weight"):
            value.copy_(0.4 * noise)
        elif value.ndim <= 1:
            value.copy_(0.1 * noise)
        else:
            value.copy_(noise * (0.3 if "latent_avg" in name or "direction" in name else 1.0))


class StyleOffsets:
    """Adds to the outputs of the affine layers while it lasts."""

    def __init__(self, synthesis, generator):
        layers = []
        for resolution in synthesis.resolutions:
            block = synthesis.block(resolution)
            layers += ([block.conv0] if resolution > 4 else []) + [block.conv1, block.torgb]
        self.hooks, self.offsets = [], []
        for layer in layers:
            offset = 0.3 * torch.randn(layer.affine.bias.shape, generator=generator).double()
            gain = getattr(layer, "gain", 1.0)
            offset = (offset * gain).float().double()
            self.offsets.append(offset)
            self.hooks.append(layer.affine.register_forward_hook(lambda _, __, s, d=offset / gain: s + d))

    def __enter__(self):
        return torch.cat(self.offsets)[None]

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def picture(model, fused, rgb, w_plus, own, motion):
    """own: the inversion's picture; for models that do not carry it over, None."""
    if own is None:
        return model.synthesis.high(fused, rgb, w_plus)
    return model.carry(fused, rgb, w_plus, own, motion)[0]


def stages(model, x):
    synthesis = model.synthesis
    w_plus, enc_feat = model.encode(x)
    f_feats, rgb = synthesis.low(w_plus)
    aligned = model.residual_block.modify_feature_alignment(enc_feat, f_feats)
    extracted = model.residual_block.modify_feature_extraction(aligned)
    fused, _ = model.fuse(f_feats, extracted, model.motion(f_feats, f_feats))
    results = {"w_plus": w_plus, "enc_feat": enc_feat, "f_feats": f_feats, "aligned": aligned, "extracted": extracted,
               "image_inversion": synthesis.high(fused, rgb, w_plus),
               "image_w_only": synthesis.high(f_feats, rgb, w_plus)}
    own = results["image_inversion"] if model.config.get("carry_channels") else None
    edited = model.edit(w_plus, torch.tensor([[EDIT_VALUES[name] for name in model.edits]], dtype=x.dtype))
    f_edit, rgb = synthesis.low(edited)
    motion = model.motion(f_feats, f_edit)
    if motion is not None:
        results.update(motion=motion)
    delta, gate = model.gate(f_edit, model.moved_residual(extracted, motion))
    results.update(w_plus_edit=edited, f_edit=f_edit, delta_f=delta, gate=gate, fused=f_edit + gate * delta,
                   image=picture(model, f_edit + gate * delta, rgb, edited, own, motion))
    with StyleOffsets(synthesis, torch.Generator().manual_seed(3)) as offsets:
        f_styles, rgb = synthesis.low(edited)
        motion = model.motion(f_feats, f_styles)
        fused, _ = model.fuse(f_styles, extracted, motion)
        results.update(style_offsets=offsets, image_styles=picture(model, fused, rgb, edited, own, motion))
        f_styles, rgb = synthesis.low(w_plus)
        results.update(image_w_only_styles=synthesis.high(f_styles, rgb, w_plus))
    return results


def make(name, config, seed):
    folder = os.path.join(HERE, "tiny", name)
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(seed)
    model = networks.StyleRes(config, tuple(EDITS)).eval()
    with torch.no_grad():
        randomise(model)
    path = os.path.join(folder, "model.safetensors")
    meta = export.metadata(config, EDITS, f"Tiny {name}", "GPL-3.0-or-later")
    export.write(path, export.rounded_tensors(model.state_dict(), EDITS), meta)
    model = export.load_model(path)[0].double().eval()

    side = config["input"]
    row, column = np.mgrid[0:side, 0:side]
    crop = np.stack([row * 7 + column, (row - 12) ** 2 + column * 3, (row ^ column) * 8, 0 * row + 255], -1).astype(np.uint8)
    np.save(os.path.join(folder, "input.npy"), crop)
    x = torch.from_numpy((crop[:, :, :3].astype(np.float64) - 127.5) / 127.5).permute(2, 0, 1)[None]
    with torch.no_grad():
        for stage, value in stages(model, x).items():
            array = value[0].numpy().astype(np.float32)
            print(f"{name:6} {stage:16} {str(array.shape):14} rms {np.sqrt((array ** 2).mean()):.3f}")
            np.save(os.path.join(folder, f"{stage}.npy"), array)


def main():
    networks.conv2d = plain_conv2d
    for seed, (name, config) in enumerate(MODELS.items()):
        make(name, config, seed + 1)


if __name__ == "__main__":
    main()
