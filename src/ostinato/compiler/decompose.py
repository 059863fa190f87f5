"""How composite operations are taken apart before a step is analysed.

torch's own table covers most; those below are written out in the few operations that engines
generate code for: pointwise ones, products with a constant matrix, sums and maxima of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.utils import _pytree as pytree

from ostinato.compiler import activations, rearrange

aten = torch.ops.aten


def _in_single(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule for what torch computes in float32 at least and rounds once, when it is done."""

    @wraps(rule)
    def rounded_once(x: Tensor, *args: Any, **options: Any) -> Any:
        if not x.is_floating_point() or x.dtype.itemsize >= 4:
            return rule(x, *args, **options)
        found = rule(x.float(), *args, **options)
        return pytree.tree_map_only(Tensor, lambda y: y.to(x.dtype), found)

    return rounded_once


@_in_single
def _layer_norm(
    x: Tensor, shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    axes = list(range(-len(shape), 0))
    count = math.prod(shape)
    mean = x.sum(axes, keepdim=True) / count
    centred = x - mean
    scale = torch.rsqrt((centred * centred).sum(axes, keepdim=True) / count + eps)
    y = centred * scale
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean, scale


@_in_single
def _rms_norm(
    x: Tensor, shape: list[int], weight: Tensor | None, eps: float | None
) -> tuple[Tensor, Tensor]:
    axes = list(range(-len(shape), 0))
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    scale = torch.rsqrt((x * x).sum(axes, keepdim=True) / math.prod(shape) + eps)
    y = x * scale
    return y if weight is None else y * weight, scale


@_in_single
def _softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.sum(dim, keepdim=True)


@_in_single
def _log_softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - torch.exp(shifted).sum(dim, keepdim=True).log()


@_in_single
def _mean(x: Tensor, dim: list[int], keepdim: bool = False, dtype: Any = None) -> Tensor:
    count = math.prod(x.shape[axis] for axis in dim)
    return x.sum(dim, keepdim=keepdim) / count


@_in_single
def _var(
    x: Tensor, dim: list[int] | None = None, *, correction: float = 1, keepdim: bool = False
) -> Tensor:
    axes = list(range(x.dim())) if dim is None else dim
    count = math.prod(x.shape[axis] for axis in axes)
    centred = x - x.sum(axes, keepdim=True) / count
    return (centred * centred).sum(axes, keepdim=keepdim) / max(count - correction, 0)


@_in_single
def _vector_norm(
    x: Tensor,
    order: float = 2,
    dim: list[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    axes = list(range(x.dim())) if dim is None else dim
    if dtype is not None or order not in (1, 2, math.inf):
        return NotImplemented
    if order != 2:
        return x.abs().sum(axes, keepdim) if order == 1 else x.abs().amax(axes, keepdim)
    squares = (x * x).sum(axes, keepdim=keepdim)
    # At zero the gradient of the root is infinite, and that of the norm is zero by convention.
    empty = squares == 0
    return torch.where(empty, 0.0, torch.sqrt(torch.where(empty, 1.0, squares)))


@_in_single
def _var_mean(
    x: Tensor, dim: list[int] | None = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    axes = list(range(x.dim())) if dim is None else dim
    mean = x.mean(axes, keepdim=keepdim)
    return _var(x, axes, correction=correction, keepdim=keepdim), mean


@_in_single
def _group_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    rows: int,
    channels: int,
    places: int,
    groups: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    grouped = x.reshape(rows, groups, channels * places // groups)
    y, mean, scale = _layer_norm(grouped, [grouped.shape[-1]], None, None, eps)
    y = y.reshape(x.shape)
    over = (channels, *(1,) * (x.dim() - 2))
    y = y if weight is None else y * weight.reshape(over)
    return y if bias is None else y + bias.reshape(over), mean[..., 0], scale[..., 0]


def _any(x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    return (x != 0).sum(dim, keepdim=keepdim) > 0


def _amin(x: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    return -torch.amax(-x, dim, keepdim=keepdim)


def _split(x: Tensor, size: int, dim: int = 0) -> list[Tensor]:
    # Not torch's own, which loads its symbolic algebra to check the size.
    total = x.shape[dim]
    sizes = [size] * (total // size) + ([total % size] if total % size else [])
    return list(torch.split_with_sizes(x, sizes, dim))


def _eye(n: int, m: int | None = None, *, dtype: Any = None, **where: Any) -> Tensor:
    # Not torch's own, which from 256 rows on counts them in a dtype that has no arange.
    sizes = n, n if m is None else m
    rows, columns = (torch.arange(size, device=where.get("device")) for size in sizes)
    return (rows[:, None] == columns).to(dtype or torch.get_default_dtype())


@cache
def decompositions() -> dict[Any, Callable[..., Any]]:
    """The table for tracing: torch's core decompositions, with ours in their place."""
    table = dict(core_aten_decompositions())
    table |= activations.RULES | rearrange.RULES
    table |= {
        aten.native_layer_norm.default: _layer_norm,
        aten._softmax.default: _softmax,
        aten._log_softmax.default: _log_softmax,
        aten.mean.dim: _mean,
        aten.var.correction: _var,
        aten.linalg_vector_norm.default: _vector_norm,
        aten.var_mean.correction: _var_mean,
        aten.native_group_norm.default: _group_norm,
        aten.any.dim: _any,
        aten.any.dims: _any,
        aten.amin.default: _amin,
        aten.split.Tensor: _split,
        aten.eye.default: _eye,
        aten.eye.m: _eye,
        # How elements lie in memory is no matter of the step.
        torch.ops.prims.copy_strided.default: lambda x, strides: x,
    }
    # To torch a mere alias, once autograd has seen it; here autograd is still to come.
    table.pop(aten.detach.default, None)
    if hasattr(aten, "_fused_rms_norm"):
        table[aten._fused_rms_norm.default] = _rms_norm
    return table
