"""From the core of a traced step to the small language of `ir`.

What the language lacks is named with its line in the user's step, so that the fused engine can
say why it declines.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, fx

from ostinato.compiler.fission import Fission, Kind, is_size
from ostinato.compiler.reach import PRODUCT
from ostinato.core.clip_gradient import OPERATION
from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.layout import (
    LowerError,
    batch_axis,
    line,
    operation,
    row_shape,
)

aten = torch.ops.aten


@dataclass(frozen=True)
class Core:
    """The sequential part of a step.

    Attributes:
        carry: leaves of the incoming carry.
        inputs: leaves computed before the loop, one for each of `Fission.inputs`.
        constants: leaves computed once, one for each of `Fission.constants`.
        new_carry: what becomes the carry.
        exports: what the output stage reads, one for each of `Fission.exports`.
        numbers: which of the constants come from no tensor of the step: they need no gradient.
        factors: what its products multiply, if that is one type of number.
    """

    carry: tuple[Value, ...]
    inputs: tuple[Value, ...]
    constants: tuple[Value, ...]
    new_carry: tuple[Value, ...]
    exports: tuple[Value, ...]
    numbers: frozenset[int] = frozenset()
    factors: torch.dtype | None = None


def lower(fission: Fission) -> Core:
    """Translate the core.

    Raises:
        LowerError: naming the first operation that the language lacks, and its line.
    """
    values: dict[fx.Node, Any] = {}
    trace = fission.trace
    for before, after in zip(trace.carry, trace.new_carry, strict=True):
        _check_carry(before, after)
    for node in fission.of(Kind.CONSTANT):
        _check_constant(node)
    for i, node in enumerate(trace.carry):
        values[node] = ir.leaf("carry", i, row_shape(node))
    for i, node in enumerate(fission.inputs):
        values[node] = ir.leaf("input", i, row_shape(node))
    for i, node in enumerate(fission.constants):
        values[node] = ir.leaf("const", i, tuple(node.meta["val"].shape))
    leaves = dict(values)
    for node in fission.of(Kind.CORE):
        if not is_size(node):
            values[node] = lower_node(node, values)
    return Core(
        carry=tuple(leaves[node] for node in trace.carry),
        inputs=tuple(leaves[node] for node in fission.inputs),
        constants=tuple(leaves[node] for node in fission.constants),
        new_carry=tuple(ir.expand(values[node], row_shape(node)) for node in trace.new_carry),
        exports=tuple(ir.expand(values[node], row_shape(node)) for node in fission.exports),
        numbers=frozenset(
            i for i, node in enumerate(fission.constants) if not _tensors(node, fission)
        ),
        factors=_factors(fission),
    )


def _factors(fission: Fission) -> torch.dtype | None:
    """The common type of all products; None: there are none, or several types."""
    products = [n for n in fission.of(Kind.CORE) if _packet(n) in PRODUCT]
    found = {node.meta["val"].dtype for node in products}
    return found.pop() if len(found) == 1 else None


def _packet(node: fx.Node) -> Any:
    return getattr(node.target, "overloadpacket", None)


def _tensors(node: fx.Node, fission: Fission) -> bool:
    """Whether a constant is made of tensors that the step closes over, or is one."""
    if node.name in fission.trace.constants:
        return True
    return any(_tensors(each, fission) for each in node.all_input_nodes)


def _check_carry(before: fx.Node, after: fx.Node) -> None:
    """Refuse a step that changes the shape or precision of its carry; the loop keeps its room."""
    expected, got = (n.meta["val"] for n in (before, after))
    if row_shape(before) != row_shape(after) or expected.dtype != got.dtype:
        raise LowerError(
            f"the step receives a carry of {expected.dtype} {list(row_shape(before))} a row and "
            f"returns {got.dtype} {list(row_shape(after))}{line(after)}"
        )


def _check_constant(node: fx.Node) -> None:
    """Refuse what the loop would do to the gradient of a constant at every step."""
    if node.target is OPERATION.default:
        raise LowerError(
            "the gradient of a constant is clipped at every step, where generated code knows only "
            f"its sum over all steps; clip that of the state{line(node)}"
        )


def lower_node(node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    """The value of one operation, given those of its arguments.

    Raises:
        LowerError: if the language lacks it.
    """
    rule = _RULES.get(node.target)
    if rule is None:
        raise LowerError(
            f"{operation(node)} is outside the language of generated code; write it with other "
            f"operations, or compute it before the loop if it needs no state{line(node)}"
        )
    return rule(node, values)


def _args(node: fx.Node) -> list[Any]:
    """The arguments; their kinds are fixed by the operation, which its rule knows."""
    return list(node.args)


def _arg(node: fx.Node, position: int, values: dict[fx.Node, Any], name: str = "") -> Value:
    arg = _args(node)[position] if position < len(_args(node)) else node.kwargs[name]
    return _value(arg, node, values)


def _value(arg: Any, node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    if isinstance(arg, bool | int | float):
        return ir.number(arg)
    if isinstance(arg, fx.Node) and arg in values:
        found = values[arg]
        assert isinstance(found, Value)
        return found
    raise LowerError(f"{operation(node)} depends on a value that has no row{line(node)}")


def _aligned(arg: Any, node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    """A pointwise operand, its row axes aligned with those of the result."""
    value = _value(arg, node, values)
    if value.op == "number" or not isinstance(arg, fx.Node):
        return value
    rank = len(node.meta["val"].shape)
    axis = batch_axis(node)
    if value.op == "const":
        # Constants are aligned at the last axis; where the batch would stand they have size 1.
        shape = (1,) * (rank - len(value.shape)) + value.shape
        if shape[axis] != 1:
            raise LowerError(f"{operation(node)} mixes a constant with the batch{line(node)}")
        return ir.reshape(value, (*shape[:axis], *shape[axis + 1 :]))
    own = arg.meta["val"].shape
    if batch_axis(arg) - len(own) != axis - rank:
        raise LowerError(f"{operation(node)} mixes rows{line(node)}")
    return value


def _pointwise(op: str) -> Callable[[fx.Node, dict[fx.Node, Any]], Value]:
    def rule(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
        operands = [_aligned(arg, node, values) for arg in _args(node)]
        alpha = node.kwargs.get("alpha", 1)
        if alpha != 1:
            operands[1] = ir.pointwise("mul", operands[1], float(alpha))  # type: ignore[arg-type]
        return ir.pointwise(op, *operands)

    return rule


def _bitwise(op: str) -> Callable[[fx.Node, dict[fx.Node, Any]], Value]:
    def rule(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
        if node.meta["val"].dtype != torch.bool:
            raise LowerError(f"{operation(node)} of integers is outside the language{line(node)}")
        return _pointwise(op)(node, values)

    return rule


def _relu(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    x = _arg(node, 0, values)
    # NaN fails every comparison, and must come out as NaN.
    return ir.pointwise("where", ir.pointwise("le", x, 0.0), 0.0, x)


def _reciprocal(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    return ir.pointwise("div", 1.0, _arg(node, 0, values))


def _clamp(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    x = _arg(node, 0, values)
    bounds = [*_args(node)[1:], None, None][:2]
    low, high = (node.kwargs.get(k, v) for k, v in zip(("min", "max"), bounds, strict=True))
    for bound, side in ((low, "lt"), (high, "gt")):
        if bound is not None:
            limit = _aligned(bound, node, values)
            x = ir.pointwise("where", ir.pointwise(side, x, limit), limit, x)
    return x


def _same(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    return _arg(node, 0, values)


def _detached(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    return ir.clipped(_arg(node, 0, values), 0.0)


def _clipped(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    return ir.clipped(_arg(node, 0, values), _args(node)[1], node.name)


def _matrix(arg: Any, node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    value = _value(arg, node, values)
    if value.op != "const":
        raise LowerError(
            f"{operation(node)} multiplies two values that both change with the step{line(node)}"
        )
    return value


def _mm(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    left, right = (_value(arg, node, values) for arg in _args(node))
    if left.op == "const" and right.op != "const":
        # The rows stand side by side: their products are those with the matrix turned round.
        return ir.matmul(right, left, transposed=True)
    return ir.matmul(left, _matrix(_args(node)[1], node, values))


def _addmm(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    if node.kwargs.get("alpha", 1) != 1 or node.kwargs.get("beta", 1) != 1:
        raise LowerError(f"addmm with factors is outside the language{line(node)}")
    bias = _aligned(_args(node)[0], node, values)
    product = ir.matmul(_value(_args(node)[1], node, values), _matrix(_args(node)[2], node, values))
    return ir.pointwise("add", product, bias)


def _bmm(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    x, y = _args(node)
    left, right = _value(x, node, values), _value(y, node, values)
    if right.op == "const" and batch_axis(x) == 1:
        return ir.matmul(left, right)
    if {batch_axis(x), batch_axis(y)} != {0}:
        raise LowerError(
            f"{operation(node)} with the batch inside is outside the language{line(node)}"
        )
    if right.op == "const" and len(right.shape) == 2:
        return ir.matmul(left, right)
    if left.op == "const" and len(left.shape) == 2:
        turned = ir.matmul(_turned(right), left, transposed=True)
        return _turned(turned)
    return _sum_of_products(left, right, node)


def _turned(matrix: Value) -> Value:
    """The last two axes exchanged."""
    rank = len(matrix.shape)
    return ir.permute(matrix, (*range(rank - 2), rank - 1, rank - 2))


# Elements of a row in a product of two matrices, before they are summed.
_LARGEST = 2**14


def _sum_of_products(a: Value, b: Value, node: fx.Node) -> Value:
    """(..., n, k) times (..., k, m), both of which change with the step."""
    (*lead, n, k), m = a.shape, b.shape[-1]
    if math.prod(lead) * n * k * m > _LARGEST:
        raise LowerError(
            f"{operation(node)} multiplies two values that both change with the step, of "
            f"{n}x{k} and {k}x{m}, which are too large for generated code{line(node)}"
        )
    if m == 1:
        product = ir.pointwise("mul", a, ir.reshape(b, (*lead, 1, k)))
        return ir.reduce("sum", product, [len(lead) + 1])
    product = ir.pointwise("mul", ir.reshape(a, (*lead, n, k, 1)), ir.reshape(b, (*lead, 1, k, m)))
    total = ir.reduce("sum", product, [len(lead) + 1])
    return ir.reshape(total, (*lead, n, m))


def _reshape(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    source = _args(node)[0]
    assert isinstance(source, fx.Node)
    ahead = [math.prod(n.meta["val"].shape[: batch_axis(n)]) for n in (source, node)]
    if ahead[0] != ahead[1]:
        raise LowerError(f"{operation(node)} moves elements across the batch{line(node)}")
    return ir.reshape(_arg(node, 0, values), row_shape(node))


def _permute(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    source, order = _args(node)[0], _args(node)[1]
    assert isinstance(source, fx.Node)
    rank, axis = len(source.meta["val"].shape), batch_axis(source)
    rows = [_row_axis(source, a) for a in order if a % rank != axis]
    # An axis that is folded into the batch stays in front with it.
    lead = range(len(row_shape(node)) - len(rows))
    return ir.permute(_arg(node, 0, values), (*lead, *rows))


def _expand(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    value, shape = _arg(node, 0, values), row_shape(node)
    return ir.expand(ir.reshape(value, (1,) * (len(shape) - len(value.shape)) + value.shape), shape)


def _row_axis(node: fx.Node, axis: Any) -> int:
    """The place of an axis of `node` among the axes of its rows."""
    rank, batch = len(node.meta["val"].shape), batch_axis(node)
    axis = axis % rank
    if axis == batch:
        raise LowerError(
            "an operation goes over the batch, but rows may not mix: a step must treat every row "
            f"alike, so only axes after the first can be summed, sliced or joined{line(node)}"
        )
    folded = len(row_shape(node)) - (rank - 1)
    return int(axis) - int(axis > batch) + folded


def _split(node: fx.Node, values: dict[fx.Node, Any]) -> list[Value]:
    source, sizes = _args(node)[0], _args(node)[1]
    assert isinstance(source, fx.Node)
    axis = _row_axis(source, _args(node)[2] if len(_args(node)) > 2 else 0)
    value = _arg(node, 0, values)
    starts = [0, *accumulate(sizes)]
    return [ir.cut(value, axis, start, n) for start, n in zip(starts, sizes, strict=False)]


def _slice(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    source = _args(node)[0]
    assert isinstance(source, fx.Node)
    given: list[Any] = _args(node)[1:]
    axis, start, end, step = given + [0, None, None, 1][len(given) :]
    if source.meta["val"].shape == node.meta["val"].shape:
        return _arg(node, 0, values)
    row = _row_axis(source, axis)
    value, size = _arg(node, 0, values), row_shape(source)[row]
    first, last, _ = slice(start, end, step).indices(size)
    if step == 1:
        return ir.cut(value, row, first, last - first)
    if size % step or row_shape(node)[row] != size // step:
        raise LowerError(f"a slice whose step does not divide its axis{line(node)}")
    # As many groups as results, of which each gives one element.
    groups = ir.reshape(value, (*value.shape[:row], size // step, step, *value.shape[row + 1 :]))
    return ir.reshape(ir.cut(groups, row + 1, first, 1), row_shape(node))


def _select(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    source, axis, index = _args(node)
    assert isinstance(source, fx.Node)
    row = _row_axis(source, axis)
    value = _arg(node, 0, values)
    part = ir.cut(value, row, index % value.shape[row], 1)
    return ir.reshape(part, row_shape(node))


def _concat(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    parts, axis = _args(node)[0], _args(node)[1] if len(_args(node)) > 1 else 0
    row = _row_axis(node, axis)
    filled = [ir.expand(_aligned(part, part, values), row_shape(part)) for part in parts]
    return ir.concat(filled, row)


def _reduction(op: str) -> Callable[[fx.Node, dict[fx.Node, Any]], Value]:
    def rule(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
        source = _args(node)[0]
        assert isinstance(source, fx.Node)
        axes = _args(node)[1] if len(_args(node)) > 1 else list(range(source.meta["val"].dim()))
        rows = [_row_axis(source, axis) for axis in axes]
        return ir.reshape(ir.reduce(op, _arg(node, 0, values), rows), row_shape(node))

    return rule


def _getitem(node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    return values[_args(node)[0]][_args(node)[1]]


def _fill(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    return ir.expand(ir.number(_args(node)[1]), row_shape(node))


def _cast(node: fx.Node, values: dict[fx.Node, Any]) -> Value:
    source = _args(node)[0]
    assert isinstance(source, fx.Node)
    before, after = (n.meta["val"] for n in (source, node))
    assert isinstance(before, Tensor)
    # A rounding to lower precision is left out: the loop computes in that of the state.
    rounding = before.dtype in _SINGLE_OR_LOWER and after.dtype in _SINGLE_OR_LOWER
    if before.dtype not in (torch.bool, after.dtype) and not rounding:
        raise LowerError(f"a change of precision inside the core{line(node)}")
    return _arg(node, 0, values)


_SINGLE_OR_LOWER = (torch.float32, torch.bfloat16, torch.float16)
_NAMES = {
    "neg": "neg", "exp": "exp", "log": "log", "log1p": "log1p", "expm1": "expm1",
    "tanh": "tanh", "sigmoid": "sigmoid", "sqrt": "sqrt", "rsqrt": "rsqrt", "abs": "abs",
    "sign": "sign", "sin": "sin", "cos": "cos", "erf": "erf", "floor": "floor",
    "logical_not": "not",
}  # fmt: skip
_PAIRS = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "lt": "lt", "le": "le",
    "gt": "gt", "ge": "ge", "eq": "eq", "ne": "ne",
}  # fmt: skip
_RULES: dict[Any, Callable[[fx.Node, dict[fx.Node, Any]], Any]] = {
    **{getattr(aten, name).default: _pointwise(op) for name, op in _NAMES.items()},
    **{getattr(aten, name).Tensor: _pointwise(op) for name, op in _PAIRS.items()},
    **{getattr(aten, name).Scalar: _pointwise(op) for name, op in _PAIRS.items()},
    aten.maximum.default: _pointwise("maximum"),
    aten.minimum.default: _pointwise("minimum"),
    aten.pow.Tensor_Scalar: _pointwise("pow"),
    aten.logical_and.default: _pointwise("and"),
    aten.logical_or.default: _pointwise("or"),
    aten.bitwise_not.default: _bitwise("not"),
    aten.bitwise_and.Tensor: _bitwise("and"),
    aten.bitwise_or.Tensor: _bitwise("or"),
    aten.where.self: _pointwise("where"),
    aten.relu.default: _relu,
    aten.reciprocal.default: _reciprocal,
    aten.clamp.default: _clamp,
    aten.clamp.Tensor: _clamp,
    aten.clone.default: _same,
    aten.alias.default: _same,
    aten.detach.default: _detached,
    OPERATION.default: _clipped,
    aten._to_copy.default: _cast,
    aten.mm.default: _mm,
    aten.addmm.default: _addmm,
    aten.bmm.default: _bmm,
    aten.view.default: _reshape,
    aten.unsqueeze.default: _reshape,
    aten.squeeze.dims: _reshape,
    aten.permute.default: _permute,
    aten.expand.default: _expand,
    aten.split_with_sizes.default: _split,
    aten.slice.Tensor: _slice,
    aten.select.int: _select,
    aten.cat.default: _concat,
    aten.sum.dim_IntList: _reduction("sum"),
    aten.amax.default: _reduction("max"),
    aten.full_like.default: _fill,
    operator.getitem: _getitem,
}
