"""Parity: what a recurrence through R can track, and gates of the input or attention cannot.

Cells of four heads of 8 units learn the parity of all bits so far at length 32 (batches of 64,
AdamW 5e-3) and are asked for that of longer sequences. With R held at 0 the LSTM and the sLSTM are
linear recurrences whose gates see the input only; they and a transformer of two blocks are asked
where it is easiest, at the length that they trained on. The paper has a Mamba for the former.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.experiments.flashrnn_nets import (
    CELLS,
    Transformer,
    parity_net,
    without_memory_mixing,
)
from ostinato.tasks.running_parity import RunningParityTask
from ostinato.train.evaluate import evaluate

LENGTHS = (32, 64, 256)
UNMIXED = ("LSTM", "SLSTM")

SOLVED = {
    cell: Claim(f"parity, {cell}: least accuracy at 32, 64, 256 steps (%)", "solved", at_least=100)
    for cell in CELLS
}
NOT_SOLVED = {
    name: Claim(f"parity, {name}: accuracy at 32 steps (%)", "not solved", at_most=60)
    for name in (*(f"{cell} with R = 0" for cell in UNMIXED), "transformer")
}
CLAIMS = (*SOLVED.values(), *NOT_SOLVED.values())


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: optimizer steps.
    """

    updates: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every net on the seeds 0 … seeds−1."""
    every = max(1, size.updates // 50)
    values: dict[Claim, Sequence[float]] = {}
    curves = []
    for name, build in _nets().items():
        claim = SOLVED.get(name) or NOT_SOLVED[name]
        lengths = LENGTHS if name in SOLVED else LENGTHS[:1]
        runs, found = list[list[float]](), list[float]()
        for seed in range(seeds):
            torch.manual_seed(seed)
            net, task = build(), RunningParityTask(LENGTHS[0], seed=seed)
            steps = track(range(size.updates), f"parity, {name}, seed {seed}")
            runs.append(fit(net, task, steps, size.updates, 5e-3)[::every])
            found.append(_accuracy(net, seed, lengths))
        values[claim] = found
        curves.append(Curve(name, range(0, size.updates, every), runs))
    return Measurement(values, [Panel("update", "parity loss (nats)", curves)])


def _nets() -> dict[str, Callable[[], nn.Module]]:
    """How each net is made, by its name in the claims."""
    nets: dict[str, Callable[[], nn.Module]] = {cell: partial(parity_net, cell) for cell in CELLS}
    nets |= {f"{cell} with R = 0": partial(_unmixed, cell) for cell in UNMIXED}
    return nets | {"transformer": partial(Transformer, LENGTHS[0])}


def _unmixed(cell: str) -> nn.Module:
    net = parity_net(cell)
    without_memory_mixing(net)
    return net


def _accuracy(net: nn.Module, seed: int, lengths: Sequence[int]) -> float:
    """The least over some lengths, in percent."""
    tasks = [RunningParityTask(LENGTHS[0], steps, seed) for steps in lengths]
    return 100 * min(evaluate(net, task, batch_size=250) for task in tasks)
