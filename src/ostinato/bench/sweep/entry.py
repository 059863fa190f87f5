"""What is asked of a machine, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from ostinato.bench.sweep.ceilings import Ceilings

DECLINES = "declines: "
"""How the note of a side begins that does not take the cell, or not at this size."""


@dataclass(frozen=True)
class Spot:
    """A cell at a size; its input is as wide as its state.

    Attributes:
        cell: its name.
        hidden: H, all heads together.
        batch: B.
        steps: T.
        heads: K; a cell with one head sees all of its state.
        dtype: of weights, inputs and states, as torch names it.
    """

    cell: str
    hidden: int
    batch: int
    steps: int
    heads: int = 1
    dtype: str = "float32"

    @property
    def size(self) -> str:
        """The size in words."""
        return f"{self.heads} × {self.hidden // self.heads}, B={self.batch}, T={self.steps}"

    @property
    def numbers(self) -> torch.dtype:
        """The dtype itself."""
        found = getattr(torch, self.dtype)
        assert isinstance(found, torch.dtype)
        return found


@dataclass(frozen=True)
class Question:
    """What to measure.

    Attributes:
        spot: which cell, at which size.
        engine: that evaluates it.
        mode: "forward" or "forward+backward".
    """

    spot: Spot
    engine: str
    mode: str

    def like(self, other: Question) -> bool:
        """Whether they differ in the number of steps only, or in nothing."""
        steps = self.spot.steps
        return self == replace(other, spot=replace(other.spot, steps=steps))


@dataclass(frozen=True)
class Entry:
    """A question and its answer.

    Attributes:
        question: what was measured.
        ms: median time of a pass; None: there is none, and `note` says why.
        peak: bytes that a pass had at most, beyond those before it; None: not measured.
        error: of outputs and gradients relative to those of the loop in float64, the largest.
        note: what else has to be known of the numbers, or why there are none.
        ceilings: of the machine while it was measured.
        iterations: of Newton's method, the most that a window took; None: there were none.
        parts: errors of y, of the gradients of x or its parts, and the largest of all weights.
    """

    question: Question
    ms: float | None = None
    peak: int | None = None
    error: float | None = None
    note: str = ""
    ceilings: Ceilings | None = None
    iterations: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def declined(self) -> bool:
        """Whether the side does not take the cell."""
        return self.note.startswith(DECLINES)

    @property
    def measured(self) -> bool:
        """Whether the time is that of a clock."""
        return self.ms is not None and not self.note.startswith("extrapolated")
