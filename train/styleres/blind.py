# SPDX-License-Identifier: GPL-3.0-or-later
"""Sheets for a blind test: can someone who did not make a model name the slider from a row of pictures?

usage: python3 -m styleres.blind make MODEL.safetensors PORTRAITS.npz FOLDER [--people 12] [--seed 1]
       python3 -m styleres.blind score FOLDER ANSWERS.txt

make: one row of five pictures for every person and slider, from -5 to 5 or from 5 to -5, in random order, on numbered sheets
(FOLDER/sheet-*.png: of photos of real people, not for publishing); FOLDER/key.json has the truth.
ANSWERS.txt: a line `row slider up|down` for every row (down: the slider falls from left to right). score: how many are right.
"""
import argparse
import json
import os

import numpy as np
import torch
from PIL import Image, ImageDraw

from . import export
from .evaluate import in_batches, load_portraits, setting

VALUES = (-5.0, -2.5, 0.0, 2.5, 5.0)
ROWS = 6            # on a sheet
SIDE, MARGIN = 192, 40


def shuffled_rows(names, people, seed):
    """-> [(slider, person, "up" or "down")] of all of them."""
    random = np.random.default_rng(seed)
    rows = [(name, person) for name in names for person in range(people)]
    return [(*rows[k], ("up", "down")[random.integers(2)]) for k in random.permutation(len(rows))]


def make(options):
    torch.set_grad_enabled(False)
    os.makedirs(options.folder, exist_ok=True)
    model, _ = export.load_model(options.model)
    pictures = load_portraits(options.portraits, options.people)[0]
    requests = {(name, value): (setting(model, name, value),) for name in model.edits for value in VALUES}
    made = in_batches(model, pictures, None, requests)
    rows = shuffled_rows(model.edits, len(pictures), options.seed)
    for begin in range(0, len(rows), ROWS):
        part = rows[begin:begin + ROWS]
        sheet = Image.new("RGB", (MARGIN + SIDE * len(VALUES), SIDE * len(part)), "white")
        for line, (name, person, way) in enumerate(part):
            ImageDraw.Draw(sheet).text((8, SIDE * line + SIDE // 2), str(begin + line + 1), "black")
            for column, value in enumerate(VALUES if way == "up" else VALUES[::-1]):
                tile = Image.fromarray(made[name, value][person]).resize((SIDE, SIDE), Image.LANCZOS)
                sheet.paste(tile, (MARGIN + SIDE * column, SIDE * line))
        sheet.save(os.path.join(options.folder, f"sheet-{begin // ROWS + 1:02d}.png"))
    with open(os.path.join(options.folder, "key.json"), "w", encoding="utf-8") as stream:
        json.dump(rows, stream)
    print(f"{len(rows)} rows; sliders: {', '.join(model.edits)}")


def score(rows, answers):
    """rows: of shuffled_rows; answers: text. -> {slider: [rows, named rightly, with the right way as well]}, [wrong answers]"""
    given = {}
    for line in answers.splitlines():
        if line.strip():
            number, name, way = line.split()[:3]
            given[int(number)] = (name, way)
    counts, wrong = {}, []
    for number, (name, person, way) in enumerate(rows, 1):
        answer = given.get(number, ("none", "none"))
        count = counts.setdefault(name, [0, 0, 0])
        count[0] += 1
        count[1] += answer[0] == name
        count[2] += answer == (name, way)
        if answer != (name, way):
            wrong.append(f"row {number}: person {person}, {name} {way}; answered {' '.join(answer)}")
    return counts, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make")
    for name in ("model", "portraits", "folder"):
        command.add_argument(name)
    command.add_argument("--people", type=int, default=12)
    command.add_argument("--seed", type=int, default=1)
    command = commands.add_parser("score")
    command.add_argument("folder")
    command.add_argument("answers")
    options = parser.parse_args()
    if options.command == "make":
        return make(options)
    with open(os.path.join(options.folder, "key.json"), encoding="utf-8") as key, open(options.answers, encoding="utf-8") as answers:
        counts, wrong = score(json.load(key), answers.read())
    for name, (rows, named, right) in counts.items():
        print(f"{name}: {rows} rows, {named} named, {right} with the right way as well")
    print("\n".join(wrong))


if __name__ == "__main__":
    main()
