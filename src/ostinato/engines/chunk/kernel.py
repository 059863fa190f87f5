"""The recurrence of a matrix state as compiled code on the CPU."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engines.chunk.steps import Steps
from ostinato.engines.fused.room import room
from ostinato.engines.fused.routines import REALS
from ostinato.engines.fused.toolchain import find_compiler, load

_PORTS = ("q", "k", "v", "g", "erase", "beta", "o")
_GRADIENTS = ("dq", "dk", "dv", "dg", "derase", "dbeta")
_POINTERS = ("first", "last", "starts", "written", "grad_first", "grad_last")
_SIZES = ("heads", "steps", "updates", "keys", "values", "size")


class _Port(ctypes.Structure):
    _fields_ = (
        ("base", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("batch", "head", "time", "rows", "columns")),
    )


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, _Port) for name in (*_PORTS, *_GRADIENTS)),
        *((name, ctypes.c_void_p) for name in _POINTERS),
        *((name, ctypes.c_int64) for name in _SIZES),
        ("scale", ctypes.c_double),
        ("delta", ctypes.c_int64),
    )


class Kept(NamedTuple):
    """What the gradient needs of a forward pass.

    Attributes:
        starts: of every chunk the first state (B, H, M, K, V).
        written: N (B, H, M, C·n, V); None: β v, where nothing is erased.
        last: the last state (B, H, K, V).
    """

    starts: Tensor
    written: Tensor | None
    last: Tensor


def compiled(steps: Steps) -> bool:
    """Whether there is compiled code for these steps."""
    on_cpu = steps.q.device.type == "cpu" and steps.q.dtype in REALS
    return on_cpu and find_compiler() is not None


def forward(
    steps: Steps, state: Tensor, scale: float, size: int, keep: bool
) -> tuple[Tensor, Tensor, Kept | None]:
    """o (B, T, H, V), the last state (B, H, K, V), and what the gradient needs, if `keep`."""
    steps, state = steps.map(_readable), state.contiguous()
    batch, count, heads, keys = steps.q.shape
    values, chunks = steps.v.shape[-1], -(-count // size)
    o = room((batch, count, heads, values), state.dtype)
    last = torch.empty_like(state)
    problem = _problem(steps, scale, size, o)
    problem.first, problem.last = state.data_ptr(), last.data_ptr()
    kept = None
    if keep:
        starts = room((batch, heads, chunks, keys, values), state.dtype)
        problem.starts, written = starts.data_ptr(), None
        if steps.erase is not None:
            written = room((batch, heads, chunks, size * steps.updates, values), state.dtype)
            problem.written = written.data_ptr()
        kept = Kept(starts, written, last)
    _run("forward", steps, problem)
    return o, last, kept


def backward(
    steps: Steps, kept: Kept, grad_o: Tensor, grad_last: Tensor, scale: float, size: int
) -> tuple[Steps, Tensor]:
    """The gradients of the steps and of the first state; where k is erased, k has that of both."""
    steps, grad_o, grad_last = steps.map(_readable), _readable(grad_o), grad_last.contiguous()
    problem = _problem(steps, scale, size, grad_o)
    delta = steps.erase is steps.k
    found = steps._replace(erase=None if delta else steps.erase)
    grads = found.map(lambda x: room(tuple(x.shape), x.dtype))
    for name, grad in zip(_GRADIENTS, grads, strict=True):
        setattr(problem, name, _port(grad, steps.q.shape[1]))
    first = torch.empty_like(grad_last)
    pointers = (None, kept.last, kept.starts, kept.written, first, grad_last)
    for name, tensor in zip(_POINTERS, pointers, strict=True):
        setattr(problem, name, None if tensor is None else tensor.data_ptr())
    _run("backward", steps, problem)
    return grads, first


def _problem(steps: Steps, scale: float, size: int, o: Tensor) -> _Problem:
    _, count, heads, keys = steps.q.shape
    sizes = (heads, count, steps.updates, keys, steps.v.shape[-1], size)
    problem = _Problem(scale=scale, delta=int(steps.erase is steps.k))
    for name, value in zip(_SIZES, sizes, strict=True):
        setattr(problem, name, value)
    for name, tensor in zip(_PORTS, (*steps, o), strict=True):
        setattr(problem, name, _port(tensor, count))
    return problem


def _port(tensor: Tensor | None, steps: int) -> _Port:
    if tensor is None:
        return _Port()
    batch, time, head = tensor.stride()[:3]
    columns = tensor.shape[3] if tensor.dim() > 3 else 1
    return _Port(tensor.data_ptr(), batch, head, time, tensor.shape[1] // steps, columns)


def _readable(x: Tensor) -> Tensor:
    """A tensor whose rows (·, K) have no gaps."""
    x = x.resolve_neg()
    return x if x.dim() < 4 or x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def _run(name: str, steps: Steps, problem: _Problem) -> None:
    # The module brings the generator of code with it, half a second of imports.
    from ostinato.engines.fused.threads import in_threads

    batch, _, heads, keys = steps.q.shape
    by_key = steps.g is not None and steps.g.shape[-1] == keys > 1
    library = _library(steps.q.dtype, "key_decay.h" if by_key else "shared_decay.h")
    function = getattr(library, name)
    in_threads(batch * heads, 1, lambda _, begin, end: function(ctypes.byref(problem), begin, end))


@cache
def _library(dtype: torch.dtype, decay: str) -> ctypes.CDLL:
    """The code for one precision and one kind of decay."""
    folder, real = Path(__file__).parent, REALS[dtype]
    source = f"#define SINGLE {int(real == 'float')}\ntypedef {real} real;\n"
    # One translation unit, so that an object in the cache is known by all of its text.
    files = ("prefetch.h", "blocks.h", "head.h", decay, "chunk.cpp")
    for name in files:
        source += (folder / name).read_text(encoding="utf-8")
    for name in files:
        source = source.replace(f'#include "{name}"\n', "")
    library = load(source)
    for function in (library.forward, library.backward):
        function.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        function.restype = None
    return library
