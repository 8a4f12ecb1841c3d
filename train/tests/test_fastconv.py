# SPDX-License-Identifier: GPL-3.0-or-later
"""fastconv against PyTorch's own operators: values and every gradient."""

import ctypes.util
import subprocess
import sys
import unittest
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from styleres import fastconv  # noqa: E402


def library_ready():
    if not fastconv.available() and ctypes.util.find_library("dnnl"):
        try:
            fastconv.build()
        except (OSError, subprocess.CalledProcessError):
            return False
    return fastconv.available()


def gradients(function, tensors, upstream):
    leaves = [t.clone().requires_grad_() if t is not None else None for t in tensors]
    y = function(*leaves)
    wanted = [t for t in leaves if t is not None]
    return [y.detach(), *torch.autograd.grad(y, wanted, upstream(y))]


class FastConvTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def compare(self, fast, plain, tensors, tolerance):
        """Largest difference of each result, relative to the largest value of the double-precision one."""
        upstream = []

        def same_upstream(y):
            if not upstream:
                # Not through outputs so near zero that rounding decides on which side of the kink they are.
                upstream.append(torch.randn(y.shape) * (y.detach().abs() > 1e-3))
            return upstream[0].to(y.dtype)

        doubles = [t if t is None else t.double() for t in tensors]
        want = gradients(plain, doubles, same_upstream)
        got = gradients(fast, tensors, same_upstream)
        for k, (a, b) in enumerate(zip(got, want)):
            self.assertEqual(a.shape, b.shape)
            self.assertLess(float((a - b).abs().max() / b.abs().max()), tolerance, f"result {k}")


@unittest.skipUnless(library_ready(), "libfastconv.so is not built: libdnnl-dev or a C++ compiler is missing")
class LibraryTest(FastConvTest):
    def conv(self, n, ci, h, w, co, k, stride, pad, bias, winograd, memory=torch.channels_last):
        plan = fastconv._plan(n, ci, h, w, co, k, stride, pad, 0)
        self.assertEqual(bool(fastconv._library().fastconv_is_winograd(ctypes.c_void_p(plan))), winograd)
        tensors = [torch.randn(n, ci, h, w).contiguous(memory_format=memory),
                   torch.randn(co, ci, k, k).contiguous(memory_format=memory), torch.randn(co) if bias else None]
        self.compare(lambda x, w, b: fastconv.conv2d(x, w, b, stride, pad),
                     lambda x, w, b: F.conv2d(x, w, b, stride, pad), tensors, 2e-5)

    def test_direct(self):
        self.conv(2, 40, 8, 8, 128, 3, 1, 1, True, False)

    def test_direct_without_bias(self):
        self.conv(2, 96, 8, 8, 40, 3, 1, 1, False, False)

    def test_stride_two_odd_size(self):
        self.conv(3, 32, 15, 18, 48, 3, 2, 1, True, False)

    def test_one_by_one(self):
        self.conv(2, 40, 16, 16, 24, 1, 1, 0, True, False)
        self.conv(2, 40, 16, 16, 24, 1, 2, 0, False, False)

    def test_odd_channels_from_contiguous(self):
        self.conv(2, 3, 20, 12, 24, 3, 1, 1, True, False, torch.contiguous_format)
        self.conv(2, 24, 20, 12, 1, 3, 1, 1, True, False, torch.contiguous_format)

    def test_winograd(self):
        self.conv(2, 48, 32, 32, 48, 3, 1, 1, True, True)
        self.conv(2, 48, 32, 32, 96, 3, 1, 1, False, True, torch.contiguous_format)

    def test_winograd_size_not_multiple_of_tile(self):
        self.conv(1, 32, 19, 22, 64, 3, 1, 1, True, True)

    def styled(self, n, ci, size, c, upsample, slope=0.2, style=True, scale=True, bias=True):
        o = 4 * c if upsample else c
        tensors = [torch.randn(n, ci, size, size), torch.randn(o, ci, 3, 3), torch.randn(n, ci) if style else None,
                   torch.rand(n, c) + 0.5 if scale else None, torch.randn(c) if bias else None]
        def with_options(function):
            return lambda *t: function(*t, slope=slope, padding=1, upsample=upsample)

        self.compare(with_options(fastconv.styled_conv2d), with_options(fastconv.styled_conv2d_reference), tensors, 2e-5)

    def test_styled(self):
        for size in (8, 32):
            for upsample in (False, True):
                self.styled(2, 32, size, 16, upsample)
                self.styled(2, 32, size, 32, upsample)

    def test_styled_odd_channels(self):
        self.styled(2, 20, 16, 12, True)
        self.styled(2, 20, 16, 12, False)

    def test_styled_parts_left_out(self):
        for size in (8, 32):
            self.styled(2, 32, size, 32, False, style=False, scale=False)
            self.styled(2, 32, size, 32, False, scale=False, bias=False)
            self.styled(2, 32, size, 32, False, slope=1, style=False)
            self.styled(2, 32, size, 32, True, slope=1, scale=False, bias=False)

    def test_prelu(self):
        for channels in (16, 24, 48):
            tensors = [torch.randn(3, channels, 13, 11), torch.randn(channels)]
            self.compare(fastconv.prelu, F.prelu, tensors, 2e-5)

    def test_adam(self):
        start = [torch.randn(8, 5, 3, 3).contiguous(memory_format=torch.channels_last), torch.randn(7), torch.randn([])]
        runs = []
        for optimizer in (torch.optim.Adam, fastconv.Adam):
            parameters = [p.clone().requires_grad_() for p in start]
            adam = optimizer([{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:]}], 0.02, (0.8, 0.95))
            for step in range(4):
                for k, p in enumerate(parameters):
                    p.grad = None if (step + k) % 3 == 2 else (p.detach() * (step + k + 1)).sin().contiguous()
                adam.step()
            runs.append(parameters)
        for want, got in zip(*runs):
            self.assertTrue(torch.allclose(want, got, rtol=1e-5, atol=1e-6))

    def test_gradient_only_where_asked(self):
        x, w, b = torch.randn(2, 32, 32, 32), torch.randn(32, 32, 3, 3, requires_grad=True), torch.randn(32)
        y = fastconv.conv2d(x, w, b, 1, 1)
        y.sum().backward()
        self.assertEqual(w.grad.shape, w.shape)
        x.requires_grad_()
        fastconv.conv2d(x, w.detach(), b, 1, 1).sum().backward()
        self.assertEqual(x.grad.shape, x.shape)


class FallbackTest(FastConvTest):
    def test_double_precision_is_pytorch(self):
        x, w, b = (torch.randn(s, dtype=torch.float64) for s in ((2, 8, 9, 9), (4, 8, 3, 3), (4,)))
        self.assertTrue(torch.equal(fastconv.conv2d(x, w, b, 2, 1), F.conv2d(x, w, b, 2, 1)))

    def test_phase_shuffle(self):
        x = torch.arange(8.0).view(1, 8, 1, 1)
        self.assertEqual(fastconv.phase_shuffle(x).tolist(), [[[[0, 2], [4, 6]], [[1, 3], [5, 7]]]])


if __name__ == "__main__":
    unittest.main()
