#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_photo_corpus.py FOLDER [FILE...]: seeds for fuzz_photo: small photos of every kind that Pillow and tifffile write, in
FOLDER. Further files (HEIF, AVIF, what cameras make) are copied to them; they should be small."""
import shutil
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

SIDE = 24


def pixels(channels: int, dtype: type) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(channels).integers(0, top, (SIDE, SIDE, channels), dtype=dtype, endpoint=True)


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x010f] = 'Make'
    block[0x0112] = orientation
    return block.tobytes()


def write_pillow(folder: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    rgb = Image.fromarray(pixels(3, np.uint8))
    for mode in ('RGB', 'L', 'CMYK'):
        rgb.convert(mode).save(folder / f'{mode}.jpg', exif=exif(6), progressive=mode == 'L')
        rgb.convert(mode).save(folder / f'{mode}-lzw.tif', compression='tiff_lzw')
    rgb.save(folder / 'profile.jpg', icc_profile=icc)
    for mode in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'):
        image = rgb.convert('L').convert('I').convert('I;16') if mode == 'I;16' else rgb.convert(mode)
        image.save(folder / f'{mode.replace(";", "")}.png', exif=exif(3), icc_profile=icc if mode == 'RGBA' else None)
    for mode in ('1', 'P', 'RGBA'):
        rgb.convert(mode).save(folder / f'{mode}.tif')
    rgb.save(folder / 'jpeg.tif', compression='jpeg')
    rgb.save(folder / 'ycbcr.tif', compression='jpeg', quality=50)
    for name, options in {'lossy': {}, 'lossless': {'lossless': True}}.items():
        rgb.convert('RGBA').save(folder / f'{name}.webp', exif=exif(8), icc_profile=icc, **options)
    rgb.save(folder / 'moving.webp', save_all=True, append_images=[rgb.rotate(90)], exif=exif(6))


def write_tifffile(folder: Path) -> None:
    for planar in ('contig', 'separate'):
        real = pixels(3, np.uint8).astype(np.float32) / 200 - 0.1
        tifffile.imwrite(folder / f'float-{planar}.tif', real if planar == 'contig' else np.moveaxis(real, -1, 0).copy(),
                         photometric='rgb', planarconfig=planar, compression='zlib', rowsperstrip=5, metadata=None)
    for dtype in (np.uint8, np.uint16):
        bits = np.iinfo(dtype).bits
        for planar in ('contig', 'separate'):
            rgb = pixels(3, dtype) if planar == 'contig' else np.moveaxis(pixels(3, dtype), -1, 0).copy()
            for name, layout in {'strips': {'rowsperstrip': 5}, 'tiles': {'tile': (16, 16)}}.items():
                tifffile.imwrite(folder / f'{name}-{planar}-{bits}.tif', rgb, photometric='rgb', planarconfig=planar,
                                 compression='zlib' if name == 'tiles' else None, metadata=None, **layout)
        tifffile.imwrite(folder / f'cmyk-{bits}.tif', pixels(4, dtype), photometric='separated', metadata=None)
        tifffile.imwrite(folder / f'alpha-{bits}.tif', pixels(4, dtype), photometric='rgb', extrasamples=['assocalpha'],
                         byteorder='>', bigtiff=bits == 16, metadata=None)


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_pillow(folder)
    write_tifffile(folder)
    for path in sys.argv[2:]:
        shutil.copy(path, folder)


if __name__ == '__main__':
    main()
