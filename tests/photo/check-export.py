#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slider at zero means the original: photos of every kind, saved again without a patch in every lossless format, must show
the same pixels and carry the same tags. What is read back is read by Pillow, tifffile and ExifTool, not by us.

usage: check-export.py PHOTO-RESAVE"""
import io
import json
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

RESAVE = sys.argv[1]
WIDTH, HEIGHT = 61, 40

# How a picture lies in the file, for each EXIF orientation, and how it is turned upright.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}

TAGS = """\
set Exif.Image.Make Canon
set Exif.Image.Model Canon EOS 5D
set Exif.Image.ImageDescription A face that nobody has
set Exif.Image.Artist Jörg Ünlü
set Exif.Image.Copyright nobody
set Exif.Image.DateTime 2026:05:04 03:02:01
set Exif.Image.XResolution 300/1
set Exif.Image.YResolution 300/1
set Exif.Image.ResolutionUnit 2
set Exif.Photo.DateTimeOriginal 2026:05:04 03:02:01
set Exif.Photo.ExposureTime 1/125
set Exif.Photo.FNumber 28/10
set Exif.Photo.ISOSpeedRatings 400
set Exif.Photo.FocalLength 85/1
set Exif.Photo.LensModel EF85mm f/1.8
set Exif.Photo.UserComment charset=Ascii A comment
set Exif.Photo.PixelXDimension 61
set Exif.Photo.PixelYDimension 40
set Exif.Canon.OwnerName Somebody
set Exif.GPSInfo.GPSLatitudeRef N
set Exif.GPSInfo.GPSLatitude 52/1 31/1 0/1
set Exif.GPSInfo.GPSLongitudeRef E
set Exif.GPSInfo.GPSLongitude 13/1 24/1 0/1
set Xmp.dc.title A title
set Xmp.dc.subject XmpBag one
set Xmp.xmp.Rating 4
set Xmp.photoshop.City Berlin
set Xmp.exif.GPSLatitude 52,31.0N
set Iptc.Application2.Headline A headline
add Iptc.Application2.Keywords one
add Iptc.Application2.Keywords two
set Iptc.Application2.City Berlin
"""

# Groups of ExifTool whose tags must survive; of IFD0 all but those that say how pixels are stored.
KEPT = ('IFD0', 'ExifIFD', 'GPS', 'InteropIFD', 'Canon', 'XMP-dc', 'XMP-xmp', 'XMP-photoshop', 'XMP-exif', 'IPTC')
STRUCTURE = {
    'ImageWidth', 'ImageHeight', 'BitsPerSample', 'Compression', 'PhotometricInterpretation', 'StripOffsets',
    'SamplesPerPixel', 'RowsPerStrip', 'StripByteCounts', 'PlanarConfiguration', 'Predictor', 'ExtraSamples',
    'SampleFormat', 'Orientation', 'YCbCrPositioning', 'SubfileType', 'FillOrder', 'PageNumber', 'ExifImageWidth',
    'ExifImageHeight', 'YCbCrSubSampling', 'TileWidth', 'TileLength', 'TileOffsets', 'TileByteCounts', 'InkSet',
}


def pattern(channels: int, depth: int, seed: int = 0) -> np.ndarray:
    """Every corner, edge and neighbourhood differs, and all values occur."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 60.0
    planes = [0.5 + 0.5 * np.sin(5 * x * (c + 1) + 3 * y + c) for c in range(channels)]
    noise = rng.uniform(-0.05, 0.05, (HEIGHT, WIDTH, channels))
    top = (1 << depth) - 1
    values = (np.stack(planes, -1) + noise).clip(0, 1) * top
    return values.round().astype(np.uint8 if depth == 8 else np.uint16)


def s15(v: float) -> bytes:
    return struct.pack('>i', round(v * 65536))


def profile_file(space: bytes, name: str, tags: list, kind: bytes = b'mntr', connection: bytes = b'XYZ ') -> bytes:
    """An ICC profile (version 4.2), of a display unless it says otherwise, with these tags."""
    text = name.encode('utf-16-be')
    mluc = b'mluc\0\0\0\0' + struct.pack('>II', 1, 12) + b'enUS' + struct.pack('>II', len(text), 28) + text
    white = s15(0.9642) + s15(1.0) + s15(0.8249)
    tags = [(b'desc', mluc), (b'cprt', mluc), (b'wtpt', b'XYZ \0\0\0\0' + white)] + tags
    table, data, offset = b'', b'', 128 + 4 + 12 * len(tags)
    for tag, payload in tags:
        table += tag + struct.pack('>II', offset + len(data), len(payload))
        data += payload + bytes(-len(payload) % 4)
    body = struct.pack('>I', len(tags)) + table + data
    header = struct.pack('>I4sI4s4s4s', 128 + len(body), b'lcms', 0x04200000, kind, space, connection)
    header += struct.pack('>6H', 2026, 1, 1, 0, 0, 0) + b'acsp' + bytes(28) + white
    return header + bytes(128 - len(header)) + body


def gamma_curve(gamma: float) -> bytes:
    return b'curv\0\0\0\0' + struct.pack('>IH', 1, round(gamma * 256)) + bytes(2)


