"""What engines tell of the calls that they evaluate, for those who asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

_LISTENING: ContextVar[tuple[list[Any], ...]] = ContextVar("ostinato_solves", default=())


class Solved(Protocol):
    """What became of some steps that were solved together."""

    @property
    def iterations(self) -> int:
        """How often their states were replaced."""

    @property
    def residual(self) -> float:
        """How far the states are from their equations."""

    @property
    def solved(self) -> bool:
        """Whether that is near enough."""


@dataclass(frozen=True)
class Statistics:
    """How the states of a call were found, where an engine solved for many steps together.

    Attributes:
        solves: one for every window, as `ost.newton` yields them: outcome, residuals, and the
            engine that ran it instead. None where a loop or a scan ran, which iterates nothing.
    """

    solves: tuple[Solved, ...]

    @property
    def iterations(self) -> int:
        """The most that a window took."""
        return max((solve.iterations for solve in self.solves), default=0)

    @property
    def residual(self) -> float:
        """The largest that a window was left with."""
        return max((solve.residual for solve in self.solves), default=0.0)

    @property
    def unsolved(self) -> int:
        """The windows that were not solved, or not in all rows."""
        return sum(not solve.solved for solve in self.solves)

    def __str__(self) -> str:
        return "\n".join(map(str, self.solves)) or "no iterations"


@contextmanager
def collected() -> Iterator[list[Any]]:
    """Collect what is reported inside the block; blocks around it receive it too."""
    solves: list[Any] = []
    token = _LISTENING.set((*_LISTENING.get(), solves))
    try:
        yield solves
    finally:
        _LISTENING.reset(token)


def report(solve: Solved) -> None:
    """Tell everybody who listens what became of some steps."""
    for solves in _LISTENING.get():
        solves.append(solve)
