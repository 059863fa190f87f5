"""In which order the values of a step are computed, and which of them go through memory.

Pointwise values of one shape are computed together, in registers. A value goes through memory
if it is a result, if a product, a sum or a rearrangement reads it, or if a loop of another shape
does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Shape, Value


@dataclass(frozen=True)
class View:
    """Where the elements of a value lie inside the memory of another.

    Attributes:
        root: the value that lies in memory, a leaf, or a number.
        offset: of the first element.
        shape: of the view.
        strides: of its axes.
    """

    root: Value
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    @property
    def contiguous(self) -> bool:
        """Whether elements follow one another, axes of size one aside."""
        return all(
            n == 1 or a == b
            for n, a, b in zip(self.shape, self.strides, row_major(self.shape), strict=True)
        )


@dataclass(frozen=True)
class Stage:
    """Values computed together: a loop of pointwise ones, or one of another kind.

    Attributes:
        kind: "loop", or the operation.
        shape: of the loop.
        values: in the order of computation.
    """

    kind: str
    shape: Shape
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Schedule:
    """The stages of a step.

    Attributes:
        stages: in the order of execution.
        stored: the values that go through memory, leaves and numbers aside.
    """

    stages: tuple[Stage, ...]
    stored: frozenset[Value]


def row_major(shape: Shape) -> tuple[int, ...]:
    """Strides of contiguous elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def schedule(results: Iterable[Value], given: Iterable[Value]) -> Schedule:
    """Order all that the results need.

    Args:
        results: values that are put out.
        given: values that lie in memory already, besides the leaves.
    """
    results, known = list(results), frozenset(given)
    values = [v for v in ir.reachable(results, known) if v not in known]
    done = {v for v in ir.reachable(results, known) if v.op in ir.LEAVES or v in known}
    computed = [v for v in values if v.op not in ir.LEAVES and not plain_view(v, known)]
    copied = {v for v in computed if v.op in ir.VIEWS}
    stages = _stages(computed, done, known, copied)
    stored = {v for v in results if v.op not in ir.LEAVES and v not in known}
    in_stage = {value: stage for stage in stages for value in stage.values}
    for stage in stages:
        for value in stage.values:
            for arg in value.args:
                root = view(arg, known, copied).root
                direct = stage.kind == "loop" and in_stage.get(root) is stage
                if not direct and root in in_stage:
                    stored.add(root)
    for result in results:
        root = view(result, known, copied).root
        if root in in_stage:
            stored.add(root)
    return Schedule(tuple(stages), frozenset(v for v in stored if v in in_stage))


def view(value: Value, known: frozenset[Value] = frozenset(), copied: Iterable[Value] = ()) -> View:
    """Follow rearrangements down to what lies in memory."""
    if value.op not in ir.VIEWS or value in known or value in copied:
        return View(value, 0, value.shape, row_major(value.shape))
    inner = view(value.args[0], known, copied)
    if value.op == "slice":
        axis, start = value.attrs
        return View(
            inner.root, inner.offset + start * inner.strides[axis], value.shape, inner.strides
        )
    if value.op == "permute":
        strides = tuple(inner.strides[axis] for axis in value.attrs)
    elif value.op == "expand":
        lead = len(value.shape) - len(inner.shape)
        kept = zip(inner.shape, inner.strides, value.shape[lead:], strict=True)
        strides = (0,) * lead + tuple(0 if n == 1 < wide else s for n, s, wide in kept)
    else:
        strides = _reshaped(inner, value.shape)
    return View(inner.root, inner.offset, value.shape, strides)


def _reshaped(inner: View, shape: Shape) -> tuple[int, ...]:
    """Strides after a reshape that needs no copy."""
    if inner.contiguous:
        return row_major(shape)
    kept = iter([s for n, s in zip(inner.shape, inner.strides, strict=True) if n != 1])
    return tuple(next(kept) if n != 1 else 0 for n in shape)


def plain_view(value: Value, known: frozenset[Value]) -> bool:
    """Whether a rearrangement needs no memory of its own."""
    if value.op not in ir.VIEWS:
        return False
    if value.op != "reshape":
        return True
    inner = view(value.args[0], known)
    sizes = [[n for n in shape if n != 1] for shape in (inner.shape, value.shape)]
    return inner.contiguous or sizes[0] == sizes[1]


def _stages(
    computed: list[Value], done: set[Value], known: frozenset[Value], copied: set[Value]
) -> list[Stage]:
    """Greedy: what is no loop runs as soon as it can; loops take in all of their shape."""
    waiting, stages = list(computed), []

    def ready(value: Value, within: set[Value], shape: Shape | None) -> bool:
        for arg in value.args:
            seen = view(arg, known, copied)
            if seen.root in done or seen.root.op in ir.LEAVES:
                continue
            # Inside a loop an operand is at hand only at the same place.
            same = seen.root is arg and arg.shape == shape
            if not (seen.root in within and same):
                return False
        return True

    while waiting:
        single = next(
            (v for v in waiting if v.op not in ir.POINTWISE and ready(v, set(), None)), None
        )
        if single is not None:
            taken = [single]
            stages.append(Stage(single.op, single.shape, (single,)))
        else:
            shape = next(v.shape for v in waiting if v.op in ir.POINTWISE and ready(v, set(), None))
            taken = []
            for value in waiting:
                fits = value.op in ir.POINTWISE and value.shape == shape
                if fits and ready(value, set(taken), shape):
                    taken.append(value)
            stages.append(Stage("loop", shape, tuple(taken)))
        done.update(taken)
        waiting = [v for v in waiting if v not in done]
    return stages
