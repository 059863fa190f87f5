"""Long memory: what an LSTM keeps and an Elman network forgets.

The adding problem over 60 steps (Hochreiter & Schmidhuber 1997), and embedded Reber strings, of
which the last but one symbol repeats the second. Both nets have 32 units, and the same updates.

The walk between the two has 9 steps or more. With full backpropagation and Adam an Elman network
learns the plain grammar as well, whose walks have 3 and more: that it fails there was reported of
nets whose gradient was cut.

The LSTM is that of 1997, which has no forget gate and keeps what it has read: with one that begins
at b = 1 or 5 it depends on the seed whether it finds in time what Reber strings repeat. In the
adding problem the input gates begin at b = −2, since 58 of 60 values have to stay out of the
memory; nets that begin so on Reber strings learn them later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.cells.elman import ElmanCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.rnn_survey_training import every, fit_task
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.adding import AddingTask
from ostinato.tasks.embedded_reber import EmbeddedReberTask
from ostinato.tasks.task import Task, Values
from ostinato.train.evaluate import evaluate

ADDED = Claim("adding, T = 60, LSTM: squared error", "solved for T ≥ 100", at_most=0.02)
NOT_ADDED = Claim("the same, Elman: squared error", "not learned (constant: 0.167)", at_least=0.1)
FORETOLD = Claim(
    "embedded Reber, LSTM: last but one symbol right (%)", "solved in ≈ 8,000 strings", at_least=99
)
NOT_FORETOLD = Claim("the same, Elman (%)", "fails (chance is 50)", at_most=75)
CLAIMS = (ADDED, NOT_ADDED, FORETOLD, NOT_FORETOLD)

_UNITS, _SHUT = 32, -2.0
_CELLS: dict[str, Callable[[int], Cell]] = {
    "LSTM": lambda size: LSTMCell(size, _UNITS, forget_gate=False),
    "Elman": lambda size: ElmanCell(size, _UNITS),
}


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what lengths.

    Attributes:
        adding_updates: optimizer steps on the adding problem.
        reber_updates: those on Reber strings.
        steps: of the adding problem.
        shortest: steps of the automaton, at least.
    """

    adding_updates: int
    reber_updates: int
    steps: int = 60
    shortest: int = 9


def net(task: Task, cell: str) -> SequenceModel:
    """A cell that reads what the task gives."""
    if isinstance(task.inputs, Values):
        recurrence = RNN(_CELLS[cell](task.inputs.size))
        if cell == "LSTM":
            nn.init.constant_(recurrence.cell.get_parameter("input.bias")[:_UNITS], _SHUT)
        return SequenceModel(nn.Identity(), recurrence, nn.Linear(_UNITS, 1), per_step=False)
    size = task.inputs.count
    return SequenceModel(OneHot(size), RNN(_CELLS[cell](size)), nn.Linear(_UNITS, size))


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both cells on both tasks with the seeds 0 … seeds−1."""
    adding = [AddingTask(size.steps, seed) for seed in range(seeds)]
    reber = [EmbeddedReberTask(size.shortest, size.shortest + 15, seed) for seed in range(seeds)]
    (added, not_added), sums = _both(adding, size.adding_updates, track)
    (foretold, not_foretold), strings = _both(reber, size.reber_updates, track)
    values = {
        ADDED: added,
        NOT_ADDED: not_added,
        FORETOLD: [100 * each for each in foretold],
        NOT_FORETOLD: [100 * each for each in not_foretold],
    }
    return Measurement(values, [sums, strings])


def _both(
    tasks: list[AddingTask] | list[EmbeddedReberTask], updates: int, track: Track
) -> tuple[list[list[float]], Panel]:
    """The scores of both cells on a task for every seed, and their losses."""
    scores, curves = list[list[float]](), []
    for cell in _CELLS:
        found, runs, drawn = [], [], range(0)
        for seed, task in enumerate(tasks):
            torch.manual_seed(seed)
            model = net(task, cell)
            shown = track(range(updates), f"{task.name}, {cell}, seed {seed}")
            drawn, run = every(fit_task(model, task, shown, updates, 1e-2))
            found.append(evaluate(model, task, batch_size=250))
            runs.append(run)
        scores.append(found)
        curves.append(Curve(cell, drawn, runs))
    return scores, Panel("update", f"loss on {tasks[0].name}", curves)
