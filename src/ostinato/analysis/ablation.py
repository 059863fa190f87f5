"""Ablation: what a model still can after one unit was silenced.

A silent unit puts out 0 at every step, to the other units as to the head: the same as a
recurrent matrix without its row and column, an input matrix without its row and a head without its
column, for any cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.analysis.subject import Subject
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, leaves, map_state
from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.task import Task
from ostinato.train.evaluate import evaluate
from ostinato.wrap.wrapper import Wrapper, follow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("timescales",)


@dataclass(frozen=True)
class Ablation(Finding):
    """Scores without one unit each.

    Attributes:
        metric: of the task.
        base: the score of the model as it is.
        units: (N,) which were silenced, one at a time.
        scores: (N,) without each of them.
    """

    metric: str
    base: float
    units: Tensor
    scores: Tensor

    @property
    def change(self) -> Tensor:
        """(N,) score without the unit − score of the model as it is."""
        return self.scores - self.base

    def table(self) -> Table:
        """One row for each unit."""
        columns = (self.units.tolist(), self.scores.tolist(), self.change.tolist())
        return Table(
            ["unit", self.metric, "change"], [[*row] for row in zip(*columns, strict=True)]
        )

    def draw(self, axes: Axes) -> None:
        """The score without each unit."""
        axes.plot(self.units.numpy(), self.scores.numpy(), ".")
        axes.axhline(self.base, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("silenced unit")
        axes.set_ylabel(self.metric)


@torch.no_grad()
def ablation(
    model: SequenceModel, task: Task, layer: int = 0, units: Sequence[int] | None = None
) -> Ablation:
    """Silence units of a layer, one at a time, and score the model on the task's held-out data.

    Args:
        model: a model whose layer is a `Stack` of `RNN`s, or one `RNN`.
        task: what it is scored on.
        layer: the number of the layer, from 0.
        units: which; None: all of them.

    Raises:
        ArgumentError: if the model has no such layer, or the layer no such unit.
    """
    count = _count(Subject(model, task, layer).cell)
    chosen = range(count) if units is None else units
    if any(not 0 <= unit < count for unit in chosen):
        raise ArgumentError(f"The layer has the units 0 … {count - 1}; got {[*chosen]}.")
    scores = [evaluate(silenced(model, [unit], layer), task, batch_size=250) for unit in chosen]
    base = evaluate(model, task, batch_size=250)
    return Ablation(task.metric, base, torch.tensor([*chosen]), torch.tensor(scores))


def silenced(model: SequenceModel, units: Sequence[int], layer: int = 0) -> SequenceModel:
    """A copy of a model without some units of a layer.

    Args:
        model: the model.
        units: their numbers.
        layer: the number of the layer, from 0.
    """
    copy = deepcopy(model)
    rnn = Subject(copy, None, layer).rnn  # type: ignore[arg-type]
    rnn.cell = Silenced(rnn.cell, units)
    return copy


class Silenced(Wrapper):
    """A cell without some of its units: their place in every leaf of the state stays 0.

    Args:
        cell: the cell inside; all leaves of its state are (B, H).
        units: their numbers.
    """

    def __init__(self, cell: Cell, units: Sequence[int]) -> None:
        super().__init__(cell)
        self.sounding: Tensor
        sounding = torch.ones_like(_leaf(cell))
        sounding[list(units)] = 0
        self.register_buffer("sounding", sounding)

    def initial_state(self, batch_size: int) -> State:
        """That of the cell inside, without the units."""
        return map_state(lambda leaf: leaf * self.sounding, self.cell.initial_state(batch_size))

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step, after which the units are set back."""
        output, proposed = self.inner_step(x, state, inner)
        new = map_state(lambda leaf: leaf * self.sounding, proposed)
        return follow(output, proposed, new), new


def _count(cell: Cell) -> int:
    return len(_leaf(cell))


def _leaf(cell: Cell) -> Tensor:
    """A row (H,) of the state, whose leaves must all be alike."""
    state = leaves(cell.initial_state(1))
    rows = {tuple(leaf.shape[1:]) for leaf in state}
    if len(rows) != 1 or len(next(iter(rows))) != 1:
        raise ArgumentError(
            f"Units are silenced in a state whose leaves are all (B, H); the rows of "
            f"{type(cell).__name__} are {sorted(rows)}."
        )
    return state[0][0]