def matrix_profile(name: str, columns: tuple, curve: bytes) -> bytes:
    tags = [(n, b'XYZ \0\0\0\0' + b''.join(map(s15, c))) for n, c in zip((b'rXYZ', b'gXYZ', b'bXYZ'), columns)]
    return profile_file(b'RGB ', name, tags + [(n, curve) for n in (b'rTRC', b'gTRC', b'bTRC')])


def profiles() -> dict:
    """sRGB (none), Display P3 and Adobe RGB (1998), as the profile files of phones and cameras have them."""
    srgb = b'para\0\0\0\0' + struct.pack('>HH', 3, 0)
    srgb += b''.join(map(s15, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    p3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
    adobe = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
    result = {'srgb': None, 'p3': matrix_profile('Display P3', p3, srgb),
              'adobe': matrix_profile('Adobe', adobe, gamma_curve(2.19921875))}
    for icc in result.values():
        if icc:
            ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return result


PROFILES = profiles()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def write_png16(path: Path, pixels: np.ndarray, icc: bytes | None) -> None:
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in pixels)
    data = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', pixels.shape[1], pixels.shape[0], 16, colour,
                                                            0, 0, 0))
    if icc:
        data += chunk(b'iCCP', b'icc\0\0' + zlib.compress(icc))
    path.write_bytes(data + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def read_png16(path: Path) -> np.ndarray:
    """Pixels of a 16-bit PNG that is not interlaced."""
    data, at, packed = path.read_bytes(), 8, b''
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b'IHDR':
            width, height, depth, colour = struct.unpack('>IIBB', body[:10])
        elif kind == b'IDAT':
            packed += body
        at += 12 + size
    assert depth == 16
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    step, raw = 2 * channels, zlib.decompress(packed)
    stride, above, rows = width * step, bytearray(width * step), []
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b = row[i - step] if i >= step else 0, above[i]
            c = above[i - step] if i >= step else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        rows.append(row)
        above = row
    return np.frombuffer(b''.join(rows), '>u2').reshape(height, width, channels).astype(np.uint16)


def pillow(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def write(path: Path, pixels: np.ndarray, icc: bytes | None, **options) -> None:
    if path.suffix == '.png' and pixels.dtype == np.uint16:
        write_png16(path, pixels, icc)
    elif path.suffix == '.tif' and pixels.dtype == np.uint16:
        extra = [(34675, 'B', len(icc), icc, True)] if icc else []
        tifffile.imwrite(path, pixels, photometric='rgb', extratags=extra, metadata=None,
                         extrasamples=['unassalpha'] if pixels.shape[2] == 4 else None, **options)
    else:
        options |= {'.webp': {'lossless': True, 'exact': True}, '.jpg': {'quality': 95}}.get(path.suffix, {})
        pillow(pixels).save(path, icc_profile=icc, **options)


def read(path: Path) -> np.ndarray:
    """A file's pixels as it stores them."""
    if path.suffix == '.tif':
        with tifffile.TiffFile(path) as tiff:
            if tiff.pages[0].bitspersample == 16:
                pixels = tiff.pages[0].asarray()
                return pixels if pixels.ndim == 3 else pixels[..., None]
    if path.suffix == '.png' and path.read_bytes()[24] == 16:
        return read_png16(path)
    pixels = np.asarray(Image.open(path))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def resave(*arguments) -> None:
    subprocess.run([RESAVE, *map(str, arguments)], check=True)


def fails(*arguments) -> str:
    done = subprocess.run([RESAVE, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1, done
    return done.stderr.strip()


def exiv2(folder: Path, commands: str, files: list) -> None:
    script = folder / 'commands.txt'
    script.write_text(commands)
    subprocess.run(['exiv2', '-m', script, *files], check=True)
    script.unlink()


def tags(files: list) -> dict:
    """ExifTool's findings of many files: {path: {(group, tag): value}}."""
    command = ['exiftool', '-q', '-j', '-G1', '-a', '-n', '-struct', *files]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result = {}
    for entry in json.loads(found.stdout):
        path = Path(entry.pop('SourceFile'))
        result[path] = {tuple(key.split(':', 1)): value for key, value in entry.items() if ':' in key}
    return result


def kept(found: dict, without: tuple = ()) -> dict:
    return {key: value for key, value in found.items()
            if key[0] in KEPT and key[0] not in without and key[1] not in STRUCTURE}


KINDS = {
    'jpeg': ('.jpg', 3, 8, {}),
    'png': ('.png', 3, 8, {}),
    'png-alpha': ('.png', 4, 8, {}),
    'png16': ('.png', 3, 16, {}),
    'tiff': ('.tif', 3, 8, {'compression': 'tiff_lzw'}),
    'tiff16': ('.tif', 3, 16, {}),
    'tiff16-alpha': ('.tif', 4, 16, {'compression': 'zlib'}),
    'webp': ('.webp', 4, 8, {}),
}


def zero(folder: Path, kind: str) -> None:
    """All orientations, all profiles: pixels, size, profile and tags of what comes out; JPEG, too, but for the pixels."""
    suffix, channels, depth, options = KINDS[kind]
    sources, outputs = [], []
    for orientation in UPRIGHT:
        group = []
        for number, (name, icc) in enumerate(PROFILES.items()):
            group.append(folder / f'{kind}-{orientation}-{name}{suffix}')
            write(group[-1], pattern(channels, depth, number), icc, **options)
        turned = f'set Exif.Image.Orientation {orientation}\nset Xmp.tiff.Orientation {orientation}\n'
        exiv2(folder, TAGS + turned, group)
        sources += group
    endings = ['.png', '.tif', '.jpg'] + (['.webp'] if depth == 8 else [])
    for source in sources:
        made = [folder / f'{source.stem}-from{suffix[1:]}{ending}' for ending in endings]
        resave(source, *made)
        outputs += [(source, path) for path in made]
    found = tags(sources + [path for _, path in outputs])
    for source, path in outputs:
        orientation, profile = int(source.stem.split('-')[-2]), source.stem.split('-')[-1]
        stored = read(source) if kind == 'jpeg' else pattern(channels, depth, list(PROFILES).index(profile))
        expected = UPRIGHT[orientation](stored)
        pixels = read(path)
        if path.suffix == '.jpg':
            assert pixels.shape[:2] == expected.shape[:2], path
        else:
            assert pixels.dtype == expected.dtype and pixels.shape == expected.shape, (path, pixels.shape)
            assert (pixels == expected).all(), (path, np.argwhere(pixels != expected)[:3])
        assert Image.open(path).info.get('icc_profile') == PROFILES[profile], path
        check_tags(path, found[source], found[path], expected.shape)


def check_tags(path: Path, before: dict, after: dict, shape: tuple) -> None:
    without = ('IPTC',) if path.suffix == '.webp' else ()  # which has no place for it
    old, new = kept(before, without), kept(after, without)
    assert ('IFD0', 'Artist') in old and ('Canon', 'OwnerName') in old and ('XMP-dc', 'Title') in old, old
    assert old == new, (path, {key: (old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)})
    assert after[('IFD0', 'Orientation')] == 1 and after.get(('XMP-tiff', 'Orientation'), 1) == 1, path
    assert (after[('ExifIFD', 'ExifImageWidth')], after[('ExifIFD', 'ExifImageHeight')]) == shape[1::-1], path


def chunks(path: Path) -> list:
    """A PNG's chunks, whose checksums must be right: [(kind, data)]."""
    data, at, result = path.read_bytes(), 8, []
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert data[at:at + 12 + size] == chunk(kind, body), (path, kind)
        result.append((kind, body))
        at += 12 + size
    return result


def exif_chunk(folder: Path) -> None:
    """EXIF is in PNG's own chunk, once, before the pixels; read from there and from exiv2's text, the text dropped."""
    pixels = pattern(3, 8)
    exif = Image.Exif()
    exif.update({0x010f: 'Maker', 0x0112: 6, 0x8298: 'nobody'})
    sources = [folder / f'{name}.png' for name in ('own', 'text', 'both', 'none')]
    pillow(pixels).save(sources[0], exif=exif)
    pillow(pixels).save(sources[1])
    exiv2(folder, TAGS + 'set Exif.Image.Orientation 6\n', [sources[1]])
    data, extra = sources[0].read_bytes(), next(body for kind, body in chunks(sources[1]) if kind == b'zTXt')
    sources[2].write_bytes(data[:33] + chunk(b'zTXt', extra) + data[33:])
    write(sources[3], pixels, None)
    assert [kind for kind, _ in chunks(sources[0])][1] == b'eXIf' and extra.startswith(b'Raw profile type exif\0')
    for source in sources:
        path = folder / f'{source.stem}-out.png'
        resave('--patch', '0,0,0,0,0,0,0', source, path)
        found = chunks(path)
        kinds = [kind for kind, _ in found]
        assert kinds.count(b'eXIf') == (source.stem != 'none'), (source, kinds)
        assert not any(body.startswith(b'Raw profile type exif') for _, body in found), source
        assert (read(path) == (pixels if source.stem == 'none' else UPRIGHT[6](pixels))).all(), source
        if source.stem == 'none':
            continue
        assert kinds.index(b'eXIf') < kinds.index(b'IDAT') and (b'iTXt' in kinds) == (source.stem == 'text')
        assert Image.open(path).getexif()[0x8298] == 'nobody'
        shown = subprocess.run(['exiv2', '-Pkt', '-g', 'Exif.Image.Copyright', '-g', 'Exif.Image.Orientation', path],
                               check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        assert shown == ['Exif.Image.Orientation', 'top,', 'left', 'Exif.Image.Copyright', 'nobody'], shown
        again = folder / 'again.png'
        resave(path, again)
        before, after = tags([path, again]).values()
        assert kept(before) == kept(after) and len(kept(before)) >= 2, source
    whole = tags([sources[1], folder / 'text-out.png'])
    assert kept(whole[sources[1]]) == kept(whole[folder / 'text-out.png'])


def location(folder: Path) -> None:
    """--strip-location leaves nothing of it, in the file's bytes either, and all the rest."""
    for suffix in ('.jpg', '.png', '.tif', '.webp'):
        source = folder / f'place{suffix}'
        write(source, pattern(3, 8), None)
        exiv2(folder, TAGS, [source])
        for ending in ('.jpg', '.png', '.tif', '.webp'):
            path = folder / f'placeless-{suffix[1:]}{ending}'
            resave('--strip-location', source, path)
            after = tags([path])[path]
            for (group, tag), value in after.items():
                assert group != 'GPS' and 'GPS' not in tag and value != 'Berlin', (path, group, tag)
            assert b'Berlin' not in path.read_bytes(), path
            assert after[('IFD0', 'Artist')] == 'Jörg Ünlü' and after[('XMP-dc', 'Title')] == 'A title', path


def thumbnail(folder: Path) -> None:
    """The embedded thumbnail is renewed: upright, with the change; and there is none where there was none."""
    source, path = folder / 'thumb.jpg', folder / 'thumbed.jpg'
    write(source, pattern(3, 8), None)
    exiv2(folder, TAGS + 'set Exif.Image.Orientation 6\n', [source])
    small = folder / 'thumb-thumb.jpg'
    Image.new('RGB', (160, 120), (255, 0, 255)).save(small)
    subprocess.run(['exiv2', '-it', source], check=True)
    resave('--patch', '0,0,40,20,-1,-1,-1', source, path)
    data = subprocess.run(['exiftool', '-b', '-ThumbnailImage', path], check=True, stdout=subprocess.PIPE).stdout
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert('RGB')).astype(int)
    expected = read(path).astype(int)
    assert pixels.shape == expected.shape == (61, 40, 3)  # the picture is smaller than a thumbnail may be
    assert pixels[2:14].max() < 60 and abs(pixels - expected)[24:].mean() < 9, abs(pixels - expected)[24:].mean()
    bare, copy = folder / 'bare.jpg', folder / 'bare-copy.jpg'
    write(bare, pattern(3, 8), None)
    exiv2(folder, TAGS, [bare])
    resave(bare, copy)
    assert not any(group == 'IFD1' for group, _ in tags([copy])[copy])


def large_thumbnail(folder: Path) -> None:
    source, path = folder / 'large.jpg', folder / 'larger.tif'
    pillow(pattern(3, 8)).resize((900, 500)).save(source)
    exiv2(folder, TAGS, [source])
    Image.new('RGB', (160, 120)).save(folder / 'large-thumb.jpg')
    subprocess.run(['exiv2', '-it', source], check=True)
    resave(source, path)
    data = subprocess.run(['exiftool', '-b', '-ThumbnailImage', path], check=True, stdout=subprocess.PIPE).stdout
    small = Image.open(io.BytesIO(data)).convert('RGB')
    assert small.size == (160, 89), small.size
    expected = Image.open(source).convert('RGB').resize((160, 89), Image.BOX)
    assert abs(np.asarray(small).astype(int) - np.asarray(expected)).mean() < 4


def srgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear_to_lab(linear @ np.array([[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920],
                                            [0.1804375, 0.0721750, 0.9503041]]))


def linear_to_lab(xyz: np.ndarray) -> np.ndarray:
    t = xyz / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def colour(folder: Path) -> None:
    """A small change in sRGB arrives as that colour in P3 and Adobe RGB, and nothing else changes."""
    from skimage.color import deltaE_ciede2000
    for depth in (8, 16):
        for name, icc in PROFILES.items():
            source, path, view = (folder / f'colour{depth}-{name}{end}.png' for end in ('', '-changed', '-view'))
            pixels = pattern(3, depth)
            pixels = (pixels * 0.5 + (1 << depth) * 0.2).astype(pixels.dtype)  # inside every gamut
            write(source, pixels, icc)
            resave('--patch', '10,5,30,20,0.05,-0.03,0.02', source, path)
            changed = read(path)
            outside = np.ones((HEIGHT, WIDTH), bool)
            outside[5:25, 10:40] = False
            assert (changed[outside] == pixels[outside]).all() and (changed[~outside] != pixels[~outside]).any(-1).all()
            before, after = (folder / 'before.png', folder / 'after.png')
            resave('--view', before, source, view)
            resave('--view', after, path, view)
            expected = read(before)[..., :3] / 255 + np.array([0.05, -0.03, 0.02])
            error = deltaE_ciede2000(srgb_to_lab(expected), srgb_to_lab(read(after)[..., :3] / 255))[~outside]
            assert error.max() < 1.5 and error.mean() < 0.5, (depth, name, error.max(), error.mean())
    # The view itself, against Pillow's Little CMS.
    for name in ('p3', 'adobe'):
        source, view = folder / f'view-{name}.png', folder / 'view.png'
        write(source, pattern(3, 8), PROFILES[name])
        resave('--view', view, source, folder / 'unused.png')
        image = ImageCms.profileToProfile(Image.open(source), ImageCms.ImageCmsProfile(io.BytesIO(PROFILES[name])),
                                          ImageCms.createProfile('sRGB'), outputMode='RGB')
        assert abs(read(view).astype(int) - np.asarray(image)).max() <= 1


def saturated(folder: Path) -> None:
    """Colours that sRGB does not have: outside the patch and where the change is zero they stay; a change moves them."""
    source, path = folder / 'p3-red.png', folder / 'p3-red-out.png'
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[...] = (255, 0, 0)
    pixels[:, ::2] = (0, 255, 0)
    write(source, pixels, PROFILES['p3'])
    resave('--patch', '0,0,61,20,0,0,0', source, path)
    assert (read(path) == pixels).all()
    resave('--patch', '0,0,61,20,-0.1,-0.1,-0.1', source, path)
    changed = read(path)
    assert (changed[20:] == pixels[20:]).all() and (changed[:20, 1, 0] < 250).all() and (changed[:20, 0, 1] < 250).all()


def untagged(folder: Path) -> None:
    """Adobe RGB by EXIF alone, and by PNG's gamma and primaries."""
    pixels = pattern(3, 8)
    plain, by_exif, by_chunks = (folder / f'{name}.png' for name in ('plain', 'by-exif', 'by-chunks'))
    write(folder / 'tagged.png', pixels, PROFILES['adobe'])
    write(plain, pixels, None)
    shutil.copy(plain, by_exif)
    exiv2(folder, 'set Exif.Photo.ColorSpace 65535\nset Exif.Iop.InteroperabilityIndex R03\n', [by_exif])
    data = plain.read_bytes()
    chunks = chunk(b'gAMA', struct.pack('>I', 45470))
    chunks += chunk(b'cHRM', struct.pack('>8I', 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))
    by_chunks.write_bytes(data[:33] + chunks + data[33:])
    views = {}
    for source in (folder / 'tagged.png', plain, by_exif, by_chunks):
        view = folder / f'{source.stem}-view.png'
        resave('--view', view, source, folder / f'{source.stem}-copy.png')
        views[source.stem] = read(view).astype(int)
        assert (read(folder / f'{source.stem}-copy.png') == pixels).all()
    assert (views['plain'] == pixels).all()
    for name in ('by-exif', 'by-chunks'):
        assert abs(views[name] - views['tagged']).max() <= 1, name
        # What comes out says in a profile which colours these are.
        copy = Image.open(folder / f'{name}-copy.png')
        assert copy.info['icc_profile'] and abs(views['tagged'] - pixels).max() > 20


def ink_profile() -> bytes:
    """A press: each ink takes its share of the light, more than proportionally. A table of 7 x 7 x 7 x 7."""
    points = np.linspace(0, 1, 7) ** 1.3
    take = np.array([[0.9, 0.25, 0.1], [0.2, 0.85, 0.3], [0.05, 0.15, 0.9], [0.95, 0.95, 0.95]])
    light = 1 - points[:, None, None] * take  # grid point, ink, colour
    c, m, y, k = np.swapaxes(light, 0, 1)
    rgb = c[:, None, None, None] * m[None, :, None, None] * y[None, None, :, None] * k[None, None, None, :]
    # Near enough to colours of D50 for a table that only has to be the same for both readers.
    lab = linear_to_lab(rgb.reshape(-1, 3) @ np.array([[0.436, 0.222, 0.014], [0.385, 0.717, 0.097], [0.143, 0.061, 0.714]]))
    table = np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], -1)
    table = np.clip(np.rint(table), 0, 65535).astype('>u2').tobytes()
    straight = struct.pack('>2H', 0, 65535)
    lut = b'mft2' + bytes(4) + bytes([4, 3, 7, 0]) + b''.join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)) + \
        struct.pack('>2H', 2, 2) + straight * 4 + table + straight * 3
    return profile_file(b'CMYK', 'press', [(b'A2B0', lut)], b'prtr', b'Lab ')


