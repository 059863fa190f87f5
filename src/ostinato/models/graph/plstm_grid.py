"""pLSTM on a grid: every cell reads what flows to it from four corners.

    q, k, v = W x;   s, τ, m from x (see `GridGates`);   d = σ(b_d)
    h = Σ_o grid_scan_o(q, k, v) + d (q·k) v              o: the orientations
    y = W_out HeadRMSNorm(h)

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells.block_linear import BlockLinear
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.core.form import Form, FormDecision
from ostinato.core.registry import tell_form
from ostinato.core.state import State
from ostinato.models.graph.plstm_gates import GateOptions, GridGates
from ostinato.models.head_rms_norm import HeadRMSNorm
from ostinato.models.tracking import Tracking
from ostinato.over.block import Block
from ostinato.over.orientation import oriented_forms, oriented_run, oriented_scan

__papers__ = ("plstm",)


class GridPLSTM(nn.Module):
    """Mix the cells of a grid of any size: (B, X, Y, D) to (B, X, Y, D).

        layer = GridPLSTM(192, heads=3, mode="D")
        y = layer(torch.randn(2, 14, 14, 192))

    Args:
        size: D.
        heads: how many; a divisor of D. Keys and values have D/heads elements.
        mode: "P" or "D".
        orientations: from how many corners; 4 in the paper.
        gates: how gates are computed; None: as in the paper.
        tied: let queries be the keys.
        tracking: states, keys, values, queries and outputs of a head; None: one each.
        transition: form of T between the states, see `stable_transition`.
        scale: of the queries; None: K^{−1/2}.
        block: cells along x and y that are computed together; None: all, as one masked attention,
            which takes (X·Y)² numbers for every head.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: if the heads do not divide D, or as by `GridGates`.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        mode: str = "P",
        *,
        orientations: int = 4,
        gates: GateOptions | None = None,
        tied: bool = False,
        tracking: Tracking | None = None,
        transition: str = "diagonal",
        scale: float | None = None,
        block: tuple[int, int] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise ArgumentError(f"heads must divide the size {size}; got heads={heads}.")
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.size, self.heads, self.tied, self.block = size, heads, tied, block
        self.tracking, self.scale = tracking or Tracking(), scale
        j, self.vectors = self.tracking, self.tracking.vectors(tied)
        self.gates = GridGates(size, heads, mode, orientations, gates, j, transition, **on)
        self.direct = nn.Parameter(torch.full((heads, 1, 1, j.read, j.written), -6.0, **on))
        self.input = nn.Linear(size, sum(self.vectors) * size, False, **on)
        self.norm = HeadRMSNorm(heads, size // heads * j.outputs, **on)
        self.output = nn.Linear(size * j.outputs, size, False, **on)
        for linear in (self.input, self.output):
            small_normal(linear)

    def forward(self, x: Tensor) -> Tensor:
        """(B, X, Y, D) to (B, X, Y, D)."""
        parts = self._parts(x)
        self._tell(x, None, *oriented_forms(parts[0], self.block))
        return self._mixed(oriented_scan(*parts, block=self.block, scale=self.scale))

    def run(
        self, x: Tensor, left: Tensor | None = None, up: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs, and what leaves the grid, so that a larger one can be run in parts.

        Args:
            x: (B, X, Y, D).
            left: what enters the orientations that run to the right from the left, and the others
                from the right, (B, heads, orientations, Y, J, K, V); None: zero.
            up: what enters those that run down from above, and the others from below,
                (B, heads, orientations, X, J, K, V); None: zero.

        Returns:
            Outputs (B, X, Y, D), and what leaves at the opposite sides, as `left` and `up`.
        """
        sides = [each for each in (left, up) if each is not None]
        self._tell(x, sides or None, "blocks", {"blocks": Form("blocks, with what enters them")})
        h, right, down = oriented_run(
            *self._parts(x), block=self.block, left=left, up=up, scale=self.scale
        )
        return self._mixed(h), right, down

    def _tell(self, x: Tensor, state: State | None, chosen: str, forms: dict[str, Form]) -> None:
        requested = "attention" if self.block is None else f"block={self.block}"
        tell_form(FormDecision(type(self).__name__, x, state, requested, chosen, forms))

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Block, Tensor]:
        """Queries, keys, values (B, heads, X, Y, ·, K), gates, and the direct gate."""
        if x.dim() != 4 or x.shape[-1] != self.size:
            raise ShapeError(f"x must be (B, X, Y, {self.size}); got {list(x.shape)}.")
        parts = torch.unflatten(self.input(x), -1, (-1, self.heads, self.size // self.heads))
        k, v, *q = torch.split(parts.movedim(4, 1), list(self.vectors), -2)
        vectors = self.tracking.paired(q[0] if q else k, k, v)
        return *vectors, self.gates(x), self.direct.sigmoid()

    def _mixed(self, h: Tensor) -> Tensor:
        """What is read (B, heads, X, Y, W, V), as outputs (B, X, Y, D)."""
        heads = self.tracking.summed(h).flatten(-2).movedim(1, 3)
        mixed: Tensor = self.output(self.norm(heads).flatten(-2))
        return mixed

    def extra_repr(self) -> str:
        """The options, for `print`."""
        facts = f"{self.size}, heads={self.heads}, tied={self.tied}, block={self.block}"
        return f"{facts}, {self.tracking}"


def small_normal(linear: nn.Linear | BlockLinear) -> None:
    """Begin as N(0, 2/(5·inputs)), without bias."""
    nn.init.normal_(linear.weight, std=(0.4 / linear.weight.shape[-1]) ** 0.5)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
