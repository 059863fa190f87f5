"""The small language between a traced step and generated code.

A value has one shape for every row of the batch; the batch itself never appears. Leaves are
the carry, the inputs of the step, constants (which have no row), and numbers. Operations are
pointwise ones with torch's broadcasting, products with a constant matrix, sums and maxima over
axes, and rearrangements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

Shape = tuple[int, ...]

LEAVES = frozenset({"carry", "input", "const", "number", "saved", "grad_carry", "grad_export"})
VIEWS = frozenset({"slice", "reshape", "permute", "expand"})
REDUCTIONS = frozenset({"sum", "max"})
FUNCTIONS = (
    "exp", "log", "log1p", "expm1", "tanh", "sigmoid", "sqrt", "rsqrt", "abs", "sign", "sin",
    "cos", "erf", "floor", "not",
)  # fmt: skip
LOGIC = ("lt", "le", "gt", "ge", "eq", "ne", "and", "or")
UNARY = frozenset({"neg", *FUNCTIONS})
BINARY = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "pow", *LOGIC})
POINTWISE = UNARY | BINARY | {"where"}

_order = count()
# Equal computations are one value: what two parts of a step share is computed once.
_known: WeakValueDictionary[Any, Value] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Value:
    """One value of a step.

    Attributes:
        op: what computes it, or the kind of leaf.
        args: what it is computed from.
        shape: per row; of a constant: its own.
        attrs: parameters of the operation, or the index (number) of a leaf.
        order: when it was made; arguments come before results.
    """

    op: str
    args: tuple[Value, ...]
    shape: Shape
    attrs: Any
    order: int

    @property
    def size(self) -> int:
        """Elements per row."""
        return math.prod(self.shape)

    def __repr__(self) -> str:
        arguments = ", ".join(f"v{arg.order}" for arg in self.args)
        return f"v{self.order} = {self.op}[{self.attrs}]({arguments}) {list(self.shape)}"


def make(op: str, args: Iterable[Value], shape: Iterable[int], attrs: Any = None) -> Value:
    """A value; an equal one that exists already is returned instead of a new one."""
    args, shape = tuple(args), tuple(shape)
    key = (op, tuple(arg.order for arg in args), shape, attrs)
    value = _known.get(key)
    if value is None:
        value = _known[key] = Value(op, args, shape, attrs, next(_order))
    return value


def leaf(kind: str, index: int, shape: Iterable[int]) -> Value:
    """A leaf by its kind and its place among those of its kind."""
    return make(kind, (), shape, index)


def number(value: float) -> Value:
    """A number."""
    return make("number", (), (), float(value))


def is_number(value: Value, wanted: float | None = None) -> bool:
    """Whether a value is a number, and the wanted one."""
    return value.op == "number" and (wanted is None or value.attrs == wanted)


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The common shape of pointwise operands, aligned at the last axis."""
    shapes = list(shapes)
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((n for n in axes if n != 1), 1) for axes in zip(*padded, strict=True))


def pointwise(op: str, *args: Value | float) -> Value:
    """A pointwise operation, with the simplest identities applied."""
    values = [arg if isinstance(arg, Value) else number(arg) for arg in args]
    shape = broadcast(value.shape for value in values)
    return _simplified(op, values, shape) or make(op, values, shape)


def _simplified(op: str, values: list[Value], shape: Shape) -> Value | None:
    a, b = values[0], values[-1]
    if op in ("add", "mul") and is_number(a, 0 if op == "add" else 1) and b.shape == shape:
        return b
    neutral = {"add": 0, "sub": 0, "mul": 1, "div": 1}
    if op in neutral and is_number(b, neutral[op]) and a.shape == shape:
        return a
    return None


def repeated(value: Value) -> Value | None:
    """The number that a value is everywhere, if it is; rearrangements do not change that."""
    inner = value.args[0] if value.op == "expand" else value
    return inner if inner.op == "number" else None


def reshape(value: Value, shape: Iterable[int]) -> Value:
    """The same elements in another shape."""
    shape = tuple(shape)
    if repeated(value) is not None:
        return expand(value, shape)
    return value if value.shape == shape else make("reshape", [value], shape)


def clipped(value: Value, limit: float, name: str = "") -> Value:
    """The same elements; their cotangent is clipped to ±limit, so that 0 detaches them.

    Args:
        value: the value.
        limit: of every element of the cotangent.
        name: of this use: what several uses pass on is clipped before it is summed, so that they
            are not one value.
    """
    if repeated(value) is not None:
        return value
    return make("reshape", [value], value.shape, (limit, name))


def is_clip(value: Value) -> bool:
    """Whether a value clips its cotangent, and does not just detach."""
    return value.op == "reshape" and value.attrs is not None and value.attrs[0] > 0


def expand(value: Value, shape: Iterable[int]) -> Value:
    """Repeat along axes of size one; a number fills any shape."""
    shape = tuple(shape)
    value = repeated(value) or value
    return value if value.shape == shape else make("expand", [value], shape)


