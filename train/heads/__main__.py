# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: python3 -m heads quads|sheet|samples"""
import argparse
import os

import numpy as np
from PIL import Image

from .quads import KINDS, write_quadruples


def quads(arguments):
    write_quadruples(arguments.folder, arguments.first, arguments.count, arguments.step, KINDS[arguments.kind], lambda line: print(line, flush=True))


def sheet(arguments):
    """Rows: age 0..1, smile 0..1, yaw -30..30 of one identity each, then strangers."""
    from .identity import identity
    from .render import render
    size, columns = arguments.size, 6

    def picture(seed, **changes):
        return render(dict(identity(seed), noise=0, pitch=0, roll=0, **changes), size)[0]

    first, steps = arguments.first, np.linspace(0, 1, columns)
    rows = [[picture(first, yaw=5, age=t, grey=np.clip((t - .35) * 1.7, 0, 1)) for t in steps],
            [picture(first + 1, yaw=-5, smile=t) for t in steps],
            [picture(first + 2, yaw=60 * t - 30) for t in steps],
            [picture(first + 3 + k, yaw=0) for k in range(columns)]]
    Image.fromarray(np.vstack([np.hstack(row) for row in rows])).save(arguments.out)


def samples(arguments):
    from .samples import SAMPLES, write_sample
    os.makedirs(arguments.folder, exist_ok=True)
    for name in arguments.names or SAMPLES:
        size = write_sample(name, arguments.folder, arguments.scale, arguments.supersampling)
        print(f"{name}.jpg: {size} bytes", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python3 -m heads", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("quads", help="training quadruples, one file per identity; existing files are kept")
    command.add_argument("folder")
    command.add_argument("--first", type=int, default=0, help="first seed")
    command.add_argument("--count", type=int, default=1000)
    command.add_argument("--step", type=int, default=1, help="seed step: 2 for each of two processes")
    command.add_argument("--kind", choices=KINDS, default="plain",
                         help="turned: wide turns to both sides; smiling: no smile to a broad one; recoloured: hair of other colours, which here does not go with age; "
                         "mixed: all four with labels of their own")
    command.set_defaults(run=quads)
    command = commands.add_parser("sheet", help="contact sheet")
    command.add_argument("out")
    command.add_argument("--first", type=int, default=0)
    command.add_argument("--size", type=int, default=192)
    command.set_defaults(run=sheet)
    command = commands.add_parser("samples", help="the sample portraits of data/samples")
    command.add_argument("folder")
    command.add_argument("names", nargs="*")
    command.add_argument("--scale", type=float, default=1.0)
    command.add_argument("--supersampling", type=int, default=3)
    command.set_defaults(run=samples)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except FileNotFoundError as error:
        parser.exit(1, f"heads: {error}\n")


if __name__ == "__main__":
    main()
