"""Decay inside a chunk: products of rows i and j ≤ i in which each key has decayed since j.

    x_i · y_j e^{Γ_i − Γ_j} = Σ_κ x_iκ y_jκ e^{Γ_iκ − Γ_jκ}

No exponent is ever positive. Where all keys decay alike the factor stands outside the product. Key
by key, the chunk is halved again and again: between rows of the second half and columns of the
first both factors, since and until the middle, are at most 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from ostinato.engines.chunk.triangular import join, lower_block


class Decay(Protocol):
    """Decayed products over the C steps of a chunk; rows may be several to a step.

    Attributes:
        entering: e^{Γ_i} (..., C, 1 or K).
        leaving: e^{Γ_C − Γ_j} (..., C, 1 or K).
        whole: e^{Γ_C} (..., 1 or K).
    """

    entering: Tensor
    leaving: Tensor
    whole: Tensor

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """Decayed products of rows x (..., C·p, K) and y (..., C·n, K); zero where j > i."""

    def to_rows(self, weights: Tensor, y: Tensor) -> Tensor:
        """Σ_j w_ij y_j e^{Γ_i − Γ_j} of weights that are zero where j > i: the gradient of x."""

    def to_columns(self, weights: Tensor, x: Tensor) -> Tensor:
        """Σ_i w_ij x_i e^{Γ_i − Γ_j}: the gradient of y."""


def make_decay(gamma: Tensor, dtype: torch.dtype) -> Decay:
    """The decay of sums Γ (..., C, 1 or K); the form follows from their last axis."""
    return (SharedDecay if gamma.shape[-1] == 1 else KeyDecay)(gamma, dtype)


class _Ends:
    """Decay from the beginning of a chunk and to its end."""

    def __init__(self, gamma: Tensor, dtype: torch.dtype) -> None:
        self.entering = gamma.to(dtype).exp()
        self.leaving = (gamma[..., -1:, :] - gamma).to(dtype).exp()
        self.whole = self.entering[..., -1, :]


class SharedDecay(_Ends):
    """One decay for all keys; `gamma` (..., C, 1)."""

    def __init__(self, gamma: Tensor, dtype: torch.dtype) -> None:
        super().__init__(gamma, dtype)
        size = gamma.shape[-2]
        later = torch.ones(size, size, dtype=torch.bool, device=gamma.device).triu(1)
        self.table = (gamma - gamma.mT).to(dtype).masked_fill(later, -torch.inf).exp()

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """As `Decay.scores`."""
        return self._decayed(x @ y.mT)

    def to_rows(self, weights: Tensor, y: Tensor) -> Tensor:
        """As `Decay.to_rows`."""
        return self._decayed(weights) @ y

    def to_columns(self, weights: Tensor, x: Tensor) -> Tensor:
        """As `Decay.to_columns`."""
        return self._decayed(weights).mT @ x

    def _decayed(self, weights: Tensor) -> Tensor:
        """Weights (..., C·p, C·n) times the table."""
        size = self.table.shape[-1]
        blocks = torch.unflatten(torch.unflatten(weights, -1, (size, -1)), -3, (size, -1))
        return (blocks * self.table[..., :, None, :, None]).flatten(-4, -3).flatten(-2, -1)


class KeyDecay(_Ends):
    """A decay of its own for every key; `gamma` (..., C, K), C a power of 2."""

    def __init__(self, gamma: Tensor, dtype: torch.dtype) -> None:
        super().__init__(gamma, dtype)
        self.size = gamma.shape[-2]
        self.levels = list(_levels(gamma, dtype))

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """As `Decay.scores`."""
        found = self._steps(x) @ self._steps(y).mT
        for since, until in self.levels:
            found = join(found, _times(_half(x, since, 1), since) @ self._first(y, until).mT)
        return found[..., 0, :, :]

    def to_rows(self, weights: Tensor, y: Tensor) -> Tensor:
        """As `Decay.to_rows`."""
        found = self._own(weights) @ self._steps(y)
        for since, until in self.levels:
            below = lower_block(weights, since.shape[-3]) @ self._first(y, until)
            found = _into(found, since, 1, below)
        return found.flatten(-3, -2)

    def to_columns(self, weights: Tensor, x: Tensor) -> Tensor:
        """As `Decay.to_columns`."""
        found = self._own(weights).mT @ self._steps(x)
        for since, until in self.levels:
            later = _times(_half(x, since, 1), since)
            found = _into(found, until, 0, lower_block(weights, until.shape[-3]).mT @ later)
        return found.flatten(-3, -2)

    def _steps(self, x: Tensor) -> Tensor:
        """(..., C·p, K) as (..., C, p, K)."""
        return torch.unflatten(x, -2, (self.size, -1))

    def _own(self, weights: Tensor) -> Tensor:
        """Weights between rows of one step (..., C, p, n)."""
        blocks = torch.unflatten(torch.unflatten(weights, -1, (self.size, -1)), -3, (self.size, -1))
        return blocks.diagonal(0, -4, -2).movedim(-1, -3)

    def _first(self, y: Tensor, until: Tensor) -> Tensor:
        return _times(_half(y, until, 0), until)


def _levels(gamma: Tensor, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """For halves of 1, 2, 4 … steps the decay since the middle and until it (..., m, half, K)."""
    half = 1
    while half < gamma.shape[-2]:
        first, second = torch.unflatten(gamma, -2, (-1, 2, half)).unbind(-3)
        middle = first[..., -1:, :]
        yield (second - middle).to(dtype).exp(), (middle - first).to(dtype).exp()
        half *= 2


def _half(x: Tensor, like: Tensor, which: int) -> Tensor:
    """The first or the second half of the pairs of blocks (..., m, half·p, K)."""
    return torch.unflatten(x, -2, (like.shape[-3], 2, -1))[..., which, :, :]


def _times(x: Tensor, factor: Tensor) -> Tensor:
    """Rows (..., steps·p, K) times a factor for each step (..., steps, K)."""
    return (torch.unflatten(x, -2, (factor.shape[-2], -1)) * factor[..., None, :]).flatten(-3, -2)


def _into(found: Tensor, factor: Tensor, which: int, part: Tensor) -> Tensor:
    """Add to one half of every pair of blocks of `found` (..., C, p, K), in place."""
    halves = torch.unflatten(found, -3, (factor.shape[-3], 2, factor.shape[-2]))
    halves[..., which, :, :, :] += (
        torch.unflatten(part, -2, (factor.shape[-2], -1)) * factor[..., None, :]
    )
    return found
