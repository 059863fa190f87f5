"""Syntax trees, in the experiment on pLSTM: is there a `return` inside a loop?

Functions of the standard library (`SyntaxGraphsTask`) stand in for the paper's molecules. One layer
in P-mode and one in D-mode (D = 32, 4 heads) against the same model without layers, which knows how
many nodes of each kind there are and not where. Batches of 32, AdamW 1e-2, one cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.graph.plstm_graph import PLSTMGraph
from ostinato.tasks.syntax_graphs import KINDS, SyntaxGraphsTask

RIGHT = Claim(
    "syntax trees, pLSTM: held-out accuracy (%)",
    "not given (MUTAG 85.1, GIN 82.5)",
    at_least=80,
    every_seed=False,
)
STRUCTURE = Claim(
    "syntax trees: pLSTM − counts of nodes (points)",
    "not given (MUTAG 2.6 over GIN)",
    at_least=5,
    every_seed=False,
)
CLAIMS = (RIGHT, STRUCTURE)

MODES = {"pLSTM": "PD", "counts of nodes": ""}


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: optimizer steps.
        width: D.
        points: how often the accuracy is measured.
    """

    updates: int
    width: int = 32
    points: int = 3


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both models with the seeds 0 … seeds−1."""
    runs: dict[str, list[list[float]]] = {name: [] for name in MODES}
    for seed in range(seeds):
        task = SyntaxGraphsTask(seed=seed)
        for name, modes in MODES.items():
            torch.manual_seed(seed)
            net = PLSTMGraph(nn.Embedding(len(KINDS), size.width), size.width, 2, modes=modes)
            steps = track(range(size.updates), f"syntax trees, {name}, seed {seed}")
            runs[name].append(fit(net, task, steps, size))
    ours, counts = ([run[-1] for run in runs[name]] for name in MODES)
    values: dict[Claim, Sequence[float]] = {
        RIGHT: ours,
        STRUCTURE: [a - b for a, b in zip(ours, counts, strict=True)],
    }
    every = size.updates // size.points
    updates = [every * (k + 1) for k in range(size.points)]
    curves = [Curve(name, updates, found) for name, found in runs.items()]
    return Measurement(values, [Panel("update", "syntax trees: accuracy (%)", curves)])


def fit(
    net: PLSTMGraph, task: SyntaxGraphsTask, steps: Iterable[int], size: Size, rate: float = 1e-2
) -> list[float]:
    """Train; the held-out accuracy in percent at `size.points` moments, the end among them."""
    optimizer = torch.optim.AdamW(net.parameters(), rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=size.updates + 1)
    every, found = size.updates // size.points, list[float]()
    for step in steps:
        batch = task.batch(step, 32)
        loss = F.cross_entropy(net(batch.labels, batch.dag), batch.targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        if (step + 1) % every == 0 and len(found) < size.points:
            found.append(accuracy(net, task))
    return found


@torch.no_grad()
def accuracy(net: PLSTMGraph, task: SyntaxGraphsTask) -> float:
    """Percent right of the held-out graphs."""
    right = count = 0
    for batch in task.held_out():
        answers = net(batch.labels, batch.dag).argmax(-1)
        right, count = right + int((answers == batch.targets).sum()), count + len(answers)
    return 100 * right / count
