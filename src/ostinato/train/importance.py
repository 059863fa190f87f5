"""What a weight is worth, to say which are pruned first.

    size:       abs(w)
    saliency:   abs(w ∂L/∂w), what the loss changes to first order if w becomes zero
    chance:     uniform, for comparison

A weight that is zero is worth nothing by any of them.

Source of the saliency: Lee, Ajanthan & Torr 2019, "SNIP: Single-shot Network Pruning based on
Connection Sensitivity", arXiv 1810.02340.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ostinato.core.errors import ArgumentError

__papers__ = ("sparsity",)

Importance = Callable[[nn.Module, Sequence[str]], Mapping[str, Tensor]]
"""A model and names of its weights to a number ≥ 0 for each of their entries."""


def weight_of(model: nn.Module, name: str) -> Tensor:
    """A weight as it is used, whatever parametrises it."""
    owner, _, tensor = name.rpartition(".")
    weight: Tensor = getattr(model.get_submodule(owner), tensor)
    return weight


def size(model: nn.Module, names: Sequence[str]) -> Mapping[str, Tensor]:
    """The absolute values."""
    return {name: weight_of(model, name).detach().abs() for name in names}


def chance(generator: torch.Generator | None = None) -> Importance:
    """Uniform numbers.

    Args:
        generator: their source; None: torch's own.
    """

    def importance(model: nn.Module, names: Sequence[str]) -> Mapping[str, Tensor]:
        found = {}
        for name in names:
            weight = weight_of(model, name).detach()
            # Above 0, so that only what is zero is worth nothing.
            drawn = 1 - torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            found[name] = drawn.to(weight.device) * (weight != 0)
        return found

    return importance


def saliency(loss: Callable[[], Tensor]) -> Importance:
    """What the loss changes without a weight, to first order.

    Args:
        loss: of the model, on the data that decide.
    """

    def importance(model: nn.Module, names: Sequence[str]) -> Mapping[str, Tensor]:
        trained = [_trained(model, name) for name in names]
        with torch.enable_grad():
            slopes = torch.autograd.grad(loss(), trained)
        return {
            name: (weight_of(model, name).detach() * slope).abs()
            for name, slope in zip(names, slopes, strict=True)
        }

    return importance


def _trained(model: nn.Module, name: str) -> nn.Parameter:
    """The parameter behind a weight; that of a masked one has the same shape."""
    owner, _, tensor = name.rpartition(".")
    module = model.get_submodule(owner)
    if not parametrize.is_parametrized(module, tensor):
        return model.get_parameter(name)
    behind = dict(module.get_submodule(f"parametrizations.{tensor}").named_parameters())
    if set(behind) != {"original"}:
        raise ArgumentError(
            f"The saliency of {name} needs one trained number for each of its entries, and it is "
            f"made of {sorted(behind)}. Prune it by `size`, or before it is parametrised."
        )
    return behind["original"]
