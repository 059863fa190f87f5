"""The backward step of a core, in the language of `ir`.

Reverse accumulation over the values of one step. What feeds the cotangent of the carry stays in
the loop. The gradient of a matrix is a product of what went in with what came back; both are
put out for all steps, and one large product after the loop replaces T small ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Shape, Value, pointwise
from ostinato.engines.fused.lower import Core

# Operations whose result is kept for the gradient; all others are cheaper done again.
_DEAR = frozenset({"matmul", "sum", "max", *ir.FUNCTIONS, "pow"}) - {"abs", "sign", "floor", "not"}


@dataclass(frozen=True)
class MatrixSink:
    """The gradient of a constant matrix: Σ over steps and rows of going inᵀ · coming back.

    Attributes:
        constant: index of the matrix.
        entering: what was multiplied with it, (..., k).
        returning: cotangent of the product, (..., n). Of a matrix that was used the other way
            round, the two have changed places.
    """

    constant: int
    entering: Value
    returning: Value


@dataclass(frozen=True)
class Backward:
    """One step backwards.

    Attributes:
        grad_carry: leaves, the cotangent of the carry after the step.
        grad_exports: leaves, the cotangents of the exports.
        saved: values of the forward step that are read, not computed again.
        carry: cotangent of the carry before the step.
        inputs: cotangent of every input; None where it is zero.
        constants: by the index of a constant, its gradient from one row of one step.
        matrices: the sinks of matrices.
    """

    grad_carry: tuple[Value, ...]
    grad_exports: tuple[Value, ...]
    saved: tuple[Value, ...]
    carry: tuple[Value, ...]
    inputs: tuple[Value | None, ...]
    constants: dict[int, Value]
    matrices: tuple[MatrixSink, ...]


def derive(core: Core) -> Backward:
    """Reverse a core."""
    results = (*core.new_carry, *core.exports)
    grad_carry = tuple(ir.leaf("grad_carry", i, v.shape) for i, v in enumerate(core.new_carry))
    grad_exports = tuple(ir.leaf("grad_export", i, v.shape) for i, v in enumerate(core.exports))
    order = ir.reachable(results)
    cotangents: dict[Value, list[Value]] = {value: [] for value in order}
    for result, gradient in zip(results, (*grad_carry, *grad_exports), strict=True):
        cotangents[result].append(gradient)
    matrices: list[MatrixSink] = []
    totals: dict[Value, Value | None] = {}
    for value in reversed(order):
        total = totals[value] = _total(cotangents[value])
        if total is None or not value.args:
            continue
        if value.op == "matmul":
            # Used the other way round, a matrix has what entered and what came back change places.
            sides = value.args[0], ir.in_rows(total)
            matrices.append(MatrixSink(value.args[1].attrs, *sides[:: -1 if value.attrs else 1]))
        for arg, part in zip(value.args, _RULES[value.op](value, total), strict=True):
            if part is not None and arg.op != "number":
                cotangents[arg].append(_fitted(part, arg.shape))
    carry = tuple(totals.get(v) or _zeros(v.shape) for v in core.carry)
    inputs = tuple(totals.get(v) for v in core.inputs)
    constants = {v.attrs: total for v in core.constants if (total := totals.get(v)) is not None}
    sunk = [part for sink in matrices for part in (sink.entering, sink.returning)]
    return Backward(
        grad_carry=grad_carry,
        grad_exports=grad_exports,
        saved=_saved(order, [*carry, *inputs, *constants.values(), *sunk]),
        carry=carry,
        inputs=inputs,
        constants=constants,
        matrices=tuple(matrices),
    )


def _saved(forward: list[Value], gradients: Iterable[Value | None]) -> tuple[Value, ...]:
    """What gradients read of the forward step and what costs more to compute than to keep."""
    known, found, seen = set(forward), set[Value](), set[Value]()
    pending = [value for value in gradients if value is not None]
    while pending:
        value = pending.pop()
        if value in known and value.op in _DEAR:
            found.add(value)
        elif value not in seen:
            seen.add(value)
            pending.extend(value.args)
    return tuple(value for value in forward if value in found)


def _zeros(shape: Shape) -> Value:
    return ir.expand(ir.number(0), shape)


def _fitted(part: Value, shape: Shape) -> Value:
    """A cotangent in the shape of what it belongs to: broadcasts are summed up again."""
    return ir.sum_to(ir.expand(part, shape) if part.size < math.prod(shape) else part, shape)


def _total(parts: list[Value]) -> Value | None:
    """The sum of cotangents; pieces that cover a value side by side are joined instead."""
    if not parts:
        return None
    pieces = [part for part in parts if part.op == "pad"]
    whole = [part for part in parts if part.op != "pad"]
    if pieces:
        whole.append(_joined(pieces))
    total = whole[0]
    for part in whole[1:]:
        total = pointwise("add", total, part)
    return total


def _joined(pieces: list[Value]) -> Value:
    """Pieces of a value, each (axis, start) of it, as one value with zeros between them."""
    shape, axis = pieces[0].shape, pieces[0].attrs[0]
    if any(piece.attrs[0] != axis for piece in pieces):
        groups = [[p for p in pieces if p.attrs[0] == a] for a in {p.attrs[0] for p in pieces}]
        total = _joined(groups[0])
        for group in groups[1:]:
            total = pointwise("add", total, _joined(group))
        return total
    borders = sorted({0, shape[axis], *(b for p in pieces for b in _span(p, axis))})
    parts = []
    for start, end in pairwise(borders):
        part: Value | None = None
        for piece in pieces:
            first, last = _span(piece, axis)
            if first <= start and end <= last:
                cut = ir.cut(piece.args[0], axis, start - first, end - start)
                part = cut if part is None else pointwise("add", part, cut)
        size = (*shape[:axis], end - start, *shape[axis + 1 :])
        parts.append(part if part is not None else _zeros(size))
    return ir.concat(parts, axis)


def _span(piece: Value, axis: int) -> tuple[int, int]:
    start = piece.attrs[1]
    return start, start + piece.args[0].shape[axis]


Parts = Iterable[Value | None]


def _unary(rule: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Parts]:
    """A rule for the derivative, given the result y and the argument x."""
    return lambda value, g: [pointwise("mul", g, rule(value, value.args[0]))]


def _mul(value: Value, g: Value) -> Parts:
    a, b = value.args
    return [pointwise("mul", g, b), pointwise("mul", g, a)]


def _div(value: Value, g: Value) -> Parts:
    _, b = value.args
    scaled = pointwise("div", g, b)
    return [scaled, pointwise("neg", pointwise("mul", scaled, value))]


def _extreme(value: Value, g: Value) -> Parts:
    """Of equal operands each takes half, and where one is NaN both take all, as in torch."""
    a, b = value.args
    share = pointwise("where", pointwise("eq", a, b), pointwise("mul", g, 0.5), g)
    behind = "lt" if value.op == "maximum" else "gt"
    return [pointwise("where", pointwise(behind, x, y), 0.0, share) for x, y in ((a, b), (b, a))]


def _pow(value: Value, g: Value) -> Parts:
    x, exponent = value.args
    power = exponent.attrs
    if power == 0:
        return [None, None]
    inner = pointwise("mul", pointwise("pow", x, power - 1), power)
    return [pointwise("mul", g, inner), None]


def _where(value: Value, g: Value) -> Parts:
    condition = value.args[0]
    return [None, pointwise("where", condition, g, 0.0), pointwise("where", condition, 0.0, g)]


def _matmul(value: Value, g: Value) -> Parts:
    return [
        ir.matmul(g, value.args[1], transposed=not value.attrs),
        None,
        *([g] * len(value.args[2:])),
    ]


def _slice(value: Value, g: Value) -> Parts:
    return [ir.make("pad", [g], value.args[0].shape, value.attrs)]


def _concat(value: Value, g: Value) -> Parts:
    start, axis = 0, value.attrs
    for arg in value.args:
        yield ir.cut(g, axis, start, arg.shape[axis])
        start += arg.shape[axis]


def _permute(value: Value, g: Value) -> Parts:
    order = value.attrs
    return [ir.permute(g, sorted(range(len(order)), key=order.__getitem__))]


def _reshape(value: Value, g: Value) -> Parts:
    if value.attrs is None:
        return [ir.reshape(g, value.args[0].shape)]
    limit, _ = value.attrs
    return [_clipped(g, limit) if limit else None]


def _clipped(g: Value, limit: float) -> Value:
    """As torch clamps; 0 where g is NaN, which fails every comparison, or infinite."""
    low = pointwise("where", pointwise("lt", g, -limit), -limit, g)
    within = pointwise("where", pointwise("gt", low, limit), limit, low)
    return pointwise("where", pointwise("lt", pointwise("abs", g), math.inf), within, 0.0)


def _max(value: Value, g: Value) -> Parts:
    """Among equal maxima the cotangent is shared evenly, as in torch."""
    x = value.args[0]
    hit = pointwise("where", pointwise("eq", x, value), 1.0, 0.0)
    share = pointwise("div", g, ir.reduce("sum", hit, value.attrs))
    return [pointwise("mul", hit, share)]


def _one_minus(x: Value) -> Value:
    return pointwise("sub", 1.0, x)


_RULES: dict[str, Callable[[Value, Value], Parts]] = {
    "add": lambda v, g: [g, g],
    "sub": lambda v, g: [g, pointwise("neg", g)],
    "mul": _mul,
    "div": _div,
    "neg": lambda v, g: [pointwise("neg", g)],
    "exp": _unary(lambda y, x: y),
    "log": lambda v, g: [pointwise("div", g, v.args[0])],
    "log1p": lambda v, g: [pointwise("div", g, pointwise("add", v.args[0], 1.0))],
    "expm1": _unary(lambda y, x: pointwise("add", y, 1.0)),
    "tanh": _unary(lambda y, x: _one_minus(pointwise("mul", y, y))),
    "sigmoid": _unary(lambda y, x: pointwise("mul", y, _one_minus(y))),
    "sqrt": lambda v, g: [pointwise("div", pointwise("mul", g, 0.5), v)],
    "rsqrt": _unary(
        lambda y, x: pointwise("mul", -0.5, pointwise("mul", y, pointwise("mul", y, y)))
    ),
    "abs": _unary(lambda y, x: pointwise("sign", x)),
    "sin": _unary(lambda y, x: pointwise("cos", x)),
    "cos": _unary(lambda y, x: pointwise("neg", pointwise("sin", x))),
    "erf": _unary(
        lambda y, x: pointwise(
            "mul",
            2 / math.sqrt(math.pi),
            pointwise("exp", pointwise("neg", pointwise("mul", x, x))),
        )
    ),
    "pow": _pow,
    "maximum": _extreme,
    "minimum": _extreme,
    "where": _where,
    "matmul": _matmul,
    "slice": _slice,
    "concat": _concat,
    "permute": _permute,
    "reshape": _reshape,
    "expand": lambda v, g: [g],
    "sum": lambda v, g: [ir.expand(g, v.args[0].shape)],
    "max": _max,
    **{op: (lambda v, g: [None] * len(v.args)) for op in ir.LOGIC},
    **{op: (lambda v, g: [None]) for op in ("sign", "floor", "not")},
}