def inks(folder: Path) -> None:
    """CMYK in JPEG (inverted, as Adobe's programs write it) and TIFF, with a profile: as littleCMS has it through Pillow."""
    icc = ink_profile()
    smooth = Image.fromarray(pattern(4, 8)[:9, :9]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    picture = Image.frombytes('CMYK', smooth.size, smooth.tobytes())
    picture.save(folder / 'inks.jpg', quality=100, subsampling=0, icc_profile=icc)
    picture.save(folder / 'inks.tif', icc_profile=icc)
    for name in ('inks.jpg', 'inks.tif'):
        resave(folder / name, folder / 'out.png')
        stored = Image.open(folder / name)
        assert stored.mode == 'CMYK'
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        expected = ImageCms.profileToProfile(stored, profile, ImageCms.createProfile('sRGB'), outputMode='RGB')
        difference = abs(read(folder / 'out.png')[..., :3].astype(int) - np.asarray(expected).astype(int))
        assert difference.max() <= 2, (name, difference.max())
        naive = abs(np.asarray(expected).astype(int) - np.asarray(stored.convert('RGB')).astype(int))
        assert naive.mean() > 10  # the profile says something


def resolution(folder: Path) -> None:
    """Pixels per inch that only the format itself gives, from each format into each other."""
    picture = Image.fromarray(pattern(3, 8))
    for source in ('.png', '.jpg', '.tif'):
        picture.save(folder / f'source{source}', dpi=(300, 240))
        for suffix in ('.png', '.jpg', '.tif'):
            resave(folder / f'source{source}', folder / f'out{suffix}')
            found = [float(v) for v in Image.open(folder / f'out{suffix}').info['dpi']]
            assert abs(np.array(found) - (300, 240)).max() < 0.6, (source, suffix, found)
    picture.save(folder / 'none.png')
    resave(folder / 'none.png', folder / 'out.jpg')
    assert 'dpi' not in Image.open(folder / 'out.jpg').info
    # EXIF's own word counts for more.
    exiv2(folder, 'set Exif.Image.XResolution 150/1\nset Exif.Image.YResolution 150/1\nset Exif.Image.ResolutionUnit 2\n',
          [folder / 'source.jpg'])
    resave(folder / 'source.jpg', folder / 'out.png')
    assert abs(Image.open(folder / 'out.png').info['dpi'][0] - 150) < 0.6


def tiff_layouts(folder: Path) -> None:
    """Strips and tiles, planes apart or together, both byte orders, compressions, alpha of both kinds, grey, CMYK."""
    number = 0

    def check(pixels, expected=None, **options):
        nonlocal number
        number += 1
        source, path = folder / f'layout{number}.tif', folder / f'layout{number}-out.tif'
        tifffile.imwrite(source, pixels, metadata=None, **options)
        resave(source, path)
        if expected is None:
            expected = pixels if options['planarconfig'] == 'contig' or pixels.ndim == 2 else np.moveaxis(pixels, 0, -1)
        found = read(path)
        found = found[..., 0] if expected.ndim == 2 else found
        assert found.shape == expected.shape and (found == expected).all(), options

    for depth in (8, 16):
        for planar in ('contig', 'separate'):
            for layout in ({}, {'tile': (16, 32)}, {'rowsperstrip': 7}):
                for order in '<>':
                    pixels = pattern(3, depth)
                    pixels = pixels if planar == 'contig' else np.moveaxis(pixels, -1, 0).copy()
                    check(pixels, photometric='rgb', planarconfig=planar, byteorder=order, **layout)
        check(pattern(1, depth)[..., 0], photometric='minisblack', planarconfig='contig', compression='zlib')
        grey, top = pattern(1, depth)[..., 0], (1 << depth) - 1
        check(grey, expected=top - grey, photometric='miniswhite', planarconfig='contig')
        check(pattern(4, depth), photometric='rgb', planarconfig='contig', extrasamples=['unassalpha'])
        straight = pattern(4, depth).astype(np.uint64)
        straight[..., 3] = np.maximum(straight[..., 3], top // 2)
        premultiplied = straight.copy()
        premultiplied[..., :3] = (straight[..., :3] * straight[..., 3:] + top // 2) // top
        alpha = premultiplied[..., 3:]
        back = premultiplied.copy()
        back[..., :3] = np.minimum((premultiplied[..., :3] * top + alpha // 2) // alpha, top)
        check(premultiplied.astype(grey.dtype), expected=back.astype(grey.dtype), photometric='rgb',
              planarconfig='contig', extrasamples=['assocalpha'])
        inks = pattern(4, depth).astype(np.uint64)
        rgb = ((top - inks[..., :3]) * (top - inks[..., 3:]) + top // 2) // top
        check(inks.astype(grey.dtype), expected=rgb.astype(grey.dtype), photometric='separated', planarconfig='contig')
    for compression in ('tiff_lzw', 'jpeg', 'packbits', 'tiff_adobe_deflate'):
        source, path = folder / f'{compression}.tif', folder / f'{compression}-out.tif'
        pillow(pattern(3, 8)).save(source, compression=compression)
        resave(source, path)
        assert abs(read(path).astype(int) - read(source)).max() <= (2 if compression == 'jpeg' else 0), compression
    for mode in ('1', 'P'):
        source, path = folder / f'mode{mode}.tif', folder / f'mode{mode}-out.png'
        image = pillow(pattern(3, 8)).convert(mode)
        image.save(source)
        resave(source, path)
        assert (np.asarray(Image.open(path).convert('RGB')) == np.asarray(image.convert('RGB'))).all(), mode
    source = folder / 'float.tif'
    tifffile.imwrite(source, pattern(3, 8).astype(np.float64), photometric='rgb')
    assert fails(source, folder / 'never.png') == 'float.tif is a TIFF picture of a rare kind and cannot be read.'


def floats(folder: Path) -> None:
    """32-bit floating point becomes 16 bits, however it lies in the file; what is no colour is clamped."""
    wide = pattern(4, 16).astype(np.float32) / 50000 - 0.1
    wide[0, :6, :3] = np.array([np.nan, np.inf, -np.inf, 1e30, -0.0, 1.0], np.float32)[:, None]
    wide[..., 3] = 0.5
    source, path = folder / 'float.tif', folder / 'out.tif'
    for channels, photometric in ((1, 'minisblack'), (3, 'rgb'), (4, 'rgb')):
        pixels = wide[..., :channels]
        clamped = np.nan_to_num(pixels.astype(np.float64), nan=0, posinf=1, neginf=0).clip(0, 1)
        expected = np.floor(clamped * 65535 + 0.5)
        assert expected.min() == 0 and expected.max() == 65535
        for planar in ('contig', 'separate') if channels > 1 else ('contig',):
            for layout in ({}, {'tile': (16, 32)}, {'rowsperstrip': 7},
                           {'compression': 'zlib', 'rowsperstrip': 7}):
                for order in '<>':
                    stored = pixels if planar == 'contig' else np.moveaxis(pixels, -1, 0).copy()
                    tifffile.imwrite(source, stored[..., 0] if channels == 1 else stored, photometric=photometric,
                                     planarconfig=planar, byteorder=order, metadata=None,
                                     extrasamples=['unassalpha'] if channels == 4 else None, **layout)
                    resave(source, path)
                    found = read(path)
                    assert found.dtype == np.uint16 and found.shape == expected.shape, (found.dtype, found.shape)
                    assert (found == expected).all(), (channels, planar, layout, order)
    whole = source.read_bytes()
    source.write_bytes(whole[:len(whole) // 2])
    assert fails(source, folder / 'never.png') == 'float.tif is truncated or damaged.'


def grey_and_alpha(folder: Path) -> None:
    """Grey stays grey, in every format; a change's luma arrives in it; JPEG shows white behind alpha."""
    grey = pattern(1, 8)
    source = folder / 'grey.png'
    write(source, grey, None)
    outputs = [folder / f'grey-out{ending}' for ending in ('.png', '.tif', '.jpg', '.webp')]
    resave(source, *outputs)
    for path in outputs[:2]:
        assert Image.open(path).mode == 'L' and (read(path) == grey).all()
    assert Image.open(outputs[2]).mode == 'L' and abs(read(outputs[2]).astype(int) - grey).max() < 8
    assert (read(outputs[3])[..., :3] == grey).all()
    resave('--patch', '0,0,20,20,0.1,0.2,-0.1', source, outputs[0])
    expected = (grey[:20, :20] / 255 + 0.2126 * 0.1 + 0.7152 * 0.2 - 0.0722 * 0.1).clip(0, 1) * 255
    assert abs(read(outputs[0])[:20, :20] - expected).max() <= 0.51
    both = folder / 'grey-alpha.png'
    write_png16(both, pattern(2, 16), None)
    resave(both, folder / 'grey-alpha-out.png', folder / 'grey-alpha-out.tif')
    assert (read_png16(folder / 'grey-alpha-out.png') == pattern(2, 16)).all()
    assert (read(folder / 'grey-alpha-out.tif') == pattern(2, 16)).all()
    rgba = pattern(4, 8)
    write(folder / 'alpha.png', rgba, None)
    resave('--quality', 100, '--full-chroma', folder / 'alpha.png', folder / 'alpha.jpg')
    white = rgba[..., :3] * (rgba[..., 3:] / 255) + 255 - rgba[..., 3:]
    assert abs(read(folder / 'alpha.jpg') - white).max() < 6
    resave('--patch', '0,0,61,40,0.2,0.2,0.2', folder / 'alpha.png', folder / 'alpha-out.png')
    assert (read(folder / 'alpha-out.png')[..., 3] == rgba[..., 3]).all()


def grey_profile(folder: Path) -> None:
    """Grey of gamma 1.8: seen as such, kept as such, in WebP by an RGB profile; a change arrives as in sRGB."""
    icc = profile_file(b'GRAY', 'Grey', [(b'kTRC', gamma_curve(1.8))])
    grey = (pattern(1, 8) // 2 + 60).astype(np.uint8)
    source, view = folder / 'dot.png', folder / 'view.png'
    write(source, grey, icc)
    paths = [folder / f'dot-out{suffix}' for suffix in ('.png', '.tif', '.webp')]
    resave('--view', view, source, *paths)

    def seen(values):
        linear = (values / 255) ** 1.8
        return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)

    assert abs(read(view)[..., :3] / 255 - seen(grey)).max() < 1.6 / 255
    for path in paths:
        assert (read(path)[..., :1] == grey).all() and Image.open(path).info['icc_profile'], path
        again = folder / 'again.png'
        resave('--view', again, path, folder / 'unused.png')
        assert abs(read(again).astype(int) - read(view)).max() <= 1, path
    resave('--patch', '0,0,61,40,0.05,0.05,0.05', source, paths[0])
    assert abs(seen(read(paths[0])) - seen(grey) - 0.05).max() < 0.6 / 255 * 1.8


def depth_and_quality(folder: Path) -> None:
    source = folder / 'sixteen.png'
    pixels = pattern(3, 16)
    write_png16(source, pixels, None)
    resave('--depth', 8, source, folder / 'eight.png', folder / 'eight.tif')
    eight = (pixels.astype(np.uint64) * 255 + 32767) // 65535
    assert (read(folder / 'eight.png') == eight).all() and (read(folder / 'eight.tif') == eight).all()
    write(folder / 'eight-in.png', eight.astype(np.uint8), None)
    resave('--depth', 16, folder / 'eight-in.png', folder / 'wide.png', folder / 'wide.tif')
    assert (read(folder / 'wide.png') == eight * 257).all() and (read(folder / 'wide.tif') == eight * 257).all()
    smooth = folder / 'smooth.png'
    pillow(pattern(3, 8)).resize((300, 200)).save(smooth)
    sizes = []
    for quality in (30, 60, 95):
        resave('--quality', quality, smooth, folder / 'q.jpg', folder / 'q.webp')
        sizes.append(((folder / 'q.jpg').stat().st_size, (folder / 'q.webp').stat().st_size))
    assert sizes == sorted(sizes) and sizes[0][1] < sizes[1][1] < sizes[2][1]
    resave('--full-chroma', smooth, folder / 'full.jpg')
    assert Image.open(folder / 'full.jpg').layer[0][1:3] == (1, 1)
    assert Image.open(folder / 'q.jpg').layer[0][1:3] == (2, 2)


def patch16(folder: Path) -> None:
    """A change of less than an 8-bit step survives in 16 bits; patches may overlap the border."""
    source, path = folder / 'fine.png', folder / 'fine.tif'
    pixels = (pattern(3, 16) // 2 + 10000).astype(np.uint16)
    write_png16(source, pixels, None)
    resave('--patch', '50,30,30,30,0.001,0.0005,-0.001', source, path)
    difference = read(path).astype(int) - pixels
    assert (difference[30:, 50:] == np.round(np.array([0.001, 0.0005, -0.001]) * 65535)).all()
    difference[30:, 50:] = 0
    assert not difference.any()


def damaged(folder: Path) -> None:
    """One sentence that names the file."""
    for suffix, depth in (('.tif', 8), ('.tif', 16), ('.webp', 8)):
        whole, cut = folder / f'whole{suffix}', folder / f'cut{suffix}'
        write(whole, pattern(3, depth), None)
        data = whole.read_bytes()
        for part in (0.1, 0.5, 0.9):
            cut.write_bytes(data[:int(len(data) * part)])
            message = fails(cut, folder / 'never.png')
            assert message == f'cut{suffix} is truncated or damaged.', message
    tall = folder / 'tall.png'
    Image.new('L', (16, 17000)).save(tall)
    assert fails(tall, folder / 'never.webp') == \
        'never.webp cannot be written: WebP pictures are at most 16383 pixels wide and high.'
    assert not list(folder.glob('never*'))


def put_first_at(path: Path, x: int, y: int, width: int, height: int) -> None:
    """The canvas of a moving WebP becomes larger than its first picture, which moves to (x, y), even numbers."""
    data = bytearray(path.read_bytes())
    data[24:30] = (width - 1).to_bytes(3, 'little') + (height - 1).to_bytes(3, 'little')
    at = data.index(b'ANMF') + 8
    data[at:at + 6] = (x // 2).to_bytes(3, 'little') + (y // 2).to_bytes(3, 'little')
    path.write_bytes(data)


def moving(folder: Path) -> None:
    """Of a moving WebP the first picture, wherever on the canvas, turned as EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for channels in (3, 4):
        # Pillow does not keep what is behind full transparency here.
        frames = [pillow(np.maximum(pattern(channels, 8, seed), 1)) for seed in range(3)]
        source, path = folder / f'moving{channels}.webp', folder / 'still.png'
        options = {'save_all': True, 'append_images': frames[1:], 'lossless': True}
        frames[0].save(source, **options)
        assert Image.open(source).n_frames == 3
        resave(source, path)
        assert (read(path) == np.asarray(frames[0])).all()
        frames[0].save(source, icc_profile=PROFILES['p3'], exif=exif, **options)
        put_first_at(source, 6, 10, 80, 60)
        resave(source, path, folder / 'still.webp')
        canvas = np.zeros((60, 80, 4), np.uint8)
        canvas[10:10 + HEIGHT, 6:6 + WIDTH] = np.asarray(frames[0].convert('RGBA'))
        for made in (path, folder / 'still.webp'):
            assert (read(made) == UPRIGHT[6](canvas)).all(), made
            assert Image.open(made).info['icc_profile'] == PROFILES['p3'] and Image.open(made).n_frames == 1
        whole, cut = source.read_bytes(), folder / 'cut.webp'
        for part in (0.1, 0.2, 0.3):
            cut.write_bytes(whole[:int(len(whole) * part)])
            assert fails(cut, folder / 'never.png') == 'cut.webp is truncated or damaged.'
        put_first_at(source, 30, 10, 80, 60)
        assert fails(source, folder / 'never.png') == f'{source.name} is truncated or damaged.'


def disk_full(folder: Path) -> None:
    """A disk that fills up when the metadata are written, after the pixels: the old file stays."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (15000, 15000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    source = folder / 'full.png'
    write(source, pattern(3, 8)[:20, :30] // 64, None)
    exiv2(folder, TAGS + f'set Xmp.dc.description {"y" * 20000}\n', [source])
    for suffix in ('.jpg', '.png', '.tif', '.webp'):
        path = folder / f'full{suffix}'
        before = path.read_bytes() if path.exists() else None
        done = subprocess.run([RESAVE, source, path], stderr=subprocess.PIPE, text=True, preexec_fn=limit)
        assert done.returncode == 1 and done.stderr.startswith(f'full{suffix} cannot be written: '), done
        assert (path.read_bytes() if path.exists() else None) == before and len(list(folder.iterdir())) == 1, suffix


def large_metadata(folder: Path) -> None:
    """More than a JPEG's segment holds is no problem elsewhere, and a clear one there."""
    source = folder / 'large.png'
    write(source, pattern(3, 8), None)
    exiv2(folder, f'set Xmp.dc.title {"x" * 70000}\n', [source])
    assert fails(source, folder / 'large.jpg') == \
        "large.jpg cannot be written: the photo's metadata do not fit into a JPEG file."
    paths = [folder / f'copy{suffix}' for suffix in ('.png', '.tif', '.webp')]
    resave(source, *paths)
    assert all(len(found['XMP-dc', 'Title']) == 70000 for found in tags(paths).values())


def main() -> int:
    checks = [(f'zero/{kind}', lambda folder, kind=kind: zero(folder, kind)) for kind in KINDS]
    others = (exif_chunk, location, thumbnail, large_thumbnail, colour, saturated, untagged, inks, resolution,
              tiff_layouts, floats, grey_and_alpha, grey_profile, depth_and_quality, patch16, damaged, moving, disk_full, large_metadata)
    checks += [(check.__name__.replace('_', '-'), check) for check in others]
    if not shutil.which('exiftool') or not shutil.which('exiv2'):
        print('1..0 # SKIP needs exiftool and exiv2')
        return 0
    print(f'1..{len(checks)}')
    for number, (name, check) in enumerate(checks, 1):
        with tempfile.TemporaryDirectory(prefix='likeness-export-') as folder:
            try:
                check(Path(folder))
                print(f'ok {number} {name}', flush=True)
            except Exception:  # pylint: disable=broad-except
                print(''.join(f'# {line}\n' for line in traceback.format_exc().splitlines()), end='')
                print(f'not ok {number} {name}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
