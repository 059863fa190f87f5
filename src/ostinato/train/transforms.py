"""Gradient transforms: what happens between `backward` and the optimizer's step, in order.

    chain = Chain([ClipNorm(1.0), GradientNoise(eta=0.01)])
    loss.backward()
    chain(optimizer.param_groups)          # or chain(model.parameters())
    optimizer.step()

A transform changes `.grad` in place. It counts optimizer steps, never micro-batches, because
it is called once per optimizer step. With a gradient scaler, unscale first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ostinato.core.errors import ArgumentError, CheckpointError

Parameters: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]]
"""Parameters, or an optimizer's `param_groups`."""


class GradientTransform(ABC):
    """Changes the gradients of a step in place; its state goes into the checkpoint."""

    @abstractmethod
    def __call__(self, parameters: Parameters) -> None:
        """Transform `.grad` of every parameter that has one, once per optimizer step."""

    def state_dict(self) -> dict[str, Any]:
        """The state: numbers, strings, tensors and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 (most have no state)
        """Continue from `state_dict()`."""


class Chain(GradientTransform):
    """Applies `transforms` one after another.

    Args:
        transforms: in the order of application; clip before noise, so that noise is not clipped.
    """

    def __init__(self, transforms: Sequence[GradientTransform]):
        self.transforms = list(transforms)

    def __call__(self, parameters: Parameters) -> None:
        """Apply every transform to the gradients of `parameters`."""
        listed: list[Any] = list(parameters)
        for transform in self.transforms:
            transform(listed)

    def attach(self, optimizer: Optimizer) -> RemovableHandle:
        """Run the chain at the start of every `optimizer.step()`: any optimizer, any loop."""
        return optimizer.register_step_pre_hook(
            lambda stepped, args, kwargs: self(stepped.param_groups)
        )

    def state_dict(self) -> dict[str, Any]:
        """The state of every transform, by position and name."""
        return {name: t.state_dict() for name, t in self._named()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()` of a chain of the same transforms."""
        names = [name for name, _ in self._named()]
        if list(state) != names:
            raise CheckpointError(
                f"the gradient transforms are {names}, the saved state is of {list(state)}. "
                "Build the chain that was saved."
            )
        for name, transform in self._named():
            transform.load_state_dict(state[name])

    def _named(self) -> Iterator[tuple[str, GradientTransform]]:
        for i, transform in enumerate(self.transforms):
            yield f"{i}.{type(transform).__name__}", transform


class ClipNorm(GradientTransform):
    """g ← g · min(1, limit / ‖g‖), ‖g‖ over all parameters together.

    Args:
        limit: largest global norm; a smaller gradient is untouched, bit for bit.
    """

    def __init__(self, limit: float):
        self.limit = _positive("ClipNorm", limit)

    def __call__(self, parameters: Parameters) -> None:
        """Scale all gradients by one factor if their global norm exceeds `limit`."""
        gradients = [entry.gradient for entry in with_gradient(parameters)]
        # Multiplying by exactly 1 keeps the bits, and needs no wait for the device.
        scale = (self.limit / global_norm(gradients)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.to(gradient))


class ClipValue(GradientTransform):
    """g ← min(max(g, −limit), limit), coordinate by coordinate.

    Args:
        limit: largest absolute value of a coordinate.
    """

    def __init__(self, limit: float):
        self.limit = _positive("ClipValue", limit)

    def __call__(self, parameters: Parameters) -> None:
        """Clamp every coordinate of every gradient."""
        for entry in with_gradient(parameters):
            dense_part(entry.gradient).clamp_(-self.limit, self.limit)


class Entry(NamedTuple):
    """A parameter, its gradient, and the options of its parameter group."""

    parameter: Tensor
    gradient: Tensor
    group: dict[str, Any]


def with_gradient(parameters: Parameters) -> Iterator[Entry]:
    """Every parameter that has a gradient, once: a tied parameter may be listed twice.

    A sparse gradient is coalesced first, for the values of an uncoalesced one are parts of sums.
    """
    seen = set()
    for parameter, group in _with_groups(parameters):
        if parameter.grad is None or id(parameter) in seen:
            continue
        seen.add(id(parameter))
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
        yield Entry(parameter, parameter.grad, group)


def global_norm(gradients: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients as one vector."""
    parts = [dense_part(g) for g in gradients]
    if not parts:
        return torch.zeros(())
    norms = [torch.linalg.vector_norm(part) for part in parts]
    total: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0]) for norm in norms]))
    return total


def dense_part(gradient: Tensor) -> Tensor:
    """The gradient, or the stored values of a coalesced sparse one (a view)."""
    return gradient._values() if gradient.is_sparse else gradient


def _with_groups(parameters: Parameters) -> Iterator[tuple[Tensor, dict[str, Any]]]:
    for entry in parameters:
        if isinstance(entry, dict):
            yield from ((p, entry) for p in entry["params"])
        else:
            yield entry, {}


def _positive(name: str, limit: float) -> float:
    if not limit > 0:
        raise ArgumentError(f"{name} needs a limit > 0, got {limit!r}.")
    return limit
