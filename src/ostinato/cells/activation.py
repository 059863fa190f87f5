"""The functions that cells apply to every unit, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, nearest

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "identity": lambda a: a,
}


def activation_function(choice: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function of a name, or the function that was given.

    Args:
        choice: "tanh", "relu", "sigmoid", "softplus", "identity", or any function.

    Raises:
        ArgumentError: if the name is not known.
    """
    if not isinstance(choice, str):
        return choice
    if choice not in _ACTIVATIONS:
        raise ArgumentError(f"No activation is called {choice!r}. {nearest(choice, _ACTIVATIONS)}")
    return _ACTIVATIONS[choice]
