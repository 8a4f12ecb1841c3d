#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that mean harm are refused in one sentence, soon, and without taking memory."""
import collections
import io
import os
import pickle
import struct
import sys
import unittest
import zipfile
from pathlib import Path

from common import Reader

FLOATS = struct.pack("<6f", *range(6))
HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}X\r\0\0\0little_endian\x88s."
TOO_LONG = b"\x8a\x09" + bytes(8) + b"\1"  # 2^64


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value) if isinstance(value, int) else value


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key="0", n=6, kind="FloatStorage", extra=b""):
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(n) + extra + b"tQ"


def tensor(offset=0, size=(2, 3), strides=(3, 1), source=None):
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + (source or storage()) + number(offset) + numbers(size) +
            numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR")


def program(body):
    return b"\x80\x02" + body + b"."


def entries(description, data=FLOATS):
    return [("a/data.pkl", description), ("a/data/0", data), ("a/version", b"3\n")]


def archive(parts, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in parts:
            file.writestr(name, data, **options)
    return buffer.getvalue()


def old(root, keys=None, data=struct.pack("<q", 6) + FLOATS):
    if keys is None and b"tQ" not in root:  # no storages
        return HEAD + program(root) + program(b"]")
    return HEAD + program(root) + program(keys or b"]" + text("0") + b"a") + data


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Hostile(Reader):
    def refuse_everywhere(self, body, *words):
        """As an archive, as the older format, and, cut off from storages, as a plain pickle."""
        self.refuse(self.write("new.pt", archive(entries(program(body)))), *words)
        self.refuse(self.write("old.pt", old(body)), *words)
        self.refuse(self.write("plain.pkl", program(body)))

    def test_good(self):
        """The helpers of this test make files that are fine, as long as nothing is wrong with them."""
        for data in (archive(entries(program(tensor()))), old(tensor())):
            line, = self.read(self.write("good.pt", data))
            self.assertTrue(line.startswith(" tensor float32 (2,3,)"), line)

    # ---- programs ----

    def test_calls(self):
        for function, name in ((os.system, "posix.system"), (eval, "builtins.eval"), (exec, "builtins.exec"),
                               (getattr, "builtins.getattr"), (open, "io.open"), (__import__, "builtins.__import__")):
            for protocol in range(2, 6):
                value = {"weights": Call(function, "touch /tmp/hacked")}
                data = pickle.dumps(value, protocol).replace(b"__builtin__", b"builtins")
                self.refuse(self.write("plain.pkl", data), "asks for", "which reading weights does not need")
                self.refuse(self.write("new.pt", archive(entries(data))), name if name != "io.open" or protocol > 2 else "open")
        for name in ("os\nsystem", "nt\nsystem", "subprocess\nPopen", "copyreg\n_reconstructor", "copy_reg\n_reconstructor",
                     "numpy.core.multiarray\n_reconstruct", "numpy\nndarray", "_codecs\nencode", "torch\nload", "torch\nfloat32",
                     "torch.jit\n_load", "torch.nn.modules.linear\nLinear", "torch.storage\n_load_from_bytes", "torch\ndevice",
                     "torch._utils\n_rebuild_sparse_tensor", "torch\nComplexFloatStorage", "torch.storage\nUntypedStorage",
                     "collections\ndefaultdict", "torch\nFloatStorage.__init__", "torch._utils\n_rebuild_tensor_v2.__globals__",
                     "collections\nOrderedDict.update", "torch._utils\n\n_rebuild_tensor_v2", "\n"):
            self.refuse_everywhere(f"c{name}\n)R".encode(), f"asks for {name.replace(chr(10), '.', 1).split(chr(10))[0]}")
        self.refuse_everywhere(b"cos\nsys\x1b[31m\xff\n)R", "asks for os.sys [31m")
        self.refuse_everywhere(b"c" + b"m" * 5000 + b"\nx\n)R", "asks for mmm")

    def test_instructions(self):
        self.refuse_everywhere(b"(" + text("id") + b"ios\nsystem\n", "asks for os.system")
        self.refuse_everywhere(b"(icollections\nOrderedDict\n", "OBJ")
        self.refuse_everywhere(b"(ccollections\nOrderedDict\no", "OBJ")
        self.refuse_everywhere(b"ccollections\nOrderedDict\n)\x81", "NEWOBJ")
        self.refuse_everywhere(b"ccollections\nOrderedDict\n)}\x92", "NEWOBJ_EX")
        for code, name in ((b"\x82\1", "EXT1"), (b"\x83\1\0", "EXT2"), (b"\x84\1\0\0\0", "EXT4"), (b"P0\n", "PERSID"),
                           (b"B\4\0\0\0abcd", "BINBYTES"), (b"\x96" + bytes(8), "BYTEARRAY8"), (b"\x97", "NEXT_BUFFER"),
                           (b"\x8f", "EMPTY_SET"), (b"I1\n", "INT"), (b"S'a'\n", "STRING"), (b"]2", "DUP"), (b"]]0", "POP")):
            self.refuse_everywhere(code, name)
        self.refuse_everywhere(b"\xff", "0xff")
        self.refuse(self.write("6.pkl", b"\x80\x06N."), "protocol 6")
        self.refuse(self.write("0.pkl", pickle.dumps([1], 0)), "not a file of PyTorch")

    def test_state(self):
        self.refuse_everywhere(b"]}b", "state")
        self.refuse_everywhere(b"}}b", "state")
        self.refuse_everywhere(tensor() + b"}b", "state")
        self.refuse_everywhere(b"ccollections\nOrderedDict\n)R]b", "state")
        self.refuse_everywhere(b"ccollections\nOrderedDict\n}b", "state")

    def test_types(self):
        """What goes where another type belongs."""
        for body in (b"K\1)R", b"ccollections\nOrderedDict\nK\1R", b"ccollections\nOrderedDict\n]R", b"ctorch\nFloatStorage\n)R",
                     b"ctorch\nSize\n]\x85R", b"K\1K\2a", b"K\1K\2K\3s", b")K\2a", b"K\1K\2\x93", b"ctorch\nSize\n",
                     b"ctorch._utils\n_rebuild_tensor_v2\n)R", b"ctorch._utils\n_rebuild_parameter\nN\x88N\x87R", storage(),
                     b"ccollections\nOrderedDict\nK\1\x85R", b"ccollections\nOrderedDict\n]K\1a\x85R",
                     b"ccollections\nOrderedDict\n]]K\1aa\x85R", b"}NNs", b"}]K\1s", b"}G" + bytes(8) + b"K\1s", b"}(K\1u",
                     b"}\x88K\1s", b"X\2\0\0\0\xff\xfe", b"X\1\0\0\0\0", TOO_LONG, b"\x8a\x20" + bytes(32)):
            self.refuse_everywhere(body)

    def test_stack(self):
        for body in (b"", b"a", b"s", b"]a", b"}s", b"}K\1s", b"t", b"e", b"u", b"\x85", b"\x86", b"\x87", b"R", b"N(", b"NN", b"(",
                     b"N(R", b"](K\1(ae", b"Q", b"b", b"q\0", b"\x94", b"](tR", b"N(\x85t", b"(e", b"(u", b"\x93", b"}(}(K\1K\1su"):
            self.refuse_everywhere(body)

    def test_memo(self):
        for body in (b"h\0", b"j\xff\xff\xff\xff", b"]q\5h\4", b"]r\xff\xff\xff\xff", b"]r\xff\xff\xff\x7f", b"Nr\0\0\x10\0", b"j\0\0\0\x80"):
            self.refuse_everywhere(body)

    def test_persistent_ids(self):
        good = [text("storage"), b"ctorch\nFloatStorage\n", text("0"), text("cpu"), number(6)]
        for i in range(5):
            for wrong in (b"N", b"]", number(-1), text("x"), TOO_LONG):
                if not (i in (2, 3) and wrong == text("x")):  # another storage, another device
                    body = tensor(source=b"(" + b"".join(good[:i] + [wrong] + good[i + 1:]) + b"tQ")
                    self.refuse_everywhere(body)
        self.refuse_everywhere(b"KQQ")
        self.refuse_everywhere(b"(" + text("module") + b"NNNtQ", "module")
        self.refuse_everywhere(b"](" + tensor() + tensor(source=storage(n=5)) + b"e", "two ways")
        self.refuse_everywhere(b"](" + tensor() + tensor(source=storage(kind="IntStorage")) + b"e", "two ways")
        for key in ("../0", "1", "", "0/", "/", "0" * 300, "data.pkl"):
            self.refuse_everywhere(tensor(source=storage(key)))
        for first, n in ((0, 7), (6, 1), (-1, 1), (0, -1), (2**62, 2**62), (1, 2**63 - 1)):
            view = b"(" + text("1") + number(first) + number(n) + b"t"
            self.refuse_everywhere(tensor(source=storage(extra=view)), "view")

    # ---- shapes ----

    def test_shapes(self):
        large = 2**63 - 1
        for case in (dict(offset=1), dict(offset=-1), dict(offset=large), dict(size=(3, 3)), dict(size=(2, 4)), dict(size=(large,)),
                     dict(size=(large, large)), dict(size=(large, 2), strides=(0, 0)), dict(size=(2**32, 2**32), strides=(0, 0)),
                     dict(size=(TOO_LONG,)), dict(size=(TOO_LONG, 0)), dict(size=(-1, 3)), dict(size=(2, -3)), dict(strides=(-3, 1)),
                     dict(strides=(3, -1), offset=2), dict(strides=(large, 1)), dict(strides=(2**62, 2**62)), dict(strides=(3, large)),
                     dict(size=(2,), strides=(3, 1)), dict(strides=(1,)), dict(size=(1,) * 9, strides=(1,) * 9), dict(size=(2**25,), strides=(0,)),
                     dict(size=(2**20, 2**20), strides=(0, 0)), dict(offset=5, size=(2,), strides=(1,)), dict(offset=b"N"),
                     dict(size=(b"N",), strides=(1,)), dict(offset=TOO_LONG), dict(size=(2,), strides=(TOO_LONG,))):
            case = dict(dict(strides=(3, 1) if len(case.get("size", (0, 0))) == 2 else (1,)), **case)
            self.refuse_everywhere(tensor(**case), "tensor")

    def test_storage_sizes(self):
        for n in (7, 2**31, 2**61, 2**63 - 1, -1):
            self.refuse(self.write("new.pt", archive(entries(program(tensor(source=storage(n=n)))))))
            for claim in (6, n):
                data = struct.pack("<q", claim) + FLOATS
                self.refuse(self.write("old.pt", old(tensor(source=storage(n=n)), data=data)))

    # ---- bombs ----

    def test_bombs(self):
        many = 4 * 1024 * 1024
        for body in (b"]" * many, b"(" * many, b"N" * many, b"}" * many, b"](" + b"]" * many + b"e", b"](" + b"N" * many + b"e",
                     b"]" * 100 + b"a" * 99, b"]\x85" + b"\x85" * many, b"]q\0" + b"h\0" * many, b"](" + b"K\1" * many + b"e",
                     b"](" + b"ccollections\nOrderedDict\nq\0)R" + b"h\0)R" * (many // 4) + b"e", text("x" * many) + b"q\0" + b"h\0\x85" * many,
                     b"]q\0" + b"h\0\x86h\0" * (many // 4), b"](" + b"X\0\0\0\0" * (many // 5) + b"e", b"](" + tensor() * 60000 + b"e"):
            self.refuse_everywhere(body)
        # Not too many.
        self.read(self.write("many.pkl", program(b"](" + b"ccollections\nOrderedDict\nq\0)R" + b"h\0)R" * 10000 + b"e")))

    def test_doubling(self):
        """A list of ten times the list before, thirty times."""
        body = b"]q\0"
        for i in range(30):
            body += b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1])
        self.refuse_everywhere(b"(" + body + b"t", "too many values")

    def test_circles(self):
        self.refuse_everywhere(b"]q\0h\0a", "contains itself")
        self.refuse_everywhere(b"}q\0" + text("self") + b"h\0s", "contains itself")
        self.refuse_everywhere(b"]q\0}" + text("up") + b"h\0sa", "contains itself")
        self.refuse_everywhere(b"]q\0h\0\x85a", "contains itself")

    def test_keys(self):
        self.refuse_everywhere(b"}(" + text("a") + b"K\1" + text("b") + b"K\1" + text("a") + b"K\2u", "the key a twice")
        self.refuse_everywhere(b"ccollections\nOrderedDict\n)R(K\1NK\1Nu", "the key 1 twice")
        self.refuse_everywhere(b"}" + text("k" * 5000) + b"Ns", "key of more")
        # As many keys of one hash (GLib's) as there is room for; comparing each with each would take hours.
        pairs = ["".join("aB" if i >> bit & 1 else "b!" for bit in range(17)) for i in range(1 << 17)]
        body = b"}(" + b"".join(text(key) + b"N" for key in pairs) + b"u"
        status, lines, _ = self.run_dump(self.write("keys.pkl", program(body)))
        self.assertIn((status, len(lines)), ((0, len(pairs) + 1), (1, 0)))

    # ---- archives ----

    def test_archives(self):
        good = entries(program(tensor()))
        self.refuse(self.write("a.pt", archive([])), "not a file of PyTorch")
        self.refuse(self.write("b.pt", archive([("x", b"y")])), "no data.pkl")
        self.refuse(self.write("c.pt", archive(good[:1])), "lacks the entry a/data/0")
        self.refuse(self.write("d.pt", archive(good + [("b/data.pkl", good[0][1])])), "two entries data.pkl")
        self.refuse(self.write("e.pt", archive(good + [("a/constants.pkl", b"")])), "TorchScript")
        self.refuse(self.write("f.pt", archive(good + [("a/byteorder", b"big")])), "big-endian")
        self.refuse(self.write("g.pt", archive(good[:2] + [("a/version", b"99\n")])), "version")
        self.refuse(self.write("h.pt", archive(good, compress_type=zipfile.ZIP_DEFLATED)), "compressed")
        self.refuse(self.write("i.pt", archive(entries(program(tensor()) + b"N."))), "behind")
        self.refuse(self.write("j.pt", archive(good) + b"more"), "damaged")
        self.read(self.write("k.pt", archive(good + [("a/byteorder", b"little"), ("a/.data/serialization_id", b"7")])))

    def test_twice(self):
        twin = archive(entries(program(tensor())) + [("a/data/1", FLOATS)]).replace(b"a/data/1", b"a/data/0")
        self.refuse(self.write("twin.pt", twin), "two entries of the same name")

    def test_zip_bomb(self):
        """A storage of 1 GB and a description of 500 MB, of a megabyte each in the file."""
        for parts in (entries(program(tensor(source=storage(n=1 << 28))), bytes(1 << 30)), [("a/data.pkl", bytes(1 << 29))]):
            self.refuse(self.write("bomb.pt", archive(parts, compress_type=zipfile.ZIP_DEFLATED)), "compressed")

    def test_lies(self):
        """Sizes, flags and methods that the directory claims, and not the entry, or both."""
        good = archive(entries(program(tensor())))
        local, central = good.index(b"a/data/0") - 30, good.rindex(b"a/data/0") - 46
        for value in (7 * 4, 1 << 20, 0xfffffffe, 0xffffffff, 0):
            for both in (False, True):
                data = bytearray(good)
                struct.pack_into("<II", data, central + 20, value, value)
                if both:
                    struct.pack_into("<II", data, local + 18, value, value)
                self.refuse(self.write("size.pt", data))
        data = bytearray(good)
        data[central + 8] |= 1
        data[local + 6] |= 1
        self.refuse(self.write("encrypted.pt", data), "encrypted")
        data = bytearray(good)
        data[good.index(FLOATS) + 1] ^= 1
        self.refuse(self.write("damaged.pt", data), "checksum")
        for place in (0, 10, len(good) - 30, 0x7fffffff):
            data = bytearray(good)
            struct.pack_into("<I", data, central + 42, place)
            self.refuse(self.write("place.pt", data))

    def test_overlap(self):
        """An entry within another: its header and its numbers are the other's numbers."""
        inner = archive([("a/data/1", FLOATS)])
        inner = inner[:inner.index(b"PK\1\2")] + b"\0\0"
        both = b"](" + tensor(source=storage(n=len(inner) // 4)) + tensor(source=storage("1")) + b"e"
        fake = archive([("a/data.pkl", program(both)), ("a/data/0", inner), ("a/data/1", FLOATS), ("a/gap", bytes(200))])
        self.read(self.write("apart.pt", fake))
        central = fake.rindex(b"a/data/1") - 46
        data = bytearray(fake)
        struct.pack_into("<I", data, central + 42, fake.index(inner))
        self.refuse(self.write("overlap.pt", data), "overlap")

    def test_directories(self):
        """An archive of more entries than fit into memory, or that says so."""
        name = self.folder / "many.pt"
        with zipfile.ZipFile(name, "w") as file:
            for i in range(40000):
                file.writestr(f"a/{i}", b"")
        self.refuse(name, "more entries")
        claim = 1 << 25
        end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, claim, claim, claim * 46, 4)
        at = 4 + claim * 46
        with open(self.folder / "sparse.pt", "wb") as file:
            file.write(b"PK\3\4")
            file.seek(at)
            file.write(end + struct.pack("<4sIQI", b"PK\6\7", 0, at, 1))
            file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0))
        self.refuse(self.folder / "sparse.pt", "more entries")

    # ---- the older format ----

    def test_old(self):
        good = old(tensor())
        self.refuse(self.write("a.pt", good.replace(b"\xe9\x03", b"\xea\x03")), "version")
        self.refuse(self.write("b.pt", good.replace(b"endian\x88", b"endian\x89")), "big-endian")
        self.refuse(self.write("c.pt", good.replace(b"endian\x88", b"endiaN\x88")), "order")
        self.refuse(self.write("d.pt", old(tensor(), keys=b"]")), "missing")
        self.refuse(self.write("e.pt", old(tensor(), keys=b"](" + text("0") * 2 + b"e")), "twice")
        self.refuse(self.write("f.pt", old(tensor(), keys=b"]" + text("9") + b"a")), "no tensor")
        self.refuse(self.write("g.pt", old(tensor(), keys=b"N")), "list of its storages")
        self.refuse(self.write("h.pt", good + b"\0"), "behind")
        self.refuse(self.write("i.pt", old(tensor(), data=struct.pack("<q", 5) + FLOATS)), "size")
        self.refuse(self.write("j.pt", HEAD), "truncated")
        with open(self.write("sparse.pt", HEAD + b"\x80\x02(" + b"N" * 20000000), "r+b") as file:
            file.truncate(1 << 31)
        self.refuse(self.folder / "sparse.pt")

    # ---- no files of PyTorch ----

    def test_others(self):
        self.refuse(self.write("empty.pt", b""), "empty")
        self.refuse(self.write("lfs.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "git-lfs")
        self.refuse(self.write("page.pt", b"<!DOCTYPE html><html>quota exceeded</html>"), "web page")
        self.refuse(self.write("tar.pt", b"storages".ljust(257, b"\0") + b"ustar\x0000" + bytes(248)), "tar archive")
        self.refuse(self.write("text.pt", b"hello, world"), "not a file of PyTorch")
        self.refuse(self.write("behind.pkl", program(b"N") + program(b"N")), "behind")
        self.refuse(self.folder, "not a file")
        self.refuse(self.folder / "none.pt")
        os.mkfifo(self.folder / "pipe.pt")
        self.refuse(self.folder / "pipe.pt", "not a file")

    def test_every_length(self):
        body = b"}(" + text("a") + tensor() + text("b") + tensor(1, (5,), (1,)) + b"u"
        for data in (archive(entries(program(body))), old(body), pickle.dumps({"a": [1, 2.5, "x"], "b": None}, 4)):
            self.assertEqual(self.read(self.write("cut.pt", data), "--lengths"), ["0"])


if __name__ == "__main__":
    unittest.main()
