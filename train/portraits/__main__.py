# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: python3 -m portraits faces|landmarks|export|align|pose|smile|age|sheet

In order: faces (render), landmarks (train the network on renders), export (its weights for the program), align (photos ->
real128.npz, real256.npz), pose (turns.npz), smile (smiles.npz), age (age.npz, age256.npz).
"""
import argparse
import glob
import os

import numpy as np
from PIL import Image


def progress(line):
    print(line, flush=True)


def save(path, **arrays):
    """Whole or not at all."""
    partial = f"{path}.{os.getpid()}.npz"
    np.savez(partial, **arrays)
    os.replace(partial, path)
    progress(f"{path}: {len(next(iter(arrays.values())))} rows")


def load_real(folder):
    return {size: np.load(os.path.join(folder, f"real{size}.npz")) for size in (128, 256)}


def landmarks(arguments):
    import torch
    from .landmarks import load, place_as_people_do, train
    files = [np.load(path) for path in sorted(glob.glob(os.path.join(arguments.renders, "??????.npz")))]
    if not files:
        raise FileNotFoundError(f"{arguments.renders}: no renders here (make them with python3 -m portraits faces)")
    images, points, labels = (np.concatenate([f[name] for f in files]) for name in ("img", "lm", "par"))
    torch.set_num_threads(arguments.threads)
    start = load(arguments.start) if arguments.start else None
    network = train(images, points, labels, arguments.iterations, start, rate=arguments.rate, report=progress)
    torch.save(place_as_people_do(network).state_dict(), arguments.out)


def faces(arguments):
    from .faces import write_faces
    write_faces(arguments.folder, arguments.first, arguments.count, arguments.step, report=progress)


def export(arguments):
    from .landmarks import load, save_folded
    progress(f"{arguments.out}: {save_folded(load(arguments.network), arguments.out)} bytes")


def align(arguments):
    import torch
    from .align import align_folder
    from .landmarks import load
    torch.set_num_threads(1)
    os.makedirs(arguments.data, exist_ok=True)
    aligned = align_folder(arguments.photos, load(arguments.network), arguments.leave_out, progress)
    for size, arrays in aligned.items():
        save(os.path.join(arguments.data, f"real{size}.npz"), **arrays)


def pose(arguments):
    from .pairs import all_pairs
    save(os.path.join(arguments.data, "turns.npz"), **all_pairs("pose", load_real(arguments.data), report=progress))


def smile(arguments):
    from .pairs import all_pairs
    save(os.path.join(arguments.data, "smiles.npz"), **all_pairs("smile", load_real(arguments.data), report=progress))


def age(arguments):
    from .pairs import all_pairs
    pairs = all_pairs("age", load_real(arguments.data), arguments.people, progress)
    save(os.path.join(arguments.data, "age256.npz"), **pairs)
    small = np.stack([np.asarray(Image.fromarray(image).resize((128, 128), Image.LANCZOS)) for image in pairs["img"]])
    save(os.path.join(arguments.data, "age.npz"), **dict(pairs, img=small))


def sheet(arguments):
    """Some portraits, each with all its pairs. For the eye only: it shows real people."""
    real, pairs = np.load(os.path.join(arguments.data, "real128.npz"))["img"], np.load(os.path.join(arguments.data, arguments.pairs))
    sources = np.unique(pairs["src"])
    chosen = np.random.RandomState(arguments.seed).permutation(sources)[:arguments.count]
    rows = [np.hstack([real[i]] + [pairs["img"][k] for k in np.where(pairs["src"] == i)[0]]) for i in chosen]
    width = max(row.shape[1] for row in rows)
    Image.fromarray(np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])).save(arguments.out)


def main():
    parser = argparse.ArgumentParser(prog="python3 -m portraits", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("faces", help="render faces for the landmark network; existing files are kept")
    command.add_argument("folder")
    command.add_argument("--first", type=int, default=100000, help="first seed")
    command.add_argument("--count", type=int, default=6000)
    command.add_argument("--step", type=int, default=1, help="seed step: 2 for each of two processes")
    command.set_defaults(run=faces)
    command = commands.add_parser("landmarks", help="train the landmark network on renders")
    command.add_argument("renders")
    command.add_argument("out", help="network.pt")
    command.add_argument("--iterations", type=int, default=1500)
    command.add_argument("--rate", type=float, default=2e-3)
    command.add_argument("--start", help="network.pt to go on from")
    command.add_argument("--threads", type=int, default=1)
    command.set_defaults(run=landmarks)
    command = commands.add_parser("export", help="write the program's landmark weights")
    command.add_argument("network")
    command.add_argument("out", help="landmarks.safetensors")
    command.set_defaults(run=export)
    command = commands.add_parser("align", help="align a folder of portraits")
    command.add_argument("network")
    command.add_argument("photos")
    command.add_argument("data", help="folder for real128.npz and real256.npz")
    command.add_argument("--leave-out", nargs="*", default=[], metavar="ID", help="photos that are no plain portraits")
    command.set_defaults(run=align)
    for name, run, text in (("pose", pose, "pseudo pairs of yaw"), ("smile", smile, "pseudo pairs of smile"), ("age", age, "pseudo pairs of age and hair")):
        command = commands.add_parser(name, help=text)
        command.add_argument("data", help="folder with real128.npz and real256.npz")
        command.set_defaults(run=run)
        if run is age:
            command.add_argument("people", help="CSV file: id, birth_year, gender (F, M)")
    command = commands.add_parser("sheet", help="look at pairs")
    command.add_argument("data")
    command.add_argument("pairs", help="turns.npz, smiles.npz or age.npz")
    command.add_argument("out")
    command.add_argument("--count", type=int, default=12)
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=sheet)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except FileNotFoundError as error:
        parser.exit(1, f"portraits: {error}\n")


if __name__ == "__main__":
    main()
