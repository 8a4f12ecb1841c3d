# SPDX-License-Identifier: GPL-3.0-or-later
"""Training, checkpoints, several processes, the last block, export; all on a very small model and random pictures."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tiny  # noqa: E402
from styleres import average, config, critic, data, evaluate, export, flops, grow, losses, perceptual, train, trunk  # noqa: E402
from styleres.networks import StyleRes, known_motion, moved  # noqa: E402
from styleres.train import UNLIKE, UNLIKE_STILL, Losses, Processes, Trainer  # noqa: E402


def unknown(count):
    """Where things went, if nobody knows."""
    return torch.full((count, 2, 1, 1), float("nan"))


class TrainingTest(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.data = tiny.make_data(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def trainer(self, **settings):
        return Trainer(tiny.settings(**settings), self.data, Processes())

    def same(self, first, second):
        self.assertEqual(first.keys(), second.keys())
        for name in first:
            self.assertTrue(torch.equal(first[name], second[name]), name)


class DataTest(TrainingTest):
    def test_held_out_people_are_never_used(self):
        with np.load(self.path("real128.npz")) as real, np.load(self.path("turns.npz")) as turns:
            np.testing.assert_array_equal(self.data.portraits, real["img"][1:])
            known = [picture for pictures in self.data.variants for picture, _ in pictures]
            for picture in turns["img"][turns["src"] == 0]:
                self.assertFalse(any(np.array_equal(picture, other) for other in known))
            np.testing.assert_array_equal(self.data.variants[2][1][0], turns["img"][turns["src"] == 3][1])
            np.testing.assert_array_equal(self.data.variants[2][1][1], turns["delta"][turns["src"] == 3][1])

    def test_packed_data_is_small_and_close(self):
        arrays = data.read(self.folder, self.folder)
        raw = sum(value.nbytes for value in arrays.values())
        self.assertLess(data.pack(arrays, self.path("packed.npz"), 92), 0.6 * raw)
        again = data.unpack(self.path("packed.npz"))
        self.assertEqual(again.keys(), arrays.keys())
        for name, value in arrays.items():
            self.assertEqual(again[name].shape, value.shape)
            self.assertLess(np.abs(again[name].astype(float) - value).sum() / max(1, value.size), 4 if name in data.PICTURES else 1e-9, name)

    def test_batch_depends_on_the_generator_alone(self):
        first, second, other = (self.data.batch(np.random.default_rng([1, 0, k])) for k in (5, 5, 6))
        for a, b in zip(first, second):
            np.testing.assert_array_equal(a, b)
        self.assertFalse(torch.equal(first[0], other[0]))
        self.assertEqual([tuple(x.shape) for x in first], [(3, 3, 32, 32), (6, 3, 32, 32), (6, 4), (6, 2, 4, 4)])
        self.assertLessEqual(float(first[0].abs().max()), 1.0)

    def test_favoured_labels_are_chosen_more_often(self):
        labels = [np.zeros(4, np.float32)] + [np.eye(4, dtype=np.float32)[k] for k in range(4)]
        self.data.reconstruct = 0.0
        counts = {}
        for favour in ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 8.0, 0.0]):
            self.data.favour, random = np.array(favour), np.random.default_rng(1)
            chosen = [k for _ in range(200) for k in self.data._choose_targets(random, 0, labels)]
            counts[favour[2]] = chosen.count(3) / len(chosen)
        self.assertAlmostEqual(counts[0.0], 1 / 4, delta=0.06)
        self.assertAlmostEqual(counts[8.0], 9 / 12, delta=0.06)

    def test_heads_are_asked_for_more_than_they_can_have(self):
        for label, (beyond, least, most) in data.BEYOND.items():
            labels = np.array([least, (least + most) / 2, most + 0.05], np.float32)
            wishes = np.stack([self.data._wishes(np.random.default_rng(k), labels, beyond, least, most) for k in range(200)])
            self.assertTrue((wishes[:, 1] == 0).all())
            for column, sign in ((0, -1), (2, 1)):
                asked = wishes[:, column] * sign
                self.assertTrue((asked >= 0).all() and (asked <= beyond).all())
                self.assertAlmostEqual((asked > 0).mean(), 0.5, delta=0.1)
        self.data.mix = {"render": 1}
        self.data.render_labels[..., [data.SMILE, data.HAIR]] = 0       # all four of them are serious and have black hair
        deltas = np.concatenate([self.data.batch(np.random.default_rng(k))[2] for k in range(40)])
        for label in data.BEYOND:
            asked = deltas[:, label]
            self.assertTrue((asked <= 0).all() and (asked < 0).any() and (asked == 0).any(), label)
            self.assertTrue((self.data.render_labels[..., label] == 0).all())

    def test_known_ways_lead_from_target_to_photo(self):
        random = np.random.default_rng(3)
        picture = random.integers(0, 256, (32, 32, 3), np.uint8)
        gone = np.roll(picture, (4, 8), (0, 1))                      # one cell of 4 pixels down, two to the right
        flow = np.zeros((1, 2, 2, 8, 8), np.float16) + np.array([[-2, -1], [2, 1]], np.float16)[:, :, None, None]
        turns = dict(src=np.array([0, 0]), img=np.stack([gone, picture]), delta=np.float32([[0, 0, 0.5, 0], [0, 0, -0.5, 0]]))
        other = dict(src=np.array([0]), img=picture[None], delta=np.float32([[0.5, 0, 0, 0]]))
        np.savez(self.path("real128.npz"), img=picture[None], hold=np.zeros(1, bool))
        np.savez(self.path("turns.npz"), **turns, flow=np.concatenate([flow, 0 * flow]))
        for name in ("smiles.npz", "age.npz"):
            np.savez(self.path(name), **other)
        arrays = data.read(self.folder, self.folder)
        self.assertEqual(arrays["flow_row"].tolist(), [0, 1, -1, -1])
        samples = data.TrainingData(arrays, dict(tiny.settings()["train"], mix={"portrait": 1}, targets=3, reconstruct=0.2))
        seen = set()
        for step in range(60):
            photo, target, delta, ways = samples.batch(np.random.default_rng(step))
            for picture, change, way in zip(target, delta, ways):
                if way.isnan().any():
                    self.assertFalse(bool(change[2]) and abs(float(change[2])) != 1 and not change[0])
                    continue
                difference = (moved(photo, way[None]) - picture)[0, :, 8:-8, 8:-8].abs().max()
                self.assertLess(float(difference), 1e-5)
                seen.add((float(change[2]), float(way[0, 0, 0])))
        # there, back and mirrored; the second turn moves nothing
        self.assertEqual(seen, {(0.5, -2.0), (-0.5, 2.0), (0.5, 0.0), (-0.5, 0.0)})

    def test_turned_portraits_of_which_only_the_motion_is_wanted(self):
        self.assertEqual(len(self.data.turns(np.random.default_rng(1))[0]), 0)
        self.data.turned = 20
        photo, delta, flow = self.data.turns(np.random.default_rng(1))
        self.assertEqual([tuple(x.shape) for x in (photo, delta, flow)], [(20, 3, 32, 32), (20, 4), (20, 2, 4, 4)])
        np.testing.assert_allclose(flow[:, 0, 2, 2], -delta[:, 2], atol=1e-3)        # mirrored or not, there or back
        self.assertTrue((delta[:, 2] > 0).any() and (delta[:, 2] < 0).any())
        self.assertGreater(len({float(abs(x)) for x in delta[:, 0]}), 5)

    def test_made_by_an_older_version_is_one_clear_error(self):
        np.savez(self.path("000001.npz"), img=np.zeros((4, 32, 32, 3), np.uint8), par=np.zeros((4, 3)))
        with self.assertRaisesRegex(SystemExit, "3 labels, not 4"):
            data.read(self.folder, self.folder)

    def test_missing_settings_are_refused(self):
        with self.assertRaises(SystemExit):
            config.load(tiny.TRAIN / "config.toml", ["train.no_such_key=1"])
        with self.assertRaisesRegex(SystemExit, "no TOML value"):
            config.load(tiny.TRAIN / "config.toml", ["train.steps=many"])
        with self.assertRaises(ValueError):
            config.check_model(dict(tiny.MODEL, num_ws=10))


class RunTest(TrainingTest):
    def test_further_turned_portraits_teach_the_motion(self):
        trainer = self.trainer(turned=3, workers=0)
        trainer.data.turned = 3
        trainer.enter_stage()
        (photo, target, delta, flow), turned, _ = next(trainer.prepared_batches())
        trainer.losses.eval()
        total, parts, _ = trainer.losses(photo, target, delta, flow, turned)
        plain, others, _ = trainer.losses(photo, target, delta, flow)
        self.assertNotIn("turned", others)
        self.assertAlmostEqual(float(total - plain), trainer.losses.loss["turned"] * float(parts["turned"]), places=4)
        motion = trainer.model.motion_of(turned[0], turned[1], 32)
        missed = motion - known_motion(turned[2], motion.shape[2])[0]
        self.assertAlmostEqual(float(parts["turned"]), float(missed.abs().mean()), places=5)

    def test_loss_falls(self):
        trainer = self.trainer(steps=60, stages=[[0.0, 16]], learning_rate=3e-3, warmup=5)
        losses = []
        for _ in range(60):
            trainer.update_share()
            trainer.enter_stage()
            losses.append(float(trainer.train_step()["w_only"]))
        self.assertLess(np.mean(losses[-10:]), 0.85 * np.mean(losses[:5]))

    def test_cycle_looks_at_sides_the_encoder_can_read(self):
        for side, cycles in ((16, False), (32, True)):
            settings = dict(tiny.settings()["loss"], cycle=1.0)
            model = StyleRes(tiny.MODEL, ["age", "smile", "pose"])
            total, parts, _ = Losses(model, settings, side)(torch.rand(2, 3, 32, 32), torch.rand(4, 3, 32, 32), torch.rand(4, 3), unknown(4))
            self.assertEqual(float(parts["cycle"]) > 0, cycles)
            plain, _, _ = Losses(model, dict(settings, cycle=0.0), side)(
                torch.zeros(2, 3, 32, 32), torch.zeros(4, 3, 32, 32), torch.rand(4, 3), unknown(4))
            self.assertTrue(bool(torch.isfinite(total + plain)))

    def test_cycle_takes_last_edits_and_inversions(self):
        losses = Losses(StyleRes(tiny.MODEL, ["age", "smile", "pose"]).eval(), dict(tiny.settings()["loss"], cycle=1.0), 32)
        photo, pictures, delta = torch.rand(3, 3, 32, 32), torch.rand(6, 3, 32, 32), torch.rand(6, 3)
        delta[0], delta[5, 1] = 0, -0.7     # an inversion; a mouth that closes, which nothing opens as it was
        motion = torch.zeros(len(delta), 2, 8, 8)
        plain = losses.cycle(photo, pictures, delta, motion, unknown(len(delta)), 2)[0]
        for row, counts in enumerate((True, True, False, True, False, False)):
            other = pictures.clone()
            other[row] += 0.5
            self.assertEqual(not torch.equal(losses.cycle(photo, other, delta, motion, unknown(len(delta)), 2)[0], plain), counts, row)
        delta[:, 1] = -0.7
        self.assertEqual([float(part) for part in losses.cycle(photo, pictures, delta, motion, unknown(len(delta)), 2)], [0.0, 0.0])

    def test_cycle_does_not_ask_for_what_a_turn_hides(self):
        losses = Losses(StyleRes(tiny.MODEL, ["age", "smile", "pose"]).eval(), dict(tiny.settings()["loss"], cycle=1.0), 32)
        pictures, motion, delta = torch.rand(1, 3, 32, 32), torch.rand(1, 2, 8, 8), torch.tensor([[0.0, 0.0, 0.5]])
        flow, seen = torch.rand(1, 2, 8, 8), torch.ones(1, 1, 8, 8)
        seen[..., 3:6] = 0      # wholly hidden: columns 14 to 21 of the pictures
        for known, way in ((flow, flow), (unknown(1), motion)):
            results = []
            for column in (None, 18, 4):
                photo = pictures.clone()
                if column is not None:
                    photo[..., column] = 0
                with mock.patch("styleres.train.shown", return_value=seen) as shown:
                    results.append([float(part) for part in losses.cycle(photo, pictures, delta, motion, known, 1)])
                torch.testing.assert_close(shown.call_args[0][0], way)
            self.assertEqual(results[1], results[0])
            self.assertNotEqual(results[2][0], results[0][0])
        with mock.patch("styleres.train.shown", return_value=0 * seen):
            self.assertEqual([float(part) for part in losses.cycle(0 * pictures, pictures, delta, motion, flow, 1)], [0.0, 0.0])

    def test_what_is_stretched_is_no_example(self):
        flow = torch.zeros(3, 2, 8, 8)
        flow[0, 0] = -0.5 * torch.arange(8.0)       # drawn out to twice the width,
        flow[1, 1] = -0.5 * torch.arange(8.0)[:, None]      # sheared, which does no harm;
        flow[2] = float("nan")
        share = train.sharp(flow)
        self.assertEqual(share.shape, (3, 1, 8, 8))
        self.assertAlmostEqual(float(share[0, 0, 3, 3]), train.SMEARED)
        self.assertTrue((share[1:] == 1).all())
        picture, target = torch.rand(2, 3, 3, 32, 32)
        eased = train.eased(picture, target, share)
        torch.testing.assert_close(eased[1:], target[1:])
        torch.testing.assert_close(eased[0, :, 10, 10], (picture + train.SMEARED * (target - picture))[0, :, 10, 10])

    def test_contrast_asks_for_as_much_as_the_target_has_wherever_it_is(self):
        stripes, ones = (0.5 * (-1.0) ** (torch.arange(32) // 2)).expand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
        level = float(losses.contrast(stripes).mean())
        self.assertGreater(level, 0.4)
        for output, weights, expected in ((stripes, 1, 0), (stripes.roll(2, 3), 1, 0), (stripes + 0.3, 1, 0), (0.5 * stripes, 1, level / 2),
                                          (1.5 * stripes, 1, level / 2), (0 * stripes, 2, 2 * level)):
            self.assertAlmostEqual(float(losses.contrast_loss(output, stripes, weights * ones)), expected, delta=0.03)

    def test_motions_there_and_back_cancel(self):
        model = StyleRes(tiny.MODEL, ["age", "smile", "pose"]).eval()
        losses = Losses(model, dict(tiny.settings()["loss"], cycle=1.0), 32)
        photo, delta, back = torch.rand(2, 3, 32, 32), torch.rand(2, 3), torch.full((2, 2, 8, 8), 0.5)
        with mock.patch.object(model, "motion", return_value=back):
            for there, missed in ((-back, 0.0), (0 * back, 0.5), (back, 1.0)):
                self.assertAlmostEqual(float(losses.cycle(photo, photo, delta, there, unknown(len(delta)), 1)[1].detach()), missed, places=6)

    def test_motion_follows_edits_of_shape(self):
        losses = Losses(StyleRes(tiny.MODEL, ["age", "smile", "pose"]), dict(tiny.settings()["loss"], motion=1.0), 32)
        photo, still = torch.rand(3, 3, 32, 32), torch.zeros(3, 2, 8, 8)
        target, cell = photo.clone(), torch.tensor([-1.0, 0.0])[:, None, None]
        target[0, :, :, 4:] = photo[0, :, :, :-4]     # everything has gone a cell to the right
        delta = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.3, 0.0], [0.5, 0.0, 0.0]])
        unlike = losses.motion_loss(moved(photo, still), target, still, delta, unknown(len(delta)))
        self.assertGreater(float(unlike[0]), 0.1)
        self.assertEqual(unlike[1:].tolist(), [0.0, 0.0])
        right = losses.motion_loss(moved(photo, still + cell), target, still + cell, delta, unknown(len(delta)))
        self.assertLess(float(right[0]), 0.6 * float(unlike[0]))     # but for the column that was uncovered
        self.assertGreater(float(right[1]), 0.1)
        self.assertEqual(float(right[2]), 0.5)                       # an edit of colour moves nothing

    def test_motion_follows_what_is_known(self):
        losses = Losses(StyleRes(tiny.MODEL, ["age", "smile", "pose"]), dict(tiny.settings()["loss"], motion=1.0), 32)
        photo, delta = torch.rand(2, 3, 32, 32), torch.tensor([[0.0, 0.0, 0.5]]).expand(2, 3)
        flow = torch.tensor([[0.5, -0.25], [float("nan")] * 2]).view(2, 2, 1, 1).expand(2, 2, 4, 4)    # of 4 cells: 1 and 0.5 of 8
        motion = torch.tensor([1.0, -0.5]).view(1, 2, 1, 1).repeat(2, 1, 8, 8).requires_grad_()
        loss = losses.motion_loss(moved(photo, motion), photo, motion, delta, flow)
        self.assertEqual(float(loss[0]), 0.0)
        self.assertGreater(float(loss[1]), 0.1)                      # it looks unlike the photo
        off = losses.motion_loss(photo, photo, motion + 0.5, delta, flow)
        self.assertAlmostEqual(float(off[0]), 0.5, places=6)
        off.sum().backward()
        self.assertTrue(bool(motion.grad.isfinite().all()))

    def test_what_moving_gives_is_to_carry_over_and_what_it_does_not_is_not(self):
        share = torch.tensor([0.25, 0.5]).view(1, 1, 1, 2).expand(4, 1, 16, 2)
        far, still = torch.tensor([0.0, 3.0]).view(1, 2, 1, 1).expand(4, 2, 2, 2), torch.zeros(4, 2, 2, 2)
        carried, target = torch.rand(4, 3, 16, 2), torch.zeros(4, 3, 16, 2)
        target.copy_(carried)
        target[1] += 0.5 * UNLIKE       # half as unlike as counts in full
        target[2] -= 3 * UNLIKE
        target[3, :, 8:] += 0.5         # the lower half is something else; of the rows above it the first counts, too, the second by two thirds
        loss = Losses.carry_loss(share, carried, target, far)
        for value, expected in zip(loss[:3], (0.625, 0.5 * 0.625 + 0.5 * 0.375, 0.375)):
            self.assertAlmostEqual(float(value), expected, places=5)
        self.assertAlmostEqual(float(loss[3]), ((6 + 1 / 3) * 0.625 + (9 + 2 / 3) * 0.375) / 16, places=5)
        for value, expected in zip(Losses.carry_loss(share, carried, target, still)[:3], (0.625, 0.375, 0.375)):
            self.assertAlmostEqual(float(value), expected, places=5)
        target[1] = carried[1] + 0.5 * UNLIKE_STILL
        self.assertAlmostEqual(float(Losses.carry_loss(share, carried, target, still)[1]), 0.5, places=5)

    def test_models_need_not_move_the_residual(self):
        for model in (tiny.MODEL, dict(tiny.MODEL, motion_channels=0, carry_channels=0)):
            losses = Losses(StyleRes(model, ["age", "smile", "pose"]), dict(tiny.settings()["loss"], cycle=1.0), 32)
            total, parts, _ = losses(torch.rand(2, 3, 32, 32), torch.rand(4, 3, 32, 32), torch.rand(4, 3), unknown(4))
            total.backward()
            self.assertEqual("motion" in parts, model["motion_channels"] > 0)
            self.assertEqual("carry" in parts, model["motion_channels"] > 0)
            moves = [p.grad.abs().sum() for name, p in losses.named_parameters() if "modify_feature_motion" in name]
            self.assertTrue(all(size > 0 for size in moves))
            self.assertEqual(len(moves) > 0, model["motion_channels"] > 0)

    def test_resume_equals_no_interruption(self):
        whole = self.trainer()
        whole.run(self.path("whole.pt"), save_every=1e9)
        first = self.trainer()
        first.run(self.path("part.pt"), save_every=1e9, until=3)
        self.assertEqual(first.step, 4)     # where the processes agree next
        torch.manual_seed(99)
        second = self.trainer(seed=1, workers=2)
        second.resume(self.path("part.pt"))
        second.run(self.path("part.pt"), save_every=1e9)
        self.assertEqual(second.step, 8)
        self.assertEqual(second.stage, 32)
        self.same(whole.model.state_dict(), second.model.state_dict())
        self.same(whole.ema, second.ema)

    def test_edits_can_be_judged(self):
        """With a perceptual network and a discriminator; interrupted, too. The discriminator must learn, and matter."""
        judge = perceptual.Perceptual(settings={"widths": [4, 4], "strides": [2, 2]})
        trunk.save(judge, self.path("judge.safetensors"), perceptual.KIND, judge.settings)

        def trainer(weight):
            settings = tiny.settings(steps=12, stages=[[0.0, 16], [0.3, 32]])
            settings["loss"].update(perceptual=1.0, adversarial=weight)
            settings["judges"]["perceptual"] = self.path("judge.safetensors")
            settings["critic"]["channels"] = [4, 8]
            return Trainer(settings, self.data, Processes())

        whole, without = trainer(0.5), trainer(1e-9)
        first = [value.clone() for value in whole.critic.network.state_dict().values()]
        for other in (whole, without):
            other.run(self.path("whole.pt"), save_every=1e9)
        self.assertFalse(any(torch.equal(*pair) for pair in zip(first, whole.critic.network.state_dict().values())))
        self.assertFalse(torch.equal(whole.model.latent_avg, without.model.latent_avg))
        part = trainer(0.5)
        for step in range(8):
            if step % 4 == 0:       # as run() does it
                part.update_share()
                part.enter_stage()
            part.train_step()
        part.save(self.path("part.pt"))
        again = trainer(0.5)
        again.resume(self.path("part.pt"))
        again.run(self.path("part.pt"), save_every=1e9)
        self.same(whole.model.state_dict(), again.model.state_dict())
        self.same(whole.critic.network.state_dict(), again.critic.network.state_dict())

    def test_critic_learns_what_a_model_spoils(self):
        """What it is given to tell apart is noise and stripes; and training begins with what it knows."""
        settings = dict(tiny.settings()["critic"], channels=[4, 8])
        judge = critic.Critic(settings, torch.device("cpu"))
        spoilt = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8)
        self.data.portraits[:] = np.tile(np.uint8([0, 0, 255, 255]), 8)[:, None]
        self.data.mix = {"portrait": 2}
        figures = []
        critic.taught(judge, spoilt, self.data, 150, np.random.default_rng(1), lambda step, loss: figures.append(loss))
        self.assertLess(np.mean(figures[-5:]), 0.5 * figures[0])
        real = self.data.originals(np.random.default_rng(2))
        tinted = real.clone()
        tinted[:, 0] += 0.2
        torch.testing.assert_close(judge.network(tinted), judge.network(real))      # colour and brightness are no matter of its
        self.assertGreater(float(judge.network(real).mean()), float(judge.network(spoilt / 127.5 - 1).mean()))

    def test_a_critic_of_another_kind_is_refused(self):
        judge = critic.Critic(dict(tiny.settings()["critic"], colours=True), torch.device("cpu"))
        torch.save({"critic": judge.state_dict()}, self.path("critic.pt"))
        with mock.patch.object(train, "load", return_value=None), mock.patch.object(train, "TrainingData"):
            with self.assertRaisesRegex(SystemExit, "critic.pt: no discriminator"):
                train.main([self.path("out.pt"), "--data", "-", "--critic", self.path("critic.pt"), "--set", "loss.adversarial=1.0"])

    def test_mean_of_runs(self):
        runs = []
        for value in (1.0, 2.0):
            trainer = self.trainer()
            trainer.ema = {name: torch.full_like(part, value) if part.is_floating_point() else part for name, part in trainer.ema.items()}
            trainer.save(self.path("run.pt"))
            runs.append(torch.load(self.path("run.pt")))
        mean = average.average(runs)
        self.assertTrue(all(bool((part == 1.5).all()) for part in mean["ema"].values() if part.is_floating_point()))
        self.same(mean["model"], runs[0]["model"])
        first, before, out = self.path("first.pt"), self.path("before.safetensors"), self.path("out.pt")
        torch.save(runs[0], first)
        edits = runs[0]["config"]["edits"]
        export.write(before, export.rounded_tensors(runs[1]["ema"], edits), export.metadata(tiny.MODEL, edits, "m", "GPL-3.0-or-later"))
        average.main([first, before, out])      # a model file rounds
        for name, part in torch.load(out)["ema"].items():
            if part.is_floating_point():
                self.assertLess(float((part - 1.5).abs().max()), 2e-3, name)
        with self.assertRaises(SystemExit):
            average.main([first, out])
        runs[1]["config"]["model"] = dict(tiny.MODEL, w_dim=8)
        with self.assertRaises(SystemExit):
            average.average(runs)

    def test_two_processes(self):
        for sync_every in (1, 4):
            with self.subTest(sync_every=sync_every):
                command = tiny.torchrun(2, self.path("log")) + [
                    str(Path(__file__).with_name("worker.py")), self.folder, str(sync_every)]
                environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
                done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                ranks = [torch.load(self.path(f"rank{rank}.pt")) for rank in (0, 1)]
                self.assertEqual([rank["step"] for rank in ranks], [8, 8])
                self.same(ranks[0]["parameters"], ranks[1]["parameters"])
                alone = self.trainer(sync_every=sync_every)
                alone.run(self.path("alone.pt"), save_every=1e9)
                moved = [not torch.equal(value, ranks[0]["parameters"][name])
                         for name, value in alone.model.named_parameters() if value.requires_grad]
                self.assertGreater(np.mean(moved), 0.9, "the second process had no influence")


class ExportTest(TrainingTest):
    def exported(self):
        trainer = self.trainer(steps=4)
        trainer.run(self.path("model.pt"), save_every=1e9)
        settings = trainer.config
        meta = export.metadata(settings["model"], settings["edits"], "Tiny", "CC0-1.0", "card")
        size = export.write(self.path("m.safetensors"), export.rounded_tensors(trainer.ema, settings["edits"]), meta)
        self.assertEqual(size, os.path.getsize(self.path("m.safetensors")))
        return trainer

    def test_reloaded_model_is_the_rounded_one(self):
        trainer = self.exported()
        expected = export.mixed(trainer.ema, trainer.config["edits"])
        model, meta = export.load_model(self.path("m.safetensors"))
        self.assertEqual((meta["format"], meta["name"], meta["card"]), ("likeness-model", "Tiny", "card"))
        for name, value in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            want = expected[name].float()
            if name.startswith("direction."):
                want = want * (trainer.config["edits"][name.split(".")[1]]["full"] / export.FULL_VALUE)
            want = want.half().float() if want.ndim > 1 else want
            self.assertTrue(torch.allclose(value, want, rtol=1e-6, atol=1e-7), name)
        again = export.rounded_tensors(model.state_dict(), {k: {"full": 5.0} for k in trainer.config["edits"]})
        stored, _ = export.read(self.path("m.safetensors"))
        for name, value in stored.items():
            self.assertTrue(np.array_equal(value, again[name].astype(np.float32)), name)

    def test_directions_are_mixed(self):
        state = {f"direction.{name}": torch.full((2, 3), value) for name, value in (("age", 1.0), ("smile", 10.0), ("pose", 100.0))}
        edits = {"age": {"full": 5.0, "mix": {"smile": -0.5, "pose": 0.25, "glasses": 1.0}}, "smile": {"full": 10.0}, "pose": {"full": 5.0}}
        self.assertEqual([float(value.mean()) for value in export.rounded_tensors(state, edits).values()], [21.0, 20.0, 100.0])
        self.assertTrue(torch.equal(export.mixed(export.mixed(state, edits), edits, -1)["direction.age"], state["direction.age"]))
        mutual = dict(edits, smile={"full": 10.0, "mix": {"age": 2.0}})          # of what the others were before
        self.assertEqual([float(value.mean()) for value in export.mixed(state, mutual).values()], [21.0, 12.0, 100.0])
        for name, value in export.mixed(export.mixed(state, mutual), mutual, -1).items():
            torch.testing.assert_close(value, state[name])

    def test_training_can_start_from_a_model_file(self):
        trainer = self.exported()
        weights = export.load_weights(self.path("m.safetensors"), trainer.config["edits"])
        for name, value in weights.items():
            self.assertTrue(torch.allclose(value, trainer.ema[name], rtol=1e-3, atol=1e-4), name)
        state = export.load_checkpoint(self.path("m.safetensors"))
        stored, _ = export.read(self.path("m.safetensors"))
        for name, value in export.rounded_tensors(state["ema"], state["config"]["edits"]).items():
            self.assertTrue(np.array_equal(value.astype(np.float32), stored[name]), name)
        other = self.trainer(seed=5)
        self.assertFalse([name for name in other.start_from(self.path("m.safetensors")) if "num_batches" not in name])
        self.assertTrue(torch.equal(other.model.direction["pose"], weights["direction.pose"]))

    def test_zero_edit_is_the_inversion(self):
        self.exported()
        model, _ = export.load_model(self.path("m.safetensors"))
        pictures = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
        with torch.no_grad():
            people = evaluate.Portraits(model, pictures)
            plain, edited = people.picture([0.0, 0.0, 0.0, 0.0]), people.picture([3.0, 0.0, -2.0, 0.0])
        self.assertEqual(plain.shape, (2, 32, 32, 3))
        self.assertFalse(np.array_equal(plain, edited))
        counts = flops.count(model)
        self.assertGreater(counts["inversion"], 0)

    def test_quality_figures(self):
        pictures = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
        other = np.clip(pictures.astype(int) + 10, 0, 255).astype(np.uint8)
        self.assertAlmostEqual(float(evaluate.ssim(pictures, pictures).min()), 1.0, places=9)
        self.assertLess(float(evaluate.ssim(pictures, other).max()), 1.0)
        self.assertAlmostEqual(float(evaluate.psnr(np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 10.0))[0]), 28.1308, 3)

    def test_last_block_learns_and_starts_as_plain_upsampling(self):
        model = StyleRes(tiny.MODEL, ["age"]).eval().requires_grad_(False)
        settings, processes = tiny.settings(), Processes()
        settings["grow"].update(batch=2, crop=8)
        cuts = grow.Cuts(model, self.folder)
        x, rgb, codes, _ = cuts.batch(np.random.default_rng(1), 2, 8)
        from styleres.networks import upsample_rgb
        self.assertTrue(torch.equal(model.synthesis.last_block(x, rgb, codes), upsample_rgb(rgb)))
        frozen = {name: value.clone() for name, value in model.state_dict().items()}
        for parameter in grow.block_parameters(model):
            parameter.requires_grad_(True)
        steps = grow.train_block(model, cuts, settings["grow"], settings["loss"], processes, minutes=1 / 60)
        self.assertGreater(steps, 2)
        for name, value in model.state_dict().items():
            if ".b32." not in name:
                self.assertTrue(torch.equal(value, frozen[name]), name)
        self.assertGreater(float(model.synthesis.b32.torgb.weight.abs().max()), 0.0)
        self.assertEqual(grow.train_block(model, cuts, settings["grow"], settings["loss"], processes, steps=3), 3)

    def test_last_block_keeps_the_picture_before_it(self):
        settings, changes = tiny.settings(), []
        for consistent in (0.0, 20.0):
            torch.manual_seed(1)
            model = StyleRes(tiny.MODEL, ["age"]).eval().requires_grad_(False)
            for parameter in grow.block_parameters(model):
                parameter.requires_grad_(True)
            settings["grow"].update(batch=2, crop=16, consistent=consistent)
            cuts = grow.Cuts(model, self.folder)
            grow.train_block(model, cuts, settings["grow"], settings["loss"], Processes(), steps=150)
            x, rgb, codes, _ = cuts.batch(np.random.default_rng(1), 4, 16)
            with torch.no_grad():
                changes.append(float((torch.nn.functional.avg_pool2d(model.synthesis.last_block(x, rgb, codes), 2) - rgb).abs().mean()))
        self.assertLess(changes[1], 0.7 * changes[0])


if __name__ == "__main__":
    unittest.main()
