"""Two directions: a label that depends on what comes three steps later.

A net that runs along time cannot know it, whatever its size; one that also runs against time can
(Schuster & Paliwal 1997). 8 symbols, sequences of 20, LSTMs of 24 units in each direction against
48 in one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ostinato.cells.lstm import LSTMCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.rnn_survey_training import every, fit_task
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN, Bidirectional
from ostinato.tasks.look_ahead import LookAheadTask
from ostinato.train.evaluate import evaluate

BOTH = Claim(
    "label of 3 steps ahead, two directions: accuracy (%)", "both contexts are seen", at_least=99
)
ONE = Claim("the same in one direction: accuracy (%)", "cannot (chance is 12.5)", at_most=20)
CLAIMS = (BOTH, ONE)


@dataclass(frozen=True)
class Size:
    """How long it trains."""

    updates: int


def net(both: bool, symbols: int = 8) -> SequenceModel:
    """With 48 units, half of them in each direction or all in one."""
    layer: RNN | Bidirectional = RNN(LSTMCell(symbols, 48))
    if both:
        layer = Bidirectional(LSTMCell(symbols, 24), LSTMCell(symbols, 24))
    return SequenceModel(OneHot(symbols), layer, nn.Linear(48, symbols))


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both with the seeds 0 … seeds−1."""
    values, curves = dict[Claim, list[float]](), []
    for claim, both in ((BOTH, True), (ONE, False)):
        label, found, runs, updates = "two" if both else "one", [], [], range(0)
        for seed in range(seeds):
            torch.manual_seed(seed)
            model, task = net(both), LookAheadTask(delay=3, seed=seed)
            shown = track(range(size.updates), f"look ahead, {label}, seed {seed}")
            updates, run = every(fit_task(model, task, shown, size.updates, 2e-2))
            found.append(100 * evaluate(model, task, batch_size=250))
            runs.append(run)
        values[claim] = found
        curves.append(Curve(f"directions: {label}", updates, runs))
    return Measurement(values, [Panel("update", "look-ahead loss (nats)", curves)])
