"""A neural circuit policy of CfC units: inter, command and motor units, one after the other.

Three CfC cells in sequence within a step. What a unit's f and g read of the group before it is
what the wiring joins it with; its gate reads all, and each group all of its own state.

Source: Hasani et al. 2022, arXiv 2106.13898, with the wiring of Lechner et al. 2020. That the
wiring's synapses among command units, and its polarities, have no effect here, is as in the
published code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells.cfc import CfCCell
from ostinato.cells.elapsed import with_elapsed
from ostinato.cells.wiring import Wiring
from ostinato.core.cell import Cell
from ostinato.wrap.weights import Mask, parametrise

__papers__ = ("sparse-lowrank-cfc",)


class WiredCfC(Cell):
    """CfC cells wired as a neural circuit policy; the output is the motor state.

    For example::

        policy = ost.RNN(WiredCfC(auto_ncp(inputs=8, units=20, outputs=3)))
        y, state = policy(x)                # x (B, T, 8), y (B, T, 3)

    Args:
        wiring: of groups motor, command and inter; see `auto_ncp`.
        mode: of the CfC cells.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D), or x with the time since the step before (B, 1); the state is a tuple of the
    groups' states, inter units first.
    """

    def __init__(
        self,
        wiring: Wiring,
        *,
        mode: str = "default",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = wiring.inputs, wiring.units
        motor, command, inter = (wiring.span(name) for name in wiring.groups)
        edges = (wiring.sensory[inter], wiring.synapses[command, inter])
        cells = [
            _wired(part, mode, device, dtype) for part in (*edges, wiring.synapses[motor, command])
        ]
        self.cells = nn.ModuleList(cells)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros, inter units first."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)  # type: ignore[operator]

    def forward(self, x: Any, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step: x (B, D) or (x, elapsed (B, 1))."""
        y, elapsed = with_elapsed(x)
        new = list[Tensor]()
        for cell, h in zip(self.cells, state, strict=True):
            y, h = cell(y if isinstance(elapsed, float) else (y, elapsed), h)
            new.append(h)
        return y, tuple(new)


def _wired(
    edges: Tensor, mode: str, device: torch.device | str | None, dtype: torch.dtype | None
) -> CfCCell:
    """A CfC whose heads f and g read along edges (H, N) only."""
    units, sources = edges.shape
    cell = CfCCell(sources, units, mode=mode, device=device, dtype=dtype)
    heads = len(cell.input.weight) // units
    joined = edges.bool().repeat(min(heads, 2), 1)
    gates = joined.new_ones((heads - min(heads, 2)) * units, sources)
    return parametrise(cell, {"input.weight": Mask(torch.cat([joined, gates])).to(device)})
