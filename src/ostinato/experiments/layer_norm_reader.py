"""The attentive reader with and without layer normalisation, in the experiment on layer norm.

The paper reads the CNN corpus, which has no stand-in here but generated stories: where is a person,
one supporting fact among the sentences before. Both readers have 32 units in each direction and
learned first states, batches of 32, Adam 2e-3; what is compared is the loss on held-out questions,
over the second half of the training, so that it counts who learns sooner. Of the 9,000 questions
none comes twice in 281 updates: of 900 the normalised reader, which learns sooner, overfits sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import torch

from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.attentive_reader import AttentiveReader
from ostinato.tasks.babi import BabiTask

READER = Claim(
    "attentive reader, held-out loss in the second half of training: LSTM − LN-LSTM (nats)",
    "LN learns faster, to a lower error (figure only)",
    at_least=0.0,
)
CLAIMS = (READER,)

_CELLS: dict[str, Callable[[int, int], Cell]] = {"LSTM": LSTMCell, "LN-LSTM": LayerNormLSTMCell}
_POINTS = 10


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what.

    Attributes:
        updates: optimizer steps.
        hidden: units of each direction.
        kinds: of stories.
    """

    updates: int
    hidden: int = 32
    kinds: tuple[int, ...] = (1,)


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both readers with the seeds 0 … seeds−1."""
    task = BabiTask(kinds=size.kinds, count=10_000)
    losses = {
        name: [
            train(task, size, cell, seed, track, f"attentive reader, {name}, seed {seed}")
            for seed in range(seeds)
        ]
        for name, cell in _CELLS.items()
    }
    late = {name: [fmean(run[_POINTS // 2 :]) for run in runs] for name, runs in losses.items()}
    updates = [size.updates // _POINTS * (k + 1) for k in range(_POINTS)]
    curves = [Curve(name, updates, runs) for name, runs in losses.items()]
    differences = [a - b for a, b in zip(late["LSTM"], late["LN-LSTM"], strict=True)]
    return Measurement({READER: differences}, [Panel("update", "reader: loss (nats)", curves)])


def train(
    task: BabiTask,
    size: Size,
    cell: Callable[[int, int], Cell],
    seed: int,
    track: Track,
    text: str,
) -> list[float]:
    """Train one reader; the loss on held-out questions at 10 points of the training."""
    torch.manual_seed(seed)
    net = AttentiveReader(task.inputs.count, task.outputs.count, task.stops, cell, size.hidden)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    losses = []
    for step in track(range(size.updates), text):
        # Each seed reads on where the one before it stopped: the same questions in other orders.
        batch = task.batch(seed * size.updates + step, 32)
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(net(batch.inputs, batch.lengths), batch))
        optimizer.step()
        if (step + 1) % (size.updates // _POINTS) == 0:
            losses.append(_held_out_loss(net, task))
    return losses


@torch.no_grad()
def _held_out_loss(net: AttentiveReader, task: BabiTask) -> float:
    """Mean loss in nats of the first 500 test questions."""
    batch = next(iter(task.held_out("test", 500)))
    return float(task.loss(net(batch.inputs, batch.lengths), batch))
