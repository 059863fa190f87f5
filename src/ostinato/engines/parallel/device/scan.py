"""The affine recurrence on a device: one loop over time, or parts of the time side by side.

Parts take three passes: each is joined to one step, a recurrence over these steps finds the state
before each part, and then all parts run at once. Or they take one, in which each looks back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ostinato.engines import tuned
from ostinato.engines.parallel.affine_map import Form
from ostinato.engines.parallel.course import Course
from ostinato.engines.parallel.device import chunks, look_back
from ostinato.engines.parallel.device.algebra import Algebra
from ostinato.engines.parallel.device.look_back import LookBack
from ostinato.engines.parallel.device.source import HEAD, Scan

REALS = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.complex64: "float32",
    torch.complex128: "float64",
}
# Channels of the largest unit; the matrices of larger ones find no room in registers.
LARGEST = 4
# Kinds of devices; tests add the CPU, on which Triton interprets kernels.
DEVICES = ["cuda"]
# Numbers of parts that are tried on a device, those of the best estimates.
_TRIED = 4
# Lanes of a program, and its warps.
LANES, WARPS = 128, 4


def compiled(form: Form, b: Tensor) -> bool:
    """Whether there is a kernel for a recurrence with such b."""
    small = not form.axes or b.shape[-1] <= LARGEST
    return available(b.device) and b.dtype in REALS and small


def available(device: torch.device) -> bool:
    """Whether kernels run on a device."""
    return device.type in DEVICES and _has_triton()


def room(form: Form, like: Tensor) -> Tensor:
    """Room for states (T, B, ...), laid out like `like`."""
    return torch.empty_like(like)


def room_for_gradient(form: Form, a: Tensor, h: Tensor) -> Tensor | None:
    """Room for the gradient of A, which must not be broadcast."""
    size = a.shape[-1] if form.axes else 1
    return torch.empty_like(a) if a.numel() == h.numel() * size else None


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
        out: like b.
        before: (T, B, ...), with `grad`: the products h_{t−1} · beforeᴴ go there.
        grad: like A.
    """
    if not out.numel():
        return

    def measure(parts: int) -> float:
        size = chunks.length(len(b), parts)
        return tuned.timed(lambda: run_in_parts(course, size, a, b, init, out, before, grad))

    # What is written is never read, so that to run several times is to run once.
    size = chunk_of(course.form, a, b, grad is not None, measure)
    run_in_parts(course, size, a, b, init, out, before, grad)


def run_in_parts(
    course: Course,
    size: int,
    a: Tensor,
    b: Tensor,
    init: Tensor,
    out: Tensor,
    before: Tensor | None = None,
    grad: Tensor | None = None,
) -> None:
    """The same in parts of `size` steps, whatever estimates and clocks say."""
    ports = {"a": a, "b": b, "before": before, "out": out, "grad": grad}
    if size == len(b):
        ports["init"] = init[None]
    elif course.cut is None and look_back.allowed(b.device.type):
        ports |= _published(course, b, init, size)
    else:
        ports["init"] = _starts(course, a, b, init, size)
    _launch(course, size, ports)


