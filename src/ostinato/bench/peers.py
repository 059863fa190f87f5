"""What a fused layer is compared with: torch's own modules, and the same cell in other hands.

Every peer is a module `x (B, T, D) -> (y (B, T, H), state)` that computes the layer's function
with the layer's parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.state import State
from ostinato.over.time import RNN

Peer = Callable[[Cell], nn.Module]
"""Builds the peer of a cell."""


def torch_module(kind: Callable[..., nn.RNNBase]) -> Peer:
    """torch's layer `kind` with the weights of a cell of two linear maps."""

    def build(cell: Cell) -> nn.Module:
        layer = kind(cell.input_size, cell.hidden_size, batch_first=True)
        with torch.no_grad():
            for own, given in zip(corresponding(layer), cell.parameters(), strict=True):
                own.copy_(given)
        return layer

    return build


def corresponding(module: nn.Module) -> list[Tensor]:
    """The parameters of a peer in the order of the cell's own."""
    if isinstance(module, nn.RNNBase):
        names = ("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0")
        return [getattr(module, name) for name in names]
    return list(module.parameters())


def on_engine(name: str) -> Peer:
    """The same cell on another engine."""
    return lambda cell: RNN(cell, name)


class PythonLoop(nn.Module):
    """The loop that one writes by hand, at its best: x is unbound once, not indexed T times.

    Args:
        cell: the module that it calls.
        step: what it calls at every step; None: the cell itself.
    """

    def __init__(self, cell: Cell, step: Callable[..., tuple[Tensor, State]] | None = None):
        super().__init__()
        self.cell = cell
        self.step = step or cell

    def forward(self, x: Tensor) -> tuple[Tensor, State]:
        """Run over x (B, T, D)."""
        state, ys = self.cell.initial_state(x.shape[0]), []
        for x_t in x.unbind(1):
            y, state = self.step(x_t, state)
            ys.append(y)
        return torch.stack(ys, 1), state


class Compiled(nn.Module):
    """A module under torch.compile, for one size; its parameters keep their order.

    Args:
        module: what to compile.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.run = torch.compile(module.forward, fullgraph=True, dynamic=False)

    def forward(self, x: Tensor) -> tuple[Tensor, State]:
        """Run over x (B, T, D)."""
        y, state = self.run(x)
        return y, state


def compiled_step(cell: Cell) -> nn.Module:
    """A Python loop over the cell's step under torch.compile."""
    return PythonLoop(cell, torch.compile(cell.forward, fullgraph=True, dynamic=False))


def compiled_loop(cell: Cell) -> nn.Module:
    """The whole loop under torch.compile, which unrolls it."""
    return Compiled(PythonLoop(cell))
