"""The layers of the tables, by the names of their cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ostinato.bench.steps import DiagonalStep, HeadsStep
from ostinato.bench.sweep.bare import OverGrid, Updates
from ostinato.bench.sweep.entry import Spot
from ostinato.cells import make_cell
from ostinato.cells.lssl import LSSLCell

# What the library has no name for: cells as users write them, and some with options.
OWN: dict[str, Callable[..., nn.Module]] = {
    "HeadsStep": lambda d, h, heads=1: HeadsStep(d, h, heads),
    "DiagonalStep": DiagonalStep,
    **{f"Updates-{n}": partial(Updates, updates=n) for n in range(1, 5)},
    **{f"pLSTM-{mode}": partial(OverGrid, mode=mode) for mode in "PD"},
    **{f"LSSL-{n}": partial(LSSLCell, state_size=n) for n in (64, 128, 256)},
    **{
        f"LSSL-f-{n}": partial(LSSLCell, state_size=n, learn="fixed", learn_step=False)
        for n in (64, 128, 256)
    },
}


def build(spot: Spot) -> nn.Module:
    """The cell of a spot, or the layer, with the same weights at every call."""
    options = {"heads": spot.heads} if spot.heads > 1 else {}
    make = OWN.get(spot.cell, partial(make_cell, spot.cell))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(spot.hidden, spot.hidden, **options).to(spot.numbers)


def inputs(spot: Spot, module: nn.Module, device: str) -> tuple[Tensor, Tensor]:
    """x (B, T, D), and what the gradient of the outputs is taken against (B, T, H)."""
    generator = torch.Generator(device).manual_seed(0)

    def draw(width: int) -> Tensor:
        shape = (spot.batch, spot.steps, width)
        return torch.randn(shape, device=device, dtype=spot.numbers, generator=generator)

    return draw(width(module)).requires_grad_(), draw(spot.hidden)


def width(module: nn.Module) -> int:
    """How wide the input of a cell or layer is."""
    found = module.input_size
    assert isinstance(found, int)
    return found
