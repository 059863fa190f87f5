"""Parity by four units: second-order networks hold it, an Elman network does not learn it.

A one exchanges two states, a zero leaves them: two matrices, which a second-order network has by
its form. All learn at length 10, at every step, and are asked for the last step of length 40.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.cells.cprnn import CPRNNCell
from ostinato.cells.elman import ElmanCell
from ostinato.cells.second_order import SecondOrderCell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.running_parity import RunningParityTask
from ostinato.train.evaluate import evaluate

_CELLS: dict[str, Callable[[], Cell]] = {
    "2RNN": lambda: SecondOrderCell(2, 4),
    "CPRNN": lambda: CPRNNCell(2, 4, rank=8),
    "RNN": lambda: ElmanCell(2, 4),
}

SOLVED = {
    name: Claim(f"parity, {name}: accuracy at 40 steps (%)", "contains the automaton", at_least=100)
    for name in ("2RNN", "CPRNN")
}
UNSOLVED = Claim("parity, RNN: accuracy at 40 steps (%)", "smaller class", at_most=90)
CLAIMS = (*SOLVED.values(), UNSOLVED)


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: optimizer steps.
    """

    updates: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every cell on the seeds 0 … seeds−1."""
    claims = SOLVED | {"RNN": UNSOLVED}
    values: dict[Claim, Sequence[float]] = {}
    curves, every = [], max(1, size.updates // 50)
    for name in _CELLS:
        accuracies, runs = [], []
        for seed in range(seeds):
            torch.manual_seed(seed)
            net = SequenceModel(OneHot(2), RNN(_CELLS[name]()), nn.Linear(4, 2))
            task = RunningParityTask(steps=10, held_out_steps=40, seed=seed)
            steps = track(range(size.updates), f"parity, {name}, seed {seed}")
            runs.append(fit(net, task, steps, size.updates, 2e-2)[::every])
            accuracies.append(100 * evaluate(net, task, batch_size=500))
        values[claims[name]] = accuracies
        curves.append(Curve(name, range(0, size.updates, every), runs))
    return Measurement(values, [Panel("update", "parity loss (nats)", curves)])
