# SPDX-License-Identifier: GPL-3.0-or-later
"""Started by torchrun from test_training: trains a few steps and saves what this process ends with."""
import os
import sys

import tiny
import torch

from styleres.train import Processes, Trainer


def main(folder, sync_every):
    torch.set_num_threads(1)
    processes = Processes()
    trainer = Trainer(tiny.settings(sync_every=int(sync_every)), tiny.read_data(folder), processes)
    trainer.run(os.path.join(folder, "checkpoint.pt"), save_every=1e9)
    parameters = {name: value.detach().contiguous() for name, value in trainer.model.named_parameters()}
    torch.save({"parameters": parameters, "step": trainer.step}, os.path.join(folder, f"rank{processes.rank}.pt"))
    processes.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
