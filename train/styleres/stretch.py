# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains for some minutes from wherever the last stretch ended: stage 1, 2 or 3, the newest checkpoint of a folder.

usage: python3 -m styleres.stretch FOLDER --data SOURCE... --minutes M [--plan GAN ENCODER RESIDUAL] [--config FILE] [--set ...]

A stage ends after its configured steps, or after the plan's minutes; the next one begins in the same stretch. FOLDER holds one
compact checkpoint, GAN.pt, ENCODER.pt or RESIDUAL.pt in small letters: the one before is removed once it is not needed.
Prints one line of figures at the end.
"""
import argparse
import os
import time

from . import config as configuration
from .encoder import E4e
from .engine import HERE, Processes
from .gan import Gan
from .residual import Residual

STAGES = (Gan, E4e, Residual)
MARGIN = 10.0       # seconds kept for writing the checkpoint


def newest(folder):
    """-> (index of the stage, its checkpoint or None)"""
    for index in reversed(range(len(STAGES))):
        path = os.path.join(folder, f"{STAGES[index].NAME}.pt")
        if os.path.exists(path):
            return index, path
    return 0, None


def stretch(settings, processes, sources, folder, minutes, plan=(), most_steps=None):
    """-> the last stage's line of figures. most_steps: end a stretch after so many steps, for tests."""
    end, line = time.monotonic() + 60 * minutes - MARGIN, "done: all stages have had their steps"
    index, path = newest(folder)
    while index < len(STAGES):
        stage = STAGES[index](settings, processes, sources)
        out = os.path.join(folder, f"{stage.NAME}.pt")
        if path == out:
            stage.resume(path)
        elif path:
            stage.start_from(path)
        limit = 60 * plan[index] if plan else None
        if not stage.finished(limit):
            line = stage.run(out, end=end, limit=limit, most_steps=most_steps, compact=True)
            if path and path != out and processes.rank == 0:
                os.remove(path)
            if most_steps or processes.agree(time.monotonic() > end):
                break
        index, path = index + 1, out
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--plan", nargs=len(STAGES), type=float, default=(), metavar="MINUTES",
                        help="how long each stage lasts at most, all stretches together")
    parser.add_argument("--config", default=os.path.join(HERE, "config.toml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    processes = Processes()
    settings = configuration.load(options.config, options.set)
    line = stretch(settings, processes, options.data, options.folder, options.minutes, options.plan)
    if processes.rank == 0:
        size = sum(entry.stat().st_size for entry in os.scandir(options.folder) if entry.name.endswith(".pt"))
        print(f"{line}  checkpoint {size / 2 ** 20:.1f} MiB", flush=True)
    processes.close()


if __name__ == "__main__":
    main()
