"""The recurrence of a matrix state as one operation with a gradient of its own.

Compiled code does it, on the CPU in C++, on CUDA in Triton; elsewhere
torch's products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.chunk import device, kernel
from ostinato.engines.chunk.chunkwise import chunkwise, chunkwise_backward
from ostinato.engines.chunk.operands import Operands
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.stepwise import stepwise

# Rows of the triangular system of a chunk.
_ROWS = 32


def recur(
    steps: Steps, state: Tensor, scale: float = 1.0, size: int | None = None
) -> tuple[Tensor, Tensor]:
    """o (B, T, H, V) and the last state (B, H, K, V), differentiable any number of times.

    Args:
        steps: of the recurrence, float32 or float64.
        state: before the first step (B, H, K, V).
        scale: of q.
        size: steps in a chunk, a power of 2; None: what is fast. CUDA has its own.
    """
    batch, count, heads, _ = steps.q.shape
    if not steps.q.shape[:3].numel():
        return steps.v.new_zeros(batch, count, heads, steps.v.shape[-1]), state
    size = size or chunk_size(count, steps.updates)
    with _exactly(state.device.type):
        return _recur(steps, state, scale, size)


def _recur(steps: Steps, state: Tensor, scale: float, size: int) -> tuple[Tensor, Tensor]:
    if not _transformed() and (kernel.compiled(steps) or device.compiled(steps)):
        delta = steps.erase is steps.k
        given = steps._replace(erase=None) if delta else steps
        # Inside the operation gradients are always off, and leaves always want theirs.
        options = scale, size, delta, torch.is_grad_enabled()
        o, last = _Compiled.apply(*options, state, *given)  # type: ignore[no-untyped-call]
        return o, last
    operands, flat = steps.by_heads(scale), state.flatten(0, 1)
    if _transformed():
        # What torch.func and forward mode follow is torch's own operations.
        o, last = stepwise(operands, flat)
    else:
        o, last = _Chunkwise.apply(size, flat, *operands)  # type: ignore[no-untyped-call]
    return torch.unflatten(o, 0, state.shape[:2]).transpose(1, 2), last.view_as(state)


def _exactly(device: str) -> AbstractContextManager[Any]:
    """Without autocast, which would multiply in its own precision."""
    # Not every kind of device knows it.
    available = torch.amp.autocast_mode.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        scale: float,
        size: int,
        delta: bool,
        recorded: bool,
        state: Tensor,
        *given: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        ctx.options, keep = (scale, size, delta), recorded and any(ctx.needs_input_grad)
        steps = _steps(given, delta)
        if steps.q.is_cuda:
            o, last, kept = device.forward(steps, state, scale, keep)
        else:
            o, last, kept = kernel.forward(steps, state, scale, size, keep)
        if kept is not None:
            ctx.save_for_backward(*kept, state, *given)
        return o, last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        starts, written, last, state, *given = ctx.saved_tensors
        scale, size, delta = ctx.options
        if torch.is_grad_enabled():

            def run(state: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
                operands = _steps(given, delta).by_heads(scale)
                o, last = stepwise(operands, state.flatten(0, 1))
                heads = (len(state), state.shape[1])
                return torch.unflatten(o, 0, heads).transpose(1, 2), last.view_as(state)

            return None, None, None, None, *_again(run, (state, *given), grads)
        kept = kernel.Kept(starts, written, last)
        grad_o, grad_last = grads
        steps = _steps(given, delta)
        if grad_o.is_cuda:
            found, first = device.backward(steps, kept, grad_o, grad_last, scale)
        else:
            found, first = kernel.backward(steps, kept, grad_o, grad_last, scale, size)
        return None, None, None, None, first, *found


def _steps(given: Sequence[Tensor | None], delta: bool) -> Steps:
    """What autograd was given; `delta`: the erase key is k."""
    steps = Steps(*given)  # type: ignore[arg-type]
    return steps._replace(erase=steps.k) if delta else steps


class _Chunkwise(torch.autograd.Function):
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
        if torch.is_grad_enabled():

            def run(state: Tensor, *operands: Tensor) -> tuple[Tensor, Tensor]:
                return stepwise(Operands(*operands), state)

            return None, *_again(run, (state, *operands), grads)
        grad_o, grad_last = grads
        found, first = chunkwise_backward(
            Operands(*operands), starts, written, last, grad_o, grad_last, ctx.size
        )
        return None, first, *found


def _again(
    run: Callable[..., tuple[Tensor, Tensor]],
    given: Sequence[Tensor | None],
    grads: tuple[Tensor, ...],
) -> list[Tensor | None]:
    """Gradients step by step, which can be differentiated again."""
    # A tensor that is given twice has two gradients here, each that of its own place.
    apart = [x if x is None else x.view_as(x) for x in given]
    wanted = [x for x in apart if x is not None and x.requires_grad]
    found = torch.autograd.grad(run(*apart), wanted, grads, create_graph=True, allow_unused=True)
    gradients = iter(found)
    return [next(gradients) if x is not None and x.requires_grad else None for x in apart]


def chunk_size(steps: int, updates: int) -> int:
    """A chunk in which neither the triangular system nor the padding is large.

    Args:
        steps: T.
        updates: n.
    """
    most = max(16, _ROWS >> (updates - 1).bit_length())
    return min(most, 1 << (steps - 1).bit_length())


def _transformed() -> bool:
    """Whether a transform of torch.func, or forward mode, looks at the operations."""
    inside = torch._C._functorch.peek_interpreter_stack() is not None
    return inside or torch.autograd.forward_ad._current_level >= 0
