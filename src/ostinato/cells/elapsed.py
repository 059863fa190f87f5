"""Inputs with the time since the step before, for cells in continuous time."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ostinato.core.errors import ShapeError


def with_elapsed(x: Any) -> tuple[Tensor, Tensor | float]:
    """The features of a step, and the time since the step before.

    One time for each row is (B, 1) and nothing else: (B,) would be spread over the units
    wherever B happens to equal H, and be wrong without a word.

    Args:
        x: features (B, D), one unit of time after the step before; or (features, time) with
            time (B, 1).

    Raises:
        ShapeError: if the time has another shape.
    """
    if isinstance(x, Tensor):
        return x, 1.0
    features, elapsed = x
    if elapsed.dim() != 2 or elapsed.shape[1] != 1:
        raise ShapeError(
            "The time since the step before is (B, 1), over a sequence (B, T, 1), beside "
            f"features (B, D); got {list(elapsed.shape)} beside {list(features.shape)}. "
            "Add the last axis: elapsed.unsqueeze(-1)."
        )
    return features, elapsed