def permute(value: Value, order: Iterable[int]) -> Value:
    """Reorder the axes."""
    order = tuple(order)
    if order == tuple(range(len(order))):
        return value
    shape = tuple(value.shape[axis] for axis in order)
    if repeated(value) is not None:
        return expand(value, shape)
    return make("permute", [value], shape, order)


def cut(value: Value, axis: int, start: int, length: int) -> Value:
    """A part along one axis."""
    if length == value.shape[axis]:
        return value
    if value.op in POINTWISE:
        # Cutting the operands instead spares the loop a detour through memory.
        place = axis - len(value.shape)
        return pointwise(value.op, *(_cut_operand(arg, place, start, length) for arg in value.args))
    if value.op == "slice" and value.attrs[0] == axis:
        return cut(value.args[0], axis, value.attrs[1] + start, length)
    if value.op == "concat" and value.attrs == axis:
        # Gates that were joined and are taken apart again; joined they would go through memory.
        before = 0
        for part in value.args:
            if before <= start and start + length <= before + part.shape[axis]:
                return cut(part, axis, start - before, length)
            before += part.shape[axis]
    shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
    if repeated(value) is not None:
        return expand(value, shape)
    return make("slice", [value], shape, (axis, start))


def _cut_operand(value: Value, place: int, start: int, length: int) -> Value:
    """Cut an operand along the axis `place`, counted from the end, unless it repeats there."""
    axis = len(value.shape) + place
    return value if axis < 0 or value.shape[axis] == 1 else cut(value, axis, start, length)


def concat(values: Iterable[Value], axis: int) -> Value:
    """Join along one axis."""
    values = list(values)
    if len(values) == 1:
        return values[0]
    first = values[0].shape
    total = sum(value.shape[axis] for value in values)
    return make("concat", values, (*first[:axis], total, *first[axis + 1 :]), axis)


def reduce(op: str, value: Value, axes: Iterable[int]) -> Value:
    """Sum or maximum over axes, which stay with size one."""
    axes = tuple(sorted(axes))
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(value.shape))
    if (one := repeated(value)) is not None:
        times = value.size // math.prod(shape) if op == "sum" else 1
        return expand(number(one.attrs * times), shape)
    if _repeats(value):
        value = _copy(value)
    return value if shape == value.shape else make(op, [value], shape, axes)


def sum_to(value: Value, shape: Shape) -> Value:
    """Undo a broadcast: sum over the axes that it repeated."""
    if value.shape == shape:
        return value
    lead = len(value.shape) - len(shape)
    axes = [a for a, n in enumerate(value.shape) if a < lead or (shape[a - lead] == 1 and n != 1)]
    return reshape(reduce("sum", value, axes), shape)


def matmul(
    value: Value, matrix: Value, transposed: bool = False, start: Value | None = None
) -> Value:
    """Multiply the last axis with a constant matrix (k, n), or head by head with (K, k, n).

    Args:
        value: (..., k), or (K, k) for one matrix a head.
        matrix: a constant.
        transposed: use the matrix the other way round, (..., n) to (..., k).
        start: what the product is added to: of its shape, or one row of it, (n,).
    """
    out = matrix.shape[-2] if transposed else matrix.shape[-1]
    args = [in_rows(value), matrix, *([] if start is None else [start])]
    return make("matmul", args, (*value.shape[:-1], out), transposed)


def in_rows(value: Value) -> Value:
    """A value whose last axes lie in memory as products read them; a copy if need be."""
    return value if _lies_in_rows(value) else _copy(value)


def _copy(value: Value) -> Value:
    """A view in memory of its own: products and reductions walk through elements as they lie."""
    return make("mul", [value, number(1)], value.shape)


def _repeats(value: Value) -> bool:
    """Whether a view reads an element more than once."""
    return value.op in VIEWS and (value.op == "expand" or _repeats(value.args[0]))


def _lies_in_rows(value: Value) -> bool:
    """Whether each last axis is contiguous, and the next one begins at an even distance."""
    last = value.op == "slice" and value.attrs[0] == len(value.shape) - 1
    return _contiguous(value.args[0] if last else value)


def _contiguous(value: Value) -> bool:
    if value.op == "slice" and value.attrs[0] == 0:
        return _contiguous(value.args[0])
    return value.op not in VIEWS or (value.op == "reshape" and _contiguous(value.args[0]))


def reachable(roots: Iterable[Value], stop: frozenset[Value] = frozenset()) -> list[Value]:
    """Everything the roots are computed from, arguments first; values in `stop` are leaves.

    The order follows the roots alone: what else the process has made must not show in generated
    code, or the cache would not know it again.
    """
    found: dict[Value, None] = {}
    pending = [(root, False) for root in reversed(list(roots))]
    while pending:
        value, entered = pending.pop()
        if value in found:
            continue
        if entered or value in stop or not value.args:
            found[value] = None
        else:
            pending.append((value, True))
            pending.extend((arg, False) for arg in reversed(value.args))
    return list(found)
