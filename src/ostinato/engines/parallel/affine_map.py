"""What the A of an affine recurrence h_t = A_t h_{t−1} + b_t may be, as an algebra.

A form works on tensors with any leading axes, in operations that autograd follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ostinato.core.state import rows_like

_AXES = "abcdefghklmnopqrst"


class Form(Protocol):
    """How A acts."""

    @property
    def axes(self) -> int:
        """How many axes at the end of A belong to one matrix."""

    def apply(self, a: Tensor, h: Tensor) -> Tensor:
        """A h."""

    def compose(self, later: Tensor, earlier: Tensor) -> Tensor:
        """The product of two A."""

    def adjoint(self, a: Tensor) -> Tensor:
        """The conjugate transpose, as a view."""

    def one(self, like: Tensor) -> Tensor:
        """The neutral A, to be broadcast over leading axes."""

    def where_identity(self, a: Tensor, mask: Tensor) -> Tensor:
        """A, and the identity where the mask over leading axes holds."""

    def outer(self, left: Tensor, right: Tensor, shape: torch.Size) -> Tensor:
        """left · rightᴴ, summed over the axes where `shape` has 1."""


@dataclass(frozen=True)
class Pointwise:
    """A is a number for each channel; it may be broadcast over channels."""

    axes: int = 0

    def apply(self, a: Tensor, h: Tensor) -> Tensor:
        """A h."""
        return a * h

    def compose(self, later: Tensor, earlier: Tensor) -> Tensor:
        """The product of two A."""
        return later * earlier

    def adjoint(self, a: Tensor) -> Tensor:
        """The conjugate, as a view."""
        return a.conj()

    def one(self, like: Tensor) -> Tensor:
        """The number 1."""
        return torch.ones((), dtype=like.dtype, device=like.device)

    def where_identity(self, a: Tensor, mask: Tensor) -> Tensor:
        """A, and 1 where the mask over leading axes holds."""
        return torch.where(rows_like(mask, a), torch.ones_like(a[:1, :1]), a)

    def outer(self, left: Tensor, right: Tensor, shape: torch.Size) -> Tensor:
        """left · conj(right), summed over the axes where `shape` has 1."""
        names = _AXES[: left.dim()]
        kept = "".join(name for name, size in zip(names, shape, strict=True) if size != 1)
        return torch.einsum(f"{names},{names}->{kept}", left, right.conj()).reshape(shape)


@dataclass(frozen=True)
class Matrices:
    """A is an S×S matrix for each unit of S channels, the last axis of h."""

    axes: int = 2

    def apply(self, a: Tensor, h: Tensor) -> Tensor:
        """A h."""
        return (a @ h.unsqueeze(-1)).squeeze(-1)

    def compose(self, later: Tensor, earlier: Tensor) -> Tensor:
        """The product of two A."""
        return later @ earlier

    def adjoint(self, a: Tensor) -> Tensor:
        """The conjugate transpose, as a view."""
        return a.mH

    def one(self, like: Tensor) -> Tensor:
        """The identity, to be broadcast over leading axes."""
        return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)

    def where_identity(self, a: Tensor, mask: Tensor) -> Tensor:
        """A, and the identity where the mask over leading axes holds."""
        return torch.where(rows_like(mask, a), self.one(a), a)

    def outer(self, left: Tensor, right: Tensor, shape: torch.Size) -> Tensor:
        """left · rightᴴ, summed over the axes where `shape` has 1."""
        names = _AXES[: left.dim() - 1]
        kept = "".join(name for name, size in zip(names, shape, strict=False) if size != 1)
        result = torch.einsum(f"{names}i,{names}j->{kept}ij", left, right.conj())
        return result.reshape(shape)
