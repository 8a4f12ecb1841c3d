# SPDX-License-Identifier: GPL-3.0-or-later
"""The head renderer: rasteriser and geometry always; whole renders where the MakeHuman pack is there."""
import os
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from heads import assets  # noqa: E402
from heads.identity import opposite_targets  # noqa: E402
from heads.raster import depth_map, fragments, vertex_normals  # noqa: E402
from heads.scene import _lattice, ffhq_frame, rotation  # noqa: E402
from heads.textures import linear, noise3, smoothstep  # noqa: E402

NEEDS_PACK = unittest.skipUnless(assets.is_available(), f"no MakeHuman pack at {assets.pack_folder()}")


class Rasteriser(unittest.TestCase):
    def test_two_triangles_cover_a_rectangle_once(self):
        xy = np.array([[1., 2.], [7., 2.], [7., 6.], [1., 6.]])
        pixel, face, weights, depth, _ = fragments(xy, np.zeros(4), np.array([[0, 1, 2], [0, 2, 3]]), 8, 8)
        expected = {y * 8 + x for x in range(1, 7) for y in range(2, 6)}
        self.assertEqual(set(pixel), expected)
        np.testing.assert_allclose(weights.sum(1), 1)
        self.assertEqual(set(face), {0, 1})

    def test_weights_give_back_the_pixel_centre_and_depth(self):
        random = np.random.RandomState(0)
        xy, z = random.rand(30, 2) * 40 - 4, random.rand(30)
        pixel, face, weights, depth, _ = fragments(xy, z, np.arange(30).reshape(10, 3), 32, 32)
        corners = np.arange(30).reshape(10, 3)[face]
        at = (xy[corners] * weights[..., None]).sum(1)
        np.testing.assert_allclose(at, np.stack([pixel % 32, pixel // 32], 1) + .5, atol=1e-9)
        np.testing.assert_allclose(depth, (z[corners] * weights).sum(1))

    def test_depth_map_keeps_the_nearest(self):
        np.testing.assert_array_equal(depth_map(np.array([1, 1, 0]), np.array([3., 2., 5.]), 3), [5, 2, 1e9])

    def test_normals_of_a_flat_sheet(self):
        vertices = np.array([[0., 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
        np.testing.assert_allclose(vertex_normals(vertices, np.array([[0, 1, 2], [0, 2, 3]])), np.tile([0, 0, 1.], (4, 1)))

    def test_lattice_tiles_the_triangle(self):
        corners = np.array([[0., 0], [1, 0], [0, 1]])
        for parts in (1, 2, 3, 5):
            coordinates, small = _lattice(parts)
            p = (coordinates @ corners)[small]
            u, v = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
            area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
            self.assertEqual(len(small), parts ** 2)
            np.testing.assert_allclose(area, 1 / parts ** 2)      # all positive: the orientation is kept


class Geometry(unittest.TestCase):
    def test_yaw_turns_to_the_persons_left(self):
        self.assertGreater((rotation(30, 0, 0) @ [0, 0, 1])[0], .4)
        np.testing.assert_allclose(rotation(20, -10, 5) @ rotation(20, -10, 5).T, np.eye(3), atol=1e-12)

    def test_frame_follows_a_similarity(self):
        points = np.random.RandomState(1).rand(68, 2)
        points[36:42] += [0, 0]
        points[42:48] += [3, 0]
        points[[48, 54]] += [1.5, 3]
        centre, x, y = ffhq_frame(points)
        turn = np.array([[.8, -.6], [.6, .8]])
        moved = points @ turn.T * 2 + [5, -3]
        centre2, x2, y2 = ffhq_frame(moved)
        np.testing.assert_allclose(centre2, turn @ centre * 2 + [5, -3])
        np.testing.assert_allclose(x2, turn @ x * 2)
        np.testing.assert_allclose(y2, turn @ y * 2)

    def test_textures(self):
        self.assertEqual(smoothstep(0, 1, 2.), 1)
        self.assertEqual(smoothstep(1, 0, .25), smoothstep(0, 1, .75))
        np.testing.assert_allclose(linear([0, 1]), [0, 1])
        points = np.random.RandomState(2).rand(2000, 3) * 60
        self.assertAlmostEqual(noise3(points, 1).std(), .9, delta=.15)
        np.testing.assert_array_equal(noise3(points, 3), noise3(points, 3))
        across = np.linspace(-.01, .01, 201)[:, None] * [1, 0, 0]
        self.assertLess(np.abs(np.diff(noise3(across, 10))).max(), .01)     # no seam in the middle of the face

    def test_opposites(self):
        names = ["nose/nose-width-decr", "nose/nose-width-incr", "macro/a-decr", "macro/a-incr", "chin/chin-lonely-up"]
        self.assertEqual(opposite_targets(names), {"nose/nose-width-decr": "nose/nose-width-incr"})

    def test_missing_pack_is_one_clear_error(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(FileNotFoundError, "MAKEHUMAN_DIR"):
            assets.HeadPack(folder)


@NEEDS_PACK
class Renders(unittest.TestCase):
    SIZE = 48

    def setUp(self):
        from heads.identity import identity
        from heads.render import render
        self.head = dict(identity(5), yaw=0, pitch=0, roll=0, smile=0, age=.2, grey=0, noise=0, bgkind=0)
        self.render = lambda **changes: render(dict(self.head, **changes), self.SIZE, supersampling=1)

    def test_landmarks_frame_the_crop(self):
        _, points = self.render()
        centre, x, _ = ffhq_frame(points)
        np.testing.assert_allclose(centre, [self.SIZE / 2] * 2, atol=1e-6)
        np.testing.assert_allclose(x, [self.SIZE / 2, 0], atol=1e-6)

    def test_same_seed_same_picture(self):
        first, points = self.render()
        again, points2 = self.render()
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(points, points2)
        self.assertGreater(first.std(), 20)

    def test_labels_do_what_they_say(self):
        _, front = self.render()
        _, turned = self.render(yaw=20)
        eyes = lambda p: p[36:48, 0].mean()
        self.assertGreater(turned[30, 0] - eyes(turned), front[30, 0] - eyes(front) + 1)
        _, smiling = self.render(smile=.8)
        width = lambda p: (p[54, 0] - p[48, 0]) / (p[45, 0] - p[36, 0])
        self.assertGreater(width(smiling), width(front) * 1.1)
        young, _ = self.render(hair="short01", haircol=linear([.1, .08, .07]))
        old, _ = self.render(hair="short01", haircol=linear([.1, .08, .07]), grey=1)
        self.assertGreater(old.astype(float).mean(), young.astype(float).mean() + 2)

    def test_a_further_turn_leaves_shoulders_and_backdrop(self):
        picture, points = self.render()
        moved, other = self.render(turn=20)
        body_too, whole = self.render(yaw=20)
        shape = lambda p: p - p[36:48].mean(0)
        np.testing.assert_allclose(shape(other)[:48], shape(whole)[:48], atol=self.SIZE * .03)     # perspective
        shift = (other - points)[36:48, 0].mean() / self.SIZE
        self.assertTrue(.03 < shift < .08, shift)        # half of it; the back of the head moves the other way
        difference = np.abs(picture.astype(float) - moved).mean(-1)
        self.assertGreater(difference.max(), 40)
        self.assertLess(difference[-2:].mean(), .4 * np.abs(picture.astype(float) - body_too).mean(-1)[-2:].mean())
        self.assertLess(difference[:8, :8].mean(), 1e-6)

    def test_detail_keeps_the_picture(self):
        from heads.render import render
        flat, points = render(self.head, self.SIZE, supersampling=1)
        fine, points2 = render(self.head, self.SIZE, supersampling=1, detail=2)
        np.testing.assert_array_equal(points, points2)
        self.assertLess(np.abs(flat.astype(float) - fine).mean(), 4)
        self.assertFalse(np.array_equal(flat, fine))

    def test_quadruple_changes_one_label_at_a_time(self):
        from heads.quads import quadruple
        base, *others = quadruple(11)
        for name, other in zip(("age", "smile", "turn"), others):
            changed = [key for key in ("age", "smile", "yaw", "turn", "pitch", "hair", "seed") if base.get(key) != other.get(key)]
            self.assertEqual(changed, [name])

    def test_turned_heads_look_far_to_both_sides(self):
        from heads.quads import turned, yaw_of
        base, left, right, smile = turned(11)
        self.assertLess(yaw_of(left), -14 + 1e-6)
        self.assertGreater(yaw_of(right), 14 - 1e-6)
        self.assertLess(abs(base["yaw"]), 8)
        self.assertEqual([head["age"] for head in (left, right, smile)], [base["age"]] * 3)
        self.assertGreater(abs(smile["smile"] - base["smile"]), .4)

    def test_smiles_of_all_kinds(self):
        from heads.quads import smiling
        smiles = [head["smile"] for head in smiling(11)]
        self.assertEqual(smiles[1], 0)
        self.assertTrue(0 < smiles[0] < .5 < smiles[2] < 1 <= smiles[3])

    def test_a_smile_does_not_enlarge_the_head(self):
        from heads import quads
        seed = 900000       # its face is long: by its own landmarks, a smile would enlarge it by an eighth
        together = quads.render_quadruple(seed, 48, 48, quads.smiling)["lm"] / 48
        sizes = [np.hypot(*(points[16] - points[0])) for points in together]
        self.assertLess(max(sizes) / min(sizes), 1.02)
        eyes = together[:, 36:48].mean(1)
        np.testing.assert_allclose(eyes, np.tile(eyes[0], (4, 1)), atol=.005)
        centre, x, _ = ffhq_frame(together[0])
        np.testing.assert_allclose([*centre, *x], [.5, .5, .5, 0], atol=1e-6)
        for points in quads.render_quadruple(seed, 48, 48, quads.mixed)["lm"] / 48:       # photos of their own
            np.testing.assert_allclose(ffhq_frame(points)[1], [.5, 0], atol=1e-6)
        turned = quads.render_quadruple(seed, 48, 48, quads.turned)["lm"] / 48
        self.assertGreater(np.ptp(turned[:, 36:48].mean(1)[:, 0]), .05)        # in their place, not in the frame's

    def test_hair_of_other_colours(self):
        from heads.labels import hair_lightness
        from heads.quads import recoloured
        for seed in range(20, 26):
            base, *others, aged = recoloured(seed)
            lightness = [hair_lightness(head) for head in (base, *others)]
            self.assertGreater(min(np.diff(sorted(lightness))), .12)
            self.assertEqual({head["age"] for head in others}, {base["age"]})
            self.assertEqual(hair_lightness(aged), lightness[0])
            self.assertGreater(abs(aged["age"] - base["age"]), .35)

    def test_files_are_resumed(self):
        from heads import quads
        with tempfile.TemporaryDirectory() as folder:
            kept = os.path.join(folder, "000000.npz")
            open(kept, "w").close()
            calls, original = [], quads.render_quadruple
            quads.render_quadruple = lambda seed, heads: calls.append(seed) or dict(img=np.zeros(1))
            try:
                quads.write_quadruples(folder, 0, 2, report=lambda line: None)
            finally:
                quads.render_quadruple = original
            self.assertEqual(calls, [1])
            self.assertEqual(os.path.getsize(kept), 0)


if __name__ == "__main__":
    unittest.main()
