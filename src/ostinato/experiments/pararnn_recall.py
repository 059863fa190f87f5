"""Remembering a symbol: two rows of the paper's table, with short sequences.

Keep the 5th symbol of 20, with the code of its place, by a cell alone; and go from every symbol
to the one that followed its last occurrence (1-hop, 5 symbols, T = 32), by one block of the
language model. The paper has T = 100 and up to 3000 passes over 10,000 sequences.

A linear recurrence with the same gates is trained beside them and learns both as well, other than
the paper's Mamba2 (1 % on keep-5th): what these rows show here is that ParaGRU remembers, not that
it needs to be nonlinear for it. Recall of two pairs was not learned in as many updates by either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.experiments.pararnn_nets import (
    language_net,
    placed_net,
    without_recurrent_weights,
)
from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.k_hop import KHopTask
from ostinato.tasks.keep_nth import KeepNthTask
from ostinato.tasks.task import Task
from ostinato.train.evaluate import evaluate

KEEP = Claim("keep-5th, ParaGRU: accuracy (%)", "100 (Mamba2: 1)", at_least=99)
HOP = Claim("1-hop, ParaGRU: accuracy (%)", "100 (Mamba2: 100)", at_least=99)
CLAIMS = (KEEP, HOP)


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        keep_updates: optimizer steps on keep-5th.
        hop_updates: those on 1-hop.
        keep_steps: length of a sequence of keep-5th.
        hop_steps: that of 1-hop.
    """

    keep_updates: int
    hop_updates: int
    keep_steps: int = 20
    hop_steps: int = 32


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train on both tasks, with and without recurrent weights, on the seeds 0 … seeds−1."""
    keep_tasks = [KeepNthTask(5, steps=size.keep_steps, seed=seed) for seed in range(seeds)]
    hop_tasks = [KHopTask(1, 5, size.hop_steps, seed) for seed in range(seeds)]
    keep, kept = _row(
        "keep-5th",
        keep_tasks,
        lambda: placed_net(10, size.keep_steps),
        size.keep_updates,
        track,
    )
    hop, hopped = _row(
        "1-hop", hop_tasks, lambda: language_net("ParaGRU", 6, 64, 1), size.hop_updates, track
    )
    return Measurement({KEEP: keep, HOP: hop}, [kept, hopped])


def _row(
    name: str,
    tasks: Sequence[Task],
    build: Callable[[], SequenceModel],
    updates: int,
    track: Track,
) -> tuple[list[float], Panel]:
    """The accuracies in percent with recurrent weights, and the losses with and without."""
    accuracies, curves, every = list[list[float]](), list[Curve](), max(1, updates // 50)
    for label, linear in (("ParaGRU", False), ("ParaGRU, a = 0", True)):
        runs, found = [], []
        for seed, task in enumerate(tasks):
            torch.manual_seed(seed)
            net = build()
            if linear:
                without_recurrent_weights(net)
            shown = track(range(updates), f"{name}, {label}, seed {seed}")
            runs.append(fit(net, task, shown, updates, 5e-3)[::every])
            found.append(100 * evaluate(net, task, batch_size=250))
        accuracies.append(found)
        curves.append(Curve(f"{label}: {fmean(found):.1f} %", range(0, updates, every), runs))
    return accuracies[0], Panel("update", f"{name} loss (nats)", curves)
