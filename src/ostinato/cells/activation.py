"""Activations by name, for cells that take any."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, nearest

Activation = str | Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "hardtanh": F.hardtanh,
    "identity": lambda a: a,
}


def check_activation(activation: Activation) -> None:
    """Raise unless an activation is a function or has a known name.

    Raises:
        ArgumentError: if no activation has the name.
    """
    if isinstance(activation, str) and activation not in _ACTIVATIONS:
        raise ArgumentError(
            f"No activation is called {activation!r}. {nearest(activation, _ACTIVATIONS)}"
        )


def activate(activation: Activation, a: Tensor) -> Tensor:
    """φ(a), for a φ given by its name or as a function."""
    return _ACTIVATIONS[activation](a) if isinstance(activation, str) else activation(a)
