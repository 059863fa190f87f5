"""Molecules, in the experiment on pLSTM: which of them let a bacterium mutate?

MUTAG (`MoleculesTask`), one of the paper's sets, cross-validated: every molecule is held out once.
One layer in P-mode and one in D-mode, with the kinds of bonds as features of edges or without them
and a gate for each slot of a node, and the same model without layers, which knows how many atoms of
each kind there are and not where. AdamW, one cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.graph.plstm_graph import PLSTMGraph
from ostinato.tasks.labelled_graphs import LabelledGraph
from ostinato.tasks.molecules import MoleculesTask

RIGHT = Claim(
    "MUTAG, pLSTM on bonds: cross-validated accuracy (%)",
    "85.1 (GIN 82.5, GCN 72.3)",
    at_least=80,
    every_seed=False,
)
STRUCTURE = Claim(
    "MUTAG: pLSTM − counts of atoms (points)", "2.6 over GIN", at_least=0, every_seed=False
)
CLAIMS = (RIGHT, STRUCTURE)


@dataclass(frozen=True)
class Size:
    """How large the model is, and how long it trains.

    Attributes:
        updates: optimizer steps for every fold.
        folds: parts that are held out in turn; 10 in the paper.
        batch: molecules at a time.
        width: D.
        modes: of its layers.
        rate: peak of the learning rate.
    """

    updates: int
    folds: int = 3
    batch: int = 64
    width: int = 32
    modes: str = "PD"
    rate: float = 1e-2


def measure(size: Size, seeds: int, track: Track, data: str | None = None) -> Measurement:
    """Cross-validate every model with the seeds 0 … seeds−1.

    Args:
        size: of the models.
        seeds: how many.
        track: shows the progress.
        data: the folder of another TUDataset; None: MUTAG.
    """
    tasks = [MoleculesTask(data, fold, size.folds) for fold in range(size.folds)]
    models: dict[str, dict[str, Any]] = {
        "pLSTM, bonds": {"modes": size.modes, "edge_size": tasks[0].bonds},
        "pLSTM, slots": {"modes": size.modes, "slots": _slots(tasks[0])},
        "counts of atoms": {"modes": ""},
    }
    scores: dict[str, list[float]] = {name: [] for name in models}
    losses: dict[str, list[list[float]]] = {name: [] for name in models}
    for seed in range(seeds):
        for name, options in models.items():
            right, run = 0, list[list[float]]()
            for task in tasks:
                torch.manual_seed(seed)
                task.seed = seed
                embedding = nn.Embedding(task.kinds, size.width)
                net = PLSTMGraph(embedding, size.width, task.classes, **options)
                text = f"{task.name}, {name}, fold {task.fold}, seed {seed}"
                run.append(fit(net, task, track(range(size.updates), text), size))
                right += correct(net, task)
            count = sum(len(task.graphs["valid"]) for task in tasks)
            scores[name].append(100 * right / count)
            losses[name].append([sum(each) / len(each) for each in zip(*run, strict=True)])
    ours, _, counts = scores.values()
    values: dict[Claim, Sequence[float]] = {
        RIGHT: ours,
        STRUCTURE: [a - b for a, b in zip(ours, counts, strict=True)],
    }
    curves = [
        Curve(f"{name}: {sum(scores[name]) / seeds:.1f} %", range(size.updates), runs)
        for name, runs in losses.items()
    ]
    return Measurement(values, [Panel("update", "molecules: loss (nats)", curves)])


def fit(net: PLSTMGraph, task: MoleculesTask, steps: Iterable[int], size: Size) -> list[float]:
    """Train; the loss of every update."""
    optimizer = torch.optim.AdamW(net.parameters(), size.rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, size.rate, total_steps=size.updates + 1)
    losses = list[float]()
    for step in steps:
        batch = task.batch(step, size.batch)
        loss = F.cross_entropy(_answers(net, batch), batch.targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def correct(net: PLSTMGraph, task: MoleculesTask) -> int:
    """How many of the held-out molecules are right."""
    return sum(
        int((_answers(net, batch).argmax(-1) == batch.targets).sum()) for batch in task.held_out()
    )


def _answers(net: PLSTMGraph, batch: LabelledGraph) -> Tensor:
    bonds = None
    if net.edge_size and batch.edge_labels is not None:
        bonds = F.one_hot(batch.edge_labels, net.edge_size).float()
    answers: Tensor = net(batch.labels, batch.dag, bonds)
    return answers


def _slots(task: MoleculesTask) -> int:
    """As many as edges leave or enter a node at most."""
    graphs = [graph for part in task.graphs.values() for graph in part]
    return 1 + max(int(graph.dag.slots.max()) for graph in graphs if graph.dag.edges.numel())
