"""DRAW with and without layer normalisation, in the experiment on layer norm.

The paper takes 64 glimpses and 256 units on all of MNIST for 200 epochs; here it is 8 glimpses, 64
units, 5,000 images and a few hundred updates of Adam, with the paper's form of the cell: only the
read-out of c is normalised. Pixels are drawn as 0 or 1 from their brightness, anew for each batch.
What is compared is the bound on held-out images at the end of the training, which lies in the
paper's early stage, where layer normalisation is about twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.draw import Draw, DrawCell
from ostinato.tasks.mnist import MnistTask
from ostinato.tasks.seeds import generator_at

DRAW = Claim(
    "DRAW, bound on held-out images: LSTM − LN-LSTM (nats)",
    "0.27 after 200 epochs (82.36 − 82.09), twice as fast early",
    at_least=0.0,
)
CLAIMS = (DRAW,)

_CELLS: dict[str, Callable[[int, int], Cell]] = {
    "LSTM": LSTMCell,
    "LN-LSTM": partial(LayerNormLSTMCell, form="cell"),
}
_POINTS = 6


@dataclass(frozen=True)
class Size:
    """How long it trains, and how large it is.

    Attributes:
        updates: optimizer steps.
        glimpses: of each image.
        hidden: units of encoder and decoder.
        code: numbers of a glimpse's code.
        batch: images of an update.
    """

    updates: int
    glimpses: int = 8
    hidden: int = 64
    code: int = 10
    batch: int = 32


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both with the seeds 0 … seeds−1."""
    task = MnistTask()
    bounds = {
        name: [train(task, size, cell, k, track, f"DRAW, {name}, seed {k}") for k in range(seeds)]
        for name, cell in _CELLS.items()
    }
    updates = [size.updates // _POINTS * (k + 1) for k in range(_POINTS)]
    curves = [Curve(name, updates, runs) for name, runs in bounds.items()]
    pairs = zip(bounds["LSTM"], bounds["LN-LSTM"], strict=True)
    values = {DRAW: [plain[-1] - normalised[-1] for plain, normalised in pairs]}
    return Measurement(values, [Panel("update", "DRAW: bound (nats)", curves)])


def train(
    task: MnistTask,
    size: Size,
    cell: Callable[[int, int], Cell],
    seed: int,
    track: Track,
    text: str,
) -> list[float]:
    """Train one DRAW; the bound on held-out images at 6 points of the training."""
    torch.manual_seed(seed)
    net = Draw(DrawCell(cell, 28, size.hidden, size.code), size.glimpses)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    bounds = []
    for step in track(range(size.updates), text):
        # Each seed reads on where the one before it stopped: the same images in other orders.
        place = seed * size.updates + step
        generator = generator_at(seed, "pixels", step)
        images = _binary(task.batch(place, size.batch).inputs, generator)
        optimizer.zero_grad()
        torch.autograd.backward(net(images, generator).mean())
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        if (step + 1) % (size.updates // _POINTS) == 0:
            bounds.append(_bound(net, task))
    return bounds


@torch.no_grad()
def _bound(net: Draw, task: MnistTask) -> float:
    """Mean bound in nats on 250 held-out images, with the same pixels and noise every time."""
    generator = generator_at(0, "held out")
    batch = next(iter(task.held_out("test", 250)))
    return float(net(_binary(batch.inputs, generator), generator).mean())


def _binary(images: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 28, 28) in 0 … 1 to (B, 784) of 0 and 1."""
    return torch.bernoulli(images.flatten(1), generator=generator)
