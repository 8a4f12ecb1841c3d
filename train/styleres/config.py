# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the training configuration (TOML): the model's sizes, the edits, data mixture, loss weights and schedule."""
import json
import math
import tomllib

MOTION_PHASES = 4   # R moves as a picture of so many times its side


def load(path, overrides=()):
    """Configuration as nested dicts. overrides: "section.key=value" strings (value in TOML syntax)."""
    with open(path, "rb") as stream:
        config = tomllib.load(stream)
    for text in overrides:
        name, separator, value = text.partition("=")
        section, dot, key = name.partition(".")
        if not separator or not dot or section not in config or key not in config[section]:
            raise SystemExit(f"--set {text}: no such setting in {path}")
        try:
            config[section][key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            raise SystemExit(f"--set {text}: {value} is no TOML value (a string needs quotes within the shell's)") from None
    check_model(config["model"])
    return config


def check_model(model):
    """Raises ValueError where the sizes of a model contradict each other."""
    resolution, embed = model["resolution"], model["embed_res"]
    if model["num_ws"] != 2 * int(math.log2(resolution)) - 2:
        raise ValueError(f"num_ws must be {2 * int(math.log2(resolution)) - 2} for resolution {resolution}")
    if model["input"] != 4 * embed:
        raise ValueError("input must be 4 x embed_res")
    if len(model["encoder"]["heads"]) != model["num_ws"]:
        raise ValueError("encoder.heads must name one source per row of w+")
    if len(model["encoder"]["groups"]) != 4:
        raise ValueError("encoder.groups must have four groups")
    if model.get("motion_channels") and model["channels"].get(str(embed), 0) % MOTION_PHASES ** 2:
        raise ValueError(f"with motion_channels, channels at embed_res must be a multiple of {MOTION_PHASES ** 2}")
    if model.get("carry_channels") and not (model.get("motion_channels") and embed < resolution // 2):
        raise ValueError("with carry_channels, there must be motion_channels, and embed_res below half the resolution")
    if model.get("refinements") and resolution < model["input"]:
        raise ValueError("with refinements, resolution must be at least input")
    missing = [str(4 << k) for k in range(int(math.log2(resolution)) - 1) if str(4 << k) not in model["channels"]]
    if missing:
        raise ValueError(f"channels lacks resolution {missing[0]}")


def canonical(model):
    """The model's sizes as the model file stores them (JSON)."""
    return json.dumps(model, sort_keys=True, separators=(",", ":"))
