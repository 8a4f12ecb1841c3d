# SPDX-License-Identifier: GPL-3.0-or-later
"""Training pictures from many shards, none of them read whole: .npz files are memory-mapped, .zip members and image files are
decoded when they are wanted.

usage: python3 -m styleres.pictures OUT.zip SOURCE... [--side 128] [--quality 95]     # one compact shard of all sources

A source is an .npz file with `img` (... x S x S x 3 uint8; rows marked by `hold` are left out), a .zip of image files, an
image file, or a folder of any of these. Which pictures a process sees, and in which order, follows from (seed, epoch, rank) alone.
"""
import argparse
import bisect
import io
import os
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def mapped(path, name):
    """One array of an .npz file: memory-mapped where it is stored uncompressed, as numpy.savez does."""
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type == zipfile.ZIP_STORED:
            with archive.open(entry) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran, dtype = read(stream)
                begin = stream.tell()
            with open(path, "rb") as stream:
                stream.seek(entry.header_offset + 26)       # lengths of the local header's name and extra field
                lengths = np.frombuffer(stream.read(4), "<u2")
            offset = entry.header_offset + 30 + int(lengths.sum()) + begin
            return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
    with np.load(path) as data:
        return data[name]


class Arrays:
    """The pictures of one .npz file."""

    def __init__(self, path):
        with np.load(path) as data:
            names = data.files
            hold = data["hold"].astype(bool) if "hold" in names else None
        pictures = mapped(path, "img")
        self.pictures = pictures.reshape(-1, *pictures.shape[-3:])
        self.rows = np.arange(len(self.pictures)) if hold is None else np.flatnonzero(~hold)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, k):
        return np.asarray(self.pictures[self.rows[k]])


class Archive:
    """The image files of one .zip."""

    def __init__(self, path):
        self.path, self.threads = path, threading.local()
        with zipfile.ZipFile(path) as archive:
            self.names = sorted(name for name in archive.namelist() if name.lower().endswith(IMAGES))

    def __len__(self):
        return len(self.names)

    def __getitem__(self, k):
        if not hasattr(self.threads, "archive"):        # a ZipFile serves one thread at a time
            self.threads.archive = zipfile.ZipFile(self.path)
        return decode(io.BytesIO(self.threads.archive.read(self.names[k])))


class Files:
    """Image files."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, k):
        return decode(self.paths[k])


def decode(file):
    return np.asarray(Image.open(file).convert("RGB"))


def open_source(path):
    """-> shards of a source, in an order that only depends on the names in it."""
    if os.path.isdir(path):
        names = sorted(os.listdir(path))
        images = [os.path.join(path, name) for name in names if name.lower().endswith(IMAGES)]
        others = [os.path.join(path, name) for name in names]
        shards = [Files(images)] if images else []
        for other in others:
            if os.path.isdir(other) or other.endswith((".npz", ".zip")):
                shards += open_source(other)
        return shards
    if path.endswith(".npz"):
        return [Arrays(path)]
    if path.endswith(".zip"):
        return [Archive(path)]
    return [Files([path])]


class Pictures:
    """All pictures of some sources as one sequence of S x S x 3 uint8; `cache` bytes of decoded ones are kept."""

    def __init__(self, sources, side, cache=0):
        self.side, self.shards = side, [shard for path in sources for shard in open_source(path) if len(shard)]
        self.ends = np.cumsum([len(shard) for shard in self.shards]).tolist()
        if not self.ends:
            raise SystemExit(f"{' '.join(sources) or 'no source'}: no pictures there")
        self.kept, self.room = {}, cache // (side * side * 3)

    def __len__(self):
        return self.ends[-1]

    def __getitem__(self, k):
        if k in self.kept:
            return self.kept[k]
        shard = bisect.bisect_right(self.ends, k)
        picture = resized(self.shards[shard][k - (self.ends[shard - 1] if shard else 0)], self.side)
        if len(self.kept) < self.room:
            self.kept[k] = picture
        return picture


def resized(picture, side):
    if picture.shape[0] == picture.shape[1] == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.LANCZOS))


class Order:
    """Which pictures this process takes: every epoch is one shuffle of all, of which each process has its own part."""

    def __init__(self, count, seed, rank, world):
        self.count, self.seed, self.rank, self.world = count, seed, rank, world
        self.each = max(1, count // world)
        self.epoch, self.part = None, None

    def __getitem__(self, position):
        epoch = position // self.each
        if epoch != self.epoch:
            shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.count)
            self.epoch, self.part = epoch, shuffled[self.rank % self.count::self.world]
        return int(self.part[position % self.each])


class Loader:
    """Batches of this process: batch(step) depends on the step alone. The next one is prepared meanwhile by threads."""

    def __init__(self, pictures, batch, seed, rank, world, threads=4):
        self.pictures, self.size, self.seed, self.rank = pictures, batch, seed, rank
        self.order = Order(len(pictures), seed, rank, world)
        self.pool = ThreadPoolExecutor(threads)
        self.step, self.waiting = None, None

    def batch(self, step):
        """-> N x 3 x S x S uint8; half of the pictures mirrored."""
        ready = self.waiting if step == self.step else self._begin(step)
        self.step, self.waiting = step + 1, self._begin(step + 1)
        pictures = np.stack([future.result() for future in ready])
        mirrored = np.random.default_rng([self.seed, self.rank, step]).random(self.size) < 0.5
        pictures[mirrored] = pictures[mirrored, :, ::-1]
        return torch.from_numpy(pictures).permute(0, 3, 1, 2)

    def _begin(self, step):
        chosen = [self.order[step * self.size + k] for k in range(self.size)]
        return [self.pool.submit(self.pictures.__getitem__, k) for k in chosen]


def write_shard(path, pictures, quality):
    """Whole or not at all; JPEG without chroma subsampling: about a sixth of the raw size. -> bytes"""
    with zipfile.ZipFile(f"{path}.part", "w", zipfile.ZIP_STORED) as archive:
        for k in range(len(pictures)):
            encoded = io.BytesIO()
            Image.fromarray(pictures[k]).save(encoded, "JPEG", quality=quality, subsampling=0, optimize=True)
            archive.writestr(f"{k:07d}.jpg", encoded.getvalue())
    os.replace(f"{path}.part", path)
    return os.path.getsize(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--quality", type=int, default=95)
    options = parser.parse_args()
    pictures = Pictures(options.sources, options.side)
    print(f"{options.out}: {len(pictures)} pictures, {write_shard(options.out, pictures, options.quality)} bytes")


if __name__ == "__main__":
    main()
