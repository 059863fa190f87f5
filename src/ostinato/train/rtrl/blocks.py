"""Which part of the state an entry of a constant acts on, and how its sensitivity is kept.

Where units do not mix, ∂h_i/∂W has only the row i of W: with heads that do not mix, those of the
head. So a sensitivity is kept as (B, heads, K, n, D): of the K numbers of the state in a head, in
the n elements of δ that belong to it, times the operand of size D. For an element-by-element
cell that is one number for each parameter and leaf of the state; for a dense one, K for each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.compiler.entries import Entries
from ostinato.compiler.fission import split
from ostinato.compiler.structure import Coupling, Structure, structure
from ostinato.compiler.trace import trace
from ostinato.core.state import State
from ostinato.engines.parallel.linearise import Group, groups


@dataclass(frozen=True)
class Block:
    """How a piece of an entry acts on a group of leaves of the state.

    Attributes:
        entry: the number of the entry.
        start: where the piece begins in δ.
        size: the elements of the piece.
        leaves: the leaves of the state that depend on each other.
        units: the elements of all these leaves together, in a row.
        heads: parts of state and piece that do not mix.
    """

    entry: int
    start: int
    size: int
    leaves: tuple[int, ...]
    units: int
    heads: int

    @property
    def inside(self) -> int:
        """K, the numbers of the state in a head."""
        return self.units // self.heads

    @property
    def width(self) -> int:
        """n, the elements of δ in a head."""
        return self.size // self.heads


def arrange(leaves: Sequence[Tensor], heads: int) -> Tensor:
    """Leaves (R, ...) of a group as (R, heads, K)."""
    return torch.cat([leaf.reshape(len(leaf), heads, -1) for leaf in leaves], -1)


def blocks(
    found: Entries,
    carry: Sequence[Tensor],
    x: Sequence[Tensor],
    fixed: Sequence[Tensor],
    local: bool = False,
) -> tuple[Block, ...]:
    """The blocks of a step, from its verified structure.

    Args:
        found: its entries.
        carry: an example, leaves (B, ...).
        x: an example of the inputs of one step, leaves (B, ...).
        fixed: the values of its constants.
        local: take `Entries.local` for the step.
    """
    sizes = [leaf[0].numel() for leaf in carry]
    whole = [(i, 0, entry.size) for i, entry in enumerate(found.found)]
    parts = [
        (i, start, min(sizes))
        for i, entry in enumerate(found.found)
        if entry.parts == 1 and entry.size > min(sizes) and not entry.size % min(sizes)
        for start in range(0, entry.size, min(sizes))
    ]
    shape = _structure(found, carry, x, fixed, [*whole, *parts], local)
    pieces = _chosen(shape, len(sizes), whole, parts)
    table = Structure(
        tuple(row[: len(sizes)] for row in shape.couplings[: len(sizes)]), shape.degree
    )
    return tuple(
        block
        for group in groups(table)
        for place, piece in pieces
        if (block := _block(shape, group, place, piece, found)) is not None
    )


_Piece = tuple[int, int, int]
"""Number of the entry, start in δ, size."""


def _structure(
    found: Entries,
    carry: Sequence[Tensor],
    x: Sequence[Tensor],
    fixed: Sequence[Tensor],
    pieces: Sequence[_Piece],
    local: bool,
) -> Structure:
    """How the new state depends on the old one, and on a change of every piece."""
    count, graph = len(carry), found.local if local else found.step

    def step(state: State, inputs: State) -> tuple[State, State]:
        h, changes = state[:count], state[count:]
        added = [_sum_of(i, entry.size, pieces, changes) for i, entry in enumerate(found.found)]
        new = graph(*h, *inputs, *fixed, *added)[:count]
        return [*new, *changes], new[0]

    given = [carry[0].new_zeros(len(carry[0]), size) for _, _, size in pieces]
    return structure(split(trace(step, [*carry, *given], list(x))))


def _sum_of(entry: int, size: int, pieces: Sequence[_Piece], changes: Sequence[Tensor]) -> Tensor:
    """δ of an entry: the change of the whole, and those of its parts side by side."""
    own = [change for piece, change in zip(pieces, changes, strict=True) if piece[0] == entry]
    return own[0] + torch.cat(own[1:], 1) if len(own) > 1 else own[0]


def _chosen(
    shape: Structure, leaves: int, whole: Sequence[_Piece], parts: Sequence[_Piece]
) -> list[tuple[int, _Piece]]:
    """For each entry its parts, if each falls into more heads than the whole, or reaches none."""
    found: list[tuple[int, _Piece]] = []
    for i, piece in enumerate(whole):
        own = [(leaves + len(whole) + k, part) for k, part in enumerate(parts) if part[0] == i]
        heads = [n for place, _ in own if (n := _heads(shape, leaves, place))]
        finer = heads and min(heads) > _heads(shape, leaves, leaves + i)
        found += own if finer else [(leaves + i, piece)]
    return found


def _heads(shape: Structure, leaves: int, place: int) -> int:
    """Into how many heads a piece and the leaves that it reaches fall."""
    return math.gcd(*(row[place].heads for row in shape.couplings[:leaves]))


def _block(
    shape: Structure, group: Group, place: int, piece: _Piece, found: Entries
) -> Block | None:
    """The block of a piece and a group; None if it does not reach the group."""
    entry, start, size = piece
    reached = [shape.couplings[i][place] for i in group.leaves]
    if not any(each.heads for each in reached):
        return None
    inner = [shape.couplings[i][j] for i in group.leaves for j in group.leaves]
    heads = math.gcd(*(_count(each) for each in (*reached, *inner)), *group.sizes)
    parts = found.found[entry].parts
    if heads % parts:
        heads = math.gcd(heads, parts)
    return Block(entry, start, size, group.leaves, sum(group.sizes), heads)


def _count(coupling: Coupling) -> int:
    """The heads of a coupling; 0, which no common divisor minds, where there is none."""
    return coupling.heads
