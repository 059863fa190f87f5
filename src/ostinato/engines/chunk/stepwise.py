"""The recurrence of a matrix state step by step: the meaning of every other form."""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.engines.chunk.operands import Operands


def stepwise(operands: Operands, state: Tensor) -> tuple[Tensor, Tensor]:
    """o (R, T, V) and the last state (R, K, V), in torch operations of any derivative.

    Args:
        operands: of the recurrence.
        state: before the first step (R, K, V).
    """
    q, k, v, g, erase = operands
    n, outputs = operands.updates, []
    for t in range(q.shape[1]):
        if g is not None:
            state = torch.exp(g[:, t, :, None]) * state
        for j in range(t * n, t * n + n):
            new = v[:, j, None, :]
            if erase is not None:
                new = new - erase[:, j, None, :] @ state
            state = state + k[:, j, :, None] * new
        outputs.append((q[:, t, None, :] @ state)[:, 0])
    return torch.stack(outputs, 1) if outputs else v.new_empty(v.shape), state
