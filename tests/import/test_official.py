# SPDX-License-Identifier: GPL-3.0-or-later
"""Import of a checkpoint of the released size (1.5 GB, deterministic weights): every value, time, memory, and kills.

usage: test_official.py LIKENESS_CLI GOLDEN WORK

GOLDEN has make_checkpoint.py; without it the test is skipped. WORK gets a folder of 6 GB, which is removed.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

MEMORY_LIMIT = 300 * 1024  # KiB
KILLS = 50
CONFIG = {
    "input": 256, "resolution": 1024, "w_dim": 512, "num_ws": 18, "embed_res": 64, "gate_channels": 256, "noise": True,
    "channels": {str(4 << k): min(32768 // (4 << k), 512) for k in range(9)},
    "encoder": {"stem": 64, "groups": [[64, 64, 3], [64, 128, 4], [128, 256, 14], [256, 512, 3]],
                "heads": ["c3"] * 3 + ["p2"] * 4 + ["p1"] * 11}}
TYPES = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}
# A small process between, because a process's peak starts with that of the one it was forked from.
MEASURE = """import os, resource, sys
status = os.spawnvp(os.P_WAIT, sys.argv[2], sys.argv[2:])
with open(sys.argv[1], "w") as stream: print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=stream)
sys.exit(status)"""


def open_model(path):
    """-> ({name: array in the file}, metadata)."""
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    metadata = header.pop("__metadata__", {})
    data = np.memmap(path, np.uint8, "r", offset=8 + length)
    return {name: data[slice(*entry["data_offsets"])].view(TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}, metadata


def used_names(golden):
    with open(os.path.join(golden, "manifest.json"), encoding="utf-8") as stream:
        tensors = json.load(stream)["tensors"]
    return {entry["name"].replace("e4e/", "e4e.", 1).replace("generator_smooth/", "generator.", 1)
            for entry in tensors if entry["used"] and not entry["name"].endswith("resample_filter")}


def compare(path, reference, names, half):
    tensors, metadata = open_model(path)
    expected, _ = open_model(reference)
    assert set(tensors) == names, set(tensors) ^ names
    assert json.loads(metadata["config"]) == CONFIG, metadata["config"]
    for name in names:
        value = expected[name]
        if half and name.endswith(".weight") and value.ndim > 1:
            value = value.astype(np.float16)
        assert tensors[name].dtype == value.dtype and tensors[name].shape == value.shape, name
        assert tensors[name].tobytes() == value.tobytes(), name
    print(f"{os.path.basename(path)}: {len(names)} tensors as they should be, bit for bit")


def measure(cli, *words):
    begin = time.monotonic()
    subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, "peak", cli, "import", *words], check=True)
    with open("peak") as stream:
        peak = int(stream.read())
    print(f"import {' '.join(words)}: {time.monotonic() - begin:.1f} s, peak {peak / 1024:.0f} MiB")
    assert peak < MEMORY_LIMIT
    return time.monotonic() - begin


def kill(cli, duration, whole):
    os.mkdir("kills")
    output, counts = os.path.join("kills", "out.safetensors"), {"nothing": 0, "whole": 0}
    for _ in range(KILLS):
        process = subprocess.Popen([cli, "import", "official.pt", "-o", output], stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 1.5 * duration))
        process.kill()
        process.wait()
        found = os.listdir("kills")
        if found:
            assert found == ["out.safetensors"], found
            subprocess.run(["cmp", output, whole], check=True)
            os.unlink(output)
        counts["whole" if found else "nothing"] += 1
    print(f"killed {KILLS} times: {counts}")


def main(cli, golden, work):
    maker = os.path.join(golden, "make_checkpoint.py")
    if not os.path.exists(maker):
        print("skipped: the goldens are not here")
        return 77
    cli, names = os.path.abspath(cli), used_names(golden)
    folder = tempfile.mkdtemp(dir=work, prefix="official-")
    try:
        os.chdir(folder)
        subprocess.run([sys.executable, maker, "--out", "official.pt", "--safetensors", "reference.safetensors"], check=True)
        measure(cli, "official.pt", "-o", "single.safetensors", "--f32")
        compare("single.safetensors", "reference.safetensors", names, False)
        os.unlink("single.safetensors")
        duration = measure(cli, "official.pt", "-o", "half.safetensors")
        compare("half.safetensors", "reference.safetensors", names, True)
        kill(cli, duration, "half.safetensors")
    finally:
        os.chdir(work)
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
