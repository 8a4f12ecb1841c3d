# SPDX-License-Identifier: GPL-3.0-or-later
"""Fast convolution for training on a CPU: fastconv.cc (oneDNN) behind autograd, PyTorch's own operators otherwise.

    python3 -m styleres.fastconv --build       # once, in train/; needs c++ and libdnnl-dev

Everything works without the library, only slower: each function falls back to the PyTorch expression in its docstring
when the library is not built, a tensor is not a float32 CPU tensor, or oneDNN cannot do the case. FASTCONV=off forces
that, `with plain():` for some lines; FASTCONV=direct goes without Winograd's algorithm. Gradients of gradients exist only in
the fallback.
"""

import contextlib
import ctypes
import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

HERE = Path(__file__).resolve().parent
SOURCES = ("fastconv.cc", "fastconv_elementwise.cc")
LIBRARY = HERE / "libfastconv.so"
FLAGS = ["-std=c++17", "-O3", "-march=native", "-mprefer-vector-width=512", "-ffp-contract=fast",
         "-Wall", "-Wextra", "-Wno-psabi"]


def build():
    """Compile the library beside its source, for this machine's processor."""
    part = LIBRARY.with_suffix(".part")
    command = [os.environ.get("CXX", "c++"), *FLAGS, "-shared", "-fPIC", *(str(HERE / name) for name in SOURCES)]
    subprocess.run([*command, "-o", str(part), "-ldnnl"], check=True)
    part.replace(LIBRARY)  # a running process keeps the old one
    _library.cache_clear()


def half_precision(device):
    """Whether autocast makes convolutions run in 16 bits on this type of device."""
    if hasattr(torch, "get_autocast_dtype"):
        return torch.is_autocast_enabled(device)
    return torch.is_autocast_enabled() if device == "cuda" else torch.is_autocast_cpu_enabled()


_plain = False


@contextlib.contextmanager
def plain():
    """PyTorch's own operators here, for gradients of gradients."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


@functools.lru_cache(None)
def _library():
    if os.environ.get("FASTCONV") == "off" or not LIBRARY.exists():
        return None
    try:
        lib = ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    lib.fastconv_plan.restype = pointer
    lib.fastconv_plan.argtypes = [ctypes.POINTER(ctypes.c_int64), integer]
    lib.fastconv_forward.argtypes = [pointer] * 3 + [integer] + [pointer] * 3 + [ctypes.c_float, pointer]
    lib.fastconv_backward.argtypes = [pointer] * 5 + [integer] + [pointer] * 3 + [ctypes.c_float] + [pointer] * 5
    lib.fastconv_prelu.argtypes = [pointer] * 2 + [ctypes.c_int64] * 2 + [pointer]
    lib.fastconv_prelu_backward.argtypes = [pointer] * 3 + [ctypes.c_int64] * 2 + [pointer] * 2
    lib.fastconv_adam.argtypes = [pointer] * 4 + [ctypes.c_int64] + [ctypes.c_float] * 4
    return lib


def available():
    """Whether the built library is there and loads."""
    return _library() is not None


@functools.lru_cache(None)
def _plan(*shape):
    return _library().fastconv_plan((ctypes.c_int64 * 9)(*shape), os.environ.get("FASTCONV") != "direct")


def _pointer(tensor):
    return None if tensor is None else tensor.data_ptr()


def _dense_weight(weight):
    """The weight in one of the two layouts the library takes, and that layout's number."""
    if weight.is_contiguous():
        return weight, 0
    if weight.is_contiguous(memory_format=torch.channels_last):
        return weight, 1
    return weight.contiguous(), 0


class _StyledConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, plan, x, weight, style, scale, bias, slope, out_shape):
        x = x.contiguous(memory_format=torch.channels_last)
        weight, layout = _dense_weight(weight)
        style, scale, bias = (t if t is None else t.contiguous() for t in (style, scale, bias))
        y = torch.empty(out_shape, memory_format=torch.channels_last)
        failed = _library().fastconv_forward(plan, x.data_ptr(), weight.data_ptr(), layout, _pointer(style),
                                             _pointer(scale), _pointer(bias), slope, y.data_ptr())
        if failed:
            raise RuntimeError(f"oneDNN could not run a convolution of {tuple(x.shape)} by {tuple(weight.shape)}")
        needs_y = slope != 1 or scale is not None
        ctx.save_for_backward(x, weight, style, scale, bias, y if needs_y else None)
        ctx.plan, ctx.slope, ctx.layout = plan, slope, layout
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, style, scale, bias, y = ctx.saved_tensors
        _, need_x, need_weight, need_style, need_scale, need_bias, _, _ = ctx.needs_input_grad
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx = torch.empty_like(x) if need_x or need_style else None
        dweight = torch.empty_like(weight) if need_weight else None
        dstyle = None if style is None else torch.empty_like(style)
        dscale = None if scale is None else torch.zeros_like(scale)
        dbias = torch.zeros_like(bias) if need_bias else None
        failed = _library().fastconv_backward(
            ctx.plan, dy.data_ptr(), _pointer(y), x.data_ptr(), weight.data_ptr(), ctx.layout, _pointer(style),
            _pointer(scale), _pointer(bias), ctx.slope, _pointer(dx), _pointer(dweight), _pointer(dstyle),
            _pointer(dscale), _pointer(dbias))
        if failed:
            raise RuntimeError(f"oneDNN could not run the gradient of a convolution of {tuple(x.shape)}")
        return None, dx, dweight, dstyle, dscale, dbias, None, None


def _supported(*tensors):
    return all(t is None or (t.dtype == torch.float32 and t.device.type == "cpu") for t in tensors)


