"""Modular arithmetic: sums, differences and products, without brackets and with them.

One layer reads expressions and gives their value, of others as long as in training and of longer
ones. Without brackets a finite automaton does it, with them it takes a stack, of which a layer has
no more than its state. The small scale has numbers modulo 3 and up to 15 symbols, where no net gets
far without brackets; the paper trains deeper nets far longer on numbers modulo 5 and up to 40
symbols, asks for up to 256, and has n ≥ 2 in [−1, 1] ahead on average of its tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ostinato.experiments.deltaproduct_nets import Shape, Training, trained
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.delta_product import DeltaProductClassifier
from ostinato.tasks.modular_arithmetic import ModularArithmeticTask
from ostinato.train.evaluate import evaluate

BRACKETS = {"without brackets": False, "with brackets": True}
REACHES = ("as long as in training", "longer")
BEST, FEWER, POSITIVE = Shape(2), Shape(1), Shape(2, negative=False)

AHEAD = {
    (kind, reach, other): Claim(
        f"arithmetic {kind}, {reach}: accuracy of n = 2 in [−1, 1] less that of {other} (points)",
        "n ≥ 2 in [−1, 1] best on average of its tasks",
        # Longer expressions come near to guessing, and one update to two: only an order is asked.
        at_least=3 if (reach, other) == (REACHES[0], POSITIVE) else 0,
        every_seed=False,
    )
    for kind in BRACKETS
    for reach in REACHES
    for other in (FEWER, POSITIVE)
}
CLAIMS = tuple(AHEAD.values())


@dataclass(frozen=True)
class Size:
    """What nets learn, and how.

    Attributes:
        training: of every net.
        modulus: of the numbers.
        longest: the most symbols of an expression in training.
        held_out_longest: of those that are longer.
        updates: a step, in [−1, 1]; 1 and 2 among them.
        expressions: how many are asked for.
    """

    training: Training
    modulus: int = 3
    longest: int = 15
    held_out_longest: int = 64
    updates: Sequence[int] = (1, 2)
    expressions: int = 2000


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every transition on both kinds of expressions, on the seeds 0 … seeds−1."""
    values: dict[Claim, Sequence[float]] = {}
    panels = list[Panel]()
    for kind in BRACKETS:
        found, losses = _transitions(size, kind, seeds, track)
        reaches = size.longest, size.held_out_longest
        curves = [Curve(str(shape), reaches, scores) for shape, scores in found.items()]
        panels += [losses, Panel("symbols, at most", f"arithmetic {kind}, accuracy (%)", curves)]
        for place, reach in enumerate(REACHES):
            for other in (FEWER, POSITIVE):
                pairs = zip(found[BEST], found[other], strict=True)
                values[AHEAD[kind, reach, other]] = [a[place] - b[place] for a, b in pairs]
    return Measurement(values, panels)


def _transitions(
    size: Size, kind: str, seeds: int, track: Track
) -> tuple[dict[Shape, list[list[float]]], Panel]:
    """The accuracies of every transition, by seed and reach, and its losses."""
    every = max(1, size.training.updates // 50)
    scores, curves = dict[Shape, list[list[float]]](), list[Curve]()
    for shape in (*map(Shape, size.updates), POSITIVE):
        scores[shape], losses = [], []
        for seed in range(seeds):
            task = _task(size, kind, seed)
            net, run = trained(task, shape, size.training, seed, track, f"arithmetic {kind}")
            losses.append(run[::every])
            scores[shape].append(_accuracies(net, task, size))
        curves.append(Curve(str(shape), range(0, size.training.updates, every), losses))
    return scores, Panel("update", f"arithmetic {kind}, loss (nats)", curves)


def _task(size: Size, kind: str, seed: int) -> ModularArithmeticTask:
    return ModularArithmeticTask(
        size.modulus,
        BRACKETS[kind],
        longest=size.longest,
        held_out_longest=size.held_out_longest,
        seed=seed,
        held_out_sequences=size.expressions,
    )


@torch.no_grad()
def _accuracies(
    net: DeltaProductClassifier, task: ModularArithmeticTask, size: Size
) -> list[float]:
    """Of expressions as long as in training, and of longer ones, in percent."""
    # Batches far behind those of any training were not seen.
    batch = task.batch(10**9, size.expressions)
    right, count = task.score(net.eval()(batch.inputs, lengths=batch.lengths)[0], batch)
    return [100 * right / count, 100 * evaluate(net, task, batch_size=250)]