def chunk_of(
    form: Form,
    a: Tensor,
    b: Tensor,
    gradient: bool = False,
    measure: Callable[[int], float] | None = None,
) -> int:
    """Steps of each part of the time.

    Args:
        form: of the recurrence.
        a: A.
        b: b.
        gradient: whether the gradient of A is put out.
        measure: the time with so many parts, on a device; None: as far as is known.
    """
    channels = b.shape[-1] if form.axes else 1
    sizes = tuned.size_class(len(b)), tuned.size_class(b[0].numel() // channels)
    constant, item = a.shape[0] == 1, b.element_size()
    read = channels * (1 + channels * (not constant)) * item
    parts = list(chunks.estimates(*sizes, read, channels * item))[:_TRIED]
    kind = "looking back" if look_back.allowed(b.device.type) else "parts"
    key = (kind, form.axes, channels, str(b.dtype), constant, gradient, *sizes)
    names = {f"{count} parts": count for count in parts}
    return chunks.length(len(b), tuned.choose(key, names, measure, b.device.type))


def describe(form: Form, a: Tensor, b: Tensor) -> str:
    """How a recurrence is evaluated, in words."""
    return f"scan in {in_words(len(b), chunk_of(form, a, b))}"


def in_words(steps: int, size: int) -> str:
    """How the time is cut into parts."""
    if size == steps:
        return "one generated kernel, the loop over time inside"
    return f"generated kernels, {-(-steps // size)} parts of {size} steps side by side"


def _starts(course: Course, a: Tensor, b: Tensor, init: Tensor, size: int) -> Tensor:
    """The states before the parts (parts, B, ...)."""
    channels = course.form.axes // 2
    lead, last = b.shape[1 : b.dim() - channels], b.shape[b.dim() - channels :]
    parts = -(-len(b) // size)
    ends, starts = (_planes(b, parts, lead, last) for _ in range(2))
    products = _planes(b, parts, lead, (*last, *last))
    _launch(course, size, {"a": a, "b": b, "product": products, "last": ends})
    starts[0] = init
    cut = None if course.cut is None else any_cut(course, size)[:-1]
    joined = Course(course.form, cut=cut)
    run(joined, products[:-1], ends[:-1], init, starts[1:])
    return starts


def _published(course: Course, b: Tensor, init: Tensor, size: int) -> dict[str, Tensor | None]:
    """Room for what programs tell each other of their parts, and the state before the first."""
    channels = course.form.axes // 2
    lead, last = b.shape[1 : b.dim() - channels], b.shape[b.dim() - channels :]
    parts = -(-len(b) // size)
    states = _planes(b, parts + 1, lead, last)
    states[0] = init
    ends, products = _planes(b, parts, lead, last), _planes(b, parts, lead, (*last, *last))
    return {"product": products, "last": ends, "state": states}


def _planes(like: Tensor, parts: int, lead: torch.Size, channels: tuple[int, ...]) -> Tensor:
    """Room (parts, *lead, *channels), in which the lanes of one channel follow one another."""
    found = like.new_empty((parts, *channels, *lead))
    axes = range(1, 1 + len(channels))
    return found.movedim(tuple(axes), tuple(-len(channels) + i for i, _ in enumerate(axes)))


def any_cut(course: Course, size: int) -> Tensor:
    """In which parts (parts, B) a row is cut."""
    assert course.cut is not None
    cut = course.cut.flip(0) if course.reverse else course.cut
    parts = -(-len(cut) // size)
    whole = pad(cut, (0, 0, 0, parts * size - len(cut)))
    return whole.reshape(parts, size, cut.shape[1]).any(1)


def _launch(course: Course, size: int, ports: dict[str, Tensor | None]) -> None:
    """Run one kernel over all lanes and parts."""
    # Here and below: the modules bring the generator of code with them.
    from ostinato.engines.parallel.device.lanes import Lanes

    given = {
        port: tensor if port == "a" else tensor.resolve_conj()
        for port, tensor in ports.items()
        if tensor is not None
    }
    a, b, steps = given["a"], given["b"], len(given["b"])
    lead = b.shape[1 : b.dim() - course.form.axes // 2]
    given["a"] = a.expand(*b.shape, *b.shape[len(lead) + 1 :])
    masks = {"identity": course.identity, "cut": course.cut}
    for name, mask in masks.items():
        if mask is not None:
            given[name] = mask.reshape(*mask.shape, *[1] * (len(lead) - 1)).expand(steps, *lead)
    lanes = Lanes(lead, given)
    scan = Scan(
        Algebra(b.shape[-1] if course.form.axes else 1, b.is_complex()),
        lanes.axes,
        REALS[b.dtype],
        summary="out" not in given,
        constant=a.shape[0] == 1,
        conjugate=a.is_conj(),
        masks=tuple(name for name in masks if name in given),
        gradient="grad" in given,
    )
    kernel = LookBack(scan) if "state" in given else scan
    arguments: dict[str, Any] = {"T": steps, "C": size} | lanes.sizes
    for port in given:
        arguments |= lanes.arguments(port, course.reverse and port not in kernel.ends)
    grid = (-(-lanes.count // LANES), -(-steps // size))
    if "state" in given:
        arguments |= _flags(b, *grid)
    with on(b):
        function(kernel)[grid](
            *(arguments[name] for name in kernel.arguments), N=LANES, num_warps=WARPS, num_stages=1
        )


def _flags(like: Tensor, tiles: int, parts: int) -> dict[str, Any]:
    """By which programs that look back number themselves, and say how far they are."""
    flags = torch.zeros((tiles, parts + 1), dtype=torch.int32, device=like.device)
    flags[:, 0] = look_back.SOLVED
    return {"tickets": torch.zeros_like(flags[:, 0]), "flags": flags, "parts": parts}


@cache
def function(kernel: Scan | LookBack) -> Any:
    """The function of a kernel, which Triton compiles when it is first called."""
    from ostinato.engines.fused.device.module import functions

    head = HEAD if isinstance(kernel, Scan) else look_back.HEAD
    return functions(f"{head}\n\n{kernel.text}", [kernel.name])[kernel.name]


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


@contextmanager
def on(tensor: Tensor) -> Iterator[None]:
    """Where kernels for a tensor are launched.

    NumPy warns where a device computes infinity or NaN; the interpreter must not either.
    """
    if tensor.is_cuda:
        with torch.cuda.device(tensor.device):
            yield
    else:
        with np.errstate(all="ignore"):
            yield