def _plan_for(x, weight, stride, padding, upsample, extra):
    kernel = weight.shape[2]
    if _plain or _library() is None or weight.shape[3] != kernel or x.dim() != 4 or weight.shape[1] != x.shape[1]:
        return None
    if not isinstance(stride, int) or not isinstance(padding, int) or not _supported(x, weight, *extra):
        return None
    if x.numel() == 0 or half_precision("cpu"):
        return None
    return _plan(*x.shape, weight.shape[0], kernel, stride, padding, int(upsample))


def phase_shuffle(x):
    """(n, 4 c, h, w) -> (n, c, 2 h, 2 w): channel p * c + k is pixel (p // 2, p % 2) of each 2 x 2 cell of channel k."""
    n, channels, h, w = x.shape
    cells = x.reshape(n, 2, 2, channels // 4, h, w)
    return cells.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // 4, 2 * h, 2 * w)


def styled_conv2d_reference(x, weight, style=None, scale=None, bias=None, slope=1.0, stride=1, padding=0,
                            upsample=False):
    """styled_conv2d in PyTorch's own operators."""
    y = F.conv2d(x if style is None else x * style[:, :, None, None].to(x.dtype), weight, None, stride, padding)
    if upsample:
        y = phase_shuffle(y)
    if scale is not None:       # with autocast, activations stay in 16 bits
        y = y * scale[:, :, None, None].to(y.dtype)
    if bias is not None:
        y = y + bias[None, :, None, None].to(y.dtype)
    return y if slope == 1 else F.leaky_relu(y, slope)


def styled_conv2d(x, weight, style=None, scale=None, bias=None, slope=1.0, stride=1, padding=0, upsample=False):
    """lrelu(shuffle(conv(x * style)) * scale + bias), in one pass forward and one backward.

    x (n, i, h, w); weight (o, i, k, k), k 1 or 3; style (n, i); scale (n, c) and never zero; bias (c); slope > 0, the
    leaky ReLU's, 1 for none. With upsample the o = 4 c outputs are the phases of a doubled map, see phase_shuffle;
    otherwise c = o. Returns a channels_last tensor.
    """
    plan = _plan_for(x, weight, stride, padding, upsample, (style, scale, bias))
    if plan is None:
        return styled_conv2d_reference(x, weight, style, scale, bias, slope, stride, padding, upsample)
    kernel = weight.shape[2]
    h, w = ((size + 2 * padding - kernel) // stride + 1 for size in x.shape[2:])
    grid = 2 if upsample else 1
    shape = (x.shape[0], weight.shape[0] // grid**2, h * grid, w * grid)
    return _StyledConv.apply(plan, x, weight, style, scale, bias, float(slope), shape)


def conv2d(x, weight, bias=None, stride=1, padding=0):
    """F.conv2d(x, weight, bias, stride, padding) for square kernels, ungrouped, undilated."""
    plan = _plan_for(x, weight, stride, padding, False, (bias,))
    if plan is None:
        return F.conv2d(x, weight, bias, stride, padding)
    return styled_conv2d(x, weight, None, None, bias, 1.0, stride, padding)


class _PRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, slope):
        x, slope = x.contiguous(memory_format=torch.channels_last), slope.contiguous()
        y = torch.empty_like(x)
        _library().fastconv_prelu(x.data_ptr(), slope.data_ptr(), x.numel() // x.shape[1], x.shape[1], y.data_ptr())
        ctx.save_for_backward(x, slope)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, slope = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx, dslope = torch.empty_like(x), torch.zeros_like(slope)
        _library().fastconv_prelu_backward(dy.data_ptr(), x.data_ptr(), slope.data_ptr(), x.numel() // x.shape[1],
                                           x.shape[1], dx.data_ptr(), dslope.data_ptr())
        return dx, dslope


def prelu(x, slope):
    """F.prelu(x, slope) for x (n, c, h, w) and slope (c)."""
    if _plain or _library() is None or x.dim() != 4 or slope.numel() != x.shape[1] or not _supported(x, slope):
        return F.prelu(x, slope.to(x.dtype))
    return _PRelu.apply(x, slope)


def _same_memory(parameter, *others):
    """Whether these tensors are dense and lie in memory in the same order, so that they can be walked as flat arrays."""
    dense = parameter.is_contiguous() or parameter.is_contiguous(memory_format=torch.channels_last)
    return dense and all(t.stride() == parameter.stride() for t in others)


class Adam(torch.optim.Adam):
    """torch.optim.Adam (no weight decay, no amsgrad) with one pass over memory per parameter; same state."""

    @torch.no_grad()
    def step(self, closure=None):
        plain = all(group["weight_decay"] == 0 and not group["amsgrad"] and not group["maximize"]
                    for group in self.param_groups)
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        ready = all(p in self.state and _supported(p, p.grad) for p in parameters)
        if _library() is None or closure is not None or not plain or not ready:
            return super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, self.state[p], group)
        return None

    def _update(self, parameter, state, group):
        (beta1, beta2), gradient = group["betas"], parameter.grad
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        count = float(state["step"])
        correction = math.sqrt(1 - beta2**count)
        rate, epsilon = group["lr"] * correction / (1 - beta1**count), group["eps"] * correction
        if not _same_memory(parameter, gradient):
            gradient = torch.empty_like(parameter).copy_(gradient)
        if not _same_memory(parameter, mean, square):
            mean, square = (torch.empty_like(parameter).copy_(t) for t in (mean, square))
            state["exp_avg"], state["exp_avg_sq"] = mean, square
        _library().fastconv_adam(parameter.data_ptr(), gradient.data_ptr(), mean.data_ptr(), square.data_ptr(),
                                 parameter.numel(), beta1, beta2, rate, epsilon)


if __name__ == "__main__":
    if sys.argv[1:] != ["--build"]:
        sys.exit("usage: python3 -m styleres.fastconv --build")
    build()
