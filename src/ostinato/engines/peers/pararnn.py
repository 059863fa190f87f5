"""ParaRNN: the parallel reduction of its authors' CUDA kernels, for diagonal recurrences.

Source: Danieli et al., "ParaRNN: Unlocking Parallel Training of Nonlinear RNNs for Large Language
Models" (2025), arXiv:2510.21450. Their function solves x_t + J_t x_{t−1} = r_t for x, of any number
of steps, channels first, time last. It has no gradient, which is found by the same function.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.engines.peers.accelerated_scan import AcceleratedScan


class ParaRNN(AcceleratedScan):
    """Solve elementwise affine steps by the reduction of that library."""

    name = "pararnn"
    summary = "the CUDA reduction of ParaRNN's authors, for elementwise affine steps"
    library = ("pararnn", "--no-build-isolation git+https://github.com/apple/ml-pararnn")
    most = math.inf

    def solve(self, a: Tensor, b: Tensor) -> Tensor:
        """h of a and b, (B, C, T), from h = 0 on.

        Args:
            a: (B, C, T).
            b: (B, C, T).
        """
        return _Reduction.apply(a, b)  # type: ignore[no-any-return, no-untyped-call]


class _Reduction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        # Nothing comes before the first step.
        a = F.pad(a[..., 1:], (1, 0))
        h = _reduced(a, b)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        flow = _reduced(F.pad(a[..., 1:].flip(-1), (1, 0)), grads[0].flip(-1)).flip(-1)
        return flow * F.pad(h[..., :-1], (1, 0)), flow


def _reduced(a: Tensor, b: Tensor) -> Tensor:
    library = import_module("pararnn.parallel_reduction.parallel_reduction")
    h: Tensor = library.ParallelSolve.parallel_reduce_diag_cuda(-a, b.contiguous())
    return h
