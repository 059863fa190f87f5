"""Modular arithmetic: sums and products of numbers modulo 3, without brackets.

One layer reads expressions of 3 to 15 symbols and gives their value, and is asked for that of
further ones as long. In the minutes of the small scale no net solves it; the paper, which trains
deeper nets far longer on numbers modulo 5, has n ≥ 2 in [−1, 1] ahead on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ostinato.experiments.deltaproduct_nets import Shape, Training, trained
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.delta_product import DeltaProductClassifier
from ostinato.tasks.modular_arithmetic import ModularArithmeticTask

MODULUS, LONGEST = 3, 15
SHAPES = (Shape(2), Shape(2, negative=False))

AHEAD = Claim(
    "arithmetic modulo 3, n = 2: accuracy in [−1, 1] less that in [0, 1] (points)",
    "n ≥ 2 in [−1, 1] best on average of its tasks",
    at_least=3,
    every_seed=False,
)
CLAIMS = (AHEAD,)


@dataclass(frozen=True)
class Size:
    """How nets learn.

    Attributes:
        training: of every net.
        expressions: how many are asked for.
    """

    training: Training
    expressions: int = 2000


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every transition on the seeds 0 … seeds−1."""
    every = max(1, size.training.updates // 50)
    scores: dict[Shape, list[float]] = {shape: [] for shape in SHAPES}
    losses: dict[Shape, list[list[float]]] = {shape: [] for shape in SHAPES}
    for shape in SHAPES:
        for seed in range(seeds):
            task = ModularArithmeticTask(MODULUS, longest=LONGEST, seed=seed)
            net, run = trained(task, shape, size.training, seed, track, "arithmetic")
            losses[shape].append(run[::every])
            scores[shape].append(_accuracy(net, task, size))
    ahead = [a - b for a, b in zip(*scores.values(), strict=True)]
    updates = range(0, size.training.updates, every)
    curves = [Curve(str(shape), updates, losses[shape]) for shape in SHAPES]
    return Measurement({AHEAD: ahead}, [Panel("update", "arithmetic loss (nats)", curves)])


@torch.no_grad()
def _accuracy(net: DeltaProductClassifier, task: ModularArithmeticTask, size: Size) -> float:
    """Of expressions as long as in training, in percent."""
    # Batches far behind those of any training were not seen.
    batch = task.batch(10**9, size.expressions)
    right, count = task.score(net.eval()(batch.inputs, lengths=batch.lengths)[0], batch)
    return 100 * right / count
