# SPDX-License-Identifier: GPL-3.0-or-later
"""Training.

usage: python3 -m styleres.train OUT.pt --data DIR --renders DIR [--minutes M] [--until STEP] [--resume | --init OTHER.pt] [--critic CRITIC.pt]

OUT.pt is written every few minutes and at the end; --resume goes on from it (with the same settings: same result as without the
interruption), --until ends a run before its time, to be resumed with other settings perhaps, --init starts a new run from another
checkpoint's averaged weights or from a model file. Several processes or machines: start it by torchrun.
With train.sync_every = 1 they average gradients at every step (DistributedDataParallel), else they train alone and
average weights and optimizer state every sync_every steps (cheaper on slow or unevenly loaded machines).
"""
import argparse
import math
import os
import sys
import time
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from . import config as configuration
from .adversary import generator_loss
from .critic import Critic
from .data import SHAPE, SMILE, TrainingData, load
from .engine import HERE, Processes
from .export import load_weights
from .fastconv import Adam
from .losses import contrast_loss, face_weights, picture_loss
from .networks import StyleRes, known_motion, moved, shown, shrink
from .objectives import load_judge
from .paths import Paths

STILL = 0.25    # cells of the motion: less than this hardly moves
STRETCHED, SMEARED = (0.4, 0.8), 0.25   # cells of the photo to one of the target, where the target counts as little as that, and fully
UNLIKE, UNLIKE_STILL = 0.15, 0.03   # mean difference of nearby pixels (of -1..1) from which on the photo, moved or as it is, does not give the picture


