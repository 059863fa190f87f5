"""Mixed precision: weights and inputs in low precision, the state and the arithmetic in single.

A state that is carried over many steps loses what is smaller than its last digit at every one
of them; weights and inputs are read, never carried, and can be stored in bfloat16.

Source: Micikevicius et al. 2018, "Mixed Precision Training", arXiv:1710.03740, section 3.1.
Deviation: no copy of the weights in single precision is kept; an optimiser may keep one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ostinato.core.state import State, leaves, map_state
from ostinato.wrap.wrapper import Wrapper


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
        dtype = next(leaf.dtype for leaf in leaves(state) if leaf.is_floating_point())

        def convert(tensor: Tensor) -> Tensor:
            return tensor.to(dtype) if tensor.is_floating_point() else tensor

        stored = {**dict(self.cell.named_parameters()), **dict(self.cell.named_buffers())}
        read = {name: convert(tensor) for name, tensor in stored.items()}
        noise = () if inner is None else (map_state(convert, inner),)
        output, new = functional_call(self.cell, read, (map_state(convert, x), state, *noise))
        return output, new


def _at_least_single(leaf: Tensor) -> Tensor:
    if not leaf.is_floating_point():
        return leaf
    return leaf.to(torch.promote_types(leaf.dtype, torch.float32))
