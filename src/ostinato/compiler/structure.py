"""How every leaf of the new carry depends on every leaf of the old one.

Two things about a core decide which engines may take it: which elements of the old carry an
element of the new one reaches, and whether the core is affine in the carry,

    new = A(x) · carry + b(x).

Both are read off the graph, so they hold for all values of the parameters. They are then
compared with Jacobians at random points; where the two disagree, the larger coupling wins. Of a
*matrix state*, a leaf with columns, it is also read off whether columns depend on each other, and
whether A is the same for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from ostinato.compiler.alike import alike
from ostinato.compiler.fission import Fission
from ostinato.compiler.jacobian import Probe
from ostinato.compiler.reach import Degree, leaf_columns, leaf_sizes, reach


class Pattern(Enum):
    """Which elements of an old leaf an element of a new leaf reaches."""

    NONE = "none"
    ELEMENTWISE = "elementwise"
    PER_HEAD = "per-head block"
    COLUMNS = "matrix state"
    DENSE = "dense"


@dataclass(frozen=True)
class Coupling:
    """How one leaf of the new carry depends on one leaf of the old, the others held.

    Attributes:
        new: elements of the new leaf in a row.
        old: elements of the old leaf in a row.
        heads: the number of equal contiguous parts of both leaves such that each part of the
            new one reaches only its own part of the old one; 0 if it reaches nothing.
        degree: in the old leaf.
        columns: the number of interleaved parts of every head, elements i, i + columns, … in one,
            such that each reaches only its own.
        alike: so many neighbours, side by side as columns are, read the old leaf with the same
            coefficients; 1: they may differ.
    """

    new: int
    old: int
    heads: int
    degree: Degree
    columns: int = 1
    alike: int = 1

    @property
    def pattern(self) -> Pattern:
        """The kind of coupling."""
        if not self.heads:
            return Pattern.NONE
        if self.block == (1, 1):
            return Pattern.ELEMENTWISE
        if self.columns > 1:
            return Pattern.COLUMNS
        return Pattern.PER_HEAD if self.heads > 1 else Pattern.DENSE

    @property
    def block(self) -> tuple[int, int]:
        """Elements of the new and of the old leaf in one head, or in one column of it."""
        parts = max(self.heads * self.columns, 1)
        return self.new // parts, self.old // parts

    def __str__(self) -> str:
        if self.pattern is Pattern.NONE:
            return "none"
        kind = self.pattern.value
        if self.pattern is Pattern.ELEMENTWISE and self.alike > 1:
            kind = f"matrix state (diagonal, one A for {self.alike} columns)"
        elif self.heads * self.columns > 1 and self.pattern is not Pattern.ELEMENTWISE:
            kind += f" ({self.heads} × {self.block[0]}×{self.block[1]}{self._columns()})"
        return f"{kind}, {self.degree.name.lower()}"

    def _columns(self) -> str:
        if self.columns == 1:
            return ""
        shared = self.alike % self.columns == 0
        return f", one A for {'' if shared else 'each of '}{self.columns} columns"


Table = tuple[tuple[Coupling, ...], ...]


@dataclass(frozen=True)
class Structure:
    """The structure of a core.

    Attributes:
        couplings: by new leaf, then by old leaf.
        degree: of the core in the whole carry.
        verified: whether it was compared with Jacobians.
        findings: where they disagreed, or why they were not compared.
        rows_apart: whether a row of the batch depends on no other row.
    """

    couplings: Table
    degree: Degree
    verified: bool = False
    findings: tuple[str, ...] = ()
    rows_apart: bool = True

    @property
    def affine(self) -> bool:
        """Whether new = A(x) · carry + b(x)."""
        return self.degree < Degree.NONLINEAR

    @property
    def pattern(self) -> Pattern:
        """The largest coupling of all."""
        found = [each.pattern for row in self.couplings for each in row]
        return max(found, key=list(Pattern).index, default=Pattern.NONE)


def structure(fission: Fission) -> Structure:
    """The structure of a core: read off its graph, verified once on random values."""
    changed = [node for node in fission.trace.nodes if _mutates(node.target)]
    if changed:
        return _unknown(fission, f"{changed[0].target} changes a tensor in place")
    claim = read(fission)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            return verify(claim, fission)
    except Exception as error:
        # What the graph shows needs no confirmation; any operation may fail on random values.
        return replace(claim, findings=(f"not verified: {type(error).__name__}: {error}",))


def read(fission: Fission) -> Structure:
    """What the graph alone shows."""
    sizes, columns, marks = leaf_sizes(fission), leaf_columns(fission), reach(fission)
    pairs = list(zip(marks, columns, alike(fission), strict=True))
    couplings = tuple(
        tuple(
            _read_pair(new, j, sizes, math.gcd(own, columns[j]), same[j]) for j in range(len(sizes))
        )
        for new, own, same in pairs
    )
    degree = max((int(new[0].amax()) for new in marks if new.numel()), default=0)
    return Structure(couplings, Degree(degree))


def verify(claim: Structure, fission: Fission) -> Structure:
    """Compare a structure with Jacobians; what they contradict becomes larger."""
    if not claim.couplings:
        return replace(claim, verified=True)
    probe = Probe(fission)
    if probe.rows_mix():
        mixed = _unknown(fission, "rows of the batch depend on each other")
        return replace(mixed, verified=True, rows_apart=False)
    points = probe.points()
    couplings = tuple(
        tuple(_measured(*pair, places) for pair in zip(row, found, strict=True))
        for row, found, places in zip(claim.couplings, points, probe.places, strict=True)
    )
    steady = all(_same(here, there) for row in points for here, _, there in row)
    degrees = [claim.degree, *(each.degree for row in couplings for each in row)]
    degree = max(degrees) if steady else Degree.NONLINEAR
    findings = _contradictions(claim.couplings, couplings)
    if degree > claim.degree:
        findings.append(f"{claim.degree.name.lower()} in the graph, {degree.name.lower()} in fact")
    return Structure(couplings, degree, True, tuple(findings))


def _contradictions(claimed: Table, found: Table) -> list[str]:
    return [
        f"leaf {i} from leaf {j}: {a} in the graph, {b} in fact"
        for i, rows in enumerate(zip(claimed, found, strict=True))
        for j, (a, b) in enumerate(zip(*rows, strict=True))
        if a != b
    ]


def _mutates(target: Any) -> bool:
    schema = getattr(target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _unknown(fission: Fission, reason: str) -> Structure:
    """Nothing is known: everything may reach everything."""
    sizes = leaf_sizes(fission)
    couplings = tuple(tuple(Coupling(i, j, 1, Degree.NONLINEAR) for j in sizes) for i in sizes)
    return Structure(couplings, Degree.NONLINEAR, findings=(reason,))


def _read_pair(marks: Tensor, leaf: int, sizes: Sequence[int], columns: int, same: int) -> Coupling:
    """A coupling, given the marks of the new leaf, common columns, and how many are alike."""
    degree, size = marks[1 + leaf], sizes[leaf]
    low, high, left, right = marks[1 + len(sizes) + 4 * leaf :][:4].long()
    (place,) = high.nonzero(as_tuple=True)
    heads = _heads(len(degree), size, place, size - low[place], high[place] - 1)
    reached = (place, columns - left[place], right[place] - 1)
    found = Coupling(len(degree), size, heads, Degree(max(degree.tolist(), default=0)), alike=same)
    return found if found.block == (1, 1) else _in_columns(found, columns, reached)


def _in_columns(found: Coupling, columns: int, reached: Sequence[Tensor]) -> Coupling:
    """A coupling in columns, if elements at some places reach theirs only, from left to right."""
    place, left, right = (each % columns for each in reached)
    fits = found.heads and not any(each % columns for each in found.block)
    apart = fits and bool(((left == place) & (right == place)).all())
    return replace(found, columns=columns if apart else 1)


def _heads(rows: int, columns: int, place: Tensor, low: Tensor, high: Tensor) -> int:
    """Into how many heads two leaves fall, if elements at `place` reach from low to high."""
    if not place.numel():
        return 0
    common = math.gcd(rows, columns)
    divisors = (k for k in range(common, 0, -1) if common % k == 0)
    return next(k for k in divisors if _falls(k, rows, columns, place, low, high))


def _falls(heads: int, rows: int, columns: int, place: Tensor, low: Tensor, high: Tensor) -> bool:
    """Whether no element reaches beyond its head."""
    if not heads:
        return not place.numel()
    own, size = place // (rows // heads), columns // heads
    return bool(((low // size == own) & (high // size == own)).all())


def _measured(claim: Coupling, points: tuple[Tensor, Tensor, Tensor], places: Tensor) -> Coupling:
    """A coupling after a look at Jacobians; between the first two only the old leaf moves."""
    seen = torch.stack([(point.nan_to_num() != 0).cpu() for point in points]).any(0)
    row, column = seen.nonzero(as_tuple=True)
    reached = (claim.new, claim.old, places[row], column, column)
    heads, own = claim.heads, claim.columns
    if not _falls(heads, *reached):
        # Heads that both agree on: parts of the one lie within parts of the other.
        heads = math.gcd(heads, _heads(*reached))
    if bool((places[row] % own != column % own).any()):
        claim = replace(claim, columns=1, alike=1)
    degree = Degree.AFFINE if len(row) else Degree.CONSTANT
    degree = degree if _same(*points[:2]) else Degree.NONLINEAR
    return replace(claim, heads=heads, degree=max(claim.degree, degree))


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two Jacobians are equal where both are finite."""
    finite = a.isfinite() & b.isfinite()
    return torch.allclose(a[finite], b[finite], rtol=1e-7, atol=1e-9)
