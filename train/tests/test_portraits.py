# SPDX-License-Identifier: GPL-3.0-or-later
"""Portraits: alignment, landmark network, masks, pseudo pairs. Pictures are drawn or rendered here; no photo of a person is used."""
import os
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "train"))
from heads import assets  # noqa: E402
from portraits import align, landmarks, lips, masks, pairs, prototype, wrinkles  # noqa: E402
from portraits.age import Portrait, hair_level, rejuvenate_skin  # noqa: E402

NEEDS_PACK = unittest.skipUnless(assets.is_available(), f"no MakeHuman pack at {assets.pack_folder()}")
WEIGHTS = os.path.join(ROOT, "data", "landmarks", "landmarks.safetensors")
GOLDEN = os.path.join(ROOT, "tests", "golden", "landmarks")
SIZE = 128


def face_points():
    """68 plausible landmarks in a 128-pixel crop."""
    jaw = [(64 - 36 * np.cos(a), 60 + 48 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    brow = [(36 + 5.5 * k, 47 - 2 * np.sin(np.pi * k / 4)) for k in range(5)]
    brows = brow + [(128 - x, y) for x, y in reversed(brow)]
    nose = [(64, 56 + 7 * k) for k in range(4)] + [(54 + 5 * k, 81) for k in range(5)]
    eye = [(46 + 6 * np.cos(a), 57 - 3 * np.sin(a)) for a in np.radians([180, 120, 60, 0, -60, -120])]
    eyes = eye + [(x + 36, y) for x, y in eye]
    outer = [(64 + 15 * np.cos(a), 95 - 5 * np.sin(a)) for a in np.radians(np.arange(180, -180, -30))]
    inner = [(64 + 11 * np.cos(a), 95 - 2 * np.sin(a)) for a in np.radians(np.arange(180, -180, -45))]
    return np.array(jaw + brows + nose + eyes + outer + inner)


def drawn_portrait(hair=(.15, .10, .07), lines=True):
    """A face oval with hair above on a blue backdrop, with some noise."""
    points = face_points()
    random = np.random.RandomState(0)
    rgb = np.tile(np.array([.35, .45, .55]), (SIZE, SIZE, 1))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    head = ((x - 64) / 42.) ** 2 + ((y - 50) / 46.) ** 2 < 1
    rgb[head & (y < 62)] = hair
    face = masks.face_oval(points, SIZE) > .5
    rgb[face & (y > 28)] = [.80, .60, .50]
    if lines:
        rgb[36:38, 45:83] *= .75
    rgb = gaussian_filter(rgb, (.7, .7, 0)) + random.randn(SIZE, SIZE, 3) * .006
    return np.clip(rgb, 0, 1), points


class Alignment(unittest.TestCase):
    def test_quad_and_crop(self):
        points = face_points()
        quad = align.quad_of(points)
        centre, x, y = quad
        self.assertAlmostEqual(x @ y, 0)
        self.assertAlmostEqual(np.hypot(*x), np.hypot(*y))
        self.assertGreater(x[0], 0)
        at = align.to_crop(np.stack([centre, centre + x + y]), quad, 100)
        np.testing.assert_allclose(at, [[50, 50], [100, 100]])

    def test_crop_shows_the_square_and_mirrors_outside(self):
        row, column = np.mgrid[0:90, 0:120]
        image = Image.fromarray(np.stack([column * 2, row * 2, column * 0], -1).astype(np.uint8))
        inner = np.asarray(align.crop(image, (np.array([60., 45.]), np.array([16., 0.]), np.array([0., 16.])), 32)).astype(float)
        np.testing.assert_allclose(inner[:, :, 0], np.tile((np.arange(32) + 44) * 2, (32, 1)), atol=2)
        np.testing.assert_allclose(inner[:, :, 1], np.tile((np.arange(32) + 29) * 2, (32, 1)).T, atol=2)
        outside = np.asarray(align.crop(image, (np.array([0., 45.]), np.array([16., 0.]), np.array([0., 16.])), 32)).astype(float)
        np.testing.assert_allclose(outside[:, :16, 0], outside[:, :15:-1, 0], atol=4)

    def test_hold_out_depends_on_the_ids_alone(self):
        ids = [f"P{k:03d}" for k in range(200)]
        held = align.hold_out(ids)
        self.assertEqual(held.sum(), align.HOLD_OUT)
        order = np.random.RandomState(0).permutation(200)
        np.testing.assert_array_equal(align.hold_out([ids[i] for i in order]), held[order])


class Network(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        torch.set_num_threads(1)

    def test_mirror_is_an_involution(self):
        order = np.array(landmarks.MIRROR)
        np.testing.assert_array_equal(order[order], np.arange(68))
        points = face_points()
        mirrored = points[order] * [-1, 1] + [128, 0]
        np.testing.assert_allclose(mirrored[:48], points[:48], atol=1e-6)

    def test_jitter_moves_picture_and_landmarks_together(self):
        points = torch.rand(16, 68, 2) * .8 - .4
        pictures = torch.full((16, 3, 128, 128), -1.)
        for k in range(16):
            x, y = ((points[k, 0] + 1) / 2 * 128).long()
            pictures[k, :, y - 2:y + 3, x - 2:x + 3] = 1
        crops, moved, labels = landmarks.jitter_box(pictures, points.clone(), torch.ones(16, 3))
        found = 0
        for k in range(16):
            # a mirrored picture gives landmark 0's place to its mirror number
            place = moved[k, 16 if labels[k, 2] < 0 else 0]
            weight = crops[k, 0].numpy() + 1
            if weight.sum() < 4 or place.abs().max() > .85:
                continue
            row, column = np.mgrid[0:64, 0:64]
            centre = np.array([(weight * column).sum(), (weight * row).sum()]) / weight.sum() + .5
            np.testing.assert_allclose(centre, (place.numpy() + 1) * 32, atol=2)
            found += 1
        self.assertGreater(found, 6)

    def test_training_lowers_the_error(self):
        random = np.random.RandomState(0)
        pictures, points = random.randint(0, 255, (8, 64, 64, 3)).astype(np.uint8), np.tile(face_points() / 2, (8, 1, 1))
        lines = []
        landmarks.train(pictures, points, np.zeros((8, 3), np.float32), 30, batch=8, report=lines.append)
        error = [float(line.split()[3]) for line in lines]
        self.assertLess(error[-1], .6 * error[0])

    def test_folding_and_file(self):
        network = landmarks.LandmarkNetwork()
        for norm in network.normalisations:
            norm.running_mean.normal_(0, .3), norm.running_var.uniform_(.5, 2), norm.weight.data.uniform_(.5, 2), norm.bias.data.normal_()
        crops = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            expected, attributes = network.eval()(crops)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.safetensors")
            landmarks.save_folded(network, path)
            found, found_attributes = landmarks.run_folded(path, crops.numpy())
        scale = expected.abs().max()
        np.testing.assert_allclose(found, expected, atol=float(4e-3 * scale))
        np.testing.assert_allclose(found_attributes, attributes, atol=float(4e-3 * scale))

    def test_program_weights_are_a_network_again(self):
        crops = np.load(os.path.join(GOLDEN, "input.npy"))
        wanted, attributes = landmarks.run_folded(WEIGHTS, crops)
        with torch.no_grad():
            found, found_attributes = landmarks.load(WEIGHTS)(torch.from_numpy(crops))
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        np.testing.assert_allclose(found_attributes, attributes, atol=1e-5)

    def test_shipped_weights_give_the_reference(self):
        expected = np.load(os.path.join(GOLDEN, "landmarks.npy"))
        found, _ = landmarks.run_folded(WEIGHTS, np.load(os.path.join(GOLDEN, "input.npy")))
        np.testing.assert_allclose(found[0], expected, atol=1e-4)


class Masks(unittest.TestCase):
    def test_skin_hair_and_features(self):
        rgb, points = drawn_portrait()
        skin, hair, features = masks.skin(rgb, points), masks.hair(rgb, points), masks.features(points, SIZE)
        self.assertGreater(skin[75, 45], .8)                # cheek
        self.assertGreater(skin[45, 64], .8)                # forehead
        self.assertLess(skin[14, 64], .2)                   # hair
        self.assertLess(skin[57, 46], .1)                   # eye
        self.assertGreater(features[95, 64], .8)            # mouth
        self.assertGreater(hair[12, 64], .8)
        self.assertLess(hair[75, 45], .05)
        self.assertLess(hair[10, 8], .05)                   # backdrop

    def test_hair_ends_where_the_person_does(self):
        rgb, points = drawn_portrait()
        hair, half = masks.hair(rgb, points), SIZE // 2
        np.testing.assert_allclose(masks.own_hair(rgb, points).sum(), hair.sum(), rtol=.03)
        person = np.tile((np.arange(half) < half / 2).astype(float), (half, 1))
        with mock.patch.object(masks, "person", return_value=person):
            own = masks.own_hair(rgb, points)
        np.testing.assert_array_equal(own[:, :half - 1], hair[:, :half - 1])
        self.assertEqual(own[:, half + 1:].max(), 0)
        with mock.patch.object(masks, "person", return_value=None):        # no plain backdrop
            np.testing.assert_array_equal(masks.own_hair(rgb, points), hair)

    def test_bald_has_no_hair(self):
        rgb, points = drawn_portrait(hair=(.80, .60, .50))
        hair = masks.hair(rgb, points)
        self.assertLess(hair[8:30, 50:78].mean(), .15)      # the rim of the skull may stay, the skull may not
        self.assertLess(hair.mean(), .05)

    def test_guided_filter_keeps_edges(self):
        step = np.zeros((40, 40))
        step[:, 20:] = 1
        noisy = step + np.random.RandomState(0).randn(40, 40) * .05
        smooth = masks.guided_filter(step, noisy, 4, 1e-4)
        self.assertLess(np.abs(smooth - step).mean(), .5 * np.abs(noisy - step).mean())
        self.assertGreater(smooth[:, 21].mean() - smooth[:, 18].mean(), .9)


NO_CHANGE = np.zeros((SIZE, SIZE, 3)), np.zeros((SIZE, SIZE, len(prototype.BANDS)))


def portrait_of(rgb, points, changes=NO_CHANGE):
    return Portrait(rgb, points, changes)


class Prototypes(unittest.TestCase):
    CHEEK, CHIN = np.s_[140:152, 78:93], np.s_[212:222, 120:136]

    def people(self):
        """Photos (256 x 256), landmarks, ages and who is a woman. With every year cheeks darken and skin gets rougher; women have paler chins and
        are older here; a third of the old wear dark bars under the eyes."""
        random = np.random.RandomState(0)
        y, x = np.mgrid[0:256, 0:256]
        base, points = drawn_portrait(lines=False)
        base = np.asarray(Image.fromarray((base * 255).astype(np.uint8)).resize((256, 256), Image.BILINEAR)) / 255.
        ages, photos = np.linspace(40, 80, 48), []
        women = (np.arange(48) % np.where(ages > 60, 3, 4) < 2).astype(float)
        for number, age in enumerate(ages):
            change = -.006 * (age - 60) * np.exp(-((np.abs(x - 128) - 42) ** 2 + (y - 146) ** 2) / 200)
            change = change + .2 * women[number] * np.exp(-((x - 128) ** 2 + (y - 217) ** 2) / 200)
            change = change + random.randn(256, 256) * .02 * np.exp(.02 * (age - 60))
            photo = base * np.exp(change)[..., None]
            if age > 66 and number % 7 in (1, 4):
                photo[124:130, 70:110] = photo[124:130, 146:186] = .05
            photos.append((photo.clip(0, 1) * 255).astype(np.uint8))
        return np.stack(photos), np.stack([points * 2] * 48), ages, women

    def test_the_years_are_found_and_nothing_else(self):
        photos, points, ages, women = self.people()
        found = prototype.fit(photos, points, ages, np.stack([women, 0 * women, 0 * women], 1))
        cheek, chin, bar = (found.colour[where].mean() for where in (self.CHEEK, self.CHIN, np.s_[125:129, 75:105]))
        self.assertAlmostEqual(cheek, -.0045, delta=.001)              # -0.006 in the middle, less around it, less what all skin has
        self.assertLess(abs(chin), .0012)                                               # women's
        self.assertLess(abs(bar), .0012)                                                # glasses
        np.testing.assert_allclose(found.colour, found.colour[:, ::-1], atol=1e-5)
        self.assertAlmostEqual(found.detail[160:172, 78:93, 0].mean(), .015, delta=.007)
        self.assertEqual(np.abs(found.colour[:, :10]).max(), 0)                         # the backdrop

    def test_changes_go_where_the_face_is(self):
        points = face_points() * 2
        spot = np.zeros((256, 256, 3))
        spot[150:160, 112:122] = 1
        moved = prototype.Prototype(points, spot, np.zeros((256, 256, 3))).changes(points + [12, 5])[0][..., 0]
        rows, columns = (moved > .5).nonzero()
        np.testing.assert_allclose([rows.mean(), columns.mean()], [154.5 + 5, 116.5 + 12], atol=1.5)

    def test_a_face_gets_so_many_years(self):
        rgb, points = drawn_portrait()
        paler = np.full((SIZE, SIZE, 3), .01), NO_CHANGE[1]
        portrait = portrait_of(rgb, points, paler)
        cheek = np.s_[70:76, 34:40]
        np.testing.assert_allclose(np.log(portrait.younger(.0)[cheek] / rgb[cheek]), 0, atol=1e-6)
        young = portrait.younger(1.)[cheek].mean() / portrait_of(rgb, points).younger(1.)[cheek].mean()
        self.assertAlmostEqual(np.log(young), -.35, delta=.05)
        np.testing.assert_allclose(portrait.younger(1.)[:, :8], rgb[:, :8], atol=.02)   # backdrop untouched

    def test_people_must_be_known(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "people.csv")
            with open(path, "w") as file:
                file.write("id,birth_year,gender\nA1,1950,F\nA2,1970,M\n")
            ages, women = prototype.read_labels(path, ["A2", "A1"])
            self.assertEqual(ages[1] - ages[0], 20)
            self.assertEqual(women.tolist(), [0, 1])
            with self.assertRaisesRegex(SystemExit, "A3"):
                prototype.read_labels(path, ["A1", "A3"])
            with open(path, "w") as file:
                file.write("name,born\nA1,1950\n")
            with self.assertRaisesRegex(SystemExit, "birth_year"):
                prototype.read_labels(path, ["A1"])


class Ageing(unittest.TestCase):
    def test_wrinkles_lie_where_faces_fold(self):
        change = wrinkles.draw(face_points(), SIZE)
        self.assertLess(change.min(), -.1)
        self.assertLess(change[80:100, 38:52].min(), -.08)      # beside the mouth
        self.assertLess(change[25:44, 50:78].min(), -.05)       # forehead
        self.assertEqual(np.abs(change[:, :10]).max(), 0)

    def test_older_greys_and_younger_darkens(self):
        for hair, expected in (((.15, .10, .07), "older"), ((.75, .75, .74), "younger")):
            rgb, points = drawn_portrait(hair=hair)
            portrait = portrait_of(rgb, points)
            level = hair_level(rgb, portrait.hair)[0]
            edited = getattr(portrait, expected)(1.)
            change = hair_level(edited, portrait.hair)[0] - level
            self.assertGreater(change * (1 if expected == "older" else -1), .15)
            np.testing.assert_allclose(edited[100:, :8], rgb[100:, :8], atol=.02)       # backdrop untouched

    def test_skin_alone_and_hair_alone(self):
        rgb, points = drawn_portrait(hair=(.15, .10, .07))
        portrait = portrait_of(rgb, points)
        self.assertEqual(portrait.lightness(rgb), 0)
        for edited in (portrait.older(1., grey=False), portrait.younger(1., dark=False)):
            self.assertLess(abs(portrait.lightness(edited)), .02)
            self.assertGreater(np.abs(edited - rgb).max(), .05)
        lighter = portrait.other_hair(.3)
        self.assertGreater(portrait.lightness(lighter), .2)
        np.testing.assert_allclose(lighter[portrait.skin > .9], rgb[portrait.skin > .9], atol=.02)

    def test_hair_is_as_dark_and_light_as_hair_can_be(self):
        portrait = portrait_of(*drawn_portrait(hair=(.45, .35, .28)))
        changes = [portrait.lightness(portrait.other_hair(wish)) for wish in (-.6, -.4, -.1, .1, .4, .6)]
        self.assertEqual(changes, sorted(changes))
        np.testing.assert_allclose(changes[2:4], [-.1, .1], atol=.03)                   # a small wish is met
        self.assertLess(changes[1] - changes[0], .03)                                   # a wish for black is not,
        self.assertGreater(hair_level(portrait.other_hair(-.6), portrait.hair)[0], .06)
        self.assertLess(changes[5] - changes[4], .03)                                   # nor one for more than the light gives
        dark = portrait_of(*drawn_portrait(hair=(.12, .09, .07)))
        self.assertLess(abs(dark.lightness(dark.other_hair(-.4))), .03)

    def test_rims_and_fringes_are_no_hair_to_colour(self):
        portrait = portrait_of(*drawn_portrait(hair=(.80, .60, .50)))
        self.assertFalse(portrait.has_hair)
        away_from_brows = portrait.brows < 1e-3
        np.testing.assert_allclose(portrait.older(1.)[away_from_brows], portrait.older(1., grey=False)[away_from_brows], atol=1e-3)

    def test_skin_gets_rougher_and_smoother(self):
        rgb, points = drawn_portrait()
        portrait = portrait_of(rgb, points, (NO_CHANGE[0], NO_CHANGE[1] + .02))
        forehead = np.s_[32:43, 50:78]
        rough = lambda image: masks.luma(image)[forehead].std()
        self.assertGreater(rough(portrait.older(1.)), rough(rgb))
        young = rejuvenate_skin(rgb, portrait.skin, points, 1.)
        self.assertLess(rough(young), .7 * rough(rgb))
        np.testing.assert_allclose(young[portrait.skin > .9].mean(0), rgb[portrait.skin > .9].mean(0), atol=.04)    # no cast

    def test_amount_zero_changes_nothing(self):
        rgb, points = drawn_portrait()
        np.testing.assert_allclose(portrait_of(rgb, points).younger(0.), rgb, atol=1e-6)


@NEEDS_PACK
class Warps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from portraits.fields import Fields
        cls.fields = Fields(64)

    def test_no_change_is_no_warp(self):
        photo = np.random.RandomState(0).rand(64, 64, 3)
        same = self.fields.warp(photo, face_points() / 2, (0, .25, .5), (0, .25, .5))
        np.testing.assert_allclose(same, photo, atol=.05)

    def test_features_go_where_the_mean_head_takes_them(self):
        source, target = (0, .25, .5), (12, .25, .5)
        points = self.fields.state(source).landmarks
        photo = np.zeros((128, 128, 1))
        x, y = points[30] * 2
        row, column = np.mgrid[0:128, 0:128] + .5
        photo[..., 0] = np.exp(-((column - x) ** 2 + (row - y) ** 2) / 18)
        warped = self.fields.warp(photo, points, source, target)[..., 0]
        centre = np.array([(warped * column).sum(), (warped * row).sum()]) / warped.sum() / 2
        np.testing.assert_allclose(centre, self.fields.state(target).landmarks[30], atol=1.)
        self.assertGreater(centre[0], points[30, 0] + 1)

    def test_mouth_becomes_wider_and_the_rest_stays(self):
        points, size = face_points() / 2, self.fields.size
        moved = self.fields.mouth(points, 1.2)
        left, right = points[48], points[54]
        for corner in (left, right):
            wide = (left + right) / 2 + (corner - (left + right) / 2) * 1.2
            at = moved[int(wide[1]), int(wide[0])]
            np.testing.assert_allclose(at, corner - wide, atol=.3)
        for x, y in points[[0, 16, 37, 44, 30]]:
            self.assertLess(np.abs(moved[min(int(y), size - 1), min(int(x), size - 1)]).max(), .3)

    def test_widening_is_seen_in_pictures(self):
        from portraits.fields import lookup
        from styleres.measures import mouth_widening
        random, grid = np.random.RandomState(1), (np.mgrid[0:64, 0:64] + .5)[::-1].transpose(1, 2, 0)
        photo = gaussian_filter(random.rand(64, 64, 3), (1.5, 1.5, 0))
        photo = (photo - photo.min()) / np.ptp(photo) * 255
        points = face_points() / 2
        for width in (.8, 1.0, 1.2):
            after = lookup(photo, grid + self.fields.mouth(points, width), "nearest")
            found = mouth_widening([photo.astype(np.uint8)], [after.astype(np.uint8)], [points])[0]
            self.assertAlmostEqual(found, width - 1, delta=.08)     # too small rather than too large


def with_mouth(rgb, points, open=False, moustache=False):
    """The drawn portrait with lips, red or closed over with teeth between, and hair above them."""
    rgb, band = rgb.copy(), np.zeros((SIZE, SIZE))
    rgb[masks.polygon(points[48:60], SIZE) > .5] = [.70, .30, .30]
    if open:
        rgb[masks.polygon(points[60:68], SIZE) > .5] = [.95, .95, .90]
    if moustache:
        band[84:89, 50:79] = 1
        rgb[band > 0] = [.25, .20, .18]
    return rgb


class MouthsOfOthers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.points, skin = face_points(), drawn_portrait()[0]
        cls.closed = with_mouth(skin, cls.points)
        wide = cls.points.copy()
        wide[48:] += (wide[48:] - [64, 95]) * [.3, .5]
        cls.wide = wide
        darker = np.where((skin[..., :1] > .6), skin * [.8, .75, .7], skin)
        cls.broad = with_mouth(darker, wide, open=True)

    def test_is_put_in_and_takes_on_the_skin(self):
        from portraits.mouths import put
        result, foreign = put(self.closed, self.points, self.broad, self.wide)
        changed = np.abs(result - self.closed).max(-1) > .02
        self.assertFalse(changed[:80].any() or changed[:, :30].any() or changed[:, 98:].any())
        self.assertGreater(masks.luma(result)[95, 64], .75)                                 # teeth,
        self.assertLess(result[95, 46, 1], .5)                                              # lips where there were none,
        np.testing.assert_allclose(result[106, 64], self.closed[106, 64], atol=.05)         # and no darker skin below
        self.assertLess(foreign, .06)

    def test_moustaches_look_foreign(self):
        from portraits.mouths import put
        rough = with_mouth(drawn_portrait()[0], self.points, moustache=True)
        self.assertGreater(put(self.closed, self.points, rough, self.points)[1], 2 * put(self.closed, self.points, self.broad, self.wide)[1])

    def test_the_most_alike_lends_its_mouth(self):
        from portraits.mouths import Mouths
        skin = drawn_portrait()[0]
        pale = np.where(skin[..., :1] > .6, .9 * skin + .1, skin)
        photos = [self.closed, self.broad, with_mouth(pale, self.wide, open=True), with_mouth(skin, self.wide, open=True, moustache=True), self.closed]
        photos = (np.stack(photos) * 255).astype(np.uint8)
        landmarks = np.stack([self.points, self.wide, self.wide, self.wide, self.points])
        mouths = Mouths(photos, landmarks, np.array([[.5, .3, 0], [.5, .9, 0], [.5, .95, 0], [.5, 1., 0], [.5, .4, 0]]), [0, 1, 2, 3])
        self.assertEqual(mouths.broad, [1, 2, 3])                                           # 4 is not to be used
        asked = []
        found = mouths.best(0, lambda smile: (asked.append(smile), (photos[0].astype(np.float32), self.points))[1], 2)
        self.assertEqual(sorted(asked), [.9, .95, 1.])
        self.assertEqual([round(smile, 3) for _, smile in found], [.95, .9])              # a moustache is worse
        self.assertNotIn(1, [donor for donor, _ in mouths.alike(1)])                         # nobody lends himself his own


class Lips(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.points = face_points()
        cls.points[48:] += (cls.points[48:] - [64, 95]) * [.3, .5]
        cls.skin = drawn_portrait()[0]
        cls.open = with_mouth(cls.skin, cls.points, open=True)

    def teeth(self, photo):
        return int((masks.luma(photo)[86:106, 44:85] > .75).sum())

    def test_opening_is_where_the_teeth_are(self):
        lens = lips.opening(self.open, self.points)
        middle, across, down = lips.frame(self.points)
        upper, lower, _ = lips.edges(lens, np.zeros(1))
        rows = np.nonzero(masks.luma(self.open)[86:106, 64] > .75)[0] + 86
        np.testing.assert_allclose([middle[1] + upper[0] * down[1], middle[1] + lower[0] * down[1]], [rows[0], rows[-1] + 1], atol=1.2)
        self.assertAlmostEqual(lips.height(lens) * np.hypot(*across), rows[-1] + 1 - rows[0], delta=2)

    def test_closes_over_the_teeth_and_keeps_the_rest(self):
        lens = lips.opening(self.open, self.points)
        half, whole = (lips.closed(self.open, self.points, lens, amount) for amount in (.5, 1))
        self.assertGreater(self.teeth(self.open), 60)
        self.assertLess(self.teeth(half), .7 * self.teeth(self.open))
        self.assertEqual(self.teeth(whole), 0)
        for row in (94, 99):
            self.assertLess(whole[row, 64, 1], .5)                                          # lips meet where teeth were
        np.testing.assert_array_equal(lips.closed(self.open, self.points, lens, 0.), self.open)
        changed = np.abs(whole - self.open).max(-1) > .04
        self.assertFalse(changed[:78].any() or changed[:, :36].any() or changed[:, 92:].any() or changed[116:].any())

    def test_what_is_not_clear_is_left_alone(self):
        for photo in (self.skin, with_mouth(self.skin, self.points), with_mouth(self.skin, self.points, moustache=True)):
            self.assertIsNone(lips.opening(photo, self.points))


class Smiles(unittest.TestCase):
    def test_lips_go_the_same_way_for_the_same_label(self):
        still = mock.Mock(warp=lambda photo, *_: photo, shift=lambda *_: 0)
        for size in (.22, .3):
            with mock.patch.multiple(lips, opening=mock.Mock(return_value=0), height=mock.Mock(return_value=size),
                                     closed=lambda photo, points, lens, share: photo * 0 + share):
                found = pairs.smile_pairs(0, np.zeros((256, 256, 3)), face_points() * 2, (0, 1., 0), None, still)
            closing = [(picture.mean() / 255, -change[1]) for picture, change in found if change[1] < 0]
            self.assertEqual(closing[-1], (1, 1))
            for share, label in closing[:-1]:
                self.assertAlmostEqual(share * size, label / 2, delta=.01)

    def test_warps_neither_open_nor_close_lips(self):
        from portraits.pairs import CLOSED, OPEN, SMILES, warped_smiles
        for smile in range(OPEN):
            self.assertLessEqual(max(warped_smiles(smile)), CLOSED)
        for smile in (3, 4):
            self.assertEqual([SMILES[k] - SMILES[smile] for k in warped_smiles(smile)], [-.25, .5])


class Person(unittest.TestCase):
    def test_is_cut_out_of_a_backdrop(self):
        rgb, points = drawn_portrait()
        found = masks.person(rgb, points)
        y, x = np.mgrid[0:SIZE, 0:SIZE]
        head = ((x - 64) / 42.) ** 2 + ((y - 50) / 46.) ** 2
        self.assertGreater((found[(head < .85) & (y < 62)] > .5).mean(), .98)
        self.assertLess(found[(head > 1.2) & (y < 62)].max(), .5)

    def test_without_a_backdrop_there_is_none(self):
        random = np.random.RandomState(0)
        self.assertIsNone(masks.person(random.rand(SIZE, SIZE, 3), face_points()))


@NEEDS_PACK
class Turned(unittest.TestCase):
    """A drawn portrait with green marks on nose and chin, whose head can be turned."""

    @classmethod
    def setUpClass(cls):
        from portraits import turn
        rgb, _ = drawn_portrait()
        _, points, joint, scale = turn.mean_depth(0)
        cls.landmarks = joint + turn.flattened(points)[0] * scale
        cls.photo = rgb * 255
        for x, y in cls.landmarks[[30, 8]]:
            cls.photo[int(y) - 1:int(y) + 2, int(x) - 1:int(x) + 2] = [0, 255, 0]
        cls.head = turn.Turn(np.kron(cls.photo, np.ones((2, 2, 1))), cls.landmarks, 0)

    def green(self, picture):
        """Where the green marks of the face are: their middles (x), from top to bottom."""
        small = picture.reshape(SIZE, 2, SIZE, 2, 3).mean((1, 3))
        strength = np.clip(small[..., 1] - np.maximum(small[..., 0], small[..., 2]) - 40, 0, None)
        middle = int((self.landmarks[30, 1] + self.landmarks[8, 1]) / 2)
        return [(part.sum(0) @ (np.arange(SIZE) + .5)) / part.sum() for part in (strength[:middle], strength[middle:])]

    def sideways(self, degrees):
        """SIZE x SIZE: across which column of the photo every second pixel of the turned picture looks, in the photo's 2 x SIZE pixels."""
        return self.head.source(degrees)[1::2, 1::2, 0]

    def test_no_turn_changes_nothing(self):
        np.testing.assert_allclose(self.head.turned(0), self.head.photo, atol=1e-3)

    def test_nose_moves_more_than_the_chin_and_the_backdrop_not(self):
        nose, chin = self.green(self.head.turned(0))
        picture = self.head.turned(20)
        turned_nose, turned_chin = self.green(picture)
        self.assertGreater(turned_nose - nose, turned_chin - chin + 3)
        self.assertGreater(turned_chin - chin, 1)
        corner = np.abs(picture - self.head.photo)[:24, :24]
        self.assertLess(corner.mean(), 4)
        left, _ = self.green(self.head.turned(-20))
        self.assertAlmostEqual(nose - left, turned_nose - nose, delta=1)

    def test_near_side_is_stretched_and_far_side_hidden(self):
        row = int(self.landmarks[30, 1])
        far = self.head.fit.head[row].nonzero()[0][-1]
        for degrees in (16, 27):
            steps = np.diff(self.sideways(degrees)[row])[:-2]   # at the picture's border there is nothing to show
            self.assertGreater(steps.min(), 2 / 3.6)            # stretched hardly more than allowed, and nothing is seen twice
            self.assertGreater(steps[far - 24:far + 12].max(), 16)      # what the face now hides
        self.assertLess(np.diff(self.sideways(4)[row]).max(), 4)

    def test_what_is_seen_comes_from_where_it_moved_from(self):
        from portraits import turn
        for degrees in (-27, 12):
            there = turn.PIXELS + self.head.motion(degrees)[0]
            source = turn.lookup(self.head.source(degrees), there * 2, "nearest") / 2
            missed = np.hypot(*(source - turn.PIXELS)[32:96, 40:88].transpose(2, 0, 1))     # around eyes, nose and mouth
            self.assertLess(np.quantile(missed, .8), .15)

    def test_flows_lead_to_the_turned_picture_and_back(self):
        from styleres.networks import moved
        source = self.head.source(15)
        flows = torch.from_numpy(self.head.flows(15, source, 32)).float()
        photo, turned = (torch.from_numpy(gaussian_filter(x, (3, 3, 0))).float().permute(2, 0, 1)[None] for x in (self.head.photo, self.head.seen(source)))
        for way, start, end in ((flows[0], photo, turned), (flows[1], turned, photo)):
            missed, still = ((x - end)[..., 64:192, 80:176].abs().mean() for x in (moved(start, way[None]), start))
            self.assertLess(float(missed), .35 * float(still))

    def test_rendered_heads_are_met(self):
        from heads.quads import render_quadruple, turned
        from portraits.turn import Turn
        from styleres.measures import ssim
        gains = []
        for seed in (200012, 200024):
            heads = render_quadruple(seed, heads=turned)
            head = Turn(heads["img"][0].astype(np.float32), heads["lm"][0].astype(float), 0)
            for k in (1, 2):
                found = head.turned(30 * (heads["par"][k, 2] - heads["par"][0, 2]))
                found = np.clip(found + .5, 0, 255).astype(np.uint8)
                gains.append(ssim(found[None], heads["img"][k:k + 1])[0] - ssim(heads["img"][:1], heads["img"][k:k + 1])[0])
        self.assertGreater(min(gains), .05)
        self.assertGreater(np.mean(gains), .12)


if __name__ == "__main__":
    unittest.main()
