"""The reference engine: a Python loop over the user's own step. It defines the meaning.

It takes every recurrence, and everything that torch can do to plain operations works through
it: `torch.func` transforms, forward mode, double backward, autocast, hooks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from ostinato.core.errors import CellError
from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.state import State, describe, leaves, map_state, split, stack, unbind
from ostinato.engines.rates import rates

# Times as long with the gradient, of published times on an H100 (see `rates`).
_TRAINING = 3.3


class Reference:
    """Evaluate step by step in Python."""

    name = "reference"
    summary = "Python loop over the step itself; takes everything"
    rank = 0

    def decline(self, recurrence: Recurrence) -> str | None:
        """Never: this engine takes everything."""
        return None

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never."""
        return None

    def estimate(self, recurrence: Recurrence) -> Estimate:
        """The time that Python takes on a device, whatever the step computes."""
        found = rates()
        passes = _TRAINING if torch.is_grad_enabled() else 1
        return found.estimate(recurrence.steps * found.python_step * passes)

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...)."""
        recurrence = recurrence.without_masks()
        if recurrence.steps == 0:
            return recurrence.init, recurrence.empty_outputs()
        if recurrence.checkpoint is None or not torch.is_grad_enabled():
            carry, ys = _loop(recurrence, recurrence.init, recurrence.xs, first=True)
        else:
            carry, ys = _checkpointed(recurrence, recurrence.checkpoint)
        return carry, stack(ys)


def _loop(recurrence: Recurrence, carry: State, xs: Any, first: bool) -> tuple[State, list[Any]]:
    """Run some steps; outputs in the order of time.

    Args:
        recurrence: what the steps are of.
        carry: before them.
        xs: their inputs.
        first: whether no step was run before.
    """
    order = -1 if recurrence.reverse else 1
    ys: list[Any] = []
    # A parametrised weight is computed once, not at every step.
    with parametrize.cached():
        for x in unbind(xs)[::order]:
            new, y = _one_step(recurrence, carry, x)
            if first and not ys:
                recurrence.check_carry(new)
            carry = new
            ys.append(y)
    return carry, ys[::order]


def _one_step(recurrence: Recurrence, carry: State, x: Any) -> tuple[State, Any]:
    result = recurrence.step(carry, x)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise CellError(
            f"The step {recurrence.name} must return two things, the state and the output; "
            f"got {describe(result)}."
        )
    new, y = result
    if torch.is_autocast_enabled(_device_type(carry)):
        # The state keeps its precision: autocast is for the operations inside the step.
        new = map_state(lambda a, b: a.to(b.dtype), new, carry)
    return new, y


def _checkpointed(recurrence: Recurrence, interval: int) -> tuple[State, list[Any]]:
    """Segments of `interval` steps, of which only the incoming carry is stored."""
    order = -1 if recurrence.reverse else 1
    carry = recurrence.init
    segments: list[list[Any]] = []
    for xs in split(recurrence.xs, interval)[::order]:
        first = not segments
        carry, ys = checkpoint(_loop, recurrence, carry, xs, first, use_reentrant=False)
        segments.append(ys)
    return carry, [y for ys in segments[::order] for y in ys]


def _device_type(carry: State) -> str:
    tensors = leaves(carry)
    return tensors[0].device.type if tensors else "cpu"
