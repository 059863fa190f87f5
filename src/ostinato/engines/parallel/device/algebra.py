"""Text for vectors and matrices of a few numbers, each a block in registers, one for each lane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

# A number by the names of its blocks: itself, or its real and its imaginary part.
Number = tuple[str, ...]


@dataclass(frozen=True)
class Algebra:
    """Vectors of S numbers and S×S matrices.

    Attributes:
        size: S.
        complex: whether numbers are complex.
    """

    size: int
    complex: bool = False

    def number(self, name: str, *place: int) -> Number:
        """A number of a vector or of a matrix."""
        whole = "_".join([name, *map(str, place)])
        return (f"{whole}_re", f"{whole}_im") if self.complex else (whole,)

    def places(self, axes: int) -> list[tuple[int, ...]]:
        """The places of the numbers of a vector (1 axis) or of a matrix (2)."""
        return list(product(range(self.size), repeat=axes))

    def blocks(self, name: str, axes: int) -> list[str]:
        """The blocks of a vector or of a matrix."""
        return [part for place in self.places(axes) for part in self.number(name, *place)]

    def filled(self, name: str, axes: int, value: str) -> list[str]:
        """All numbers of a vector or a matrix, given as text."""
        return [f"{block} = {value}" for block in self.blocks(name, axes)]

    def identity(self, name: str, zero: str) -> list[str]:
        """The matrix 1, given the text of a block of zeros."""
        ones = [self.number(name, i, i)[0] for (i,) in self.places(1)]
        return self.filled(name, 2, zero) + [f"{block} = {zero} + 1" for block in ones]

    def copied(self, target: str, source: str, axes: int) -> list[str]:
        """target = source."""
        pairs = zip(self.blocks(target, axes), self.blocks(source, axes), strict=True)
        return [f"{to} = {of}" for to, of in pairs]

    def where(self, condition: str, target: str, axes: int, text: str, *given: str) -> list[str]:
        """Replace target where a condition holds, by a text with the blocks of others in {}."""
        columns = [self.blocks(name, axes) for name in (target, *given)]
        return [
            f"{to} = tl.where({condition}, {text.format(*rest)}, {to})"
            for to, *rest in zip(*columns, strict=True)
        ]

    def apply(self, target: str, a: str, x: str, b: str) -> list[str]:
        """target = a x + b."""
        lines = []
        for (i,) in self.places(1):
            pairs = [(self.number(a, i, j), self.number(x, j)) for (j,) in self.places(1)]
            lines += _sum(self.number(target, i), self.number(b, i), pairs)
        return lines

    def compose(self, target: str, a: str, p: str) -> list[str]:
        """target = a p, both matrices."""
        lines = []
        for i, j in self.places(2):
            pairs = [(self.number(a, i, k), self.number(p, k, j)) for (k,) in self.places(1)]
            lines += _sum(self.number(target, i, j), (), pairs)
        return lines

    def outer(self, target: str, x: str, h: str) -> list[str]:
        """target = x hᴴ."""
        lines = []
        for i, j in self.places(2):
            pairs = [(self.number(x, i), self.number(h, j))]
            lines += _sum(self.number(target, i, j), (), pairs, conjugate=True)
        return lines


def _sum(
    target: Number, start: Number, pairs: Sequence[tuple[Number, Number]], conjugate: bool = False
) -> list[str]:
    """target = start + Σ a x; of every x the conjugate, if asked for."""
    terms = [[part] for part in start] or [list[str]() for _ in target]
    for a, x in pairs:
        for place, term in _products(a, x, conjugate):
            terms[place].append(term)
    sums = (" + ".join(each).replace("+ -", "- ") for each in terms)
    return [f"{to} = {text}" for to, text in zip(target, sums, strict=True)]


def _products(a: Number, x: Number, conjugate: bool) -> Iterable[tuple[int, str]]:
    """The products of real numbers in one product, each with the part that it belongs to."""
    if len(a) == 1:
        return [(0, f"{a[0]} * {x[0]}")]
    inner, turned = ("", "-") if conjugate else ("-", "")
    return [
        (0, f"{a[0]} * {x[0]}"),
        (0, f"{inner}{a[1]} * {x[1]}"),
        (1, f"{turned}{a[0]} * {x[1]}"),
        (1, f"{a[1]} * {x[0]}"),
    ]
