"""The gradient of states that solve a system: that of the implicit function theorem, once.

With J held at the solution it is one affine recurrence backwards. J itself depends on the states,
so the gradient must not be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import EngineError
from ostinato.engines.parallel.full_precision import full_precision

Flow = Callable[[Sequence[Tensor], Sequence[Tensor]], list[Tensor]]
"""(carries before all steps, gradients of the states) -> λ, the gradients of f at all steps."""


class FirstOrder(torch.autograd.Function):
    """The same values, whose gradient must not be differentiated: J was held fixed in it."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        """The values."""
        return h.view_as(h)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """The gradient, unless it is to be differentiated."""
        if torch.is_grad_enabled():
            raise EngineError(
                "The gradient of states that Newton's method found cannot be differentiated "
                "again. Where create_graph=True is needed, run a cell with engine='fused' or "
                "'reference'."
            )
        return grads[0]


class Implicit(torch.autograd.Function):
    """States that were found without autograd, whose gradient reaches f at all steps."""

    @staticmethod
    def forward(ctx: Any, flow: Flow, *given: Tensor) -> Any:
        """The states that were found, the second third of `given`.

        Before it stand the states that each step begins from, behind it f at all steps.
        """
        count = len(given) // 3
        ctx.flow = flow
        ctx.save_for_backward(*given[:count])
        return tuple(h.view_as(h) for h in given[count : 2 * count])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """λ."""
        unread = [None] * (1 + 2 * len(grads))
        with torch.no_grad(), full_precision(grads[0]):
            return (*unread, *ctx.flow(ctx.saved_tensors, grads))
