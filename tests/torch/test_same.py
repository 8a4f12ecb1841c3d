#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reader finds in files of PyTorch and of NumPy is what they put in, bit for bit."""
import hashlib
import io
import pickle
import sys
import unittest
from collections import OrderedDict
from pathlib import Path

from common import Reader

try:
    import numpy as np
    import torch
except ImportError:
    sys.exit(77)

OFFICIAL = Path(__file__).resolve().parents[3] / "shared" / "official"
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
          torch.uint8, torch.bool)


def dump(value, path=""):
    """The lines that dump-torch prints."""
    if isinstance(value, torch.Tensor):
        numbers = value.detach().to(torch.float32).contiguous().numpy()
        shape = "".join(f"{size}," for size in value.shape)
        yield f"{path} tensor {str(value.dtype)[6:]} ({shape}) {hashlib.sha256(numbers.tobytes()).hexdigest()}"
    elif value is None:
        yield f"{path} none "
    elif isinstance(value, bool):
        yield f"{path} bool {int(value)}"
    elif isinstance(value, int):
        yield f"{path} int {value}"
    elif isinstance(value, float):
        yield f"{path} float {c_hex(value)}"
    elif isinstance(value, str):
        yield f"{path} string {value.encode().hex()}"
    else:
        yield f"{path} {'dict' if isinstance(value, dict) else 'list'} {len(value)}"
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from dump(item, f"{path}/{key}")


def c_hex(value):
    """As C's %a writes it."""
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return str(value)
    mantissa, exponent = value.hex().split("p")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + "p" + exponent


def random_values(dtype, *shape):
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    if dtype.is_floating_point:
        return (torch.randn(shape, dtype=torch.float64) * 10 ** torch.linspace(-8, 4, shape[-1], dtype=torch.float64)).to(dtype)
    limits = torch.iinfo(dtype)
    return torch.randint(limits.min, limits.max, shape, dtype=dtype)


class SameTree(Reader):
    def check(self, value, expected=None):
        """Both formats, all protocols."""
        lines = list(dump(value if expected is None else expected))
        for new in (True, False):
            for protocol in (2, 3, 4, 5):
                path = self.folder / f"{new}-{protocol}.pt"
                torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
                self.assertEqual(self.read(path), lines, path.name)

    def test_types(self):
        torch.manual_seed(1)
        self.check({str(dtype): random_values(dtype, 3, 41) for dtype in DTYPES})

    def test_every_half(self):
        bits = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16)
        for dtype in (torch.float16, torch.bfloat16):
            values = bits.view(dtype)
            self.check(values[values == values])

    def test_not_finite(self):
        """Delivered as they are; what is done about them is others' business."""
        self.check(torch.tensor([float("inf"), float("-inf"), float("nan"), -0.0, 1e-45]))

    def test_views(self):
        whole = random_values(torch.float32, 40, 30)
        cube = random_values(torch.float64, 4, 5, 6)
        self.check(OrderedDict([
            ("whole", whole), ("transposed", whole.t()), ("rows", whole[3:17]), ("columns", whole[:, 5:9]),
            ("steps", whole[::7, ::3]), ("flat", whole.reshape(-1)[11:400]), ("permuted", cube.permute(2, 0, 1)),
            ("expanded", whole[:1].expand(9, 30)), ("repeated", whole[0, :1].expand(50)), ("one", whole[2, 3]),
            ("diagonal", torch.diagonal(whole)), ("windows", whole.reshape(-1).unfold(0, 30, 10)),
            ("ones", random_values(torch.float32, 1, 7, 1).transpose(0, 2)),
        ]))

    def test_large_scattered(self):
        """More pages than are kept, and a page for each of a row's elements."""
        value = random_values(torch.float32, 3000, 4000).t()
        for new in (True, False):
            torch.save(value, self.folder / "large.pt", _use_new_zipfile_serialization=new)
            self.assertEqual(self.read(self.folder / "large.pt"), list(dump(value)))

    def test_small(self):
        self.check([torch.tensor(2.5), torch.tensor(True), torch.zeros(0), torch.zeros(3, 0, 2), torch.zeros(0)[:0],
                    torch.zeros(1, 1, 1, 1, 1, 1, 1, 2)])

    def test_state_dict(self):
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.PReLU())
        state = module.state_dict()
        self.assertTrue(hasattr(state, "_metadata"))
        self.check(state)
        self.check({"e4e": state, "latent_avg": torch.randn(8), "iteration": 300000, "path": "a/b"})
        self.check({name: parameter for name, parameter in module.named_parameters()})

    def test_half_of_a_module(self):
        self.check(torch.nn.Linear(5, 4).half().state_dict())

    def test_values(self):
        shared = ["the same"]
        self.check({
            "none": None, "true": True, "false": False, 3: "three", -4: "minus four", 2**40: "large",
            "ints": [0, 1, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**62, 2**63 - 1, -(2**63), -(2**40)],
            "floats": [0.0, -0.0, 0.1, -1e300, 5e-324, float("inf"), float("-inf"), float("nan")],
            "texts": ["", "a", "Grüße, 顔", "x" * 255, "x" * 256, "x" * 70000],
            "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "size": torch.Size([1, 512]),
            "nested": {"a": {"b": {"c": [[[[]]]]}}}, "shared": [shared, shared, (shared, shared)],
            "many": list(range(2500)), "ordered": OrderedDict((str(i), i) for i in range(1500)),
        })

    def test_plain_pickles(self):
        value = {"attributes": "gender,smile,eyeglasses,age,pose", "n_attributes": 5, "hidden_size": 16, "rate": 0.5}
        for protocol in (2, 3, 4, 5):
            self.assertEqual(self.read(self.write("plain.pkl", pickle.dumps(value, protocol))), list(dump(value)))

    def test_older_calls(self):
        """_rebuild_tensor, pairs of an OrderedDict, texts of bytes, views of storages: what Python 2 and PyTorch 0.3 wrote."""
        head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}U\rlittle_endian\x88s."
        storage = b"(U\x07storagectorch\nFloatStorage\nU\x0212U\x03cpuK\x06(U\x0213K\x02K\x03ttQ"
        tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x01K\x02\x85K\x01\x85tR"
        root = b"\x80\x02ccollections\nOrderedDict\n](](U\x01a" + tensor + b"ee\x85R."
        numbers = np.arange(6, dtype=np.float32) / 3
        path = self.write("old.pt", head + root + b"\x80\x02]U\x0212a." + (6).to_bytes(8, "little") + numbers.tobytes())
        self.assertEqual(self.read(path), list(dump({"a": torch.from_numpy(numbers[3:5])})))

    @unittest.skipUnless(OFFICIAL.is_dir(), "the published files are not here")
    def test_published(self):
        paths = sorted(OFFICIAL.glob("*.pt"))
        self.assertGreater(len(paths), 2)
        for path in paths:
            value = torch.load(path, map_location="cpu")
            self.assertEqual(self.read(path), list(dump(value)))


