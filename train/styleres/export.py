# SPDX-License-Identifier: GPL-3.0-or-later
"""Model files: a safetensors file with the state dict (matrices float16, vectors float32) and the model's metadata.

usage: python3 -m styleres.export CHECKPOINT OUT.safetensors [--config FILE] [--card FILE]
"""
import argparse
import json
import os
import struct

import numpy as np
import torch

from . import config as configuration
from .networks import StyleRes

FORMAT = "likeness-model"
WITHOUT_TRANSFORM = "likeness-ablation"     # for styleres.evaluate alone: a model without E2, which the program could not run
FULL_VALUE = 5.0    # a slider's end
DTYPES = {"F16": np.float16, "F32": np.float32}


def mixed(state, edits, sign=1):
    """State dict whose directions have the shares of others, as they were, that their edits' `mix` says added (sign 1), or from whose
    directions that is taken out again (-1). An edit that the model lacks mixes with none."""
    names = [name for name in edits if f"direction.{name}" in state]
    shares = torch.eye(len(names), dtype=torch.float64)
    for row, name in enumerate(names):
        for other, share in edits[name].get("mix", {}).items():
            if other in names:
                shares[row, names.index(other)] += share
    if sign < 0:
        shares = shares.inverse()
    result = dict(state)
    for row, name in enumerate(names):
        result[f"direction.{name}"] = sum(float(share) * state[f"direction.{other}"] for share, other in zip(shares[row], names) if share)
    return result


def rounded_tensors(state, edits):
    """State dict -> numpy arrays as stored. Directions are mixed, and scaled so that slider value 5 is the full edit."""
    arrays = {}
    for name, tensor in mixed(state, edits).items():
        if name.endswith("num_batches_tracked"):
            continue
        value = tensor.detach().cpu().float().contiguous().numpy()
        if name.startswith("direction."):
            value = value * (edits[name.split(".", 1)[1]]["full"] / FULL_VALUE)
        value = value.astype(np.float16 if value.ndim > 1 else np.float32)
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds a value that float16 cannot")
        arrays[name] = value
    return arrays


def metadata(model, edits, name, licence, card=None):
    directions = [
        {"name": key, "label": edit["label"], "kind": "interfacegan", "group": "face", "rows": [0, model["num_ws"]],
         "range": [-FULL_VALUE, FULL_VALUE], "safe": edit["safe"], "default": 0, "step": 0.1}
        for key, edit in edits.items()]
    result = {"format": FORMAT, "version": "1", "name": name, "licence": licence, "domain": "faces",
              "config": configuration.canonical(model), "directions": json.dumps(directions, separators=(",", ":"))}
    if card:
        result["card"] = card
    return result


def write(path, arrays, meta):
    """Writes the file whole or not at all; returns its size in bytes."""
    header, offset = {"__metadata__": meta}, 0
    for name in sorted(arrays):
        value = arrays[name]
        dtype = "F16" if value.dtype == np.float16 else "F32"
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = f"{path}.part"
    with open(partial, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(arrays):
            stream.write(np.ascontiguousarray(arrays[name]).tobytes())
    os.replace(partial, path)
    return 8 + len(text) + offset


def read(path):
    """-> (arrays as float32, metadata)."""
    with open(path, "rb") as stream:
        data = stream.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    meta = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        begin, _ = entry["data_offsets"]
        count = int(np.prod(entry["shape"], dtype=np.int64))
        flat = np.frombuffer(data, DTYPES[entry["dtype"]], count=count, offset=8 + length + begin)
        arrays[name] = flat.reshape(entry["shape"]).astype(np.float32)
    return arrays, meta


def load_checkpoint(path):
    """A checkpoint, or what a model file has of one: its edits then count in slider values."""
    if not path.endswith(".safetensors"):
        return torch.load(path, map_location="cpu")
    arrays, meta = read(path)
    edits = {edit["name"]: {"label": edit["label"], "full": FULL_VALUE, "safe": edit["safe"]} for edit in json.loads(meta["directions"])}
    return {"config": {"model": json.loads(meta["config"]), "edits": edits}, "step": 0,
            "ema": {name: torch.from_numpy(value) for name, value in arrays.items()}}


def load_weights(path, edits=None):
    """Weights to start training from: a checkpoint's averaged ones, or a model file's with its directions in units of the labels."""
    state = load_checkpoint(path)["ema"]
    if path.endswith(".safetensors"):
        known = {name: edit for name, edit in (edits or {}).items() if f"direction.{name}" in state}
        for name, edit in known.items():
            state[f"direction.{name}"] = state[f"direction.{name}"] * (FULL_VALUE / edit["full"])
        state = mixed(state, known, -1)
    return state


def learned_edits(checkpoint):
    """The configured edits that a checkpoint has directions for."""
    return {name: edit for name, edit in checkpoint["config"]["edits"].items() if f"direction.{name}" in checkpoint["ema"]}


def load_model(path):
    """Model file -> (StyleRes in eval mode, metadata). Its edits then count in slider values (5 = full)."""
    arrays, meta = read(path)
    names = [direction["name"] for direction in json.loads(meta["directions"])]
    model = StyleRes(json.loads(meta["config"]), names)
    model.transform = meta["format"] != WITHOUT_TRANSFORM
    missing, unexpected = model.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()}, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{path}: tensors missing {missing[:3]}, unknown {unexpected[:3]}")
    return model.eval(), meta


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--name", default="Likeness small")
    parser.add_argument("--licence", default="GPL-3.0-or-later")
    parser.add_argument("--config", help="take the edits' labels and ranges from this file instead of the checkpoint")
    parser.add_argument("--card", help="text file (model card) to put into the metadata")
    arguments = parser.parse_args()
    checkpoint = torch.load(arguments.checkpoint, map_location="cpu")
    card = None
    if arguments.card:
        with open(arguments.card, encoding="utf-8") as stream:
            card = stream.read()
    config = checkpoint["config"]
    config["edits"] = learned_edits(checkpoint)
    if arguments.config:    # how far a slider goes may be decided after training
        edits = configuration.load(arguments.config)["edits"]
        config["edits"] = {name: edits[name] for name in config["edits"]}
    meta = metadata(config["model"], config["edits"], arguments.name, arguments.licence, card)
    if checkpoint.get("stage") == "residual" and not config["residual"]["transform"]:
        meta["format"] = WITHOUT_TRANSFORM
    size = write(arguments.out, rounded_tensors(checkpoint["ema"], config["edits"]), meta)
    print(f"{arguments.out}: {size} bytes, step {checkpoint['step']}")


if __name__ == "__main__":
    main()
