"""The compiled loops over sensitivities of units that do not mix, on the CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.room import room
from ostinato.engines.fused.routines import REALS
from ostinato.engines.fused.threads import in_parts
from ostinato.engines.fused.toolchain import load

# Numbers of S that are worth a thread; units that the loop takes at a time.
_LEAST, _LINES = 2**16, 96


class _Port(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("time", ctypes.c_int64), ("row", ctypes.c_int64))


def advance(
    kept: Tensor,
    jacobian: Sequence[Sequence[Tensor | None]],
    changes: Sequence[Tensor | None],
    operand: Tensor | None,
    held: Tensor | None,
    cut: Tensor | None,
) -> Tensor:
    """S after T steps, like S before (B, units, K, n, D).

    Args:
        kept: S before.
        jacobian: by new and old leaf of K, (T, B, units); None: zero.
        changes: ∂h/∂δ by leaf, (T, B, units · n); None: zero.
        operand: (T, B, D); None: 1.
        held: (T, B) bool, true where the state is held; None: nowhere.
        cut: (T, B) bool, true where the state before the step is a fresh one.
    """
    kept = kept.contiguous()
    rows, units, leaves, width, inner = kept.shape
    out, problem = room(tuple(kept.shape), kept.dtype), _advance_of(leaves)()
    problem.kept, problem.out = kept.data_ptr(), out.data_ptr()
    for i, row in enumerate(jacobian):
        for j, each in enumerate(row):
            problem.jacobian[i][j] = _port(each)
        problem.changes[i] = _port(changes[i])
    problem.operand, problem.held, problem.cut = _port(operand), _port(held), _port(cut)
    problem.steps = len(next(each for each in changes if each is not None))
    problem.rows, problem.units, problem.width, problem.inner = rows, units, width, inner
    most = max(1, _LINES // (leaves * width))
    groups = rows * -(-units // most)
    in_parts(_loops(kept.dtype, leaves).advance, problem, groups, _worth(kept, groups))
    return out


def contract(total: Tensor, kept: Tensor, errors: Sequence[Tensor]) -> None:
    """Add Σ e S over rows and leaves to a gradient.

    Args:
        total: (units · n, D), contiguous.
        kept: S (B, units, K, n, D).
        errors: for each leaf e (B, units), contiguous.
    """
    kept = kept.contiguous()
    rows, units, leaves, width, inner = kept.shape
    problem = _contract_of(leaves)(kept.data_ptr(), out=total.data_ptr())
    for i, error in enumerate(errors):
        problem.errors[i] = error.data_ptr()
    problem.rows, problem.units, problem.width, problem.inner = rows, units, width, inner
    in_parts(_loops(kept.dtype, leaves).contract, problem, units, _worth(kept, units))


def _worth(kept: Tensor, parts: int) -> int:
    """How many of the parts that threads share are worth one."""
    return max(1, _LEAST * parts // max(1, kept.numel()))


def _port(tensor: Tensor | None) -> _Port:
    if tensor is None:
        return _Port()
    return _Port(tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


@cache
def _advance_of(leaves: int) -> type[ctypes.Structure]:
    """The arguments of `advance` in C, for K leaves."""

    class Advance(ctypes.Structure):
        _fields_ = (
            ("kept", ctypes.c_void_p),
            ("out", ctypes.c_void_p),
            ("jacobian", _Port * leaves * leaves),
            ("changes", _Port * leaves),
            ("operand", _Port),
            ("held", _Port),
            ("cut", _Port),
            *((name, ctypes.c_int64) for name in ("steps", "rows", "units", "width", "inner")),
        )

    return Advance


@cache
def _contract_of(leaves: int) -> type[ctypes.Structure]:
    """The arguments of `contract` in C, for K leaves."""

    class Contract(ctypes.Structure):
        _fields_ = (
            ("kept", ctypes.c_void_p),
            ("errors", ctypes.c_void_p * leaves),
            ("out", ctypes.c_void_p),
            *((name, ctypes.c_int64) for name in ("rows", "units", "width", "inner")),
        )

    return Contract


@cache
def _loops(dtype: torch.dtype, leaves: int) -> Any:
    """`advance` and `contract`, compiled for a precision and a number of leaves."""
    real = REALS[dtype]
    head = f"typedef {real} real;\n#define SINGLE {int(real == 'float')}\n#define LEAVES {leaves}\n"
    text = Path(__file__).with_name("sensitivities.cpp").read_text(encoding="utf-8")
    library = load(head + text)
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    for function in (library.advance, library.contract):
        function.argtypes = (pointer, pointer, integer, integer, integer, pointer, integer)
        function.restype = None
    return library
