"""The states of a core that is affine in its carry, on a device: A and b in registers only.

The gradient is found by the same kernels with A transposed, and torch differentiates the core at
all steps. Where a gradient is to be differentiated again, it is that of the scan over A and b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.parallel.device.newton import Kernels, stacked
from ostinato.engines.parallel.system import System, affine_states


def states_of_kernels(system: System, kernels: Kernels) -> list[Tensor]:
    """The states (T, B, ...) of a system, differentiable any number of times.

    Args:
        system: the equations.
        kernels: that solve it.
    """
    return list(_States.apply(system, kernels, *system.read))  # type: ignore[no-untyped-call]


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, system: System, kernels: Kernels, *read: Tensor) -> Any:
        init = system.init
        found = [h.reshape(len(h), *h0.shape) for h, h0 in zip(kernels.solve(), init, strict=True)]
        ctx.system, ctx.kernels = system, kernels
        ctx.save_for_backward(*read, *found)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        count, again = len(ctx.saved_tensors) - len(grads), torch.is_grad_enabled()
        with torch.enable_grad():
            # Views, behind which no gradient is looked for.
            read = [each.view_as(each) for each in ctx.saved_tensors[:count]]
            system = ctx.system.reading(read)
            if again:
                results = affine_states(replace(system, kernels=None))
            else:
                before = system.before([h.detach() for h in ctx.saved_tensors[count:]])
                results = system.held(system.values(before), before)
                grads = _flow(ctx.kernels, before, grads)
            return None, None, *_gradients(results, read, grads, again)


@torch.no_grad()
def _flow(
    kernels: Kernels, before: Sequence[Tensor], grads: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The gradients of the core's values at all steps."""
    flow = kernels.back(stacked(before), stacked(grads))
    return tuple(each.reshape(grad.shape) for each, grad in zip(flow, grads, strict=True))


def _gradients(
    results: Sequence[Tensor], read: Sequence[Tensor], grads: Sequence[Tensor], again: bool
) -> list[Tensor | None]:
    """Those of what was read, None where there are none."""
    pairs = [(r, g) for r, g in zip(results, grads, strict=True) if r.requires_grad]
    wanted = [each for each in read if each.requires_grad]
    if not pairs or not wanted:
        return [None] * len(read)
    outputs, cotangents = zip(*pairs, strict=True)
    found = iter(
        torch.autograd.grad(outputs, wanted, cotangents, create_graph=again, allow_unused=True)
    )
    return [next(found) if each.requires_grad else None for each in read]
