"""The deep classifier of long real sequences, trained by Newton's method and by its diagonal.

GRUs between norms and residuals (`deer_encoder`), of which every layer is solved for all steps
together, from the same weights: by the loop of generated code, by Newton's method, and by the
diagonal of the Jacobian (quasi-DEER), whose gradient is exact here all the same.

Lim et al., arXiv 2309.12252, train it on EigenWorms (T = 17,984) and find the curve of the loop;
Gonzalez et al., arXiv 2407.19115, find the accuracy of Newton's method by the diagonal, too. That
data set is not at hand: here it is images of MNIST row by row, which are short (T = 28) but learned
in a minute, or with data of the user's the speakers of spoken digits (T = 4,096).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from ostinato.cells.gru import GRUCell
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.parallel.solves import newton
from ostinato.experiments.deer_encoder import Encoder
from ostinato.experiments.deer_training import accuracy, learn
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.time import RNN
from ostinato.tasks.mnist import MnistTask
from ostinato.tasks.spoken_digits import SpokenDigitsTask
from ostinato.tasks.task import Symbols, Task

ALIKE = Claim(
    "stack of GRUs, by Newton and step by step: largest difference of the losses (nats)",
    "same curve",
    at_most=0.05,
)
SOLVED = Claim("stack of GRUs: windows of training that Newton solved (%)", "all", at_least=90)
ABOVE = Claim(
    "stack of GRUs: test accuracy above chance (points)",
    "68 (88 % of 5 classes, EigenWorms)",
    at_least=10,
)
QUASI = Claim(
    "stack of GRUs, trained by the diagonal: test accuracy less that by Newton (points)",
    "0 (figure)",
    at_least=-2,
    at_most=2,
)
QUASI_SOLVED = Claim("stack of GRUs: windows of training that it solved (%)", "all", at_least=90)
CLAIMS = (ALIKE, SOLVED, ABOVE, QUASI, QUASI_SOLVED)


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        updates: optimizer steps.
        rows: of a batch.
        long_updates: optimizer steps on data of the user's.
        long_rows: of a batch of them.
        width: units of a GRU.
        depth: how many of them.
        rate: the learning rate.
    """

    updates: int = 100
    rows: int = 32
    long_updates: int = 150
    long_rows: int = 8
    width: int = 8
    depth: int = 2
    rate: float = 1e-2

    def of(self, data: str | None) -> tuple[int, int]:
        """Updates and rows."""
        return (self.updates, self.rows) if data is None else (self.long_updates, self.long_rows)


@cache
def real_task(data: str | None) -> Task:
    """The speakers of spoken digits in a folder, or 5,000 images of MNIST row by row."""
    return MnistTask() if data is None else SpokenDigitsTask(data, label="speaker")


def measure(size: Size, seeds: int, track: Track, data: str | None = None) -> Measurement:
    """Train with the seeds 0 … seeds−1, each way from the same weights."""
    task, values = real_task(data), {claim: list[float]() for claim in CLAIMS}
    assert isinstance(task.outputs, Symbols)
    runs: dict[str, list[list[float]]] = {"step by step": [], "Newton": [], "quasi-Newton": []}
    for seed in track(range(seeds), "stack of GRUs"):
        _, losses, _ = train(size, seed, "auto", data=data)
        model, by_newton, solves = train(size, seed, "parallel", data=data)
        quasi, by_diagonal, quasi_solves = train(size, seed, "parallel", "quasi", data)
        right = accuracy(model, task)
        values[ALIKE].append(max(abs(a - b) for a, b in zip(losses, by_newton, strict=True)))
        values[SOLVED].append(_share_solved(solves))
        values[ABOVE].append(right - 100 / task.outputs.count)
        values[QUASI].append(accuracy(quasi, task) - right)
        values[QUASI_SOLVED].append(_share_solved(quasi_solves))
        for name, run in zip(runs, (losses, by_newton, by_diagonal), strict=True):
            runs[name].append(run)
    curves = [Curve(name, range(size.of(data)[0]), found) for name, found in runs.items()]
    return Measurement(values, [Panel("update", "stack of GRUs, loss (nats)", curves)])


def train(
    size: Size, seed: int, engine: str, method: str = "full", data: str | None = None
) -> tuple[Encoder, list[float], list[Solve]]:
    """The trained net, which answers by the loop, its losses, and what became of its windows."""
    task, (updates, rows) = real_task(data), size.of(data)
    torch.manual_seed(seed)
    layers = [RNN(GRUCell(size.width, size.width), engine) for _ in range(size.depth)]
    model = Encoder(task, size.width, layers)
    with newton(method) as solves:
        losses = learn(model, task, updates, size.rate, rows)
    for layer in layers:
        layer.engine = "auto"
    return model, losses, solves


def _share_solved(solves: list[Solve]) -> float:
    """Percent of the windows that needed no other engine."""
    return 100 * sum(solve.engine is None for solve in solves) / len(solves)
