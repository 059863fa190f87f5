"""How long engines would take for a recurrence on a device, where they can say so.

On the CPU engines are chosen by rank and by what they doubt, which costs no more than a question;
a device has more ways to be fast, and which is best depends on T and B.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, leaves


@dataclass(frozen=True)
class Estimate:
    """The time of a call.

    Attributes:
        microseconds: with its gradient, if one is wanted.
        origin: where the numbers come from that it is computed by.
        measured: what was measured besides, in words.
    """

    microseconds: float
    origin: str
    measured: str | None = None

    def __str__(self) -> str:
        measured = f", {self.measured}" if self.measured else ""
        return f"about {self.microseconds:,.0f} µs{measured}"


@runtime_checkable
class Estimating(Protocol):
    """An engine that knows how long it takes on a device."""

    def estimate(self, recurrence: Recurrence) -> Estimate | None:
        """The time of a recurrence that it does not decline; None: not known."""


@runtime_checkable
class Contesting(Protocol):
    """An engine whose estimate is to be compared with another engine by the clock."""

    def faster(
        self, recurrence: Recurrence, rival: str, estimates: Mapping[str, Estimate]
    ) -> bool | None:
        """Whether it is faster than the rival, as measured; None: estimates decide.

        Args:
            recurrence: what both engines take.
            rival: the other engine of the best estimate.
            estimates: of both.
        """


def at(state: State) -> AbstractContextManager[object]:
    """Makes the device of a state the current one, whose rates and kernels are then meant."""
    # On the CPU this stands around every call and must cost nothing.
    first = leaves(state)[:1] if torch.cuda._initialized else []
    return torch.cuda.device(first[0].device) if first and first[0].is_cuda else nullcontext()


def on_device(recurrence: Recurrence) -> bool:
    """Whether the state lies on a device that estimates are made for."""
    # Without this question first, every call on the CPU would look for its device.
    if not torch.cuda._initialized:
        return False
    return any(leaf.device.type == "cuda" for leaf in leaves(recurrence.init)[:1])
