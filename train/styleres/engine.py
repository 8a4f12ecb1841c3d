# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages of training have in common: processes, precision, averaged weights, checkpoints that resume exactly, the loop.

A step is a pure function of the weights, the optimizers' state and (seed, rank, step): nothing else has to be kept, and a
resumed run ends with the same bits as one without the interruption (on a processor; GPUs add in no fixed order).
"""
import argparse
import math
import os
import time
from contextlib import nullcontext

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from . import config as configuration
from .adversary import Discriminator, Mapping, discriminator_loss, gradient_penalty
from .augment import Adaptive, augment
from .export import load_checkpoint
from .fastconv import Adam
from .networks import StyleRes
from .pictures import Loader, Pictures

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Processes:
    """This process among the others that torchrun started (or alone)."""

    def __init__(self):
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", local) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(self.device)
            torch.backends.cudnn.benchmark = True
        else:
            torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
        if self.world > 1:
            dist.init_process_group("nccl" if cuda else "gloo")

    def average(self, tensors):
        """Replaces every tensor by its mean over the processes."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.world
        offset = 0
        for tensor in tensors:
            tensor.copy_(flat[offset:offset + tensor.numel()].view(tensor.shape))
            offset += tensor.numel()

    def mean(self, value):
        """The mean of a number over the processes."""
        if self.world == 1:
            return value
        shared = torch.tensor([float(value)], device=self.device, dtype=torch.float64)
        dist.all_reduce(shared)
        return float(shared) / self.world

    def agree(self, value):
        """Rank 0's value, everywhere."""
        if self.world == 1:
            return value
        shared = torch.tensor([float(value)], device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)

    def close(self):
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


