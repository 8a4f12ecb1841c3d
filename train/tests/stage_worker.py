# SPDX-License-Identifier: GPL-3.0-or-later
"""Started by torchrun from test_stages: three steps of every stage; saves what this process ends with."""
import os
import sys

import tiny
import torch

from styleres.encoder import E4e
from styleres.engine import Processes
from styleres.gan import Gan
from styleres.residual import Residual


def main(folder):
    processes = Processes()
    sources = [os.path.join(folder, name) for name in ("real32.npz", "000000.npz", "000001.npz")]
    for kind in (Gan, E4e, Residual):
        stage = kind(tiny.stage_settings(), processes, sources)
        for _ in range(3):
            stage.advance()
        torch.save(stage.networks.state_dict(), os.path.join(folder, f"{kind.NAME}{processes.rank}.pt"))
    processes.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
