"""A trained network that repeats what it was told is a lattice of travelling waves.

A. Karuvally, T. J. Sejnowski, H. T. Siegelmann, "Hidden Traveling Waves bind Working Memory
Variables in Recurrent Neural Networks", ICML 2024, arXiv 2402.10163. The paper trains 20 networks
of 64 and of 128 units on s = 8 vectors of d = 8 numbers; here s = d = 3.

And the practical side: T. A. Keller, L. Muller, T. J. Sejnowski, M. Welling, "Traveling Waves
Encode the Recent Past and Enhance Sequence Learning", ICLR 2024, arXiv 2309.08045. A ring of 40
places in 6 channels, along which activity travels from the start, copies 10 symbols over a delay
of 20; the network of rectified units that begins at the identity, with 100 units and more than
twice the parameters, does not get there in the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.analysis.spectral_error import lasting, spectral_error
from ostinato.analysis.wave_basis import wave_basis
from ostinato.cells.elman import ElmanCell
from ostinato.cells.wave_lattice import lattice_matrix
from ostinato.cells.wave_rnn import WaveRNNCell
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel, Track
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.copy import CopyTask
from ostinato.tasks.variable_binding import VariableBindingTask
from ostinato.train.curriculum import Curriculum
from ostinato.train.evaluate import evaluate
from ostinato.train.transforms import ClipNorm

__papers__ = ("hidden-waves",)

LARGE = 0.9
"""Eigenvalues of a larger modulus keep what they hold."""

RIGHT = Claim(
    "repeat copy: accuracy over 200 steps (trained on 100 at most)",
    "1.00 (d = s = 8, H = 128)",
    at_least=0.99,
)
NUMBER = Claim(
    "eigenvalues above 0.9, as a share of s·d",
    "1 (64 of 64)",
    at_least=1,
    at_most=1,
)
NONE = Claim("the same before training", "not given", at_most=0.5)
ANGLE = Claim("mean angle to the roots of unity (rad)", "0.0005", at_most=0.01)
PATTERN = Claim(
    "in the wave basis: largest entry off the pattern of the lattice",
    "figure only",
    at_most=0.1,
)
SPEED = Claim(
    "places that the activity in this basis moves in a step",
    "1 (figure only)",
    at_least=1,
    at_most=1,
)
RING = Claim(
    "copy over 20 steps: squared error of the wave RNN",
    "orders below iRNN (figure only)",
    at_most=1e-3,
)
IDENTITY = Claim(
    "the same: iRNN / wave RNN",
    "orders of magnitude (figure only)",
    at_least=10,
)

_LEVELS = (10, 20, 40, 60, 100)
_SOLVED = 0.96
_TEST = 200


@dataclass(frozen=True)
class Scale:
    """Sizes of the experiment.

    Attributes:
        size: d, numbers in a vector; s is the same.
        hidden: units of the network that binds variables.
        updates: optimizer steps of it.
        copy_updates: optimizer steps of copying.
        delay: over which is copied.
        places: on the ring, of each channel.
    """

    size: int
    hidden: int
    updates: int
    copy_updates: int
    delay: int
    places: int


def measure(scale: Scale, seeds: int, track: Track) -> Measurement:
    """Train every net with the seeds 0 … seeds−1."""
    bound = [_bind(scale, seed, track) for seed in range(seeds)]
    values: dict[Claim, Sequence[float]] = {
        claim: [found[claim] for found, _ in bound] for claim in bound[0][0]
    }
    errors = {
        name: [_copy(name, scale, seed, track) for seed in range(seeds)]
        for name in ("wave RNN", "iRNN")
    }
    # Single batches scatter; the last 20 are one measurement.
    last = {name: [fmean(run[-20:]) for run in runs] for name, runs in errors.items()}
    values[RING] = last["wave RNN"]
    values[IDENTITY] = [a / b for a, b in zip(last["iRNN"], last["wave RNN"], strict=True)]
    panels = [
        _loss_panel("repeat copy: half the squared error", {"tanh": [run for _, run in bound]}),
        _loss_panel("copy: squared error", errors),
    ]
    return Measurement(values, panels)


def _bind(scale: Scale, seed: int, track: Track) -> tuple[dict[Claim, float], list[float]]:
    """Train a network on repeat copy; what is claimed of it, and its losses."""
    torch.manual_seed(seed)
    head = nn.Linear(scale.hidden, scale.size, bias=False)
    cell = ElmanCell(scale.size, scale.hidden, bias=False)
    net = SequenceModel(nn.Identity(), RNN(cell), head)
    untrained = len(lasting(cell.recur.get_parameter("weight").detach(), LARGE))
    losses = _train_binding(net, scale, seed, track)
    task = VariableBindingTask(scale.size, scale.size, horizon=_TEST, seed=seed)
    recurrent = cell.recur.get_parameter("weight").detach()
    spectra = spectral_error(recurrent, lattice_matrix(task.boundary), LARGE)
    basis = wave_basis(recurrent, head.weight.detach(), task.boundary)
    with torch.no_grad():
        states = net.layer(task.batch(0, 1).inputs, return_states=True)[2]
    found = {
        RIGHT: evaluate(net, task, batch_size=250),
        NUMBER: len(spectra.found) / len(spectra.expected),
        NONE: untrained / len(spectra.expected),
        ANGLE: spectra.error,
        PATTERN: basis.off_pattern,
        SPEED: basis.activity(states[0, scale.size :]).speed,
    }
    return found, losses


def _train_binding(net: SequenceModel, scale: Scale, seed: int, track: Track) -> list[float]:
    """The loss of every update; the horizon grows as soon as a batch is solved."""
    curriculum, clip = Curriculum(_LEVELS, threshold=_SOLVED), ClipNorm(1.0)
    tasks = {
        horizon: VariableBindingTask(scale.size, scale.size, horizon=horizon, seed=seed)
        for horizon in _LEVELS
    }
    optimizer, losses = torch.optim.Adam(net.parameters(), 1e-3), list[float]()
    for step in track(range(scale.updates), f"repeat copy, seed {seed}"):
        task = tasks[curriculum.active[-1]]
        batch = task.batch(step, 64)
        outputs = net(batch.inputs)[0]
        losses.append(_update(net, optimizer, clip, task.loss(outputs, batch)))
        right, count = task.score(outputs.detach(), batch)
        if curriculum.solves([right / count]):
            curriculum.advance()
    return losses


def _copy(name: str, scale: Scale, seed: int, track: Track) -> list[float]:
    """The squared error of every update of copying."""
    torch.manual_seed(seed)
    task = CopyTask(delay=scale.delay, seed=seed)
    symbols, answers = task.symbols + 2, task.symbols + 1
    cell = _ring(symbols, scale) if name == "wave RNN" else _identity(symbols, 100)
    head = nn.Linear(cell.hidden_size, answers)
    net = SequenceModel(OneHot(symbols), RNN(cell), head)
    optimizer, clip = torch.optim.Adam(net.parameters(), 1e-3), ClipNorm(1.0)
    losses = []
    for step in track(range(scale.copy_updates), f"copy, {name}, seed {seed}"):
        batch = task.batch(step, 32)
        expected = F.one_hot(batch.targets, answers).float()
        losses.append(_update(net, optimizer, clip, F.mse_loss(net(batch.inputs)[0], expected)))
    return losses


@torch.no_grad()
def _ring(symbols: int, scale: Scale) -> WaveRNNCell:
    """Without biases at first, so that what travels arrives as it was sent."""
    cell = WaveRNNCell(symbols, 6 * scale.places, channels=6)
    nn.init.zeros_(cell.input.bias)
    return cell


@torch.no_grad()
def _identity(symbols: int, hidden: int) -> ElmanCell:
    cell = ElmanCell(symbols, hidden, activation="relu")
    cell.recur.get_parameter("weight").copy_(torch.eye(hidden))
    nn.init.normal_(cell.input.weight, std=1e-3)
    nn.init.zeros_(cell.input.bias)
    return cell


def _update(
    net: nn.Module, optimizer: torch.optim.Optimizer, clip: ClipNorm, loss: Tensor
) -> float:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    clip(net.parameters())
    optimizer.step()
    return loss.item()


def _loss_panel(label: str, losses: dict[str, list[list[float]]]) -> Panel:
    count = len(next(iter(losses.values()))[0])
    every = max(1, count // 60)
    curves = [
        Curve(name, range(0, count, every), [run[::every] for run in runs])
        for name, runs in losses.items()
    ]
    return Panel("update", label, curves)


EXPERIMENT = Experiment(
    slug="hidden-waves",
    title="Travelling waves: found in a trained network, and built into one",
    claims=(RIGHT, NUMBER, NONE, ANGLE, PATTERN, SPEED, RING, IDENTITY),
    scales={
        "small": Scale(size=3, hidden=64, updates=1200, copy_updates=1600, delay=20, places=40),
        "paper": Scale(
            size=8, hidden=128, updates=20_000, copy_updates=60_000, delay=480, places=100
        ),
    },
    measure=measure,
)