class Stage:
    """One of gan, encoder, residual: trains some parameters of the model (the player) against a critic.

    A subclass says NAME (its section of the configuration), builds `critics`, chooses what is trained, and does a step.
    """

    NAME = ""
    TO_COME = ()        # parts of the names of weights that only later stages train

    def __init__(self, config, processes, sources):
        self.config, self.settings, self.processes = config, config[self.NAME], processes
        settings, device = self.settings, processes.device
        torch.manual_seed(settings["seed"])
        self.side = settings["side"]
        self.model = StyleRes(config["model"])
        self.mapping = Mapping(config["mapping"]["z_dim"], config["model"]["w_dim"], config["mapping"]["layers"])
        self.critics = nn.ModuleDict(self.build_critics())
        self.carried = {}       # critics of earlier stages, for later ones
        self.networks = nn.ModuleDict({"model": self.model, "mapping": self.mapping, "critics": self.critics})
        self.networks.to(device=device, memory_format=torch.channels_last)
        self.networks.requires_grad_(False)
        self.parameters = self.choose_parameters()
        self.average = {name: value.detach().clone() for name, value in self.followed().items()}
        self.optimizers = {player: Adam([parameter for _, parameter in named], lr=settings["rate"], betas=tuple(settings["betas"]))
                           for player, named in self.parameters.items()}
        # float16 needs its losses scaled; bfloat16 and float32 do not.
        self.scalers = {player: torch.cuda.amp.GradScaler(enabled=device.type == "cuda" and config["precision"]["gpu"] == "float16")
                        for player in self.parameters}
        pictures = Pictures(sources, self.side, settings["cache"] << 20)
        self.loader = Loader(pictures, settings["batch"], settings["seed"], processes.rank, processes.world)
        self.step, self.spent = 0, 0.0      # steps and seconds of training, all runs together
        self.figures, self.counted, self.since = {}, 0, time.monotonic()

    # -- for subclasses

    def build_critics(self):
        return {}

    def choose_parameters(self):
        """-> {"player": [(name in networks, parameter), ...], "critic": ...}"""
        raise NotImplementedError

    def train_step(self, pictures):
        """pictures: N x 3 x side x side in -1..1 -> {figure: scalar}."""
        raise NotImplementedError

    # -- tools for steps

    def pick(self, prefix, wanted=lambda name: True):
        return [(name, parameter) for name, parameter in self.networks.named_parameters()
                if name.startswith(prefix) and wanted(name)]

    def precision(self):
        """Autocast as configured for this device. On CPUs float32 is fastest."""
        dtype = self.config["precision"][{"cuda": "gpu"}.get(self.processes.device.type, "cpu")]
        if dtype == "float32":
            return nullcontext()
        return torch.autocast(self.processes.device.type, getattr(torch, dtype))

    def turn(self, player):
        """Only this player's parameters gather gradients from now on."""
        for name, named in self.parameters.items():
            for _, parameter in named:
                parameter.requires_grad_(name == player)

    def update(self, player, loss):
        """Backward, the mean gradient over all processes, one step of the optimizer.

        R1 and path lengths take gradients of gradients, which DistributedDataParallel's hooks do not allow for; so all
        gradients are averaged here, in one reduction.
        """
        optimizer, scaler = self.optimizers[player], self.scalers[player]
        for group in optimizer.param_groups:
            group["lr"] = self.rate(player)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        parameters = [parameter for _, parameter in self.parameters[player]]
        for parameter in parameters:
            if parameter.grad is None:      # every process must reduce the same tensors
                parameter.grad = torch.zeros_like(parameter)
        with torch.no_grad():
            self.processes.average([parameter.grad for parameter in parameters])
        scaler.unscale_(optimizer)
        if self.settings["clip"]:
            nn.utils.clip_grad_norm_(parameters, self.settings["clip"])
        scaler.step(optimizer)
        scaler.update()

    def rate(self, player):
        settings, share = self.settings, self.step / self.settings["steps"]
        since = max(0.0, share - settings["decay_from"]) / max(1e-9, 1 - settings["decay_from"])
        decay = max(0.02, 0.5 + 0.5 * math.cos(math.pi * min(1.0, since)))
        factor = settings["critic_rate"] if player == "critic" else 1.0
        return settings["rate"] * factor * min(1.0, (self.step + 1) / settings["warmup"]) * decay

    def random_w(self, count):
        return self.mapping(torch.randn(count, self.mapping.z_dim, device=self.processes.device))

    # -- averaged weights

    def followed(self):
        """Parameters and running statistics whose average is what later stages and the model file get."""
        names = {name for name, _ in self.parameters["player"]}
        buffers = {name for name, _ in self.networks.named_buffers() if self.follows_buffer(name)}
        return {name: value for name, value in self.networks.state_dict().items() if name in names | buffers}

    def follows_buffer(self, name):
        return False

    @torch.no_grad()
    def follow(self):
        half = self.settings["ema_pictures"]
        seen = (self.step + 1) * self.settings["batch"] * self.processes.world
        share = 1.0 if not half else 1 - 0.5 ** (self.settings["batch"] * self.processes.world / min(half, max(1, 0.05 * seen)))
        for name, value in self.followed().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, share)
            else:
                self.average[name].copy_(value)

    def averaged(self, prefix):
        """State dict of a network with the averaged weights in it."""
        state = {name[len(prefix) + 1:]: value for name, value in self.networks.state_dict().items()
                 if name.startswith(f"{prefix}.")}
        state.update({name[len(prefix) + 1:]: value for name, value in self.average.items() if name.startswith(f"{prefix}.")})
        return state

    # -- checkpoints

    def save(self, path, compact=False):
        """compact: about half the size. Without the networks whose stage is still to come; weights that are not being trained and
        averages as float16, the optimizers' moments as bfloat16, so that resuming is close, not exact."""
        state = {"stage": self.NAME, "config": self.config, "step": self.step, "spent": self.spent, "ema": self.averaged("model"),
                 "mapping": self.averaged("mapping"), "raw": self.followed() if compact or self.settings["ema_pictures"] else {},
                 "critics": {name: critic.state_dict() for name, critic in self.critics.items()}, "carried": self.carried,
                 "absent": self.TO_COME if compact else (),
                 "optimizers": {player: optimizer.state_dict() for player, optimizer in self.optimizers.items()},
                 "scalers": {player: scaler.state_dict() for player, scaler in self.scalers.items()}, "extra": self.extra_state()}
        if compact:
            state["ema"] = narrowed({name: value for name, value in state["ema"].items()
                                     if not any(part in name for part in self.TO_COME)}, torch.float16)
            state["carried"] = {name: narrowed(weights, torch.float16) for name, weights in self.carried.items()}
            for optimizer in state["optimizers"].values():
                optimizer["state"] = {k: narrowed(moments, torch.bfloat16) for k, moments in optimizer["state"].items()}
        torch.save(state, f"{path}.part")
        os.replace(f"{path}.part", path)

    def extra_state(self):
        return {}

    def load_extra(self, state):
        pass

    def resume(self, path):
        state = torch.load(path, map_location="cpu")
        if state["stage"] != self.NAME:
            raise SystemExit(f"{path}: a checkpoint of {state['stage']}, not of {self.NAME}")
        self._take(state)
        for player, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][player])
            self.scalers[player].load_state_dict(state["scalers"][player])
        with torch.no_grad():
            own = self.networks.state_dict()
            for name, value in state["raw"].items():
                own[name].copy_(value)
        self.step, self.spent = state["step"], state["spent"]
        self.load_extra(state["extra"])

    def start_from(self, path, fresh=()):
        """Goes on from the averaged weights of an earlier stage, of training from pairs, or of a model file, but for those whose names have
        a part that is `fresh`, whatever networks there are; -> whether a mapping network was among them."""
        state = {"mapping": None, "critics": {}, "carried": {}, "absent": (), **load_checkpoint(path)}
        state["ema"] = {name: value for name, value in state["ema"].items() if not any(part in name for part in fresh)}
        state["absent"] = (*state["absent"], *fresh)
        self._take(state)
        return state["mapping"] is not None

    def _take(self, state):
        missing, unknown = self.model.load_state_dict(state["ema"], strict=False)
        unknown = [name for name in unknown if not name.startswith("direction.")]
        missing = [name for name in missing if not any(part in name for part in (*state["absent"], "num_batches_tracked"))]
        if unknown or missing:
            raise SystemExit(f"the checkpoint's model is another one: {(unknown + missing)[0]}")
        if state["mapping"] is not None:
            self.mapping.load_state_dict(state["mapping"])
        for name, weights in {**state["carried"], **state["critics"]}.items():
            if name in self.critics:
                self.critics[name].load_state_dict(weights)
            else:
                self.carried[name] = weights
        self.average = {name: value.detach().clone() for name, value in self.followed().items()}

    # -- the loop

    def advance(self):
        """One step; its figures are added up for the log."""
        numbers = np.random.SeedSequence([self.settings["seed"], self.processes.rank, self.step]).generate_state(2, np.uint32)
        torch.manual_seed(int(numbers[0]) << 32 | int(numbers[1]))
        self.model.eval()
        pictures = self.loader.batch(self.step).to(self.processes.device, non_blocking=True).float() / 127.5 - 1
        figures = self.train_step(pictures.contiguous(memory_format=torch.channels_last))
        self.follow()
        self.step += 1
        self.counted += 1
        for name, value in figures.items():
            self.figures[name] = self.figures.get(name, 0.0) + (value.detach() if torch.is_tensor(value) else value)

    def finished(self, limit=None):
        return self.step >= self.settings["steps"] or (limit is not None and self.spent >= limit)

    def run(self, out, end=None, limit=None, most_steps=None, save_every=180.0, log_every=30.0, compact=False):
        """Until settings.steps, time.monotonic() = end, or `limit` seconds spent in this stage; -> a line of figures.

        Process 0 writes the checkpoint to `out`.
        """
        began, first_step, spent = time.monotonic(), self.step, self.spent
        last_save = last_log = began
        while not self.finished() and (most_steps is None or self.step < first_step + most_steps):
            self.advance()
            if self.step % 10:
                continue
            now = time.monotonic()
            self.spent = spent + now - began
            if self.processes.rank == 0 and now - last_log >= log_every:
                print(self.line(), flush=True)
                last_log = now
            if self.processes.rank == 0 and now - last_save >= save_every:
                self.save(out, compact)
                last_save = now
            if self.processes.agree((end is not None and now > end) or self.finished(limit)):
                break
        self.spent = spent + time.monotonic() - began
        if self.processes.rank == 0:
            self.save(out, compact)
        return self.line()

    def line(self):
        """The figures since the last line, in one line."""
        now, count = time.monotonic(), max(1, self.counted)
        figures = " ".join(f"{name} {float(value) / count:.4g}" for name, value in self.figures.items())
        speed = self.counted * self.settings["batch"] * self.processes.world / max(now - self.since, 1e-9)
        shown = f"{self.NAME}  step {self.step} of {self.settings['steps']}  {speed:.1f} pictures/s  {figures}"
        self.figures, self.counted, self.since = {}, 0, now
        return shown


