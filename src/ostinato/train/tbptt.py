"""Truncated backpropagation through time, TBPTT(k1, k2).

Williams & Peng 1990, "An efficient gradient-based algorithm for on-line training of recurrent
network trajectories": every k1 steps the losses of those k1 steps are back-propagated through at
most k2 ≥ k1 steps, the weights are updated, and the state goes on. k1 = k2 is training in chunks;
k1 = k2 = T is full backpropagation; TBPTT(1, T) is the full gradient of each step's loss.

    for window in tbptt(model, x, k1=20, k2=60):
        loss(window.outputs, targets[:, window.start : window.stop]).backward()
        optimizer.step()
        optimizer.zero_grad()

With k2 > k1 the last k2 − k1 steps before a window are run once more, from the detached state
that stood there, with the weights as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, detach

Model = Callable[..., tuple[Tensor, State]]
"""(x, state) -> (outputs, state), batch first; with resets: (x, state, resets=...)."""


@dataclass(frozen=True)
class Window:
    """Outputs whose losses are to be back-propagated now.

    Attributes:
        start: the first step of the window.
        stop: the step behind its last.
        outputs: (B, stop − start, ...), with a graph that reaches back at most k2 steps.
        state: after the last step, detached.
    """

    start: int
    stop: int
    outputs: Tensor
    state: State


def tbptt(
    model: Model,
    x: Tensor,
    k1: int,
    k2: int | None = None,
    state: State = None,
    resets: Tensor | None = None,
) -> Iterator[Window]:
    """Run over x in windows of k1 steps; back-propagate and update between them.

    Args:
        model: maps (x, state) to (outputs, state); None stands for its initial state.
        x: inputs (B, T, ...).
        k1: steps per window; the last window may be shorter.
        k2: how many steps gradients go back at most; None: k1.
        state: state before the first step.
        resets: (B, T) bool, true where a new sequence begins.

    Raises:
        ArgumentError: unless 1 ≤ k1 ≤ k2.
    """
    k2 = k1 if k2 is None else k2
    if not 1 <= k1 <= k2:
        raise ArgumentError(f"TBPTT needs 1 <= k1 <= k2, got k1={k1}, k2={k2}.")
    return _windows(model, x, k1, k2, state, resets)


def _windows(
    model: Model, x: Tensor, k1: int, k2: int, state: State, resets: Tensor | None
) -> Iterator[Window]:
    steps, origin = x.shape[1], 0
    for start in range(0, steps, k1):
        stop = min(start + k1, steps)
        # the graph of the next window begins here, so its state must be kept
        following = min(max(0, start + 2 * k1 - k2), stop)
        parts, at_following, last = [], state, state
        for begin, end in ((origin, following), (following, stop)):
            if begin < end:
                y, last = model(x[:, begin:end], last, **_reset_slice(resets, begin, end))
                parts.append(y)
            if end == following:
                at_following = last
        outputs = torch.cat(parts, 1)[:, start - origin :]
        yield Window(start, stop, outputs, detach(last))
        origin, state = following, detach(at_following)


def _reset_slice(resets: Tensor | None, begin: int, end: int) -> dict[str, Any]:
    return {} if resets is None else {"resets": resets[:, begin:end]}
