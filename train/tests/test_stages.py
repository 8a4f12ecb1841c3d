# SPDX-License-Identifier: GPL-3.0-or-later
"""StyleRes' three stages on a very small model: every part, exact resume, several processes, short stretches."""
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tiny  # noqa: E402
from styleres import adversary, augment, config, engine, export, fastconv, paths, pictures, stretch  # noqa: E402
from styleres.encoder import E4e  # noqa: E402
from styleres.gan import Gan  # noqa: E402
from styleres.networks import StyleRes  # noqa: E402
from styleres.residual import Residual  # noqa: E402


class StageTest(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        tiny.make_data(self.folder)
        self.sources = [self.path("real32.npz"), self.path("000000.npz"), self.path("000001.npz")]

    def path(self, name):
        return os.path.join(self.folder, name)

    def stage(self, kind, **settings):
        return kind(tiny.stage_settings(**{kind.NAME: settings}), engine.Processes(), self.sources)

    def steps(self, stage, count):
        for _ in range(count):
            stage.advance()
        return stage

    def same(self, first, second):
        self.assertEqual(first.keys(), second.keys())
        for name in first:
            self.assertTrue(torch.equal(first[name], second[name]), name)


class PicturesTest(StageTest):
    def test_every_kind_of_source_gives_the_same_pictures(self):
        arrays = pictures.Pictures([self.path("real32.npz")], 32)
        self.assertEqual(len(arrays), 5)        # one of six is held out
        with np.load(self.path("real32.npz")) as data:
            np.testing.assert_array_equal(arrays[0], data["img"][1])
            np.savez_compressed(self.path("packed.npz"), img=data["img"][1:])
        os.mkdir(self.path("images"))
        for k in range(5):
            Image.fromarray(arrays[k]).save(self.path(f"images/{k}.png"))
        with zipfile.ZipFile(self.path("images.zip"), "w") as archive:
            for k in range(5):
                archive.write(self.path(f"images/{k}.png"), f"{k}.png")
        for source in ("packed.npz", "images", "images.zip"):
            others = pictures.Pictures([self.path(source)], 32)
            self.assertEqual(len(others), 5, source)
            for k in range(5):
                np.testing.assert_array_equal(arrays[k], others[k])
        both = pictures.Pictures([self.path("images.zip"), self.path("images")], 16)
        self.assertEqual((len(both), both[7].shape), (10, (16, 16, 3)))
        np.testing.assert_array_equal(both[2], both[7])
        with self.assertRaises(SystemExit):
            pictures.Pictures([], 32)

    def test_stored_arrays_are_not_read_whole(self):
        self.assertIsInstance(pictures.mapped(self.path("real32.npz"), "img"), np.memmap)

    def test_shard_is_small_and_close(self):
        original = pictures.Pictures([self.path("real32.npz")], 32)
        pictures.write_shard(self.path("shard.zip"), original, 95)
        packed = pictures.Pictures([self.path("shard.zip")], 32)
        self.assertEqual(len(packed), 5)
        self.assertLess(np.abs(packed[3].astype(int) - original[3]).mean(), 4)

    def test_processes_share_every_epoch(self):
        for count, world in ((12, 3), (7, 2)):
            orders = [pictures.Order(count, 5, rank, world) for rank in range(world)]
            each = count // world
            epochs = [[order[epoch * each + k] for order in orders for k in range(each)] for epoch in range(3)]
            for seen in epochs:
                self.assertEqual(len(set(seen)), each * world)
            self.assertNotEqual(epochs[0], epochs[1])

    def test_batches_depend_on_the_step_alone(self):
        several = pictures.Loader(pictures.Pictures(self.sources, 32, 1 << 20), 4, 1, 0, 2)
        batches = [several.batch(step) for step in range(4)]
        again = pictures.Loader(pictures.Pictures(self.sources, 32), 4, 1, 0, 2)
        self.assertTrue(torch.equal(again.batch(3), batches[3]))
        self.assertTrue(torch.equal(several.batch(1), batches[1]))


class PartsTest(StageTest):
    def test_mapping_is_the_released_network(self):
        """By its definition: normalised z, then linear layers with 0.01 / sqrt(in) and leaky ReLU times sqrt 2."""
        mapping = adversary.Mapping(6, 5, 2).double()
        z = torch.randn(3, 6).double()
        x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
        for layer in (mapping.fc0, mapping.fc1):
            y = x @ layer.weight.t() * 0.01 / x.shape[1] ** 0.5 + 0.01 * layer.bias
            x = torch.where(y > 0, y, 0.2 * y) * 2 ** 0.5
        self.assertTrue(torch.allclose(mapping(z), x, atol=1e-12))
        self.assertEqual(set(mapping.state_dict()), {"w_avg", "fc0.weight", "fc0.bias", "fc1.weight", "fc1.bias"})

    def test_blur_and_halving(self):
        x = torch.randn(2, 3, 8, 8).double()
        taps = torch.tensor([1.0, 3, 3, 1]).double()
        kernel = (taps.outer(taps) / 64).expand(3, 1, 4, 4)
        wanted = torch.nn.functional.conv2d(x, kernel, padding=2, groups=3)
        self.assertTrue(torch.allclose(adversary.blur(x, 2), wanted, atol=1e-12))
        discriminator = adversary.Discriminator(32, tiny.MODEL["channels"])
        self.assertEqual(discriminator(torch.randn(4, 3, 32, 32)).shape, (4,))

    def test_spread_sees_a_collapsed_batch(self):
        discriminator = adversary.Discriminator(32, tiny.MODEL["channels"])
        varied = torch.randn(4, 2, 4, 4)
        self.assertGreater(float(discriminator.spread(varied).min()), 0.5)
        self.assertLess(float(discriminator.spread(varied[:1].expand(4, -1, -1, -1)).max()), 0.01)

    def test_gradient_penalty_is_the_squared_gradient(self):
        slope = torch.tensor([1.0, -2.0, 0.5])
        penalty = adversary.gradient_penalty(lambda x: (x * slope).sum(1), torch.randn(6, 3))
        self.assertAlmostEqual(float(penalty), float(slope.square().sum()), places=5)

    def test_augmentation(self):
        torch.manual_seed(3)
        x = torch.rand(8, 3, 16, 16) * 2 - 1
        self.assertTrue(torch.equal(augment.augment(x, 0.0), x))
        x.requires_grad_(True)
        changed = augment.augment(x, 1.0)
        self.assertEqual(changed.shape, x.shape)
        self.assertGreater(float((changed - x).abs().mean()), 0.1)
        changed.sum().backward()
        self.assertTrue(bool((x.grad.abs().sum((1, 2, 3)) > 0).all()))
        grey = augment.random_colours(64, 1.0, "cpu")[:, :, :3] @ torch.ones(3)      # hue and saturation keep grey grey
        self.assertLess(float(grey.std(1).max()), 1e-5)
        unchanged = augment.random_places(5, 0.0, 16, "cpu")
        self.assertTrue(torch.equal(unchanged, torch.eye(2, 3).expand(5, 2, 3)))

    def test_chance_follows_overfitting(self):
        alone = engine.Processes()
        adaptive = augment.Adaptive(0.6, 1000)
        for _ in range(8):
            adaptive.observe(torch.ones(4), alone, 10)
        self.assertAlmostEqual(adaptive.chance, 0.08)
        for _ in range(80):
            adaptive.observe(-torch.ones(4), alone, 10)
        self.assertEqual(adaptive.chance, 0.0)

    def test_undoing_an_edit_in_w(self):
        w, other = torch.randn(2, 8, 16), torch.randn(2, 1, 16)
        strength = torch.tensor([4.0, 5.0]).view(2, 1, 1)
        edited = paths.towards(w, other, strength)
        self.assertTrue(torch.allclose((edited - w) / (other - w), (strength / 10).expand_as(w), atol=1e-4))
        self.assertTrue(torch.allclose(paths.back(edited, other, strength), w, atol=1e-5))

    def test_half_precision_gives_the_same_pictures(self):
        torch.manual_seed(1)
        model = StyleRes(tiny.MODEL).eval()
        with torch.no_grad():
            torch.nn.init.normal_(model.synthesis.b32.torgb.weight)
            for module in model.modules():
                if hasattr(module, "affine") and module.weight.shape[-1] == 3:
                    module.weight.mul_(300.0)       # float16 would overflow without normalisation
            w = torch.randn(2, 8, 16)
            wanted = model.synthesis(w)
            with torch.autocast("cpu", torch.bfloat16):
                got = model.synthesis(w)
        self.assertEqual(got.dtype, torch.float32)
        self.assertLess(float((got - wanted).abs().mean() / wanted.abs().mean()), 0.03)


class GanTest(StageTest):
    def test_critic_learns_and_weights_move(self):
        stage = self.stage(Gan, ada_target=0.0, critic_rate=3.0)
        before = {name: value.clone() for name, value in stage.networks.state_dict().items()}
        figures = []
        for _ in range(30):
            stage.advance()
            figures.append(float(stage.figures["D"]))
            stage.figures = {}
        self.assertLess(np.mean(figures[-5:]), 0.9 * np.mean(figures[:3]))
        moved = {name for name, value in stage.networks.state_dict().items() if not torch.equal(value, before[name])}
        self.assertIn("model.generator.synthesis.b32.conv1.weight", moved)
        self.assertIn("mapping.fc0.weight", moved)
        self.assertFalse([name for name in moved if "e4e" in name or "modify_feature" in name])
        self.assertFalse(torch.equal(stage.average["mapping.fc0.weight"], stage.mapping.fc0.weight))

    def test_path_length_against_finite_differences(self):
        """The penalty's gradient needs gradients of gradients through G."""
        stage = self.stage(Gan, path_weight=2.0)
        codes = torch.randn(1, 8, 16, dtype=torch.double, requires_grad=True)
        synthesis = stage.model.synthesis.double()
        noise = torch.randn(1, 3, 32, 32).double()
        with fastconv.plain():
            gradient, = torch.autograd.grad((synthesis(codes) * noise).sum(), codes)
            step = 1e-6 * torch.randn_like(codes)
            with torch.no_grad():
                difference = ((synthesis(codes + step) - synthesis(codes - step)) * noise).sum() / 2
        self.assertAlmostEqual(float(difference), float((gradient * step).sum()), delta=1e-3 * abs(float(difference)))
        stage.model.float()
        before = stage.model.synthesis.b32.conv0.weight.clone()
        self.assertGreater(float(stage.path_step(2)), 0)
        self.assertGreater(stage.path_mean, 0)
        self.assertFalse(torch.equal(before, stage.model.synthesis.b32.conv0.weight))

    def test_mixed_codes(self):
        stage = self.stage(Gan, mixing=1.0)
        codes = stage.codes(16)
        self.assertEqual(codes.shape, (16, 8, 16))
        changes = (codes[:, 1:] != codes[:, :-1]).any(2).sum(1)
        self.assertTrue(bool((changes == 1).all()))


class EncoderTest(StageTest):
    def test_rows_are_set_free_one_by_one(self):
        stage = self.stage(E4e, progressive_start=2, progressive_every=1)
        for head in stage.model.e4e.styles:
            torch.nn.init.normal_(head.linear.weight)
        for step, free in ((0, 1), (2, 2), (4, 4), (40, 8)):
            stage.step = step
            codes, differences = stage.encode(torch.rand(2, 3, 32, 32))
            self.assertEqual(int((differences.abs().sum((0, 2)) > 0).sum()) + 1, free)
            self.assertTrue(torch.equal(codes[:, free:], codes[:, :1].expand_as(codes[:, free:])))

    def test_loss_falls_and_generator_stays(self):
        stage = self.stage(E4e, rate=3e-3, warmup=1)
        stage.mapping.w_avg.fill_(0.5)
        stage.save(self.path("before.pt"))
        stage.start_from(self.path("before.pt"))
        self.assertTrue(bool((stage.model.latent_avg == 0.5).all()))
        before = stage.model.synthesis.b8.conv0.weight.clone()
        losses = []
        for _ in range(30):
            stage.advance()
            losses.append(float(stage.figures["l2"]))
            stage.figures = {}
        self.assertLess(np.mean(losses[-5:]), 0.9 * np.mean(losses[:3]))
        self.assertTrue(torch.equal(before, stage.model.synthesis.b8.conv0.weight))
        self.assertFalse(torch.equal(stage.average["model.e4e.input_layer.1.running_mean"], torch.zeros(8)))


class ResidualTest(StageTest):
    def moved(self, **settings):
        stage = self.stage(Residual, **settings)
        before = {name: value.clone() for name, value in stage.model.state_dict().items()}
        self.steps(stage, 2)
        return stage, {next((part for part in name.split(".") if "modify_feature" in part), name) for name, value in stage.model.state_dict().items()
                       if not torch.equal(value, before[name])}

    def test_only_residual_networks_learn(self):
        stage, moved = self.moved()
        self.assertEqual(moved, {"modify_feature_alignment", "modify_feature_extraction", "modify_feature_motion", "modify_feature_gates",
                                 "modify_feature_carry"})
        self.assertTrue(all(np.isfinite(float(value)) for value in stage.figures.values()))

    def test_ablations(self):
        _, moved = self.moved(transform=False)
        self.assertEqual(moved, {"modify_feature_alignment", "modify_feature_extraction", "modify_feature_motion", "modify_feature_carry"})
        stage = self.stage(Residual, cycle=False)
        outputs, targets, invented, added = stage.walk(torch.rand(4, 3, 32, 32))
        self.assertEqual([len(x) for x in (outputs, targets, invented, added)], [1, 1, 1, 1])

    def test_residual_networks_can_start_afresh(self):
        trained = self.steps(self.stage(Residual), 2)
        trained.save(self.path("trained.pt"))
        for fresh in (False, True):
            stage = self.stage(Residual, fresh=fresh, seed=9)
            untouched = {name: value.clone() for name, value in stage.model.state_dict().items()}
            stage.start_from(self.path("trained.pt"))
            for name, value in stage.model.state_dict().items():
                source = untouched if fresh and "modify_feature" in name else trained.average
                if f"model.{name}" in source or name in source:
                    self.assertTrue(torch.equal(value, source[name if source is untouched else f"model.{name}"]), name)
            self.assertTrue(all(torch.equal(value, stage.networks.state_dict()[name]) for name, value in stage.average.items()))

    def test_afresh_without_a_network_that_the_model_had(self):
        self.steps(self.stage(Residual), 1).save(self.path("trained.pt"))
        settings = tiny.stage_settings(residual={"fresh": True})
        settings["model"] = dict(settings["model"], carry_channels=0)
        stage = Residual(settings, engine.Processes(), self.sources)
        stage.start_from(self.path("trained.pt"))
        self.assertFalse(any("modify_feature_carry" in name for name in stage.model.state_dict()))
        self.steps(stage, 1)
        settings["residual"]["fresh"] = False
        with self.assertRaisesRegex(SystemExit, "modify_feature_carry"):
            Residual(settings, engine.Processes(), self.sources).start_from(self.path("trained.pt"))

    def test_cycle_compares_what_comes_back_with_the_photo(self):
        stage = self.stage(Residual, edited=0.5)
        photos = torch.rand(4, 3, 32, 32)
        outputs, targets, invented, added = stage.walk(photos)
        self.assertEqual([len(x) for x in outputs], [2, 2])
        self.assertTrue(torch.equal(torch.cat(targets), photos))
        self.assertFalse(torch.equal(invented[1], outputs[1]))
        self.assertEqual(len(added), 3)
        stage.settings["codes"] = "photos"
        stage.turn("player")
        outputs, *_ = stage.walk(photos)
        outputs[1].sum().backward()         # through both encodings
        gradient = stage.model.residual_block.modify_feature_extraction.first_layer.weight.grad
        self.assertGreater(float(gradient.abs().max()), 0)

    def test_judges_from_files(self):
        class Distance(torch.nn.Module):
            def forward(self, a, b):
                return (a - b).abs().mean((1, 2, 3))

        class Embedding(torch.nn.Module):
            def forward(self, x):
                return x.mean((2, 3))

        torch.jit.script(Distance()).save(self.path("perceptual.ts"))
        torch.jit.script(Embedding()).save(self.path("identity.ts"))
        settings = tiny.stage_settings()
        without = Residual(settings, engine.Processes(), self.sources)
        self.assertIn("perceptual, identity", without.reconstruction.absent())
        settings["judges"].update(perceptual=self.path("perceptual.ts"), identity=self.path("identity.ts"))
        stage = self.steps(Residual(settings, engine.Processes(), self.sources), 1)
        self.assertEqual(stage.reconstruction.absent(), "")
        self.assertTrue({"perceptual", "identity"} <= stage.figures.keys())
        x = torch.rand(2, 3, 32, 32)
        self.assertLess(float(stage.reconstruction(x, x)[0]), 1e-5)


class CheckpointTest(StageTest):
    def test_resume_equals_no_interruption(self):
        for kind, settings in ((Gan, {"path_weight": 2.0, "path_every": 2, "ada_pictures": 100}), (E4e, {"progressive_start": 1}),
                               (Residual, {"ada_pictures": 100})):
            with self.subTest(kind.NAME):
                whole = self.steps(self.stage(kind, **settings), 6)
                first = self.steps(self.stage(kind, **settings), 3)
                first.save(self.path("part.pt"))
                torch.manual_seed(99)
                second = self.stage(kind, **settings)
                second.resume(self.path("part.pt"))
                self.steps(second, 3)
                self.same(whole.networks.state_dict(), second.networks.state_dict())
                self.same(whole.average, second.average)
                self.assertEqual(whole.extra_state(), second.extra_state())

    def test_sixteen_bits(self):
        """bfloat16 in all stages: the same first losses but for rounding, finite weights after the steps."""
        for kind in (Gan, E4e, Residual):
            with self.subTest(kind.NAME):
                figures = []
                for precision in ("float32", "bfloat16"):
                    settings = tiny.stage_settings(**{kind.NAME: {"ada_target": 0.0}})
                    settings["precision"]["cpu"] = precision
                    stage = self.steps(kind(settings, engine.Processes(), self.sources), 1)
                    figures.append({name: float(value) for name, value in stage.figures.items()})
                    self.assertTrue(all(bool(value.isfinite().all()) for value in stage.networks.state_dict().values()))
                for name, value in figures[0].items():
                    self.assertAlmostEqual(figures[1][name], value, delta=0.05 * abs(value) + 0.02, msg=name)

    def test_compact_checkpoint_is_smaller_and_goes_on(self):
        stage = self.steps(self.stage(Residual), 2)
        stage.save(self.path("exact.pt"))
        stage.save(self.path("compact.pt"), compact=True)
        self.assertLess(os.path.getsize(self.path("compact.pt")), 0.8 * os.path.getsize(self.path("exact.pt")))
        other = self.stage(Residual)
        other.resume(self.path("compact.pt"))
        trained = {name for named in stage.parameters.values() for name, _ in named}
        for name, value in stage.networks.state_dict().items():
            wanted = value if name in trained or not name.startswith("model.") or value.ndim < 2 else value.half().float()
            self.assertTrue(torch.equal(wanted, other.networks.state_dict()[name]), name)
        self.steps(other, 1)
        with self.assertRaises(SystemExit):
            self.stage(Gan).resume(self.path("compact.pt"))

    def test_short_stretches_go_through_all_stages(self):
        settings = tiny.stage_settings(gan={"steps": 4}, encoder={"steps": 3}, residual={"steps": 3})
        lines = []
        for _ in range(6):
            lines.append(stretch.stretch(settings, engine.Processes(), self.sources, self.folder, 1, most_steps=2))
            self.assertEqual(len([name for name in os.listdir(self.folder) if name.endswith(".pt")]), 1)
        self.assertEqual([line.split()[0] for line in lines], ["gan", "gan", "encoder", "encoder", "residual", "residual"])
        state = torch.load(self.path("residual.pt"), map_location="cpu")
        self.assertEqual((state["stage"], state["step"]), ("residual", 3))
        self.assertIn("done", stretch.stretch(settings, engine.Processes(), self.sources, self.folder, 1))
        meta = export.metadata(state["config"]["model"], export.learned_edits(state), "Tiny", "CC0-1.0")
        export.write(self.path("m.safetensors"), export.rounded_tensors(state["ema"], {}), meta)
        model, _ = export.load_model(self.path("m.safetensors"))
        self.assertEqual(model.edits, ())
        with self.assertRaises(SystemExit):
            self.stage(Residual).start_from(self.path("m.safetensors"))
        again = self.stage(Residual, codes="photos")
        again.start_from(self.path("m.safetensors"))
        self.assertTrue(torch.equal(again.model.synthesis.b4.const, model.synthesis.b4.const))

    def test_two_processes_have_the_same_weights(self):
        command = tiny.torchrun(2, self.path("log")) + [str(Path(__file__).with_name("stage_worker.py")), self.folder]
        environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        for kind in (Gan, E4e, Residual):
            with self.subTest(kind.NAME):
                ranks = [torch.load(self.path(f"{kind.NAME}{rank}.pt")) for rank in (0, 1)]
                self.same(ranks[0], ranks[1])
                alone = self.steps(self.stage(kind), 3).networks.state_dict()
                trained = [name for name, _ in self.stage(kind).parameters["player"]]
                moved = [not torch.equal(alone[name], ranks[0][name]) for name in trained]
                self.assertGreater(np.mean(moved), 0.8, "the second process had no influence")


class PaperSizeTest(unittest.TestCase):
    def test_full_depth_at_reduced_width(self):
        """paper.toml as it is, 1024 x 1024, with a sixteenth of the channels: one step of every stage."""
        settings = config.load(tiny.TRAIN / "paper.toml")
        tiny.narrow(settings, 16)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pictures.npz")
            np.savez(path, img=np.random.default_rng(1).integers(0, 256, (2, 1024, 1024, 3), dtype=np.uint8))
            previous = None
            for kind in (Gan, E4e, Residual):
                settings[kind.NAME]["batch"] = 2 if kind is Residual else 1
                stage = kind(settings, engine.Processes(), [path])
                if previous:
                    stage.start_from(previous)
                stage.advance()
                self.assertTrue(all(np.isfinite(float(value)) for value in stage.figures.values()), kind.NAME)
                previous = os.path.join(folder, f"{kind.NAME}.pt")
                stage.save(previous)

    def test_names_are_the_released_ones(self):
        settings = config.load(tiny.TRAIN / "paper.toml")
        tiny.narrow(settings, 16)
        digests = tiny.TRAIN.parent / "tests" / "golden" / "official" / "digests_seed1.txt"
        released = {line.split()[0] for line in digests.read_text().splitlines()}
        released = {name for name in released if name.startswith(("e4e/", "generator_smooth/synthesis."))}
        own = {name.replace("generator.", "generator_smooth/", 1).replace("e4e.", "e4e/", 1)
               for name in StyleRes(settings["model"]).state_dict() if not name.endswith("num_batches_tracked")}
        self.assertEqual(own - released, {"latent_avg"})
        self.assertEqual(released - own, set())


if __name__ == "__main__":
    unittest.main()
