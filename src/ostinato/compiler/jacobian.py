"""Jacobians of a core on random values, in float64."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from ostinato.compiler.fission import Fission
from ostinato.compiler.reach import leaf_sizes, shape_for
from ostinato.compiler.stages import stages

# Entries of a Jacobian that are measured; of a larger one a sample of its rows.
_ENTRIES = 2**18


class Probe:
    """A core as a function of the carry alone; every row has an input and a carry of its own.

    Row r of the batch yields one row of every Jacobian, that of the element `places[i][r]` of
    new leaf i: rows do not mix, so that one pass backwards finds them all.

    Args:
        fission: the split step.

    Attributes:
        places: for each leaf of the new carry, the elements that are measured, (rows,).
    """

    def __init__(self, fission: Fission) -> None:
        self.fission, sizes = fission, leaf_sizes(fission)
        self.rows = max(2, min(max(sizes), max(16, _ENTRIES // sum(sizes))))
        # Drawn apart, so that a look at a step leaves the user's random numbers alone.
        self.random = torch.Generator().manual_seed(0)
        self.places = [
            torch.randperm(max(size, self.rows), generator=self.random)[: self.rows] % size
            for size in sizes
        ]
        parts = stages(fission)
        self.core = _Double(cast(nn.Module, parts.core))
        fixed = parts.constants()
        fed = parts.inputs(self.rows, *map(self._draw, fission.trace.x), *fixed)
        self.given = [*map(_double, fed), *(self._shaken(_double(value)) for value in fixed)]

    def points(self) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
        """By new and old leaf: the Jacobian here, with that old leaf elsewhere, with all so."""
        here, there = self._carry(), self._carry()
        base, moved = self._jacobian(here), self._jacobian(there)
        alone = [
            self._jacobian([*here[:j], there[j], *here[j + 1 :]]) if len(here) > 1 else moved
            for j in range(len(here))
        ]
        leaves = range(len(here))
        return [[(base[i][j], alone[j][i][j], moved[i][j]) for j in leaves] for i in leaves]

    def rows_mix(self) -> bool:
        """Whether the first row of the new carry depends on other rows of the old."""
        carry = self._carry()
        return any(bool(g[1:].any()) for new in self._run(carry) for g in _grad(new[:1], carry))

    def _jacobian(self, carry: list[Tensor]) -> list[list[Tensor]]:
        """By new leaf and old leaf, (rows, elements of the old leaf)."""
        return [
            _grad(new.reshape(self.rows, -1).gather(1, places[:, None].to(new.device)), carry)
            for new, places in zip(self._run(carry), self.places, strict=True)
        ]

    def _run(self, carry: list[Tensor]) -> list[Tensor]:
        results: list[Tensor] = self.core.run(self.rows, *carry, *self.given)
        return results[: len(carry)]

    def _carry(self) -> list[Tensor]:
        drawn = [_double(self._draw(node)) for node in self.fission.trace.carry]
        return [leaf.requires_grad_(_continuous(leaf)) for leaf in drawn]

    def _draw(self, node: fx.Node) -> Any:
        value = node.meta.get("val")
        if not isinstance(value, Tensor):
            return None
        drawn = self._normal(shape_for(value, self.rows))
        if value.dtype == torch.bool:
            return (drawn > 0).to(value.device)
        # Whole numbers may be indices, of which only 0 is sure to exist.
        return (drawn if _continuous(value) else 0 * drawn).to(value.device, value.dtype)

    def _shaken(self, value: Tensor) -> Tensor:
        """A constant, changed: zeros among the parameters would hide what depends on them."""
        if not _continuous(value):
            return value
        return value + 0.1 * self._normal(tuple(value.shape)).to(value.device)

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.random, dtype=torch.float64)


class _Double(fx.Interpreter):
    """Runs a graph in float64, also where it asks for less."""

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if getattr(kwargs.get("dtype"), "is_floating_point", False):
            kwargs = {**kwargs, "dtype": torch.float64}
        return super().call_function(target, args, kwargs)


def _grad(picked: Tensor, carry: list[Tensor]) -> list[Tensor]:
    """The gradient of the sum in every leaf, (rows, elements); zeros where there is none."""
    total = (picked.real if picked.is_complex() else picked).sum()
    moving = [leaf for leaf in carry if leaf.requires_grad]
    found = {id(leaf): torch.zeros_like(leaf, dtype=torch.float64) for leaf in carry}
    if total.requires_grad:
        gradients = torch.autograd.grad(total, moving, retain_graph=True, allow_unused=True)
        pairs = zip(moving, gradients, strict=True)
        found |= {id(leaf): gradient for leaf, gradient in pairs if gradient is not None}
    return [found[id(leaf)].reshape(len(leaf), -1) for leaf in carry]


def _double(value: Any) -> Any:
    if not isinstance(value, Tensor) or not _continuous(value):
        return value
    return value.detach().to(torch.complex128 if value.is_complex() else torch.float64)


def _continuous(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()
