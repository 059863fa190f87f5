"""Parity, which a linear recurrence cannot hold, and what it does to Newton's method.

A cell alone learns the parity of all bits so far at length 32 (batches of 64, AdamW 5e-3) and is
asked for that of longer sequences. What it learns is a switch: a bit 1 turns the state round, so
that errors grow at every such step, and Newton's method solves little more than a few steps more
with each iteration. The paper, which trains these cells without a bound on a, does not say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch

from ostinato.analysis.convergence import Convergence, convergence
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.experiments.pararnn_nets import parity_net, without_recurrent_weights
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.running_parity import RunningParityTask
from ostinato.train.evaluate import evaluate

CELLS = ("ParaGRU", "ParaLSTM")
LENGTHS = (32, 64, 256)
DTYPES = (torch.float32, torch.float64)

SOLVED = {
    cell: Claim(f"parity, {cell}: least accuracy at 32, 64, 256 steps (%)", "100", at_least=100)
    for cell in CELLS
}
LINEAR = {
    cell: Claim(
        f"parity, {cell} with a = 0: accuracy at 32 steps (%)",
        "52 (Mamba2), 53 (Transformer)",
        at_most=60,
    )
    for cell in CELLS
}
MANY = Claim(
    "parity, both cells trained: iterations at 256 steps, float64",
    "3, for cells with bounded a",
    at_least=30,
)
RIGHT = Claim(
    "parity, both cells trained: error of the states, solved or not, float32",
    "not given",
    at_most=1e-3,
)
CLAIMS = (*SOLVED.values(), *LINEAR.values(), MANY, RIGHT)


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: optimizer steps.
    """

    updates: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every cell, with and without recurrent weights, on the seeds 0 … seeds−1."""
    values: dict[Claim, Sequence[float]] = {}
    losses: dict[str, list[list[float]]] = {}
    studies: list[dict[str, list[Convergence]]] = [{} for _ in range(seeds)]
    for cell in CELLS:
        for linear in (False, True):
            name = f"{cell}, a = 0" if linear else cell
            found = []
            for seed in range(seeds):
                net, run = _train(cell, linear, seed, size.updates, track)
                losses.setdefault(name, []).append(run)
                # A linear recurrence is asked where it is easiest, at the length it trained on.
                found.append(_accuracy(net, seed, LENGTHS[:1] if linear else LENGTHS))
                if not linear:
                    studies[seed] |= _study(cell, net, seed)
            values[(LINEAR if linear else SOLVED)[cell]] = found
    values[MANY] = [
        min(study[f"{cell}, float64"][-1].iterations for cell in CELLS) for study in studies
    ]
    values[RIGHT] = [
        max(found.error for cell in CELLS for found in study[f"{cell}, float32"])
        for study in studies
    ]
    return Measurement(values, [_loss_panel(losses, size), _iterations_panel(studies)])


def _train(
    cell: str, linear: bool, seed: int, updates: int, track: Track
) -> tuple[SequenceModel, list[float]]:
    torch.manual_seed(seed)
    net, task = parity_net(cell), RunningParityTask(steps=32, seed=seed)
    if linear:
        without_recurrent_weights(net)
    text = f"parity, {cell}{', a = 0' if linear else ''}, seed {seed}"
    return net, fit(net, task, track(range(updates), text), updates, 5e-3)


def _accuracy(net: SequenceModel, seed: int, lengths: Sequence[int]) -> float:
    """The least over some lengths, in percent."""
    tasks = [RunningParityTask(32, steps, seed) for steps in lengths]
    return 100 * min(evaluate(net, task, batch_size=250) for task in tasks)


@torch.no_grad()
def _study(cell: str, net: SequenceModel, seed: int) -> dict[str, list[Convergence]]:
    """How Newton's method fares at each length, by cell and precision."""
    found: dict[str, list[Convergence]] = {}
    for dtype in DTYPES:
        exact = deepcopy(net).to(dtype)
        assert isinstance(exact.layer, RNN)
        for steps in LENGTHS:
            bits = RunningParityTask(steps, seed=seed).batch(0, 8).inputs
            # T iterations would do without rounding: what takes twice as many is not solved.
            options = {"window": steps, "iterations": 2 * steps}
            study = convergence(exact.layer.cell, exact.encoder(bits), **options)
            found.setdefault(f"{cell}, {str(dtype)[6:]}", []).append(study)
    return found


def _loss_panel(losses: Mapping[str, list[list[float]]], size: Size) -> Panel:
    every = max(1, size.updates // 50)
    updates = range(0, size.updates, every)
    curves = [Curve(name, updates, [run[::every] for run in runs]) for name, runs in losses.items()]
    return Panel("update", "parity loss (nats)", curves)


def _iterations_panel(studies: Sequence[Mapping[str, list[Convergence]]]) -> Panel:
    curves = [
        Curve(
            name, LENGTHS, [[float(each.iterations) for each in study[name]] for study in studies]
        )
        for name in studies[0]
        if name.endswith("float64")
    ]
    return Panel("steps", "iterations after parity", curves)
