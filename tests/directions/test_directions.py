# SPDX-License-Identifier: GPL-3.0-or-later
"""Published kinds of edits: what likeness-cli import makes of their files, and whether sliders compute what PyTorch does.

usage: test_directions.py LIKENESS_CLI APPLY_DIRECTIONS [CLASS] ...

Files with random values are made here, as torch.save writes them; the formulas are docs/model-file.md's, with PyTorch's own
gradients. Real files are looked for in $LIKENESS_OFFICIAL, or beside the source tree.
"""
import csv
import json
import math
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch
import torch.nn.functional as F

CLI = APPLY = None
TABLE = [("frizzy_hair", 3, 2, 6, 20), ("Big smile", 0, 0, 5, -30), ("show_front_teeth", 5, 4, 18, 40)]
ATTRIBUTES = ["gender", "smile", "eyeglasses", "age", "pose"]
GRADCTRL = {  # attribute: excluded classifiers, channels of 512, rows
    "gender": ([1, 2, 3], [250, 100, 100], [2, 10]),
    "smile": ([0, 2, 3], [200, 50, 100], [2, 8]),
    "eyeglasses": ([0, 1, 3], [200, 100, 250], [1, 4]),
    "age": ([0, 2], [100, 300], [4, 10]),
}


# ---- the model file ----

class Model:
    def __init__(self, path):
        with open(path, "rb") as stream:
            length, = struct.unpack("<Q", stream.read(8))
            self.header = json.loads(stream.read(length))
            self.data = stream.read()
        self.metadata = self.header.pop("__metadata__")
        self.config = json.loads(self.metadata["config"])
        self.directions = {entry["name"]: entry for entry in json.loads(self.metadata["directions"])}

    def tensor(self, name):
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        values = np.frombuffer(self.data[begin:end], {"F32": "<f4", "F16": "<f2"}[entry["dtype"]])
        return torch.from_numpy(values.reshape(entry["shape"]).copy())

    def n_styles(self):
        channels = list(self.config["channels"].values())
        return 2 * channels[0] + sum(before + 2 * of for before, of in zip(channels, channels[1:]))

    def style_layers(self):
        """[channels, whether toRGB]"""
        channels = list(self.config["channels"].values())
        layers = []
        for block, of in enumerate(channels):
            layers += [[channels[block - 1], False]] if block else []
            layers += [[of, False], [of, True]]
        return layers


# ---- the formulas, in float64 ----

def ganspace_coordinate(pca, index, w_plus):
    component = pca["comp"][index].double().reshape(-1)
    return torch.dot(w_plus[0] - pca["mean"].double().reshape(-1), component) / pca["std"][index].double()


def ganspace(pca, index, rows, value, w_plus):
    change = torch.zeros_like(w_plus)
    c = ganspace_coordinate(pca, index, w_plus)
    change[rows[0]:rows[1]] = (value - c) * pca["comp"][index].double().reshape(-1) * pca["std"][index].double()
    return change


def mapper(state, value, w_plus):
    change = torch.zeros_like(w_plus)
    for level, (first, end) in {"course": (0, 4), "medium": (4, 8), "fine": (8, None)}.items():
        if f"{level}_mapping.mapping.1.weight" not in state or w_plus[first:end].shape[0] == 0:
            continue
        x = w_plus[first:end]
        x = x / torch.sqrt((x * x).mean(dim=0, keepdim=True) + 1e-8)
        for layer in range(1, 5):
            weight = state[f"{level}_mapping.mapping.{layer}.weight"].double()
            bias = state[f"{level}_mapping.mapping.{layer}.bias"].double()
            x = F.linear(x, weight * 0.01 / math.sqrt(weight.shape[1]), bias * 0.01)
            x = F.leaky_relu(x, 0.2) * math.sqrt(2)
        change[first:end] = x
    return value * change


