#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edit, invert and batch on whole photos in their own colours, depth and orientation: zero means original, an edit changes
the face alone, profile and tags stay. What is read back is read by Pillow, tifffile and ExifTool.

usage: check-whole.py LIKENESS-CLI MAKE-FIXTURE PHOTO"""
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
from PIL import Image

CLI, MAKE_FIXTURE, SAMPLE = (Path(word).absolute() for word in sys.argv[1:4])
SIZE = (320, 400)


def load_export():
    """Profiles, tags and readers that the test of the export has."""
    path = Path(__file__).parent.parent / 'photo' / 'check-export.py'
    spec = importlib.util.spec_from_file_location('check_export', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


export = load_export()


def cli(command: str, *arguments) -> str:
    words = [CLI, command, '--model', 'tiny.safetensors', *map(str, arguments)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def photo(depth: int) -> np.ndarray:
    """The sample; in 16 bits with noise in the lower ones, so that none of them is lost unseen."""
    pixels = np.asarray(Image.open(SAMPLE).convert('RGB').resize(SIZE, Image.LANCZOS))
    if depth == 8:
        return pixels
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape)
    return (pixels.astype(np.uint16) * 256 + noise).astype(np.uint16)


def make_photos() -> dict:
    """Photos of all kinds, with tags: {path: what must be seen}."""
    made = {}
    for name, depth, profile in (('deep-p3.png', 16, 'p3'), ('deep-p3.tif', 16, 'p3'), ('deep-adobe.tif', 16, 'adobe'),
                                 ('p3.png', 8, 'p3'), ('plain.tif', 8, 'srgb'), ('plain.webp', 8, 'srgb')):
        path = Path('photos') / name
        export.write(path, photo(depth), export.PROFILES[profile])
        made[path] = photo(depth)
    lying, grey = Path('photos/lying.png'), Path('photos/grey.png')
    export.write(lying, np.ascontiguousarray(photo(8).swapaxes(0, 1)[::-1]), export.PROFILES['p3'])
    made[lying] = photo(8)
    Image.open(SAMPLE).convert('L').resize(SIZE).save(grey)
    made[grey] = export.read(grey)
    export.exiv2(Path('.'), export.TAGS + 'set Exif.Image.Orientation 1\n', list(made))
    export.exiv2(Path('.'), 'set Exif.Image.Orientation 6\n', [lying])
    return made


def profile(path: Path) -> bytes | None:
    return Image.open(path).info.get('icc_profile')


def assert_same(path: Path, expected: np.ndarray) -> None:
    pixels = export.read(path)
    pixels = pixels[..., :expected.shape[2]]
    assert pixels.dtype == expected.dtype and pixels.shape == expected.shape, (path, pixels.dtype, pixels.shape)
    assert (pixels == expected).all(), (path, (pixels != expected).any(-1).mean())


def assert_kept(folder: Path) -> None:
    """Profiles and tags."""
    outputs = [folder / path.name for path in PHOTOS]
    found = export.tags([*PHOTOS, *outputs])
    for path, output in zip(PHOTOS, outputs):
        assert profile(output) == profile(path), output
        export.check_tags(output, found[path], found[output], PHOTOS[path].shape)


def zero() -> None:
    """Without --set, with neutral values, in batch and alone: every pixel is the photo's."""
    assert cli('batch', 'photos', '-o', 'zero') == f'{len(PHOTOS)} written, 0 failed\n'
    for path, pixels in PHOTOS.items():
        assert_same(Path('zero') / path.name, pixels)
    assert_kept(Path('zero'))
    cli('edit', 'photos/deep-p3.tif', '-o', 'zero.tif', '--set', 'age=0', '--set', 'pose=-0', '--detail', 0)
    assert_same(Path('zero.tif'), PHOTOS[Path('photos/deep-p3.tif')])
    cli('edit', 'photos/deep-p3.png', '-o', 'zero8.tif', '--dump', 'zero-stages', '--depth', 8)
    assert_same(Path('zero8.tif'), ((photo(16).astype(np.uint64) * 255 + 32767) // 65535).astype(np.uint8))


def changed(path: Path, expected: np.ndarray) -> np.ndarray:
    pixels = export.read(path)[..., :expected.shape[2]]
    assert pixels.dtype == expected.dtype and pixels.shape == expected.shape, (path, pixels.shape)
    return (pixels != expected).any(-1)


def edited() -> None:
    """The face changes, in the same place whatever the file, and nothing changes around it."""
    cli('batch', 'photos', '-o', 'edited', '--set', 'age=5', '--set', 'pose=5')
    where = {path: changed(Path('edited') / path.name, pixels) for path, pixels in PHOTOS.items()}
    for path, pixels in where.items():
        rows, columns = np.nonzero(pixels)
        assert 0.02 < pixels.mean() < 0.8, (path, pixels.mean())
        assert rows.min() > 0 and rows.max() < SIZE[1] - 1 and columns.min() > 0 and columns.max() < SIZE[0] - 1, path
    deep, shallow = where[Path('photos/deep-p3.tif')], where[Path('photos/lying.png')]
    assert (deep & shallow).sum() > 0.9 * shallow.sum()
    assert_kept(Path('edited'))


def inversion() -> None:
    """The bare inversion shows in its square alone."""
    source = Path('photos/deep-p3.png')
    cli('invert', source, '-o', 'inversion.tif')
    pixels = changed(Path('inversion.tif'), PHOTOS[source])
    assert 0.1 < pixels.mean() < 0.9 and profile(Path('inversion.tif')) == profile(source)


def detail_errors(*edit) -> list:
    """Mean differences to the photo with none, half and all of its own detail kept."""
    source, errors = Path('photos/p3.png'), []
    for value in (0, 0.5, 1):
        cli('edit', source, '-o', 'detail.png', '--set', *edit, '--detail', value)
        errors.append(abs(export.read(Path('detail.png')).astype(int) - PHOTOS[source]).mean())
    cli('edit', source, '-o', 'standard.png', '--set', *edit)
    assert Path('standard.png').read_bytes() == Path('detail.png').read_bytes()
    return errors


def detail() -> None:
    """More of the photo's own detail gives a picture that is closer to it; where an edit moves the detail far, some of it does."""
    errors = detail_errors('smile=0.5')
    assert errors[0] >= errors[1] >= errors[2] and errors[0] > errors[2] > 0, errors
    errors = detail_errors('smile=1')
    assert errors[0] > max(errors[1:]) and errors[2] > 0, errors


def location() -> None:
    """--strip-location."""
    source = Path('photos/p3.png')
    cli('edit', source, '-o', 'anywhere.jpg', '--strip-location', '--quality', 80)
    before, after = (export.tags([path])[path] for path in (source, Path('anywhere.jpg')))
    assert any(group == 'GPS' for group, _ in before) and not any(group == 'GPS' for group, _ in after)
    assert after['IFD0', 'Artist'] == before['IFD0', 'Artist']


def sheet() -> None:
    """A sheet's pictures are the photo's, too."""
    source = Path('photos/deep-p3.tif')
    cli('sheet', source, '-o', 'sheet', '--quiet')
    assert_same(Path('sheet/before.png'), PHOTOS[source])
    assert changed(Path('sheet/age-plus.png'), PHOTOS[source]).any()


def main() -> int:
    checks = [zero, edited, inversion, detail, location, sheet]
    if not shutil.which('exiftool') or not shutil.which('exiv2'):
        print('1..0 # SKIP needs exiftool and exiv2')
        return 0
    print(f'1..{len(checks)}')
    for number, check in enumerate(checks, 1):
        try:
            check()
            print(f'ok {number} {check.__name__}', flush=True)
        except Exception:  # pylint: disable=broad-except
            print(''.join(f'# {line}\n' for line in traceback.format_exc().splitlines()), end='')
            print(f'not ok {number} {check.__name__}', flush=True)
    return 0


if __name__ == '__main__':
    with tempfile.TemporaryDirectory(prefix='likeness-whole-') as work:
        os.chdir(work)
        subprocess.run([MAKE_FIXTURE, '.'], check=True)
        Path('photos').mkdir()
        PHOTOS = make_photos()
        sys.exit(main())
