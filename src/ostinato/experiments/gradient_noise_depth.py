"""Deep ReLU nets, in the experiment on gradient noise: table 1 of the paper.

ReLU nets of width 50 on MNIST, plain SGD, batches of 50, the gradient clipped to a norm of 10
before the noise is added. The paper trains on 60,000 images for hundreds of epochs and reports
the best and the mean of 40 runs; here it is 4,000 images, 1,000 held out, and few epochs.

The variance η is chosen for the number of steps. The noise alone walks each weight by about
lr √(η n^0.45 / 0.45) in n steps; a walk of 0.25, near the scale √(2/50) at which a ReLU layer of
width 50 keeps its signal, wakes a net up, and one beyond 0.3 destroys it again. The He init
needs no noise and gets the least that the paper tries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.tasks.mnist import MnistTask
from ostinato.train.gradient_noise import GradientNoise
from ostinato.train.transforms import Chain, ClipNorm

WIDTH, BATCH, CLIP, RATE = 50, 50, 10.0, 0.05
CHANCE = 15.0
"""A held-out accuracy, in percent, up to which a net counts as untrained."""
_POINTS = 15


@dataclass(frozen=True)
class Setting:
    """One row of the table: how a net begins and is trained.

    Attributes:
        depth: linear layers.
        init: "simple", N(0, 0.1²); "he", N(0, 2/fan-in); or "zero".
        rate: learning rate.
        eta: variance of the noise at the first step.
    """

    depth: int
    init: str
    rate: float
    eta: float

    def __str__(self) -> str:
        return f"{self.depth} layers, {self.init} init, η = {self.eta:g}"


@dataclass(frozen=True)
class Size:
    """How long it trains, and with how much noise.

    Attributes:
        steps: optimizer steps.
        eta: η of the nets that the init leaves asleep.
        depth: linear layers.
    """

    steps: int
    eta: float
    depth: int = 20


SIMPLE = Claim(
    "simple init, accuracy without noise (%)",
    "best 95.7, mean 51.6",
    at_most=CHANCE,
)
SIMPLE_NOISE = Claim(
    "simple init, accuracy with noise (%)",
    "best 97.0, mean 53.6",
    at_least=80,
)
ZERO = Claim("zero init, accuracy without noise (%)", "best 11.4, mean 10.1", at_most=CHANCE)
ZERO_NOISE = Claim(
    "zero init, accuracy with noise (%)",
    "best 94.5, mean 49.7",
    at_least=80,
)
HE = Claim(
    "He init, accuracy gained by noise (points)",
    "best −0.2, mean 0.0",
    at_least=-1,
    at_most=1,
    every_seed=False,
)
CLAIMS = (SIMPLE, SIMPLE_NOISE, ZERO, ZERO_NOISE, HE)


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train the nets of every setting with the seeds 0 … seeds−1, all side by side."""
    simple, simple_noise = (Setting(size.depth, "simple", RATE, eta) for eta in (0, size.eta))
    zero, zero_noise = (Setting(size.depth, "zero", RATE, eta) for eta in (0, size.eta))
    he, he_noise = (Setting(size.depth, "he", RATE, eta) for eta in (0, 0.01))
    settings = (simple, simple_noise, zero, zero_noise, he, he_noise)
    nets = [Net(setting, seed) for setting in settings for seed in range(seeds)]
    accuracies = train(MnistTask(), nets, size.steps, track)
    runs = {s: accuracies[k * seeds : (k + 1) * seeds] for k, s in enumerate(settings)}
    # Single evaluations scatter; the last fifth of the training is one measurement.
    last = {setting: [fmean(run[-_POINTS // 5 :]) for run in runs[setting]] for setting in runs}
    gained = [b - a for a, b in zip(last[he], last[he_noise], strict=True)]
    return Measurement(
        {
            SIMPLE: last[simple],
            SIMPLE_NOISE: last[simple_noise],
            ZERO: last[zero],
            ZERO_NOISE: last[zero_noise],
            HE: gained,
        },
        [_panel(runs, size)],
    )


def _panel(runs: dict[Setting, list[list[float]]], size: Size) -> Panel:
    steps = [size.steps // _POINTS * (k + 1) for k in range(_POINTS)]
    curves = [Curve(str(setting), steps, accuracies) for setting, accuracies in runs.items()]
    return Panel("step", "held-out accuracy (%)", curves)


@dataclass(frozen=True)
class Net:
    """One training run: a setting and the seed of weights, noise and order of the images."""

    setting: Setting
    seed: int

    def weights(self) -> Tensor:
        """All parameters in one vector, so that they clip and take noise as one."""
        generator = torch.Generator().manual_seed(self.seed)
        parts = []
        for rows, columns in _shapes(self.setting.depth):
            scale = {"simple": 0.1, "he": math.sqrt(2 / rows), "zero": 0.0}[self.setting.init]
            parts += [
                scale * torch.randn(rows * columns, generator=generator),
                torch.zeros(columns),
            ]
        return torch.cat(parts).requires_grad_()

    def chain(self) -> Chain:
        """Clip, then noise: the paper's order."""
        return Chain([ClipNorm(CLIP), GradientNoise(self.setting.eta, seed=self.seed)])


def train(task: MnistTask, nets: Sequence[Net], steps: int, track: Track) -> list[list[float]]:
    """Train nets of one depth side by side; the held-out accuracy of each in percent, 15 times.

    The nets share nothing but the matrix products, which are batched over them.
    """
    depth = nets[0].setting.depth
    weights = [net.weights() for net in nets]
    chains = [net.chain() for net in nets]
    groups = [{"params": [w], "lr": net.setting.rate} for w, net in zip(weights, nets, strict=True)]
    optimizer = torch.optim.SGD(groups)
    accuracies: list[list[float]] = [[] for _ in nets]
    for step in track(range(steps), f"{len(nets)} nets of {depth} layers"):
        images, labels = _batch(task, nets, step, steps)
        logits = _forward(torch.stack(weights), images, depth)
        # The mean of each net's own batch; the sum keeps the nets apart.
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / BATCH
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        for chain, vector in zip(chains, weights, strict=True):
            chain([vector])
        optimizer.step()
        if (step + 1) % (steps // _POINTS) == 0:
            for run, accuracy in zip(accuracies, _accuracy(task, weights, depth), strict=True):
                run.append(accuracy)
    return accuracies


def _shapes(depth: int) -> list[tuple[int, int]]:
    return [(784, WIDTH), *[(WIDTH, WIDTH)] * (depth - 2), (WIDTH, 10)]


def _batch(task: MnistTask, nets: Sequence[Net], step: int, steps: int) -> tuple[Tensor, Tensor]:
    """Images (N, B, 784) and labels (N, B); nets of one seed see the same."""
    # Each seed reads on where the one before it stopped: the same images in other orders.
    seeds = {net.seed for net in nets}
    read = {seed: task.batch(seed * steps + step, BATCH) for seed in seeds}
    images = torch.stack([read[net.seed].inputs.flatten(1) for net in nets])
    return images, torch.stack([read[net.seed].targets for net in nets])


def _forward(weights: Tensor, x: Tensor, depth: int) -> Tensor:
    """Weights (N, P) and images (N, B, 784) to logits (N, B, 10)."""
    shapes = _shapes(depth)
    sizes = [size for rows, columns in shapes for size in (rows * columns, columns)]
    parts = torch.split(weights, sizes, 1)
    for k, (rows, columns) in enumerate(shapes):
        matrix, bias = parts[2 * k].view(-1, rows, columns), parts[2 * k + 1].unsqueeze(1)
        x = torch.baddbmm(bias, x if k == 0 else x.relu(), matrix)
    return x


@torch.no_grad()
def _accuracy(task: MnistTask, weights: Sequence[Tensor], depth: int) -> list[float]:
    """Percent right of the 1,000 held-out images, by net."""
    batches = [batch for split in task.splits for batch in task.held_out(split, 500)]
    images = torch.cat([batch.inputs.flatten(1) for batch in batches])
    labels = torch.cat([batch.targets for batch in batches])
    logits = _forward(torch.stack(list(weights)), images.expand(len(weights), -1, -1), depth)
    right = (logits.argmax(-1) == labels).float().mean(1)
    return [100 * share for share in right.tolist()]
