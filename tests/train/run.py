# SPDX-License-Identifier: GPL-3.0-or-later
"""run.py NAME: runs train/tests/test_NAME.py; exit status 77 (meson's "skipped") if every one of its tests was skipped."""
import sys
import unittest
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[2] / "train"


def main(name):
    sys.path.insert(0, str(TRAIN))
    suite = unittest.defaultTestLoader.loadTestsFromName("tests.test_" + name)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    if not result.wasSuccessful() or result.testsRun == 0:
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
