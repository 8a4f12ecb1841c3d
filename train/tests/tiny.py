# SPDX-License-Identifier: GPL-3.0-or-later
"""A very small model and random training data, enough to run every part of training in seconds."""
import os
import socket
import sys
from pathlib import Path

import numpy as np

TRAIN = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TRAIN))
from styleres import config  # noqa: E402
from styleres.data import LABELS, VARIANTS, YAW, TrainingData, read  # noqa: E402

MODEL = {
    "input": 32, "resolution": 32, "w_dim": 16, "num_ws": 8, "embed_res": 8, "noise": False, "gate_channels": 8,
    "motion_channels": 8, "carry_channels": 4, "refinements": 1,
    "channels": {"4": 16, "8": 16, "16": 8, "32": 8},
    "encoder": {"stem": 8, "groups": [[8, 8, 1], [8, 16, 1], [16, 16, 1], [16, 16, 1]], "se_ratio": 8,
                "heads": ["c3", "c3", "p2", "p2", "p1", "p1", "c3", "c3"]}}


def settings(**train):
    """The shipped configuration with the small model; the output grows from 16 to 32 half way."""
    result = config.load(TRAIN / "config.toml")
    result["model"] = MODEL
    config.check_model(MODEL)
    result["train"].update({"steps": 8, "warmup": 2, "stages": [[0.0, 16], [0.5, 32]], "sync_every": 4, "freeze_norm_from": 0.5,
                            "mix": {"render": 1, "portrait": 2}, "targets": 2}, **train)
    return result


def stage_settings(**sections):
    """The shipped configuration of StyleRes' three stages with the small model; sections: overrides."""
    result = config.load(TRAIN / "config.toml")
    result["model"] = MODEL
    result["mapping"].update(z_dim=16, layers=2)
    result["encoder"]["progressive_start"] = -10000     # all rows are free
    for name in ("gan", "encoder", "residual"):
        result[name].update({"side": 32, "batch": 4, "steps": 50, "cache": 1}, **sections.get(name, {}))
    result["gan"]["discriminator"] = MODEL["channels"]
    return result


def narrow(settings, factor):
    """Divides every width of a configuration."""
    def less(widths):
        return {resolution: max(2, width // factor) for resolution, width in widths.items()}

    model, encoder = settings["model"], settings["model"]["encoder"]
    model.update(w_dim=model["w_dim"] // factor, gate_channels=model["gate_channels"] // factor, channels=less(model["channels"]))
    encoder.update(stem=encoder["stem"] // factor,
                   groups=[[inputs // factor, outputs // factor, units] for inputs, outputs, units in encoder["groups"]])
    settings["mapping"]["z_dim"] //= factor
    settings["gan"]["discriminator"] = less(settings["gan"]["discriminator"])


def torchrun(processes, log):
    """Command line up to the script. A port of this machine: --standalone wants a name for it, and always the same port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_addr", "127.0.0.1",
            "--master_port", str(port), "-r", "1", "-t", "1", "--log_dir", log]


def make_data(folder, side=32, people=6):
    """Random files in the formats that training reads; the first person is held out."""
    random = np.random.default_rng(7)

    def pictures(count, size=side):
        coarse = random.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
        return coarse.repeat(size // 4, 1).repeat(size // 4, 2)

    hold = np.arange(people) == 0
    for name in ("real128", f"real{side}"):
        np.savez(os.path.join(folder, f"{name}.npz"), img=pictures(people), hold=hold)
    rows = np.repeat(np.arange(people), 2)
    deltas = random.uniform(-1, 1, (len(rows), LABELS)).astype(np.float32)
    way = np.zeros((len(rows), 2, 2, 4, 4), np.float16)         # turns move everything sideways, by the change of yaw
    way[:, :, 0] = (deltas[:, YAW, None] * [-1, 1])[..., None, None]
    for name in VARIANTS:
        known = {"delta": deltas, "flow": way} if name == "turns.npz" else {"delta": deltas * (np.arange(LABELS) != YAW)}
        np.savez(os.path.join(folder, name), src=rows, img=pictures(len(rows)), **known)
    for identity in range(3):
        np.savez(os.path.join(folder, f"{identity:06d}.npz"), img=pictures(4), par=random.uniform(0, 1, (4, LABELS)))
    return read_data(folder)


def read_data(folder):
    return TrainingData(read(folder, folder), settings()["train"])
