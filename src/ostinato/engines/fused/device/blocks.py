"""Text for blocks of values: a tile holds some rows and, padded, the elements of each."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.schedule import View, view

_FUNCTIONS = {
    **{op: f"{{0}} {sign} {{1}}" for op, sign in zip(
        ("add", "sub", "mul", "div", "lt", "le", "gt", "ge", "eq", "ne", "and", "or"),
        ("+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "&", "|"),
        strict=True,
    )},
    **{name: f"tl.{name}({{0}})"
       for name in ("exp", "log", "sqrt", "rsqrt", "abs", "sin", "cos", "erf", "floor")},
    **{name: f"{name}({{0}})" for name in ("tanh", "expm1", "log1p", "sigmoid", "sign")},
    **{name: f"{name}({{0}}, {{1}})" for name in ("maximum", "minimum")},
    "neg": "-{0}", "not": "{0} == 0", "pow": "power({0}, {1})",
    "where": "tl.where({0}, {1}, {2})",
}  # fmt: skip
_TRUTHS = frozenset({*ir.LOGIC, "not"})


@dataclass(frozen=True)
class Block:
    """A value, or part of one, in registers.

    Attributes:
        name: of the variable.
        rows: whether it has a row for each row of the tile; else one for all.
        wide: whether it has a column for each element; else one for all.
        truth: whether it holds truth values, not numbers.
    """

    name: str
    rows: bool = True
    wide: bool = True
    truth: bool = False

    def number(self, real: str) -> str:
        """As numbers."""
        return f"{self.name}.to({real})" if self.truth else self.name

    @property
    def condition(self) -> str:
        """As truth values."""
        return self.name if self.truth else f"({self.name} != 0)"


def expression(value: Value, args: Sequence[Block], real: str) -> str:
    """A pointwise operation."""
    if value.op in ("and", "or"):
        names = [arg.condition for arg in args]
    elif value.op == "where":
        names = [args[0].condition, *(arg.number(real) for arg in args[1:])]
    else:
        names = [arg.number(real) for arg in args]
    exponent = value.args[1].attrs if value.op == "pow" else None
    if exponent in (2, 3):
        return " * ".join([names[0]] * int(exponent))
    return _FUNCTIONS[value.op].format(*names)


def computed(name: str, value: Value, args: Sequence[Block]) -> Block:
    """What a pointwise operation gives."""
    rows, wide = any(arg.rows for arg in args), any(arg.wide for arg in args)
    return Block(name, rows, wide, value.op in _TRUTHS)


def literal(value: float) -> str:
    """A number."""
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def index(j: str, sizes: Sequence[int], strides: Sequence[int]) -> str:
    """Where element `j` of axes of some sizes lies, by the strides of the axes."""
    terms = []
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        inner = math.prod(sizes[axis + 1 :])
        coordinate = j if inner == 1 else f"({j} // {inner})"
        coordinate = coordinate if axis == 0 else f"({coordinate} % {size})"
        if stride:
            terms.append(coordinate if stride == 1 else f"{coordinate} * {stride}")
    return " + ".join(terms) or f"{j} * 0"


def load(where: str, mask: str, other: str = "0") -> str:
    """Read memory where the mask, if there is one, holds."""
    return f"tl.load({where}, mask={mask}, other={other})" if mask else f"tl.load({where})"


def store(where: str, what: str, mask: str) -> str:
    """Write memory where the mask, if there is one, holds."""
    return f"tl.store({where}, {what}, mask={mask})" if mask else f"tl.store({where}, {what})"


def power_of_two(n: int) -> int:
    """The smallest power of two that is not below n."""
    return 1 << (n - 1).bit_length()


def is_whole(seen: View) -> bool:
    """Whether a view shows all elements of its root in their order."""
    return seen.offset == 0 and seen.contiguous and math.prod(seen.shape) == seen.root.size


def is_copy(value: Value) -> bool:
    """Whether a value is another one in the order of its elements."""
    return value.op == "mul" and ir.is_number(value.args[1], 1)


def place(value: Value, given: frozenset[Value], copies: Collection[Value]) -> View:
    """Where a value lies; a copy of all elements in their order lies where they do.

    Args:
        value: the value.
        given: values that lie in memory of their own.
        copies: rearrangements that are no views.
    """
    seen = view(value, given, copies)
    root = seen.root
    if root not in given and is_copy(root):
        inner = place(root.args[0], given, copies)
        if inner.root.op != "number" and is_whole(inner):
            return View(inner.root, *(seen.offset, seen.shape, seen.strides))
    return seen