class AdversarialStage(Stage):
    """A stage whose pictures must please StyleGAN2's discriminator, with adaptive augmentation and lazy R1."""

    def __init__(self, config, processes, sources):
        super().__init__(config, processes, sources)
        self.adaptive = Adaptive(self.settings["ada_target"], self.settings["ada_pictures"])

    def build_critics(self):
        settings = self.config["gan"]
        return {"discriminator": Discriminator(self.side, settings["discriminator"], settings["spread_group"])}

    def judge(self, pictures):
        return self.critics["discriminator"](augment(pictures, self.adaptive.chance))

    def critic_step(self, pictures, fakes):
        """Real pictures and ones made without gradients -> the discriminator's loss."""
        settings, discriminator = self.settings, self.critics["discriminator"]
        self.turn("critic")
        with self.precision():
            real = augment(pictures, self.adaptive.chance)
            on_real = discriminator(real)
            loss = discriminator_loss(on_real, self.judge(fakes))
        figure = loss.detach()
        if self.step % settings["r1_every"] == 0:
            loss = loss + 0.5 * settings["r1_weight"] * settings["r1_every"] * gradient_penalty(discriminator, real)
        self.update("critic", loss)
        self.adaptive.observe(on_real, self.processes, len(pictures) * self.processes.world)
        return figure

    def extra_state(self):
        return {"adaptive": self.adaptive.state()}

    def load_extra(self, state):
        self.adaptive.load(state["adaptive"])


