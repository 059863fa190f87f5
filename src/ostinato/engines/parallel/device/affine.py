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

from ostinato.engines.parallel.device.newton import flow, together
from ostinato.engines.parallel.system import System, affine_states


def states_of_kernels(system: System) -> list[Tensor]:
    """The states (T, B, ...) of a system that kernels solve, differentiable any number of times."""
    return list(_States.apply(system, *system.read))  # type: ignore[no-untyped-call]


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, system: System, *read: Tensor) -> Any:
        found = together(system.kernels, [each.solve() for each in system.kernels])
        ctx.system = system
        ctx.save_for_backward(*read, *found)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        grads: Sequence[Tensor] = given
        count, again = len(ctx.saved_tensors) - len(grads), torch.is_grad_enabled()
        with torch.enable_grad():
            # Views, behind which no gradient is looked for.
            read = [each.view_as(each) for each in ctx.saved_tensors[:count]]
            system = ctx.system.reading(read)
            if again:
                results = affine_states(replace(system, kernels=()))
            else:
                before = system.before([h.detach() for h in ctx.saved_tensors[count:]])
                results = system.held(system.values(before), before)
                with torch.no_grad():
                    grads = flow(system.kernels, before, grads)
            return None, *_gradients(results, read, grads, again)


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