def classify(state, index, w):
    x = F.linear(w, state[f"classifiers.{index}.classifier.0.weight"].double(),
                 state[f"classifiers.{index}.classifier.0.bias"].double())
    if f"classifiers.{index}.classifier.2.weight" in state:
        x = F.linear(F.leaky_relu(x, 0.1), state[f"classifiers.{index}.classifier.2.weight"].double(),
                     state[f"classifiers.{index}.classifier.2.bias"].double())
    return torch.sigmoid(x)


def gradient(state, index, w):
    w = w.detach().clone().requires_grad_(True)
    classify(state, index, w).sum().backward()
    return w.grad


def gradctrl(state, index, excluded, counts, rows, value, w_plus, rate=0.5):
    e, left = w_plus[0].clone(), abs(value)
    while left > 0:
        g = gradient(state, index, e)
        for other, count in zip(excluded, counts):
            g[torch.topk(gradient(state, other, e).abs(), count).indices] = 0
        e = e + (1 if value < 0 else -1) * rate * min(left, 1) * g / g.norm()
        left -= 1
    change = torch.zeros_like(w_plus)
    change[rows[0]:rows[1]] = w_plus[0] - e
    return change


# ---- files as published ----

def make_pca(w_dim, n=7):
    comp = torch.randn(n, 1, w_dim)
    return {"mean": torch.randn(1, w_dim), "comp": comp / comp.norm(dim=-1, keepdim=True), "std": torch.rand(n) * 3 + 0.1}


def make_mapper(w_dim, levels=("course", "medium", "fine")):
    return {f"{level}_mapping.mapping.{layer}.{what}": torch.randn(*((w_dim, w_dim) if what == "weight" else (w_dim,))) * 100
            for level in levels for layer in range(1, 5) for what in ("weight", "bias")}


def make_classifiers(w_dim, n=5, hidden=16):
    state = {}
    for i in range(n):
        state[f"classifiers.{i}.classifier.0.weight"] = torch.randn(hidden or 1, w_dim) / math.sqrt(w_dim)
        state[f"classifiers.{i}.classifier.0.bias"] = torch.randn(hidden or 1)
        if hidden:
            state[f"classifiers.{i}.classifier.2.weight"] = torch.randn(1, hidden)
            state[f"classifiers.{i}.classifier.2.bias"] = torch.randn(1)
    return state


