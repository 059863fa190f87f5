"""The ways to carry sensitivities on, by name, and how one is prepared for a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ostinato.compiler.entries import Entries, entries, trained
from ostinato.compiler.fission import split
from ostinato.compiler.stages import Stages, stages
from ostinato.compiler.trace import TraceError, drop_clips, trace
from ostinato.core.errors import ArgumentError, CellError, nearest
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import index, leaves
from ostinato.train.rtrl.blocks import Block, blocks
from ostinato.train.rtrl.compiled import compiled
from ostinato.train.rtrl.rank_one import RankOne
from ostinato.train.rtrl.sensitivities import Segment, Sensitivities
from ostinato.train.rtrl.snap import Masked, SameUnit, reached

METHODS = ("exact", "snap", "rflo", "uoro", "truncated")


class Kept(Protocol):
    """Sensitivities in some form."""

    def shapes(self, carry: Sequence[Tensor]) -> list[tuple[int, ...]]:
        """Of what a row keeps, given the leaves of the state."""

    def owners(self) -> list[int | None]:
        """The entry that each tensor kept belongs to; None: to all."""

    def advance(self, kept: Sequence[Tensor], segment: Segment) -> tuple[Tensor, ...]:
        """What is kept after a segment."""

    def faded(self, kept: Sequence[Tensor], factor: float) -> tuple[Tensor, ...]:
        """Sensitivities times a factor."""

    def gradients(
        self, kept: Sequence[Tensor], errors: Sequence[Tensor], fixed: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Of every constant, given those of the state's leaves."""


@dataclass(frozen=True)
class Plan:
    """A method, prepared for a cell.

    Attributes:
        kept: how sensitivities are kept.
        stages: of the step; its constants are computed with their gradient.
        found: where these constants enter.
        origins: the tensors that each constant is computed from.
        form: by what sensitivities are carried on, in words.
    """

    kept: Kept
    stages: Stages
    found: Entries
    origins: Sequence[Sequence[Tensor]]
    form: str

    def constants(self) -> list[Tensor]:
        """The constants of the step, from the parameters as they are now."""
        with torch.enable_grad():
            found: list[Tensor] = self.stages.constants()
        return found


def plan(
    recurrence: Recurrence, method: str, order: int, generator: torch.Generator | None
) -> Plan:
    """Prepare a method for the step of a recurrence; its masks are not part of it.

    Raises:
        CellError: if the step cannot be recorded, or a constant enters in a way not followed.
        ArgumentError: if the method does not fit the cell.
    """
    init, x = leaves(recurrence.init), leaves(index(recurrence.xs, 0))
    try:
        traced = trace(recurrence.step, recurrence.init, index(recurrence.xs, 0))
        if drop_clips(traced) and method != "truncated":
            raise TraceError(
                "it clips its gradient, and sensitivities are carried forward without one"
            )
        fission = split(traced)
        found = entries(fission)
    except TraceError as error:
        raise CellError(f"RTRL cannot follow {recurrence.name}: {error}.") from error
    parts = stages(fission)
    fixed = [each.detach() for each in parts.constants()]
    given = _Given(found, init, x, fixed)
    origins = [trained(node, fission) for node in fission.constants]
    kept, form = _kept(given, method, order, generator), "torch's operations"
    # Only what is exact has loops of its own; approximations are of another type.
    if type(kept) is Sensitivities and kept.blocks:
        faster = compiled(kept, fission, init)
        if isinstance(faster, str):
            form = f"{form} ({faster})"
        else:
            kept, form = faster, str(faster)
    return Plan(kept, parts, found, origins, form)


@dataclass(frozen=True)
class _Given:
    """A step with an example of what it reads."""

    found: Entries
    init: Sequence[Tensor]
    x: Sequence[Tensor]
    fixed: Sequence[Tensor]

    def blocks(self, local: bool = False) -> tuple[Block, ...]:
        return blocks(self.found, self.init, self.x, self.fixed, local)


def _kept(given: _Given, method: str, order: int, generator: torch.Generator | None) -> Kept:
    if method == "uoro":
        return RankOne(given.found, generator)
    if method == "truncated":
        return Sensitivities(given.found, ())
    exact = Sensitivities(given.found, given.blocks(method == "rflo"), method == "rflo")
    if method != "snap" or all(block.inside == len(block.leaves) for block in exact.blocks):
        return exact
    return _same_unit(exact) if order == 1 else _masked(exact, given, order)


def _same_unit(exact: Sensitivities) -> Sensitivities:
    """SnAp-1, if state and entries consist of the same units."""
    for block in exact.blocks:
        units = block.units // len(block.leaves)
        whole = exact.found.found[block.entry].parts == 1
        if block.heads > 1 or not whole or block.size % units:
            raise ArgumentError(
                f"SnAp-1 takes cells without heads whose gates have the {units} units of the "
                f"state; a constant of this one has {block.size} in {block.heads} heads. Take "
                "method='exact', or order=2."
            )
    return SameUnit(exact.found, exact.blocks)


def _masked(exact: Sensitivities, given: _Given, order: int) -> Sensitivities:
    random = torch.Generator().manual_seed(0)

    def drawn(leaf: Tensor) -> Tensor:
        noise = torch.randn(1, 16, *leaf.shape[1:], generator=random, dtype=torch.float64)
        return noise.to(leaf)

    carry, x = ([drawn(leaf) for leaf in each] for each in (given.init, given.x))
    sample = Segment(carry, x, given.fixed, None, None)
    return Masked(exact.found, exact.blocks, masks=reached(exact, sample, order))


def check_method(method: str, order: int) -> None:
    """Raise an `ArgumentError` unless there is such a method."""
    if method not in METHODS:
        raise ArgumentError(f"There is no method {method!r} of RTRL. {nearest(method, METHODS)}")
    if order < 1:
        raise ArgumentError(f"order, the n of SnAp-n, must be at least 1; got {order}.")
