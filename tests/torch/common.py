# SPDX-License-Identifier: GPL-3.0-or-later
"""common.py - running dump-torch on a file, with a limit of time and of memory."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

DUMP = os.environ["DUMP_TORCH"]
MEMORY = int(os.environ.get("DUMP_TORCH_MEMORY", 300 * 1024))  # kB; a build with sanitizers needs more
SECONDS = 20  # on a machine that is busy


class Reader(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_dump(self, path, *options):
        """(status, lines, sentence): what was printed, and on which error."""
        run = subprocess.run([DUMP, *options, str(path)], capture_output=True, text=True, timeout=SECONDS)
        self.assertIn(run.returncode, (0, 1), f"{path}: {run.stderr}")
        *sentences, peak = run.stderr.splitlines()
        self.assertLess(int(peak), MEMORY, path)
        return run.returncode, run.stdout.splitlines(), sentences

    def read(self, path, *options):
        status, lines, sentences = self.run_dump(path, *options)
        self.assertEqual((status, sentences), (0, []), path)
        return lines

    def refuse(self, path, *words):
        """The file must be refused in one sentence that names it and has the words."""
        status, lines, sentences = self.run_dump(path)
        self.assertEqual(status, 1, f"{path} was taken: {lines[:5]}")
        self.assertEqual(len(sentences), 1, sentences)
        self.assertTrue(sentences[0].startswith(f"{path}: "), sentences)
        self.assertLess(len(sentences[0]), len(str(path)) + 300)
        for word in words:
            self.assertIn(word, sentences[0])

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path
