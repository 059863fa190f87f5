"""How gradients reach what a segment does not hold: not at all, or forward in time.

Both run a segment of M steps from what was carried to it, and differ in what they carry on:

- "tbptt": the state. Its gradient ends at the segment's border.
- "rtrl": the state and its sensitivities ∂h/∂θ (`train/rtrl`). The gradient reaches back to the
  first step of the episode; of several layers that of the last one does.

Where an episode begins, both begin anew.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.state import State, detach
from ostinato.over.time import RNN, Stack
from ostinato.train.rtrl.learner import RTRL, Carried

__papers__ = ("rtrl",)

LEARNERS = ("tbptt", "rtrl")


class Learner(Protocol):
    """Runs segments."""

    def __call__(
        self,
        x: Tensor,
        carried: Carried | None = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, Carried]:
        """Run a segment.

        Args:
            x: inputs (E, M, I).
            carried: what the segment before returned; None before the first.
            lengths: (E,) valid steps of each row.
            resets: (E, M) bool, true where an episode begins.

        Returns:
            The layer's outputs (E, M, H), and what is carried on, with rows first.
        """


class TBPTT:
    """Truncated backpropagation: the state goes on, its gradient does not.

    Args:
        layer: runs the segments.
    """

    def __init__(self, layer: RNN | Stack) -> None:
        self.layer = layer

    def __call__(
        self,
        x: Tensor,
        carried: Carried | None = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, Carried]:
        """Run a segment; see `Learner`."""
        hidden, state = self.layer(x, layer_state(self.layer, carried), lengths, resets)
        state = detach(state)
        if isinstance(self.layer, Stack):
            return hidden, Carried(state[-1], None, state[:-1] or None)
        return hidden, Carried(state)


def layer_state(layer: RNN | Stack, carried: Carried | None) -> State:
    """The state of the whole layer in what a learner carries; None if that is None."""
    if carried is None:
        return None
    if isinstance(layer, Stack):
        return (*(carried.below or ()), carried.state)
    return carried.state


def make_learner(name: str, layer: RNN | Stack) -> Learner:
    """A learner by its name.

    Raises:
        ArgumentError: if there is none of this name.
    """
    if name not in LEARNERS:
        raise ArgumentError(f"There is no learner {name!r}. {nearest(name, LEARNERS)}")
    return TBPTT(layer) if name == "tbptt" else RTRL(layer)
