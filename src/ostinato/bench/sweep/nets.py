"""The layers of the tables, by the names of their cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ostinato.bench.steps import DiagonalStep, HeadsStep
from ostinato.bench.sweep.entry import Spot
from ostinato.cells import make_cell
from ostinato.core.cell import Cell


def _heads_step(input_size: int, hidden_size: int, heads: int = 1) -> Cell:
    return HeadsStep(input_size, hidden_size, heads)


# Cells as users write them; the library has none that are like them.
OWN: dict[str, Callable[..., Cell]] = {"HeadsStep": _heads_step, "DiagonalStep": DiagonalStep}


def build(spot: Spot) -> Cell:
    """The cell of a spot, with the same weights at every call."""
    options = {"heads": spot.heads} if spot.heads > 1 else {}
    make = OWN.get(spot.cell, partial(make_cell, spot.cell))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(spot.hidden, spot.hidden, **options).to(spot.numbers)


def inputs(spot: Spot, cell: Cell, device: str) -> tuple[Tensor, Tensor]:
    """x (B, T, D), and what the gradient of the outputs is taken against (B, T, H)."""
    generator = torch.Generator(device).manual_seed(0)

    def draw(width: int) -> Tensor:
        shape = (spot.batch, spot.steps, width)
        return torch.randn(shape, device=device, dtype=spot.numbers, generator=generator)

    return draw(width(cell)).requires_grad_(), draw(spot.hidden)


def width(cell: Cell) -> int:
    """How wide the input of a cell is."""
    found = cell.input_size
    assert isinstance(found, int)
    return found
