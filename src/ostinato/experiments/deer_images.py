"""Small GRUs side by side, each with a stride of its own, that read images pixel by pixel.

Head k reads the state 2ᵏ steps before, so that a few steps reach far; and K heads of n units have
Jacobians of n × n where one GRU of K n units has one of K n × K n. Lim, Zhu, Selfridge & Kasim
2024, arXiv 2309.12252, read CIFAR-10 so. Here it is one layer of their net (`deer_encoder`), on
handwritten digits of 8 × 8 pixels, or with a folder of the user's on MNIST's; beside it one GRU in
the same net with as many parameters or just more.

Iterations and times are those of the trained layer on images end to end, one sequence of 4,096
pixels, since 64 steps are too few for any method to gain by taking them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count

import torch
from torch import Tensor, nn

from ostinato.cells.gru import GRUCell
from ostinato.engines.parallel.solves import newton
from ostinato.experiments.deer_encoder import Encoder
from ostinato.experiments.deer_training import accuracy, learn
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.time_ratio import time_ratio
from ostinato.over.heads import strided_heads
from ostinato.over.time import RNN
from ostinato.tasks.digits import DigitsTask
from ostinato.tasks.labelled import LabelledTask
from ostinato.tasks.mnist import MnistTask
from ostinato.tasks.task import Symbols, Task

ABOVE = Claim(
    "strided heads: test accuracy above chance (points)",
    "reported for sequential CIFAR-10",
    at_least=40,
)
AHEAD = Claim(
    "strided heads − one GRU of as many parameters (points)",
    "none said",
    at_least=0,
    every_seed=False,
)
AGREES = Claim("strided heads by Newton: largest difference of a logit", "0", at_most=1e-3)
FEW = Claim("strided heads, images end to end: most iterations of any head", "below 20", at_most=20)
LOOP = Claim(
    "strided heads, images end to end: time of the loop over Newton's", "faster (GPU)", at_least=2
)
DENSE = Claim(
    "strided heads, images end to end, by Newton: time of one GRU over theirs",
    "n³ (theory)",
    at_least=2,
)
CLAIMS = (ABOVE, AHEAD, AGREES, FEW, LOOP, DENSE)


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        updates: optimizer steps.
        heads: how many; their strides are 1, 2, 4, …
        units: of a head.
        rate: the learning rate.
        rows: of a batch.
        steps: of the sequence that is timed.
        repeats: pairs of timings.
    """

    updates: int = 400
    heads: int = 4
    units: int = 6
    rate: float = 1e-2
    rows: int = 32
    steps: int = 4096
    repeats: int = 3


@cache
def image_task(data: str | None) -> LabelledTask:
    """MNIST from a folder, or the digits of scikit-learn, pixel by pixel."""
    return DigitsTask("pixels") if data is None else MnistTask(data, "pixels")


def measure(size: Size, seeds: int, track: Track, data: str | None = None) -> Measurement:
    """Train heads and one GRU with the seeds 0 … seeds−1."""
    task, values = image_task(data), {claim: list[float]() for claim in CLAIMS}
    assert isinstance(task.outputs, Symbols)
    runs: dict[str, list[list[float]]] = {"strided heads": [], "one GRU": []}
    for seed in track(range(seeds), "images"):
        torch.manual_seed(seed)
        heads = by_heads(task, size)
        single = as_large(task, heads)
        for run, model in zip(runs.values(), (heads, single), strict=True):
            run.append(learn(model, task, size.updates, size.rate, size.rows))
        right = accuracy(heads, task)
        values[ABOVE].append(right - 100 / task.outputs.count)
        values[AHEAD].append(right - accuracy(single, task))
        for claim, value in _evaluated(heads, single, task, size).items():
            values[claim].append(value)
    marks = range(0, size.updates, max(1, size.updates // 40))
    curves = [Curve(name, marks, [run[:: marks.step] for run in r]) for name, r in runs.items()]
    return Measurement(values, [Panel("update", "images, loss (nats)", curves)])


def by_heads(task: Task, size: Size) -> Encoder:
    """A net whose one layer has strided heads."""
    width = size.heads * size.units
    return Encoder(task, width, [strided_heads(lambda: GRUCell(width, size.units), size.heads)])


def as_large(task: Task, other: nn.Module) -> Encoder:
    """The narrowest net of one GRU that has no fewer parameters."""
    nets = (Encoder(task, width, [RNN(GRUCell(width, width))]) for width in count(1))
    return next(net for net in nets if _parameters(net) >= _parameters(other))


def _parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@torch.no_grad()
def _evaluated(
    heads: Encoder, single: Encoder, task: LabelledTask, size: Size
) -> dict[Claim, float]:
    """What Newton's method does with trained nets."""
    images = task.sequences("test")[0]
    some = images[: size.rows]
    expected, found = (_run(heads, some, engine)() for engine in ("reference", "parallel"))
    long = images.flatten(0, 1)[None, : size.steps]
    by_newton = _run(heads, long, "parallel")
    with newton() as solves:
        by_newton()
    return {
        AGREES: float((found - expected).abs().max()),
        FEW: max(solve.iterations for solve in solves),
        LOOP: time_ratio(_run(heads, long, "reference"), by_newton, size.repeats),
        DENSE: time_ratio(_run(single, long, "parallel"), by_newton, size.repeats),
    }


def _run(net: Encoder, x: Tensor, engine: str) -> Callable[[], Tensor]:
    """A pass of a net whose layers run on an engine."""

    def forward() -> Tensor:
        for layer in net.modules():
            if isinstance(layer, RNN):
                layer.engine = engine
        found: Tensor = net(x)
        return found

    return forward
