# SPDX-License-Identifier: GPL-3.0-or-later
"""likeness-cli import of checkpoints: what is written, what is refused, and what is left when it is stopped.

usage: test_import.py LIKENESS_CLI
"""
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

import numpy as np
import torch

import checkpoints

CLI = None
MEMORY_LIMIT = 300 * 1024  # KiB
# A small process between, because a process's peak starts with that of the one it was forked from.
MEASURE = """import os, resource, sys
status = os.spawnvp(os.P_WAIT, sys.argv[2], sys.argv[2:])
with open(sys.argv[1], "w") as stream: print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=stream)
sys.exit(status)"""


class Sly:
    """Pickles as a call of os.system."""

    def __reduce__(self):
        return os.system, ("touch ran",)


class ImportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = checkpoints.CONFIGS["plain"]
        cls.state = checkpoints.weights(cls.config)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="likeness-import-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, self.before)
        self.environment = dict(os.environ, XDG_DATA_HOME=os.path.join(self.folder, "home"), LC_ALL="C.UTF-8")

    # ---- helpers ----

    def cli(self, *words, prefix=()):
        return subprocess.run([*prefix, CLI, *words], capture_output=True, text=True, env=self.environment)

    def save(self, name="small.pth", change=None, legacy=False, state=None, config=None):
        """Writes a checkpoint after change(checkpoint)."""
        content = checkpoints.checkpoint(config or self.config, state or self.state)
        if change:
            content = change(content) or content
        torch.save(content, name, _use_new_zipfile_serialization=not legacy)
        return name

    def files(self):
        return sorted(os.path.join(where, name) for where, _, names in os.walk(".") for name in names)

    def imports(self, *words):
        done = self.cli("import", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.rstrip("\n")

    def refuses(self, pattern, *words, prefix=()):
        """One sentence that names what is wrong, nothing written, little memory used."""
        before = self.files()
        with tempfile.NamedTemporaryFile("r") as peak:
            done = self.cli("import", *words,
                            prefix=(*prefix, sys.executable, "-I", "-S", "-c", MEASURE, peak.name))
            self.assertLess(int(peak.read()), MEMORY_LIMIT)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, "^likeness-cli: [^\n]*\n$")
        self.assertRegex(done.stderr, pattern)
        self.assertLess(len(done.stderr), 700)
        self.assertEqual(self.files(), before)

    def assert_weights(self, path, state, half):
        tensors, _ = checkpoints.read_model(path)
        expected = checkpoints.used(state)
        self.assertEqual(set(tensors), set(expected))
        for name, value in expected.items():
            if half and name.endswith(".weight") and value.ndim > 1:
                value = value.astype(np.float16)
            self.assertEqual(tensors[name].dtype, value.dtype, name)
            self.assertEqual(tensors[name].shape, value.shape, name)
            self.assertEqual(tensors[name].tobytes(), value.tobytes(), name)

    # ---- what is written ----

    def test_formats(self):
        for legacy in (False, True):
            for half in (False, True):
                with self.subTest(legacy=legacy, half=half):
                    self.save(legacy=legacy)
                    self.assertEqual(self.imports("small.pth", "-o", "out.safetensors", *([] if half else ["--f32"])),
                                     "out.safetensors")
                    self.assert_weights("out.safetensors", self.state, half)

    def test_configurations(self):
        for name, config in checkpoints.CONFIGS.items():
            with self.subTest(name=name):
                state = checkpoints.weights(config)
                self.save(state=state, config=config)
                self.imports("small.pth", "-o", "out.safetensors", "--f32")
                _, metadata = checkpoints.read_model("out.safetensors")
                expected = json.loads(json.dumps(config))
                del expected["encoder"]["se_ratio"]
                self.assertEqual(json.loads(metadata["config"]), expected)
                self.assert_weights("out.safetensors", state, False)

    def test_metadata(self):
        self.save("a face.model.pth")
        self.imports("a face.model.pth", "-o", "out.safetensors")
        _, metadata = checkpoints.read_model("out.safetensors")
        self.assertEqual(metadata["name"], "a face.model")
        self.assertEqual(metadata["directions"], "[]")
        self.assertIn("non-commercial", metadata["licence"])
        self.assertIn("a face.model.pth", metadata["card"])
        self.assertIn("half precision", metadata["card"])

    def test_default_output(self):
        self.save()
        models = os.path.join(self.folder, "home", "likeness", "models")
        self.assertEqual(self.imports("small.pth"), os.path.join(models, "small.safetensors"))
        self.assertEqual(self.imports("small.pth", "--name", "Mine/2"), os.path.join(models, "Mine-2.safetensors"))
        _, metadata = checkpoints.read_model(os.path.join(models, "Mine-2.safetensors"))
        self.assertEqual(metadata["name"], "Mine/2")

    def test_same_bytes_again(self):
        self.save()
        self.imports("small.pth", "-o", "one.safetensors")
        self.imports("small.pth", "-o", "two.safetensors")
        with open("one.safetensors", "rb") as one, open("two.safetensors", "rb") as two:
            self.assertEqual(one.read(), two.read())

    def test_latent_avg_of_one_row(self):
        def change(content):
            content["latent_avg"] = content["latent_avg"][0]
        self.save(change=change)
        self.imports("small.pth", "-o", "out.safetensors")
        tensors, _ = checkpoints.read_model("out.safetensors")
        self.assertEqual(tensors["latent_avg"].tobytes(), self.state["latent_avg"][0].numpy().tobytes())

    def test_other_types(self):
        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            with self.subTest(dtype=dtype):
                state = {name: value.to(dtype) if value.is_floating_point() else value
                         for name, value in self.state.items()}
                self.save(state=state)
                self.imports("small.pth", "-o", "out.safetensors", "--f32")
                self.assert_weights("out.safetensors", state, False)

    def test_views(self):
        """Parameters, transposed tensors, and tensors that share a storage."""
        def change(content):
            encoder, pool = content["e4e"], torch.randn(100)
            linear = encoder["styles.0.linear.weight"]
            encoder["styles.0.linear.weight"] = torch.nn.Parameter(linear.t().contiguous().t())
            for index, name in enumerate(("latlayer1.bias", "latlayer2.bias")):
                encoder[name] = pool[7 * index:7 * index + 32]
                expected["e4e." + name] = encoder[name].clone()
        for legacy in (False, True):
            expected = dict(self.state)
            self.save(change=change, legacy=legacy)
            self.imports("small.pth", "-o", "out.safetensors", "--f32")
            self.assert_weights("out.safetensors", expected, False)

    def test_unused_values_do_not_matter(self):
        def change(content):
            generator = content["generator_smooth"]
            for name, value in generator.items():
                if "mapping" in name or "dconv3" in name or "conv1.resample_filter" in name:
                    generator[name] = value * float("nan")
        self.save(change=change)
        self.imports("small.pth", "-o", "out.safetensors", "--f32")
        self.assert_weights("out.safetensors", self.state, False)

    def test_picture(self):
        """The imported model gives the pictures of the same weights written by another program."""
        from PIL import Image
        y, x = np.mgrid[0:32, 0:32]
        Image.fromarray(np.stack([x * 8, y * 8, (x ^ y) * 8], -1).astype(np.uint8)).save("input.png")
        age = np.random.default_rng(1).normal(0, 0.3, (1, self.config["w_dim"])).astype(np.float32)
        np.save("age.npy", age)
        self.save()
        self.imports("small.pth", "age.npy", "--f32", "--name", "mine")
        checkpoints.write_directly("direct.safetensors", self.config, self.state, age)
        pictures = {}
        for model in ("mine", "direct.safetensors"):
            for command in (["invert"], ["edit", "--set", "age=2"]):
                done = self.cli(*command, "input.png", "--aligned", "--model", model, "-o", "out.png")
                self.assertEqual(done.returncode, 0, done.stderr)
                pictures[model, command[0]] = np.asarray(Image.open("out.png")).astype(int)
        for command in ("invert", "edit"):
            self.assertEqual(pictures["mine", command].shape, (64, 64, 3))
            self.assertGreater(pictures["mine", command].std(), 5)
            self.assertTrue((pictures["mine", command] == pictures["direct.safetensors", command]).all())
        self.assertGreater(np.abs(pictures["mine", "edit"] - pictures["mine", "invert"]).mean(), 1)

    def test_folder(self):
        """A checkpoint and a direction found in a folder, another one given, and what cannot be used."""
        os.makedirs("repo/editings/interfacegan_directions")
        os.makedirs("repo/pretrained")
        self.save("repo/pretrained/styleres.pth")
        torch.save(torch.randn(1, self.config["w_dim"]), "repo/editings/interfacegan_directions/age.pt")
        np.save("smile.npy", np.ones((self.config["num_ws"], self.config["w_dim"]), np.float32))
        with open("repo/notes.pt", "w") as stream:
            stream.write("no tensors")
        done = self.cli("import", "repo", "smile.npy", "-o", "out.safetensors", "--f32")
        self.assertEqual((done.returncode, done.stdout), (0, "out.safetensors\n"), done.stderr)
        self.assertRegex(done.stderr, "^likeness-cli: left out: repo/notes.pt: [^\n]*\n$")
        tensors, metadata = checkpoints.read_model("out.safetensors")
        self.assertEqual([entry["name"] for entry in json.loads(metadata["directions"])], ["age", "smile"])
        self.assertTrue((tensors["direction.smile"] == 1).all())

    def test_into_another_model(self):
        """Directions are added to a copy, or to the model itself; all else stays as it is."""
        self.save()
        model = self.imports("small.pth", "-o", "base.safetensors")
        with open(model, "rb") as stream:
            base = stream.read()
        np.save("age.npy", np.ones((1, self.config["w_dim"]), np.float32))
        self.imports("age.npy", "--model", "base.safetensors", "-o", "more.safetensors", "--name", "older")
        with open(model, "rb") as stream:
            self.assertEqual(stream.read(), base)
        before, old = checkpoints.read_model("base.safetensors")
        after, new = checkpoints.read_model("more.safetensors")
        self.assertEqual([entry["name"] for entry in json.loads(new["directions"])], ["older"])
        self.assertEqual(set(after) - set(before), {"direction.older"})
        for name, value in before.items():
            self.assertEqual(after[name].tobytes(), value.tobytes())
        self.assertEqual({key: old[key] for key in ("name", "config", "card", "licence")},
                         {key: new[key] for key in ("name", "config", "card", "licence")})
        self.assertNotEqual(old["digest"], new["digest"])
        self.imports("age.npy", "--model", "more.safetensors", "-o", "more.safetensors")
        _, new = checkpoints.read_model("more.safetensors")
        self.assertEqual([entry["name"] for entry in json.loads(new["directions"])], ["older", "age"])

    # ---- what is refused ----

    def test_missing_extra_wrong(self):
        encoder, generator = "e4e", "generator_smooth"
        body, conv = "body.2.res_layer.3.weight", "synthesis.b8.conv1.weight"
        cases = [
            (lambda c: c[encoder].__delitem__(body), r"1 tensor is missing \(e4e.body.2.res_layer.3.weight\)"),
            (lambda c: c[encoder].__delitem__("input_layer.0.weight"), "e4e.input_layer.0.weight is missing"),
            (lambda c: c[generator].__delitem__("mapping.fc7.bias"), "generator.mapping.fc7.bias"),
            (lambda c: c[generator].__delitem__("synthesis.b16.conv0.noise_const"), "b16.conv0.noise_const"),
            (lambda c: c[encoder].update(more=torch.zeros(2)), r"1 does not belong to the network \(e4e.more\)"),
            (lambda c: c.update(optimizer={}), r"does not belong to the network \(optimizer\)"),
            (lambda c: c[generator].update({conv: torch.zeros(12, 12, 1, 3)}),
             r"generator.synthesis.b8.conv1.weight \(12, 12, 1, 3\) instead of \(12, 12, 3, 3\)"),
            (lambda c: c[generator].update({conv: torch.zeros(12 * 12 * 9)}), "has 1 dimensions instead of 4"),
            (lambda c: c[generator].update({conv: torch.zeros(12, 12, 3, 3, dtype=torch.int64)}), "of whole numbers"),
            (lambda c: c[generator].update({conv: "text"}), "b8.conv1.weight"),
            (lambda c: c.update(latent_avg=torch.zeros(9, 24)), r"latent_avg \(9, 24\) instead of \(10, 24\)"),
            (lambda c: c.update(latent_avg=None), "latent_avg is no tensor"),
            (lambda c: c.update(e4e=torch.zeros(3)), "e4e is not a dictionary"),
            (lambda c: c.__delitem__("latent_avg"), r"1 tensor is missing \(latent_avg\)"),
            (lambda c: c.__delitem__(encoder), "has no e4e"),
            (lambda c: c.__delitem__(generator), "has no generator_smooth"),
            (lambda c: c.update(e4e={}), "e4e.input_layer.0.weight is missing"),
            (lambda c: c.update(generator_smooth={}), "no blocks"),
            (lambda c: c.update({"e4e.latlayer1.bias": torch.zeros(32)}), "e4e.latlayer1.bias is there twice"),
            (lambda c: c[generator].update({"synthesis.b8.resample_filter": torch.ones(4, 4)}), "b8.resample_filter"),
        ]
        for change, pattern in cases:
            with self.subTest(pattern):
                self.save(change=change)
                self.refuses("small.pth.*" + pattern, "small.pth", "-o", "out.safetensors")

    def test_many_names(self):
        def change(content):
            for name in [name for name in content["e4e"] if name.startswith("styles.1.")]:
                content["e4e"]["old." + name] = content["e4e"].pop(name)
            content["e4e"]["styles.1.convs.0.weight"] = torch.zeros(1)
        self.save(change=change)
        self.refuses(r"\d tensors are missing \(e4e.styles.1.convs.0.bias, e4e.styles.1.linear.weight, e4e.styles.1.linear.bias\); "
                     r"1 is of a wrong shape .*; 4 do not belong to the network \(.*, …\)", "small.pth", "-o", "out.safetensors")

    def test_values(self):
        name = "e4e.body.1.res_layer.1.weight"
        for value, pattern in ((float("nan"), "not finite"), (float("-inf"), "not finite"), (1e5, "half precision.*--f32")):
            with self.subTest(value=value):
                state = dict(self.state)
                state[name] = state[name].clone()
                state[name][3, 2, 1, 1] = value
                self.save(state=state)
                self.refuses(f"small.pth.*{name}.*{pattern}", "small.pth", "-o", "out.safetensors")
                if pattern == "not finite":
                    self.refuses(f"small.pth.*{name}.*{pattern}", "small.pth", "-o", "out.safetensors", "--f32")
                else:
                    self.imports("small.pth", "-o", "out.safetensors", "--f32")

    def test_sizes_beyond_reason(self):
        """Shapes without end behind one number of storage, and indices without end."""
        def width(content):
            content["generator_smooth"]["synthesis.b64.conv1.weight"] = torch.zeros(1).expand(1 << 20, 1 << 20, 3, 3)

        def wide(content):
            for name in ("weight", "bias"):
                content["generator_smooth"]["synthesis.b64.conv1." + name] = torch.zeros(3000, 1, 1, 1)

        def index(content):
            content["e4e"]["body.999999999999.res_layer.1.weight"] = torch.zeros(1)
        self.save(change=width)
        self.refuses("repeats a few numbers", "small.pth", "-o", "out.safetensors")
        self.save(change=wide)
        self.refuses("not supported .*3000, not from 1 to 2048", "small.pth", "-o", "out.safetensors")
        self.save(change=index)
        self.refuses("does not belong", "small.pth", "-o", "out.safetensors")

    def test_code(self):
        """Nothing in a file is run, whatever the container."""
        def sly(content):
            content["latent_avg"] = Sly()

        def array(content):
            content["latent_avg"] = np.zeros(3)
        for legacy in (False, True):
            self.save(change=sly, legacy=legacy)
            self.refuses("small.pth.*(posix|os|nt).system", "small.pth", "-o", "out.safetensors")
            self.save(change=array, legacy=legacy)
            self.refuses("small.pth.*numpy", "small.pth", "-o", "out.safetensors")
        with open("small.pth", "wb") as stream:
            pickle.dump({"e4e": {}, "generator_smooth": {}, "latent_avg": Sly()}, stream, protocol=2)
        self.refuses("small.pth.*(posix|os|nt).system", "small.pth", "-o", "out.safetensors")
        self.assertFalse(os.path.exists("ran"))

    def test_damage(self):
        for legacy in (False, True):
            self.save(legacy=legacy)
            with open("small.pth", "rb") as stream:
                data = stream.read()
            for size in (0, 1, 10, 100, 5000, len(data) // 2, len(data) - 10000, len(data) - 1):
                with self.subTest(legacy=legacy, size=size):
                    with open("small.pth", "wb") as stream:
                        stream.write(data[:size])
                    self.refuses("small.pth", "small.pth", "-o", "out.safetensors")

    def test_damaged_storage(self):
        """A checksum that does not fit is found while the tensor is read."""
        self.save()
        with zipfile.ZipFile("small.pth") as archive:
            info = max(archive.infolist(), key=lambda entry: entry.file_size)
        with open("small.pth", "r+b") as stream:
            stream.seek(info.header_offset + 300 + info.file_size // 2)
            stream.write(b"\x55\xaa\x55\xaa")
        self.refuses("small.pth", "small.pth", "-o", "out.safetensors")

    def test_duplicate_keys(self):
        self.save()
        with zipfile.ZipFile("small.pth") as archive:
            entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
        with zipfile.ZipFile("small.pth", "w") as archive:
            for name, data in entries:  # names of the same length
                archive.writestr(name, data.replace(b"latlayer2.bias", b"latlayer1.bias"))
        self.refuses("small.pth.*latlayer1.bias", "small.pth", "-o", "out.safetensors")

    def test_not_a_checkpoint(self):
        self.save("one.pth")
        self.save("two.pth")
        self.refuses("one.pth and two.pth are both checkpoints", "one.pth", "two.pth", "-o", "out.safetensors")
        self.refuses("absent.pth", "absent.pth", "-o", "out.safetensors")
        os.mkdir("empty")
        self.refuses("empty.*no .pth", "empty", "-o", "out.safetensors")
        with open("picture.jpg", "wb") as stream:
            stream.write(b"\xff\xd8\xff\xe0 not a model")
        self.refuses("picture.jpg", "picture.jpg", "-o", "out.safetensors")

    def test_output(self):
        self.save()
        with open("old.safetensors", "w") as stream:
            stream.write("old")
        self.refuses("small.pth.*cannot take the place", "small.pth", "-o", "small.pth")
        os.link("small.pth", "link.pth")
        self.refuses("link.pth.*cannot take the place", "small.pth", "-o", "link.pth")
        self.refuses("nowhere/out.safetensors cannot be written", "small.pth", "-o", "nowhere/out.safetensors")
        self.refuses("cannot be", "small.pth", "-o", self.folder)
        self.refuses("cannot be", "small.pth", "-o", "/dev/null")
        self.refuses("cannot be written", "small.pth", "-o", "/proc/out.safetensors")
        # As on a full disk: no byte beyond the first 16 KiB can be written.
        self.refuses("old.safetensors cannot be written: File too large", "small.pth", "-o", "old.safetensors",
                     prefix=("bash", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "bash"))
        with open("old.safetensors") as stream:
            self.assertEqual(stream.read(), "old")
        self.imports("small.pth", "-o", "old.safetensors")
        self.assert_weights("old.safetensors", self.state, True)

    def test_unwritable_folder(self):
        if os.geteuid() == 0:
            self.skipTest("root writes everywhere")
        self.save()
        os.mkdir("locked", 0o500)
        self.refuses("locked/out.safetensors cannot be written", "small.pth", "-o", "locked/out.safetensors")

    def test_usage(self):
        for words, pattern in ((["import"], "which files"), (["import", "x.pth", "--f16", "--f32"], "do not go together"),
                               (["import", "x.pth", "--name", ""], "wants a name")):
            done = self.cli(*words)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, pattern)

    # ---- what is left when it is stopped ----

    def stop(self, number, times, legacy, allowed):
        self.save(legacy=legacy)
        begin = time.monotonic()
        self.imports("small.pth", "-o", "out.safetensors")
        duration = time.monotonic() - begin
        with open("out.safetensors", "rb") as stream:
            whole = stream.read()
        results = {"nothing": 0, "whole": 0}
        random.seed(number)
        for _ in range(times):
            os.unlink("out.safetensors") if os.path.exists("out.safetensors") else None
            process = subprocess.Popen([CLI, "import", "small.pth", "-o", "out.safetensors"], env=self.environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(random.uniform(0, 1.1 * duration))
            process.send_signal(number)
            message = process.communicate()[1].decode()
            self.assertIn(process.returncode, (0, *allowed), message)
            self.assertIn(message, ("", "likeness-cli: cancelled\n"))
            if process.returncode == 0:
                self.assertTrue(os.path.exists("out.safetensors"))
            if os.path.exists("out.safetensors"):
                with open("out.safetensors", "rb") as stream:
                    self.assertEqual(stream.read(), whole)
                results["whole"] += 1
            else:
                results["nothing"] += 1
            self.assertEqual([name for name in self.files() if "out.safetensors" not in name], ["./small.pth"])
            self.assertEqual([name for name in self.files() if ".part" in name], [])
        print(f"{signal.Signals(number).name} {times} times: {results}", file=sys.stderr)
        self.assertGreater(results["nothing"], 0)

    def test_killed(self):
        for legacy in (False, True):
            self.stop(signal.SIGKILL, 50, legacy, (-signal.SIGKILL,))

    def test_cancelled(self):
        self.stop(signal.SIGINT, 20, False, (1, -signal.SIGINT))

    def test_old_file_survives_kills(self):
        self.save()
        for _ in range(20):
            with open("out.safetensors", "w") as stream:
                stream.write("old")
            process = subprocess.Popen([CLI, "import", "small.pth", "-o", "out.safetensors"], env=self.environment,
                                       stdout=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.02))
            process.kill()
            process.wait()
            with open("out.safetensors", "rb") as stream:
                data = stream.read()
            self.assertTrue(data == b"old" or re.match(rb"........{", data, re.S) and len(data) > 10000)


if __name__ == "__main__":
    CLI = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
