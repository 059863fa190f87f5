"""A stage that computes in single precision where its step asks for 16 bits."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, fx

V = TypeVar("V")
_NARROW = (torch.bfloat16, torch.float16)


def widen(stage: fx.GraphModule) -> fx.GraphModule:
    """A stage without roundings to 16 bits, to be given values that `wide` has converted.

    Args:
        stage: the stage, changed in place.
    """
    for node in stage.graph.nodes:
        if node.kwargs.get("dtype") in _NARROW:
            node.kwargs = {**node.kwargs, "dtype": torch.float32}
    stage.recompile()
    return stage


def wide(value: V) -> V:
    """A tensor of 16 bits in float32, anything else as it is."""
    narrow = isinstance(value, Tensor) and value.dtype in _NARROW
    return value.float() if narrow else value  # type: ignore[attr-defined]
