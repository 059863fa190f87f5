"""The recurrence of a matrix state step by step: the meaning of every other form."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ostinato.engines.chunk.operands import Operands
from ostinato.engines.chunk.steps import Steps


def stepwise(operands: Operands, state: Tensor) -> tuple[Tensor, Tensor]:
    """o (R, T, V) and the last state (R, K, V), in torch operations of any derivative.

    Args:
        operands: of the recurrence.
        state: before the first step (R, K, V).
    """
    last, outputs = state, []
    for t, last in enumerate(_states(operands, state)):
        outputs.append((operands.q[:, t, None, :] @ last)[:, 0])
    return torch.stack(outputs, 1) if outputs else operands.v.new_empty(operands.v.shape), last


def every_state(steps: Steps, state: Tensor) -> Tensor:
    """The states after every step (B, T, H, K, V), in torch operations.

    Args:
        steps: of the recurrence.
        state: before the first step (B, H, K, V).
    """
    found = list(_states(steps.by_heads(1.0), state.flatten(0, 1)))
    if not found:
        return state.new_empty(len(state), 0, *state.shape[1:])
    return torch.stack([each.view_as(state) for each in found], 1)


def _states(operands: Operands, state: Tensor) -> Iterator[Tensor]:
    """The state (R, K, V) after each step."""
    _, k, v, g, erase = operands
    n = operands.updates
    for t in range(operands.q.shape[1]):
        if g is not None:
            state = torch.exp(g[:, t, :, None]) * state
        for j in range(t * n, t * n + n):
            new = v[:, j, None, :]
            if erase is not None:
                new = new - erase[:, j, None, :] @ state
            state = state + k[:, j, :, None] * new
        yield state
