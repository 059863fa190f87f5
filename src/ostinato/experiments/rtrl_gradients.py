"""What gradients forward in time are worth: exact for one layer, and where they are not.

Of a random loss at every step, against backpropagation through all of it, in float64. Errors are
relative to the norm of the exact gradient. What is approximate, is compared by its direction, for
a GRU that is driven by noise and whose weights are as it begins, times two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.cells import make_cell
from ostinato.core.cell import Cell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.layer import SequenceLayer
from ostinato.over.time import RNN, Stack
from ostinato.train.rtrl.learner import RTRL
from ostinato.wrap.stacked import Stacked

EXACT = Claim("eLSTM, pieces of any length: error of the gradient", "exact", at_most=1e-12)
DENSE = Claim("tanh, GRU, LSTM: error of the gradient", "exact (generic RTRL)", at_most=1e-12)
LOWER = Claim(
    "two eLSTM layers, RTRL for the last: error of the lower one's gradient",
    "not exact (truncated below)",
    at_least=0.05,
)
WHOLE = Claim(
    "the same as one cell: error of the gradient", "exact, if it can be paid", at_most=1e-12
)
PRICE = Claim(
    "numbers kept by the one cell, for each of its parameters",
    "a full N × |θ| below (1 for a layer)",
    at_least=8,
)
NEARER = Claim(
    "GRU, cosine with the exact gradient: SnAp-1 − truncated",
    "– (approximations it leaves aside)",
    at_least=0,
    every_seed=False,
)
CLAIMS = (EXACT, DENSE, LOWER, WHOLE, PRICE, NEARER)

_METHODS = {
    "exact": ("exact", 1),
    "SnAp-1": ("snap", 1),
    "RFLO": ("rflo", 1),
    "UORO": ("uoro", 1),
    "truncated": ("truncated", 1),
}
_INPUTS, _ROWS = 3, 4


@dataclass(frozen=True)
class Size:
    """How large the nets are.

    Attributes:
        units: of every layer.
        steps: of a sequence.
        lengths: at which approximations are compared.
    """

    units: int
    steps: int
    lengths: tuple[int, ...]


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Compare gradients, for the seeds 0 … seeds−1."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    directions: dict[str, list[list[float]]] = {name: [] for name in _METHODS}
    for seed in track(range(seeds), "gradients"):
        torch.manual_seed(seed)
        values[EXACT].append(_error(_layer(_cell("ELSTM", size)), size))
        values[DENSE].append(
            max(_error(_layer(_cell(n, size)), size) for n in ("Elman", "GRU", "LSTM"))
        )
        cells = [_cell("ELSTM", size), _cell("ELSTM", size, size.units)]
        lower = len(list(cells[0].parameters()))
        values[LOWER].append(_error(Stack([_layer(cell) for cell in cells]), size, lower))
        one = _layer(Stacked(cells))
        values[WHOLE].append(_error(one, size))
        kept = RTRL(one).cost(torch.zeros(1, 1, _INPUTS, dtype=torch.float64))
        values[PRICE].append(kept / sum(p.numel() for p in one.parameters()))
        for name, run in directions.items():
            run.append([_cosine(name, size, steps, seed) for steps in size.lengths])
        values[NEARER].append(directions["SnAp-1"][-1][-1] - directions["truncated"][-1][-1])
    curves = [Curve(name, size.lengths, runs) for name, runs in directions.items()]
    return Measurement(values, [Panel("steps", "cosine with the exact gradient (GRU)", curves)])


def _cell(name: str, size: Size, inputs: int = _INPUTS) -> Cell:
    """A cell with weights large enough for its nonlinearities to count."""
    cell = make_cell(name, inputs, size.units, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(4 if name == "ELSTM" else 2)
    return cell


def _layer(cell: Cell) -> RNN:
    """On the plain loop: for nets as small as these, compiling would take longer than running."""
    return RNN(cell, "reference")


def _error(layer: RNN | Stack, size: Size, first: int | None = None) -> float:
    """Of the gradient of the first so many parameters, in pieces of 1, 2, … steps."""
    x, weights = _drawn(size.steps, size.units)
    pieces, left = list[int](), size.steps
    while left:
        pieces.append(min(len(pieces) + 1, left))
        left -= pieces[-1]
    exact = _backwards(layer, x, weights)[:first]
    found = _forwards(RTRL(layer), layer, x, weights, pieces)[:first]
    return float((torch.cat(found) - torch.cat(exact)).norm() / torch.cat(exact).norm())


def _cosine(name: str, size: Size, steps: int, seed: int) -> float:
    """Of an approximation with the exact gradient, a step at a time."""
    torch.manual_seed(seed)
    layer, (x, weights) = _layer(_cell("GRU", size)), _drawn(steps, size.units)
    learner = RTRL(layer, *_METHODS[name], generator=torch.Generator().manual_seed(seed))
    exact = torch.cat(_backwards(layer, x, weights))
    found = torch.cat(_forwards(learner, layer, x, weights, [1] * steps))
    return float(torch.cosine_similarity(found, exact, dim=0))


def _drawn(steps: int, units: int) -> tuple[Tensor, Tensor]:
    """Inputs, and the weights of the outputs in the loss."""
    shape = (_ROWS, steps)
    return (
        torch.randn(*shape, _INPUTS, dtype=torch.float64),
        torch.randn(*shape, units, dtype=torch.float64),
    )


def _backwards(layer: SequenceLayer, x: Tensor, weights: Tensor) -> list[Tensor]:
    loss = (layer(x)[0] * weights).sum()
    return [g.flatten() for g in torch.autograd.grad(loss, list(layer.parameters()))]


def _forwards(
    learner: RTRL, layer: SequenceLayer, x: Tensor, weights: Tensor, pieces: Sequence[int]
) -> list[Tensor]:
    parameters, carried, start = list(layer.parameters()), None, 0
    total = [torch.zeros(p.numel(), dtype=p.dtype) for p in parameters]
    for piece in pieces:
        own = slice(start, start + piece)
        y, carried = learner(x[:, own], carried)
        loss = (y * weights[:, own]).sum()
        for sum_, g in zip(total, torch.autograd.grad(loss, parameters), strict=True):
            sum_ += g.flatten()
        start += piece
    return total
