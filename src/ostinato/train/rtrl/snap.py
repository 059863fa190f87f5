"""Sparse approximations of the sensitivities: what a parameter reaches within n steps.

    S_t = M_n ⊙ (J_t S_{t−1} + I_t)

J. Menick, E. Elsen, U. Evci, S. Osindero, K. Simonyan, A. Graves: Practical real time recurrent
learning with a sparse approximation to the Jacobian, 2021, arXiv 2006.07232 (SnAp-n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ostinato.train.rtrl.blocks import Block
from ostinato.train.rtrl.sensitivities import Segment, Sensitivities, summed, through


@dataclass(frozen=True)
class SameUnit(Sensitivities):
    """SnAp-1 of a dense cell: (B, N, L, g, D), for L leaves of N units and g gates.

    What a parameter does to units other than its own is left out. Deviation: an element of δ
    counts as its own unit's also where it reaches others at once, as a GRU's reset gate does.
    """

    def shape(self, block: Block) -> tuple[int, int, int, int]:
        """(N, L, g, D) of a block."""
        units, leaves = block.units // len(block.leaves), len(block.leaves)
        return units, leaves, block.size // units, self.found.found[block.entry].inner

    def in_order(self, part: Tensor) -> Tensor:
        """Of a block (N, g, D) in the order of δ, gate by gate."""
        return part.transpose(0, 1).flatten(0, 1)

    def linear(
        self, blocks: Sequence[Block], segment: Segment
    ) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
        """The diagonals of J and I, (T, B, N, L, L) and (T, B, N, L, g)."""
        j, immediate, operands = super().linear(blocks, segment)
        units, leaves = self.shape(blocks[0])[:2]
        pairs = j.view(*j.shape[:2], leaves, units, leaves, units)
        own = pairs.diagonal(0, 3, 5).permute(0, 1, 4, 2, 3)
        found = [
            each.reshape(*j.shape[:2], leaves, units, -1, units)
            .diagonal(0, 3, 5)
            .permute(0, 1, 4, 2, 3)
            for each in immediate
        ]
        return own, found, operands


@dataclass(frozen=True)
class Masked(Sensitivities):
    """SnAp-n: only entries that a parameter reaches within n steps. They are stored densely.

    Attributes:
        masks: for every block (heads, K, n) bool.
    """

    masks: tuple[Tensor, ...] = ()

    def _advance(self, kept: Sequence[Tensor], segment: Segment) -> tuple[Tensor, ...]:
        advanced = []
        for block, mask, s in zip(self.blocks, self.masks, kept, strict=True):
            j, (immediate,), operands = self.linear([block], segment)
            operand = operands[block.entry]
            for t in range(len(j)):
                a = None if operand is None else operand[t : t + 1]
                s = through(j[t], s) + summed(immediate[t : t + 1], a, block)
                s = s * mask[..., None]
            advanced.append(s)
        return tuple(advanced)


def reached(exact: Sensitivities, sample: Segment, steps: int) -> tuple[Tensor, ...]:
    """For every block (heads, K, n): what a parameter may reach within so many steps.

    Args:
        exact: the sensitivities without a mask.
        sample: states and inputs at random, of which every connection shows.
        steps: n of SnAp-n.
    """
    found = []
    for block in exact.blocks:
        j, (immediate,), _ = exact.linear([block], sample)
        ways = (j != 0).any(0).any(0).to(j.dtype)
        mask = own = (immediate != 0).any(0).any(0).to(j.dtype)
        for _ in range(steps - 1):
            mask = ((ways @ mask + own) > 0).to(j.dtype)
        found.append(mask > 0)
    return tuple(found)
