"""Mixed precision: weights and inputs in low precision, the state and the arithmetic in single.

A state that is carried over many steps loses what is smaller than its last digit at every one
of them; weights and inputs are read, never carried, and can be stored in bfloat16.

Source: Micikevicius et al. 2018, "Mixed Precision Training", arXiv:1710.03740, section 3.1.
Deviation: no copy of the weights in single precision is kept; an optimiser may keep one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ostinato.core.state import State, leaves, map_state
from ostinato.engines.chunk.all_steps import AllSteps
from ostinato.wrap.wrapper import Wrapper

if TYPE_CHECKING:
    from ostinato.engines.chunk.matrix_cell import MatrixCell


class MixedPrecision(Wrapper):
    """Compute in the precision of the state, at least float32, whatever weights are stored in.

        rnn = ost.RNN(MixedPrecision(LSTMCell(64, 128))).bfloat16()
        y, state = rnn(x.bfloat16())            # y and state float32

    Weights and inputs are converted where they are read, and their gradients have their own
    dtype. In float32 and float64 nothing changes.
    """

    def initial_state(self, batch_size: int) -> State:
        """The state of the cell inside, in float32 if the weights are stored in less."""
        return map_state(_at_least_single, self.cell.initial_state(batch_size))

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step."""
        convert = _converter(state)
        noise = () if inner is None else (map_state(convert, inner),)
        given = (map_state(convert, x), state, *noise)
        output, new = functional_call(self.cell, _read(self.cell, convert), given)
        return output, new

    def matrices(self) -> MatrixCell | None:
        """The cell of a matrix state inside, for the engine `chunk`; None if it is none."""
        cell: Any = self.cell
        declared = type(self) is MixedPrecision and isinstance(cell, AllSteps)
        return cell.matrices() if declared else None

    def all_steps(
        self, x: Tensor, valid: Tensor | None, state: State, backend: str | None = None
    ) -> tuple[Tensor, State]:
        """All steps of a cell of a matrix state together; see `MatrixCell`."""
        convert, together = _converter(state), _Together(self.cell)
        given = (convert(x), valid, state, backend)
        y, last = functional_call(together, _read(together, convert), given)
        return y, last


class _Together(nn.Module):
    """`all_steps` of a cell as a module's call."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, *given: Any) -> Any:
        return self.cell.all_steps(*given)


def _read(module: nn.Module, convert: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """What a module stores, converted."""
    stored = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: convert(tensor) for name, tensor in stored.items()}


def _converter(state: State) -> Callable[[Tensor], Tensor]:
    """To the precision of a state."""
    dtype = next(leaf.dtype for leaf in leaves(state) if leaf.is_floating_point())
    return lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor


def _at_least_single(leaf: Tensor) -> Tensor:
    if not leaf.is_floating_point():
        return leaf
    return leaf.to(torch.promote_types(leaf.dtype, torch.float32))
