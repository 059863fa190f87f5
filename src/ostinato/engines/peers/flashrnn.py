"""FlashRNN: Elman networks, LSTM, GRU and sLSTM with heads, in that library's CUDA kernels.

Which function a cell is, the cell says itself through `native()`; that its map of the state is
block-diagonal is the one difference from torch's. The map of the input is computed before, for
all steps. Of an sLSTM the kernels take the gradient through m as zero: right for every loss on the
outputs h, but not for one on c, n or m.
"""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell, Native
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.state import State
from ostinato.engines.peers.installed import RANK, missing, unfit

_DTYPES = ("float32", "bfloat16", "float16")
# Names of functions, and FlashRNN's.
_FUNCTIONS = {"lstm": "lstm", "gru": "gru", "rnn_tanh": "elman", "slstm": "slstm"}


class FlashRNN:
    """Evaluate by `flashrnn.flashrnn`, in the precision of the state."""

    name = "flashrnn"
    summary = "the CUDA kernels of FlashRNN, for Elman networks, LSTM, GRU and sLSTM with heads"
    rank = RANK

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why FlashRNN has no function for the recurrence, or None."""
        reason = missing("flashrnn", "flashrnn") or unfit(recurrence, _DTYPES)
        if reason is not None:
            return reason
        if not isinstance(recurrence.cell, Cell):
            return "the step is not a cell alone, so its equations are not known"
        if not isinstance(recurrence.xs, Tensor) or recurrence.xs.dim() != 3:
            return "the input is not one tensor (T, B, D)"
        gates = _gates(recurrence.cell)
        return gates if isinstance(gates, str) else None

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never: `auto` does not come this far."""
        return None

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs (T, B, H)."""
        assert isinstance(recurrence.cell, Cell)
        gates = _gates(recurrence.cell)
        assert isinstance(gates, Gates)
        x = recurrence.xs.flip(0) if recurrence.reverse else recurrence.xs
        several = isinstance(recurrence.init, tuple)
        init = recurrence.init if several else (recurrence.init,)
        heads = gates.recur.shape[1]
        # States lie as (leaves, B, T, heads, size).
        states, last = import_module("flashrnn").flashrnn(
            recurrence.cell.get_submodule("input")(x.transpose(0, 1)).unflatten(
                -1, (-1, *gates.recur.shape[1:3])
            ),
            gates.recur,
            gates.bias,
            states=torch.stack([leaf.unflatten(-1, (heads, -1))[:, None] for leaf in init]),
            function=gates.function,
            dtype=str(init[0].dtype).removeprefix("torch."),
        )
        y = states[0].flatten(-2).transpose(0, 1)
        carry = tuple(leaf[:, 0].flatten(-2) for leaf in last)
        return carry if several else carry[0], y.flip(0) if recurrence.reverse else y


@dataclass(frozen=True)
class Gates:
    """What FlashRNN adds to the gates' inputs.

    Attributes:
        function: its name.
        recur: R (gates, heads, size, size), rows for outputs.
        bias: b (gates, heads, size).
    """

    function: str
    recur: Tensor
    bias: Tensor


def _gates(cell: Cell) -> Gates | str:
    """Those of a cell whose equations FlashRNN has, or the reason why there are none."""
    native = _native(cell)
    if isinstance(native, str):
        return native
    if native.function not in _FUNCTIONS:
        return f"FlashRNN has no function like torch.{native.function}"
    if len(native.weights) > (4 if native.biased else 2):
        return "FlashRNN has no projection"
    recur, bias = _by_head(cell.get_submodule("recur"))
    if native.function == "gru":
        # The product inside the reset comes first, and has a bias beside that of the new state.
        order = [2, 0, 1]
        recur, bias = recur[order], torch.cat([bias[order], torch.zeros_like(bias[:1])])
    return Gates(_FUNCTIONS[native.function], recur, bias)


def _native(cell: Cell) -> Native | str:
    """What the cell would be with a dense map of the state in the place of one in heads."""
    recur = dict(cell.named_children()).get("recur")
    weight = getattr(recur, "weight", None)
    if recur is None or not isinstance(weight, Tensor) or weight.dim() != 3:
        return cell.native()
    heads, rows, columns = weight.shape
    if not _block_diagonal(recur, columns * heads):
        return "its map of the state is not that of its weight, head by head"
    dense = nn.Linear(heads * columns, heads * rows, recur.bias is not None, device="meta")
    alike = copy(cell)
    alike._modules = cell._modules | {"recur": dense}
    return alike.native()


@torch.no_grad()
def _block_diagonal(recur: nn.Module, size: int) -> bool:
    """Whether a module computes what its weight and bias say, whatever it is called."""
    # Rounding must not look like another function.
    recur = deepcopy(recur).double()
    weight, bias = _by_head(recur)
    h = torch.randn(2, size, dtype=weight.dtype, device=weight.device)
    slices = torch.unflatten(h, -1, (weight.shape[1], -1))
    expected = torch.einsum("bki,gkoi->bgko", slices, weight) + bias
    found = recur(h)
    return found.shape == (2, bias.numel()) and torch.allclose(
        found, expected.flatten(1), rtol=1e-3, atol=1e-3
    )


def _by_head(recur: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (G, heads, size, size) and bias (G, heads, size), zero if there is none."""
    weight, bias = recur.weight, recur.bias
    assert isinstance(weight, Tensor)
    if weight.dim() == 2:
        weight = weight[None]
    heads, _, size = weight.shape
    by_gate = torch.unflatten(weight, 1, (-1, size)).transpose(0, 1)
    if not isinstance(bias, Tensor):
        return by_gate, weight.new_zeros(len(by_gate), heads, size)
    return by_gate, bias.view(-1, heads, size)
