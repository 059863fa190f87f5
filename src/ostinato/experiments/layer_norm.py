"""Layer normalisation speeds up recurrent nets, and needs no large batch.

J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016, arXiv 1607.06450.

Stand-ins for the paper's tasks. The attentive reader on generated stories (`layer_norm_reader`)
and DRAW (`layer_norm_draw`). Copying symbols with a delay of 5 (8 classes, T = 20,
B = 32, H = 48, Adam 2e-3): the LN-LSTM of the attentive reader against the LSTM, both begun as
in the released code (input matrices N(0, 0.01²), recurrent blocks orthogonal, no biases), and
once more with every matrix three times as large. MNIST without the order of its pixels (5,000
images, two hidden layers of ReLU, Adam 3e-4): layer norm against batch norm at a batch of 4.

The paper measures neither copying nor larger matrices: it derives that re-scaled weights leave
the function of a layer-normalised net as it was, and slow its learning down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import torch
from torch import nn
from torch.nn import functional as F

from ostinato.cells.initialise import orthogonal_blocks
from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.experiments import layer_norm_draw, layer_norm_reader
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel, Track
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.delay_copy import DelayCopyTask
from ostinato.tasks.mnist import MnistTask
from ostinato.tasks.task import Task

__papers__ = ("layer-norm",)

FASTER = Claim(
    "copy loss at update 400: LSTM − LN-LSTM (nats)",
    "LN converges faster and lower (attentive reader)",
    at_least=0.1,
)
STEADIER = Claim(
    "copy loss that matrices × 3 add at update 400: LSTM − LN-LSTM (nats)",
    "LN: same function, slower learning (derived)",
    at_least=0.0,
)
SMALL_BATCH = Claim(
    "MNIST accuracy at a batch of 4: LN − BN (points)",
    "LN robust where BN fails (figure only)",
    at_least=1.0,
)

_CELLS: dict[str, Callable[[int, int], Cell]] = {"LSTM": LSTMCell, "LN-LSTM": LayerNormLSTMCell}
_NORMS: dict[str, Callable[[int], nn.Module]] = {"LN": nn.LayerNorm, "BN": nn.BatchNorm1d}
_GAINS = (1, 3)
_HIDDEN = 48
_POINTS = 16


@dataclass(frozen=True)
class Scale:
    """Sizes of the experiment.

    Attributes:
        copy_updates: optimizer steps of copying.
        digits_updates: optimizer steps on the digits.
        width: hidden units of the digits' nets.
        reader: of the attentive reader.
        draw: of DRAW.
        measured_at: the update of copying around which the loss is measured.
    """

    copy_updates: int
    digits_updates: int
    width: int
    reader: layer_norm_reader.Size
    draw: layer_norm_draw.Size
    measured_at: int = 400


def measure(scale: Scale, seeds: int, track: Track) -> Measurement:
    """Train every net with the seeds 0 … seeds−1."""
    losses = {
        (cell, gain): [_copy(cell, gain, seed, scale, track) for seed in range(seeds)]
        for gain in _GAINS
        for cell in _CELLS
    }
    images = MnistTask()
    accuracies = {
        norm: [_digits(images, norm, seed, scale, track) for seed in range(seeds)]
        for norm in _NORMS
    }
    around = slice(scale.measured_at - 20, scale.measured_at + 20)
    loss = {key: [fmean(run[around]) for run in runs] for key, runs in losses.items()}
    added = {cell: _minus(loss[cell, 3], loss[cell, 1]) for cell in _CELLS}
    # A batch of 4 makes single evaluations noisy; the last quarter is one measurement.
    last = {
        norm: [fmean(run[-_POINTS // 4 :]) for run in runs] for norm, runs in accuracies.items()
    }
    reader = layer_norm_reader.measure(scale.reader, seeds, track)
    draw = layer_norm_draw.measure(scale.draw, seeds, track)
    return Measurement(
        {
            **reader.values,
            **draw.values,
            FASTER: _minus(loss["LSTM", 1], loss["LN-LSTM", 1]),
            STEADIER: _minus(added["LSTM"], added["LN-LSTM"]),
            SMALL_BATCH: _minus(last["LN"], last["BN"]),
        },
        [
            _copy_panel(losses, scale),
            _digits_panel(accuracies, scale),
            *reader.panels,
            *draw.panels,
        ],
    )


def _copy(name: str, gain: float, seed: int, scale: Scale, track: Track) -> list[float]:
    """The training loss of every update."""
    torch.manual_seed(seed)
    task = DelayCopyTask(seed=seed)
    size = task.classes
    model = SequenceModel(OneHot(size), RNN(_CELLS[name](size, _HIDDEN)), nn.Linear(_HIDDEN, size))
    _initialise(model, gain)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for step in track(range(scale.copy_updates), f"{name}, matrices × {gain}, seed {seed}"):
        batch = task.batch(step, 32)
        loss = task.loss(model(batch.inputs)[0], batch)
        _update(optimizer, loss)
        losses.append(loss.item())
    return losses


@torch.no_grad()
def _initialise(model: nn.Module, gain: float) -> None:
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.dim() == 2:
            if name.endswith("recur.weight"):
                orthogonal_blocks(parameter, _HIDDEN)
            else:
                parameter.normal_(std=0.01)
            parameter.mul_(gain)


def _digits(task: MnistTask, name: str, seed: int, scale: Scale, track: Track) -> list[float]:
    """The held-out accuracy in percent, at 16 points of training."""
    torch.manual_seed(seed)
    norm, width = _NORMS[name], scale.width
    sizes, hidden = (784, width, width), []
    for inputs, outputs in pairwise(sizes):
        hidden += [nn.Linear(inputs, outputs), norm(outputs), nn.ReLU()]
    net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, 10))
    optimizer = torch.optim.Adam(net.parameters(), 3e-4)
    accuracies = []
    for step in track(range(scale.digits_updates), f"{name}, batch 4, seed {seed}"):
        # Each seed reads on where the one before it stopped: the same images in other orders.
        batch = task.batch(seed * scale.digits_updates + step, 4)
        _update(optimizer, F.cross_entropy(net(batch.inputs), batch.targets))
        if (step + 1) % (scale.digits_updates // _POINTS) == 0:
            accuracies.append(_accuracy(net, task))
    return accuracies


def _update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


@torch.no_grad()
def _accuracy(net: nn.Module, task: Task) -> float:
    """Percent right of all held-out images."""
    net.eval()
    batches = [batch for split in task.splits for batch in task.held_out(split, 500)]
    scores = [task.score(net(batch.inputs), batch) for batch in batches]
    net.train()
    return 100 * sum(right for right, _ in scores) / sum(count for _, count in scores)


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _copy_panel(losses: dict[tuple[str, int], list[list[float]]], scale: Scale) -> Panel:
    blocks = range(0, scale.copy_updates, 20)
    curves = [
        Curve(
            f"{name}, matrices × {gain}",
            [block + 10 for block in blocks],
            [[fmean(run[block : block + 20]) for block in blocks] for run in runs],
        )
        for (name, gain), runs in losses.items()
    ]
    return Panel("update", "copy loss (nats)", curves)


def _digits_panel(accuracies: dict[str, list[list[float]]], scale: Scale) -> Panel:
    every = scale.digits_updates // _POINTS
    updates = [every * (k + 1) for k in range(_POINTS)]
    curves = [Curve(f"{name}, batch 4", updates, runs) for name, runs in accuracies.items()]
    return Panel("update", "MNIST accuracy (%)", curves)


EXPERIMENT = Experiment(
    slug="layer-norm",
    title="Layer normalisation: copying, digits in batches of 4, an attentive reader, DRAW",
    claims=(FASTER, STEADIER, SMALL_BATCH, *layer_norm_reader.CLAIMS, *layer_norm_draw.CLAIMS),
    scales={
        "small": Scale(420, 4000, 200, layer_norm_reader.Size(300), layer_norm_draw.Size(204)),
        "paper": Scale(
            2000,
            16000,
            1000,
            layer_norm_reader.Size(4000, hidden=240, kinds=(1, 2, 3)),
            layer_norm_draw.Size(24_000, glimpses=64, hidden=256, code=100, batch=128),
        ),
    },
    measure=measure,
)
