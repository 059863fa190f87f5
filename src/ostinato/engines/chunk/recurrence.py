"""The recurrence of a matrix state as one operation with a gradient of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.engines.chunk.chunkwise import chunkwise, chunkwise_backward
from ostinato.engines.chunk.operands import Operands
from ostinato.engines.chunk.stepwise import stepwise

# Rows of the triangular system of a chunk.
_ROWS = 64


def recur(operands: Operands, state: Tensor, size: int | None = None) -> tuple[Tensor, Tensor]:
    """o (R, T, V) and the last state (R, K, V), differentiable any number of times.

    Args:
        operands: of the recurrence, float32 or float64.
        state: before the first step.
        size: steps in a chunk, a power of 2; None: what is fast.
    """
    if not operands.q.shape[1] or not operands.q.shape[0]:
        return operands.v.new_zeros(*operands.q.shape[:2], operands.v.shape[-1]), state
    if _transformed():
        # What torch.func and forward mode follow is torch's own operations.
        return stepwise(operands, state)
    size = size or max(16, _ROWS >> (operands.updates - 1).bit_length())
    o, last = _Recurrence.apply(size, state, *operands)  # type: ignore[no-untyped-call]
    return o, last


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, size: int, state: Tensor, *operands: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        o, last, starts, written = chunkwise(Operands(*operands), state, size)  # type: ignore[arg-type]
        ctx.size = size
        ctx.save_for_backward(starts, written, last, state, *operands)
        return o, last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        starts, written, last, state, *operands = ctx.saved_tensors
        given = Operands(*operands)
        if torch.is_grad_enabled():
            return None, *_step_by_step(given, state, grads)
        grad_o, grad_last = grads
        found, first = chunkwise_backward(given, starts, written, last, grad_o, grad_last, ctx.size)
        return None, first, *found


def _step_by_step(
    operands: Operands, state: Tensor, grads: tuple[Tensor, ...]
) -> list[Tensor | None]:
    """The gradients of the state and the operands, which can be differentiated again."""
    given = (state, *operands)
    wanted = [each for each in given if each is not None and each.requires_grad]
    outputs = stepwise(operands, state)
    found = torch.autograd.grad(outputs, wanted, grads, create_graph=True, allow_unused=True)
    gradients = iter(found)
    return [next(gradients) if each is not None and each.requires_grad else None for each in given]


def _transformed() -> bool:
    """Whether a transform of torch.func, or forward mode, looks at the operations."""
    inside = torch._C._functorch.peek_interpreter_stack() is not None
    return inside or torch.autograd.forward_ad._current_level >= 0
