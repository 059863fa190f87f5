"""Pointwise functions, written out in the few that engines generate code for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), or its approximation by tanh."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + torch.tanh(inner))
    return 0.5 * x * (1 + torch.erf(x * math.sqrt(0.5)))


def softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + e^βx)/β; what is far above zero stays as it is."""
    scaled = x * beta
    far = scaled > threshold
    # Where the exponential is not used it must not overflow: its gradient would be 0 · ∞.
    return torch.where(far, x, torch.log1p(torch.exp(torch.where(far, 0.0, scaled))) / beta)


def elu(x: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Tensor:
    """x above zero, α(eˣ − 1) below; with the factors of selu and celu."""
    positive = x > 0
    below = torch.expm1(torch.where(positive, 0.0, x) * input_scale) * (alpha * scale)
    return torch.where(positive, x * scale, below)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x above zero, a part of it below."""
    return torch.where(x > 0, x, x * negative_slope)


def hardtanh(x: Tensor, min_val: float = -1, max_val: float = 1) -> Tensor:
    """Cut off at both ends, where it has no slope."""
    return torch.where(x <= min_val, min_val, torch.where(x >= max_val, max_val, x))


def exponential(base: float, x: Tensor) -> Any:
    """A positive number to the power of x."""
    return torch.exp(x * math.log(base)) if base > 0 else NotImplemented


def trunc(x: Tensor) -> Tensor:
    """Towards zero."""
    return torch.where(x < 0, -torch.floor(-x), torch.floor(x))


def rounded(x: Tensor) -> Tensor:
    """To the nearest whole number, from the middle to the even one."""
    up = torch.floor(x + 0.5)
    odd = up - 2 * torch.floor(up / 2) == 1
    return torch.where((up - x == 0.5) & odd, up - 1, up)


RULES: dict[Any, Callable[..., Any]] = {
    aten.gelu.default: gelu,
    aten.softplus.default: softplus,
    aten.elu.default: elu,
    aten.celu.default: lambda x, alpha=1.0: elu(x, alpha, 1, 1 / alpha),
    aten.leaky_relu.default: leaky_relu,
    aten.hardtanh.default: hardtanh,
    aten.log2.default: lambda x: torch.log(x) * (1 / math.log(2)),
    aten.log10.default: lambda x: torch.log(x) * (1 / math.log(10)),
    aten.exp2.default: lambda x: torch.exp(x * math.log(2)),
    aten.pow.Scalar: exponential,
    aten.ceil.default: lambda x: -torch.floor(-x),
    aten.trunc.default: trunc,
    aten.round.default: rounded,
    aten.tan.default: lambda x: torch.sin(x) / torch.cos(x),
    aten.isnan.default: lambda x: x != x,
    aten.isinf.default: lambda x: x.abs() == math.inf,
}
