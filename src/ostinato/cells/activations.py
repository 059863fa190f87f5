"""Activations that cells take by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, nearest

Activation = str | Callable[[Tensor], Tensor]
"""The name of an activation, or any function of one value at a time."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "identity": lambda a: a,
}


def check_activation(activation: Activation) -> None:
    """Raise unless an activation is known, or a function.

    Raises:
        ArgumentError: if there is none of this name.
    """
    if isinstance(activation, str) and activation not in _ACTIVATIONS:
        raise ArgumentError(
            f"No activation is called {activation!r}. {nearest(activation, _ACTIVATIONS)}"
        )


def activate(activation: Activation, a: Tensor) -> Tensor:
    """φ(a), of any shape."""
    return _ACTIVATIONS[activation](a) if isinstance(activation, str) else activation(a)
