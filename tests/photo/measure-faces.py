#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""measure-faces.py PHOTO-FIND FOLDER: how well faces are found, group by group.

FOLDER has pictures GROUP-NUMBER.png of one face each, and GROUP-NUMBER.npy with its 68 landmarks (train/heads render them).
Prints for each group: how many were found, how many of those are another place than the face, and the mean error of the five
points in percent of the distance between the eyes (seen from the side: of what it would be from the front)."""
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np


def five(landmarks: np.ndarray) -> np.ndarray:
    return np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]])


def main() -> None:
    find, folder = sys.argv[1], Path(sys.argv[2])
    lines = subprocess.run([find, *sorted(map(str, folder.glob('*.png')))], check=True, capture_output=True, text=True).stdout
    groups = defaultdict(list)
    for line in lines.splitlines():
        name, count, *values = line.split()
        true = five(np.load(Path(name).with_suffix('.npy')))
        # As from the front: eyes are about as far apart as they are above the mouth.
        size = max(np.linalg.norm(true[1] - true[0]), np.linalg.norm(true[3:].mean(0) - true[:2].mean(0)) / 1.1)
        error = np.linalg.norm(np.array(values[1:], float).reshape(5, 2) - true, axis=1).mean() / size if values else np.nan
        groups[Path(name).stem.rsplit('-', 1)[0]].append((int(count), error))
    print('group            found   elsewhere   mean error   median')
    for group, results in groups.items():
        errors = np.array([error for count, error in results if count])
        there = errors[errors < 0.5]
        figures = f'{100 * there.mean():12.1f} % {100 * np.median(there):8.1f} %' if len(there) else ''
        print(f'{group:14} {len(errors):4}/{len(results):<4} {len(errors) - len(there):6} {figures}')


if __name__ == '__main__':
    main()