class Losses(nn.Module):
    """One training step's losses as one module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model, loss, side, perceptual=None):
        super().__init__()
        self.model, self.loss, self.side, self.perceptual = model, loss, side, perceptual
        self.register_buffer("weights", face_weights(side), persistent=False)

    def forward(self, photo, target, delta, flow, turned=None, critic=None):
        """photo: N x 3 x input x input; target: N K x 3 x input x input; delta: N K x edits, zero where target = photo;
        flow: N K x 2 x c x c, where every cell of the target is in the photo (c-ths of the side; NaN: nobody knows); turned: further
        photos, edits and flows of which only the motion is wanted; critic: the network that the pictures must please.
        -> loss, {term: value}, the pictures"""
        model, synthesis, side = self.model, self.model.synthesis, self.side
        targets = target.shape[0] // photo.shape[0]
        inversion = model.invert(photo, side)
        edited = model.edit(inversion.w_plus.repeat_interleave(targets, 0), delta)
        feats, rgb = synthesis.low(edited)
        pictures, added, motion, share = model.decode(edited, inversion.repeat(targets), side, (feats, rgb))
        coarse = synthesis.high(feats, rgb, edited, side // 2)
        target, before = shrink(target, side), shrink(photo, side).repeat_interleave(targets, 0)
        weights = self.weights * self.change_weights(before, target)
        sure = sharp(flow) if critic else None      # the critic knows better what is not smeared
        wanted = target if sure is None else eased(pictures, target, sure)
        real = picture_loss(pictures, wanted, weights, self.loss)
        w_only = picture_loss(coarse, F.avg_pool2d(target, 2), F.avg_pool2d(weights, 2), self.loss)
        is_edit = (delta != 0).any(1).float()
        importance = 1 + is_edit * (self.loss["edit"] * self.balance(before, target, weights) - 1)
        varied = is_edit * contrast_loss(pictures, wanted, weights)
        total = (importance * (real + self.loss["w_only"] * w_only + self.loss["contrast"] * varied)).mean()
        total = total + self.loss["residual"] * added.abs().mean()
        last = slice(targets - 1, None, targets)    # never the photo itself
        cycle, missed = self.cycle(photo, pictures, delta, motion, flow, targets)
        total = total + self.loss["cycle"] * cycle + self.loss["motion_cycle"] * missed
        edits, others = is_edit.sum().clamp(min=1), (1 - is_edit).sum().clamp(min=1)
        parts = {"full": (real * (1 - is_edit)).sum() / others, "edit": (real * is_edit).sum() / edits,
                 "contrast": varied.sum() / edits, "w_only": w_only.mean(), "residual": added.abs().mean(), "cycle": cycle, "missed": missed}
        if motion is not None:
            carried = moved(before, motion)
            parts["motion"] = self.motion_loss(carried, target, motion, delta, flow).mean()
            total = total + self.loss["motion"] * parts["motion"]
            if turned and len(turned[0]):
                parts["turned"] = self.astray(*turned)
                total = total + self.loss["turned"] * parts["turned"]
        if share is not None:
            parts["carry"] = self.carry_loss(share, carried.detach(), target, motion.detach(), sure).mean()
            total = total + self.loss["carry"] * parts["carry"]
        if self.perceptual:
            parts["perceptual"] = self.perceptual(pictures[last], wanted[last]).mean()
            total = total + self.loss["perceptual"] * parts["perceptual"]
        if critic:
            parts["adversarial"] = generator_loss(critic(pictures.float()))
            total = total + self.loss["adversarial"] * parts["adversarial"]
        parts = {name: value.detach() for name, value in parts.items()}
        return total, parts, pictures.detach()

    @staticmethod
    def carry_loss(share, carried, target, motion, sure=None):
        """N: how much is not carried over of what, moved, is the target; how much is carried over of what is not (teeth, where lips should
        be). What hardly moves must be the target more exactly: to change colours a little is what some edits are for. carried: the photo, moved; sure: how much a place counts."""
        size = share.shape[2:]
        moves = F.interpolate((motion.norm(dim=1, keepdim=True) / STILL).clamp(max=1), size, mode="bilinear", align_corners=False)
        unlike = (smooth(carried - target) / (UNLIKE_STILL + moves * (UNLIKE - UNLIKE_STILL))).clamp(max=1)
        wrong = (1 - unlike) * (1 - share) + unlike * share
        return (wrong if sure is None else wrong * F.interpolate(sure, size, mode="bilinear", align_corners=False)).mean((1, 2, 3))

    def astray(self, photo, delta, flow):
        """By how many cells the motion of these edits is not the known one."""
        motion = self.model.motion_of(photo, delta, self.side)
        return (motion - known_motion(flow, motion.shape[2])[0]).abs().mean()

    def motion_loss(self, carried, target, motion, delta, flow):
        """N: things must move as they are known to; else the photo itself, moved, must look like the target, if the edit is one of
        shape; else nothing must move."""
        way, known = known_motion(flow, motion.shape[2])
        astray = (motion - way).abs().mean((1, 2, 3))
        shape = (delta[:, SHAPE] != 0).any(1).float()
        unlike, weights = 0.0, self.weights
        for _ in range(3):
            unlike = unlike + ((carried - target).abs() * weights).mean((1, 2, 3))
            carried, target, weights = (F.avg_pool2d(x, 2) for x in (carried, target, weights))
        across, down = motion[..., 1:] - motion[..., :-1], motion[:, :, 1:] - motion[:, :, :-1]
        rough = across.abs().mean((1, 2, 3)) + down.abs().mean((1, 2, 3))
        return torch.where(known, astray, shape * unlike + (1 - shape) * motion.abs().mean((1, 2, 3)) + 0.1 * rough)

    def cycle(self, photo, pictures, delta, motion, flow, targets):
        """The last edit of every photo, encoded anew and with the edit undone, must give the photo, as far as the edited picture shows it
        (a turn hides things; and not where the mouth closes: who asks for the teeth back gets lips that they shine through); the
        inversion, where that is among the targets (then it is the first), too. -> how much the pictures differ, and by how much
        (cells) the way there and the way back together miss where they started."""
        missed = photo.new_zeros(())
        if not self.loss["cycle"] or self.side < self.model.config["input"]:
            return missed, missed
        first = torch.arange(0, len(delta), targets, device=photo.device)
        last = first + targets - 1
        chosen = torch.cat([last[delta[last, SMILE] > self.loss["closes"]], first[(delta[first] == 0).all(1)]])
        if not len(chosen):
            return missed, missed
        returned = Paths(self.model, self.side).undo(pictures[chosen], lambda w_plus: self.model.edit(w_plus, -delta[chosen]))
        target = shrink(photo, self.side)[chosen // targets]
        if motion is not None:
            there = motion[chosen]
            way, known = known_motion(flow[chosen], there.shape[2])
            seen = shown(torch.where(known[:, None, None, None], way, there.detach()))
            missed = ((returned.motion + moved(there, returned.motion)).abs() * seen).mean()
            target = eased(returned.picture, target, seen)
        return picture_loss(returned.picture, target, self.weights, self.loss).mean(), missed

    @torch.no_grad()
    def balance(self, photo, target, weights):
        """N: more for edits that change little (a smile) than for those that change much (hair going grey)."""
        unchanged = picture_loss(photo, target, weights, self.loss)
        return (self.loss["balance"] / (unchanged + 0.15)).clamp(max=2.5)

    def change_weights(self, photo, target):
        """N x 1 x side x side, 1 or more: what the edit must change counts more than what it must only keep."""
        return 1 + self.loss["change"] * (smooth(target - photo) / 0.3).clamp(max=1)


def eased(picture, target, share):
    """The target, where only a share of the difference counts: N x 1 x c x c, 0..1."""
    return picture + F.interpolate(share, target.shape[2:], mode="bilinear", align_corners=False) * (target - picture)


def sharp(flow):
    """N x 1 x c x c, SMEARED..1: less where a turned portrait is stretched across and thus no good example; flow as for Losses."""
    way, _ = known_motion(flow, flow.shape[2])
    way = F.pad(way[:, :1], (1, 1, 0, 0), "replicate")
    drawn = 1 + (way[..., 2:] - way[..., :-2]) / 2      # cells of the photo to a cell
    return ((drawn - STRETCHED[0]) / (STRETCHED[1] - STRETCHED[0])).clamp(SMEARED, 1)


def smooth(difference):
    """N x 3 x H x W -> N x 1 x H x W: how large it is, over 5 x 5 pixels."""
    return F.avg_pool2d(difference.abs().mean(1, keepdim=True), 5, 1, 2, count_include_pad=False)


def kind_of(name):
    """Which learning rate a parameter has."""
    for kind in ("motion", "carry"):
        if f"modify_feature_{kind}" in name:
            return kind
    if "modify_feature" in name:
        return "gate" if ".convs2." in name else "residual"
    return "generator" if name == "latent_avg" else name.split(".")[0]


# ---------------------------------------------------------------- the run


class Steps(Dataset):
    """The batch of every step, its further turned portraits, and as many real pictures; a pure function of seed, rank and step."""

    def __init__(self, data, seed, rank, real):
        self.data, self.seed, self.rank, self.real = data, seed, rank, real

    def __getitem__(self, step):
        random = np.random.default_rng([self.seed, self.rank, step])
        return self.data.batch(random), self.data.turns(random), (self.data.originals(random),) if self.real else ()


class Trainer:
    def __init__(self, config, data, processes, minutes=None):
        self.config, self.settings, self.data, self.processes = config, config["train"], data, processes
        self.minutes, self.started, self.spent = minutes, time.monotonic(), 0.0
        torch.manual_seed(self.settings["seed"])
        self.model = StyleRes(config["model"], list(config["edits"]), self.settings["direction_size"])
        self._to_device()
        self.ema = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimizer = self._optimizer()
        self.perceptual = load_judge("perceptual", config["judges"]["perceptual"]) if config["loss"]["perceptual"] else None
        if self.perceptual:
            self.perceptual.to(processes.device)
        self.critic = Critic(config["critic"], processes.device) if config["loss"]["adversarial"] else None
        self.step, self.stage, self.share, self.batches = 0, None, 0.0, None

    def _to_device(self):
        self.model.to(device=self.processes.device, memory_format=torch.channels_last)

    def _optimizer(self):
        rates = {"direction": self.settings["direction_rate"], "e4e": self.settings["encoder_rate"],
                 "residual": self.settings["residual_rate"], "gate": self.settings["gate_rate"], "motion": self.settings["motion_rate"],
                 "carry": self.settings["carry_rate"], "generator": 1.0}
        groups = {kind: [] for kind in rates}
        for name, parameter in self.model.named_parameters():
            groups[kind_of(name)].append(parameter)
        return Adam([{"params": groups[kind], "factor": rate} for kind, rate in rates.items()],
                                lr=self.settings["learning_rate"], betas=(0.9, 0.99))

    # -- checkpoints

    def save(self, path):
        """Everything that resuming needs. The random numbers of a step follow from seed, rank and step alone."""
        state = {"config": self.config, "step": self.step, "share": self.share, "spent": self.elapsed(),
                 "model": self.model.state_dict(), "ema": self.ema, "optimizer": self.optimizer.state_dict(),
                 "critic": self.critic and self.critic.state_dict()}
        torch.save(state, f"{path}.part")
        os.replace(f"{path}.part", path)

    def resume(self, path):
        state = torch.load(path, map_location="cpu")
        self.model.load_state_dict(state["model"])
        self.ema = {name: value.to(self.processes.device) for name, value in state["ema"].items()}
        factors = [group["factor"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, factor in zip(self.optimizer.param_groups, factors):
            group["factor"] = factor    # the configuration's, not the checkpoint's
        if self.critic and state.get("critic"):
            self.critic.load_state_dict(state["critic"])
        self.step, self.spent, self.share = state["step"], state["spent"], state["share"]

    def start_from(self, path, fresh=()):
        """Another run's averaged weights or a model file; tensors whose name starts with one of `fresh` keep their initial values."""
        state = load_weights(path, self.config["edits"])
        kept = {name: value for name, value in state.items() if not name.startswith(tuple(fresh) or ("\0",))}
        missing, _ = self.model.load_state_dict(kept, strict=False)
        self.ema = {name: value.clone() for name, value in self.model.state_dict().items()}
        return missing

    # -- schedule

    def elapsed(self):
        return self.spent + time.monotonic() - self.started

    def update_share(self):
        """How much of the run is done, 0..1: by the clock with --minutes, else by steps."""
        share = self.elapsed() / 60 / self.minutes if self.minutes else self.step / self.settings["steps"]
        self.share = self.processes.agree(share)

    def learning_rate(self):
        settings, since = self.settings, max(0.0, self.share - self.settings["decay_from"])
        decay = 0.5 + 0.5 * math.cos(math.pi * min(1.0, since / max(1e-9, 1 - settings["decay_from"])))
        return settings["learning_rate"] * min(1.0, (self.step + 1) / settings["warmup"]) * max(decay, 0.02)

    def enter_stage(self):
        """Output side by the share of the run; freezes what that side does not reach."""
        side = [side for begin, side in self.settings["stages"] if self.share >= begin][-1]
        if side == self.stage:
            return
        self.stage = side
        self.model.requires_grad_(True)
        for resolution in self.model.synthesis.resolutions:
            self.model.synthesis.block(resolution).requires_grad_(resolution <= side)
        for head in self.model.e4e.styles[self.model.rows_for(side):]:
            head.requires_grad_(False)
        if "p1" not in self.model.e4e.heads[:self.model.rows_for(side)]:
            self.model.e4e.latlayer2.requires_grad_(False)
        # Smaller pictures are not worth judging.
        self.judged = side >= self.config["model"]["input"]
        perceptual = self.perceptual if self.judged else None
        self.losses = Losses(self.model, self.config["loss"], side, perceptual).to(self.processes.device)
        if self.gradient_averaging():
            self.losses = DistributedDataParallel(self.losses)

    def gradient_averaging(self):
        return self.processes.world > 1 and self.settings["sync_every"] == 1

    # -- one step

    def prepared_batches(self):
        """From this step on; made by train.workers processes beside this one, 0: in this one when they are wanted."""
        steps = Steps(self.data, self.settings["seed"], self.processes.rank, bool(self.critic))
        return iter(DataLoader(steps, batch_size=None, sampler=range(self.step, sys.maxsize), num_workers=self.settings["workers"],
                               pin_memory=self.processes.device.type == "cuda"))

    def precision(self):
        # On CPUs bfloat16 convolutions are slower than float32 ones.
        return torch.autocast("cuda", torch.bfloat16) if self.processes.device.type == "cuda" else nullcontext()

    def train_step(self):
        self.model.train()
        if self.share >= self.settings["freeze_norm_from"]:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.batches = self.batches or self.prepared_batches()
        (photo, target, delta, flow), turned, real = ([x.to(self.processes.device, non_blocking=True) for x in part] for part in next(self.batches))
        photo = photo.contiguous(memory_format=torch.channels_last)
        critic = self.critic if self.judged else None
        with self.precision():
            total, parts, made = self.losses(photo, target, delta, flow, turned, critic and critic.network)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        if critic:
            parts["critic"] = critic.learn(made.float(), shrink(real[0], self.stage), self.step, self.processes.average)
        self.step += 1
        self.update_ema()
        if not self.gradient_averaging() and self.step % self.settings["sync_every"] == 0:
            self.synchronise()
        return parts

    @torch.no_grad()
    def update_ema(self, every=4):
        if self.step % every:
            return
        share = 1 - min(self.settings["ema"], 1 - 1 / (self.step / 3 + 2)) ** every
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, share)
            else:
                self.ema[name].copy_(value)

    @torch.no_grad()
    def synchronise(self):
        moments = [value for state in self.optimizer.state.values() for key, value in state.items()
                   if key in ("exp_avg", "exp_avg_sq")]
        weights = list(self.model.state_dict().values()) + list(self.ema.values())
        self.processes.average([x for x in weights if x.is_floating_point()] + moments)

    # -- the loop

    def run(self, out, save_every, log_every=30.0, until=math.inf):
        """until: a step after which to end before the time, where the processes agree (a multiple of sync_every)."""
        sync, sums, last = self.settings["sync_every"], {}, time.monotonic()
        last_save, last_step = last, self.step
        while True:
            if self.step % sync == 0:
                self.update_share()
                if self.share >= 1 or self.step >= until:
                    break
                self.enter_stage()
                if self.processes.rank == 0 and time.monotonic() - last_save > save_every:
                    self.save(out)
                    last_save = time.monotonic()
            for name, value in self.train_step().items():
                sums[name] = sums.get(name, 0) + float(value)
            now = time.monotonic()
            if now - last >= log_every and self.processes.rank == 0:
                self._log(sums, self.step - last_step, now - last)
                sums, last, last_step = {}, now, self.step
        if self.processes.rank == 0:
            self.save(out)

    def _log(self, sums, steps, seconds):
        losses = " ".join(f"{name} {value / steps:.4f}" for name, value in sums.items())
        speed = steps * sum(self.data.mix.values()) * self.data.targets * self.processes.world / seconds
        print(f"{self.elapsed() / 60:6.1f} min  {100 * self.share:5.1f} %  step {self.step}  side {self.stage}  "
              f"{speed:.1f} pictures/s  rate {self.learning_rate():.5f}  {losses}", flush=True)


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("out", help="checkpoint to write")
    result.add_argument("--data", required=True, help="folder with real128.npz, turns.npz, smiles.npz, age.npz, or the one file of styleres.data")
    result.add_argument("--renders", help="folder of rendered identities (*.npz)")
    result.add_argument("--config", default=os.path.join(HERE, "config.toml"))
    result.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="overrides a setting")
    result.add_argument("--minutes", type=float, help="length by the clock instead of train.steps")
    result.add_argument("--until", type=int, default=math.inf, metavar="STEP", help="ends there (at the next multiple of train.sync_every), as if interrupted")
    result.add_argument("--save-every", type=float, default=180, metavar="SECONDS")
    result.add_argument("--resume", action="store_true", help="go on from OUT")
    result.add_argument("--init", metavar="FILE", help="start from another run's averaged weights or a model file")
    result.add_argument("--critic", metavar="FILE", help="start with its discriminator: of styleres.critic or of another run")
    result.add_argument("--fresh", action="append", default=[], metavar="PREFIX",
                        help="with --init: tensors of this name keep their initial values")
    return result


def main(arguments=None):
    options = parser().parse_args(arguments)
    processes = Processes()
    settings = configuration.load(options.config, options.set)
    data = TrainingData(load(options.data, options.renders), settings["train"])
    trainer = Trainer(settings, data, processes, options.minutes)
    if options.resume:
        trainer.resume(options.out)
    elif options.init:
        trainer.start_from(options.init, options.fresh)
    if options.critic and trainer.critic and not options.resume:
        try:
            trainer.critic.load_state_dict(torch.load(options.critic, map_location="cpu")["critic"])
        except (KeyError, RuntimeError, TypeError):
            raise SystemExit(f"{options.critic}: no discriminator as [critic] describes it") from None
    if processes.rank == 0:
        count = sum(parameter.numel() for parameter in trainer.model.parameters())
        print(f"{data}; {count / 1e6:.2f} M parameters; {processes.world} x {processes.device}", flush=True)
    trainer.run(options.out, options.save_every, until=options.until)
    processes.close()


if __name__ == "__main__":
    main()
