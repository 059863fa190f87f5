"""How fast Newton's method finds the states of a cell, and how near it comes to the loop.

    r_k = max_t ‖h_t − f(h_{t−1}, x_t)‖    after k iterations

Danieli et al. 2025, "ParaRNN", arXiv 2510.21450, count the iterations until r is rounding error.
A small r alone does not tell how far the states are off, since the recurrence may amplify it: the
loop does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.core.cell import Cell
from ostinato.core.state import leaves
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.parallel.solves import newton
from ostinato.over.time import RNN

__papers__ = ("pararnn",)


@dataclass(frozen=True)
class Convergence:
    """What became of a sequence.

    Attributes:
        solves: of every window of time, with its residuals r.
        error: the largest difference of any state to that of the loop, where a window that was
            not solved counts with the states of the engine that ran it.
    """

    solves: tuple[Solve, ...]
    error: float

    @property
    def solved(self) -> bool:
        """Whether every window was."""
        return all(solve.solved for solve in self.solves)

    @property
    def iterations(self) -> int:
        """The most that a window took; a cell that is affine in its state needs none."""
        return max((solve.iterations for solve in self.solves), default=0)


@torch.no_grad()
def convergence(cell: Cell, x: Tensor, **options: Any) -> Convergence:
    """Solve for the states of a cell by Newton's method, and compare them with those of the loop.

    For example::

        found = convergence(ParaGRUCell(8, 64), torch.randn(1, 10_000, 8))
        print(found.iterations, found.error, *found.solves)

    Args:
        cell: a cell that draws no noise.
        x: its inputs (B, T, D).
        options: of `ost.newton`.

    Raises:
        EngineError: if the engine `parallel` declines the cell.
    """
    with unlogged(), newton(**options) as solves:
        found = RNN(cell, "parallel")(x, return_states=True)[2]
    expected = RNN(cell)(x, return_states=True)[2]
    pairs = zip(leaves(found), leaves(expected), strict=True)
    return Convergence(tuple(solves), max(float((a - b).abs().max()) for a, b in pairs))


@contextmanager
def unlogged() -> Iterator[None]:
    """No warnings inside: where iterations are measured, a window not solved is a result."""
    logger, nothing = logging.getLogger("ostinato"), lambda record: False
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)
