"""Characters of real text, by networks that have equally many parameters.

Source code of the standard library, or a text of one's own, in windows of 50 characters; the
state is carried on from window to window, where the released code begins anew. AdamW with its
learning rate rising and falling like a cosine, the same for all, the gradient clipped to 1. Every
net has the most units that the budget allows, its read-out counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import cast

import torch
from torch import nn

from ostinato.cells.cprnn import CPRNNCell
from ostinato.cells.elman import ElmanCell
from ostinato.cells.mirnn import MIRNNCell
from ostinato.cells.second_order import SecondOrderCell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.text import TextTask
from ostinato.train.evaluate import evaluate

_FIRST = "at equal parameters, from 8 k to 6.7 M: CPRNN ≤ MIRNN ≤ RNN, 2RNN worst (figure)"

GAPS = {
    ("MIRNN", "CPRNN"): Claim("text, bits per character: MIRNN − CPRNN", _FIRST, at_least=0.03),
    ("RNN", "MIRNN"): Claim("text, bits per character: RNN − MIRNN", _FIRST, at_least=0.03),
    ("2RNN", "CPRNN"): Claim("text, bits per character: 2RNN − CPRNN", _FIRST, at_least=0.03),
}
RANK = Claim(
    "text, bits per character: smallest − middle rank of CPRNN, with as many units",
    "falls with R (figure)",
    at_least=0.03,
)
BALANCE = Claim(
    "text, bits per character: better of smallest and largest rank − middle one, equal parameters",
    "there is a best R (figure)",
    at_least=0.0,
    every_seed=False,
)
CLAIMS = (*GAPS.values(), RANK, BALANCE)

_SMALL, _LARGE = "CPRNN, smallest rank", "CPRNN, largest rank"
_AS_WIDE = "CPRNN, smallest rank, as many units"

Make = Callable[..., Cell]


@dataclass(frozen=True)
class Size:
    """How large the nets are, and how long they train.

    Attributes:
        parameters: the most that a net has.
        ranks: three of CPRNN, ascending; the middle one is that of the comparison.
        batch: streams.
        updates: optimizer steps.
        rate: peak of the learning rate.
        characters: how many of the held-out text are scored.
    """

    parameters: int
    ranks: tuple[int, int, int]
    batch: int
    updates: int
    rate: float
    characters: int


def measure(size: Size, seeds: int, track: Track, data: str | None = None) -> Measurement:
    """Train every net on the seeds 0 … seeds−1.

    Args:
        size: of the nets and their training.
        seeds: how many.
        track: shows the progress.
        data: a text file or folder of the user's; None: the standard library.
    """
    task = TextTask(data, window=50, held_out_characters=size.characters)
    bits, curves, every = dict[str, list[float]](), list[Curve](), max(1, size.updates // 50)
    for name, cell in _cells(size, task.vocabulary.count).items():
        runs, bits[name] = [], []
        for seed in range(seeds):
            torch.manual_seed(seed)
            net = language_net(cell())
            steps = track(range(size.updates), f"text, {name}, seed {seed}")
            run = fit(net, task, steps, size.updates, size.rate, size.batch)
            runs.append([fmean(run[k : k + every]) for k in range(0, len(run), every)])
            bits[name].append(evaluate(net, task, batch_size=size.batch))
        curves.append(Curve(name, range(0, size.updates, every), runs))
    values: dict[Claim, Sequence[float]] = {
        claim: _minus(bits[worse], bits[better]) for (worse, better), claim in GAPS.items()
    }
    values[RANK] = _minus(bits[_AS_WIDE], bits["CPRNN"])
    best = [min(pair) for pair in zip(bits[_SMALL], bits[_LARGE], strict=True)]
    values[BALANCE] = _minus(best, bits["CPRNN"])
    by_rank = list(zip(bits[_SMALL], bits["CPRNN"], bits[_LARGE], strict=True))
    ranks = Curve("CPRNN, equal parameters", size.ranks, by_rank)
    panels = [
        Panel("update", "text loss (nats)", curves),
        Panel("rank", "bits per character", [ranks]),
    ]
    return Measurement(values, panels)


def language_net(cell: Cell) -> SequenceModel:
    """Symbols as unit vectors, the cell, and a linear read-out."""
    symbols, width = cast(int, cell.input_size), cast(int, cell.hidden_size)
    return SequenceModel(OneHot(symbols), RNN(cell), nn.Linear(width, symbols))


def hidden_size(make: Make, symbols: int, parameters: int) -> int:
    """The most units with which cell and read-out have no more than so many parameters."""

    def count(units: int) -> int:
        cell = make(symbols, units, device="meta")
        return sum(p.numel() for p in cell.parameters()) + symbols * (units + 1)

    return bisect_right(range(1, 4097), parameters, key=count)


def _cells(size: Size, symbols: int) -> dict[str, Callable[[], Cell]]:
    """What makes the cells that are compared, by name."""
    low, middle, high = (partial(CPRNNCell, rank=rank) for rank in size.ranks)
    makes: dict[str, Make] = {
        "CPRNN": middle,
        "MIRNN": MIRNNCell,
        "RNN": ElmanCell,
        "2RNN": SecondOrderCell,
        _SMALL: low,
        _LARGE: high,
    }
    cells: dict[str, Callable[[], Cell]] = {
        name: partial(make, symbols, hidden_size(make, symbols, size.parameters))
        for name, make in makes.items()
    }
    return cells | {_AS_WIDE: partial(low, symbols, hidden_size(middle, symbols, size.parameters))}


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]
