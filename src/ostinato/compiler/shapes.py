"""Results without memory of the operations that steps are mostly made of.

torch knows the results of all operations on tensors without memory, but loads its symbolic
algebra and its compiler, more than a second's work, to tell them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def result(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What an operation gives on tensors without memory."""
    if func in _RULES:
        return _RULES[func](*args, **kwargs)
    if torch.Tag.pointwise in func.tags and not func._schema.is_mutable:
        return _pointwise(func, args, kwargs)
    return func(*args, **kwargs)


def _empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _pointwise(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    """The broadcast shape; the precision is that of the operation on next to nothing."""
    given = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
    shape = broadcast(*(each.shape for each in given))
    found = func(*map(_little, args), **{name: _little(each) for name, each in kwargs.items()})
    return _empty(shape, found.dtype)


def _little(value: Any) -> Any:
    """A tensor of no elements in the place of another; tensors without axes promote otherwise."""
    if not isinstance(value, Tensor):
        return value
    return torch.zeros((0,) if value.dim() else (), dtype=value.dtype)


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape.

    Raises:
        RuntimeError: if there is none.
    """
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    common = tuple(next((n for n in axes if n != 1), 1) for axes in zip(*padded, strict=True))
    if any(n not in (1, size) for shape in padded for n, size in zip(shape, common, strict=True)):
        raise RuntimeError(f"shapes {[list(shape) for shape in shapes]} do not broadcast")
    return common


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2] or a.dtype != b.dtype:
        raise RuntimeError(
            f"{a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)} cannot be multiplied"
        )
    return _empty((*a.shape[:-1], b.shape[-1]), a.dtype)


def _addmm(bias: Tensor, a: Tensor, b: Tensor, **_: Any) -> Tensor:
    product = _mm(a, b)
    if broadcast(bias.shape, product.shape) != product.shape or bias.dtype != a.dtype:
        raise RuntimeError(f"{bias.dtype} {list(bias.shape)} does not fit {list(product.shape)}")
    return product


def _reduced(func: Any) -> Callable[..., Tensor]:
    def rule(x: Tensor, axes: Any = None, keepdim: bool = False, **kwargs: Any) -> Tensor:
        every = range(x.dim())
        gone = {axis % x.dim() for axis in axes or every} if x.dim() else set()
        kept = [
            n if i not in gone else 1 for i, n in enumerate(x.shape) if keepdim or i not in gone
        ]
        # One element is enough to tell the precision, and has a maximum.
        found = func(torch.zeros(1, dtype=x.dtype), [0], **kwargs)
        return _empty(kept, found.dtype)

    return rule


_RULES: dict[Any, Callable[..., Tensor]] = {
    aten.mm.default: _mm,
    aten.bmm.default: _mm,
    aten.addmm.default: _addmm,
    aten.sum.dim_IntList: _reduced(aten.sum.dim_IntList),
    aten.amax.default: _reduced(aten.amax.default),
    aten.amin.default: _reduced(aten.amin.default),
}