class SameArray(Reader):
    def test_arrays(self):
        generator = np.random.default_rng(1)
        for kind in ("<f2", "<f4", "<f8"):
            for shape in ((1, 512), (1, 18, 512), (), (0, 3), (2, 3, 4, 5), (1000,), (7, 1)):
                array = generator.standard_normal(shape).astype(kind)
                for order in "CF":
                    for version in ((1, 0), (2, 0), (3, 0)):
                        buffer = io.BytesIO()
                        np.lib.format.write_array(buffer, np.asarray(array, order=order), version)
                        digest = hashlib.sha256(np.ascontiguousarray(array).astype("<f4").tobytes()).hexdigest()
                        lines = self.read(self.write("array.npy", buffer.getvalue()))
                        self.assertEqual(lines, ["(" + "".join(f"{size}," for size in shape) + f") {digest}"])

    def test_refused(self):
        def save(array, **options):
            buffer = io.BytesIO()
            np.save(buffer, array, **options)
            return buffer.getvalue()

        good = save(np.arange(6, dtype="<f4").reshape(2, 3))
        self.refuse(self.write("object.npy", save(np.array([{}, None]), allow_pickle=True)), "|O")
        self.refuse(self.write("big.npy", save(np.arange(6, dtype=">f4"))), ">f4")
        self.refuse(self.write("whole.npy", save(np.arange(6))), "<i8")
        self.refuse(self.write("record.npy", save(np.zeros(2, dtype=[("a", "<f4")]))), "plain numbers")
        self.refuse(self.write("long.npy", good + b"\0"), "does not fit its shape")
        self.refuse(self.write("version.npy", good.replace(b"NUMPY\x01", b"NUMPY\x04")), "version 4")
        for shape in (b"(9223372036854775808,)", b"(99999999,)", b"(16777216, 2)", b"(-1, 2)", b"(1,1,1,1,1,1,1,1,1)"):
            header = b"{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + b"}"
            self.refuse(self.write("shape.npy", b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + bytes(24)))
        self.assertEqual(self.read(self.write("cut.npy", good), "--lengths"), ["0"])


if __name__ == "__main__":
    unittest.main()
