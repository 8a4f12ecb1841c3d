# SPDX-License-Identifier: GPL-3.0-or-later
"""Small checkpoints in the released one's form, and reading of model files, for the tests of the import."""
import collections
import json
import os
import struct
import sys

import numpy as np
import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path[:0] = [os.path.join(ROOT, "train"), os.path.join(ROOT, "tests", "golden")]
import make_tiny  # noqa: E402
from styleres import export, networks  # noqa: E402

CONFIGS = {
    # As the released one: E2's first units take their input as shortcut, three kinds of heads, the first group keeps the width.
    "plain": {"input": 32, "resolution": 64, "w_dim": 24, "num_ws": 10, "embed_res": 8, "noise": True, "gate_channels": 6,
              "channels": {"4": 16, "8": 12, "16": 10, "32": 8, "64": 4},
              "encoder": {"stem": 16, "groups": [[16, 16, 2], [16, 20, 1], [20, 24, 3], [24, 32, 1]], "se_ratio": 4,
                          "heads": ["c3"] * 2 + ["p2"] * 3 + ["p1"] * 5}},
    # Neither noise nor heads on the finest level, and projections where the other has none.
    "other": {"input": 64, "resolution": 32, "w_dim": 16, "num_ws": 8, "embed_res": 16, "noise": False, "gate_channels": 4,
              "channels": {"4": 8, "8": 8, "16": 14, "32": 8},
              "encoder": {"stem": 8, "groups": [[8, 16, 1], [16, 20, 2], [20, 24, 1], [24, 28, 1]], "se_ratio": 4,
                          "heads": ["p2"] * 4 + ["c3"] * 4}},
}


def weights(config, seed=1):
    """State dictionary of random weights, by the names in a model file."""
    torch.manual_seed(seed)
    model = networks.StyleRes(config).eval()
    with torch.no_grad():
        make_tiny.randomise(model)
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def unused(config):
    """What a checkpoint has besides, by the names in a model file."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    extra, w_dim, embed = {"generator.mapping.w_avg": torch.randn(config["w_dim"])}, config["w_dim"], config["embed_res"]
    for index in range(8):
        extra[f"generator.mapping.fc{index}.weight"] = torch.randn(w_dim, w_dim)
        extra[f"generator.mapping.fc{index}.bias"] = torch.randn(w_dim)
    for side in config["channels"]:
        for layer in ("", ".conv0", ".conv1"):
            if (side, layer) != ("4", ".conv0"):
                extra[f"generator.synthesis.b{side}{layer}.resample_filter"] = torch.outer(taps, taps) / 64
    width = config["channels"][str(embed)]
    for unit in range(2):
        for layer in (0, 2):
            prefix = f"generator.synthesis.b{embed}.modify_feature_alignment.dconv3.{unit}.res_layer.{layer}"
            extra[prefix + ".weight"] = torch.randn(width, width, 3, 3)
            extra[prefix + ".bias"] = torch.randn(width)
    return extra


def checkpoint(config, state):
    """The dictionary that torch.save gets."""
    result = {"e4e": collections.OrderedDict(), "latent_avg": state["latent_avg"],
              "generator_smooth": collections.OrderedDict()}
    for name, value in {**state, **unused(config)}.items():
        network, _, key = name.partition(".")
        if key:
            result["e4e" if network == "e4e" else "generator_smooth"][key] = value
    return result


def used(state):
    return {name: value.float().numpy() for name, value in state.items() if not name.endswith("num_batches_tracked")}


def write_directly(path, config, state, age):
    """The same weights and a direction as a model file, by the training package's writer."""
    metadata = export.metadata(config, {"age": {"label": "Age", "safe": [-3, 3]}}, "direct", "GPL-3.0-or-later")
    export.write(path, {**used(state), "direction.age": age}, metadata)


def read_model(path):
    """-> ({name: array in the type of the file}, metadata)."""
    types = {"F16": "<f2", "F32": "<f4"}
    with open(path, "rb") as stream:
        data = stream.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[start + begin:start + end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata
