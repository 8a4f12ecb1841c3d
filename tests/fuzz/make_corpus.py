#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_corpus.py FOLDER [FILE...]: seeds for the fuzz targets, in FOLDER/torch, /npy, /safetensors and /project.

Those for torch are written by PyTorch where there is one; plain pickles are always there. Further files (.pt, .pth, .pkl) are
copied to the seeds for torch; they should be small.
"""
import base64
import io
import json
import math
import pickle
import shutil
import struct
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PLAIN = [
    {"attributes": "gender,smile", "n_attributes": 5, "hidden_size": 16, "none": None, "on": True},
    [1, -1, 255, 65536, 2**40, -(2**63), 2**63 - 1, 0.5, float("inf"), "é" * 100, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    OrderedDict([("a", [[], {}, [{}]]), (7, {"b": ["x", "x"]})]),
]


def torch_objects(torch):
    weight = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    yield module.state_dict()
    yield {"t": weight.t(), "slice": weight[1:, ::2], "row": weight[2], "expanded": weight[:1].expand(3, 6)}
    yield {str(dtype): torch.arange(5).to(dtype) for dtype in
           (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)}
    yield [torch.nn.Parameter(weight), torch.tensor(1.5), torch.zeros(0, 3), weight.shape]
    yield {"e4e": {"a": weight}, "generator_smooth": OrderedDict(b=weight * 2), "latent_avg": weight[0]}


def write_torch(folder, torch):
    for i, value in enumerate(torch_objects(torch)):
        for protocol in (2, 4):
            torch.save(value, folder / f"old-{i}-{protocol}.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=False)
            buffer = io.BytesIO()
            torch.save(value, buffer, pickle_protocol=protocol)
            if protocol == 2:
                (folder / f"new-{i}.pt").write_bytes(buffer.getvalue())
            with zipfile.ZipFile(buffer) as archive:
                (folder / f"description-{i}-{protocol}").write_bytes(b"Z" + archive.read("archive/data.pkl"))


def write_torch_seeds(folder, files):
    for i, value in enumerate(PLAIN):
        for protocol in range(2, 6):
            (folder / f"plain-{i}-{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
    for path in files:
        shutil.copy(path, folder / f"real-{Path(path).name}")
    try:
        import torch
    except ImportError:
        print("no PyTorch: no seeds with tensors")
        return
    torch.manual_seed(0)
    write_torch(folder, torch)


def write_npy_seeds(folder):
    cases = [("<f4", "(3, 4)", 48), ("<f2", "(5,)", 10), ("<f8", "(2, 1, 2)", 32), ("<f4", "()", 4), ("<f4", "(0, 7)", 0)]
    for i, (kind, shape, size) in enumerate(cases):
        for fortran in (False, True):
            header = f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
            (folder / f"{i}-{fortran}.npy").write_bytes(
                b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(range(size)))
            (folder / f"header-{i}-{fortran}").write_bytes(header)


def write_model_seeds(folder):
    for model in sorted((ROOT / "tests/golden/tiny").glob("*/model.safetensors")):
        data = model.read_bytes()
        size, = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + size])
        (folder / f"header-{model.parent.name}").write_bytes(data[8:8 + size])
        (folder / f"config-{model.parent.name}").write_text("c" + header["__metadata__"]["config"])
        (folder / f"directions-{model.parent.name}").write_text(header["__metadata__"]["directions"])
    small = json.dumps({"__metadata__": {"format": "x"}, "first": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                        "scalar": {"dtype": "F16", "shape": [], "data_offsets": [24, 26]},
                        "count": {"dtype": "I64", "shape": [1], "data_offsets": [26, 34]}}, separators=(",", ":")).encode()
    (folder / "small").write_bytes(struct.pack("<Q", len(small)) + small + bytes(range(34)))
    (folder / "header-small").write_bytes(small)
    base = {"name": "age", "label": "Age", "group": "face", "rows": [0, 8], "range": [-5, 5], "safe": [-3, 3], "step": 0.1}
    for kind in ("interfacegan", "ganspace", "mapper", "gradctrl", "stylespace"):
        text = json.dumps([dict(base, kind=kind, component=0, hidden=16, classifier=0, rate=0.5, exclude=[[1, 10]])])
        (folder / f"directions-{kind}").write_text(text)


def project_face(**changes):
    def tensor(kind, *shape):
        size = math.prod(shape) * (2 if kind == "f16" else 4)
        return {"type": kind, "shape": list(shape), "data": base64.b64encode(bytes(size)).decode()}
    return {"quad": {"centre": [50.5, 40.0], "x": [30.0, 4.0], "y": [-4.0, 30.0]}, "aligned": False, "inversion": "styleres",
            "detail": 0.5, "sliders": {"age": 1.5, "smile": -2.0}, "w_plus": tensor("f32", 2, 3), "enc_feat": tensor("f32", 2, 1, 2),
            **changes}


def write_project_seeds(folder):
    project = {"format": "likeness-project", "version": 1,
               "photo": {"relative": "photos/50%25.jpg", "path": "/photos/50%25.jpg", "size": 12345, "sha256": "0a" * 32},
               "model": {"name": "a model", "path": "/models/a.safetensors", "networks": "0123456789abcdef"},
               "face": 0, "faces": [project_face()]}
    untouched = {key: value for key, value in project_face(sliders={}).items() if key not in ("w_plus", "enc_feat")}
    half = project_face(inversion="e4e", detail=1)
    half["enc_feat"] = {"type": "f16", "shape": [1, 1, 3], "data": base64.b64encode(bytes(6)).decode()}
    seeds = {"one": project, "three": {**project, "face": 2, "faces": [untouched, project_face(), half]},
             "older": {key: value for key, value in project.items() if key != "face"}}
    for name, seed in seeds.items():
        (folder / name).write_text(json.dumps(seed))


def main(folder, files):
    folder = Path(folder)
    for name in ("torch", "npy", "safetensors", "project"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    write_torch_seeds(folder / "torch", files)
    write_npy_seeds(folder / "npy")
    write_model_seeds(folder / "safetensors")
    write_project_seeds(folder / "project")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