def write_table(path, table):
    with open(path, "w", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows(table)


class Base(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.folder = tempfile.mkdtemp(prefix="likeness-directions-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ, XDG_DATA_HOME=os.path.join(self.folder, "home"), LC_ALL="C.UTF-8")

    def path(self, *names):
        path = os.path.join(self.folder, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def cli(self, *words):
        return subprocess.run([CLI, *words], capture_output=True, text=True, env=self.environment)

    def tiny(self, resolution=64, w_dim=24):
        path = self.path("tiny.safetensors")
        subprocess.run([APPLY, "tiny", path, str(resolution), str(w_dim)], check=True)
        return path

    def import_files(self, base, *files, name=None):
        out = self.path("out.safetensors")
        done = self.cli("import", *files, "--model", base, "-o", out, *(("--name", name) if name else ()))
        self.assertEqual(done.returncode, 0, done.stderr)
        return out, done.stderr

    def assert_refused(self, base, file, *parts):
        out = self.path("refused.safetensors")
        done = self.cli("import", file, "--model", base, "-o", out)
        self.assertEqual(done.returncode, 1, file)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in (os.path.basename(file), *parts):
            self.assertIn(part, done.stderr)
        self.assertFalse(os.path.exists(out))

    def apply(self, path, w_plus, cases):
        """cases: {name: value} each. The neutral values by name, then code and styles of each case."""
        model = Model(path)
        names = list(model.directions)
        rows = np.array([[case.get(name, math.nan) for name in names] for case in cases], np.float32)
        np.save(self.path("w_plus.npy"), w_plus.float().numpy())
        np.save(self.path("values.npy"), rows)
        subprocess.run([APPLY, "apply", path, self.path("w_plus.npy"), self.path("values.npy"), self.path("result")],
                       check=True)
        numbers = torch.from_numpy(np.fromfile(self.path("result"), np.float32))
        neutral = dict(zip(names, numbers[:len(names)].tolist()))
        numbers = numbers[len(names):].reshape(len(cases), -1)
        n = w_plus.numel()
        return neutral, [(row[:n].reshape(w_plus.shape), row[n:]) for row in numbers]

    def assert_close(self, ours, change, w_plus):
        """The edited code, and what was changed, to 1e-5 relative; rows without change to the bit."""
        self.assertLess(((w_plus + change) - ours.double()).norm() / (w_plus + change).norm(), 1e-6)
        difference = ours.double() - w_plus
        scale = max(change.norm().item(), 1e-30)
        # What float32 can say of w+ + change limits how well the change can be seen.
        seen = (w_plus + change).abs().norm() * 2 ** -24 / scale
        self.assertLess((difference - change).norm() / scale, 1e-5 + seen)
        still = change.abs().sum(dim=1) == 0
        self.assertTrue(torch.equal(ours[still], w_plus[still].float()))

    def assert_same_bits(self, a, b):
        self.assertEqual(a.dtype, torch.float32)
        self.assertEqual(a.numpy().tobytes(), b.reshape(a.shape).contiguous().numpy().tobytes())


def codes(num_ws, w_dim):
    return (torch.randn(num_ws, w_dim) * 0.8 + 0.1).float().double()


# ---- sliders against PyTorch ----

class Sliders(Base):
    def check(self, resolution, w_dim):
        base = self.tiny(resolution, w_dim)
        num_ws = Model(base).config["num_ws"]
        scale = w_dim / 512
        pca, state = make_pca(w_dim), make_classifiers(w_dim)
        mappers = {"afro": make_mapper(w_dim), "purple_hair": make_mapper(w_dim, ("fine",)),
                   "angry": make_mapper(w_dim, ("course", "medium"))}
        vectors = {"one": torch.randn(1, w_dim), "all": torch.randn(1, num_ws, w_dim), "plain": torch.randn(num_ws, w_dim)}
        style = torch.randn(Model(base).n_styles())
        torch.save(pca, self.path("in", "pca", "ffhq_pca.pt"))
        write_table(self.path("in", "pca", "ganspace_configs.csv"), TABLE)
        for name, mapper_state in mappers.items():
            torch.save(mapper_state, self.path("in", f"{name}.pt"))
        for name, vector in vectors.items():
            torch.save(vector, self.path("in", f"{name}.pt"))
        torch.save(state, self.path("in", "ctrl", "model.pth"), _use_new_zipfile_serialization=False)
        with open(self.path("in", "ctrl", "model_params.pkl"), "wb") as stream:
            pickle.dump({"attributes": ",".join(ATTRIBUTES), "n_attributes": 5, "n_shared_layers": 0, "hidden_size": 16},
                        stream, protocol=3)
        np.save(self.path("in", "fringe.npy"), style.numpy())
        out, warnings = self.import_files(base, os.path.join(self.folder, "in"))
        self.assertEqual(warnings, "")
        w_plus = codes(num_ws, w_dim)

        cases, expected = [{}], [torch.zeros(num_ws, w_dim, dtype=torch.float64)]

        def add(name, value, change):
            cases.append({name: value})
            expected.append(change)

        for name, index, first, end, strength in TABLE:
            slider = "ganspace-" + name.lower().replace(" ", "_")
            for value in (strength, 0, -17.3, 0.4):
                add(slider, value, ganspace(pca, index, (first, end), np.float32(value).item(), w_plus))
        for name, mapper_state in mappers.items():
            for value in (0.2, 0.03):
                add(f"mapper-{name}", value, mapper(mapper_state, np.float32(value).item(), w_plus))
        for name, vector in vectors.items():
            for value in (5, -2.6):
                add(name, value, np.float32(value).item() * vector.double().reshape(-1, w_dim).expand(num_ws, w_dim))
        for name, (excluded, counts, rows) in GRADCTRL.items():
            counts = [math.floor(count * scale + 0.5) for count in counts]
            for value in (1, -1, 9, -10, 3.4, -0.7):
                add(f"gradctrl-{name}", value,
                    gradctrl(state, ATTRIBUTES.index(name), excluded, counts, rows, np.float32(value).item(), w_plus))

        neutral, results = self.apply(out, w_plus, cases)
        for case, change, (ours, styles) in zip(cases, expected, results):
            with self.subTest(resolution=resolution, case=case):
                self.assert_close(ours, change, w_plus)
                self.assertFalse(styles.any())
        for name, index, *_ in TABLE:
            c = ganspace_coordinate(pca, index, w_plus).item()
            self.assertLess(abs(neutral["ganspace-" + name.lower().replace(" ", "_")] - c), 1e-5 * max(1, abs(c)))

        # All at once, with the style space.
        together = {name: value for case in cases for name, value in case.items()}
        total = sum({next(iter(case)): change for case, change in zip(cases[1:], expected[1:])}.values())
        (ours, styles), = self.apply(out, w_plus, [{**together, "fringe": -2.5}])[1]
        self.assert_close(ours, total, w_plus)
        self.assertLess((styles.double() + 2.5 * style.double()).norm() / style.norm(), 1e-6)

    def test_tiny(self):
        self.check(64, 24)

    def test_official(self):
        self.check(1024, 512)

    def test_classifiers_of_one_layer(self):
        base = self.tiny()
        state = make_classifiers(24, hidden=None)
        torch.save(state, self.path("in", "model.pth"))
        out, _ = self.import_files(base, self.path("in", "model.pth"))
        w_plus = codes(10, 24)
        excluded, counts, rows = GRADCTRL["age"]
        counts = [math.floor(count * 24 / 512 + 0.5) for count in counts]
        (ours, _), = self.apply(out, w_plus, [{"gradctrl-age": 4.5}])[1]
        self.assert_close(ours, gradctrl(state, 3, excluded, counts, rows, 4.5, w_plus), w_plus)

    def test_certain_classifier(self):
        """Where sigmoid has no gradient left in float32, or float64, the slider goes on."""
        base = self.tiny()
        state = make_classifiers(24)
        state["classifiers.1.classifier.2.bias"] += 1000
        torch.save(state, self.path("in", "model.pth"))
        out, _ = self.import_files(base, self.path("in", "model.pth"))
        w_plus = codes(10, 24)
        (ours, _), = self.apply(out, w_plus, [{"gradctrl-smile": 1}])[1]
        self.assertAlmostEqual((ours[2] - w_plus[2]).norm().item(), 0.5, places=5)

    def test_whole_way(self):
        """From a photo's file by way of --set and --dump, with the ends of names."""
        base = self.tiny()
        pca = make_pca(24)
        torch.save(pca, self.path("in", "pca.pt"))
        write_table(self.path("in", "ganspace_configs.csv"), TABLE)
        torch.save(make_classifiers(24), self.path("in", "ctrl", "model.pth"))
        torch.save(make_mapper(24), self.path("in", "age.pt"))
        style = torch.randn(Model(base).n_styles())
        torch.save(style, self.path("in", "fringe.pt"))
        out, _ = self.import_files(base, self.path("in"))
        photo = self.path("photo.png")
        from PIL import Image
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)).save(photo)
        edit = lambda *sets: self.cli("edit", photo, "-o", self.path("edited.png"), "--aligned", "--model", out,
                                      "--dump", self.path("dump"), *(word for text in sets for word in ("--set", text)))
        load = lambda name: torch.from_numpy(np.load(self.path("dump", name + ".npy")))

        done = self.cli("invert", photo, "-o", self.path("edited.png"), "--aligned", "--model", out,
                        "--dump", self.path("dump"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_bits(load("w_edit"), load("w_plus"))
        done = edit("frizzy_hair=20", "fringe=1.5")
        self.assertEqual(done.returncode, 0, done.stderr)
        w_plus = load("w_plus").double()
        self.assert_close(load("w_edit"), ganspace(pca, 3, (2, 6), 20, w_plus), w_plus)
        self.assertLess((load("styles").double() - 1.5 * style.double()).norm() / style.norm(), 1e-6)
        # "age" is the tiny model's own slider, and wins over gradctrl-age and mapper-age.
        done = edit("age=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_close(load("w_edit"), Model(out).tensor("direction.age").double().expand(10, 24), w_plus)
        self.assertFalse(os.path.exists(self.path("dump", "styles.npy")))
        done = edit("smile=1")  # also an exact name
        self.assertEqual(done.returncode, 0, done.stderr)
        done = edit("hair=1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no slider hair", done.stderr)

    def test_ambiguous_end(self):
        base = self.tiny()
        torch.save(make_pca(24), self.path("in", "pca.pt"))
        write_table(self.path("in", "ganspace_configs.csv"), [("gender", 1, 0, 3, 20)])
        torch.save(make_classifiers(24), self.path("in", "ctrl", "model.pth"))
        out, _ = self.import_files(base, self.path("in"))
        done = self.cli("edit", self.path("no.png"), "-o", self.path("edited.png"), "--model", out, "--set", "gender=1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("gender may be any of gradctrl-gender, ganspace-gender", done.stderr)


# ---- what is imported ----

class Import(Base):
    def test_values_and_entries(self):
        base = self.tiny()
        pca, state, mapper_state = make_pca(24), make_classifiers(24), make_mapper(24, ("course", "fine"))
        torch.save(pca, self.path("in", "any_name.pt"))
        write_table(self.path("in", "ganspace_configs.csv"), TABLE)
        torch.save(mapper_state, self.path("in", "Curly_Hair.pt"))
        torch.save(state, self.path("in", "ctrl", "model.pth"))
        vector = torch.randn(10, 24, dtype=torch.float64)
        np.save(self.path("in", "2. Try: Größe.npy"), np.asfortranarray(vector.numpy()))
        out, warnings = self.import_files(base, self.path("in"))
        self.assertEqual(warnings, "")
        model = Model(out)

        self.assert_same_bits(model.tensor("ganspace.mean"), pca["mean"])
        self.assert_same_bits(model.tensor("ganspace.comp"), pca["comp"])
        self.assert_same_bits(model.tensor("ganspace.std"), pca["std"])
        for theirs, ours in {"course": "coarse", "fine": "fine"}.items():
            for layer in range(4):
                for what in ("weight", "bias"):
                    self.assert_same_bits(model.tensor(f"direction.mapper-curly_hair.{ours}.{layer}.{what}"),
                                          mapper_state[f"{theirs}_mapping.mapping.{layer + 1}.{what}"])
        self.assertNotIn("direction.mapper-curly_hair.medium.0.weight", model.header)
        for key, value in state.items():
            _, index, _, what = key.split(".", 3)
            self.assert_same_bits(model.tensor(f"gradctrl.{index}.{what}"), value)
        self.assert_same_bits(model.tensor("direction.direction-2__try__gr__e"), vector.float())

        entries = model.directions
        self.assertEqual(entries["ganspace-frizzy_hair"],
                         {"name": "ganspace-frizzy_hair", "label": "Frizzy hair", "kind": "ganspace", "group": "ganspace",
                          "component": 3, "rows": [2, 6], "range": [-25, 25], "safe": [0, 20], "step": 0.1})
        self.assertEqual(entries["ganspace-big_smile"]["range"], [-30, 25])
        self.assertEqual(entries["ganspace-big_smile"]["safe"], [-30, 0])
        self.assertEqual(entries["ganspace-show_front_teeth"]["range"], [-25, 40])
        self.assertEqual(entries["ganspace-show_front_teeth"]["rows"], [4, 10])  # the model has no more
        self.assertEqual(entries["mapper-curly_hair"],
                         {"name": "mapper-curly_hair", "label": "Curly Hair", "kind": "mapper", "group": "styleclip",
                          "levels": ["coarse", "fine"], "range": [0, 0.2], "safe": [0, 0.2], "step": 0.01})
        self.assertEqual(entries["gradctrl-eyeglasses"],
                         {"name": "gradctrl-eyeglasses", "label": "Eyeglasses", "kind": "gradctrl", "group": "gradctrl",
                          "hidden": 16, "classifier": 2, "exclude": [[0, 9], [1, 5], [3, 12]], "rate": 0.5, "rows": [1, 4],
                          "range": [-10, 10], "safe": [-9, 9], "step": 0.1})
        self.assertNotIn("gradctrl-pose", entries)
        self.assertEqual(entries["direction-2__try__gr__e"]["label"], "2. Try: Größe")
        self.assertEqual(set(entries) & {"age", "smile", "pose"}, {"age", "smile", "pose"})
        info = json.loads(self.cli("info", "--json", "--model", out).stdout)["models"][0]["sliders"]
        self.assertEqual({slider["name"]: slider["kind"] for slider in info},
                         {name: entry.get("kind", "interfacegan") for name, entry in entries.items()})

    def test_replaced(self):
        """A second import: the same name in its place, a PCA and its sliders as a whole."""
        base = self.tiny()
        torch.save(make_pca(24), self.path("a", "pca.pt"))
        write_table(self.path("a", "ganspace_configs.csv"), TABLE)
        torch.save(make_mapper(24), self.path("a", "afro.pt"))
        first, _ = self.import_files(base, self.path("a"))
        shutil.move(first, self.path("first.safetensors"))
        pca, mapper_state, vector = make_pca(24, n=3), make_mapper(24, ("medium",)), torch.randn(24)
        torch.save(pca, self.path("b", "pca.pt"))
        torch.save(mapper_state, self.path("b", "afro.pt"))
        torch.save(vector, self.path("b", "smile.pt"))
        out, _ = self.import_files(self.path("first.safetensors"), self.path("b"))
        model = Model(out)
        self.assertEqual([name for name in model.directions if name.startswith("ganspace")],
                         [f"ganspace-component_{i}" for i in range(3)])
        self.assert_same_bits(model.tensor("ganspace.comp"), pca["comp"])
        self.assertEqual(list(model.directions)[:3], ["age", "smile", "pose"])
        self.assert_same_bits(model.tensor("direction.smile"), vector)
        w_plus = codes(10, 24)
        (ours, _), = self.apply(out, w_plus, [{"mapper-afro": 0.1}])[1]
        self.assert_close(ours, mapper(mapper_state, np.float32(0.1).item(), w_plus), w_plus)

    def test_name(self):
        base = self.tiny()
        torch.save(torch.randn(1, 24), self.path("x.pt"))
        torch.save(make_mapper(24), self.path("y.pt"))
        self.assertIn("looks_old", Model(self.import_files(base, self.path("x.pt"), name="Looks old")[0]).directions)
        self.assertIn("mapper-big-hair", Model(self.import_files(base, self.path("y.pt"), name="mapper-Big-hair")[0]).directions)

    def test_style_space(self):
        base = self.tiny()
        layers = Model(base).style_layers()
        full = [torch.randn(channels) for channels, _ in layers]
        convs = [layer for layer, (_, rgb) in zip(full, layers) if not rgb]
        without_rgb = torch.cat([torch.zeros_like(layer) if rgb else layer for layer, (_, rgb) in zip(full, layers)])
        torch.save(torch.cat(full), self.path("in", "full.pt"))
        torch.save([layer[None] for layer in full], self.path("in", "full_list.pt"))
        torch.save(torch.cat(convs)[None], self.path("in", "convs.pt"))
        torch.save(tuple(convs), self.path("in", "convs_list.pt"))
        np.save(self.path("in", "convs_npy.npy"), torch.cat(convs).numpy())
        model = Model(self.import_files(base, self.path("in"))[0])
        for name in ("full", "full_list"):
            self.assert_same_bits(model.tensor("direction." + name), torch.cat(full))
        for name in ("convs", "convs_list", "convs_npy"):
            self.assert_same_bits(model.tensor("direction." + name), without_rgb)
            self.assertEqual(model.directions[name]["kind"], "stylespace")

    def test_attributes_in_another_order(self):
        base = self.tiny()
        torch.save(make_classifiers(24, n=3, hidden=4), self.path("in", "model.pth"))
        with open(self.path("in", "model_params.pkl"), "wb") as stream:
            pickle.dump({"attributes": ["age", "beard", "gender"]}, stream, protocol=3)
        entries = Model(self.import_files(base, self.path("in", "model.pth"))[0]).directions
        self.assertEqual(entries["gradctrl-age"]["classifier"], 0)
        self.assertEqual(entries["gradctrl-age"]["exclude"], [[2, 5]])
        self.assertEqual(entries["gradctrl-gender"]["exclude"], [[0, 5]])
        self.assertEqual([name for name in entries if "-" in name], ["gradctrl-gender", "gradctrl-age"])

    # ---- what cannot be ----

    def test_refused(self):
        base = self.tiny()
        save = lambda name, value: torch.save(value, self.path("bad", name)) or self.path("bad", name)
        state, mapper_state, pca = make_classifiers(24), make_mapper(24), make_pca(24)

        self.assert_refused(base, save("wide.pt", torch.randn(1, 512)), "1 x 512", "24, 10 x 24")
        self.assert_refused(base, save("rows.pt", torch.randn(18, 24)), "18 x 24", "10 x 24")
        self.assert_refused(base, save("nan.pt", torch.full((24,), math.nan)), "not finite")
        self.assert_refused(base, save("scalar.pt", torch.tensor(1.0)), "array of 1 ")
        self.assert_refused(base, save("list.pt", [torch.randn(3), torch.randn(4)]), "list of 2")
        self.assert_refused(base, save("other.pt", {"a": torch.randn(24)}), "no direction of a known kind")
        self.assert_refused(base, save("number.pt", 7), "no direction of a known kind")

        self.assert_refused(base, save("wide_mapper.pt", make_mapper(32)), "32 x 32", "24 x 24")
        self.assert_refused(base, save("part.pt", {k: v for k, v in mapper_state.items() if k != "fine_mapping.mapping.2.bias"}),
                            "fine level has 7 tensors")
        self.assert_refused(base, save("more.pt", {**mapper_state, "extra.weight": torch.randn(3)}), "extra.weight")
        mapper_state["fine_mapping.mapping.4.weight"][5, 6] = math.inf
        self.assert_refused(base, save("inf.pt", mapper_state), "fine_mapping.mapping.4.weight", "not finite")

        self.assert_refused(base, save("wide_pca.pt", make_pca(512)), "512", "24")
        self.assert_refused(base, save("odd_pca.pt", {**pca, "std": torch.rand(6)}), "7 x 1 x 24, 1 x 24 and 6")
        self.assert_refused(base, save("zero_pca.pt", {**pca, "std": torch.zeros(7)}), "std of component 0 is not above 0")

        self.assert_refused(base, save("wide.pth", make_classifiers(512)), "16 x 512", "16 x 24")
        self.assert_refused(base, save("shared.pth", {**state, "shared.0.weight": torch.randn(24, 24)}), "21 tensors")
        self.assert_refused(base, save("part.pth", {k: v for k, v in state.items() if k != "classifiers.2.classifier.2.bias"}),
                            "classifiers.2.classifier.2.bias is missing")
        self.assert_refused(base, save("four.pth", make_classifiers(24, n=4)), "model_params.pkl")

        with open(self.path("bad", "pointer.pt"), "w") as stream:
            stream.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
        self.assert_refused(base, self.path("bad", "pointer.pt"), "Git LFS")
        np.save(self.path("bad", "nan.npy"), np.full((1, 24), np.nan, np.float32))
        self.assert_refused(base, self.path("bad", "nan.npy"), "not finite")

    def test_wrong_tables(self):
        base = self.tiny()
        torch.save(make_pca(24), self.path("in", "pca.pt"))
        for lines, part in (("a\t1\t2\n", "line 1"), ("a\t1\t0\t3\t2\nb\t1\t5\t3\t2\n", "line 2"),
                            ("a\tx\t0\t3\t2\n", "line 1"), ("a\t1\t0\t3\tnan\n", "line 1"), ("a\t7\t0\t3\t2\n", "component 7"),
                            ("a\t1\t0\t3\t2\tmore\n", "line 1"), ("\t1\t0\t3\t2\n", "line 1"), ("a\t1\t0\t3\t2000\n", "line 1")):
            with open(self.path("in", "ganspace_configs.csv"), "w") as stream:
                stream.write(lines)
            self.assert_refused(base, self.path("in", "pca.pt"), part)
        with open(self.path("in", "ganspace_configs.csv"), "w") as stream:  # Windows' line ends, an empty line
            stream.write("a\t1\t0\t3\t2.5\r\n\r\nb\t2\t0\t3\t-2\r\n")
        entries = Model(self.import_files(base, self.path("in", "pca.pt"))[0]).directions
        self.assertEqual(entries["ganspace-a"]["safe"], [0, 2.5])

    def test_bad_file_in_a_folder(self):
        """It is named, and the others are taken."""
        base = self.tiny()
        torch.save(torch.randn(1, 24), self.path("in", "good.pt"))
        torch.save(torch.randn(1, 512), self.path("in", "wide.pt"))
        out, warnings = self.import_files(base, self.path("in"))
        self.assertIn("wide.pt", warnings)
        self.assertEqual(warnings.count("\n"), 1)
        self.assertIn("good", Model(out).directions)

    def test_too_many(self):
        base = self.tiny()
        torch.save(make_pca(24), self.path("in", "pca.pt"))
        write_table(self.path("in", "ganspace_configs.csv"), [(f"n{i}", 1, 0, 3, 20) for i in range(254)])
        self.assert_refused(base, self.path("in", "pca.pt"), "more than 256 directions")


# ---- the real files ----

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OFFICIAL = os.environ.get("LIKENESS_OFFICIAL") or os.path.join(SOURCE, "..", "shared", "official")


@unittest.skipUnless(os.path.isdir(OFFICIAL), "the published files are not here (LIKENESS_OFFICIAL)")
class Official(Base):
    def test_bit_for_bit(self):
        base = self.tiny(1024, 512)
        out, warnings = self.import_files(base, OFFICIAL)
        self.assertEqual(warnings, "")
        model = Model(out)
        pca = torch.load(os.path.join(OFFICIAL, "ffhq_pca.pt"), map_location="cpu")
        for what in ("mean", "comp", "std"):
            self.assert_same_bits(model.tensor("ganspace." + what), pca[what])
        for name in ("age", "smile"):
            vector = torch.load(os.path.join(OFFICIAL, name + ".pt"), map_location="cpu")
            self.assert_same_bits(model.tensor("direction." + name), vector)
            self.assertEqual(model.directions[name]["range"], [-5, 5])
        with open(os.path.join(OFFICIAL, "ganspace_configs.csv"), newline="") as stream:
            table = list(csv.reader(stream, delimiter="\t"))
        self.assertEqual(len(table), 42)
        w_plus = codes(18, 512)
        cases, expected = [], []
        for name, *numbers in table:
            index, first, end, strength = map(int, numbers)
            entry = model.directions["ganspace-" + name]
            self.assertEqual((entry["component"], entry["rows"]), (index, [first, end]))
            self.assertEqual(entry["safe"], sorted([0, strength]))
            cases.append({"ganspace-" + name: strength})
            expected.append(ganspace(pca, index, (first, end), strength, w_plus))
        for change, (ours, _) in zip(expected, self.apply(out, w_plus, cases)[1]):
            self.assert_close(ours, change, w_plus)


if __name__ == "__main__":
    CLI, APPLY = sys.argv[1:3]
    del sys.argv[1:3]
    torch.set_num_threads(1)
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(result.skipped) == result.testsRun else 0)  # 77: the whole test is skipped
