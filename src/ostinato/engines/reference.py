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
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, describe, index, leaves, map_state, stack


class Reference:
    """Evaluate step by step in Python."""

    name = "reference"
    summary = "Python loop over the step itself; takes everything"
    rank = 0

    def decline(self, recurrence: Recurrence) -> str | None:
        """Never: this engine takes everything."""
        return None

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...)."""
        recurrence = recurrence.without_masks()
        if recurrence.steps == 0:
            return recurrence.init, recurrence.empty_outputs()
        if recurrence.checkpoint is None or not torch.is_grad_enabled():
            carry, ys = _loop(recurrence, recurrence.init, 0, recurrence.steps)
            return carry, stack(ys)
        return _checkpointed(recurrence, recurrence.checkpoint)


def _loop(recurrence: Recurrence, carry: State, begin: int, end: int) -> tuple[State, list[Any]]:
    """Run the steps begin … end−1, outputs in the order of time."""
    steps = range(begin, end)
    ys = []
    # A parametrised weight is computed once, not at every step.
    with parametrize.cached():
        for t in reversed(steps) if recurrence.reverse else steps:
            carry, y = _one_step(recurrence, carry, t)
            ys.append(y)
    return carry, ys[::-1] if recurrence.reverse else ys


def _one_step(recurrence: Recurrence, carry: State, t: int) -> tuple[State, Any]:
    result = recurrence.step(carry, index(recurrence.xs, t))
    if not (isinstance(result, tuple) and len(result) == 2):
        raise CellError(
            f"The step {recurrence.name} must return two things, the state and the output; "
            f"got {describe(result)}."
        )
    new, y = result
    if torch.is_autocast_enabled(_device_type(recurrence.init)):
        # The state keeps its precision: autocast is for the operations inside the step.
        new = map_state(lambda a, b: a.to(b.dtype), new, carry)
    if t == recurrence.first_step():
        recurrence.check_carry(new)
    return new, y


def _checkpointed(recurrence: Recurrence, interval: int) -> tuple[State, Any]:
    """Segments of `interval` steps, of which only the incoming carry is stored."""
    begins = range(0, recurrence.steps, interval)
    carry, segments = recurrence.init, []
    for begin in reversed(begins) if recurrence.reverse else begins:
        end = min(begin + interval, recurrence.steps)
        carry, ys = checkpoint(_loop, recurrence, carry, begin, end, use_reentrant=False)
        segments.append(ys)
    if recurrence.reverse:
        segments.reverse()
    return carry, stack([y for ys in segments for y in ys])


def _device_type(carry: State) -> str:
    tensors = leaves(carry)
    return tensors[0].device.type if tensors else "cpu"
