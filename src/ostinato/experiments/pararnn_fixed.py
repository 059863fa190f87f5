"""Three iterations, whatever the residual: what the released code does, on a net that learned.

ParaGRU alone learns running parity of 32 bits twice from the same weights: on states of the loop,
and on those that K = 3 iterations leave. The first is then asked at length 256 with K = 3, the
second by the loop. The paper takes three everywhere and tests no residual; it is enough for cells
with bounded a, as language has them (`pararnn_solves`), but parity needs cells without a bound.

Deviation: a state beyond 10⁸ begins again from the guess before the next iteration.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from ostinato.analysis.convergence import unlogged
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.parallel.solves import newton
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.experiments.pararnn_nets import parity_net
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.running_parity import RunningParityTask
from ostinato.train.evaluate import evaluate

K = 3
TRAINED, LONG = 32, 256

ERROR = Claim(
    f"parity, ParaGRU trained by the loop: error of a state after K = {K}, {LONG} steps, float32",
    "rounding error (language, bounded a)",
    at_least=1,
)
WRONG = Claim(
    f"the same: accuracy with K = {K} (%), right by the loop",
    "not given; 100 reported",
    at_most=75,
)
LEARNED = Claim(
    f"parity, ParaGRU trained through K = {K}: accuracy by the loop, {TRAINED} steps (%)",
    "100",
    at_least=99,
)
BIASED = Claim(
    f"the same: loss that training sees, K = {K}, over that by the loop",
    "not given",
    at_least=10,
)
CLAIMS = (ERROR, WRONG, LEARNED, BIASED)


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: optimizer steps.
    """

    updates: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both ways on the seeds 0 … seeds−1, and ask each net the other way."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    runs: dict[str, list[list[float]]] = {"the loop": [], f"K = {K}": []}
    for seed in range(seeds):
        by_loop, losses = _train("auto", seed, size.updates, track)
        runs["the loop"].append(losses)
        values[ERROR].append(_error(by_loop, seed))
        values[WRONG].append(_accuracy(_on(by_loop, "parallel"), seed, LONG))
        by_three, losses = _train("parallel", seed, size.updates, track)
        runs[f"K = {K}"].append(losses)
        values[LEARNED].append(_accuracy(_on(by_three, "auto"), seed, TRAINED))
        values[BIASED].append(_bias(by_three, seed))
    every = max(1, size.updates // 50)
    updates = range(0, size.updates, every)
    curves = [
        Curve(name, updates, [[fmean(run[k : k + every]) for k in updates] for run in found])
        for name, found in runs.items()
    ]
    return Measurement(values, [Panel("update", "parity loss on states of … (nats)", curves)])


def three() -> AbstractContextManager[list[Solve]]:
    """`newton` with K iterations, whose states are kept however wrong they are.

    The one in which autograd looks on follows those that are counted.
    """
    return newton(iterations=K - 1, window=LONG, unsolved="warn")


def _train(engine: str, seed: int, updates: int, track: Track) -> tuple[SequenceModel, list[float]]:
    torch.manual_seed(seed)
    net = _on(parity_net("ParaGRU"), engine)
    steps = track(range(updates), f"parity, ParaGRU by {engine}, seed {seed}")
    with unlogged(), three():
        return net, fit(net, RunningParityTask(TRAINED, seed=seed), steps, updates, 5e-3)


def _on(net: SequenceModel, engine: str) -> SequenceModel:
    """The same weights, run by an engine."""
    assert isinstance(net.layer, RNN)
    return SequenceModel(net.encoder, RNN(net.layer.cell, engine), net.head)


def _accuracy(net: SequenceModel, seed: int, steps: int) -> float:
    """In percent."""
    with unlogged(), three():
        return 100 * evaluate(net, RunningParityTask(TRAINED, steps, seed), batch_size=250)


@torch.no_grad()
def _error(net: SequenceModel, seed: int) -> float:
    """The largest of any state of eight sequences, against the loop."""
    bits = RunningParityTask(LONG, seed=seed).batch(0, 8).inputs
    with unlogged(), three():
        found, expected = (
            _on(net, engine).layer(net.encoder(bits))[0] for engine in ("parallel", "reference")
        )
    return float((found - expected).abs().max())


@torch.no_grad()
def _bias(net: SequenceModel, seed: int) -> float:
    """Mean loss by K iterations over that by the loop, of eight batches."""
    task = RunningParityTask(TRAINED, seed=seed)
    losses: dict[str, list[Tensor]] = {"parallel": [], "reference": []}
    with unlogged(), three():
        for engine, found in losses.items():
            for step in range(8):
                batch = task.batch(step, 64)
                found.append(task.loss(_on(net, engine)(batch.inputs)[0], batch))
    by_three, by_loop = (torch.stack(found).mean() for found in losses.values())
    return float(by_three / by_loop)
