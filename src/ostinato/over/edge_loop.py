"""The recurrence over the edges of a graph as one compiled loop, and its gradient, on the CPU.

States are made again for the gradient: to keep them would take more memory than time is saved.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.toolchain import FLAGS, find_compiler, load, no_compiler
from ostinato.engines.parallel.recurrence import transformed
from ostinato.over.edges import Edges

_REALS = {torch.float32: "float", torch.float64: "double"}
# Multiplications that are worth a thread.
_LEAST = 2**16


class _Port(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("lane", ctypes.c_int64), ("row", ctypes.c_int64))

    @classmethod
    def of(cls, tensor: Tensor) -> _Port:
        return cls(tensor.data_ptr(), *tensor.stride()[:2])


class _Pairs(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("first", "numbers", "others"))


_LISTS = ("order", "leaves", "enters", "sources", "turns", "marks")
_SIZES = ("edges", "nodes", "keys", "values", "states", "written", "read")


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name, ctypes.c_void_p) for name in _LISTS),
        *(("before", _Pairs), ("after", _Pairs)),
        *((name, _Port) for name in "qkvstmh"),
        *(("gradients", _Port * 6), ("backward", ctypes.c_int64)),
    )


def obstacle(parts: tuple[Tensor, ...]) -> str | None:
    """Why there is no compiled loop for these tensors, or None."""
    if torch.compiler.is_compiling() or transformed():
        return "torch.compile and torch.func follow torch's own operations"
    if any(part.device.type != "cpu" for part in parts):
        return "it is compiled for the CPU"
    dtypes = {part.dtype for part in parts}
    if len(dtypes) > 1 or not dtypes <= _REALS.keys():
        return "it takes float32 or float64"
    return None if find_compiler() else no_compiler()


def run(parts: tuple[Tensor, ...], edges: Edges) -> Tensor:
    """What all nodes read, (lanes, N, W, V).

    Args:
        parts: q, k, v, source, transition and mark, (lanes, rows, ·, ·) each.
        edges: where they lead, and which gates are theirs.
    """
    h = parts[0].new_empty(*parts[0].shape[:3], parts[2].shape[3])
    _call(parts, h, [], edges)
    return h


def run_back(parts: tuple[Tensor, ...], grad: Tensor, edges: Edges) -> tuple[Tensor, ...]:
    """The gradients of `parts`, from that of what is read.

    Args:
        parts: as in `run`.
        grad: (lanes, N, W, V).
        edges: as in `run`.
    """
    # Many edges add to what is a node's, and some gates belong to no edge.
    found = [torch.zeros(part.shape, dtype=part.dtype) for part in parts]
    _call(parts, grad, found, edges)
    return tuple(found)


def _call(parts: tuple[Tensor, ...], h: Tensor, gradients: list[Tensor], edges: Edges) -> None:
    lanes, nodes, read, keys = parts[0].shape
    states, written = parts[3].shape[2:]
    count = edges.ends.shape[1]
    elements = states * keys * h.shape[3]
    if not lanes * count * elements:
        if not gradients:
            h.zero_()
        return
    held = [_rows(part) for part in (*parts, h)]
    problem = _Problem(count, nodes, keys, h.shape[3], states, written, read)
    lists = (edges.line.order, *edges.ends.contiguous(), edges.sources, edges.turns, edges.marks)
    for name, each in zip(_LISTS, lists, strict=True):
        setattr(problem, name, each.data_ptr())
    for name, table in (("before", edges.line.arriving), ("after", edges.line.leaving)):
        setattr(problem, name, _Pairs(*(each.data_ptr() for each in table)))
    for name, tensor in zip("qkvstmh", held, strict=True):
        setattr(problem, name, _Port.of(tensor))
    for number, tensor in enumerate(gradients):
        problem.gradients[number] = _Port.of(tensor)
    problem.backward = bool(gradients)
    # The module brings the generator of code with it, half a second of imports.
    from ostinato.engines.fused.threads import in_parts

    least = _LEAST // (count * elements) + 1
    in_parts(_function(h.dtype), problem, lanes, least)


def _rows(tensor: Tensor) -> Tensor:
    """A tensor (lanes, rows, a, b) whose rows are contiguous, copied if they are not."""
    return tensor if not tensor.numel() or tensor[0, 0].is_contiguous() else tensor.contiguous()


@cache
def _function(dtype: torch.dtype) -> Any:
    text = Path(__file__).with_name("edge_loop.cpp").read_text(encoding="utf-8")
    function = load(f"typedef {_REALS[dtype]} real;\n{text}", (*FLAGS, "-fopenmp-simd")).part
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    function.argtypes = (pointer, pointer, integer, integer, integer, pointer, integer)
    function.restype = None
    return function
