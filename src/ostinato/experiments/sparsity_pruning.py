"""Pruning and recovery, in the experiment on sparsity.

Two layers of 24 units, GRU and ReLU, learn Reber's grammar: 4,000 strings an epoch, five epochs,
batches of 64, Adam 3e-3; the paper has 3 layers of 50, 18,750 strings, 50 epochs and 1e-3. Copies
of the trained net are pruned once, by the size of all recurrent and input weights together, scored,
trained for an epoch with a fresh Adam, and scored again. For comparison others are pruned at random
and by their saliency, and scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN, Stack
from ostinato.tasks.reber import ReberTask
from ostinato.train.evaluate import evaluate
from ostinato.train.importance import Importance, chance, saliency
from ostinato.train.importance import size as size_of_weights
from ostinato.train.pruning import prune

CELLS: dict[str, tuple[str, dict[str, str]]] = {
    "GRU": ("GRU", {}),
    "ReLU": ("Elman", {"activation": "relu"}),
}
BATCH = 64
LEVELS = (0.0, 0.5, 0.8, 0.95)

SAFE = {
    cell: Claim(
        f"{cell}, half of all weights pruned: accuracy lost (points)",
        {"GRU": "0.0", "ReLU": "0.2"}[cell],
        at_most=1,
        every_seed=False,
    )
    for cell in CELLS
}
DAMAGED = {
    cell: Claim(
        f"{cell}, 95 % pruned: accuracy (%)",
        {"GRU": "55.1 at 90 %", "ReLU": "50.3 at 90 %"}[cell],
        at_most=75,
    )
    for cell in CELLS
}
RECOVERED = {
    cell: Claim(
        f"{cell}, 80 % pruned: accuracy lost after one more epoch (points)",
        "0, after one epoch",
        at_most=1,
        every_seed=False,
    )
    for cell in CELLS
}
WITHOUT = {
    "GRU": Claim(
        "GRU, no recurrent weights left: accuracy after two more epochs (%)",
        "97.4 after one, 100 after two",
        at_least=95,
    ),
    "ReLU": Claim(
        "ReLU, no recurrent weights left: accuracy after two more epochs (%)",
        "≈ 52",
        at_most=75,
    ),
}
CLAIMS = (*SAFE.values(), *DAMAGED.values(), *RECOVERED.values(), *WITHOUT.values())


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        epochs: of the net that is pruned.
        strings: of an epoch.
        units: H.
        layers: how many.
        held_out: strings that accuracies are measured on.
    """

    epochs: int
    strings: int = 4000
    units: int = 24
    layers: int = 2
    held_out: int = 1000


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train, prune and train again, with the seeds 0 … seeds−1."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    pruned: dict[str, list[list[float]]] = {}
    for cell in CELLS:
        for seed in range(seeds):
            task = ReberTask(seed, size.held_out)
            base, updates = build(cell, size, seed), size.strings // BATCH
            steps = track(range(size.epochs * updates), f"{cell}, seed {seed}")
            fit(base, task, steps)
            start = size.epochs * updates
            after, again = list[float](), list[float]()
            for level in track(LEVELS, f"{cell}, seed {seed}, pruned"):
                net = _pruned(base, level, size_of_weights)
                after.append(_percent(net, task))
                fit(net, task, range(start, start + updates))
                again.append(_percent(net, task))
            for name, by in _others(task).items():
                pruned.setdefault(f"{cell}, pruned by {name}", []).append(
                    [_percent(_pruned(base, level, by), task) for level in LEVELS]
                )
            bare = deepcopy(base)
            for weight in prune_away(bare):
                weight.requires_grad_(False)
            fit(bare, task, range(start, start + 2 * updates))
            values[SAFE[cell]].append(after[0] - after[LEVELS.index(0.5)])
            values[DAMAGED[cell]].append(after[LEVELS.index(0.95)])
            values[RECOVERED[cell]].append(after[0] - again[LEVELS.index(0.8)])
            values[WITHOUT[cell]].append(_percent(bare, task))
            pruned.setdefault(f"{cell}, pruned", []).append(after)
            pruned.setdefault(f"{cell}, one more epoch", []).append(again)
    curves = [Curve(name, LEVELS, runs) for name, runs in pruned.items()]
    return Measurement(values, [Panel("share of weights pruned", "accuracy (%)", curves)])


def build(cell: str, size: Size, seed: int) -> SequenceModel:
    """An embedding of 50, the layers, and an answer after the last letter."""
    name, options = CELLS[cell]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = [50, *[size.units] * size.layers]
        layers = Stack(RNN(make_cell(name, wide, size.units, **options)) for wide in widths[:-1])
        return SequenceModel(
            nn.Embedding(128, 50), layers, nn.Linear(size.units, 2), per_step=False
        )


def fit(net: nn.Module, task: ReberTask, steps: Iterable[int], rows: int = BATCH) -> list[float]:
    """Train with a fresh Adam, the gradient clipped to a norm of 5; the loss of every step."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer, losses = torch.optim.Adam(trained, 3e-3), list[float]()
    for step in steps:
        batch = task.batch(step, rows)
        loss = task.loss(net(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def prune_away(net: nn.Module) -> Sequence[nn.Parameter]:
    """Set every recurrent matrix to zero; they are returned."""
    found = [p for name, p in net.named_parameters() if name.endswith("recur.weight")]
    for weight in found:
        weight.zero_()
    return found


def _pruned(base: nn.Module, level: float, by: Importance) -> nn.Module:
    net = deepcopy(base)
    prune(net, level, by=by)
    return net


def _others(task: ReberTask) -> dict[str, Importance]:
    """Other measures of importance than the size, by name."""
    batch = task.batch(0, 8 * BATCH)

    def salient(net: nn.Module, names: Sequence[str]) -> Mapping[str, torch.Tensor]:
        return saliency(lambda: task.loss(net(batch.inputs, lengths=batch.lengths)[0], batch))(
            net, names
        )

    return {"chance": chance(torch.Generator().manual_seed(task.seed)), "saliency": salient}


def _percent(net: nn.Module, task: ReberTask) -> float:
    return 100 * evaluate(net, task, batch_size=250)