def narrowed(tensors, dtype):
    """The matrices among some tensors in 16 bits."""
    return {name: value.to(dtype) if torch.is_tensor(value) and value.dtype == torch.float32 and value.ndim > 1 else value
            for name, value in tensors.items()}


def describe(stage):
    trained = sum(parameter.numel() for _, parameter in stage.parameters["player"])
    world, device = stage.processes.world, stage.processes.device
    return (f"{stage.NAME}: {len(stage.loader.pictures)} pictures, side {stage.side}, {trained / 1e6:.2f} M parameters, "
            f"{world} x {device}, batch {world} x {stage.settings['batch']}")


def main(kind):
    parser = argparse.ArgumentParser(prog=f"python3 -m styleres.{kind.NAME}", description=kind.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="checkpoint to write")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=".npz, .zip, image files, or folders of them")
    parser.add_argument("--config", default=os.path.join(HERE, "config.toml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="overrides a setting")
    parser.add_argument("--minutes", type=float, help="stop after so long; --resume goes on")
    parser.add_argument("--save-every", type=float, default=600, metavar="SECONDS")
    parser.add_argument("--compact", action="store_true", help="checkpoints of about half the size; resuming is not exact")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from OUT")
    start.add_argument("--from", dest="start", metavar="FILE", help="checkpoint of the stage before this one, or a model file")
    options = parser.parse_args()
    processes = Processes()
    stage = kind(configuration.load(options.config, options.set), processes, options.data)
    if options.resume:
        stage.resume(options.out)
    elif options.start:
        stage.start_from(options.start)
    if processes.rank == 0:
        print(describe(stage), flush=True)
    end = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    line = stage.run(options.out, end, save_every=options.save_every, compact=options.compact)
    if processes.rank == 0:
        print(line, flush=True)
    processes.close()
