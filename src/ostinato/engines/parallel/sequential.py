"""The affine recurrence as one compiled loop over time, on the CPU."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.room import room_like
from ostinato.engines.fused.toolchain import FLAGS, find_compiler, load
from ostinato.engines.parallel.affine_map import Form
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.memory import Place, Port, Rows, place, port

REALS = {
    torch.float32: "float",
    torch.float64: "double",
    torch.complex64: "float",
    torch.complex128: "double",
}
# Up to this size of a unit the loop runs over units, from there on over the channels of one.
_UNROLLED = 4
# Multiplications that are worth a thread; and numbers of A in a step, one after the other, below
# which two threads get in each other's way: each reads too little at once to be fetched ahead.
_LEAST, _RUN = 2**16, 2**12
# Threads may take turns instead where the states fill half of what a group has room for, from so
# many numbers on. A window has these bytes, which caches hold, but each thread has several windows.
_GROUP, _LEAST_IN_TURNS, _WINDOW, _EACH = 2**16, 2**20, 2**20, 4
# Results of so many bytes go past the caches, in runs of so many, where a step has no more than
# `_NARROW`. Below, who reads them next gains more by finding them there than is saved, and of long
# steps the processor fetches what is overwritten in time.
_PAST, _LONG, _NARROW = 2**23, 2**8, 2**11
_PORTS = ("a", "b", "init", "out", "before", "grad", "identity", "cut")


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, Port) for name in _PORTS),
        *((name, ctypes.c_int64) for name in ("steps", "units", "all", "size")),
        ("sign", ctypes.c_double),
        ("past", ctypes.c_int64),
        ("turns", ctypes.c_void_p),
        ("window", ctypes.c_int64),
        ("state", ctypes.c_void_p),
    )


def compiled(b: Tensor) -> bool:
    """Whether there is a compiled loop for a tensor."""
    return b.device.type == "cpu" and b.dtype in REALS and find_compiler() is not None


def describe(form: Form, a: Tensor, b: Tensor) -> str:
    """How a recurrence is evaluated, in words."""
    return "scan: a compiled loop over time"


def room(form: Form, like: Tensor) -> Tensor:
    """Room for states (T, B, ...), laid out like `like` if the loop can write so."""
    found = torch.empty_like(like, device="meta")
    return room_like(found if _writable(form, found) else like.new_empty(like.shape, device="meta"))


def room_for_gradient(form: Form, a: Tensor, h: Tensor) -> Tensor | None:
    """Room for the gradient of A, if the loop can find it on its way; A must not be broadcast."""
    size = a.shape[-1] if form.axes else 1
    if a.numel() != h.numel() * size or 0 in a.stride():
        return None
    found = torch.empty_like(a, device="meta")
    planes = size <= _UNROLLED and place(found, form.axes) is Place.PLANES
    return room_like(found if planes else a.new_empty(a.shape, device="meta"))


def run(
    course: Course,
    a: Tensor,
    b: Tensor,
    init: Tensor,
    out: Tensor,
    before: Tensor | None = None,
    grad: Tensor | None = None,
) -> None:
    """Write h_t = A_t h_{t−1} + b_t to `out`.

    Args:
        course: form, direction and masks.
        a: A, time first, with size 1 along an axis where it does not change.
        b: (T, B, ...).
        init: h before the first step (B, ...).
        out: like b, made by `room`.
        before: (T, B, ...), with `grad`: the products h_{t−1} · beforeᴴ go there.
        grad: made by `room_for_gradient`.
    """
    if not out.numel():
        return
    form, size = course.form, b.shape[-1] if course.form.axes else 1
    lead = b.shape[1 : b.dim() - form.axes // 2]
    tensors = _tensors(course, a, b, init, out, before, grad)
    strides = [tensor.stride()[1 : 1 + len(lead)] for tensor in tensors.values()]
    rows = Rows(lead, strides, masked=course.cut is not None or course.identity is not None)
    problem = _Problem(steps=len(b), units=rows.units, all=rows.count * rows.units, size=size)
    problem.sign = -1 if tensors["a"].is_conj() else 1
    placed = zip(tensors.items(), rows.unit_strides, rows.offsets, strict=True)
    for (name, tensor), unit, offsets in placed:
        setattr(problem, name, port(tensor, 1 + len(lead), unit, offsets, course.reverse))
    run_bytes, step_bytes = (n * b.element_size() for n in (rows.units, problem.all * size))
    problem.past = out.nbytes >= _PAST and run_bytes >= _LONG and step_bytes <= _NARROW
    unrolled = size if size <= _UNROLLED else 0
    function = _function(b.dtype, unrolled, *_places(form, tensors["a"], out), grad is not None)
    window = _window(problem, b.element_size(), grad is not None) if unrolled else 0
    # The module brings the generator of code with it, half a second of imports.
    from ostinato.engines.fused.threads import in_parts

    if window:
        turns, state = (ctypes.c_int64 * 16)(), b.new_empty(_GROUP // b.element_size())
        problem.turns, problem.state = ctypes.addressof(turns), state.data_ptr()
        problem.window = window
        in_parts(function, problem, torch.get_num_threads(), 1)
    else:
        least = max(1, _LEAST // (len(b) * size**2), _RUN // size**2)
        in_parts(function, problem, problem.all, least)


def _window(problem: _Problem, width: int, gradient: bool) -> int:
    """Steps that a thread takes in turn, or 0 where units are shared out or one thread is enough.

    Args:
        problem: the call.
        width: bytes of a number.
        gradient: whether products of states are put out too.
    """
    steps, units, size = int(problem.steps), int(problem.all), int(problem.size)
    threads, numbers = torch.get_num_threads(), units * (size**2 + 2 * size) * (1 + gradient)
    few = 2 * units * size * width <= _GROUP
    if threads == 1 or not few or steps * numbers < _LEAST_IN_TURNS:
        return 0
    return max(1, min(_WINDOW // (numbers * width), steps // (_EACH * threads)))


def _tensors(
    course: Course,
    a: Tensor,
    b: Tensor,
    init: Tensor,
    out: Tensor,
    before: Tensor | None,
    grad: Tensor | None,
) -> dict[str, Tensor]:
    """The tensors of a call by the name of their port, (T, B, ...), copied where need be."""
    vector = course.form.axes // 2
    tensors = {
        "a": _readable_matrix(course.form, a).expand(*b.shape, *b.shape[b.dim() - vector :]),
        "b": _readable(b, out, vector),
        "init": init.resolve_conj().resolve_neg()[None],
        "out": out,
    }
    if before is not None and grad is not None:
        tensors |= {"before": _readable(before, out, vector), "grad": grad}
    lead = b.shape[: b.dim() - vector]
    for name, mask in (("identity", course.identity), ("cut", course.cut)):
        if mask is not None:
            tensors[name] = mask.reshape(*mask.shape, *[1] * (len(lead) - 2)).expand(lead)
    return tensors


def _writable(form: Form, tensor: Tensor) -> bool:
    """Whether the loop can write states that lie as these."""
    if form.axes and tensor.shape[-1] > _UNROLLED:
        return tensor.stride(-1) == 1
    return place(tensor, form.axes // 2) in (Place.PLANES, Place.PACKED)


def _readable(tensor: Tensor, like: Tensor, vector: int) -> Tensor:
    """States, copied unless they lie as the loop reads them: like those that it writes."""
    tensor = tensor.resolve_conj().resolve_neg()
    if vector and tensor.shape[-1] > _UNROLLED:
        return tensor if tensor.stride(-1) == 1 else tensor.contiguous()
    if place(tensor, vector) is place(like, vector):
        return tensor
    return torch.empty_like(like).copy_(tensor)


def _readable_matrix(form: Form, a: Tensor) -> Tensor:
    """A, copied unless it lies as the loop reads it."""
    a = a.resolve_neg()
    if form.axes and a.shape[-1] > _UNROLLED:
        good = 1 in a.stride()[-2:]
    else:
        good = place(a, form.axes) is not None
    return a if good else a.contiguous()


def _places(form: Form, a: Tensor, out: Tensor) -> tuple[int, int]:
    """How matrices and vectors lie; a loop over the channels of one unit does not ask."""
    if form.axes and out.shape[-1] > _UNROLLED:
        return 0, 0
    return place(a, form.axes) or 0, place(out, form.axes // 2) or 0


@cache
def _function(dtype: torch.dtype, size: int, matrix: int, vector: int, gradient: bool) -> Any:
    constants = {
        "COMPLEX": int(dtype.is_complex),
        "SIZE": size,
        "MATRIX": matrix,
        "VECTOR": vector,
        "GRADIENT": int(gradient),
    }
    head = "".join(f"#define {name} {value}\n" for name, value in constants.items())
    folder = Path(__file__).parent
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("past.h", "scan.cpp"))
    source = f"typedef {REALS[dtype]} real;\n{head}{text}"
    function = load(source, (*FLAGS, "-fopenmp-simd")).part
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    function.argtypes = (pointer, pointer, integer, integer, integer, pointer, integer)
    function.restype = None
    return function
