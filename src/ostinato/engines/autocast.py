"""Autocast around a call, made part of its step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, map_state


def autocast_inside(recurrence: Recurrence, device: str) -> Recurrence:
    """Under autocast, the same with a step that enters it by itself and keeps its carry's dtype.

    Args:
        recurrence: the call.
        device: the kind of device of its tensors.
    """
    if not torch.is_autocast_enabled(device):
        return recurrence
    dtype = torch.get_autocast_dtype(device)

    def step(carry: State, x: Any) -> tuple[State, Any]:
        # Without its cache, in which a trace would leave tensors that have no numbers.
        with torch.autocast(device, dtype, cache_enabled=False):
            new, y = recurrence.step(carry, x)
        return map_state(lambda a, b: a.to(b.dtype), new, carry), y

    identity = recurrence.identity and (*recurrence.identity, dtype)
    return replace(recurrence, step=step, identity=identity)
