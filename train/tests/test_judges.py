# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging networks, measures, evaluation and directions; on very small networks and made-up pictures."""
import io
import json
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tiny  # noqa: E402
from heads import assets  # noqa: E402
from styleres import attributes, blind, directions, evaluate, export, identity, judge_training, measures, perceptual, report, trunk  # noqa: E402
from styleres.judges import Attributes, Identity, Perceptual  # noqa: E402
from styleres.networks import StyleRes  # noqa: E402

SMALL = {"widths": [4, 8, 8], "strides": [2, 2, 2]}
SETTINGS = {"perceptual": SMALL, "identity": dict(SMALL, length=8),
            "attributes": dict(SMALL, hidden=16, outputs=len(attributes.NAMES))}
RANDOM = np.random.default_rng(5)


def smooth_pictures(count, side, low=0, high=256):
    coarse = torch.from_numpy(RANDOM.integers(low, high, (count, 3, 4, 4)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").clamp(0, 255)


def made_up_strangers(people=8):
    """Everyone has a texture of their own; age is how bright a picture is, the points are the same for all."""
    labels = RANDOM.uniform(0, 1, (people, 4, len(attributes.NAMES))).astype(np.float32)
    own = smooth_pictures(people, 64, 0, 120).numpy()
    pictures = own[:, None] + 120 * labels[:, :, :1, None, None]
    points = np.tile(RANDOM.uniform(-0.5, 0.5, (68, 2)), (people, 4, 1, 1))
    return judge_training.Strangers(pictures.clip(0, 255), points, labels)


class JudgeTest(unittest.TestCase):
    def setUp(self):
        torch.set_num_threads(1)
        torch.manual_seed(3)
        RANDOM.bit_generator.state = np.random.PCG64(5).state
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.folder, name)

    def save_judges(self):
        for kind, network in (("perceptual", Perceptual), ("identity", Identity), ("attributes", Attributes)):
            for name in (kind, f"{kind}-a", f"{kind}-b"):
                trunk.save(network(settings=SETTINGS[kind]).eval(), self.path(f"{name}.safetensors"), kind, SETTINGS[kind])


class NetworkTest(JudgeTest):
    def test_files_give_the_networks_back(self):
        self.save_judges()
        pictures = smooth_pictures(2, 128) / 127.5 - 1
        for kind, network in (("perceptual", Perceptual), ("identity", Identity), ("attributes", Attributes)):
            loaded = network(self.path(f"{kind}.safetensors"))
            again = network(settings=SETTINGS[kind]).eval()
            again.load_state_dict(loaded.state_dict())
            for stored, value in zip(loaded.state_dict().values(), again.state_dict().values()):
                self.assertTrue(torch.equal(stored, value))
            self.assertFalse(any(parameter.requires_grad for parameter in loaded.parameters()))
        self.assertTrue(torch.allclose(Identity(self.path("identity.safetensors")).embed(pictures).norm(dim=1), torch.ones(2)))
        self.assertEqual(tuple(attributes.load(self.path("attributes.safetensors"))(pictures)), attributes.NAMES)
        for load in (identity.load, perceptual.load):
            with self.assertRaisesRegex(ValueError, "not a file of a judging network"):
                load(self.path("attributes.safetensors"))

    def test_perceptual_distance(self):
        judge = Perceptual(settings=SETTINGS["perceptual"]).eval()
        pictures = smooth_pictures(3, 128) / 127.5 - 1
        noise = torch.randn(pictures.shape)
        distances = [judge(pictures, pictures + k * noise) for k in (0, 0.03, 0.3)]
        self.assertEqual(float(distances[0].abs().max()), 0.0)
        self.assertTrue(bool((distances[1] > 0).all()) and bool((distances[2] > distances[1]).all()))
        self.assertTrue(torch.allclose(distances[2], judge(pictures + 0.3 * noise, pictures)))
        pictures.requires_grad_(True)      # it may be a loss
        judge(pictures, pictures.detach().flip(3)).sum().backward()
        self.assertGreater(float(pictures.grad.abs().max()), 0)


class TrainingTest(JudgeTest):
    def test_points_follow_the_crops(self):
        pictures = torch.full((16, 3, 128, 128), -1.0)
        points = torch.zeros(16, 68, 2)
        points[:, 30] = torch.tensor([0.25, -0.125])
        pictures[:, :, 54:58, 78:82] = 1.0     # pixel (80, 56) is that point
        labels = torch.ones(16, len(attributes.NAMES))
        for zoom in (0.0, 0.3):
            crops, moved, changed = judge_training.cut(pictures, points.clone(), labels.clone(), zoom)
            inside = (moved[:, 30].abs() < 0.9).all(1)
            self.assertGreater(int(inside.sum()), 4)
            for crop, point in zip(crops[inside], moved[inside, 30]):
                weight = crop[0] + 1
                axis = (torch.arange(64) + 0.5) / 32 - 1
                found = torch.stack([(weight.sum(0) * axis).sum(), (weight.sum(1) * axis).sum()]) / weight.sum()
                self.assertLess(float((found - point).abs().max()), 0.03)
            self.assertEqual(set(changed[:, judge_training.YAW].tolist()), {-1.0, 1.0})

    def test_surroundings_change_and_the_face_stays(self):
        points = torch.rand(8, 68, 2) - 0.5
        crops = torch.arange(8.0)[:, None, None, None].expand(8, 3, 64, 64)
        changed = judge_training.other_surroundings(crops, points, 1.0)
        self.assertLess(float((changed - crops)[:, :, 28:36, 28:36].abs().max()), 0.05)
        self.assertGreater(float((changed - crops)[:, :, 0, 0].abs().min()), 0.5)
        self.assertTrue(torch.equal(judge_training.other_surroundings(crops, points, 0.0), crops))

    def test_identity_losses_prefer_the_right_answer(self):
        margin = judge_training.Margin(4, 4)
        margin.directions.data = torch.eye(4)
        vectors, who = torch.eye(4).repeat_interleave(2, 0), torch.arange(4).repeat_interleave(2)
        self.assertLess(float(margin(vectors, who)), float(margin(vectors, who.roll(2))))
        self.assertLess(float(judge_training.contrast(vectors, who)), float(judge_training.contrast(vectors, who.roll(1))))

    def test_all_kinds_learn(self):
        with mock.patch.object(judge_training, "harder", lambda crops, points, labels, surroundings: (crops, labels)):
            people, kept_out = made_up_strangers(24), made_up_strangers()
            _, figures = judge_training.train("attributes", people, kept_out, SETTINGS["attributes"], 1, steps=90, rate=5e-3)
            self.assertGreater(figures["plain"]["age"], 0.7, figures)
            _, figures = judge_training.train("identity", people, people, SETTINGS["identity"], 1, steps=25)
            self.assertGreater(figures["auc"], 0.75)
            _, figures = judge_training.train("perceptual", people, kept_out, SETTINGS["perceptual"], 1, steps=3)
            self.assertGreater(figures["noise 32"], figures["noise 4"])

    def test_harder_pictures_stay_pictures(self):
        people = made_up_strangers()
        pictures, points, labels, _ = people.draw(16, 1, np.random.default_rng(1))
        crops, labels = judge_training.harder(*judge_training.cut(pictures, points, labels), 0.5)
        self.assertEqual(tuple(crops.shape), (16, 3, 64, 64))
        self.assertLessEqual(float(crops.abs().max()), 1.0)
        self.assertEqual(set(labels[:, judge_training.GLASSES].tolist()), {0.0, 1.0})

    @unittest.skipUnless(assets.is_available(), "no MakeHuman pack")
    def test_labels_of_renders(self):
        from heads.labels import looks
        self.assertEqual(looks(7).shape, (3,))
        for seed in range(5):
            np.savez(self.path(f"{seed:06d}.npz"), img=np.zeros((4, 128, 128, 3), np.uint8), lm=np.full((4, 68, 2), 64, np.float32),
                     par=np.float32([[0, 0, 0, 0.7]] * 4))
        out, used = (judge_training.read_renders(self.folder, kept_out=kept) for kept in (True, False))
        self.assertEqual((len(out.pictures), len(used.pictures)), (1, 4))
        self.assertEqual(len(judge_training.read_renders(self.folder, share="odd").pictures), 2)
        self.assertEqual(float(used.points.abs().max()), 0.0)
        np.testing.assert_allclose(used.labels[..., attributes.NAMES.index("hair")], 0.7)


class MeasureTest(unittest.TestCase):
    def test_structural_similarity(self):
        pictures = smooth_pictures(2, 192).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        noisy = [np.clip(pictures + k * RANDOM.standard_normal(pictures.shape), 0, 255).astype(np.uint8) for k in (5, 40)]
        self.assertAlmostEqual(float(measures.ms_ssim(pictures, pictures).min()), 1.0, places=9)
        values = [measures.ms_ssim(pictures, p).mean() for p in noisy]
        self.assertTrue(1 > values[0] > values[1] > 0)
        # Many scales forgive noise, which averages out, more than one scale does.
        self.assertGreater(values[1], measures.ssim(pictures, noisy[1]).mean())

    def test_frechet_distance(self):
        features = RANDOM.standard_normal((4000, 5))
        self.assertAlmostEqual(measures.frechet(features, features), 0.0, places=6)
        self.assertAlmostEqual(measures.frechet(features, features + 2), 20.0, places=6)
        self.assertAlmostEqual(measures.frechet(features, 3 * features), 4 * np.trace(np.cov(features, rowvar=False))
                               + 4 * (features.mean(0) ** 2).sum(), places=6)

    def test_separation(self):
        figures = measures.separation(torch.tensor([0.9, 0.8]), torch.tensor([0.1, 0.2, 0.85]))
        self.assertAlmostEqual(figures["auc"], 5 / 6, places=3)


class EvaluationTest(JudgeTest):
    def test_whole_evaluation(self):
        self.save_judges()
        model = StyleRes(tiny.MODEL, ["age", "pose"]).eval()
        edits = {name: {"label": name, "full": 1.0, "safe": [-3.0, 4.0]} for name in model.edits}
        meta = export.metadata(tiny.MODEL, edits, "Tiny", "CC0-1.0")
        for name in ("one", "two"):
            export.write(self.path(f"{name}.safetensors"), export.rounded_tensors(model.state_dict(), edits), meta)
        pictures = smooth_pictures(9, 32).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        np.savez(self.path("real256.npz"), img=pictures, hold=np.arange(9) < 3)
        arguments = ["evaluate", self.path("one.safetensors"), self.path("real256.npz"), self.path("out"), "--also",
                     self.path("two.safetensors"), "--judges", self.folder, "--sheets", "1"]
        with mock.patch.object(sys, "argv", arguments), redirect_stdout(io.StringIO()) as printed:
            evaluate.main()
        torch.set_grad_enabled(True)
        with open(self.path("out/scores.json"), encoding="utf-8") as stream:
            one, two = json.load(stream)
        self.assertEqual({**one, "file": ""}, {**two, "file": ""})
        self.assertEqual(one["people"], 3)
        self.assertEqual(set(one["side_effects"]["age"]), {"pose"})
        self.assertEqual(set(one["cycle_loss_db"]["pose"]), {"-2.5", "-1", "+1", "+2.5"})
        self.assertEqual(set(one["frechet_own_features"]), {"photos", "w_only", "inversion", "edits", "edits_w_only"})
        self.assertIn("one.safetensors", printed.getvalue())
        self.assertTrue(os.path.exists(self.path("out/sheet-1.png")))

    def test_mirror_images_read_the_same(self):
        self.save_judges()
        panel = evaluate.Panel(self.folder, Path(__file__).resolve().parents[2] / "data" / "landmarks" / "landmarks.safetensors")
        pictures = np.random.default_rng(4).integers(0, 255, (3, 32, 32, 3), np.uint8)
        plain, mirrored = panel.readings(pictures), panel.readings(np.ascontiguousarray(pictures[:, :, ::-1]))
        self.assertTrue(np.abs(plain["pose"]).max() > 1e-4 and np.abs(plain["landmarks nose_shift"]).max() > 1e-4)
        for name, value in plain.items():
            sign = -1 if name in ("pose", "landmarks pose", "landmarks nose_shift") else 1
            np.testing.assert_allclose(mirrored[name], sign * value, atol=1e-4, err_msg=name)

    def test_undoing_without_an_edit_inverts_twice(self):
        model = StyleRes(tiny.MODEL, ["age"]).eval()
        pictures = smooth_pictures(2, 32).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        with torch.no_grad():
            results = evaluate.render_all(model, pictures)
            twice = evaluate.Portraits(model, results["age", 2.5]).picture([-2.5])
            self.assertTrue(np.array_equal(evaluate.undone(model, results, "age", 2.5), twice))

    def test_side_effects_are_shares_of_the_own_change(self):
        effects = {"age": {"-5": {"age": -0.2, "pose": 0.0}, "+5": {"age": 0.2, "pose": 0.1}},
                   "pose": {"-5": {"age": 0.1, "pose": -0.5}, "+5": {"age": 0.0, "pose": 0.5}}}
        self.assertEqual(evaluate.side_effects(effects), {"age": {"pose": 0.1}, "pose": {"age": 0.25}})


    def test_cycle_without_an_edit(self):
        model = StyleRes(tiny.MODEL, ["age"]).eval()
        pictures = smooth_pictures(2, 32).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        with torch.no_grad():
            results = {"inversion": evaluate.Portraits(model, pictures).picture([0.0])}
            again = evaluate.Portraits(model, results["inversion"]).picture([0.0])
            lost = evaluate.encoded_again(model, results, pictures, None)
        self.assertAlmostEqual(lost, np.median(evaluate.psnr(results["inversion"], pictures) - evaluate.psnr(again, pictures)), places=2)

    def test_mouths_are_measured_in_pictures(self):
        class Reader:
            def mouth_widening(self, before, after):
                return after[:, 0, 0, 0] / before[:, 0, 0, 0].astype(float) - 1

        pictures = np.full((3, 2, 2, 3), 100, np.uint8)
        results = {"inversion": pictures, **{("smile", value): pictures + np.uint8(10 + value) for value in evaluate.VALUES}}
        self.assertEqual(evaluate.mouth_effects(results, Reader()), {"-5": 5.0, "-2.5": 7.0, "+2.5": 12.0, "+5": 15.0})
        text = report.markdown([{"file": "m", "w_only": {}, "inversion": {}, "sliders": {}, "encoded_again_loss_db": 1.2}])
        self.assertNotIn("1.2", text)
        effects = {end: {"smile": change, "landmarks mouth_corner_lift": change / 2} for end, change in zip(report.ENDS, (-.1, -.05, .05, .1))}
        kept = {"low": .9, "high": .8, "safe_low": .95, "safe_high": 1}
        text = report.markdown([{"file": "m", "w_only": {}, "inversion": {"psnr_median": 30.123}, "sliders": {"smile": dict(effects, monotonic_share=.5)},
                                 "identity_kept": {"smile": kept}, "side_effects": {"smile": {"age": .25}}, "cycle_loss_db": {"smile": {"-2.5": 1, "+2.5": 2}},
                                 "mouth_wider_percent": dict(zip(report.ENDS, (-3.0, -1.5, 2.0, 4.0))), "encoded_again_loss_db": 1.2}])
        for line in ("| inversion | 30.12 dB |  |  |", "| smile | smile | -0.100 | -0.050 | +0.050 | +0.100 | 50 % |",
                     "| smile | mouth corners' lift, landmarks, eye distances | -0.050 | -0.025 | +0.025 | +0.050 |  |",
                     "| smile | mouth's width, optical flow | -3.0 % | -1.5 % | +2.0 % | +4.0 % |  |",
                     "| slider | identity at -5, 5 | at the safe ends | side effect | undone at -2.5, 2.5, loss |",
                     "| smile | 0.90, 0.80 | 0.95, 1.00 | age 0.25 | 1.00, 2.00 dB |", "Encoded again without an edit: 1.2 dB lost."):
            self.assertIn(line + "\n", text + "\n")

    def test_ablations_are_measured_with_the_first_models_sliders(self):
        first, other = StyleRes(tiny.MODEL, ["age"]), StyleRes(tiny.MODEL)
        meta = evaluate.lend_sliders(first, other, {"directions": "[]"}, {"directions": "lent"})
        self.assertEqual((other.edits, meta), (("age",), {"directions": "lent"}))
        other.load_state_dict(first.state_dict())
        other.transform = False
        pictures = smooth_pictures(2, 32).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        with torch.no_grad():
            shown = [evaluate.Portraits(model.eval(), pictures) for model in (first, other)]
            self.assertTrue(np.array_equal(*(people.picture([2.0], use_residual=False) for people in shown)))
            self.assertFalse(np.array_equal(*(people.picture([2.0]) for people in shown)))
            inversion = shown[1].inversion
            self.assertTrue(torch.equal(other.fuse(inversion.feats, inversion.residual, None)[0], inversion.feats + inversion.residual))


class BlindTest(JudgeTest):
    def test_sheets_and_score(self):
        np.savez(self.path("people.npz"), img=RANDOM.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
        model = StyleRes(tiny.MODEL, ["age", "pose"])
        edits = {name: {"label": name, "full": 5.0, "safe": [-3.0, 3.0]} for name in model.edits}
        export.write(self.path("m.safetensors"), export.rounded_tensors(model.state_dict(), edits),
                     export.metadata(tiny.MODEL, edits, "Tiny", "CC0-1.0"))
        options = mock.Mock(model=self.path("m.safetensors"), portraits=self.path("people.npz"), folder=self.path("blind"), people=2, seed=1)
        with redirect_stdout(io.StringIO()):
            blind.make(options)
        torch.set_grad_enabled(True)
        with Image.open(self.path("blind/sheet-01.png")) as sheet:
            self.assertEqual(sheet.size, (40 + 5 * 192, 4 * 192))
        rows = [tuple(row) for row in json.loads(Path(self.path("blind/key.json")).read_text(encoding="utf-8"))]
        self.assertEqual({row[:2] for row in rows}, {(name, person) for name in ("age", "pose") for person in (0, 1)})
        answers = [f"{number} {name} {way}" for number, (name, _, way) in enumerate(rows, 1)]
        self.assertEqual(blind.score(rows, "\n".join(answers)), ({"age": [2, 2, 2], "pose": [2, 2, 2]}, []))
        number = next(k for k, row in enumerate(rows) if row[0] == "age")
        answers[number] = f"{number + 1} age {'up' if rows[number][2] == 'down' else 'down'}"
        counts, wrong = blind.score(rows, "\n".join(answers[:-1] if rows[-1][0] == "pose" else answers))
        self.assertEqual(counts["age"], [2, 2, 1])
        self.assertEqual(len(wrong), 1 + (rows[-1][0] == "pose"))


class DirectionTest(JudgeTest):
    def test_svm_finds_the_plane(self):
        x = RANDOM.standard_normal((400, 6))
        positive = x[:, 2] - x[:, 4] > 0.3
        normal, offset = directions.fit_svm(x, positive, strength=1000.0)
        self.assertGreater(normal @ np.array([0, 0, 1, 0, -1, 0]) / np.sqrt(2), 0.98)
        self.assertGreater(((x @ normal + offset > 0) == positive).mean(), 0.97)

    def test_directions_leave_each_other_alone(self):
        codes = RANDOM.standard_normal((600, 2, 4))
        readings = np.zeros((600, len(attributes.NAMES)))
        readings[:, 0] = codes[:, 0, 0]
        readings[:, 1] = codes[:, 0, 0] + codes[:, 1, 2]      # smiles go with age
        found = directions.interfacegan(codes, readings, ("age", "smile"), strength=100.0)
        age, smile = found["age"][0].ravel(), found["smile"][0].ravel()
        self.assertGreater(found["age"][1]["accuracy"], 0.95)
        # To look older and smile no more, both things that make a smile must change; to smile, only the other one.
        expected = np.zeros((2, 8))
        expected[0, [0, 6]], expected[1, 6] = [1, -1], 1
        for direction, want in zip((age, smile), expected):
            self.assertGreater(direction @ want / np.linalg.norm(direction) / np.linalg.norm(want), 0.95)

    def test_independent_directions(self):
        x = RANDOM.standard_normal((300, 6)) @ RANDOM.standard_normal((6, 6))
        normals = RANDOM.standard_normal((3, 6))
        changes = directions.independent(x, normals) @ normals.T
        np.testing.assert_allclose(changes, np.diag(np.sqrt(((x @ normals.T) ** 2).mean(0))), atol=1e-9)

    def test_principal_components(self):
        codes = RANDOM.standard_normal((500, 2, 3)) * [1, 1, 5] + 7
        codes[:, 1, 2] *= 0.01
        (component, share), _ = directions.ganspace(codes, 2)
        self.assertAlmostEqual(abs(component[0, 2]), 5, delta=0.6)
        self.assertAlmostEqual(share, 25 / 29.3, delta=0.05)

    def test_file_with_a_direction(self):
        model = StyleRes(tiny.MODEL, ["age"]).eval()
        edits = {"age": {"label": "Age", "full": 5.0, "safe": [-3.0, 3.0]}}
        arrays = {name: value.astype(np.float32) for name, value in export.rounded_tensors(model.state_dict(), edits).items()}
        added = RANDOM.standard_normal((8, 16)).astype(np.float16)
        content = directions.add(arrays, export.metadata(tiny.MODEL, edits, "Tiny", "CC0-1.0"),
                                 {"beard": (added, "Beard", "face", [-2.5, 5.0])})
        export.write(self.path("m.safetensors"), *content)
        loaded, meta = export.load_model(self.path("m.safetensors"))
        self.assertEqual(loaded.edits, ("age", "beard"))
        self.assertEqual([entry["safe"] for entry in json.loads(meta["directions"])], [[-3.0, 3.0], [-2.5, 5.0]])
        w_plus = torch.zeros(1, 8, 16)
        self.assertTrue(np.array_equal(loaded.edit(w_plus, torch.tensor([[0.0, 2.0]]))[0].detach().numpy(), 2 * added.astype(np.float32)))

    def test_a_direction_changes_pictures_as_a_slider_does(self):
        with torch.no_grad():
            model = StyleRes(tiny.MODEL, ["age"]).eval()
            people = evaluate.Portraits(model, smooth_pictures(2, 32).permute(0, 2, 3, 1).numpy().astype(np.uint8))
            self.assertIsNotNone(people.inversion.picture)      # which an edit of nothing shows
            offset = 2 * model.direction["age"]
            self.assertTrue(np.array_equal(people.picture([0.0], offset=offset), people.picture([2.0])))
            self.assertFalse(np.array_equal(people.picture([0.0], offset=offset), people.picture([0.0])))

    def test_how_far_a_slider_goes(self):
        class Reader:
            """The first pixel is the reading; beyond 40 from the middle it is somebody else."""
            def vectors(self, pictures):
                far = np.abs(pictures[:, 0, 0, 0].astype(float) - 128) > 40
                return np.stack([~far, far], 1).astype(float)

            def readings(self, pictures):
                return {"age": pictures[:, 0, 0, 0].astype(float)}

        class People:
            def picture(self, values, offset=torch.zeros(1, 1)):
                return np.full((3, 2, 2, 3), 128 + 10 * offset.item(), np.uint8)

        trial = directions.Trial.__new__(directions.Trial)
        trial.model, trial.panel, trial.people = mock.Mock(edits=()), Reader(), People()
        trial.plain = trial.people.picture([])
        trial.vectors, trial.readings = trial.panel.vectors(trial.plain), trial.panel.readings(trial.plain)
        one = np.ones((1, 1))
        self.assertEqual([trial.length(one, longest) for longest in (6.0, 3.5)], [4.0, 3.0])
        self.assertEqual(trial.figures(one * 0.8, "age")[0]["safe"], [-5.0, 5.0])
        self.assertEqual(trial.figures(one * 1.2, "age")[0]["safe"], [-2.5, 2.5])
        self.assertEqual(trial.figures(one * -0.8, "age")[0]["safe"], [0.0, 0.0])
        self.assertEqual([int(column[0, 0, 0, 0]) for column in trial.figures(one * 0.8, "age")[1]], [88, 108, 128, 148, 168])


if __name__ == "__main__":
    unittest.main()
