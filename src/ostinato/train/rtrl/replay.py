"""Sensitivities without the traces of old weights: the last segments once more, with the new ones.

Where weights are updated between segments, S is what older weights made of it. Here it is carried
on from before the last segments at every call, with the weights as they are now: stale is only
what lies before these, at the price of running them again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.core.state import detach
from ostinato.train.rtrl.learner import RTRL, Carried

__papers__ = ("rtrl",)


class Heard(NamedTuple):
    """The inputs of one segment."""

    x: Any
    lengths: Tensor | None
    resets: Tensor | None


class Past(NamedTuple):
    """What goes from call to call.

    Attributes:
        before: what was carried before the segments; None: nothing yet.
        segments: that are run again, oldest first.
    """

    before: Carried | None
    segments: tuple[Heard, ...]


class Replay:
    """An `RTRL` that runs the last segments again at every call; called alike.

    Args:
        learner: what runs a segment.
        segments: how many are run again, at least 1.

    Raises:
        ArgumentError: if it is less.
    """

    def __init__(self, learner: RTRL, segments: int) -> None:
        if segments < 1:
            raise ArgumentError(f"At least 1 segment is to be run again; got {segments}.")
        self.learner, self.segments = learner, segments

    def __call__(
        self,
        x: Any,
        past: Past | None = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Any, Past]:
        """Run a segment; see `RTRL`."""
        before, segments = past or Past(None, ())
        with torch.no_grad():
            if len(segments) > self.segments:
                _, before = self.learner(segments[0].x, before, *segments[0][1:])
                segments = segments[1:]
            carried = before
            for each in segments:
                _, carried = self.learner(each.x, carried, *each[1:])
        y, _ = self.learner(x, carried, lengths, resets)
        return y, Past(before, (*segments, Heard(detach(x), lengths, resets)))
