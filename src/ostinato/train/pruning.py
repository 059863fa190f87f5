"""Pruning: the smallest weights of a trained model, or the least important, become and stay zero.

    θ = p-th percentile of the sizes of all weights of the scope
    M = (size of W ≥ θ),    W ← W ⊙ M

    model = ...                                    # trained
    prune(model, 0.8, scope="recurrent")           # then train on: masks hold
    finish(model)                                  # ordinary weights with zeros again

The masks are parametrisations, so that any cell, engine and optimiser is served. Gradients of
what is masked are zero, also those of Adam. A masked weight is made once a call, not at every step,
and after `finish` not at all; the dense kernels then multiply by zeros, which costs what any other
number costs.

Source: Darji 2024, arXiv 2407.20601 (one shot, pooled over layers as its code has it); Han, Pool,
Tran & Dally 2015, arXiv 1506.02626; the gradual schedule: Zhu & Gupta 2017, arXiv 1710.01878.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ostinato.core.errors import ArgumentError, nearest
from ostinato.train.importance import Importance, size, weight_of
from ostinato.wrap.weights import Mask, parametrise

__papers__ = ("sparsity",)

_SCOPES: dict[str, tuple[str, ...]] = {
    "input": ("input", "weight_ih"),
    "recurrent": ("recur", "weight_hh"),
    "both": ("input", "weight_ih", "recur", "weight_hh"),
}


def recurrent_weights(model: nn.Module, scope: str = "both") -> list[str]:
    """Names of the matrices of the recurrent layers of a model, not of encoder and head.

    Args:
        model: with cells whose linear maps are called "input…" and "recur…", or with torch.nn's
            recurrent layers.
        scope: "input", "recurrent" or "both".

    Raises:
        ArgumentError: if there is no such scope, or the model has no such matrix.
    """
    if scope not in _SCOPES:
        raise ArgumentError(f"There is no scope {scope!r}. {nearest(scope, _SCOPES)}")
    names = [
        name
        for name in _matrices(model)
        if any(part.startswith(_SCOPES[scope]) for part in name.split(".")[-2:])
    ]
    if not names:
        raise ArgumentError(
            f"{type(model).__name__} has no matrices of the scope {scope!r}: expected linear maps "
            "called 'input…' and 'recur…'. Give names to `prune` instead of a scope."
        )
    return names


@torch.no_grad()
def prune(
    model: nn.Module,
    sparsity: float,
    scope: str | Iterable[str] = "both",
    *,
    pooled: bool = True,
    by: Importance = size,
) -> dict[str, float]:
    """Mask the least important weights; at sparsity 1 the most important one is left.

    What was masked before stays masked as long as the sparsity does not fall.

    Args:
        model: is changed.
        sparsity: the share of the weights that is to be zero.
        scope: as for `recurrent_weights`, or names of matrices.
        pooled: whether one threshold serves all matrices, or each has its own.
        by: what is important, of `train.importance`: the size, or a saliency, or chance.

    Returns:
        The share that is kept of each matrix.

    Raises:
        ArgumentError: if `sparsity` is not in [0, 1], or there are no such matrices.
    """
    if not 0 <= sparsity <= 1:
        raise ArgumentError(f"sparsity must lie in [0, 1]; got {sparsity}.")
    names = recurrent_weights(model, scope) if isinstance(scope, str) else list(scope)
    worth = by(model, names)
    for group in [worth] if pooled else [{name: each} for name, each in worth.items()]:
        threshold = percentile(group, 100 * sparsity)
        for name, each in group.items():
            _mask(model, name, each >= threshold)
    weights = {name: weight_of(model, name) for name in names}
    return {name: float(w.count_nonzero()) / w.numel() for name, w in weights.items()}


def percentile(worth: Mapping[str, Tensor], p: float) -> float:
    """The p-th percentile of all entries together, between two of them by linear interpolation."""
    ordered = torch.cat([each.flatten() for each in worth.values()]).double().sort().values
    place = p / 100 * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def gradual_sparsity(progress: float, final: float, begin: float = 0.0, end: float = 1.0) -> float:
    """The cubic schedule: fast while much is superfluous, slow at the end.

        s = final (1 − (1 − (progress − begin) / (end − begin))³)

    Args:
        progress: of the training, from 0 to 1.
        final: the sparsity from `end` on.
        begin: the progress at which pruning begins.
        end: at which it ends.
    """
    share = min(max((progress - begin) / (end - begin), 0.0), 1.0)
    return final * (1 - (1 - share) ** 3)


@torch.no_grad()
def finish(model: nn.Module) -> nn.Module:
    """Make masked weights ordinary ones with zeros; other parametrisations stay."""
    for module in model.modules():
        if not parametrize.is_parametrized(module):
            continue
        # Copies share a class that torch takes the weight from: this one gets a class of its own.
        kind = type(module)
        module.__class__ = type(kind.__name__, kind.__bases__, dict(kind.__dict__))
        for name, parts in list(module.parametrizations.items()):  # type: ignore[union-attr, operator]
            if all(isinstance(part, Mask) for part in parts):
                parametrize.remove_parametrizations(module, name)
    return model


def _mask(model: nn.Module, name: str, kept: Tensor) -> None:
    owner, _, tensor = name.rpartition(".")
    module = model.get_submodule(owner)
    if parametrize.is_parametrized(module, tensor):
        last = module.get_submodule(f"parametrizations.{tensor}")[-1]  # type: ignore[index]
        if isinstance(last, Mask):
            last.mask.copy_(kept)
            return
    parametrise(model, {name: Mask(kept)})


def _matrices(model: nn.Module) -> list[str]:
    """The matrices of a model under the names by which they are used."""
    found = []
    for path, module in model.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue
        names = [name for name, _ in module.named_parameters(recurse=False)]
        if parametrize.is_parametrized(module):
            names += module.get_submodule("parametrizations")._modules
        own = (f"{path}.{name}" if path else name for name in names)
        found += [name for name in own if weight_of(model, name).dim() == 2]
    return found
