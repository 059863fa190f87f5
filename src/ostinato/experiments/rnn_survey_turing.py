"""Copying bits: a neural Turing machine learns the program, an LSTM the lengths it has seen.

4 bits, sequences of 1 to 6 vectors in training and of 12 in the test. The memory has 24 × 8
numbers, the controller is one layer of 32 units; the LSTM has as many parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.cells.lstm import LSTMCell
from ostinato.cells.neural_turing_machine import NeuralTuringMachineCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.rnn_survey_training import every, fit_task
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.bit_copy import BitCopyTask
from ostinato.train.evaluate import evaluate

MACHINE = Claim(
    "copying 12 vectors, trained on up to 6: bits wrong, NTM (%)",
    "generalises from 20 to more than 100",
    at_most=1,
)
LSTM = Claim("the same, LSTM of as many parameters (%)", "fails beyond 20", at_least=10)
CLAIMS = (MACHINE, LSTM)

BITS = 4


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what lengths.

    Attributes:
        updates: optimizer steps.
        longest: vectors in training, at most.
        tested: vectors in the test.
        locations: of the memory.
    """

    updates: int
    longest: int = 6
    tested: int = 12
    locations: int = 24


def machine(size: Size) -> SequenceModel:
    """The neural Turing machine."""
    cell = NeuralTuringMachineCell(BITS + 1, 32, locations=size.locations, width=8)
    return SequenceModel(nn.Identity(), RNN(cell), nn.Linear(32 + 8, BITS))


def lstm(size: Size) -> SequenceModel:
    """An LSTM that has as many parameters as the machine, or a few more."""
    wanted, units = count(machine(size)), 1
    while count(model := _lstm(units)) < wanted:
        units += 1
    return model


def count(model: nn.Module) -> int:
    """Parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both with the seeds 0 … seeds−1."""
    values, curves = dict[Claim, list[float]](), []
    nets: dict[Claim, tuple[str, Callable[[Size], SequenceModel]]] = {
        MACHINE: ("NTM", machine),
        LSTM: ("LSTM", lstm),
    }
    for claim, (label, build) in nets.items():
        wrong, runs, updates = [], [], range(0)
        for seed in range(seeds):
            task = BitCopyTask(BITS, size.longest, size.tested, seed=seed)
            torch.manual_seed(seed)
            model = build(size)
            shown = track(range(size.updates), f"bits, {label}, seed {seed}")
            losses = fit_task(model, task, shown, size.updates, 4e-3, batch_size=16, clip=10.0)
            updates, run = every(losses)
            wrong.append(100 * evaluate(model, task, batch_size=250))
            runs.append(run)
        values[claim] = wrong
        curves.append(Curve(label, updates, runs))
    return Measurement(values, [Panel("update", "copy loss (nats per bit)", curves)])


def _lstm(units: int) -> SequenceModel:
    return SequenceModel(nn.Identity(), RNN(LSTMCell(BITS + 1, units)), nn.Linear(units, BITS))
