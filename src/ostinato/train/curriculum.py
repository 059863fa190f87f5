"""A curriculum: levels of difficulty, of which some are trained together until they are solved.

    keep = 1       one level after another; those before are forgotten as they may
    keep = None    every level up to the hardest, cumulative
    keep = w       a window of w levels that slides

S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius, A. Levina: Emergent
mechanisms for long timescales depend on training curriculum and affect performance in memory
tasks, ICLR 2024, arXiv 2309.12927, calls these single-head, multi-head and sliding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Generic, TypeVar

from ostinato.core.errors import ArgumentError, CheckpointError

__papers__ = ("timescales",)

Level = TypeVar("Level")


class Curriculum(Generic[Level]):
    """Which levels are trained now.

    For example, levels 2, 3, … of N-parity, always all up to the hardest one that was reached::

        curriculum = Curriculum(range(2, 20), keep=None)
        for epoch in climb(curriculum, train, measure, epochs=100):
            print(epoch.active, epoch.scores, epoch.solved)

    Args:
        levels: all of them, the easiest first: numbers, tasks, lengths.
        keep: how many of the levels reached so far are trained, the hardest ones; None: all.
        add: how many are reached at once.
        threshold: the levels are solved if their mean score, and that of the hardest, lie above.

    Raises:
        ArgumentError: if there are no levels, or keep or add is below 1.
    """

    def __init__(
        self,
        levels: Iterable[Level],
        keep: int | None = 1,
        add: int = 1,
        threshold: float = 0.98,
    ) -> None:
        self.levels = tuple(levels)
        if not self.levels or add < 1 or (keep is not None and keep < 1):
            raise ArgumentError(
                "A curriculum needs a level, and keep and add of 1 or more; got "
                f"{len(self.levels)} levels, keep={keep} and add={add}."
            )
        self.keep, self.add, self.threshold = keep, add, threshold
        self.reached = 1

    @property
    def active(self) -> tuple[Level, ...]:
        """The levels that are trained now, the hardest last."""
        first = 0 if self.keep is None else max(0, self.reached - self.keep)
        return self.levels[first : self.reached]

    @property
    def ended(self) -> bool:
        """Whether the hardest level of all is among them."""
        return self.reached == len(self.levels)

    def solves(self, scores: Sequence[float]) -> bool:
        """Whether these scores of the active levels, the hardest last, solve them."""
        if len(scores) != len(self.active):
            raise ArgumentError(
                f"Expected a score for each of the active levels {self.active}; got {scores}."
            )
        return fmean(scores) > self.threshold and scores[-1] > self.threshold

    def advance(self) -> None:
        """Go on to the next levels; at the end there are none."""
        self.reached = min(self.reached + self.add, len(self.levels))

    def state_dict(self) -> dict[str, Any]:
        """How far it is, and of how many levels."""
        return {"reached": self.reached, "levels": len(self.levels)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`.

        Raises:
            CheckpointError: if it is that of a curriculum with another number of levels.
        """
        if state["levels"] != len(self.levels):
            raise CheckpointError(
                f"the curriculum has {len(self.levels)} levels, the saved one {state['levels']}. "
                "Build the one that was saved."
            )
        self.reached = int(state["reached"])


@dataclass(frozen=True)
class Epoch(Generic[Level]):
    """What came of an epoch.

    Attributes:
        number: from 1.
        active: the levels that were trained in it.
        scores: of each of them, after it.
        solved: whether they were solved.
    """

    number: int
    active: tuple[Level, ...]
    scores: tuple[float, ...]
    solved: bool


def climb(
    curriculum: Curriculum[Level],
    train: Callable[[tuple[Level, ...]], None],
    measure: Callable[[tuple[Level, ...]], Sequence[float]],
    epochs: Iterable[int],
) -> Iterator[Epoch[Level]]:
    """Train, measure, and go on to harder levels where these are solved.

    An epoch is yielded before the curriculum advances, so that a model which has just solved its
    levels can be kept. The climb ends when the last level is solved, or with the epochs.

    Args:
        curriculum: which levels.
        train: trains the active levels for an epoch.
        measure: a score in [0, 1] for each of the active levels.
        epochs: their numbers, 1, 2, …

    Yields:
        What came of each epoch.
    """
    for number in epochs:
        active = curriculum.active
        train(active)
        scores = tuple(measure(active))
        solved, ended = curriculum.solves(scores), curriculum.ended
        yield Epoch(number, active, scores, solved)
        if solved and ended:
            return
        if solved:
            curriculum.advance()
