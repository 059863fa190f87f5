"""Perturbation: what a model still can when its weights are not quite what was learned.

    W ← W + ε ‖W‖ / ‖D‖ · D,    D ~ N(0, 1) where W is not 0

The change of a weight has ε times its norm, whatever its size. A weight of exactly 0 is no
connection, and stays none.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from ostinato.analysis.finding import Finding, Table
from ostinato.analysis.subject import Subject
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.task import Task
from ostinato.train.evaluate import evaluate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("timescales",)

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Perturbation(Finding):
    """Scores under changes of growing strength.

    Attributes:
        metric: of the task.
        base: the score of the model as it is.
        strengths: (N,) ε.
        scores: (N,) means over the draws of D.
    """

    metric: str
    base: float
    strengths: Tensor
    scores: Tensor

    def relative(self, chance: float) -> Tensor:
        """(N,) what is left of the distance to the score of guessing: 1 as before, 0 guessing."""
        return (self.scores - chance) / (self.base - chance)

    def table(self) -> Table:
        """One row for each strength."""
        rows = zip(self.strengths.tolist(), self.scores.tolist(), strict=True)
        return Table(["strength", self.metric], [[0.0, self.base], *map(list, rows)])

    def draw(self, axes: Axes) -> None:
        """Score over strength."""
        axes.semilogx(self.strengths.numpy(), self.scores.numpy(), marker=".")
        axes.axhline(self.base, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("strength of the perturbation")
        axes.set_ylabel(self.metric)


@torch.no_grad()
def perturbation(
    model: SequenceModel,
    task: Task,
    layer: int = 0,
    parameter: str | None = None,
    strengths: Sequence[float] = STRENGTHS,
    repeats: int = 3,
    raising: bool = False,
    seed: int = 0,
) -> Perturbation:
    """Perturb the cell of a layer, and score the model on the task's held-out data.

    Args:
        model: a model whose layer is a `Stack` of `RNN`s, or one `RNN`.
        task: what it is scored on.
        layer: the number of the layer, from 0.
        parameter: the name of what is perturbed in its cell, e.g. "recur.weight"; None: all of
            its matrices, each relative to its own norm.
        strengths: ε.
        repeats: draws of D for every strength.
        raising: take the absolute value of D: for time constants, say, which have a least value.
        seed: of D.

    Raises:
        ArgumentError: if the model has no such layer, or its cell no such parameter.
    """
    names = _names(Subject(model, task, layer).cell, parameter)
    generator = Generator().manual_seed(seed)
    scores = []
    for strength in strengths:
        found = []
        for _ in range(repeats):
            changed = deepcopy(model)
            cell = Subject(changed, task, layer).cell
            for name in names:
                perturb(cell.get_parameter(name), strength, generator, raising)
            found.append(evaluate(changed, task, batch_size=250))
        scores.append(fmean(found))
    base = evaluate(model, task, batch_size=250)
    return Perturbation(task.metric, base, torch.tensor([*strengths]), torch.tensor(scores))


@torch.no_grad()
def perturb(
    weight: Tensor, strength: float, generator: Generator | None = None, raising: bool = False
) -> None:
    """Add to a weight, in place, a random change of `strength` times its norm.

    Args:
        weight: of any shape.
        strength: ε.
        generator: source of D; None: torch's own.
        raising: add no negative numbers.
    """
    drawn = torch.randn(weight.shape, generator=generator, dtype=weight.dtype).to(weight.device)
    change = torch.where(weight == 0, 0, drawn.abs() if raising else drawn)
    size = change.norm()
    if size > 0:
        weight += strength * weight.norm() / size * change


def _names(cell: Cell, parameter: str | None) -> list[str]:
    known: dict[str, nn.Parameter] = dict(cell.named_parameters())
    if parameter is None:
        return [name for name, value in known.items() if value.dim() > 1]
    if parameter not in known:
        raise ArgumentError(
            f"{type(cell).__name__} has no parameter {parameter!r}. {nearest(parameter, known)}"
        )
    return [parameter]
