# SPDX-License-Identifier: GPL-3.0-or-later
"""Every layer against the goldens, and the fused forms against their definitions."""
import sys
import unittest
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import golden  # noqa: E402
import tiny  # noqa: E402
from styleres import networks  # noqa: E402
from styleres.evaluate import to_bytes  # noqa: E402
from styleres.networks import Encoder, StyleRes  # noqa: E402

MODIFY = "generator_smooth/synthesis.b64.modify_feature_"


class NetworkTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        torch.set_grad_enabled(False)

    def tearDown(self):
        torch.set_grad_enabled(True)

    def close(self, got, want, tolerance=2e-5):
        self.assertEqual(got.shape, want.shape)
        self.assertLess(float((got - want).abs().max()), tolerance * max(1.0, float(want.abs().max())))


class GoldenTest(NetworkTest):
    def test_affine(self):
        layer = golden.load_parameters(networks.EqualLinear(64, 16), "affine")
        x, y = golden.load("affine", "x", "y")
        self.close(layer(x), y)

    def test_modulated_convolutions(self):
        for case, upsample in (("modconv3x3", False), ("modconv3x3_clamp", False), ("modconv3x3_up2", True),
                               ("modconv3x3_up2_5", True)):
            with self.subTest(case):
                weight, x, w, y = golden.load(case, "weight", "x", "w", "y")
                layer = networks.SynthesisConv(weight.shape[1], weight.shape[0], 64, upsample, y.shape[2], True)
                self.close(golden.load_parameters(layer, case)(x, w), y)

    def test_to_rgb_and_skip(self):
        x, w, previous, rgb, up, y = golden.load("torgb_skip", "x", "w", "img_prev", "rgb", "img_up", "y")
        layer = golden.load_parameters(networks.ToRgb(16, 64), "torgb_skip")
        self.close(layer(x, w), rgb)
        self.close(networks.upsample_rgb(previous), up)
        self.close(networks.upsample_rgb(previous) + layer(x, w), y)

    def test_fir_upsampling(self):
        x, y = golden.load("fir_up2", "x", "y")
        self.close(networks.upsample_rgb(x), y)

    def test_bottlenecks(self):
        for case, outputs, stride in (("bottleneck_s1", 32, 1), ("bottleneck_s2", 32, 2), ("bottleneck_s2_proj", 64, 2)):
            with self.subTest(case):
                x, y = golden.load(case, "x", "y")
                unit = golden.load_parameters(networks.Bottleneck(32, outputs, stride, outputs // 16), case)
                self.close(unit(x), y)

    def test_squeeze_excitation(self):
        x, y = golden.load("se", "x", "y")
        self.close(golden.load_parameters(networks.SqueezeExcitation(64, 4), "se")(x), y)

    def test_style_head(self):
        x, y = golden.load("style_block16", "x", "y")
        self.close(golden.load_parameters(networks.StyleHead(32, 4, 32), "style_block16")(x), y)

    def test_bilinear(self):
        x, y, x16, y16 = golden.load("bilinear2x", "x", "y", "x16", "y16")
        self.close(networks.upsample_bilinear(x, y.shape[2:]), y)
        self.close(networks.upsample_bilinear(x16, y16.shape[2:]), y16)

    def test_res_layers(self):
        for case, inputs, outputs, stride in (("reslayers_s1", 32, 32, 1), ("reslayers_s1_proj", 48, 32, 1),
                                              ("reslayers_s2", 32, 32, 2), ("reslayers_to1", 32, 1, 1)):
            with self.subTest(case):
                x, y = golden.load(case, "x", "y")
                self.close(golden.load_parameters(networks.ResLayers(inputs, outputs, stride), case)(x), y)

    def test_residual_features(self):
        enc_feat, feats, aligned, extracted = golden.load("e1_8x8", "enc_feat", "F_feats", "aligned", "extracted")
        alignment = golden.fill_by_rule(networks.FeatureAlignment(128, 512), MODIFY + "alignment.")
        self.close(alignment(enc_feat, feats), aligned)
        extraction = golden.fill_by_rule(networks.FeatureExtraction(512), MODIFY + "extraction.")
        self.close(extraction(aligned), extracted)

    def test_gate_network(self):
        x, y, delta, gate, fused = golden.load("e2_8x8", "x", "y", "deltaF", "gate", "fused")
        got_delta, got_gate = golden.fill_by_rule(networks.GateNetwork(512, 256), MODIFY + "gates.")(x, y)
        self.close(got_delta, delta)
        self.close(got_gate, gate)
        self.close(x + got_gate * got_delta, fused)

    def test_moved(self):
        x = torch.rand(2, 3, 16, 16)
        self.assertTrue(torch.equal(networks.moved(x, torch.zeros(2, 2, 4, 4)), x))
        motion = torch.zeros(2, 2, 4, 4)
        motion[:, 0], motion[:, 1] = 0.5, -0.25      # cells of four pixels: from two pixels right and one above
        got = networks.moved(x, motion)
        self.close(got[:, :, 1:, :-2], x[:, :, :-1, 2:])
        self.close(got[:, :, 0, :-2], x[:, :, 0, 2:])
        motion = torch.full((2, 2, 4, 4), 0.125)
        self.close(networks.moved(x, motion)[:, :, :-1, :-1], F.avg_pool2d(x, 2, 1))

    def test_shown(self):
        way = torch.zeros(4, 2, 8, 8)
        way[1, 0, :, :4] = 4.0                                  # the left half is the right one once more,
        way[2, 1] = 1.0                                         # everything goes up by a cell,
        way[3, 0] = 0.5 * (3.5 - torch.arange(8.0))             # the middle is drawn to twice its width
        seen = networks.shown(way)
        self.assertTrue((seen[0] == 1).all())
        self.assertTrue((seen[1, 0, :, :3] == 0).all() and (seen[1, 0, :, 4:] == 1).all())
        self.assertTrue((seen[2, 0, 0] == 0).all() and (seen[2, 0, 1:] == 1).all())
        self.assertTrue((seen[3, 0, :, :1] == 0).all() and (seen[3, 0, :, 2:6] == 1).all())

    def test_moved_in_half_precision(self):
        row = torch.sin(torch.arange(512) * 0.8).bfloat16().expand(1, 1, 8, 512).contiguous()
        picture = F.pad(row, (0, 0, 0, 504))
        got = networks.moved(picture, torch.tensor([0.25, 0.0]).bfloat16()[None, :, None, None].expand(1, 2, 128, 128))
        self.assertEqual(got.dtype, torch.bfloat16)
        self.close(got[:, :, :8, :-1].float(), row[..., 1:].float(), 2e-2)      # by a pixel

    def test_eight_bits(self):
        x, y = golden.load("to8bit", "x", "y")
        got = torch.from_numpy(to_bytes(x.view(1, 1, 64, 64).expand(1, 3, 64, 64).clone()))
        self.assertTrue(torch.equal(got[0, :, :, 0].flatten(), y))


class RefinementTest(NetworkTest):
    def model(self, times):
        torch.manual_seed(1)
        config = dict(tiny.MODEL, refinements=times, resolution=64, num_ws=10, channels=dict(tiny.MODEL["channels"], **{"64": 8}),
                      encoder=dict(tiny.MODEL["encoder"], heads=["c3", "p2"] * 5))
        return StyleRes(config, ["age"]).eval()

    def test_what_the_picture_lacks_is_added(self):
        photo, model, refined = torch.rand(2, 3, 32, 32) * 2 - 1, self.model(0), self.model(2)
        plain = model.invert(photo)
        w_plus, enc_feat = model.encode(photo)
        feats, _ = model.synthesis.low(w_plus)
        features, residual = enc_feat, plain.residual
        self.assertTrue(torch.equal(residual, model.residual(enc_feat, feats)))
        for _ in range(2):
            picture = model.decode(w_plus, plain._replace(residual=residual, picture=None)).picture.clamp(-1, 1)
            means = picture.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
            features = features + enc_feat - model.encode(means)[1]
            residual = model.residual(features, feats)
        inversion = refined.invert(photo)
        self.assertTrue(torch.allclose(inversion.residual, residual, atol=1e-5))
        self.assertFalse(torch.allclose(inversion.residual, plain.residual, atol=1e-3))
        self.assertTrue(torch.equal(inversion.w_plus, w_plus))

    def test_nothing_is_lacking(self):
        model, photo = self.model(1), torch.rand(1, 3, 32, 32)
        with mock.patch.object(model.e4e, "features", lambda _, groups=4: Encoder.features(model.e4e, photo, groups)):
            self.assertTrue(torch.allclose(model.invert(photo).residual, self.model(0).invert(photo).residual, atol=1e-6))

    def test_not_for_small_pictures(self):
        model, photo = self.model(1), torch.rand(1, 3, 32, 32)
        self.assertTrue(torch.equal(model.invert(photo, 16).residual, self.model(0).invert(photo, 16).residual))
        self.assertFalse(torch.equal(model.invert(photo, 32).residual, self.model(0).invert(photo, 32).residual))


class CarryTest(NetworkTest):
    def setUp(self):
        torch.manual_seed(2)
        self.model = StyleRes(tiny.MODEL, ["age", "pose"]).eval()
        self.model.synthesis.block(32).torgb.weight.data.normal_()
        self.photo = torch.rand(2, 3, 32, 32) * 2 - 1

    def edited(self, share):
        """The inversion, an edit's w+ and its picture with that share everywhere (None: as the network says)."""
        inversion = self.model.invert(self.photo)
        w_plus = self.model.edit(inversion.w_plus, torch.tensor([[0.0, 3.0]]).expand(2, -1))
        says = self.model.synthesis.block(16).modify_feature_carry
        fixed = lambda x, *_: torch.full_like(x[:, :1], share)
        with mock.patch.object(says, "forward", says.forward if share is None else fixed):
            return inversion, w_plus, self.model.decode(w_plus, inversion)

    def test_share_decides_between_both_pictures(self):
        inversion, w_plus, decoded = self.edited(0.0)
        plain = self.model.decode(w_plus, inversion._replace(picture=None))
        self.close(decoded.picture, plain.picture, 1e-6)
        own = self.model.decode(inversion.w_plus, inversion._replace(picture=None)).picture
        self.close(inversion.picture, own, 1e-6)
        carried = self.edited(1.0)[2]
        self.close(carried.picture, networks.moved(own, carried.motion, "bicubic"), 1e-5)
        self.close(self.edited(0.25)[2].picture, 0.75 * decoded.picture + 0.25 * carried.picture, 1e-5)

    def test_learned_from_what_both_have(self):
        inversion, w_plus, decoded = self.edited(None)
        decoded.picture.sum().backward()
        for parameter in self.model.synthesis.block(16).modify_feature_carry.parameters():
            self.assertGreater(float(parameter.grad.abs().max()), 0)

    def test_half_the_resolution_carries_smaller_ones_do_not(self):
        for side, carries in ((8, False), (16, True), (32, True)):
            inversion = self.model.invert(self.photo, side)
            self.assertEqual(inversion.picture is not None, carries)
            if carries:
                self.assertEqual(inversion.picture.shape[2], side)
                self.assertEqual(self.model.decode(inversion.w_plus, inversion, side).picture.shape[2], side)

    def test_moved_is_bicubic_within_and_the_border_beyond(self):
        ramp = torch.arange(16.0).expand(1, 1, 16, 16).contiguous()
        motion = torch.zeros(1, 2, 4, 4)
        motion[:, 0] = 0.125      # half an element
        moved = networks.moved(ramp, motion, "bicubic")
        self.close(moved[..., 2:13], ramp[..., 2:13] + 0.5, 1e-5)
        motion[:, 0] = 10
        self.close(networks.moved(ramp, motion, "bicubic"), torch.full_like(ramp, 15), 1e-5)


class DefinitionTest(NetworkTest):
    def test_polyphase_equals_transposed_convolution_and_fir(self):
        weight, x = torch.randn(5, 6, 3, 3).double(), torch.randn(2, 6, 7, 9).double()
        fir = torch.tensor([1.0, 3, 3, 1]).double().outer(torch.tensor([1.0, 3, 3, 1]).double()) / 64 * 4
        plain = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        plain = F.conv2d(plain.reshape(-1, 1, *plain.shape[2:]), fir[None, None], padding=1).reshape(2, 5, 14, 18)
        fused = networks.styled_conv2d(x, networks.polyphase_weight(weight), padding=1, upsample=True)
        self.close(fused, plain, 1e-12)

    def test_upsample_rgb_equals_zero_insertion_and_fir(self):
        x = torch.randn(2, 3, 5, 7).double()
        fir = torch.tensor([1.0, 3, 3, 1]).double().outer(torch.tensor([1.0, 3, 3, 1]).double()) / 64 * 4
        spread = torch.zeros(6, 1, 10, 14).double()
        spread[:, 0, ::2, ::2] = x.reshape(6, 5, 7)
        plain = F.conv2d(F.pad(spread, (2, 1, 2, 1)), fir[None, None]).reshape(2, 3, 10, 14)
        self.close(networks.upsample_rgb(x), plain, 1e-12)


if __name__ == "__main__":
    unittest.main()
