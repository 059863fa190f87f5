"""λ by one step after the other, where elements that depend on each other are too many for J.

    λ_{t−1} = J_tᵀ λ_t + g_{t−1}

is a product of a vector and J at every step, which reverse mode takes without J. As exact as the
recurrence over all steps, and as long as a loop in Python over the step and its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import rows_like

Step = Callable[[int, Sequence[Tensor]], list[Tensor]]
"""(t, carry, leaves (B, ...)) -> the new carry after step t."""


def flow_by_steps(
    step: Step, recurrence: Recurrence, before: Sequence[Tensor], grads: Sequence[Tensor]
) -> list[Tensor]:
    """λ, the gradient of f at all steps, leaves (T, B, ...).

    Args:
        step: the core without masks.
        recurrence: direction and masks.
        before: the carries that the steps find, leaves (T, B, ...).
        grads: the gradients of the states after them.
    """
    steps = range(recurrence.steps)
    flow = [grad.clone() for grad in grads]
    for earlier, later in pairwise(steps[::-1] if not recurrence.reverse else steps):
        here = [each[earlier] for each in flow]
        back = _back(step, earlier, [h[earlier] for h in before], here)
        for leaf, mine, own in zip(flow, back, here, strict=True):
            leaf[later] += _masked(recurrence, earlier, mine, own)
    return flow


def _back(
    step: Step, t: int, carry: Sequence[Tensor], flow: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """J_tᵀ λ_t."""
    with torch.enable_grad():
        carry = [h.detach().requires_grad_() for h in carry]
        pairs = zip(step(t, carry), flow, strict=True)
        moving = [(new, grad) for new, grad in pairs if new.requires_grad]
    if not moving:
        return tuple(map(torch.zeros_like, carry))
    new, given = zip(*moving, strict=True)
    return torch.autograd.grad(new, carry, given, allow_unused=True, materialize_grads=True)


def _masked(recurrence: Recurrence, t: int, back: Tensor, flow: Tensor) -> Tensor:
    """Where a row is held, λ goes on as it is; nothing goes back over a restart."""
    if recurrence.valid is not None:
        back = torch.where(rows_like(recurrence.valid[t], back), back, flow)
    if recurrence.restart is not None:
        back = back.masked_fill(rows_like(recurrence.restart[t], back), 0)
    return back
