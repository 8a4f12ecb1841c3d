# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to the golden data in tests/golden: single layers, and the rule that makes the reference checkpoint's weights."""
import math
from pathlib import Path

import numpy as np
import torch

OPS = Path(__file__).resolve().parents[2] / "tests" / "golden" / "ops"


def load(case, *names):
    """Arrays of one case as float32 tensors."""
    arrays = [torch.from_numpy(np.load(OPS / case / f"{name}.npy")) for name in names]
    return arrays if len(arrays) > 1 else arrays[0]


def load_parameters(module, case):
    """Fills a module with the case's parameter files. Raises if one is missing."""
    state = {name: load(case, name) for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    module.load_state_dict(state, strict=False)
    return module.eval()


def _hash(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x00000100000001B3 & (1 << 64) - 1
    return value


def rule_values(name, shape, scale, seed=1):
    """One tensor of the reference checkpoint: SplitMix64 started at the name's FNV hash."""
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = np.uint64(_hash(name) ^ seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    value = ((z >> np.uint64(40)).astype(np.int64) - 8388608).astype(np.float32) * np.float32(2.0 ** -23)
    return torch.from_numpy((value * np.float32(scale)).reshape(shape))


def residual_gain(name):
    """The rule's gain for the weights of E1 and E2."""
    for part, gain in (("gates.convs2.2.", 1.0), ("res_layer.0", 1.0), ("res_layer.2", 0.6), ("shortcut_layer.0", 0.8),
                       ("gates.down2", 0.7), ("alignment.out_layer", 0.6)):
        if part in name:
            return gain
    return 1.0


def fill_by_rule(module, prefix):
    """Gives a part of E1 or E2 the reference checkpoint's weights."""
    state = {}
    for name, tensor in module.state_dict().items():
        full = prefix + name
        fan_in = int(np.prod(tensor.shape[1:], dtype=np.int64))
        scale = 0.05 if tensor.ndim == 1 else residual_gain(full) * math.sqrt(3.0 / fan_in)
        state[name] = rule_values(full, tuple(tensor.shape), np.float32(scale))
    module.load_state_dict(state)
    return module.eval()
