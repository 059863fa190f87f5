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
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "hardtanh": F.hardtanh,
    "identity": lambda a: a,
}


def activation_function(activation: Activation) -> Callable[[Tensor], Tensor]:
    """The function φ of a name, or the function that was given.

    Raises:
        ArgumentError: if no activation has the name.
    """
    if not isinstance(activation, str):
        return activation
    if activation not in _ACTIVATIONS:
        raise ArgumentError(
            f"No activation is called {activation!r}. {nearest(activation, _ACTIVATIONS)}"
        )
    return _ACTIVATIONS[activation]
